//! Tokens: compact JWS (RFC 7515 §7.1) over JWT claims, put together by hand so that hostile ones can be made too.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use serde_json::{Map, Value, json};

use super::{CredentialError, PrivateKey, resolve_time};

/// Claims whose values are points in time (RFC 7519 §4.1).
const TIMES: [&str; 4] = ["auth_time", "exp", "iat", "nbf"];

/// What a token says. A header member or claim that is set to `null` is left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenBuilder {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

/// What is done to a well-made token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Forgery {
    /// The claims are changed after signing; the values are put in place of the signed ones.
    Payload(Map<String, Value>),
    /// One bit of the signature is flipped.
    Signature,
    /// The signature is dropped and the header says `"alg": "none"` (RFC 7515 appendix A.5).
    Unsigned,
    /// The header says `HS256` and the signature is no RSA or ECDSA signature: key confusion (RFC 8725 §2.1).
    Confused,
    /// The last part is cut off.
    Truncated,
}

impl TokenBuilder {
    /// A token with `typ` `at+jwt` (RFC 9068 §2.1) and no claims.
    pub(crate) fn new() -> Self {
        Self::default().header("typ", json!("at+jwt"))
    }

    /// Sets the header's `kid`.
    #[must_use]
    pub(crate) fn kid(self, kid: &str) -> Self {
        self.header("kid", json!(kid))
    }

    /// Sets a member of the header. `alg` comes from the key unless it is set here.
    #[must_use]
    pub(crate) fn header(mut self, name: &str, value: Value) -> Self {
        self.header.insert(name.to_owned(), value);
        self
    }

    /// Sets a claim.
    #[must_use]
    pub(crate) fn claim(mut self, name: &str, value: Value) -> Self {
        self.claims.insert(name.to_owned(), value);
        self
    }

    /// Sets several claims.
    #[must_use]
    pub(crate) fn claims(mut self, claims: impl IntoIterator<Item = (String, Value)>) -> Self {
        self.claims.extend(claims);
        self
    }

    /// Turns times written as text (`+5m`, `now`) in `auth_time`, `exp`, `iat` and `nbf` into numbers.
    pub(crate) fn at(mut self, now: i64) -> Result<Self, CredentialError> {
        for name in TIMES {
            if let Some(Value::String(text)) = self.claims.get(name) {
                let seconds = resolve_time(text, now)?;
                self.claims.insert(name.to_owned(), json!(seconds));
            }
        }
        Ok(self)
    }

    /// What it says.
    pub(crate) fn said(&self) -> Map<String, Value> {
        said(&self.claims)
    }

    /// The token, signed.
    pub(crate) fn sign(&self, key: &PrivateKey) -> Result<String, CredentialError> {
        let mut header = self.header.clone();
        header.entry("alg").or_insert_with(|| json!(key.algorithm().name()));
        let input = signing_input(&header, &self.claims);
        let signature = key.sign(input.as_bytes())?;
        Ok(format!("{input}.{}", BASE64URL.encode(signature)))
    }

    /// The token, signed and then tampered with.
    pub(crate) fn forge(&self, key: &PrivateKey, forgery: &Forgery) -> Result<String, CredentialError> {
        match forgery {
            Forgery::Payload(changes) => {
                let token = self.sign(key)?;
                let (header, _, signature) = parts(&token)?;
                let claims = self.clone().claims(changes.clone()).claims;
                Ok(format!("{header}.{}.{signature}", encode(&claims)))
            }
            Forgery::Signature => {
                let token = self.sign(key)?;
                let (header, claims, signature) = parts(&token)?;
                let mut signature = BASE64URL.decode(signature).map_err(malformed)?;
                if let Some(byte) = signature.first_mut() {
                    *byte ^= 1;
                }
                Ok(format!("{header}.{claims}.{}", BASE64URL.encode(signature)))
            }
            Forgery::Unsigned => {
                let header = self.clone().header("alg", json!("none")).header;
                Ok(format!("{}.", signing_input(&header, &self.claims)))
            }
            Forgery::Confused => {
                let header = self.clone().header("alg", json!("HS256")).header;
                let input = signing_input(&header, &self.claims);
                Ok(format!("{input}.{}", BASE64URL.encode([0x5a; 32])))
            }
            Forgery::Truncated => {
                let token = self.sign(key)?;
                let (header, claims, _) = parts(&token)?;
                Ok(format!("{header}.{claims}"))
            }
        }
    }
}

/// A token's header and claims, without any check of the signature.
pub(crate) fn decode(token: &str) -> Result<(Value, Value), CredentialError> {
    let (header, claims, _) = parts(token.trim())?;
    let read = |part: &str| -> Result<Value, CredentialError> {
        serde_json::from_slice(&BASE64URL.decode(part).map_err(malformed)?).map_err(malformed)
    };
    Ok((read(header)?, read(claims)?))
}

fn signing_input(header: &Map<String, Value>, claims: &Map<String, Value>) -> String {
    format!("{}.{}", encode(header), encode(claims))
}

fn encode(members: &Map<String, Value>) -> String {
    BASE64URL.encode(Value::Object(said(members)).to_string())
}

fn said(members: &Map<String, Value>) -> Map<String, Value> {
    members.clone().into_iter().filter(|(_, value)| !value.is_null()).collect()
}

fn parts(token: &str) -> Result<(&str, &str, &str), CredentialError> {
    let mut parts = token.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(header), Some(claims), Some(signature), None) => Ok((header, claims, signature)),
        _ => Err(malformed("expected three parts separated by `.`")),
    }
}

fn malformed(error: impl std::fmt::Display) -> CredentialError {
    CredentialError::Token(format!("malformed token: {error}"))
}

#[cfg(test)]
mod tests;
