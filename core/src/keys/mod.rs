//! One issuer's keys: when to fetch them, how long to trust them, and what to say when one is missing.
//!
//! [`KeyStore`] is a state machine without I/O; every worker has one for each issuer. The gateway asks [`KeyStore::next_fetch`] when to
//! begin, and says what became of it with [`KeyStore::renewed`] or [`KeyStore::failed`]. Beside each store of fetched keys stands a
//! [`Keeper`], which knows what to fetch and shares it with the other workers.

mod board;
mod discovery;
mod freshness;
mod keeper;
mod signer;
mod source;

pub use discovery::{Discovery, DiscoveryError};
pub use freshness::Freshness;
pub(crate) use keeper::{Keeper, News, Step};
pub use signer::{Signer, Unproven};
pub use source::{KeyDocument, KeyFormat, Location, RemoteKeySettings};

use crate::crypto::Algorithm;
use crate::jitter::Jitter;
use crate::jose::{self, Candidates, JwkSet};
use crate::time::{Span, Timestamp};

/// The keys of one issuer.
pub struct KeyStore {
    freshness: Option<Freshness>,
    held: Option<Held>,
    fetching: Fetching,
    /// A request waits for a fetch that has not begun.
    wanted: Option<Missing>,
    /// Failures in a row, and when the last one was.
    failures: u32,
    last_failure: Option<Timestamp>,
    /// Not before this, unless a request asks.
    retry: Timestamp,
    last_unknown_kid: Option<Timestamp>,
    jitter: Jitter,
}

struct Held {
    keys: JwkSet,
    sequence: Option<i64>,
    fetched: Timestamp,
    /// When to fetch again.
    due: Timestamp,
}

#[derive(Clone, Copy)]
enum Fetching {
    Nobody,
    /// This worker, since then.
    Ours(Timestamp),
    /// Another worker, which has until then.
    Others(Timestamp),
}

/// What a look-up found.
#[derive(Clone, Debug)]
pub enum KeyLookup<'a> {
    /// The key, seldom more than one: try them in order.
    Found(Candidates<'a>),
    /// The answer may come with a fetch, which is under way or wanted: wait.
    Wait,
    /// More keys could be meant by a token without `kid` than are ever tried.
    Ambiguous,
    /// The `kid` is known, for another algorithm.
    WrongAlgorithm,
    /// The issuer has no such key.
    Unknown,
    /// Whether the issuer has such a key can't be known now.
    Unavailable,
}

/// How an issuer's keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHealth {
    /// Keys that may be used now.
    pub keys: usize,
    /// The age of the set; nothing where there is none, or where it is part of the configuration.
    pub age: Option<Span>,
    /// Failed fetches in a row.
    pub failures: u32,
    /// Whether there are keys and the last fetch went well.
    pub healthy: bool,
}

impl KeyStore {
    /// Keys that never change.
    pub fn fixed(keys: JwkSet) -> Self {
        let (fetched, due) = (Timestamp::default(), Timestamp::MAX);
        Self { held: Some(Held { keys, sequence: None, fetched, due }), wanted: None, ..Self::empty(None, 0) }
    }

    /// Keys that are fetched; none are there yet. `seed` is random, so that workers do not fetch all at once.
    pub fn fetched_by(freshness: Freshness, seed: u64) -> Self {
        Self::empty(Some(freshness), seed)
    }

    fn empty(freshness: Option<Freshness>, seed: u64) -> Self {
        Self {
            freshness,
            held: None,
            fetching: Fetching::Nobody,
            wanted: Some(Missing::Source),
            failures: 0,
            last_failure: None,
            retry: Timestamp::default(),
            last_unknown_kid: None,
            jitter: Jitter::new(seed),
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
            (Some(held), Some(freshness)) => now < held.fetched.plus(freshness.budget()),
            (None, _) => false,
        }
    }

    /// Whether the key that verified a token would be found for it again, by `kid` and algorithm.
    pub fn contains(&self, signer: &Signer) -> bool {
        let found = self.held.as_ref().map(|held| held.keys.find(signer.kid.as_deref(), signer.algorithm));
        match found {
            Some(jose::KeyLookup::Candidates(mut keys)) => {
                keys.any(|key| *key.thumbprint() == signer.thumbprint)
            }
            _ => false,
        }
    }

    /// How the keys are.
    pub fn health(&self, now: Timestamp) -> KeyHealth {
        let held = self.held.as_ref().filter(|_| self.usable(now));
        let keys = held.map_or(0, |held| held.keys.keys().len());
        let fetched = self.held.as_ref().filter(|_| self.freshness.is_some()).map(|held| held.fetched);
        KeyHealth {
            keys,
            age: fetched.map(|fetched| now.since(fetched).max(Span::ZERO)),
            failures: self.failures,
            healthy: keys > 0 && self.failures == 0,
        }
    }

    /// When the next fetch should begin; `None` while one is under way or where keys are fixed.
    pub fn next_fetch(&self, now: Timestamp) -> Option<Timestamp> {
        self.freshness?;
        if !matches!(self.fetching, Fetching::Nobody) {
            return None;
        }
        if self.wanted.is_some() {
            return Some(now);
        }
        let due = self.held.as_ref().map_or(now, |held| held.due);
        Some(if self.last_failure.is_some() { due.max(self.retry) } else { due })
    }

    /// Whether the next fetch is for a `kid` that nobody knows, and for nothing else.
    pub(crate) fn wants_kid(&self) -> bool {
        self.wanted == Some(Missing::Kid)
    }

    /// A fetch has begun.
    pub fn fetch_started(&mut self, now: Timestamp) {
        self.fetching = Fetching::Ours(now);
        self.wanted = None;
    }

