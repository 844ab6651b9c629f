//! What is fetched from issuers: their keys, and what they say of tokens that they took back.

use super::{Entropy, Gateway, LOOK_AGAIN, Need, Notice};
use crate::call::{Call, CallAnswer, CallId};
use crate::fetch::{Keeper, News, Schedule, Source, Step, Target};
use crate::keys::{Fetched, KeyStore};
use crate::metrics::Counter;
use crate::revocation::{self, Document};
use crate::settings::{KeySettings, Settings};
use crate::shared::SharedData;
use crate::time::{Span, Timestamp};
use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;

/// What a keeper fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The keys of the issuer at this place.
    Keys(usize),
    /// The revocation document at this place.
    Revocation(usize),
}

impl Purpose {
    /// For what a request waits that needs it.
    fn need(self) -> Need {
        match self {
            Self::Keys(issuer) => Need::Keys { issuer },
            Self::Revocation(document) => Need::Revocation { document },
        }
    }

    /// Where it is fetched from.
    pub(super) fn source(self, settings: &Settings) -> Option<&Source> {
        match self {
            Self::Keys(issuer) => match &settings.issuers.get(issuer)?.keys {
                KeySettings::Remote(remote) => Some(&remote.source),
                KeySettings::Inline(_) => None,
            },
            Self::Revocation(document) => Some(&settings.revocations.get(document)?.source),
        }
    }
}

/// Somebody who fetches.
pub(super) struct Fetcher {
    purpose: Purpose,
    keeper: Keeper,
}

/// Everything that is fetched by these settings; keys before what they sign.
pub(super) fn fetchers(settings: &Settings, entropy: &Entropy) -> Vec<Fetcher> {
    let keys = (0..settings.issuers.len()).map(Purpose::Keys);
    let documents = (0..settings.revocations.len()).map(Purpose::Revocation);
    let wanted = keys.chain(documents).enumerate();
    wanted
        .filter_map(|(place, purpose)| {
            let source = purpose.source(settings)?;
            Some(Fetcher { purpose, keeper: Keeper::new(source, entropy.derive("worker", place)) })
        })
        .collect()
}

impl Gateway {
    /// Has the fetcher at this place do something; nothing where there is none.
    fn fetching<T>(
        &mut self,
        place: usize,
        act: impl FnOnce(&mut Keeper, &mut dyn Target, &Source, &dyn SharedData) -> T,
    ) -> Option<(Purpose, T)> {
        let settings = Rc::clone(&self.settings);
        let Fetcher { purpose, keeper } = self.fetchers.get_mut(place)?;
        let source = purpose.source(&settings)?;
        let done = match *purpose {
            Purpose::Keys(issuer) => {
                let KeySettings::Remote(remote) = &settings.issuers.get(issuer)?.keys else { return None };
                let mut target = Fetched { store: self.keys.get_mut(issuer)?, format: remote.format };
                act(keeper, &mut target, source, &*self.shared)
            }
            Purpose::Revocation(document) => {
                let wanted = settings.revocations.get(document)?;
                let mut target = revocation::Fetched {
                    document: self.revocations.get_mut(document)?,
                    wanted,
                    issuer: settings.issuers.get(wanted.issuer)?,
                    keys: self.keys.get_mut(wanted.issuer)?,
                    provider: &*self.provider,
                };
                act(keeper, &mut target, source, &*self.shared)
            }
        };
        Some((*purpose, done))
    }

    /// When it is fetched.
    fn schedule(&self, purpose: Purpose) -> Option<&Schedule> {
        match purpose {
            Purpose::Keys(issuer) => self.keys.get(issuer).map(KeyStore::schedule),
            Purpose::Revocation(document) => self.revocations.get(document).map(Document::schedule),
        }
    }

    /// Whether what a document is verified with is there.
    pub(super) fn is_ready(&self, purpose: Purpose, now: Timestamp) -> bool {
        match purpose {
            Purpose::Keys(_) => true,
            Purpose::Revocation(document) => {
                let wanted = self.settings.revocations.get(document);
                let keys = wanted.and_then(|wanted| self.keys.get(wanted.issuer));
                keys.is_some_and(|keys| keys.usable(now))
            }
        }
    }

