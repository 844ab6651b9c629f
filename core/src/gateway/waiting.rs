//! Requests that wait for somebody's answer, and whom to tell when it has come.

use super::{ExchangeId, Notice};
use crate::party::{QuestionId, Standing};
use crate::settings::LimitSettings;
use crate::time::{Span, Timestamp};
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// How many waiting exchanges are told at once: each may have a signature verified.
const WAKES_AT_ONCE: usize = 32;

/// What an exchange waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The keys of an issuer.
    Keys {
        /// The issuer's place in the settings.
        issuer: usize,
    },
    /// What an issuer says of tokens that it took back.
    Revocation {
        /// The document's place in the settings.
        document: usize,
    },
    /// A party's answer.
    Answer {
        /// The party's place.
        party: usize,
        /// The question.
        question: QuestionId,
    },
}

impl Need {
    /// Whether both are answered by the same party, and in the same way.
    fn shares_place_with(self, other: Self) -> bool {
        match (self, other) {
            (Self::Keys { issuer }, Self::Keys { issuer: other }) => issuer == other,
            (Self::Revocation { document }, Self::Revocation { document: other }) => document == other,
            (Self::Answer { party, .. }, Self::Answer { party: other, .. }) => party == other,
            (Self::Keys { .. } | Self::Revocation { .. } | Self::Answer { .. }, _) => false,
        }
    }
}

/// Exchanges that wait, and those that are to be told that they no longer do.
pub(super) struct Room {
    waiting: Vec<Waiting>,
    /// Exchanges to hand an event to. So many at once could keep a worker busy for long.
    wakes: VecDeque<Notice>,
    /// How many of them may still be told before the shell must come again.
    wakes_left: usize,
}

/// An exchange that waits.
pub(super) struct Waiting {
    pub(super) exchange: ExchangeId,
    pub(super) need: Need,
    /// What is known of what it waits for.
    pub(super) standing: Standing,
    /// How many its head takes.
    pub(super) bytes: usize,
    pub(super) deadline: Timestamp,
}

impl Room {
    /// Nobody waits.
    pub(super) fn new() -> Self {
        Self { waiting: Vec::new(), wakes: VecDeque::new(), wakes_left: WAKES_AT_ONCE }
    }

    /// Lets an exchange wait; false where too many wait for the same party already, or too many such.
    pub(super) fn enter(&mut self, new: Waiting, limits: &LimitSettings) -> bool {
        let fits = |standing: Standing, mine: &dyn Fn(&Waiting) -> bool| {
            let others = self.waiting.iter().filter(|other| other.need.shares_place_with(new.need));
            let (count, held) = others
                .filter(|other| mine(other))
                .fold((0, 0_usize), |(count, held), other| (count + 1, held + other.bytes));
            count < standing.share_of(limits.pending_requests)
                && held.saturating_add(new.bytes) <= standing.share_of(limits.pending_bytes)
        };
        let enters =
            fits(Standing::Known, &|_| true) && fits(new.standing, &|other| other.standing == new.standing);
        if enters {
            self.waiting.push(new);
        }
        enters
    }

    /// Forgets an exchange.
    pub(super) fn forget(&mut self, exchange: ExchangeId) {
        self.waiting.retain(|waiting| waiting.exchange != exchange);
        self.wakes.retain(|wake| !matches!(wake, Notice::Wake(id) | Notice::TimedOut(id) if *id == exchange));
    }

    /// Whether anybody waits for this.
    pub(super) fn needs(&self, need: Need) -> bool {
        self.waiting.iter().any(|waiting| waiting.need == need)
    }

    /// Who waits for this is to look again; `told` hears of each.
    pub(super) fn settle(&mut self, need: Need, mut told: impl FnMut(ExchangeId)) {
        let wakes = &mut self.wakes;
        self.waiting.retain(|waiting| {
            let settled = waiting.need == need;
            if settled {
                told(waiting.exchange);
                wakes.push_back(Notice::Wake(waiting.exchange));
            }
            !settled
        });
    }

    /// Ends waits past their deadline.
    pub(super) fn end_overdue(&mut self, now: Timestamp) {
        let wakes = &mut self.wakes;
        self.waiting.retain(|waiting| {
            let over = now >= waiting.deadline;
            if over {
                wakes.push_back(Notice::TimedOut(waiting.exchange));
            }
            !over
        });
    }

    /// The shell has come again.
    pub(super) fn begin_round(&mut self) {
        self.wakes_left = WAKES_AT_ONCE;
    }

    /// The next exchange to be told, while the round lasts.
    pub(super) fn next_wake(&mut self) -> Option<Notice> {
        self.wakes_left = self.wakes_left.checked_sub(1)?;
        self.wakes.pop_front()
    }

    /// Whether there are more to be told.
    pub(super) fn has_wakes(&self) -> bool {
        !self.wakes.is_empty()
    }

    /// When the first wait is over.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.waiting.iter().map(|waiting| waiting.deadline).min()
    }

    /// The clock was set back: nobody waits longer for that.
    pub(super) fn set_back(&mut self, by: Span) {
        for waiting in &mut self.waiting {
            waiting.deadline = waiting.deadline.minus(by);
        }
    }
}
