//! What issuers publish about tokens that they took back, made for tests: Token Status Lists (draft-ietf-oauth-status-list-21) and revocation
//! feeds (`docs/revocation-feed.md`).
//!
//! Here is what a document says. Who makes one signs it as a compact JWS of its type.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use countersign_core::crypto::digest::sha256;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The salt of every feed made here; those of issuers are random.
const SALT: &[u8] = b"0123456789abcdef";

/// The first bytes of a digest that make an entry.
const ENTRY_BYTES: usize = 6;

/// A status that a list cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatusError {
    /// There is no such token.
    #[error("expected an index below {tokens}, found `{index}`")]
    Index {
        /// The token's index.
        index: usize,
        /// How many tokens the list has.
        tokens: usize,
    },
    /// The bits are too few.
    #[error("expected a status of {bits} bits, found `{status}`")]
    Status {
        /// The status.
        status: u8,
        /// How many bits a status has.
        bits: u8,
    },
}

/// A status list: statuses of so many bits, all 0 but those that were set.
#[derive(Clone, Debug)]
pub struct StatusList {
    /// Its address.
    pub uri: String,
    bits: u8,
    tokens: usize,
    statuses: Vec<u8>,
    /// Claims beside those of every list, in their place too; `null` leaves one out.
    pub claims: Value,
}

impl StatusList {
    /// The header's `typ`.
    pub const TYPE: &'static str = "statuslist+jwt";

    /// A list of so many valid tokens, with statuses of 1, 2, 4 or 8 bits.
    #[must_use]
    pub fn new(uri: &str, bits: u8, tokens: usize) -> Self {
        let statuses = vec![0; (tokens * usize::from(bits)).div_ceil(8)];
        Self { uri: uri.to_owned(), bits, tokens, statuses, claims: json!({}) }
    }

    /// Gives a token another status.
    ///
    /// # Errors
    /// The list has no such token, or its bits are too few for the status.
    pub fn set(&mut self, index: usize, status: u8) -> Result<(), StatusError> {
        if self.bits < 8 && status >> self.bits != 0 {
            return Err(StatusError::Status { status, bits: self.bits });
        }
        let bit = index.saturating_mul(usize::from(self.bits));
        let no_index = StatusError::Index { index, tokens: self.tokens };
        let byte = self.statuses.get_mut(bit / 8).filter(|_| index < self.tokens).ok_or(no_index)?;
        // The first token's status is in the lowest bits.
        let mask = (u8::MAX >> (8 - self.bits)) << (bit % 8);
        *byte = (*byte & !mask) | (status << (bit % 8));
        Ok(())
    }

    /// The claims of the document, issued then.
    #[must_use]
    pub fn claims(&self, issued: i64) -> Map<String, Value> {
        let lst = BASE64URL.encode(miniz_oxide::deflate::compress_to_vec_zlib(&self.statuses, 9));
        let status_list = json!({ "bits": self.bits, "lst": lst });
        let claims = [("sub", json!(self.uri)), ("iat", json!(issued)), ("status_list", status_list)];
        with(claims, &self.claims)
    }
}

/// A claim of a token whose status stands in a list.
#[must_use]
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
    /// Claims beside those of every feed, in their place too; `null` leaves one out.
    pub claims: Value,
}

impl Feed {
    /// The header's `typ`.
    pub const TYPE: &'static str = "revocations+jwt";

    /// One that revokes nothing.
    #[must_use]
    pub fn new(issuer: &str, uri: &str) -> Self {
        Self { uri: uri.to_owned(), issuer: issuer.to_owned(), claims: json!({}), ..Self::default() }
    }

    /// Revokes what has this identifier of this kind.
    pub fn revoke(&mut self, kind: &'static str, identifier: impl Into<String>) {
        self.revoked.entry(kind).or_default().insert(identifier.into());
    }

