//! The names of what is counted and timed, in one place. A shell defines them all at start and adds up
//! what the core tells it to count.

mod gauges;

pub use gauges::{CacheGauge, CacheName, IssuerGauge, RevocationGauge, issuer_slugs};

use crate::crypto::Algorithm;
use crate::policy;
use crate::reason::Reason;
use alloc::string::String;
use alloc::vec::Vec;

/// A stage of the pipeline whose time is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Path, route and the caller's workload identity.
    Admit,
    /// The credential, from cache or by verification.
    Authenticate,
    /// Principal, resource and context.
    Identify,
    /// The policy decision.
    Authorize,
}

impl Stage {
    /// Every stage, in the order of the pipeline.
    pub const ALL: [Self; 4] = [Self::Admit, Self::Authenticate, Self::Identify, Self::Authorize];

    /// The stage's name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::Authenticate => "authenticate",
            Self::Identify => "identify",
            Self::Authorize => "authorize",
        }
    }
}

/// Told how the pipeline goes: when a stage is done, so that a shell with a clock can time it (the core has none), and what
/// the policies are asked, so that a tool can explain the answer.
pub trait Observer {
    /// `stage` is done, and the time since the stage before belongs to it.
    fn stage_done(&mut self, stage: Stage);

    /// The policies are about to be asked this.
    fn asking(&mut self, _: &policy::Request<'_>) {}
}

/// An observer that does not look.
pub struct Unobserved;

impl Observer for Unobserved {
    fn stage_done(&mut self, _: Stage) {}
}

/// Something counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counter {
    /// Requests allowed by policy.
    Allowed,
    /// Requests forwarded on a public route.
    Public,
    /// Requests refused, by reason.
    Refused(Reason),
    /// Tokens found verified in the cache.
    CacheHit,
    /// Tokens that had to be verified.
    CacheMiss,
    /// Living entries dropped from the token cache to make room.
    CacheEvicted,
    /// Fetches of issuer keys and of discovery documents begun.
    KeyFetch,
    /// Fetches of issuer keys that failed.
    KeyFetchFailed,
    /// Fetches of status lists and revocation feeds begun.
    RevocationFetch,
    /// Fetches of status lists and revocation feeds that failed.
    RevocationFetchFailed,
    /// Requests for which an issuer's word on their token was relied on beyond its time.
    DegradedIntrospection,
    /// Requests for which a status list or revocation feed was relied on beyond its time.
    DegradedRevocation,
    /// Requests that had to wait for keys or an answer.
    Held,
    /// Refusals found in the cache of refused tokens.
    FailureCacheHit,
    /// Proofs of possession that were accepted.
    DpopAccepted,
    /// Signatures that the host verifies, and gave no verdict on.
    HostVerificationFailed,
    /// API keys that were accepted.
    ApiKeyAccepted,
    /// Signatures that the module verified by a table of the key.
    VerifiedByTable,
    /// Questions to issuers about opaque tokens.
    Introspection,
    /// Questions that brought no answer that could be used.
    IntrospectionFailed,
    /// Requests that joined a question that was open already.
    IntrospectionJoined,
    /// Times that an endpoint was given up for a while.
    BreakerOpened,
    /// Requests for tokens for upstream.
    UpstreamTokenCall,
    /// Requests for tokens that brought none that could be used.
    UpstreamTokenFailed,
    /// Requests that joined a request for a token that was open already.
    UpstreamTokenJoined,
    /// Tokens for upstream found in the cache.
    UpstreamTokenHit,
    /// Tokens for upstream that another worker had got.
    UpstreamTokenShared,
    /// Tokens for upstream that had to be waited for.
    UpstreamTokenMiss,
    /// Living entries dropped from the cache of tokens for upstream to make room.
    UpstreamTokenEvicted,
    /// Tokens and exchanges looked for in the cache of refusals, and not found there.
    FailureCacheMiss,
    /// Living entries dropped from the cache of refusals to make room.
    FailureCacheEvicted,
    /// Words and tokens for upstream that were dropped since another worker has heard a refusal.
    RefusedElsewhere,
    /// Refusals of tokens and exchanges that the other workers could not be told of.
    RefusalNotShared,
}

impl Counter {
    /// How many there are.
    pub const COUNT: usize = Self::PLAIN.len() + Reason::ALL.len();

