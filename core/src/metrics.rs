//! The names of what is counted and timed, in one place. A shell defines them all at start and adds up
//! what the core tells it to count.

use crate::cache::Fill;
use crate::crypto::Algorithm;
use crate::keys::KeyHealth;
use crate::policy;
use crate::reason::Reason;
use crate::revocation::DocumentHealth;
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
}

impl Counter {
    /// How many there are.
    pub const COUNT: usize = Self::PLAIN.len() + Reason::ALL.len();

    const PLAIN: [Self; 30] = [
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

/// What is said of each issuer's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuerGauge {
    /// How many keys may be used.
    Keys,
    /// How old they are.
    Age,
    /// How many fetches in a row have failed.
    Failures,
    /// Whether there are keys and the last fetch went well.
    Healthy,
}

impl IssuerGauge {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Keys, Self::Age, Self::Failures, Self::Healthy];

    /// The gauge's name for the issuer with this name in metrics; see [`issuer_slugs`].
    pub fn name(self, slug: &str) -> String {
        let gauge = match self {
            Self::Keys => "keys",
            Self::Age => "key_age_seconds",
            Self::Failures => "key_failures",
            Self::Healthy => "healthy",
        };
        alloc::format!("countersign.issuer.{slug}.{gauge}")
    }

    /// What it says, for the reference page.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Keys => "how many keys of the issuer may be used now",
            Self::Age => "how long ago they were fetched, in seconds; 0 where the configuration holds them",
            Self::Failures => "how many fetches in a row have failed",
            Self::Healthy => "1: there are keys, and the last fetch went well; 0: not so",
        }
    }

    /// Its value; nothing where there is nothing to say.
    pub fn value(self, health: &KeyHealth) -> Option<u64> {
        match self {
            Self::Keys => u64::try_from(health.keys).ok(),
            Self::Age => u64::try_from(health.age.unwrap_or_default().as_secs()).ok(),
            Self::Failures => Some(health.failures.into()),
            Self::Healthy => Some(health.healthy.into()),
        }
    }
}

/// What is said of what each issuer publishes about its tokens, all its documents together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationGauge {
    /// How many tokens they may speak of.
    Entries,
    /// How many bytes they take.
    Bytes,
    /// How old they are.
    Age,
    /// How many fetches in a row have failed.
    Failures,
    /// How long it took until what was revoked last was refused.
    Delay,
}

impl RevocationGauge {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Entries, Self::Bytes, Self::Age, Self::Failures, Self::Delay];

    /// The gauge's name for the issuer with this name in metrics; see [`issuer_slugs`].
    pub fn name(self, slug: &str) -> String {
        let gauge = match self {
            Self::Entries => "entries",
            Self::Bytes => "bytes",
            Self::Age => "age_seconds",
            Self::Failures => "failures",
            Self::Delay => "delay_milliseconds",
        };
        alloc::format!("countersign.issuer.{slug}.revocation_{gauge}")
    }

    /// What it says, for the reference page.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Entries => {
                "statuses in the issuer's lists and entries of its feed, those that a worker holds"
            }
            Self::Bytes => "bytes that a worker holds them in",
            Self::Age => "how long ago the oldest of its documents was fetched, in seconds",
            Self::Failures => "how many fetches in a row have failed, of the document that failed most often",
            Self::Delay => {
                "how long it took at most until what the issuer revoked last was refused, in milliseconds: from the fetch before to the time when a worker took what it holds"
            }
        }
    }

    /// Its value; nothing where there is nothing to say.
    pub fn value(self, health: &DocumentHealth) -> Option<u64> {
        match self {
            Self::Entries => Some(health.entries),
            Self::Bytes => u64::try_from(health.bytes).ok(),
            Self::Age => u64::try_from(health.age?.as_secs()).ok(),
            Self::Failures => Some(health.failures.into()),
            Self::Delay => u64::try_from(health.delay?.as_nanos() / 1_000_000).ok(),
        }
    }
}

/// A cache whose fill is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheName {
    /// Verified tokens.
    Tokens,
    /// Tokens and exchanges that were refused.
    Failures,
    /// Exchanged tokens.
    UpstreamTokens,
    /// Used proofs of possession.
    Proofs,
}

