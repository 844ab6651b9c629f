//! One issuer's keys: how long to trust them, and what to say when one is missing.
//!
//! [`KeyStore`] is a state machine without I/O; every worker has one for each issuer. When keys are fetched is for its
//! [`crate::fetch::Schedule`] to say.

mod signer;
mod source;

pub use crate::fetch::{Discovery, DiscoveryError, Freshness, Location};
pub use signer::{Signer, Unproven};
pub use source::{KeyDocument, KeyFormat, RemoteKeySettings};

use crate::crypto::Algorithm;
use crate::fetch::{Brought, Missing, Schedule, Target};
use crate::jose::{self, Candidates, JwkSet};
use crate::time::{Span, Timestamp};
use alloc::string::String;

/// The keys of one issuer.
pub struct KeyStore {
    schedule: Schedule,
    held: Option<Held>,
}

struct Held {
    keys: JwkSet,
    sequence: Option<i64>,
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
        Self { schedule: Schedule::fixed(), held: Some(Held { keys, sequence: None }) }
    }

    /// Keys that are fetched; none are there yet. `seed` is random, so that workers do not fetch all at once.
    pub fn fetched_by(freshness: Freshness, seed: u64) -> Self {
        Self { schedule: Schedule::new(freshness, seed), held: None }
    }

    /// When they are fetched.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The same, to say what became of a fetch.
    pub fn schedule_mut(&mut self) -> &mut Schedule {
        &mut self.schedule
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
            return self.wait_or(Missing::Document, waited, now);
        }
        let unknown = self
            .held
            .as_ref()
            .is_none_or(|held| matches!(held.keys.find(kid, algorithm), jose::KeyLookup::Unknown));
        if unknown {
            let missing = if self.schedule.is_failing() { Missing::Document } else { Missing::Part };
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
        self.schedule.usable(now)
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
        let keys = self.held.as_ref().filter(|_| self.usable(now)).map_or(0, |held| held.keys.keys().len());
        let failures = self.schedule.failures();
        KeyHealth { keys, age: self.schedule.age(now), failures, healthy: keys > 0 && failures == 0 }
    }

    /// Takes the keys that were brought. Keys that are not in the new set are gone at once. False where it
    /// is older than what is held and may still be used: a smaller sequence, or none, does not replace a greater one (SPIFFE Trust
    /// Domain and Bundle §4.1.1). Keys past their budget keep nothing out, so that a sequence that began anew is taken in the end.
    pub fn renewed(&mut self, document: KeyDocument, brought: Brought) -> bool {
        if !self.schedule.is_fetched() {
            return false;
        }
        let KeyDocument { keys, sequence, refresh_hint } = document;
        let last = self.held.as_ref().filter(|_| self.usable(brought.asked)).and_then(|held| held.sequence);
        if last.is_some_and(|last| sequence.is_none_or(|sequence| sequence < last)) {
            return false;
        }
        self.schedule.renewed(Brought { said: refresh_hint.or(brought.said), ..brought });
        self.held = Some(Held { keys, sequence });
        true
    }

    fn wait_or(&mut self, missing: Missing, waited: bool, now: Timestamp) -> KeyLookup<'static> {
        if !waited && self.schedule.ask(missing, now) {
            return KeyLookup::Wait;
        }
        match missing {
            Missing::Part => KeyLookup::Unknown,
            Missing::Document => KeyLookup::Unavailable,
        }
    }
}

/// An issuer's keys, as a document in this form.
pub(crate) struct Fetched<'a> {
    /// The keys.
    pub(crate) store: &'a mut KeyStore,
    /// What the document is.
    pub(crate) format: KeyFormat,
}

impl Target for Fetched<'_> {
    fn schedule(&mut self) -> &mut Schedule {
        &mut self.store.schedule
    }

    fn take(&mut self, document: &[u8], brought: Brought, _: Timestamp) -> Result<(), String> {
        let keys = self.format.read(document)?;
        match self.store.renewed(keys, brought) {
            true => Ok(()),
            false => Err("expected a bundle as new as the one in use, found an older one".into()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
