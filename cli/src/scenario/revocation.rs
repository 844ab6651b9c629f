//! What issuers of a scenario publish about tokens that they took back: status lists and revocation feeds.

use super::format::Publication;
use super::keys::Keys;
use super::world::path_of;
use crate::credentials::{TokenBuilder, resolve_time};
use crate::revocation::{Feed, StatusList};
use countersign_core::config::{Issuer, Revocation};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// How many tokens a list may have here: as many as any gateway takes.
const MAX_TOKENS: usize = 8_000_000;

/// A Token Status List.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusListSpec {
    /// How many bits a status has: 1, 2, 4 or 8.
    bits: u8,
    /// How many tokens it has a status of.
    tokens: usize,
    /// Statuses by index; all others are 0.
    #[serde(default)]
    set: BTreeMap<String, u8>,
    /// The key that signs it; the issuer's first one, where there is none.
    #[serde(default)]
    pub(super) key: Option<String>,
    /// Claims beside those of every list, in their place too; as those of tokens.
    #[serde(default)]
    claims: Map<String, Value>,
}

/// A revocation feed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RevocationsSpec {
    /// Tokens by their identifiers.
    #[serde(default)]
    jti: Vec<String>,
    /// Tokens of these subjects.
    #[serde(default)]
    sub: Vec<String>,
    /// Tokens of these sessions.
    #[serde(default)]
    sid: Vec<String>,
    /// Tokens by when they were issued.
    #[serde(default)]
    issued_before: IssuedBeforeSpec,
    /// As of a status list.
    #[serde(default)]
    pub(super) key: Option<String>,
    #[serde(default)]
    claims: Map<String, Value>,
}

/// The times before which tokens were issued that are revoked.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct IssuedBeforeSpec {
    /// Of everybody.
    #[serde(default)]
    all: Option<Value>,
    /// By subject.
    #[serde(default)]
    sub: BTreeMap<String, Value>,
}

/// A document that the configuration has fetched from a path of a cluster.
pub(super) struct Address<'a> {
    issuer: &'a Issuer,
    uri: &'a str,
}

/// Which kind of documents.
#[derive(Clone, Copy)]
enum Kind {
    StatusList,
    Feed,
}

impl Kind {
    /// What it is called where one is expected.
    fn expected(self) -> &'static str {
        match self {
            Self::StatusList => {
                "`status_list`: expected the path of one of the configuration's `status_lists`"
            }
            Self::Feed => "`revocations`: expected the path of a `feed` of the configuration",
        }
    }

    fn uris(self, revocation: &Revocation) -> Vec<&str> {
        match self {
            Self::StatusList => revocation.status_lists.iter().map(String::as_str).collect(),
            Self::Feed => revocation.feed.as_deref().into_iter().collect(),
        }
    }

    /// The document that is fetched from there.
    fn at<'a>(self, issuers: &'a [Issuer], cluster: &str, path: &str) -> Result<Address<'a>, String> {
        let mut known = Vec::new();
        for issuer in issuers {
            let Some(revocation) = &issuer.revocation else { continue };
            for uri in self.uris(revocation) {
                let at = path_of(uri);
                if revocation.cluster == cluster && at == path {
                    return Ok(Address { issuer, uri });
                }
                known.push(format!("`{at}` of `{}`", revocation.cluster));
            }
        }
        let known = if known.is_empty() { String::from("none") } else { known.join(", ") };
        Err(format!("{} ({known}), found `{path}` of `{cluster}`", self.expected()))
    }
}

impl StatusListSpec {
    /// Checks what can be checked before it is published at a path of a cluster.
    pub(super) fn check(&self, issuers: &[Issuer], cluster: &str, path: &str) -> Result<(), String> {
        self.list(&Kind::StatusList.at(issuers, cluster, path)?).map(drop)
    }

    /// The document, issued at `now`, in seconds.
    pub(super) fn signed(&self, place: &Place<'_>, now: i64) -> Result<String, String> {
        let address = Kind::StatusList.at(place.issuers, place.cluster, place.path)?;
        let claims = self.list(&address)?.claims(now);
        let document =
            place.sign(StatusList::TYPE, self.key.as_ref(), &address, [claims, self.claims.clone()], now);
        document.map_err(|message| format!("`status_list`: {message}"))
    }

