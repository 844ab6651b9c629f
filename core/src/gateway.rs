//! A worker's long-lived state: settings, issuer keys, verified tokens, and the requests that wait for keys.
//!
//! Like an exchange it does no I/O. A shell asks [`Gateway::poll_fetch`] what to fetch, reports with
//! [`Gateway::fetch_done`], calls [`Gateway::tick`] now and then, and carries out what [`Gateway::poll_notice`] says.

use crate::cache::Cache;
use crate::crypto::{SignatureProvider, Software};
use crate::decision::{DecisionId, DecisionIds};
use crate::dpop::{self, Proofs};
use crate::jose::{JwkSet, JwksLimits};
use crate::keys::KeyStore;
use crate::metrics::Counter;
use crate::reason::Reason;
use crate::settings::{KeySettings, Settings};
use crate::shared::{Alone, SharedData};
use crate::time::{Span, Timestamp};
use crate::token::{self, Failure, Refusal, Verification, Verified, VerifiedToken};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The shortest time between two ticks: a host takes a period of zero for "never".
const SHORTEST_TICK: Span = Span::from_nanos(NANOS_PER_MS);

const NANOS_PER_MS: i64 = 1_000_000;

/// How many waiting exchanges are told at once: each may have a signature verified.
const WAKES_AT_ONCE: usize = 32;

/// Randomness for one worker.
#[derive(Clone, Copy, Debug)]
pub struct Entropy {
    /// Tells this worker's decision IDs from others'.
    pub decision_nonce: u64,
    /// The key of the caches' hash.
    pub cache_key: (u64, u64),
    /// What nonces are made with, should this worker be the first.
    pub secret: [u8; 32],
}

/// Names an exchange to the gateway; the shell chooses it.
pub type ExchangeId = u32;

/// Names a fetch to the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FetchId(u64);

/// A document to fetch.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// To report it with.
    pub id: FetchId,
    /// The gateway's cluster.
    pub cluster: Box<str>,
    /// `http` or `https`.
    pub scheme: Box<str>,
    /// Host and port.
    pub authority: Box<str>,
    /// Path and query.
    pub path: Box<str>,
    /// How long it may take.
    pub timeout: Span,
}

/// What a fetch brought.
#[derive(Clone, Debug)]
pub struct FetchAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Something the shell is to do for the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Count something.
    Count(Counter),
    /// Tell the operator.
    Warn(String),
    /// Hand [`crate::exchange::Event::KeysSettled`] to this exchange.
    Wake(ExchangeId),
    /// Hand [`crate::exchange::Event::Timeout`] to this exchange.
    TimedOut(ExchangeId),
}

/// A worker's long-lived state.
pub struct Gateway {
    settings: Rc<Settings>,
    keys: Vec<KeyStore>,
    /// The fetch under way, by issuer. An answer to any other is late and not looked at.
    fetching: Vec<Option<FetchId>>,
    fetches: u64,
    cache: Cache<Rc<VerifiedToken>>,
    failures: Cache<Failure>,
    proofs: Proofs,
    ids: DecisionIds,
    waiting: Vec<Waiting>,
    notices: VecDeque<Notice>,
    /// Exchanges to hand an event to. So many at once could keep a worker busy for long.
    wakes: VecDeque<Notice>,
    /// How many of them may still be told before the shell must come again.
    wakes_left: usize,
    provider: Rc<dyn SignatureProvider>,
    shared: Rc<dyn SharedData>,
    audit: bool,
}

struct Waiting {
    exchange: ExchangeId,
    issuer: usize,
    bytes: usize,
    deadline: Timestamp,
}

impl Gateway {
    /// The longest time between two ticks.
    pub const LONGEST_TICK: Span = Span::from_secs(1);

    /// A worker that has fetched nothing yet. Workers of one thread may share their settings.
    pub fn new(settings: impl Into<Rc<Settings>>, entropy: Entropy) -> Self {
        let settings = settings.into();
        let keys: Vec<KeyStore> = settings
            .issuers
            .iter()
            .map(|issuer| match &issuer.keys {
                KeySettings::Inline(set) => KeyStore::fixed(set.clone()),
                KeySettings::Remote { freshness, .. } => KeyStore::fetched_by(*freshness),
            })
            .collect();
        let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let cache = Cache::new(
            size(settings.token_cache.entries),
            size(settings.token_cache.bytes),
            entropy.cache_key,
        );
        Self {
            fetching: keys.iter().map(|_| None).collect(),
            keys,
            fetches: 0,
            cache,
            failures: Cache::new(
                size(settings.token_cache.failure_entries),
                size(settings.token_cache.bytes) / 4,
                entropy.cache_key,
            ),
            proofs: Proofs::new(entropy.cache_key, entropy.secret),
            ids: DecisionIds::new(entropy.decision_nonce),
            waiting: Vec::new(),
            notices: VecDeque::new(),
            wakes: VecDeque::new(),
            wakes_left: WAKES_AT_ONCE,
            provider: Rc::new(Software),
            shared: Rc::new(Alone::default()),
            audit: true,
            settings,
        }
    }

