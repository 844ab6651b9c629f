use super::*;
use crate::crypto::known_answers::{MESSAGE, known_answer};
use alloc::vec::Vec;
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use p256::elliptic_curve::point::AffineCoordinates as _;
use sha2::{Digest as _, Sha512};

/// A provider that has tables for these keys.
fn prepared<'k>(keys: impl IntoIterator<Item = &'k PublicKey>) -> Fast {
    let fast = Fast::new();
    for key in keys {
        use_often(&fast, key, USES);
    }
    while fast.work(u32::MAX) {}
    fast
}

fn use_often(fast: &Fast, key: &PublicKey, times: u32) {
    let algorithm = Algorithm::ALL.into_iter().find(|algorithm| algorithm.key_type() == key.key_type());
    for _ in 0..times {
        assert!(fast.verify(key, algorithm.unwrap(), MESSAGE, &[1; 64]).is_err());
    }
}

/// The multiple of P-256's generator by a small number.
fn p256_key(number: u64) -> PublicKey {
    let point = (p256::ProjectivePoint::GENERATOR * p256::Scalar::from(number)).to_affine();
    PublicKey::p256(&point.x().into(), &point.y().into()).unwrap()
}

/// The multiple of Ed25519's generator by a number, with a bit of torsion perhaps.
fn ed25519_key(secret: &Scalar, torsion: usize) -> (EdwardsPoint, PublicKey) {
    let point = ED25519_BASEPOINT_POINT * secret + EIGHT_TORSION[torsion];
    (point, PublicKey::ed25519(point.compress().as_bytes()).unwrap())
}

/// Both verdicts, which must be the same, of which one is the table's.
fn agreed(
    fast: &Fast,
    key: &PublicKey,
    algorithm: Algorithm,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    fast.take_by_table();
    let verdict = fast.verify(key, algorithm, message, signature);
    assert_eq!(fast.take_by_table(), 1, "the table was not asked");
    assert_eq!(verdict, Software.verify(key, algorithm, message, signature), "{algorithm} {signature:02x?}");
    verdict
}

fn order(algorithm: Algorithm) -> Vec<u8> {
    let text = match algorithm {
        Algorithm::Es256 => "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
        Algorithm::Es384 => {
            "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973"
        }
        _ => {
            "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409"
        }
    };
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

/// The difference of two numbers of equal length.
fn minus(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut out = Vec::new();
    for (a, b) in a.iter().rev().zip(b.iter().rev()) {
        let difference = i16::from(*a) - i16::from(*b) - borrow;
        borrow = i16::from(difference < 0);
        out.insert(0, (difference + (borrow << 8)) as u8);
    }
    out
}

#[test]
fn ecdsa_agrees_on_numbers_at_every_edge() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512] {
        let known = known_answer(algorithm).unwrap().unwrap();
        let fast = prepared([&known.key, &known.other]);
        let (r, s) = known.signature.split_at(known.signature.len() / 2);
        let n = order(algorithm);
        let small = |number: u8| [alloc::vec![0; n.len() - 1], alloc::vec![number]].concat();
        let mut numbers = alloc::vec![r.to_vec(), s.to_vec(), minus(&n, r), minus(&n, s), n.clone()];
        numbers.extend([small(0), small(1), small(2), minus(&n, &small(1)), minus(&n, &small(2))]);
        numbers.extend([
            alloc::vec![0xff; n.len()],
            alloc::vec![0x80; n.len()],
            minus(&n, &[0xff, 0xff].repeat(n.len() / 2)[..]),
        ]);
        let mut good = Vec::new();
        for (i, r) in numbers.iter().enumerate() {
            for (j, s) in numbers.iter().enumerate() {
                let signature = [&r[..], s].concat();
                for key in [&known.key, &known.other] {
                    if agreed(&fast, key, algorithm, MESSAGE, &signature).is_ok() {
                        good.push((i, j));
                    }
                }
                assert!(agreed(&fast, &known.key, algorithm, b"", &signature).is_err());
            }
        }
        // The signature, and the same with n - s, which ECDSA accepts too.
        assert_eq!(good, [(0, 1), (0, 3)], "{algorithm}");
        for length in [0, 1, 31, 63, 65, known.signature.len() - 1, known.signature.len() + 1, 200] {
            let mut signature = known.signature.clone();
            signature.resize(length, 0);
            let expected =
                if length == known.signature.len() { Ok(()) } else { Err(SignatureError::Malformed) };
            assert_eq!(agreed(&fast, &known.key, algorithm, MESSAGE, &signature), expected, "{length}");
        }
    }
}