    /// The next fetch to begin at `now`.
    pub(super) fn next_fetch(&mut self, now: Timestamp) -> Option<Call> {
        (0..self.fetchers.len()).find_map(|place| self.begin_fetch(place, now))
    }

    fn begin_fetch(&mut self, place: usize, now: Timestamp) -> Option<Call> {
        let Fetcher { purpose, keeper } = self.fetchers.get(place)?;
        let (purpose, goes_on) = (*purpose, keeper.goes_on());
        if !goes_on {
            if !self.schedule(purpose)?.is_due(now) || !self.is_ready(purpose, now) {
                return None;
            }
            // Another worker may have fetched, or be at it.
            self.look(place, now);
        }
        let (_, led) = self.fetching(place, |keeper, target, source, shared| {
            if goes_on {
                return true;
            }
            let led = target.schedule().is_due(now) && keeper.take_lease(target, source, shared, now);
            if led {
                target.schedule().fetch_started(now);
            }
            led
        })?;
        if !led {
            return None;
        }
        let id = self.next_call_id();
        let (_, (to, timeout)) = self.fetching(place, |keeper, target, source, _| {
            // Two documents take no longer than one may.
            let left =
                target.schedule().deadline().map_or(source.freshness.timeout, |deadline| deadline.since(now));
            (keeper.next(id, source, now), left.max(Span::ZERO))
        })?;
        let (counter, purpose, accept) = match purpose {
            Purpose::Keys(_) => {
                (Counter::KeyFetch, "issuer keys", "application/jwk-set+json, application/json")
            }
            Purpose::Revocation(document) => {
                let kind = self.settings.revocations.get(document)?.kind;
                (Counter::RevocationFetch, kind.name(), kind.media_type())
            }
        };
        self.notices.push_back(Notice::Count(counter));
        Some(Call { id, purpose, to, accept, form: None, timeout })
    }

    /// Takes the answer to a fetch, where the call was one.
    pub(super) fn fetch_answered(&mut self, id: CallId, answer: Option<CallAnswer>, now: Timestamp) {
        let Some(place) = self.fetchers.iter().position(|fetcher| fetcher.keeper.awaits(id)) else { return };
        let step = self.fetching(place, |keeper, target, source, shared| {
            keeper.answered(answer, target, source, shared, now)
        });
        match step {
            Some((purpose, Step::Renewed)) => self.renewed(purpose),
            Some((purpose, Step::Failed(fault))) => self.failed(purpose, &fault),
            Some((_, Step::Onward)) | None => {}
        }
    }

    /// The largest answer to this call that is looked at, in bytes.
    pub(super) fn max_fetched_bytes(&self, id: CallId) -> Option<usize> {
        let fetcher = self.fetchers.iter().find(|fetcher| fetcher.keeper.awaits(id))?;
        fetcher.purpose.source(&self.settings).map(|source| source.max_bytes)
    }

    /// Ends fetches that are overdue, and hears what other workers have fetched.
    pub(super) fn end_fetches(&mut self, now: Timestamp) {
        for place in 0..self.fetchers.len() {
            self.look(place, now);
            let overdue = self.fetching(place, |keeper, target, _, shared| {
                let overdue = target.schedule().overdue(now);
                if overdue {
                    keeper.failed(target, shared, now);
                }
                overdue
            });
            if let Some((purpose, true)) = overdue {
                self.failed(purpose, "no answer in time");
            }
        }
    }

    /// When the next fetch begins, or is overdue.
    pub(super) fn next_fetches(&self, now: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        self.fetchers.iter().filter_map(move |Fetcher { purpose, keeper }| {
            if keeper.goes_on() {
                return Some(now);
            }
            let schedule = self.schedule(*purpose)?;
            // Without what it is verified with, it is not fetched; what is awaited for that has a time of its own.
            let begins = schedule.next_fetch(now).filter(|_| self.is_ready(*purpose, now));
            let due = begins.or_else(|| schedule.deadline());
            let looked_for = schedule.follows() && self.room.needs(purpose.need());
            if looked_for { Some(due.unwrap_or(Timestamp::MAX).min(now.plus(LOOK_AGAIN))) } else { due }
        })
    }

    /// Hears what other workers have to tell of an issuer's keys; true where that changes anything for who needs them.
    pub(super) fn look_for_keys(&mut self, issuer: usize, now: Timestamp) -> bool {
        self.look_for(Purpose::Keys(issuer), now)
    }

