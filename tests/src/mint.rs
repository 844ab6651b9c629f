//! Signing keys and tokens, good and bad.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::KeyPair;
use serde_json::{Value, json};

/// An ES256 key of an issuer.
#[derive(Clone)]
pub struct SigningKey {
    /// The key's ID.
    pub kid: String,
    /// The private key as PEM, PKCS #8.
    pub pem: String,
    point: Vec<u8>,
}

impl SigningKey {
    /// A new key.
    pub fn new(kid: &str) -> Result<Self> {
        let pair = KeyPair::generate()?;
        Ok(Self { kid: kid.to_owned(), pem: pair.serialize_pem(), point: pair.public_key_raw().to_vec() })
    }

    /// The public key as a JWK (RFC 7517).
    pub fn jwk(&self) -> Value {
        // The point is uncompressed: 4, x, y (SEC 1 §2.3.3).
        let coordinate = |from, to| BASE64URL.encode(self.point.get(from..to).unwrap_or_default());
        json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.kid,
            "x": coordinate(1, 33), "y": coordinate(33, 65),
        })
    }

    /// A token over these claims, of type `at+jwt`.
    pub fn sign(&self, claims: &Value) -> Result<String> {
        self.sign_as(&self.kid, claims)
    }

    /// A token that names another key than it is signed with.
    pub fn sign_as(&self, kid: &str, claims: &Value) -> Result<String> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(kid.to_owned());
        Ok(jsonwebtoken::encode(&header, claims, &EncodingKey::from_ec_pem(self.pem.as_bytes())?)?)
    }
}

/// A JWK Set of these keys.
pub fn jwks<'a>(keys: impl IntoIterator<Item = &'a SigningKey>) -> Value {
    json!({ "keys": keys.into_iter().map(SigningKey::jwk).collect::<Vec<_>>() })
}

/// The claims with these members put in place of theirs; `null` removes one.
pub fn with(claims: &Value, changes: Value) -> Value {
    let mut claims = claims.clone();
    if let (Value::Object(claims), Value::Object(changes)) = (&mut claims, changes) {
        for (name, value) in changes {
            match value {
                Value::Null => drop(claims.remove(&name)),
                value => drop(claims.insert(name, value)),
            }
        }
    }
    claims
}

/// The token with changed claims under its old signature.
pub fn tamper(token: &str, changes: Value) -> Result<String> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else { anyhow::bail!("not a JWS: `{token}`") };
    let claims: Value = serde_json::from_slice(&BASE64URL.decode(claims)?)?;
    let claims = BASE64URL.encode(with(&claims, changes).to_string());
    Ok(format!("{header}.{claims}.{signature}"))
}

/// An unsigned token, `alg` being `none` (RFC 7515 appendix A.5).
pub fn unsigned(claims: &Value) -> String {
    let header = json!({ "alg": "none", "typ": "at+jwt" });
    format!("{}.{}.", BASE64URL.encode(header.to_string()), BASE64URL.encode(claims.to_string()))
}

/// Seconds since the Unix epoch.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
