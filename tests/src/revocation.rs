//! What an issuer publishes about tokens that it took back, as `docs/revocation-feed.md` and the draft of status lists say.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::mint::SigningKey;

/// A status list: statuses of so many bits, all 0 but those that were set.
#[derive(Clone, Debug)]
pub struct StatusList {
    /// Its address.
    pub uri: String,
    bits: usize,
    statuses: Vec<u8>,
    /// Claims beside those of every list, in their place too.
    pub claims: Value,
}

impl StatusList {
    /// A list of so many valid tokens.
    pub fn new(uri: &str, bits: usize, tokens: usize) -> Self {
        let statuses = vec![0; (tokens * bits).div_ceil(8)];
        Self { uri: uri.to_owned(), bits, statuses, claims: json!({}) }
    }

    /// Gives a token another status.
    pub fn set(&mut self, index: usize, status: u8) -> Result<()> {
        ensure!(usize::from(status) < 1 << self.bits, "no status of {} bits: {status}", self.bits);
        let bit = index * self.bits;
        let mask = (((1_u16 << self.bits) - 1) as u8) << (bit % 8);
        match self.statuses.get_mut(bit / 8) {
            Some(byte) => *byte = (*byte & !mask) | (status << (bit % 8)),
            None => ensure!(false, "the list has no entry {index}"),
        }
        Ok(())
    }

    /// The document, issued then.
    pub fn sign(&self, key: &SigningKey, issued: i64) -> Result<String> {
        let lst = BASE64URL.encode(miniz_oxide::deflate::compress_to_vec_zlib(&self.statuses, 9));
        let claims = json!({
            "sub": self.uri, "iat": issued, "status_list": { "bits": self.bits, "lst": lst },
        });
        key.sign_typed("statuslist+jwt", &key.kid, &crate::mint::with(&claims, self.claims.clone()))
    }
}

/// A claim of a token whose status stands in a list.
pub fn status(uri: &str, index: u64) -> Value {
    json!({ "status_list": { "uri": uri, "idx": index } })
}

/// A revocation feed.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    /// Its address.
    pub uri: String,
    /// `iss`.
    pub issuer: String,
    /// Identifiers by kind: `jti`, `sub` or `sid`.
    pub revoked: BTreeMap<&'static str, BTreeSet<String>>,
    /// The time before which all tokens were issued that are revoked.
    pub all_before: Option<i64>,
    /// The same of one subject's.
    pub subjects_before: BTreeMap<String, u32>,
    /// Claims beside those of every feed, in their place too.
    pub claims: Value,
}

impl Feed {
    /// One that revokes nothing.
    pub fn new(issuer: &str, uri: &str) -> Self {
        Self { uri: uri.to_owned(), issuer: issuer.to_owned(), claims: json!({}), ..Self::default() }
    }

    /// Revokes what has this identifier of this kind.
    pub fn revoke(&mut self, kind: &'static str, identifier: impl Into<String>) {
        self.revoked.entry(kind).or_default().insert(identifier.into());
    }

    /// The document, issued then.
    pub fn sign(&self, key: &SigningKey, issued: i64) -> Result<String> {
        const SALT: &[u8] = b"0123456789abcdef";
        let entry = |kind: &str, identifier: &str| {
            let digest = Sha256::digest([SALT, kind.as_bytes(), b"\0", identifier.as_bytes()].concat());
            digest.iter().take(6).copied().collect::<Vec<u8>>()
        };
        let mut revoked = json!({});
        for (kind, identifiers) in &self.revoked {
            let entries: BTreeSet<_> = identifiers.iter().map(|identifier| entry(kind, identifier)).collect();
            revoked[kind] = BASE64URL.encode(entries.into_iter().flatten().collect::<Vec<u8>>()).into();
        }
        let mut claims = json!({
            "iss": self.issuer, "sub": self.uri, "iat": issued, "salt": BASE64URL.encode(SALT), "revoked": revoked,
        });
        if let Some(time) = self.all_before {
            claims["issued_before"]["all"] = time.into();
        }
        if !self.subjects_before.is_empty() {
            let rows: BTreeMap<_, _> =
                self.subjects_before.iter().map(|(subject, time)| (entry("sub", subject), time)).collect();
            let rows: Vec<u8> =
                rows.into_iter().flat_map(|(entry, time)| [&*entry, &time.to_be_bytes()].concat()).collect();
            claims["issued_before"]["sub"] = BASE64URL.encode(rows).into();
        }
        key.sign_typed("revocations+jwt", &key.kid, &crate::mint::with(&claims, self.claims.clone()))
    }
}
