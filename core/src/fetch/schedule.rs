//! When a document is fetched, how long it may be used, and who waits for it.

use super::{Brought, Freshness};
use crate::jitter::Jitter;
use crate::time::{Span, Timestamp};

/// When one document is fetched. Every worker has one for each document.
pub struct Schedule {
    /// Nothing where there is nothing to fetch.
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
    /// When a fetch was last asked for because of what the document lacks.
    last_part: Option<Timestamp>,
    /// How long the source takes to answer, by what it took lately.
    took: Span,
    jitter: Jitter,
}

/// A document that is held.
#[derive(Clone, Copy)]
struct Held {
    /// When it was asked for.
    asked: Timestamp,
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

/// What a request lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// There is no document to look into, or its source is failing.
    Document,
    /// The document is fresh and does not have what is looked for.
    Part,
}

impl Schedule {
    /// Of what is there already, and never fetched.
    pub fn fixed() -> Self {
        let held = Held { asked: Timestamp::default(), due: Timestamp::MAX };
        Self { held: Some(held), wanted: None, ..Self::empty(None, 0) }
    }

    /// Of what is fetched, and not there yet. `seed` is random, so that workers do not fetch all at once.
    pub fn new(freshness: Freshness, seed: u64) -> Self {
        Self::empty(Some(freshness), seed)
    }

    fn empty(freshness: Option<Freshness>, seed: u64) -> Self {
        Self {
            freshness,
            held: None,
            fetching: Fetching::Nobody,
            wanted: Some(Missing::Document),
            failures: 0,
            last_failure: None,
            retry: Timestamp::default(),
            last_part: None,
            took: Span::ZERO,
            jitter: Jitter::new(seed),
        }
    }

    /// Whether a document is held that may still be used.
    pub fn usable(&self, now: Timestamp) -> bool {
        self.usable_within(Span::ZERO, now)
    }

    /// Whether a document is held that may still be used by who gives it so much longer.
    pub fn usable_within(&self, longer: Span, now: Timestamp) -> bool {
        match (&self.held, self.freshness) {
            (Some(_), None) => true,
            (Some(held), Some(freshness)) => now < held.asked.plus(freshness.budget()).plus(longer),
            (None, _) => false,
        }
    }

    /// Whether something is fetched at all.
    pub fn is_fetched(&self) -> bool {
        self.freshness.is_some()
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether the last fetch failed.
    pub fn is_failing(&self) -> bool {
        self.last_failure.is_some()
    }

    /// When the document that is held was asked for.
    pub fn asked_at(&self) -> Option<Timestamp> {
        self.held.map(|held| held.asked)
    }

    /// Since when this worker fetches, if it does.
    pub fn fetching_since(&self) -> Option<Timestamp> {
        match self.fetching {
            Fetching::Ours(started) => Some(started),
            Fetching::Nobody | Fetching::Others(_) => None,
        }
    }

    /// How long the source takes to answer, by what it took lately.
    pub fn took(&self) -> Span {
        self.took
    }

    /// How old the document is that is held; nothing where there is none, or where it is not fetched.
    pub fn age(&self, now: Timestamp) -> Option<Span> {
        let asked = self.held.filter(|_| self.is_fetched())?.asked;
        Some(now.since(asked).max(Span::ZERO))
    }

    /// When the next fetch should begin; `None` while one is under way or where nothing is fetched.
    pub fn next_fetch(&self, now: Timestamp) -> Option<Timestamp> {
        self.freshness?;
        if !matches!(self.fetching, Fetching::Nobody) {
            return None;
        }
        if self.wanted.is_some() {
            return Some(now);
        }
        let due = self.held.map_or(now, |held| held.due);
        Some(if self.last_failure.is_some() { due.max(self.retry) } else { due })
    }

    /// Whether a fetch should begin.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.next_fetch(now).is_some_and(|due| due <= now)
    }

    /// Whether the next fetch is for what the document lacks, and for nothing else.
    pub(crate) fn wants_part(&self) -> bool {
        self.wanted == Some(Missing::Part)
    }