#[test]
fn every_bit_of_a_signature_counts() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512] {
        let known = known_answer(algorithm).unwrap().unwrap();
        let fast = prepared([&known.key]);
        // On the larger curves each takes milliseconds.
        let step = if algorithm == Algorithm::Es256 { 1 } else { 7 };
        for bit in (0..known.signature.len() * 8).step_by(step) {
            let mut signature = known.signature.clone();
            signature[bit / 8] ^= 1 << (bit % 8);
            assert!(agreed(&fast, &known.key, algorithm, MESSAGE, &signature).is_err(), "{algorithm} {bit}");
        }
    }
}

/// Signatures made by arithmetic, so that sums pass through doublings and the neutral element: z of zero, secrets that are small
/// or next to the order, and numbers for which the whole sum vanishes.
macro_rules! ecdsa_arithmetic {
    ($name:ident, $curve:ident, $table:ty) => {
        #[test]
        fn $name() {
            use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
            use p256::elliptic_curve::ops::Reduce;
            use p256::elliptic_curve::{NonZeroScalar, PrimeField as _};
            use $curve::{ProjectivePoint, Scalar};
            type Curve = <ProjectivePoint as p256::elliptic_curve::CurveGroup>::Affine;
            let mut generator = <$table>::generator();
            while !generator.is_whole() {
                generator.build_window();
            }
            let number = |number: u64| Scalar::from(number);
            let half = number(2).invert().unwrap();
            let secrets =
                [number(1), -number(1), number(2), number(64), -number(64), half, number(0xdead_beef) * half];
            for secret in secrets {
                let point: Curve = (ProjectivePoint::GENERATOR * secret).to_affine();
                let verifying = $curve::ecdsa::VerifyingKey::from_affine(point).unwrap();
                let mut table = <$table>::new(point.into());
                assert!(!table.verify(
                    &generator,
                    &[0; 32],
                    (NonZeroScalar::new(half).unwrap(), NonZeroScalar::new(half).unwrap())
                ));
                while !table.is_whole() {
                    table.build_window();
                }
                for z in [number(0), number(1), -number(1), number(32), half, secret, -secret] {
                    for k in [number(1), -number(1), number(2), number(33), half] {
                        let x = (ProjectivePoint::GENERATOR * k).to_affine().x();
                        let r = <Scalar as Reduce<$curve::FieldBytes>>::reduce(&x);
                        let s = (z + r * secret) * k.invert().unwrap();
                        // For the last two: z + r·d is zero, and the sum is the neutral element.
                        let vanishing = -(r * secret);
                        for (z, r, s, expected) in [
                            (z, r, s, Some(true)),
                            (z, r, -s, Some(true)),
                            (z, s, r, None),
                            (z, r, s + number(1), None),
                            (z, r + number(1), s, None),
                            (vanishing, r, r, Some(false)),
                            (vanishing, r, number(1), Some(false)),
                        ] {
                            let z = z.to_repr();
                            let Ok(signature) =
                                $curve::ecdsa::Signature::from_scalars(r.to_repr(), s.to_repr())
                            else {
                                continue;
                            };
                            let fast = table.verify(&generator, &z, signature.split_scalars());
                            // P-521's digest is shorter than its order, and the crate takes no longer one as it is.
                            let (spare, digest) = z.split_at(z.len().saturating_sub(64));
                            if spare.iter().all(|byte| *byte == 0) {
                                let crates = verifying.verify_prehash(digest, &signature).is_ok();
                                assert_eq!(fast, crates, "secret {secret:?}, z {z:?}, k {k:?}");
                            }
                            assert_eq!(fast, expected.unwrap_or(fast), "secret {secret:?}, z {z:?}, k {k:?}");
                        }
                    }
                }
            }
        }
    };
}

ecdsa_arithmetic!(p256_sums, p256, comb::Comb<p256::NistP256>);
ecdsa_arithmetic!(p384_sums, p384, comb::Comb<p384::NistP384>);
ecdsa_arithmetic!(p521_sums, p521, comb::Comb<p521::NistP521>);

