//! Second parties: who is asked what, and what becomes of the answers.

use super::{Entropy, ExchangeId, Gateway, Need, Notice, VerifiedToken};
use crate::call::{Call, CallAnswer, CallId, Form};
use crate::crypto;
use crate::metrics::Counter;
use crate::party::{Heard, NotAsked, Party, PartySettings, Put, Settled, Standing, Verdict};
use crate::reason::Reason;
use crate::settings::Settings;
use crate::time::Timestamp;
use crate::token::{LiveWord, Unusable};
use crate::upstream_token::UpstreamToken;
use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

/// What a party is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Its word on opaque tokens, as the issuer at this place.
    Introspection(usize),
    /// Tokens for an upstream, by their place in the settings.
    UpstreamToken(usize),
}

impl Role {
    /// How it is asked.
    pub(super) fn settings(self, settings: &Settings) -> Option<&PartySettings> {
        match self {
            Self::Introspection(issuer) => {
                settings.issuers.get(issuer)?.introspection.as_ref().map(|asked| &asked.party)
            }
            Self::UpstreamToken(index) => settings.upstream_tokens.get(index).map(|token| &token.party),
        }
    }

    /// What it is called in the log and in audit lines.
    pub(super) fn name(self, settings: &Settings) -> String {
        match self {
            Self::Introspection(issuer) => {
                let name = settings.issuers.get(issuer).map(|issuer| &*issuer.name).unwrap_or_default();
                format!("introspection by {name}")
            }
            Self::UpstreamToken(index) => {
                let name = settings.upstream_tokens.get(index).map(|token| &*token.name).unwrap_or_default();
                format!("upstream token {name}")
            }
        }
    }

    fn purpose(self) -> &'static str {
        match self {
            Self::Introspection(_) => "introspection",
            Self::UpstreamToken(_) => "upstream token",
        }
    }

    fn calls(self) -> Counter {
        match self {
            Self::Introspection(_) => Counter::Introspection,
            Self::UpstreamToken(_) => Counter::UpstreamTokenCall,
        }
    }

    fn failures(self) -> Counter {
        match self {
            Self::Introspection(_) => Counter::IntrospectionFailed,
            Self::UpstreamToken(_) => Counter::UpstreamTokenFailed,
        }
    }

    fn joined(self) -> Counter {
        match self {
            Self::Introspection(_) => Counter::IntrospectionJoined,
            Self::UpstreamToken(_) => Counter::UpstreamTokenJoined,
        }
    }

    /// What a refusal says of the party. Whether a token is active is the very question; whether one is exchanged may be the caller's
    /// fault.
    fn refusing(self) -> Verdict {
        match self {
            Self::Introspection(_) => Verdict::Good,
            Self::UpstreamToken(_) => Verdict::Undecided,
        }
    }

    /// Why a request is refused that got no answer.
    pub(super) fn unavailable(self) -> Reason {
        match self {
            Self::Introspection(_) => Reason::SystemIntrospectionUnavailable,
            Self::UpstreamToken(_) => Reason::SystemTokenServiceUnavailable,
        }
    }
}

/// A party with its role.
pub(super) struct Seat {
    pub(super) role: Role,
    pub(super) party: Party,
}

/// Everybody whom these settings have asked.
pub(super) fn seats(settings: &Settings, entropy: &Entropy) -> Vec<Seat> {
    let asked = settings.issuers.iter().enumerate();
    let asked = asked.filter(|(_, issuer)| issuer.introspection.is_some());
    let roles = asked.map(|(issuer, _)| Role::Introspection(issuer));
    let roles = roles.chain((0..settings.upstream_tokens.len()).map(Role::UpstreamToken));
    let seat = |(place, role)| Seat { role, party: Party::new(entropy.derive("party", place)) };
    roles.enumerate().map(seat).collect()
}

/// What came of the question that an exchange waited for, kept for it until it looks again.
pub(super) struct Word {
    exchange: ExchangeId,
    /// What the question was about: nothing else is judged by the answer.
    subject: Rc<[u8]>,
    said: Told,
}

/// What an exchange is told.
#[derive(Clone)]
pub(super) enum Told {
    /// What the issuer says of its token.
    Token(Result<Rc<VerifiedToken>, Reason>),
    /// What the issuer says of a signed token.
    Live(Result<Rc<LiveWord>, Reason>),
    /// The token for upstream.
    Upstream(Result<Rc<UpstreamToken>, Reason>),
}

impl Word {
    /// Whether it is kept for this exchange.
    pub(super) fn is_for(&self, exchange: ExchangeId) -> bool {
        self.exchange == exchange
    }
}

impl Gateway {
    /// The place of who has this role.
    pub(super) fn seat(&self, role: Role) -> Option<usize> {
        self.seats.iter().position(|seat| seat.role == role)
    }

    /// Who sits there, in words.
    pub(crate) fn party_name(&self, seat: usize) -> String {
        self.seats.get(seat).map(|seat| seat.role.name(&self.settings)).unwrap_or_default()
    }