    /// Hears what other workers have to tell of a document about revoked tokens; true where that changes anything for who needs it.
    pub(super) fn look_for_revocation(&mut self, document: usize, now: Timestamp) -> bool {
        self.look_for(Purpose::Revocation(document), now)
    }

    fn look_for(&mut self, wanted: Purpose, now: Timestamp) -> bool {
        let place = self.fetchers.iter().position(|fetcher| fetcher.purpose == wanted);
        place.is_some_and(|place| self.look(place, now))
    }

    /// Hears what other workers have to tell of a document; true where that changes anything for who needs it.
    fn look(&mut self, place: usize, now: Timestamp) -> bool {
        let ready = self.fetchers.get(place).is_some_and(|fetcher| self.is_ready(fetcher.purpose, now));
        if !ready {
            self.abandon(place, now);
            return false;
        }
        let news =
            self.fetching(place, |keeper, target, source, shared| keeper.look(target, source, shared, now));
        match news {
            Some((purpose, News::Renewed)) => self.renewed(purpose),
            Some((purpose, News::Failed | News::Asked)) => self.wake(purpose),
            Some((_, News::Nothing)) | None => return false,
        }
        true
    }

    /// Another worker's time to fetch is over, and what it may have fetched can't be read now.
    fn abandon(&mut self, place: usize, now: Timestamp) {
        self.fetching(place, |_, target, _, _| {
            let schedule = target.schedule();
            if schedule.follows() && schedule.deadline().is_some_and(|deadline| deadline <= now) {
                schedule.abandoned();
            }
        });
    }

    /// A document is new.
    fn renewed(&mut self, purpose: Purpose) {
        match purpose {
            Purpose::Keys(issuer) => self.keys_renewed(issuer),
            Purpose::Revocation(document) => self.revocation_renewed(document),
        }
        self.wake(purpose);
    }

    /// An issuer's keys are new.
    fn keys_renewed(&mut self, issuer: usize) {
        if let Some(store) = self.keys.get(issuer) {
            // What is signed by a key that is gone, or is now another's by name or algorithm, is no longer believed: tokens, and words on
            // them.
            self.cache.retain(|token| {
                token.issuer != issuer || token.key().is_none_or(|signer| store.contains(signer))
            });
            // Nor is what such a key says of tokens that were taken back.
            for (document, wanted) in self.revocations.iter_mut().zip(&self.settings.revocations) {
                if wanted.issuer == issuer {
                    document.drop_unless_signed_by(store);
                }
            }
            // And what one key refused, another may not.
            self.failures.retain(|failure| failure.issuer != issuer);
        }
    }

    /// This worker's fetch has failed.
    fn failed(&mut self, purpose: Purpose, fault: &str) {
        let name =
            |issuer: usize| self.settings.issuers.get(issuer).map(|issuer| &*issuer.name).unwrap_or_default();
        let (counter, what) = match purpose {
            Purpose::Keys(issuer) => (Counter::KeyFetchFailed, format!("keys of issuer `{}`", name(issuer))),
            Purpose::Revocation(document) => {
                let Some(wanted) = self.settings.revocations.get(document) else { return };
                let (kind, uri) = (wanted.kind.name(), &wanted.uri);
                (
                    Counter::RevocationFetchFailed,
                    format!("{kind} `{uri}` of issuer `{}`", name(wanted.issuer)),
                )
            }
        };
        let verb = if matches!(purpose, Purpose::Keys(_)) { "were" } else { "was" };
        let warning = format!("{what} {verb} not fetched: {fault}");
        self.notices.push_back(Notice::Count(counter));
        self.notices.push_back(Notice::Warn(warning));
        self.wake(purpose);
    }

    /// Who waits for it is to look again.
    fn wake(&mut self, purpose: Purpose) {
        self.room.settle(purpose.need(), |_| {});
    }

    /// The clock was set back so far.
    pub(super) fn set_fetches_back(&mut self, by: Span, now: Timestamp) {
        self.keys.iter_mut().for_each(|keys| keys.schedule_mut().set_back(by));
        self.revocations.iter_mut().for_each(|document| document.schedule_mut().set_back(by));
        for place in 0..self.fetchers.len() {
            self.fetching(place, |keeper, _, source, shared| keeper.set_back(by, source, shared, now));
        }
    }
}