    const PLAIN: [Self; 32] = [
        Self::Allowed,
        Self::Public,
        Self::CacheHit,
        Self::CacheMiss,
        Self::CacheEvicted,
        Self::KeyFetch,
        Self::KeyFetchFailed,
        Self::Held,
        Self::HostVerificationFailed,
        Self::FailureCacheHit,
        Self::DpopAccepted,
        Self::ApiKeyAccepted,
        Self::VerifiedByTable,
        Self::Introspection,
        Self::IntrospectionFailed,
        Self::IntrospectionJoined,
        Self::BreakerOpened,
        Self::UpstreamTokenCall,
        Self::UpstreamTokenFailed,
        Self::UpstreamTokenJoined,
        Self::UpstreamTokenHit,
        Self::UpstreamTokenMiss,
        Self::UpstreamTokenEvicted,
        Self::RevocationFetch,
        Self::RevocationFetchFailed,
        Self::FailureCacheMiss,
        Self::FailureCacheEvicted,
        Self::DegradedIntrospection,
        Self::DegradedRevocation,
        Self::UpstreamTokenShared,
        Self::RefusedElsewhere,
        Self::RefusalNotShared,
    ];

    /// Every counter, each at its [`Counter::index`].
    pub fn all() -> Vec<Self> {
        Self::PLAIN.into_iter().chain(Reason::ALL.iter().map(|reason| Self::Refused(*reason))).collect()
    }

    /// The counter's place in [`Counter::all`].
    pub fn index(self) -> usize {
        match self {
            Self::Allowed => 0,
            Self::Public => 1,
            Self::CacheHit => 2,
            Self::CacheMiss => 3,
            Self::CacheEvicted => 4,
            Self::KeyFetch => 5,
            Self::KeyFetchFailed => 6,
            Self::Held => 7,
            Self::HostVerificationFailed => 8,
            Self::FailureCacheHit => 9,
            Self::DpopAccepted => 10,
            Self::ApiKeyAccepted => 11,
            Self::VerifiedByTable => 12,
            Self::Introspection => 13,
            Self::IntrospectionFailed => 14,
            Self::IntrospectionJoined => 15,
            Self::BreakerOpened => 16,
            Self::UpstreamTokenCall => 17,
            Self::UpstreamTokenFailed => 18,
            Self::UpstreamTokenJoined => 19,
            Self::UpstreamTokenHit => 20,
            Self::UpstreamTokenMiss => 21,
            Self::UpstreamTokenEvicted => 22,
            Self::RevocationFetch => 23,
            Self::RevocationFetchFailed => 24,
            Self::FailureCacheMiss => 25,
            Self::FailureCacheEvicted => 26,
            Self::DegradedIntrospection => 27,
            Self::DegradedRevocation => 28,
            Self::UpstreamTokenShared => 29,
            Self::RefusedElsewhere => 30,
            Self::RefusalNotShared => 31,
            Self::Refused(reason) => Self::PLAIN.len() + reason as usize,
        }
    }

    /// The counter's name.
    pub fn name(self) -> String {
        match self {
            Self::Allowed => String::from("countersign.allowed"),
            Self::Public => String::from("countersign.public"),
            Self::Refused(reason) => alloc::format!("countersign.refused.{}", reason.code()),
            Self::CacheHit => String::from("countersign.token_cache.hit"),
            Self::CacheMiss => String::from("countersign.token_cache.miss"),
            Self::CacheEvicted => String::from("countersign.token_cache.evicted"),
            Self::KeyFetch => String::from("countersign.keys.fetch"),
            Self::KeyFetchFailed => String::from("countersign.keys.fetch_failed"),
            Self::RevocationFetch => String::from("countersign.revocation.fetch"),
            Self::RevocationFetchFailed => String::from("countersign.revocation.fetch_failed"),
            Self::DegradedIntrospection => String::from("countersign.degraded.introspection"),
            Self::DegradedRevocation => String::from("countersign.degraded.revocation"),
            Self::Held => String::from("countersign.held"),
            Self::HostVerificationFailed => String::from("countersign.signatures.host_failed"),
            Self::FailureCacheHit => String::from("countersign.failure_cache.hit"),
            Self::DpopAccepted => String::from("countersign.dpop.accepted"),
            Self::ApiKeyAccepted => String::from("countersign.api_key.accepted"),
            Self::VerifiedByTable => String::from("countersign.signatures.by_table"),
            Self::Introspection => String::from("countersign.introspection.call"),
            Self::IntrospectionFailed => String::from("countersign.introspection.failed"),
            Self::IntrospectionJoined => String::from("countersign.introspection.joined"),
            Self::BreakerOpened => String::from("countersign.breaker.opened"),
            Self::UpstreamTokenCall => String::from("countersign.upstream_token.call"),
            Self::UpstreamTokenFailed => String::from("countersign.upstream_token.failed"),
            Self::UpstreamTokenJoined => String::from("countersign.upstream_token.joined"),
            Self::UpstreamTokenHit => String::from("countersign.upstream_token.hit"),
            Self::UpstreamTokenShared => String::from("countersign.upstream_token.shared"),
            Self::UpstreamTokenMiss => String::from("countersign.upstream_token.miss"),
            Self::UpstreamTokenEvicted => String::from("countersign.upstream_token.evicted"),
            Self::FailureCacheMiss => String::from("countersign.failure_cache.miss"),
            Self::FailureCacheEvicted => String::from("countersign.failure_cache.evicted"),
            Self::RefusedElsewhere => String::from("countersign.refused_elsewhere"),
            Self::RefusalNotShared => String::from("countersign.refusal_not_shared"),
        }
    }