    /// Another worker fetches, and has until then; who needs keys waits for it.
    pub fn follow(&mut self, until: Timestamp) {
        self.fetching = Fetching::Others(until);
        self.wanted = None;
    }

    /// Whether another worker fetches.
    pub fn follows(&self) -> bool {
        matches!(self.fetching, Fetching::Others(_))
    }

    /// Another worker's time is over, and nobody has heard of it: this one wants to fetch.
    pub fn abandoned(&mut self) {
        if self.follows() {
            self.fetching = Fetching::Nobody;
            self.wanted = Some(Missing::Source);
        }
    }

    /// Takes the keys that were fetched at `fetched`, whichever worker did. Keys that are not in the new set are gone at once. False where it
    /// is older than what is held and may still be used: a smaller sequence, or none, does not replace a greater one (SPIFFE Trust
    /// Domain and Bundle §4.1.1). Keys past their budget keep nothing out, so that a sequence that began anew is taken in the end.
    pub fn renewed(&mut self, document: KeyDocument, said: Option<Span>, fetched: Timestamp) -> bool {
        let Some(freshness) = self.freshness else { return false };
        let KeyDocument { keys, sequence, refresh_hint } = document;
        let last = self.held.as_ref().filter(|_| self.usable(fetched)).and_then(|held| held.sequence);
        if last.is_some_and(|last| sequence.is_none_or(|sequence| sequence < last)) {
            return false;
        }
        // Ahead of expiry, so that no request meets stale keys while the source is healthy.
        let twentieth = Span::from_nanos(freshness.lifetime(refresh_hint.or(said)).as_nanos() / 20);
        let parts = |count: i64| Span::from_nanos(twentieth.as_nanos().saturating_mul(count));
        let due = fetched.plus(parts(16)).plus(self.jitter.part_of(parts(3)));
        self.held = Some(Held { keys, sequence, fetched, due });
        self.fetching = Fetching::Nobody;
        self.wanted = None;
        (self.failures, self.last_failure) = (0, None);
        true
    }

    /// A fetch has failed for the `failures`th time in a row, whichever worker's it was. The old keys stay in use within their budget.
    pub fn failed(&mut self, failures: u32, now: Timestamp) {
        self.fetching = Fetching::Nobody;
        self.wanted = None;
        self.failures = failures;
        self.last_failure = Some(now);
        if let Some(freshness) = self.freshness {
            let pause = freshness.pause(failures);
            let quarter = Span::from_nanos(pause.as_nanos() / 4);
            self.retry = now.plus(pause).plus(self.jitter.part_of(quarter));
        }
    }

    /// Whether a fetch under way is past its deadline, so that its answer is no longer waited for.
    pub fn overdue(&self, now: Timestamp) -> bool {
        matches!(self.fetching, Fetching::Ours(_)) && self.deadline().is_some_and(|deadline| now >= deadline)
    }

    /// When the fetch under way is overdue.
    pub fn deadline(&self) -> Option<Timestamp> {
        match self.fetching {
            Fetching::Nobody => None,
            Fetching::Ours(started) => Some(started.plus(self.freshness?.timeout)),
            Fetching::Others(until) => Some(until),
        }
    }

    /// The clock was set back so far: what has happened has happened as long ago as before.
    pub fn set_back(&mut self, by: Span) {
        if let Some(held) = &mut self.held {
            held.fetched = held.fetched.minus(by);
            held.due = held.due.minus(by);
        }
        self.retry = self.retry.minus(by);
        for time in [&mut self.last_failure, &mut self.last_unknown_kid].into_iter().flatten() {
            *time = time.minus(by);
        }
        match &mut self.fetching {
            Fetching::Nobody => {}
            Fetching::Ours(time) | Fetching::Others(time) => *time = time.minus(by),
        }
    }

    /// When the keys that are held were fetched.
    fn fetched_at(&self) -> Option<Timestamp> {
        self.held.as_ref().map(|held| held.fetched)
    }

    /// Another worker has seen a fetch fail. True where that is news.
    fn heard_of_failure(&mut self, failures: u32, at: Timestamp, now: Timestamp) -> bool {
        let newer = |other: Option<Timestamp>| other.is_none_or(|other| at > other);
        let news = failures > 0 && at <= now && newer(self.last_failure) && newer(self.fetched_at());
        let ours = matches!(self.fetching, Fetching::Ours(_));
        if news && !ours {
            self.failed(failures, at);
        }
        news && !ours
    }

    /// Another worker has asked for an unknown `kid`. True where no second fetch is wanted for that reason now.
    fn heard_of_unknown_kid(&mut self, at: Timestamp, now: Timestamp) -> bool {
        let Some(freshness) = self.freshness else { return false };
        let recent = at <= now && now < at.plus(freshness.cooldown);
        let drop = recent && self.wanted == Some(Missing::Kid);
        if drop {
            self.wanted = None;
            self.last_unknown_kid = Some(at);
        }
        drop
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
        if !matches!(self.fetching, Fetching::Nobody) || self.wanted.is_some() {
            return true;
        }
        // Without keys every request is refused, so that asking again soon is worth it.
        let pause = if self.usable(now) { freshness.pause(self.failures) } else { freshness.cooldown };
        let over = |last: Option<Timestamp>, pause| last.is_none_or(|last| now >= last.plus(pause));
        let may = match missing {
            Missing::Kid => over(self.last_failure, pause) && over(self.last_unknown_kid, freshness.cooldown),
            Missing::Source => over(self.last_failure, pause),
        };
        if may {
            self.wanted = Some(missing);
            if missing == Missing::Kid {
                self.last_unknown_kid = Some(now);
            }
        }
        may
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
