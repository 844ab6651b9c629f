//! Signing keys and tokens, good and bad.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::KeyPair;
use rsa::pkcs8::{EncodePrivateKey, LineEnding};
use rsa::rand_core::OsRng;
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};

/// A key of an issuer.
#[derive(Clone)]
pub struct SigningKey {
    /// The key's ID.
    pub kid: String,
    /// The private key as PEM, PKCS #8.
    pub pem: String,
    algorithm: Algorithm,
    jwk: Value,
}

impl SigningKey {
    /// A new ES256 key.
    pub fn new(kid: &str) -> Result<Self> {
        Self::of(kid, Algorithm::ES256)
    }

    /// A new key for ES256, ES384, EdDSA, or an algorithm of RSA, which takes a moment.
    pub fn of(kid: &str, algorithm: Algorithm) -> Result<Self> {
        let (pem, mut jwk) = match algorithm {
            Algorithm::ES256 => ec("P-256", &rcgen::PKCS_ECDSA_P256_SHA256)?,
            Algorithm::ES384 => ec("P-384", &rcgen::PKCS_ECDSA_P384_SHA384)?,
            Algorithm::EdDSA => ed25519()?,
            Algorithm::RS256
            | Algorithm::RS384
            | Algorithm::RS512
            | Algorithm::PS256
            | Algorithm::PS384
            | Algorithm::PS512 => rsa_key()?,
            other => bail!("no keys of {other:?} are made here"),
        };
        jwk["alg"] = json!(algorithm);
        jwk["use"] = json!("sig");
        jwk["kid"] = json!(kid);
        Ok(Self { kid: kid.to_owned(), pem, algorithm, jwk })
    }

    /// The public key as a JWK (RFC 7517).
    pub fn jwk(&self) -> Value {
        self.jwk.clone()
    }

    /// A token over these claims, of type `at+jwt`.
    pub fn sign(&self, claims: &Value) -> Result<String> {
        self.sign_as(&self.kid, claims)
    }

    /// A token that names another key than it is signed with.
    pub fn sign_as(&self, kid: &str, claims: &Value) -> Result<String> {
        self.sign_typed("at+jwt", kid, claims)
    }

    /// Claims of any type, under this `kid`.
    pub fn sign_typed(&self, typ: &str, kid: &str, claims: &Value) -> Result<String> {
        let mut header = Header::new(self.algorithm);
        header.typ = Some(typ.to_owned());
        header.kid = Some(kid.to_owned());
        Ok(jsonwebtoken::encode(&header, claims, &self.encoding_key()?)?)
    }

    /// The private key, as jsonwebtoken takes it.
    pub fn encoding_key(&self) -> Result<EncodingKey> {
        let pem = self.pem.as_bytes();
        Ok(match self.algorithm {
            Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(pem)?,
            Algorithm::EdDSA => EncodingKey::from_ed_pem(pem)?,
            _ => EncodingKey::from_rsa_pem(pem)?,
        })
    }
}

fn ec(curve: &str, kind: &'static rcgen::SignatureAlgorithm) -> Result<(String, Value)> {
    let pair = KeyPair::generate_for(kind)?;
    // The point is uncompressed: 4, x, y (SEC 1 §2.3.3).
    let point = pair.public_key_raw().get(1..).unwrap_or_default();
    let (x, y) = point.split_at(point.len() / 2);
    let jwk = json!({ "kty": "EC", "crv": curve, "x": BASE64URL.encode(x), "y": BASE64URL.encode(y) });
    Ok((pair.serialize_pem(), jwk))
}

fn ed25519() -> Result<(String, Value)> {
    let pair = KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": BASE64URL.encode(pair.public_key_raw()) });
    Ok((pair.serialize_pem(), jwk))
}

fn rsa_key() -> Result<(String, Value)> {
    let key = rsa::RsaPrivateKey::new(&mut OsRng, 2048)?;
    let number = |number: &rsa::BigUint| BASE64URL.encode(number.to_bytes_be());
    let jwk = json!({ "kty": "RSA", "n": number(key.n()), "e": number(key.e()) });
    Ok((key.to_pkcs8_pem(LineEnding::LF)?.to_string(), jwk))
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
    let [header, claims, signature] = parts.as_slice() else { bail!("not a JWS: `{token}`") };
    let claims: Value = serde_json::from_slice(&BASE64URL.decode(claims)?)?;
    let claims = BASE64URL.encode(with(&claims, changes).to_string());
    Ok(format!("{header}.{claims}.{signature}"))
}

/// The token with one byte of its signature changed.
pub fn break_signature(token: &str, at: usize) -> Result<String> {
    let Some((signed, signature)) = token.rsplit_once('.') else { bail!("not a JWS: `{token}`") };
    let mut signature = BASE64URL.decode(signature)?;
    let length = signature.len();
    if let Some(byte) = signature.get_mut(at % length) {
        *byte ^= 1;
    }
    Ok(format!("{signed}.{}", BASE64URL.encode(signature)))
}

/// The token with other bytes for its signature.
pub fn with_signature(token: &str, signature: &[u8]) -> Result<String> {
    let Some((signed, _)) = token.rsplit_once('.') else { bail!("not a JWS: `{token}`") };
    Ok(format!("{signed}.{}", BASE64URL.encode(signature)))
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