    /// What it counts, for the reference page.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Allowed => "requests allowed by policy",
            Self::Public => "requests forwarded on a public route",
            Self::Refused(reason) => reason.title(),
            Self::CacheHit => "tokens found verified in the cache",
            Self::CacheMiss => "tokens that had to be verified",
            Self::CacheEvicted => "living entries dropped from the token cache to make room",
            Self::KeyFetch => "fetches of issuer keys begun, those of discovery documents among them",
            Self::KeyFetchFailed => "fetches of issuer keys that failed",
            Self::DegradedIntrospection => {
                "requests on degradable routes that relied on an issuer's word beyond its `active_seconds`"
            }
            Self::DegradedRevocation => {
                "requests on degradable routes that relied on a status list or revocation feed beyond its `stale_seconds`"
            }
            Self::RevocationFetch => "fetches of status lists and revocation feeds begun",
            Self::RevocationFetchFailed => "such fetches that failed",
            Self::Held => {
                "requests that had to wait: for issuer keys, for a status list or revocation feed, for an issuer's word on their token, or a token for upstream"
            }
            Self::FailureCacheHit => "tokens and exchanges found refused in the cache of refusals",
            Self::DpopAccepted => "DPoP proofs that were accepted",
            Self::HostVerificationFailed => {
                "signatures that the gateway's own verification gave no verdict on; the module's did"
            }
            Self::ApiKeyAccepted => {
                "API keys accepted, each for a request of a caller that has no tokens yet"
            }
            Self::VerifiedByTable => {
                "signatures that the module verified by a table of the key, which is faster"
            }
            Self::Introspection => "questions to issuers about opaque tokens",
            Self::IntrospectionFailed => "such questions that brought no answer that could be used",
            Self::IntrospectionJoined => "requests that waited for a question that another had asked",
            Self::BreakerOpened => {
                "times that an endpoint was left alone for a while, after failures in a row"
            }
            Self::UpstreamTokenCall => "requests for tokens for upstream",
            Self::UpstreamTokenFailed => "such requests that brought no token that could be used",
            Self::UpstreamTokenJoined => "requests that waited for a token that another had asked for",
            Self::UpstreamTokenHit => "tokens for upstream found in the cache",
            Self::UpstreamTokenShared => "tokens for upstream that another worker of the gateway had got",
            Self::UpstreamTokenMiss => "tokens for upstream that a request had to wait for",
            Self::UpstreamTokenEvicted => {
                "living entries dropped from the cache of tokens for upstream to make room"
            }
            Self::FailureCacheMiss => "tokens and exchanges that were not found in the cache of refusals",
            Self::FailureCacheEvicted => "living entries dropped from the cache of refusals to make room",
            Self::RefusalNotShared => {
                "refusals of opaque tokens and of exchanges that the other workers could not be told of, for want of room or of shared data"
            }
            Self::RefusedElsewhere => {
                "words on opaque tokens, and exchanged tokens, that were dropped since another worker has heard a refusal"
            }
        }
    }
}

/// The name of the gauge that says who verifies signatures of an algorithm: 1 the host, 0 the module.
pub fn by_host_name(algorithm: Algorithm) -> String {
    alloc::format!("countersign.signatures.by_host.{}", algorithm.name().to_ascii_lowercase())
}

/// The name of the gauge that says for how many keys the module has tables.
pub const TABLES_NAME: &str = "countersign.signatures.tables";

/// The name of a stage's histogram; its unit is nanoseconds. The filter times one request in eight.
pub fn stage_name(stage: Stage) -> String {
    alloc::format!("countersign.stage.{}_ns", stage.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_stands_at_its_index_under_a_name_of_its_own() {
        let all = Counter::all();
        assert_eq!(all.len(), Counter::COUNT);
        let mut names = alloc::collections::BTreeSet::new();
        for (index, counter) in all.into_iter().enumerate() {
            assert_eq!(counter.index(), index);
            assert!(names.insert(counter.name()), "{} twice", counter.name());
        }
        for gauge in CacheGauge::ALL {
            for cache in CacheName::ALL {
                assert!(names.insert(gauge.name(cache)), "{} twice", gauge.name(cache));
            }
        }
    }
}
