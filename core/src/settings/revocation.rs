//! What issuers publish about tokens that they took back.

use super::issuers::bounded;
use super::keys::{Times, freshness, location, seconds, source_name};
use super::{ConfigError, KeySettings};
use crate::config::{self, IssuerProfile};
use crate::fetch::Source;
use crate::revocation::{Kind, RevocationSettings, Wanted};
use alloc::format;
use alloc::vec::Vec;

const MAX_ENTRIES: u32 = 1_000_000;
const MAX_LISTS: usize = 16;

/// What is in a document beside its entries: claims, signature, and the times of 4,096 subjects.
const BESIDE_ENTRIES_BYTES: usize = 128 * 1024;

/// Checks and prepares what one issuer publishes; its documents go to those of all issuers.
pub(super) fn prepare(
    revocation: &config::Revocation,
    issuer: &config::Issuer,
    place: usize,
    keys: &KeySettings,
    documents: &mut Vec<Wanted>,
) -> Result<RevocationSettings, ConfigError> {
    if issuer.profile == IssuerProfile::JwtSvid {
        return Err(ConfigError::at("", "expected none beside the profile `jwt_svid`"));
    }
    if matches!(keys, KeySettings::Inline(set) if set.keys().is_empty()) {
        return Err(ConfigError::at("", "expected an issuer that has `keys`, by which documents are signed"));
    }
    if revocation.status_lists.is_empty() && revocation.feed.is_none() {
        return Err(ConfigError::at("", "expected `status_lists`, a `feed`, or both"));
    }
    if revocation.status_lists.len() > MAX_LISTS {
        let found = revocation.status_lists.len();
        return Err(ConfigError::at("status_lists", format!("expected at most {MAX_LISTS}, found {found}")));
    }
    if revocation.status_required && revocation.status_lists.is_empty() {
        return Err(ConfigError::at("status_required", "expected `status_lists` beside it"));
    }
    let freshness = freshness(&Times {
        timeout_milliseconds: revocation.timeout_milliseconds,
        refresh_seconds: revocation.refresh_seconds,
        min_refresh_seconds: revocation.min_refresh_seconds,
        cooldown_seconds: revocation.cooldown_seconds,
        stale_seconds: revocation.stale_seconds,
    })?;
    let max_age = revocation.max_age_seconds.map(|age| seconds("max_age_seconds", age, 1)).transpose()?;
    let entries = bounded("max_entries", revocation.max_entries, 1, MAX_ENTRIES)?;
    let max_entries = usize::try_from(entries).unwrap_or_default();
    // Six bytes an entry, in base64url twice; a list that can't be compressed takes less.
    let max_bytes = max_entries * 32 / 3 + BESIDE_ENTRIES_BYTES;
    let mut add = |field: &str, kind, uri: &str| {
        if documents.iter().any(|other| other.issuer == place && *other.uri == *uri) {
            return Err(ConfigError::at(field, format!("expected each address once, found `{uri}` again")));
        }
        let document = location(field, uri, &revocation.cluster)?;
        let name = source_name(&issuer.issuer, kind_name(kind), &document, None, None);
        let source = Source { document, discovery: None, freshness, max_bytes, name };
        documents.push(Wanted { issuer: place, kind, uri: uri.into(), source, max_entries, max_age });
        Ok(documents.len() - 1)
    };
    let lists = revocation.status_lists.iter().enumerate();
    Ok(RevocationSettings {
        lists: lists
            .map(|(index, uri)| add(&format!("status_lists[{index}]"), Kind::StatusList, uri))
            .collect::<Result<_, _>>()?,
        feed: revocation.feed.as_ref().map(|uri| add("feed", Kind::Feed, uri)).transpose()?,
        status_required: revocation.status_required,
    })
}

fn kind_name(kind: Kind) -> &'static [u8] {
    match kind {
        Kind::StatusList => b"status list",
        Kind::Feed => b"revocation feed",
    }
}