    /// What requests are judged by.
    pub fn settings(&self) -> &Rc<Settings> {
        &self.settings
    }

    /// The largest answer to a fetch that is looked at, in bytes.
    pub fn max_fetch_bytes(&self) -> usize {
        JwksLimits::default().max_bytes
    }

    /// Who verifies signatures, in the place of [`Software`].
    pub fn set_provider(&mut self, provider: Rc<dyn SignatureProvider>) {
        self.provider = provider;
    }

    /// What the workers share, in the place of [`Alone`].
    pub fn set_shared(&mut self, shared: Rc<dyn SharedData>) {
        self.shared = shared;
    }

    /// Whether audit lines are made; a shell turns them off where its log would drop them.
    pub fn set_audit(&mut self, wanted: bool) {
        self.audit = wanted;
    }

    /// Whether audit lines are made.
    pub(crate) fn audit(&self) -> bool {
        self.audit
    }

    /// The next decision's ID.
    pub(crate) fn next_id(&mut self, now: Timestamp) -> DecisionId {
        self.ids.next(now)
    }

    /// Verifies a bearer token; `count` is told of cache hits and misses.
    pub(crate) fn verify(
        &mut self,
        token: &[u8],
        waited: bool,
        now: Timestamp,
        count: &mut dyn FnMut(Counter),
    ) -> Result<Verified, Refusal> {
        let mut state = Verification {
            settings: &self.settings,
            keys: &mut self.keys,
            cache: &mut self.cache,
            failures: &mut self.failures,
            provider: &*self.provider,
            count,
        };
        token::verify(token, waited, &mut state, now)
    }

    /// Checks a proof of possession, which is good once.
    pub(crate) fn check_proof(
        &mut self,
        proof: &[u8],
        request: &dpop::Request<'_>,
        token: &VerifiedToken,
        count: &mut dyn FnMut(Counter),
        now: Timestamp,
    ) -> Result<(), Reason> {
        let question = dpop::Question {
            settings: &self.settings.dpop,
            request,
            token,
            provider: &*self.provider,
            shared: &*self.shared,
        };
        self.proofs.check(proof, &question, count, now)
    }

    /// A nonce for the next proof of a client.
    pub(crate) fn nonce(&mut self, now: Timestamp) -> Result<String, Reason> {
        self.proofs.nonces.make(&*self.shared, now)
    }

    /// Lets an exchange whose head takes so many bytes wait for an issuer's keys; false where too many wait for them already.
    pub(crate) fn wait(&mut self, exchange: ExchangeId, issuer: usize, bytes: usize, now: Timestamp) -> bool {
        let timeout = match self.settings.issuers.get(issuer).map(|issuer| &issuer.keys) {
            Some(KeySettings::Remote { freshness, .. }) => freshness.timeout,
            Some(KeySettings::Inline(_)) | None => return false,
        };
        let limits = &self.settings.limits;
        let others = self.waiting.iter().filter(|waiting| waiting.issuer == issuer);
        let (count, held) =
            others.fold((0, 0_usize), |(count, held), waiting| (count + 1, held + waiting.bytes));
        if count >= limits.pending_requests || held.saturating_add(bytes) > limits.pending_bytes {
            return false;
        }
        self.waiting.push(Waiting { exchange, issuer, bytes, deadline: now.plus(timeout) });
        true
    }

    /// Forgets an exchange that waits.
    pub(crate) fn forget(&mut self, exchange: ExchangeId) {
        self.waiting.retain(|waiting| waiting.exchange != exchange);
        self.wakes.retain(|wake| !matches!(wake, Notice::Wake(id) | Notice::TimedOut(id) if *id == exchange));
    }

    /// The next fetch to begin at `now`, if one is due.
    pub fn poll_fetch(&mut self, now: Timestamp) -> Option<Fetch> {
        let issuers = self.settings.issuers.iter().zip(&mut self.keys).zip(&mut self.fetching);
        for ((issuer, keys), fetching) in issuers {
            let KeySettings::Remote { cluster, scheme, authority, path, freshness } = &issuer.keys else {
                continue;
            };
            if keys.next_fetch(now).is_none_or(|due| due > now) {
                continue;
            }
            keys.fetch_started(now);
            self.fetches = self.fetches.wrapping_add(1);
            let id = FetchId(self.fetches);
            *fetching = Some(id);
            self.notices.push_back(Notice::Count(Counter::KeyFetch));
            return Some(Fetch {
                id,
                cluster: cluster.clone(),
                scheme: scheme.clone(),
                authority: authority.clone(),
                path: path.clone(),
                timeout: freshness.timeout,
            });
        }
        None
    }