/// A key with a part of low order makes signatures that hold for one message in eight, without the cofactor.
#[test]
fn ed25519_agrees_on_signatures_of_keys_with_torsion() {
    for torsion in [0, 1, 2, 4] {
        let secret = Scalar::from(0x0123_4567_89ab_cdef_u64) * Scalar::from(u64::MAX);
        let (point, key) = ed25519_key(&secret, torsion);
        let fast = prepared([&key]);
        let mut good = 0;
        for number in 0..64_u64 {
            let nonce = Scalar::from(number + 1) * Scalar::from(u64::MAX);
            let r = (ED25519_BASEPOINT_POINT * nonce).compress();
            let message = number.to_le_bytes();
            let hash = Sha512::new().chain_update(r.as_bytes()).chain_update(point.compress().as_bytes());
            let k = Scalar::from_bytes_mod_order_wide(&hash.chain_update(message).finalize().into());
            let signature = [*r.as_bytes(), (nonce + k * secret).to_bytes()].concat();
            good += u32::from(agreed(&fast, &key, Algorithm::EdDsa, &message, &signature).is_ok());
        }
        match torsion {
            0 => assert_eq!(good, 64),
            _ => assert!((1..64).contains(&good), "{torsion}: {good}"),
        }
    }
}

/// R that is of low order, in each of its spellings, where S makes the equation hold; S raised by the order; bits turned over.
#[test]
fn ed25519_is_as_strict() {
    let secret = Scalar::from(0xfeed_u64) * Scalar::from(u64::MAX);
    let (point, key) = ed25519_key(&secret, 0);
    let fast = prepared([&key]);
    let hash = |r: &[u8; 32]| {
        let hash = Sha512::new().chain_update(r).chain_update(point.compress().as_bytes());
        Scalar::from_bytes_mod_order_wide(&hash.chain_update(MESSAGE).finalize().into())
    };
    let mut spellings: Vec<[u8; 32]> =
        EIGHT_TORSION.iter().map(|point| point.compress().to_bytes()).collect();
    // y of p and p + 1, and signs of x that is zero.
    for (first, last) in [(0xed, 0x7f), (0xee, 0x7f), (0xed, 0xff), (0xee, 0xff)] {
        let mut y = [0xff; 32];
        (y[0], y[31]) = (first, last);
        spellings.push(y);
    }
    let mut one = [0; 32];
    (one[0], one[31]) = (1, 0x80);
    spellings.push(one);
    for r in spellings {
        let s = hash(&r) * secret;
        let verdict = agreed(&fast, &key, Algorithm::EdDsa, MESSAGE, &[r, s.to_bytes()].concat());
        assert_eq!(verdict, Err(SignatureError::Mismatch), "{r:02x?}");
    }
    let nonce = Scalar::from(77_u64);
    let r = (ED25519_BASEPOINT_POINT * nonce).compress().to_bytes();
    let s = (nonce + hash(&r) * secret).to_bytes();
    let good = [r, s].concat();
    assert_eq!(agreed(&fast, &key, Algorithm::EdDsa, MESSAGE, &good), Ok(()));
    for bit in 0..512 {
        let mut signature = good.clone();
        signature[bit / 8] ^= 1 << (bit % 8);
        assert!(agreed(&fast, &key, Algorithm::EdDsa, MESSAGE, &signature).is_err(), "{bit}");
    }
    // S + L, the same number to the equation.
    let mut order = (-Scalar::ONE).to_bytes();
    order[0] += 1;
    let mut carry = 0;
    let raised: Vec<u8> = s
        .iter()
        .zip(order)
        .map(|(s, order)| {
            let sum = u16::from(*s) + u16::from(order) + carry;
            carry = sum >> 8;
            sum as u8
        })
        .collect();
    assert_eq!(
        agreed(&fast, &key, Algorithm::EdDsa, MESSAGE, &[&r[..], &raised].concat()),
        Err(SignatureError::Mismatch)
    );
    for length in [0, 32, 63, 65] {
        let mut signature = good.clone();
        signature.resize(length, 0);
        let verdict = agreed(&fast, &key, Algorithm::EdDsa, MESSAGE, &signature);
        assert_eq!(verdict, Err(SignatureError::Malformed));
    }
}

