//! The names of what is counted and timed, in one place. A shell defines them all at start and adds up
//! what the core tells it to count.

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
    /// Fetches of issuer keys begun.
    KeyFetch,
    /// Fetches of issuer keys that failed.
    KeyFetchFailed,
    /// Requests that had to wait for issuer keys.
    Held,
    /// Refusals found in the cache of refused tokens.
    FailureCacheHit,
    /// Proofs of possession that were accepted.
    DpopAccepted,
    /// Signatures that the host verifies, and gave no verdict on.
    HostVerificationFailed,
    /// API keys that were accepted.
    ApiKeyAccepted,
}

impl Counter {
    /// How many there are.
    pub const COUNT: usize = Self::PLAIN.len() + Reason::ALL.len();

    const PLAIN: [Self; 12] = [
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
            Self::Held => String::from("countersign.held"),
            Self::HostVerificationFailed => String::from("countersign.signatures.host_failed"),
            Self::FailureCacheHit => String::from("countersign.failure_cache.hit"),
            Self::DpopAccepted => String::from("countersign.dpop.accepted"),
            Self::ApiKeyAccepted => String::from("countersign.api_key.accepted"),
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
            Self::KeyFetch => "fetches of issuer keys begun",
            Self::KeyFetchFailed => "fetches of issuer keys that failed",
            Self::Held => "requests that had to wait for issuer keys",
            Self::FailureCacheHit => "tokens found refused in the cache of refusals",
            Self::DpopAccepted => "DPoP proofs that were accepted",
            Self::HostVerificationFailed => {
                "signatures that the gateway's own verification gave no verdict on; the module's did"
            }
            Self::ApiKeyAccepted => {
                "API keys accepted, each for a request of a caller that has no tokens yet"
            }
        }
    }
}

/// The name of the gauge that says who verifies signatures of an algorithm: 1 the host, 0 the module.
pub fn by_host_name(algorithm: Algorithm) -> String {
    alloc::format!("countersign.signatures.by_host.{}", algorithm.name().to_ascii_lowercase())
}

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
    }
}
