//! Proofs of possession (RFC 9449 §4.2).

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{CredentialError, Forgery, PrivateKey, TokenBuilder};

/// What a proof is for. Header members and claims can be put in the place of the usual ones.
#[derive(Clone, Debug)]
pub(crate) struct ProofBuilder {
    token: TokenBuilder,
}

impl ProofBuilder {
    /// A proof by `key` for a request with this token, made at `now`. `id` becomes `jti`.
    pub(crate) fn new(key: &PrivateKey, method: &str, url: &str, token: &str, id: &str, now: i64) -> Self {
        let target = url.split(['?', '#']).next().unwrap_or_default();
        let digest = BASE64URL.encode(Sha256::digest(token));
        let mut jwk = key.public_jwk(None);
        if let Some(members) = jwk.as_object_mut() {
            for name in ["kid", "alg", "use"] {
                members.remove(name);
            }
        }
        let claims = [
            ("jti", json!(id)),
            ("htm", json!(method)),
            ("htu", json!(target)),
            ("iat", json!(now)),
            ("ath", json!(digest)),
        ];
        let claims = claims.map(|(name, value)| (name.to_owned(), value));
        let token = TokenBuilder::new().header("typ", json!("dpop+jwt")).header("jwk", jwk).claims(claims);
        Self { token }
    }

    /// With the gateway's nonce (RFC 9449 §9).
    #[must_use]
    pub(crate) fn nonce(mut self, nonce: &str) -> Self {
        self.token = self.token.claim("nonce", json!(nonce));
        self
    }

    /// With these members in its header and these claims; `null` leaves one out, and times may be such as `-30s`.
    pub(crate) fn with(
        mut self,
        header: Map<String, Value>,
        claims: Map<String, Value>,
        now: i64,
    ) -> Result<Self, CredentialError> {
        for (name, value) in header {
            self.token = self.token.header(&name, value);
        }
        self.token = self.token.claims(claims).at(now)?;
        Ok(self)
    }

    /// Its text, signed, or signed and then tampered with.
    pub(crate) fn sign(
        &self,
        key: &PrivateKey,
        forgery: Option<&Forgery>,
    ) -> Result<String, CredentialError> {
        match forgery {
            None => self.token.sign(key),
            Some(forgery) => self.token.forge(key, forgery),
        }
    }
}
