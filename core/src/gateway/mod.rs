//! A worker's long-lived state: settings, issuer keys, verified tokens, and the requests that wait for others.
//!
//! Like an exchange it does no I/O. A shell asks [`Gateway::poll_call`] what to fetch, reports with
//! [`Gateway::call_done`], calls [`Gateway::tick`] now and then, and carries out what [`Gateway::poll_notice`] says.

mod caches;
mod fetches;
mod opaque;
mod parties;
mod revoked;
mod upstream;
mod waiting;

pub use crate::call::{Call, CallAnswer, CallId};
pub use crate::keys::KeyHealth;
pub use waiting::Need;
use waiting::Waiting;

use crate::cache::Cache;
use crate::crypto::{Fast, SignatureProvider, digest::Sha256};
use crate::decision::{DecisionId, DecisionIds};
use crate::dpop::{self, Proofs};
use crate::jose::JwksLimits;
use crate::keys::KeyStore;
use crate::metrics::Counter;
use crate::party::Standing;
use crate::reason::Reason;
use crate::revocation;
use crate::settings::{KeySettings, Settings};
use crate::shared::{Alone, Secret, SharedData};
use crate::time::{Span, Timestamp};
use crate::token::{self, Failure, Refusal, Verification, Verified, VerifiedToken};
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

/// The shortest time between two ticks: a host takes a period of zero for "never".
const SHORTEST_TICK: Span = Span::from_nanos(NANOS_PER_MS);

const NANOS_PER_MS: i64 = 1_000_000;

/// How soon to look again at what another worker fetches, while someone waits for it.
const LOOK_AGAIN: Span = Span::from_millis(20);

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

/// An exchange that needs something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    /// Which.
    pub(crate) exchange: ExchangeId,
    /// For what it has waited already.
    pub(crate) waited: Waited,
}

/// For what an exchange has waited: for nothing it waits twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waited {
    /// For an issuer's keys.
    pub(crate) keys: bool,
    /// For what issuers say of tokens that they took back: a bit for each document, by its place.
    revocations: u64,
    /// For an answer.
    pub(crate) answer: bool,
    /// There was no room to wait for an answer.
    pub(crate) crowded: bool,
}

impl Waited {
    /// For whatever there is: who can't wait any more.
    pub(crate) const FOR_ALL: Self = Self { keys: true, revocations: u64::MAX, answer: true, crowded: true };

    /// Whether for this document.
    pub(crate) fn for_revocation(self, document: usize) -> bool {
        self.revocations & revocation_bit(document) != 0
    }

    /// There was no room to wait for an answer.
    pub(crate) fn without_room(self) -> Self {
        Self { crowded: true, ..self }
    }

    /// And now for this.
    pub(crate) fn also(self, need: Need) -> Self {
        match need {
            Need::Keys { .. } => Self { keys: true, ..self },
            Need::Revocation { document } => {
                Self { revocations: self.revocations | revocation_bit(document), ..self }
            }
            Need::Answer { .. } => Self { answer: true, ..self },
        }
    }
}

/// Of 65 documents, two share a bit: then the request that needs both waits for one.
fn revocation_bit(document: usize) -> u64 {
    1 << (document % 64)
}

/// Something the shell is to do for the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Count something.
    Count(Counter),
    /// Tell the operator.
    Warn(String),
    /// Hand [`crate::exchange::Event::Settled`] to this exchange.
    Wake(ExchangeId),
    /// Hand [`crate::exchange::Event::Timeout`] to this exchange.
    TimedOut(ExchangeId),
}

/// A worker's long-lived state.
pub struct Gateway {
    settings: Rc<Settings>,
    keys: Vec<KeyStore>,
    /// What issuers say of tokens that they took back.
    revocations: Vec<revocation::Document>,
    /// Who fetches what.
    fetchers: Vec<fetches::Fetcher>,
    calls: u64,
    /// The latest time that was told, to see when the clock is set back.
    ticked: Timestamp,
    cache: Cache<Rc<VerifiedToken>>,
    failures: Cache<Failure>,
    proofs: Proofs,
    ids: DecisionIds,
    /// Who is asked about tokens, and for tokens.
    seats: Vec<parties::Seat>,
    /// What they said, for exchanges that waited for it.
    words: Vec<parties::Word>,
    /// Tokens for those upstream.
    upstream: upstream::Held,
    room: waiting::Room,
    notices: VecDeque<Notice>,
    provider: Rc<dyn SignatureProvider>,
    shared: Rc<dyn SharedData>,
    /// By which workers tell what they share.
    secret: Rc<Secret>,
    /// Whether the provider has more to prepare.
    preparing: bool,
    audit: bool,
}