#[test]
fn a_table_is_built_by_work_alone_for_keys_that_are_used() {
    let fast = Fast::new();
    let key = p256_key(7);
    use_often(&fast, &key, USES - 1);
    assert!(!fast.work(u32::MAX));
    assert_eq!((fast.tables(), fast.bytes()), (0, 0));
    use_often(&fast, &key, 1);
    assert_eq!((fast.tables(), fast.bytes()), (0, 0), "a request builds nothing");
    let mut slices = 0;
    while SignatureProvider::work(&fast) {
        slices += 1;
        // Half a table is none.
        use_often(&fast, &key, 1);
        assert_eq!((fast.tables(), fast.take_by_table()), (0, 0));
    }
    assert!(slices > 10, "{slices}");
    assert_eq!(fast.tables(), 1);
    use_often(&fast, &key, 3);
    assert_eq!(fast.take_by_table(), 3);
    assert_eq!(fast.take_by_table(), 0);
    assert!(!fast.work(u32::MAX));
}

#[test]
fn algorithms_and_kinds_without_tables() {
    let rsa = known_answer(Algorithm::Rs256).unwrap().unwrap();
    let p256 = p256_key(7);
    let fast = prepared([&rsa.key, &p256]);
    assert_eq!(fast.tables(), 1);
    assert_eq!(fast.verify(&rsa.key, Algorithm::Rs256, MESSAGE, &rsa.signature), Ok(()));
    for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| *algorithm != Algorithm::Es256) {
        let verdict = fast.verify(&p256, algorithm, MESSAGE, &[1; 64]);
        assert_eq!(verdict, Err(SignatureError::KeyMismatch), "{algorithm}");
    }
    assert_eq!(fast.take_by_table(), 0);
}

#[test]
fn tables_are_bounded_and_go_to_those_used_most() {
    let keys: Vec<PublicKey> = (2..14).map(p256_key).collect();
    let fast = prepared(&keys);
    assert_eq!(fast.tables(), MOST_TABLES);
    assert!(fast.bytes() <= MOST_BYTES);
    // One that is used no more than they are gets none.
    let late = p256_key(99);
    use_often(&fast, &late, USES);
    assert!(!fast.work(u32::MAX));
    use_often(&fast, &late, 1);
    assert_eq!(fast.take_by_table(), 0);
    while fast.work(u32::MAX) {}
    assert_eq!(fast.tables(), MOST_TABLES);
    use_often(&fast, &late, 1);
    assert_eq!(fast.take_by_table(), 1);

    // Large tables are fewer; those of a curve that is out of use leave no generator behind.
    let p521 = known_answer(Algorithm::Es512).unwrap().unwrap();
    let p384 = known_answer(Algorithm::Es384).unwrap().unwrap();
    for (turn, key) in (3..).zip([&p521.key, &p521.other, &p384.key, &p384.other]) {
        use_often(&fast, key, turn * USES);
        while fast.work(u32::MAX) {
            assert!(fast.bytes() <= MOST_BYTES);
        }
        use_often(&fast, key, 1);
        assert_eq!(fast.take_by_table(), 1);
    }
    let bytes = fast.bytes();
    assert!((MOST_BYTES / 2..=MOST_BYTES).contains(&bytes), "{bytes}");
}

#[test]
fn keys_that_nobody_asks_about_any_more_make_room() {
    let keys: Vec<PublicKey> = (2..10).map(p256_key).collect();
    let fast = prepared(&keys);
    use_often(&fast, &keys[0], 40);
    fast.take_by_table();
    for _ in 0..8 {
        fast.state.borrow_mut().since_halved = HALF_LIFE - 1;
        use_often(&fast, &keys[1], 1);
    }
    let state = fast.state.borrow();
    assert_eq!(state.keys.len(), MOST_TABLES);
    for keyed in &state.keys {
        let expected = if keyed.key.spki_der() == keys[1].spki_der() { 2 } else { 0 };
        assert_eq!(keyed.uses, expected);
    }
}

#[test]
fn a_flood_of_keys_is_counted_within_bounds() {
    let fast = Fast::new();
    let key = p256_key(7);
    use_often(&fast, &key, USES - 1);
    for number in 100..200 {
        use_often(&fast, &p256_key(number), 1);
    }
    assert_eq!(fast.state.borrow().candidates.len(), MOST_CANDIDATES);
    use_often(&fast, &key, 1);
    while fast.work(u32::MAX) {}
    assert_eq!(fast.tables(), 1);
}