    /// The claims of the document, issued then.
    #[must_use]
    pub fn claims(&self, issued: i64) -> Map<String, Value> {
        let of_kind = |(kind, identifiers): (&&str, &BTreeSet<String>)| {
            let entries: BTreeSet<_> = identifiers.iter().map(|identifier| entry(kind, identifier)).collect();
            let bytes: Vec<u8> = entries.into_iter().flatten().collect();
            ((*kind).to_owned(), json!(BASE64URL.encode(bytes)))
        };
        let mut before = Map::new();
        if let Some(time) = self.all_before {
            before.insert("all".into(), json!(time));
        }
        if !self.subjects_before.is_empty() {
            let rows = self.subjects_before.iter().map(|(subject, time)| (entry("sub", subject), time));
            let rows: BTreeMap<_, _> = rows.collect();
            let bytes: Vec<u8> =
                rows.into_iter().flat_map(|(entry, time)| [&*entry, &time.to_be_bytes()].concat()).collect();
            before.insert("sub".into(), json!(BASE64URL.encode(bytes)));
        }
        let issued_before = if before.is_empty() { Value::Null } else { Value::Object(before) };
        let claims = [
            ("iss", json!(self.issuer)),
            ("sub", json!(self.uri)),
            ("iat", json!(issued)),
            ("salt", json!(BASE64URL.encode(SALT))),
            ("revoked", Value::Object(self.revoked.iter().map(of_kind).collect())),
            ("issued_before", issued_before),
        ];
        with(claims, &self.claims)
    }
}

fn entry(kind: &str, identifier: &str) -> Vec<u8> {
    let digest = sha256(&[SALT, kind.as_bytes(), b"\0", identifier.as_bytes()].concat());
    digest.into_iter().take(ENTRY_BYTES).collect()
}

fn with<const N: usize>(claims: [(&str, Value); N], others: &Value) -> Map<String, Value> {
    let own = claims.into_iter().map(|(name, value)| (name.to_owned(), value));
    let others = others.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.clone()));
    let all: Map<String, Value> = own.chain(others).collect();
    all.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_those_of_the_page() {
        let page = include_str!("../../docs/revocation-feed.md");
        for (subject, expected) in [("alice", "13e7b4bf5180"), ("bob", "815c05e73a5f")] {
            let hex: String = entry("sub", subject).iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(hex == expected && page.contains(expected), "{subject}: {hex}");
        }
        let mut feed = Feed::new("https://issuer.example", "https://issuer.example/feed");
        feed.revoke("sub", "bob");
        feed.revoke("sub", "alice");
        let claims = feed.claims(1);
        assert_eq!(claims["revoked"], json!({ "sub": "E-e0v1GAgVwF5zpf" }));
        assert!(page.contains("E-e0v1GAgVwF5zpf") && !claims.contains_key("issued_before"));
    }

    #[test]
    fn a_list_is_that_of_the_draft() {
        // draft-ietf-oauth-status-list-21 §4.1
        let mut list = StatusList::new("https://example.com/statuslists/1", 1, 16);
        for index in [0, 3, 4, 5, 7, 8, 9, 13, 15] {
            list.set(index, 1).unwrap();
        }
        assert_eq!(list.statuses, [0xb9, 0xa3]);
        let unfit = [list.set(16, 1), list.set(usize::MAX, 1), list.set(0, 2)];
        assert!(unfit.iter().all(Result::is_err), "{unfit:?}");
        let mut wide = StatusList::new("https://example.com/statuslists/1", 8, 1);
        assert_eq!(wide.set(0, 255), Ok(()));
    }

    #[test]
    fn claims_are_put_in_the_place_of_others_and_null_leaves_one_out() {
        let mut list = StatusList::new("https://example.com/statuslists/1", 2, 4);
        list.claims = json!({ "sub": "another", "iat": null, "ttl": 60 });
        let claims = list.claims(1);
        assert_eq!((&claims["sub"], &claims["ttl"]), (&json!("another"), &json!(60)));
        assert!(!claims.contains_key("iat"));
    }
}
