//! A circuit breaker: a party that fails again and again is left alone for a while, then tried with one call.

use crate::jitter::Jitter;
use crate::time::{Span, Timestamp};

/// So many failures in a row open it.
const FAILURES: u32 = 5;

/// How long it stays open at first; the time doubles with each probe that fails.
const FIRST: Span = Span::from_secs(1);

/// How long it stays open at most.
const LONGEST: Span = Span::from_secs(30);

/// A circuit breaker.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    failures: u32,
    /// How often it was opened since a call last went well.
    opened: u32,
    /// Until when it is open; half open from then on.
    until: Option<Timestamp>,
    probing: bool,
}

impl Breaker {
    /// Whether a call may begin.
    pub(crate) fn admits(&self, now: Timestamp) -> bool {
        match self.until {
            None => true,
            Some(until) => now >= until && !self.probing,
        }
    }

    /// A call begins that was admitted.
    pub(crate) fn begun(&mut self) {
        self.probing = self.until.is_some();
    }

    /// A call went well.
    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// A call ended in a way that says nothing of the other party.
    pub(crate) fn undecided(&mut self) {
        self.probing = false;
    }

    /// A call failed; true where that opens the breaker. `jitter` spreads the probes of many workers.
    pub(crate) fn failed(&mut self, jitter: &mut Jitter, now: Timestamp) -> bool {
        self.failures = self.failures.saturating_add(1);
        let probed = core::mem::take(&mut self.probing);
        if !probed && (self.until.is_some() || self.failures < FAILURES) {
            return false;
        }
        let nanos = FIRST.as_nanos().saturating_mul(1 << self.opened.min(5)).min(LONGEST.as_nanos());
        let quarter = jitter.part_of(Span::from_nanos(nanos / 4));
        self.opened = self.opened.saturating_add(1);
        self.until = Some(now.plus(Span::from_nanos(nanos)).plus(quarter));
        true
    }

    /// The clock was set back.
    pub(crate) fn set_back(&mut self, by: Span) {
        self.until = self.until.map(|until| until.minus(by));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_secs(1_000).plus(Span::from_millis(millis))
    }

    /// Jitter whose next part is next to nothing.
    fn still() -> Jitter {
        Jitter::new(0x61c8_8646_80b5_83eb)
    }

    fn open(breaker: &mut Breaker) {
        for turn in 1..=FAILURES {
            assert!(breaker.admits(at(0)));
            breaker.begun();
            assert_eq!(breaker.failed(&mut still(), at(0)), turn == FAILURES);
        }
    }

    #[test]
    fn failures_in_a_row_open_it_and_one_probe_decides() {
        let mut breaker = Breaker::default();
        open(&mut breaker);
        assert!(!breaker.admits(at(999)));
        assert!(breaker.admits(at(1_000)));
        breaker.begun();
        assert!(!breaker.admits(at(1_001)), "one probe at a time");
        assert!(breaker.failed(&mut still(), at(1_002)));
        assert!(!breaker.admits(at(3_001)), "twice as long");
        assert!(breaker.admits(at(3_002)));
        breaker.begun();
        breaker.succeeded();
        assert!(breaker.admits(at(3_003)));
        breaker.begun();
        assert!(breaker.admits(at(3_003)), "closed: any number of calls");
    }

    #[test]
    fn a_good_call_forgets_the_failures_before_it() {
        let mut breaker = Breaker::default();
        for _ in 1..FAILURES {
            assert!(!breaker.failed(&mut still(), at(0)));
        }
        breaker.succeeded();
        assert!(!breaker.failed(&mut still(), at(0)));
        assert!(breaker.admits(at(0)));
    }

    #[test]
    fn calls_from_before_it_opened_change_nothing() {
        let mut breaker = Breaker::default();
        open(&mut breaker);
        assert!(!breaker.failed(&mut still(), at(10)), "it was on its way when the breaker opened");
        assert!(breaker.admits(at(1_000)));
    }

    #[test]
    fn it_is_never_open_for_long() {
        let mut breaker = Breaker::default();
        open(&mut breaker);
        let mut now = at(1_000);
        for random in 0..40 {
            now = now.plus(Span::from_secs(60));
            assert!(breaker.admits(now));
            breaker.begun();
            assert!(breaker.failed(&mut Jitter::new(random), now));
            assert!(breaker.admits(now.plus(Span::from_secs(38))));
        }
        breaker.set_back(Span::from_secs(3_600));
        assert!(breaker.admits(now.minus(Span::from_secs(3_560))));
    }
}
