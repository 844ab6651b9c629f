//! What issuers publish about tokens that they took back.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What the issuer publishes about tokens that it took back, fetched off the request path and by one worker for all. Both kinds are signed by
/// a key of its `keys` and an algorithm of its `algorithms`. Until the first copy has come, requests wait for it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Revocation {
    /// The gateway's name for the upstream cluster that serves the documents.
    pub cluster: String,
    /// The addresses of Token Status Lists (draft-ietf-oauth-status-list), up to 16, as tokens name them in `status.status_list.uri`. A token
    /// whose status is in any other list is refused; none is fetched on a token's word.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub status_lists: Vec<String>,
    /// Whether every signed token of the issuer must have its status in one of the lists.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub status_required: bool,
    /// The address of a revocation feed, which names tokens by `jti`, `sub`, `sid` or when they were issued (docs/revocation-feed.md).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed: Option<String>,
    /// How long one fetch may take, in milliseconds; at most 30,000. A request waits for the first copy no longer than this.
    #[serde(default = "default_timeout")]
    pub timeout_milliseconds: u32,
    /// How old a copy may get, counted from when it was asked for, before the next one is there, in seconds: what was revoked is refused within this
    /// time and one second, if the issuer answers within half of it. A list's `ttl`, or `cache-control` and `expires` of the answer, may ask for it earlier. From 1 to 604,800, a week.
    #[serde(default = "default_refresh")]
    pub refresh_seconds: u32,
    /// What stands in the place of `refresh_seconds` at least, whatever the issuer asks for, in seconds; at most `refresh_seconds`. By default 30,
    /// or `refresh_seconds` where that is less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_refresh_seconds: Option<u32>,
    /// The least time between two fetches after a failure, in seconds; it doubles with each failure, up to `refresh_seconds`. From 1 to 604,800.
    #[serde(default = "default_cooldown")]
    pub cooldown_seconds: u32,
    /// How long a copy stays in use past `refresh_seconds` while the issuer gives no other, in seconds; up to 604,800. After that requests
    /// are refused with `system.revocation_unavailable`.
    #[serde(default = "default_stale")]
    pub stale_seconds: u32,
    /// How old a list or feed may be by its own `iat`, in seconds; from 1 to 604,800. An older one is not taken, and one that gets older is not
    /// relied on. Without it a document counts as fresh whenever it is fetched, as long as its `exp` says, or for ever: the same one may come
    /// again and again. Set it above how often the issuer signs anew, where documents have no `exp`, or come by somebody else than the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u32>,
    /// How many entries a feed may have, and how many bytes a status list once inflated, which are eight statuses each at one bit; from 1 to
    /// 1,000,000. A document with more is not taken. An entry of a feed takes about four bytes in each worker.
    #[serde(default = "default_max_entries")]
    pub max_entries: u32,
}

fn default_timeout() -> u32 {
    5_000
}

fn default_refresh() -> u32 {
    60
}

fn default_cooldown() -> u32 {
    5
}

fn default_stale() -> u32 {
    300
}

fn default_max_entries() -> u32 {
    100_000
}
