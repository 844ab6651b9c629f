//! An issuer that signs documents, with the key of RFC 8037 appendix A.

use super::{Keys, Origin};
use crate::base64url;
use crate::crypto::{Algorithm, Software};
use crate::jose::{JwkSet, JwksLimits};
use crate::keys::{KeyStore, Signer};
use crate::time::{Span, Timestamp};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::Value;

/// When it all happens, in seconds.
pub(super) const NOW: i64 = 1_790_000_000;

pub(super) fn now() -> Timestamp {
    Timestamp::from_secs(NOW)
}

/// What both kinds of documents are expected to be.
pub(super) const ORIGIN: Origin<'static> = Origin {
    uri: "https://id.bank.example/revocations",
    issuer: "https://id.bank.example",
    algorithms: &[Algorithm::EdDsa],
    clock_skew: Span::from_secs(30),
    max_bytes: 16 << 20,
};

/// Signs claims under a header.
pub(super) fn sign(header: &Value, claims: &Value) -> String {
    let parts = [header, claims].map(|part| base64url::encode(&serde_json::to_vec(part).unwrap()));
    let input = parts.join(".");
    let secret = base64url::decode_array(b"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    let signature = SigningKey::from_bytes(&secret).sign(input.as_bytes());
    format!("{input}.{}", base64url::encode(&signature.to_bytes()))
}

/// The issuer's keys: that one, as `a`, and the other of RFC 8037's examples, as `b`.
pub(super) fn store() -> KeyStore {
    let points = [
        ("a", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"),
        ("b", "O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik"),
    ];
    let keys: Vec<String> = points
        .iter()
        .map(|(kid, x)| format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{x}"}}"#))
        .collect();
    let set = format!(r#"{{"keys":[{}]}}"#, keys.join(","));
    KeyStore::fixed(JwkSet::parse(set.as_bytes(), &JwksLimits::default()).unwrap())
}

pub(super) fn keys(store: &mut KeyStore) -> Keys<'_> {
    Keys { store, provider: &Software, waited: true }
}

/// Who signed what is read without its signature.
pub(super) fn signer() -> Signer {
    Signer { thumbprint: [0; 32], kid: None, algorithm: Algorithm::EdDsa }
}

/// A change of a document that must be noticed: a member, at a pointer, and what becomes of it; nothing takes it out.
pub(super) fn changed(document: &Value, pointer: &str, to: Option<Value>) -> Value {
    let mut document = document.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match to {
        Some(value) => parent.insert(name.into(), value),
        None => parent.remove(name),
    };
    document
}