impl Entropy {
    /// More randomness of the same kind, for one purpose and place.
    fn derive(&self, purpose: &str, place: usize) -> u64 {
        let mut hash = Sha256::new();
        hash.update_framed(purpose.as_bytes());
        let place = u64::try_from(place).unwrap_or(u64::MAX);
        for number in [self.decision_nonce, self.cache_key.0, self.cache_key.1, place] {
            hash.update_framed(&number.to_le_bytes());
        }
        let [a, b, c, d, e, f, g, h, ..] = hash.finish();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

impl Gateway {
    /// The longest time between two ticks.
    pub const LONGEST_TICK: Span = Span::from_secs(1);

    /// A worker that has fetched nothing yet. Workers of one thread may share their settings.
    pub fn new(settings: impl Into<Rc<Settings>>, entropy: Entropy) -> Self {
        let settings = settings.into();
        let keys = settings.issuers.iter().enumerate().map(|(index, issuer)| match &issuer.keys {
            KeySettings::Inline(set) => KeyStore::fixed(set.clone()),
            KeySettings::Remote(remote) => {
                KeyStore::fetched_by(remote.source.freshness, entropy.derive("jitter", index))
            }
        });
        let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let secret = Rc::new(Secret::new(entropy.secret));
        let cache = Cache::new(
            size(settings.token_cache.entries),
            size(settings.token_cache.bytes),
            entropy.cache_key,
        );
        Self {
            keys: keys.collect(),
            revocations: revoked::documents(&settings, &entropy),
            fetchers: fetches::fetchers(&settings, &entropy),
            calls: 0,
            ticked: Timestamp::default(),
            cache,
            failures: Cache::new(
                size(settings.token_cache.failure_entries),
                size(settings.token_cache.bytes) / 4,
                entropy.cache_key,
            ),
            proofs: Proofs::new(entropy.cache_key, Rc::clone(&secret)),
            ids: DecisionIds::new(entropy.decision_nonce),
            seats: parties::seats(&settings, &entropy),
            words: Vec::new(),
            upstream: upstream::Held::new(&settings, &entropy),
            room: waiting::Room::new(),
            notices: VecDeque::new(),
            provider: Rc::new(Fast::new()),
            preparing: false,
            shared: Rc::new(Alone::default()),
            secret,
            audit: true,
            settings,
        }
    }

    /// What requests are judged by.
    pub fn settings(&self) -> &Rc<Settings> {
        &self.settings
    }

    /// The largest answer to this call that is looked at, in bytes.
    pub fn max_answer_bytes(&self, id: CallId) -> usize {
        self.max_fetched_bytes(id).unwrap_or_else(|| JwksLimits::default().max_bytes)
    }

    /// Who verifies signatures, in the place of [`Fast`].
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
        let mut verify = |gateway: &mut Self| {
            let mut state = Verification {
                settings: &gateway.settings,
                keys: &mut gateway.keys,
                cache: &mut gateway.cache,
                failures: &mut gateway.failures,
                provider: &*gateway.provider,
                count: &mut *count,
            };
            token::verify(token, waited, &mut state, now)
        };
        match verify(self) {
            // Another worker may have what is missing.
            Err(Refusal::Wait(Need::Keys { issuer })) if self.look_for_keys(issuer, now) => verify(self),
            verdict => verdict,
        }
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

    /// Lets an exchange whose head takes so many bytes wait; false where too many wait for the same party already.
    pub(crate) fn wait(&mut self, exchange: ExchangeId, need: Need, bytes: usize, now: Timestamp) -> bool {
        let mut standing = Standing::Known;
        let timeout = match need {
            Need::Keys { issuer } => {
                fetches::Purpose::Keys(issuer).source(&self.settings).map(|source| source.freshness.timeout)
            }
            Need::Revocation { document } => {
                let purpose = fetches::Purpose::Revocation(document);
                purpose.source(&self.settings).map(|source| source.freshness.timeout)
            }
            Need::Answer { party, question } => {
                let seat = self.seats.get(party);
                standing = seat.map_or(Standing::MadeUp, |seat| seat.party.standing(question));
                seat.and_then(|seat| seat.role.settings(&self.settings)).map(|asked| asked.timeout)
            }
        };
        let Some(timeout) = timeout else { return false };
        let waiting = Waiting { exchange, need, standing, bytes, deadline: now.plus(timeout) };
        self.room.enter(waiting, &self.settings.limits)
    }

    /// Forgets an exchange that waits.
    pub(crate) fn forget(&mut self, exchange: ExchangeId) {
        self.room.forget(exchange);
        self.forget_words(exchange);
    }

    /// Forgets what was said to an exchange that has ended.
    pub(crate) fn forget_words(&mut self, exchange: ExchangeId) {
        self.words.retain(|word| !word.is_for(exchange));
    }

    /// The next call to begin at `now`, if one is due.
    pub fn poll_call(&mut self, now: Timestamp) -> Option<Call> {
        self.renew_own(now);
        self.next_question(now).or_else(|| self.next_fetch(now))
    }

    fn next_call_id(&mut self) -> CallId {
        self.calls = self.calls.wrapping_add(1);
        CallId(self.calls)
    }

    /// A call has ended; `None` where no answer came.
    pub fn call_done(&mut self, id: CallId, answer: Option<CallAnswer>, now: Timestamp) {
        self.room.begin_round();
        if let Err(answer) = self.question_answered(id, answer, now) {
            self.fetch_answered(id, answer, now);
        }
    }

    /// Ends fetches that are overdue and waits past their deadline, hears what other workers have fetched, and prepares a
    /// little of what makes verifications faster.
    pub fn tick(&mut self, now: Timestamp) {
        self.preparing = self.provider.work();
        let back = self.ticked.since(now);
        self.ticked = now;
        if back > Span::ZERO {
            self.set_back(back, now);
        }
        self.end_fetches(now);
        self.end_questions(now);
        self.room.begin_round();
        self.room.end_overdue(now);
    }

    /// How the keys of each issuer are, in the order of the settings.
    pub fn key_health(&self, now: Timestamp) -> impl Iterator<Item = KeyHealth> + '_ {
        self.keys.iter().map(move |keys| keys.health(now))
    }

    /// What the shell is to do next. Of the exchanges that have to be told something so many are named at once; the others
    /// after the next [`Gateway::tick`], for which [`Gateway::next_wakeup`] asks at once.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        if let Some(notice) = self.notices.pop_front() {
            return Some(notice);
        }
        self.room.next_wake()
    }

    /// When the next tick finds something to do: a fetch to begin, a fetch overdue, a wait over, something to prepare.
    pub fn next_wakeup(&self, now: Timestamp) -> Option<Timestamp> {
        if self.preparing || self.room.has_wakes() {
            return Some(now);
        }
        let questions = self.seats.iter().filter_map(|seat| seat.party.next_wakeup());
        let fetches = self.next_fetches(now);
        fetches.chain(questions).chain(self.upstream.next_renewal()).chain(self.room.next_deadline()).min()
    }

    /// How long a shell is to wait for the next [`Gateway::tick`]: until the next wakeup, in whole milliseconds (a tick that
    /// comes too early has to come again), at least one and at most [`Self::LONGEST_TICK`].
    pub fn tick_period(&self, now: Timestamp) -> Span {
        self.next_wakeup(now).map_or(Self::LONGEST_TICK, |wakeup| {
            let millis = (wakeup.since(now).as_nanos().max(0) + (NANOS_PER_MS - 1)) / NANOS_PER_MS;
            Span::from_nanos(millis.saturating_mul(NANOS_PER_MS)).clamp(SHORTEST_TICK, Self::LONGEST_TICK)
        })
    }

    /// Keeps a verified token.
    fn keep(
        &mut self,
        token: &[u8],
        verified: Rc<VerifiedToken>,
        weight: usize,
        until: Timestamp,
        now: Timestamp,
    ) {
        let count = &mut |counter| self.notices.push_back(Notice::Count(counter));
        self.cache.insert(token, verified, weight, until, now).count(Counter::CacheEvicted, count);
    }

    /// The clock was set back: nobody waits longer for that, and no keys live longer.
    fn set_back(&mut self, by: Span, now: Timestamp) {
        self.set_fetches_back(by, now);
        self.seats.iter_mut().for_each(|seat| seat.party.set_back(by));
        self.upstream.set_back(by, now);
        // What an issuer said of a token it said by the clock before.
        self.cache.retain(|token| token.signer.is_some());
        self.room.set_back(by);
    }
}
