//! One issuer's keys: when to fetch them, how long to trust them, and what to say when one is missing.
//!
//! A state machine without I/O. The gateway asks [`KeyStore::next_fetch`] when to begin, says what became of it
//! with [`KeyStore::fetched`], and every worker has one store for each issuer.

use crate::crypto::Algorithm;
use crate::jose::{self, Candidates, JwkSet};
use crate::time::{Span, Timestamp};

/// How a remote key set is kept fresh. All spans are positive.
#[derive(Clone, Copy, Debug)]
pub struct Freshness {
    /// The age at which keys are due for another fetch.
    pub refresh: Span,
    /// The least time between two fetches set off by an unknown `kid`, and after a failure.
    pub cooldown: Span,
    /// How long keys stay in use past `refresh`.
    pub stale: Span,
    /// How long a fetch may take.
    pub timeout: Span,
}

/// The keys of one issuer.
pub struct KeyStore {
    freshness: Option<Freshness>,
    held: Option<Held>,
    in_flight: Option<Timestamp>,
    /// A request waits for a fetch that has not begun.
    wanted: bool,
    last_failure: Option<Timestamp>,
    last_unknown_kid: Option<Timestamp>,
}

struct Held {
    keys: JwkSet,
    fetched: Timestamp,
}

/// What a look-up found.
#[derive(Clone, Debug)]
pub enum KeyLookup<'a> {
    /// The key, seldom more than one: try them in order.
    Found(Candidates<'a>),
    /// The answer may come with a fetch, which is under way or wanted: wait.
    Wait,
    /// Several keys could be meant by a token without `kid`.
    Ambiguous,
    /// The `kid` is known, for another algorithm.
    WrongAlgorithm,
    /// The issuer has no such key.
    Unknown,
    /// Whether the issuer has such a key can't be known now.
    Unavailable,
}

impl KeyStore {
    /// Keys that never change.
    pub fn fixed(keys: JwkSet) -> Self {
        let held = Some(Held { keys, fetched: Timestamp::default() });
        Self {
            freshness: None,
            held,
            in_flight: None,
            wanted: false,
            last_failure: None,
            last_unknown_kid: None,
        }
    }

    /// Keys that are fetched; none are there yet.
    pub fn fetched_by(freshness: Freshness) -> Self {
        Self {
            freshness: Some(freshness),
            held: None,
            in_flight: None,
            wanted: true,
            last_failure: None,
            last_unknown_kid: None,
        }
    }

    /// Looks for the key with this `kid` and algorithm; asks for a fetch where that may help. A request that has waited for
    /// a fetch already says so, and is not told to wait again.
    pub fn find<'a>(
        &'a mut self,
        kid: Option<&'a str>,
        algorithm: Algorithm,
        waited: bool,
        now: Timestamp,
    ) -> KeyLookup<'a> {
        if !self.usable(now) {
            return self.wait_or(Missing::Source, waited, now);
        }
        let unknown = self
            .held
            .as_ref()
            .is_none_or(|held| matches!(held.keys.find(kid, algorithm), jose::KeyLookup::Unknown));
        if unknown {
            let missing = if self.last_failure.is_some() { Missing::Source } else { Missing::Kid };
            return self.wait_or(missing, waited, now);
        }
        match self.held.as_ref().map(|held| held.keys.find(kid, algorithm)) {
            Some(jose::KeyLookup::Candidates(candidates)) => KeyLookup::Found(candidates),
            Some(jose::KeyLookup::Ambiguous) => KeyLookup::Ambiguous,
            Some(jose::KeyLookup::WrongAlgorithm) => KeyLookup::WrongAlgorithm,
            Some(jose::KeyLookup::Unknown) | None => KeyLookup::Unknown,
        }
    }

    /// Whether keys are held that may still be used.
    pub fn usable(&self, now: Timestamp) -> bool {
        match (&self.held, self.freshness) {
            (Some(_), None) => true,
            (Some(held), Some(freshness)) => now < held.fetched.plus(freshness.refresh).plus(freshness.stale),
            (None, _) => false,
        }
    }

    /// Whether the key with this thumbprint (RFC 7638) is among those held.
    pub fn contains(&self, thumbprint: &[u8; 32]) -> bool {
        self.held
            .as_ref()
            .is_some_and(|held| held.keys.keys().iter().any(|key| key.thumbprint() == thumbprint))
    }

    /// When the next fetch should begin; `None` while one is under way or where keys are fixed.
    pub fn next_fetch(&self, now: Timestamp) -> Option<Timestamp> {
        let freshness = self.freshness?;
        if self.in_flight.is_some() {
            return None;
        }
        if self.wanted {
            return Some(now);
        }
        let due = match &self.held {
            // Ahead of expiry, so that no request meets stale keys while the source is healthy.
            Some(held) => held.fetched.plus(Span::from_nanos(freshness.refresh.as_nanos() / 5 * 4)),
            None => now,
        };
        Some(match self.last_failure {
            Some(failed) => due.max(failed.plus(freshness.cooldown)),
            None => due,
        })
    }

    /// A fetch has begun.
    pub fn fetch_started(&mut self, now: Timestamp) {
        self.in_flight = Some(now);
        self.wanted = false;
    }

    /// A fetch has ended, with the issuer's keys or without. Keys that are not in a new set are gone at once; a failure
    /// leaves the old ones in use within their budget.
    pub fn fetched(&mut self, keys: Option<JwkSet>, now: Timestamp) {
        self.in_flight = None;
        match keys {
            Some(keys) => {
                self.held = Some(Held { keys, fetched: now });
                self.last_failure = None;
            }
            None => self.last_failure = Some(now),
        }
    }

    /// Whether a fetch under way is past its deadline, so that its answer is no longer waited for.
    pub fn overdue(&self, now: Timestamp) -> bool {
        match (self.in_flight, self.freshness) {
            (Some(started), Some(freshness)) => now >= started.plus(freshness.timeout),
            _ => false,
        }
    }

    /// When the fetch under way is overdue.
    pub fn deadline(&self) -> Option<Timestamp> {
        Some(self.in_flight?.plus(self.freshness?.timeout))
    }

    fn wait_or(&mut self, missing: Missing, waited: bool, now: Timestamp) -> KeyLookup<'static> {
        if !waited && self.freshness.is_some_and(|freshness| self.may_fetch(missing, freshness, now)) {
            return KeyLookup::Wait;
        }
        match missing {
            Missing::Kid => KeyLookup::Unknown,
            Missing::Source => KeyLookup::Unavailable,
        }
    }

    /// Whether a fetch is under way, or may be asked for now; if so it is.
    fn may_fetch(&mut self, missing: Missing, freshness: Freshness, now: Timestamp) -> bool {
        if self.in_flight.is_some() || self.wanted {
            return true;
        }
        let cooled = |last: Option<Timestamp>| last.is_none_or(|last| now >= last.plus(freshness.cooldown));
        self.wanted = match missing {
            Missing::Kid => cooled(self.last_failure) && cooled(self.last_unknown_kid),
            Missing::Source => cooled(self.last_failure),
        };
        if self.wanted && missing == Missing::Kid {
            self.last_unknown_kid = Some(now);
        }
        self.wanted
    }
}

/// What stands between a token and its key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// The set is fresh and lacks the `kid`.
    Kid,
    /// There is no set to look into, or the source is failing.
    Source,
}

#[cfg(test)]
mod tests;
