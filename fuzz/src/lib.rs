//! A gateway for targets that send whole requests, and an issuer whose signature is good on anything.

use countersign_core::base64url;
use countersign_core::crypto::{Algorithm, PublicKey, SignatureError, SignatureProvider};
use countersign_core::exchange::{Effect, Event, Exchange, Flow};
use countersign_core::gateway::{Entropy, Gateway};
use countersign_core::jose::{JwkSet, JwksLimits};
use countersign_core::keys::KeyStore;
use countersign_core::metrics::Unobserved;
use countersign_core::request::{Peer, RequestHead};
use countersign_core::revocation::{Keys, Origin};
use countersign_core::settings::Settings;
use countersign_core::time::{Span, Timestamp};
use std::cell::RefCell;
use std::rc::Rc;

/// When it all happens, in seconds since the epoch.
pub const NOW: i64 = 1_790_000_000;

/// A P-256 key and its thumbprint (RFC 9449 §4.1, §6.1).
pub const HOLDER: &str = r#"{"kty":"EC","crv":"P-256","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"}"#;
/// The thumbprint.
pub const THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

/// The digest of the certificate that every request comes with, as tokens name it (RFC 8705 §3.1).
pub const CERTIFICATE: &str = "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo";

/// Says that an input was accepted, where `cargo xtask fuzz` asks: a target whose seeds are all refused would hold nothing.
pub fn accepted() {
    if std::env::var_os("COUNTERSIGN_FUZZ_SEEDS").is_some() {
        eprintln!("accepted");
    }
}

/// Takes every signature for good.
pub struct Credulous;

impl SignatureProvider for Credulous {
    fn verify(&self, _: &PublicKey, _: Algorithm, _: &[u8], _: &[u8]) -> Result<(), SignatureError> {
        Ok(())
    }
}

/// What lists and feeds are expected to be.
pub const ORIGIN: Origin<'static> = Origin {
    uri: "https://id.bank.example/revoked",
    issuer: "https://id.bank.example",
    algorithms: &[Algorithm::Es256],
    clock_skew: Span::from_secs(30),
    max_bytes: 1 << 20,
};

/// Calls `read` with keys that verify anything signed as ES256 by `k`.
pub fn with_keys<T>(read: impl FnOnce(Keys<'_>) -> T) -> T {
    KEYS.with_borrow_mut(|store| read(Keys { store, provider: &Credulous, waited: true }))
}

thread_local! {
    static KEYS: RefCell<KeyStore> = {
        let set = format!(r#"{{"keys":[{}]}}"#, HOLDER.replacen('{', r#"{"kid":"k","#, 1));
        let set = JwkSet::parse(set.as_bytes(), &JwksLimits::default()).expect("a good key");
        RefCell::new(KeyStore::fixed(set))
    };
    static SETTINGS: Rc<Settings> = load("gateway");
    static WORKERS: Rc<Settings> = load("workers");
    static GATEWAY: RefCell<(u32, Option<Gateway>)> = const { RefCell::new((0, None)) };
}

fn load(name: &str) -> Rc<Settings> {
    let folder = std::env::var("COUNTERSIGN_FUZZ_CONFIGURATIONS")
        .expect("COUNTERSIGN_FUZZ_CONFIGURATIONS: a folder of fuzz/*.yaml, compiled; `cargo xtask fuzz` sets it");
    let bytes = std::fs::read(format!("{folder}/{name}.json")).expect("the compiled configuration");
    Rc::new(Settings::load(&bytes).expect("a good configuration"))
}

/// What requests are judged by whose gateway has other workers, and calls others.
pub fn workers() -> Rc<Settings> {
    WORKERS.with(Rc::clone)
}

/// What requests are judged by.
pub fn settings() -> Rc<Settings> {
    SETTINGS.with(Rc::clone)
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it went upstream.
    pub allowed: bool,
    /// The audit line.
    pub audit: String,
    /// Headers that were added.
    pub added: Vec<(String, String)>,
}

/// Makes the next request the first one that a gateway sees: no proof was used, and nothing is remembered.
pub fn forget() {
    GATEWAY.with_borrow_mut(|(_, gateway)| *gateway = None);
}

/// Sends a request; checks what holds of each.
pub fn ask(method: &[u8], path: &[u8], headers: &[(&[u8], &[u8])]) -> Verdict {
    GATEWAY.with_borrow_mut(|(asked, gateway)| {
        *asked += 1;
        // A new one now and then: caches and used proofs are part of what is tried, and should not fill up for good.
        let gateway = match gateway {
            Some(gateway) if *asked % 4_096 != 0 => gateway,
            gateway => {
                let entropy = Entropy { decision_nonce: 1, cache_key: (2, 3), secret: [4; 32] };
                let made = gateway.insert(Gateway::new(SETTINGS.with(Rc::clone), entropy));
                made.set_provider(Rc::new(Credulous));
                made
            }
        };
        let mut all: Vec<(&[u8], &[u8])> = vec![
            (b":method", method),
            (b":path", path),
            (b":authority", b"api.bank.example"),
            (b":scheme", b"https"),
        ];
        all.extend(headers);
        // Who forwards a certificate is a proxy that is listed.
        let forwards = headers.iter().any(|(name, _)| *name == b"x-forwarded-client-cert");
        let name: &[u8] =
            if forwards { b"spiffe://bank.example/edge-proxy" } else { b"spiffe://bank.example/edge" };
        let peer = Peer::certificate(name, Some(&[b'a'; 64]));
        let mut exchange = Exchange::new(*asked);
        let event = Event::RequestHeaders(RequestHead { headers: &all, peer });
        exchange.handle(Some(gateway), event, &mut Unobserved, Timestamp::from_secs(NOW));
        let (mut lines, mut added, mut replies) = (Vec::new(), Vec::new(), 0);
        while let Some(effect) = exchange.poll_effect() {
            match effect {
                Effect::Audit(line) => lines.push(line),
                Effect::Reply(reply) => {
                    replies += 1;
                    assert!((400..600).contains(&reply.status));
                    for (_, value) in &reply.headers {
                        assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{value:?}");
                    }
                }
                Effect::EditHeaders(edits) => {
                    for (name, value) in edits.add {
                        assert!(value.bytes().all(|byte| byte.is_ascii_graphic()), "{value:?}");
                        added.push((name.to_string(), value));
                    }
                }
                Effect::Count(_) => {}
            }
        }
        let [audit] = lines.try_into().expect("one audit line");
        let allowed = exchange.flow() == Flow::Release;
        assert_eq!(replies, usize::from(!allowed), "an answer to each request that does not go on");
        Verdict { allowed, audit, added }
    })
}

/// A token of this payload.
pub fn token(header: impl AsRef<[u8]>, payload: &[u8]) -> String {
    format!("{}.{}.c2ln", base64url::encode(header.as_ref()), base64url::encode(payload))
}