    /// A fetch has begun.
    pub fn fetch_started(&mut self, now: Timestamp) {
        self.fetching = Fetching::Ours(now);
        self.wanted = None;
    }

    /// Another worker fetches, and has until then; who needs the document waits for it.
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
            self.wanted = Some(Missing::Document);
        }
    }

    /// A document was brought, by whichever worker.
    pub fn renewed(&mut self, brought: Brought) {
        let Some(freshness) = self.freshness else { return };
        // The longest of late, forgotten by and by.
        let before = Span::from_nanos(self.took.as_nanos() / 4 * 3);
        self.took = brought.took.max(before).min(freshness.timeout).max(Span::ZERO);
        // Ahead of expiry, so that no request meets a stale document while the source is healthy, and by as much earlier as the source
        // takes to answer: by then the next document is there, not only asked for.
        let lifetime = freshness.lifetime(brought.said).as_nanos();
        let twentieth = (lifetime - self.took.as_nanos().min(lifetime / 2)) / 20;
        let parts = |count: i64| Span::from_nanos(twentieth.saturating_mul(count));
        let due = brought.asked.plus(parts(16)).plus(self.jitter.part_of(parts(3)));
        self.held = Some(Held { asked: brought.asked, due });
        self.fetching = Fetching::Nobody;
        self.wanted = None;
        (self.failures, self.last_failure) = (0, None);
    }

    /// The document is gone, and wanted anew.
    pub fn forget(&mut self) {
        self.held = None;
        if matches!(self.fetching, Fetching::Nobody) {
            self.wanted = Some(Missing::Document);
        }
    }

    /// A fetch has failed for the `failures`th time in a row, whichever worker's it was. The old document stays in use within its budget.
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
            held.asked = held.asked.minus(by);
            held.due = held.due.minus(by);
        }
        self.retry = self.retry.minus(by);
        for time in [&mut self.last_failure, &mut self.last_part].into_iter().flatten() {
            *time = time.minus(by);
        }
        match &mut self.fetching {
            Fetching::Nobody => {}
            Fetching::Ours(time) | Fetching::Others(time) => *time = time.minus(by),
        }
    }

    /// Another worker has seen a fetch fail. True where that is news.
    pub(super) fn heard_of_failure(&mut self, failures: u32, at: Timestamp, now: Timestamp) -> bool {
        let newer = |other: Option<Timestamp>| other.is_none_or(|other| at > other);
        let news = failures > 0 && at <= now && newer(self.last_failure) && newer(self.asked_at());
        let ours = matches!(self.fetching, Fetching::Ours(_));
        if news && !ours {
            self.failed(failures, at);
        }
        news && !ours
    }

    /// Another worker has asked for what the document lacks. True where no second fetch is wanted for that reason now.
    pub(super) fn heard_of_part(&mut self, at: Timestamp, now: Timestamp) -> bool {
        let Some(freshness) = self.freshness else { return false };
        let recent = at <= now && now < at.plus(freshness.cooldown);
        let drop = recent && self.wanted == Some(Missing::Part);
        if drop {
            self.wanted = None;
            self.last_part = Some(at);
        }
        drop
    }

    /// Whether a fetch that may bring what a request lacks is under way, or may be asked for now; if so it is.
    pub(crate) fn ask(&mut self, missing: Missing, now: Timestamp) -> bool {
        let Some(freshness) = self.freshness else { return false };
        if !matches!(self.fetching, Fetching::Nobody) || self.wanted.is_some() {
            return true;
        }
        // Without a document every request is refused, so that asking again soon is worth it.
        let pause = if self.usable(now) { freshness.pause(self.failures) } else { freshness.cooldown };
        let over = |last: Option<Timestamp>, pause| last.is_none_or(|last| now >= last.plus(pause));
        let may = match missing {
            Missing::Part => over(self.last_failure, pause) && over(self.last_part, freshness.cooldown),
            Missing::Document => over(self.last_failure, pause),
        };
        if may {
            self.wanted = Some(missing);
            if missing == Missing::Part {
                self.last_part = Some(now);
            }
        }
        may
    }
}
