//! Verifies one signature as often as it is told to, by the curve crates or by tables. It imports nothing, and is no part of what
//! ships.

use std::cell::RefCell;

use countersign_core::crypto::{Algorithm, Fast, PublicKey, SignatureProvider, Software};
use ed25519_dalek::Signer as _;

const MESSAGE: &[u8] = &[b'm'; 400];

struct Case {
    algorithm: Algorithm,
    key: PublicKey,
    signature: Vec<u8>,
}

thread_local! {
    static CASE: RefCell<Option<Case>> = const { RefCell::new(None) };
    static FAST: RefCell<Fast> = RefCell::new(Fast::new());
}

/// Makes a key and a signature for an algorithm, by its place in `Algorithm::ALL`, and forgets all tables; 1 if the signature
/// verifies.
#[unsafe(no_mangle)]
pub extern "C" fn countersign_bench_prepare(algorithm: u32) -> u32 {
    let case = Algorithm::ALL.get(algorithm as usize).copied().and_then(case);
    let good = case.as_ref().is_some_and(|case| verify(&Software, case));
    CASE.set(case);
    FAST.set(Fast::new());
    good.into()
}

/// Verifies so often, by tables (1) or by the crates (0); how often that came out good.
#[unsafe(no_mangle)]
pub extern "C" fn countersign_bench_verify(by_table: u32, times: u32) -> u32 {
    CASE.with_borrow(|case| {
        let Some(case) = case else { return 0 };
        let good = |_: &u32| match by_table {
            0 => verify(&Software, case),
            _ => FAST.with_borrow(|fast| verify(fast, case)),
        };
        (0..times).filter(good).count() as u32
    })
}

/// Builds a slice of what is to be built, as a gateway's tick does; 1 if there is more.
#[unsafe(no_mangle)]
pub extern "C" fn countersign_bench_work() -> u32 {
    FAST.with_borrow(SignatureProvider::work).into()
}

/// Bytes of all tables.
#[unsafe(no_mangle)]
pub extern "C" fn countersign_bench_bytes() -> u32 {
    FAST.with_borrow(Fast::bytes) as u32
}

/// How many signatures were verified by tables since this was asked last.
#[unsafe(no_mangle)]
pub extern "C" fn countersign_bench_by_table() -> u32 {
    FAST.with_borrow(Fast::take_by_table)
}

fn verify(provider: &impl SignatureProvider, case: &Case) -> bool {
    provider.verify(&case.key, case.algorithm, MESSAGE, &case.signature).is_ok()
}

fn case(algorithm: Algorithm) -> Option<Case> {
    macro_rules! ecdsa {
        ($curve:ident, $make:path, $size:literal) => {{
            let secret = $curve::ecdsa::SigningKey::from_slice(&[1; $size]).ok()?;
            let point = secret.verifying_key().to_sec1_point(false);
            let (x, y) = (point.x()?.to_vec(), point.y()?.to_vec());
            let signature: $curve::ecdsa::Signature = secret.sign(MESSAGE);
            ($make(&x.try_into().ok()?, &y.try_into().ok()?).ok()?, signature.to_bytes().to_vec())
        }};
    }
    let (key, signature) = match algorithm {
        Algorithm::Es256 => ecdsa!(p256, PublicKey::p256, 32),
        Algorithm::Es384 => ecdsa!(p384, PublicKey::p384, 48),
        Algorithm::Es512 => ecdsa!(p521, PublicKey::p521, 66),
        Algorithm::EdDsa => {
            let secret = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
            let key = PublicKey::ed25519(secret.verifying_key().as_bytes()).ok()?;
            (key, secret.sign(MESSAGE).to_bytes().to_vec())
        }
        _ => return None,
    };
    Some(Case { algorithm, key, signature })
}