impl CacheName {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tokens, Self::Failures, Self::UpstreamTokens, Self::Proofs];
}

/// What is said of each cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheGauge {
    /// How many entries it has.
    Entries,
    /// How many bytes they take.
    Bytes,
}

impl CacheGauge {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Entries, Self::Bytes];

    /// The gauge's name for this cache.
    pub fn name(self, cache: CacheName) -> String {
        let cache = match cache {
            CacheName::Tokens => "token_cache",
            CacheName::Failures => "failure_cache",
            CacheName::UpstreamTokens => "upstream_token",
            CacheName::Proofs => "dpop.used",
        };
        let gauge = match self {
            Self::Entries => "entries",
            Self::Bytes => "bytes",
        };
        alloc::format!("countersign.{cache}.{gauge}")
    }

    /// What it says of this cache, for the reference page.
    pub const fn help(self, cache: CacheName) -> &'static str {
        match (self, cache) {
            (Self::Entries, CacheName::Tokens) => "verified tokens in the cache",
            (Self::Entries, CacheName::Failures) => "refusals in the cache of refusals",
            (Self::Entries, CacheName::UpstreamTokens) => {
                "exchanged tokens in the cache of tokens for upstream"
            }
            (Self::Entries, CacheName::Proofs) => {
                "used proofs of possession that all workers remember; 0 until the worker has accepted one"
            }
            (Self::Bytes, CacheName::Tokens) => "about how many bytes they take, at most `token_cache.bytes`",
            (Self::Bytes, CacheName::Failures) => {
                "about how many bytes they take, at most a quarter of `token_cache.bytes`"
            }
            (Self::Bytes, CacheName::UpstreamTokens) => {
                "about how many bytes they take, at most `token_cache.bytes` again"
            }
            (Self::Bytes, CacheName::Proofs) => "how many bytes they take",
        }
    }

    /// Its value.
    pub fn value(self, fill: Fill) -> u64 {
        let value = match self {
            Self::Entries => fill.entries,
            Self::Bytes => fill.bytes,
        };
        u64::try_from(value).unwrap_or(u64::MAX)
    }
}

/// The longest name of an issuer in metrics, in bytes.
const MAX_SLUG_BYTES: usize = 64;

/// The names of issuers in metrics: without the scheme, in lower case, with one `_` for whatever is no letter or digit. Where two would have
/// the same, the later one gets its number, from 2 on, behind it.
pub fn issuer_slugs<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<String> {
    let mut slugs: Vec<String> = Vec::new();
    for name in names {
        let bare = name.split_once("://").map_or(name, |(_, rest)| rest);
        let mut slug = String::new();
        for c in bare.chars() {
            match c.is_ascii_alphanumeric() {
                true => slug.push(c.to_ascii_lowercase()),
                false if slug.is_empty() || slug.ends_with('_') => {}
                false => slug.push('_'),
            }
            if slug.len() >= MAX_SLUG_BYTES {
                break;
            }
        }
        let plain = match slug.trim_end_matches('_') {
            "" => "issuer",
            slug => slug,
        };
        let numbered = (2_u32..).map(|number| alloc::format!("{plain}_{number}"));
        let mut candidates = core::iter::once(String::from(plain)).chain(numbered);
        slugs.extend(candidates.find(|candidate| !slugs.contains(candidate)));
    }
    slugs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_issuer_has_a_name_of_its_own_in_metrics() {
        let long = alloc::format!("https://{}", "x".repeat(200));
        let names = [
            "https://login.bank.example/realms/one/",
            "https://login.bank.example:443/Realms",
            "http://login.bank.example_443/realms",
            "spiffe://bank.example",
            "joe",
            "\u{fc}",
            "://",
            &long,
            &long,
        ];
        let slugs = issuer_slugs(names);
        let expected = [
            "login_bank_example_realms_one",
            "login_bank_example_443_realms",
            "login_bank_example_443_realms_2",
            "bank_example",
            "joe",
            "issuer",
            "issuer_2",
        ];
        assert_eq!(slugs[..7], expected);
        assert_eq!(slugs[7].len(), MAX_SLUG_BYTES);
        assert_eq!(slugs[8], alloc::format!("{}_2", slugs[7]));
    }

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