    fn list(&self, address: &Address<'_>) -> Result<StatusList, String> {
        if !matches!(self.bits, 1 | 2 | 4 | 8) {
            return Err(format!("`status_list.bits`: expected 1, 2, 4 or 8, found `{}`", self.bits));
        }
        if !(1..=MAX_TOKENS).contains(&self.tokens) {
            return Err(format!(
                "`status_list.tokens`: expected a number from 1 to {MAX_TOKENS}, found `{}`",
                self.tokens
            ));
        }
        let mut list = StatusList::new(address.uri, self.bits, self.tokens);
        for (index, status) in &self.set {
            let place = format!("`status_list.set.{index}`");
            let number = index.parse().map_err(|_| format!("{place}: expected the index of a token"))?;
            list.set(number, *status).map_err(|error| format!("{place}: {error}"))?;
        }
        Ok(list)
    }
}

impl RevocationsSpec {
    /// Checks what can be checked before it is published at a path of a cluster.
    pub(super) fn check(&self, issuers: &[Issuer], cluster: &str, path: &str) -> Result<(), String> {
        self.feed(&Kind::Feed.at(issuers, cluster, path)?, 0).map(drop)
    }

    /// The document, issued at `now`, in seconds.
    pub(super) fn signed(&self, place: &Place<'_>, now: i64) -> Result<String, String> {
        let address = Kind::Feed.at(place.issuers, place.cluster, place.path)?;
        let claims = self.feed(&address, now)?.claims(now);
        let document =
            place.sign(Feed::TYPE, self.key.as_ref(), &address, [claims, self.claims.clone()], now);
        document.map_err(|message| format!("`revocations`: {message}"))
    }

    fn feed(&self, address: &Address<'_>, now: i64) -> Result<Feed, String> {
        let mut feed = Feed::new(&address.issuer.issuer, address.uri);
        for (kind, identifiers) in [("jti", &self.jti), ("sub", &self.sub), ("sid", &self.sid)] {
            for identifier in identifiers {
                feed.revoke(kind, identifier);
            }
        }
        let time = |value: &Value, place: &str| {
            let found = match value {
                Value::String(text) => resolve_time(text, now).ok(),
                other => other.as_i64(),
            };
            found.ok_or_else(|| {
                format!(
                    "`revocations.issued_before.{place}`: expected `now`, an offset such as `-5m`, or seconds since the epoch, found {value}"
                )
            })
        };
        feed.all_before = self.issued_before.all.as_ref().map(|value| time(value, "all")).transpose()?;
        for (subject, value) in &self.issued_before.sub {
            let place = format!("sub.{subject}");
            // Relative times are checked at the epoch's beginning, before which there is none.
            let seconds = time(value, &place)?.max(0);
            let seconds = u32::try_from(seconds).map_err(|_| {
                format!("`revocations.issued_before.{place}`: expected a time before 2106, found {value}")
            })?;
            feed.subjects_before.insert(subject.clone(), seconds);
        }
        Ok(feed)
    }
}

/// Where a document is published, and what is published besides.
pub(super) struct Place<'a> {
    pub(super) issuers: &'a [Issuer],
    pub(super) keys: &'a Keys,
    /// What issuers publish.
    pub(super) publications: &'a BTreeMap<String, Publication>,
    pub(super) cluster: &'a str,
    pub(super) path: &'a str,
}

impl Place<'_> {
    fn sign(
        &self,
        typ: &str,
        key: Option<&String>,
        address: &Address<'_>,
        claims: [Map<String, Value>; 2],
        now: i64,
    ) -> Result<String, String> {
        let issuer = &address.issuer.issuer;
        let first = match self.publications.get(issuer) {
            Some(Publication::Keys(names)) => names.first(),
            Some(Publication::Raw(_)) | None => None,
        };
        let name = key.or(first).ok_or_else(|| {
            format!(
                "expected `key`, the name of the key that signs it: `{issuer}` publishes none of the file's"
            )
        })?;
        let key = self.keys.get(name).map_err(|message| format!("`key`: {message}"))?;
        let document = TokenBuilder::default().header("typ", json!(typ)).kid(&key.kid);
        let document = document.claims(claims.into_iter().flatten()).at(now);
        document.and_then(|document| document.sign(&key.key)).map_err(|error| error.to_string())
    }
}
