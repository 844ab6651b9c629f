//! What is told of issuers and caches as they are now.

use crate::cache::Fill;
use crate::keys::KeyHealth;
use crate::revocation::DocumentHealth;
use alloc::string::String;
use alloc::vec::Vec;

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
            Self::Age => "how long ago they were asked for, in seconds; 0 where the configuration holds them",
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
            Self::Age => "how long ago the oldest of its documents was asked for, in seconds",
            Self::Failures => "how many fetches in a row have failed, of the document that failed most often",
            Self::Delay => {
                "how long it took at most until what the issuer revoked last was refused, in milliseconds: from when the copy before was asked for to when a worker took the one that it holds; or how old that is by now, where that is longer"
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
}