    /// Lets an exchange wait for an answer about `subject`, by asking for it where nobody did yet; whether this one asked.
    pub(super) fn ask(
        &mut self,
        role: Role,
        (subject, standing): (&[u8], Standing),
        form: impl FnOnce() -> Form,
        count: &mut dyn FnMut(Counter),
        now: Timestamp,
    ) -> Result<(Need, bool), Reason> {
        let settings = Rc::clone(&self.settings);
        let (Some(place), Some(asked)) = (self.seat(role), role.settings(&settings)) else {
            return Err(Reason::SystemInternal);
        };
        let seat = self.seats.get_mut(place).ok_or(Reason::SystemInternal)?;
        match seat.party.put(subject, standing, form, asked, now) {
            Ok(Put::New(question)) => Ok((Need::Answer { party: place, question }, true)),
            Ok(Put::Joined(question)) => {
                count(role.joined());
                Ok((Need::Answer { party: place, question }, false))
            }
            Err(NotAsked::GivenUp) => Err(role.unavailable()),
            Err(NotAsked::Busy) => Err(Reason::LimitPending),
        }
    }

    /// The next question to put to anybody at `now`.
    pub(super) fn next_question(&mut self, now: Timestamp) -> Option<Call> {
        let place = self.seats.iter().position(|seat| seat.party.is_due(now))?;
        let id = self.next_call_id();
        let seat = self.seats.get_mut(place)?;
        let (form, timeout) = seat.party.next(id, now)?;
        let role = seat.role;
        self.notices.push_back(Notice::Count(role.calls()));
        Some(Call {
            id,
            purpose: role.purpose(),
            to: role.settings(&self.settings)?.endpoint.clone(),
            accept: role.settings(&self.settings)?.media_type,
            form: Some(form),
            timeout,
        })
    }

    /// Takes the answer to a question; gives it back where the call was none.
    pub(super) fn question_answered(
        &mut self,
        id: CallId,
        answer: Option<CallAnswer>,
        now: Timestamp,
    ) -> Result<(), Option<CallAnswer>> {
        let settings = Rc::clone(&self.settings);
        let Some(place) = self.seats.iter().position(|seat| seat.party.awaits(id)) else {
            return Err(answer);
        };
        let Some(seat) = self.seats.get_mut(place) else { return Ok(()) };
        let Some(asked) = seat.role.settings(&settings) else { return Ok(()) };
        let Some((heard, opened)) = seat.party.answered(id, answer, asked, now) else { return Ok(()) };
        self.breaker_opened(place, opened);
        match heard {
            Heard::Settled(settled) => self.question_settled(place, settled, now),
            Heard::Again(expected) => self.unanswered(place, expected),
        }
        Ok(())
    }

    /// Gives up the questions whose time is over.
    pub(super) fn end_questions(&mut self, now: Timestamp) {
        for place in 0..self.seats.len() {
            while let Some((settled, opened)) =
                self.seats.get_mut(place).and_then(|seat| seat.party.overdue(now))
            {
                self.breaker_opened(place, opened);
                self.question_settled(place, settled, now);
            }
        }
    }

    /// A question is over: what came of it is told to who waits.
    fn question_settled(&mut self, place: usize, settled: Settled, now: Timestamp) {
        let Some(role) = self.seats.get(place).map(|seat| seat.role) else { return };
        if let Err(expected) = settled.answer {
            self.unanswered(place, expected);
        }
        let said = match role {
            Role::Introspection(issuer) => self.introspected(place, issuer, &settled, now),
            Role::UpstreamToken(index) => self.upstream_said(place, index, &settled, now),
        };
        let (subject, words): (Rc<[u8]>, _) = (settled.subject.into(), &mut self.words);
        self.room.settle(Need::Answer { party: place, question: settled.id }, |exchange| {
            words.push(Word { exchange, subject: Rc::clone(&subject), said: said.clone() });
        });
    }

    /// The word that this exchange waited for, if it is about this.
    pub(super) fn word_for(&self, exchange: ExchangeId, subject: &[u8]) -> Option<Told> {
        let mut words = self.words.iter().filter(|word| word.exchange == exchange);
        // It may be judged again, once something else has come that it waits for.
        words.find(|word| crypto::constant_time_eq(&word.subject, subject)).map(|word| word.said.clone())
    }

    /// Judges a party by its answer, now that it was read.
    pub(super) fn judge<T>(&mut self, place: usize, read: &Result<T, Unusable>, now: Timestamp) {
        let Some(seat) = self.seats.get_mut(place) else { return };
        let (verdict, expected) = match read {
            Ok(_) => (Verdict::Good, None),
            Err(Unusable::Because(_)) => (seat.role.refusing(), None),
            Err(Unusable::Fault(expected)) => (Verdict::Bad, Some(*expected)),
            Err(Unusable::Unfit(expected)) => (Verdict::Undecided, Some(*expected)),
        };
        let opened = seat.party.judged(verdict, now);
        self.breaker_opened(place, opened);
        if let Some(expected) = expected {
            self.unanswered(place, expected);
        }
    }

    fn breaker_opened(&mut self, place: usize, opened: bool) {
        if opened {
            let name: Box<str> = self.party_name(place).into();
            self.notices.push_back(Notice::Count(Counter::BreakerOpened));
            self.notices
                .push_back(Notice::Warn(format!("{name} is left alone for a while after failures in a row")));
        }
    }

    fn unanswered(&mut self, place: usize, expected: &str) {
        let Some(role) = self.seats.get(place).map(|seat| seat.role) else { return };
        let name = role.name(&self.settings);
        self.notices.push_back(Notice::Count(role.failures()));
        self.notices.push_back(Notice::Warn(format!("{name}: expected {expected}")));
    }
}