    /// A fetch has ended; `None` where no answer came.
    pub fn fetch_done(&mut self, id: FetchId, answer: Option<FetchAnswer>, now: Timestamp) {
        self.wakes_left = WAKES_AT_ONCE;
        let Some(issuer) = self.fetching.iter().position(|fetching| *fetching == Some(id)) else { return };
        self.settle(issuer, read_keys(answer.as_ref()), now);
    }

    /// Ends fetches that are overdue and waits past their deadline.
    pub fn tick(&mut self, now: Timestamp) {
        for issuer in 0..self.keys.len() {
            if self.keys.get(issuer).is_some_and(|keys| keys.overdue(now)) {
                self.settle(issuer, Err(String::from("no answer in time")), now);
            }
        }
        self.wakes_left = WAKES_AT_ONCE;
        let wakes = &mut self.wakes;
        self.waiting.retain(|waiting| {
            let over = now >= waiting.deadline;
            if over {
                wakes.push_back(Notice::TimedOut(waiting.exchange));
            }
            !over
        });
    }

    /// What the shell is to do next. Of the exchanges that have to be told something so many are named at once; the others
    /// after the next [`Gateway::tick`], for which [`Gateway::next_wakeup`] asks at once.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        if let Some(notice) = self.notices.pop_front() {
            return Some(notice);
        }
        self.wakes_left = self.wakes_left.checked_sub(1)?;
        self.wakes.pop_front()
    }

    /// When the next tick finds something to do: a fetch to begin, a fetch overdue, a wait over.
    pub fn next_wakeup(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.wakes.is_empty() {
            return Some(now);
        }
        let fetches = self.keys.iter().filter_map(|keys| keys.next_fetch(now).or_else(|| keys.deadline()));
        let waits = self.waiting.iter().map(|waiting| waiting.deadline);
        fetches.chain(waits).min()
    }

    /// How long a shell is to wait for the next [`Gateway::tick`]: until the next wakeup, in whole milliseconds (a tick that
    /// comes too early has to come again), at least one and at most [`Self::LONGEST_TICK`].
    pub fn tick_period(&self, now: Timestamp) -> Span {
        self.next_wakeup(now).map_or(Self::LONGEST_TICK, |wakeup| {
            let millis = (wakeup.since(now).as_nanos().max(0) + (NANOS_PER_MS - 1)) / NANOS_PER_MS;
            Span::from_nanos(millis.saturating_mul(NANOS_PER_MS)).clamp(SHORTEST_TICK, Self::LONGEST_TICK)
        })
    }

    fn settle(&mut self, issuer: usize, keys: Result<JwkSet, String>, now: Timestamp) {
        if let Some(fetching) = self.fetching.get_mut(issuer) {
            *fetching = None;
        }
        let Some(store) = self.keys.get_mut(issuer) else { return };
        match keys {
            Ok(keys) => {
                store.fetched(Some(keys), now);
                // Tokens signed by a key that is gone are no longer believed.
                let store = &*store;
                self.cache.retain(|token| token.issuer != issuer || store.contains(&token.key));
                // And what one key refused, another may not.
                self.failures.retain(|failure| failure.issuer != issuer);
            }
            Err(fault) => {
                store.fetched(None, now);
                let name = self
                    .settings
                    .issuers
                    .get(issuer)
                    .map(|issuer| issuer.name.to_string())
                    .unwrap_or_default();
                self.notices.push_back(Notice::Count(Counter::KeyFetchFailed));
                self.notices
                    .push_back(Notice::Warn(format!("keys of issuer `{name}` were not fetched: {fault}")));
            }
        }
        let wakes = &mut self.wakes;
        self.waiting.retain(|waiting| {
            let settled = waiting.issuer == issuer;
            if settled {
                wakes.push_back(Notice::Wake(waiting.exchange));
            }
            !settled
        });
    }
}

fn read_keys(answer: Option<&FetchAnswer>) -> Result<JwkSet, String> {
    let answer = answer.ok_or_else(|| String::from("no answer"))?;
    if answer.status != 200 {
        return Err(format!("expected status 200, found {}", answer.status));
    }
    JwkSet::parse(&answer.body, &JwksLimits::default())
        .map_err(|error| format!("expected a JWK Set: {error}"))
}
