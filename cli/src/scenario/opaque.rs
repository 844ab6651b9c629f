//! Opaque tokens of a scenario: what they look like, and what their issuer answers about them.

use super::format::TokenSpec;
use crate::engine::{Answer, Reply};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use countersign_core::crypto::digest::sha256;
use countersign_host_sim::Response;
use std::time::Duration;

/// What an issuer says of a token.
pub(super) struct Introspected {
    /// The token.
    pub(super) token: String,
    /// The answer (RFC 7662 §2.2).
    pub(super) answer: String,
}

impl Introspected {
    /// What stands in a question about it and in no other (RFC 7662 §2.1).
    pub(super) fn asked(&self) -> String {
        format!("token={}&", self.token)
    }
}

/// Whether a token is opaque.
pub(super) fn is(spec: &TokenSpec) -> bool {
    spec.opaque == Some(true)
}

/// The token of this name. No form encodes a byte of it.
pub(super) fn text(name: &str) -> String {
    BASE64URL.encode(sha256(name.as_bytes()))
}

/// An answer with this document.
pub(super) fn answered(document: &str) -> Vec<Answer> {
    let response = Response::new(200).header("content-type", "application/json").body(document);
    vec![Answer { delay: Duration::ZERO, reply: Reply::Response(response) }]
}
