//! A token service that is a while away.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use countersign_tests::http::{Request, Response};
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::server::Server;
use serde_json::{Value, json};

/// Whom it gives tokens for, and what they allow.
pub(crate) const AUDIENCE: &str = "model";
pub(crate) const SCOPE: &str = "score";

/// It answers each exchange (RFC 8693) after a while, with a token of the subject of the one it was sent.
pub(crate) struct TokenService(Server);

impl TokenService {
    pub(crate) fn start(away: Duration, lifetime: i64) -> Result<Self> {
        let key = SigningKey::new("service-1")?;
        let server = Server::start(move |request| {
            thread::sleep(away);
            match exchanged(request, &key, lifetime) {
                Ok(answer) => Response::json(200, &answer).into(),
                Err(error) => {
                    eprintln!("the token service: {error:#}");
                    Response::json(400, &json!({ "error": "invalid_request" })).into()
                }
            }
        })?;
        Ok(Self(server))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// How often it was asked.
    pub(crate) fn calls(&self) -> u64 {
        self.0.served() as u64
    }
}

fn exchanged(request: &Request, key: &SigningKey, lifetime: i64) -> Result<Value> {
    let body = std::str::from_utf8(&request.body)?;
    // Nothing in a JWT is escaped in a form.
    let subject = body.split('&').find_map(|field| field.strip_prefix("subject_token="));
    let payload = subject.and_then(|token| token.split('.').nth(1)).context("no `subject_token`")?;
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload)?)?;
    let now = mint::now();
    let narrow = key.sign(&json!({
        "iss": claims["iss"], "sub": claims["sub"], "aud": AUDIENCE, "scope": SCOPE, "iat": now, "exp": now + lifetime,
    }))?;
    Ok(json!({
        "access_token": narrow, "token_type": "Bearer", "expires_in": lifetime,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
    }))
}
