//! Proofs of possession (RFC 9449), good and bad.

use anyhow::Result;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::mint::SigningKey;

/// A proof in the making: what stands in it can be changed before it is signed.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The protected header.
    pub header: Value,
    /// The claims.
    pub claims: Value,
}

impl Proof {
    /// A good proof by `key` for this request with this token.
    pub fn new(key: &SigningKey, method: &str, uri: &str, token: &str, at: i64) -> Self {
        let mut jwk = key.jwk();
        for member in ["alg", "use", "kid"] {
            jwk.as_object_mut().map(|jwk| jwk.remove(member));
        }
        Self {
            header: json!({ "typ": "dpop+jwt", "alg": key.jwk()["alg"], "jwk": jwk }),
            claims: json!({
                "jti": format!("{:016x}", fresh()), "htm": method, "htu": uri, "iat": at, "ath": digest(token),
            }),
        }
    }

    /// Its text, signed by `key`.
    pub fn sign(&self, key: &SigningKey) -> Result<String> {
        sign(&self.header, &self.claims, key)
    }
}

/// Header and claims, signed with ES256 whatever the header says.
pub fn sign(header: &Value, claims: &Value, key: &SigningKey) -> Result<String> {
    let signed = format!("{}.{}", BASE64URL.encode(header.to_string()), BASE64URL.encode(claims.to_string()));
    let key = EncodingKey::from_ec_pem(key.pem.as_bytes())?;
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::ES256)?;
    Ok(format!("{signed}.{signature}"))
}

/// `ath`, and the form of every SHA-256 in claims.
pub fn digest(text: impl AsRef<[u8]>) -> String {
    BASE64URL.encode(Sha256::digest(text))
}

/// `jkt`: the thumbprint of an ES256 key (RFC 7638 §3.2).
pub fn thumbprint(key: &SigningKey) -> String {
    let jwk = key.jwk();
    digest(format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, jwk["x"], jwk["y"]))
}

/// A number that no other proof of this process has.
fn fresh() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}
