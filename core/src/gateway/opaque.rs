//! Tokens that their issuer is asked about.

use super::{Asker, ExchangeId, Gateway, Need, Notice};
use crate::call::{Call, CallAnswer, CallId};
use crate::crypto;
use crate::introspection::{Heard, Introspector, NotAsked, Put, Settled};
use crate::metrics::Counter;
use crate::reason::Reason;
use crate::time::Timestamp;
use crate::token::{self, Failure, Refusal, Unusable, Verified, VerifiedToken, is_opaque};
use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;

/// What came of the question that an exchange waited for, kept for it until it looks again.
pub(super) struct Word {
    exchange: ExchangeId,
    /// What the question was about: no other token is judged by the answer.
    token: Rc<[u8]>,
    verdict: Result<Rc<VerifiedToken>, Reason>,
}

impl Word {
    /// Whether it is kept for this exchange.
    pub(super) fn is_for(&self, exchange: ExchangeId) -> bool {
        self.exchange == exchange
    }
}

impl Gateway {
    /// Verifies a token by its issuer's word: from the cache, or by asking.
    pub(crate) fn introspect(
        &mut self,
        token: &[u8],
        asker: Asker,
        now: Timestamp,
        count: &mut dyn FnMut(Counter),
    ) -> Result<Verified, Refusal> {
        let settings = Rc::clone(&self.settings);
        if token.len() > settings.limits.token_bytes {
            return Err(Reason::TokenTooLarge.into());
        }
        if !is_opaque(token) {
            return Err(Reason::TokenMalformed.into());
        }
        if let Some(word) = self.word_for(asker.exchange, token) {
            return match word.verdict {
                Ok(verified) if verified.valid_at(now) => Ok(token::by_word(verified, false)),
                Ok(_) => Err(Reason::TokenExpired.into()),
                Err(reason) => Err(reason.into()),
            };
        }
        if let Some(found) = self.cache.find(token, now)
            && found.valid_at(now)
        {
            count(Counter::CacheHit);
            return Ok(token::by_word(found, true));
        }
        if let Some(failure) = self.failures.find(token, now)
            && failure.at <= now
        {
            count(Counter::FailureCacheHit);
            return Err(failure.reason.into());
        }
        if asker.waited {
            return Err(Reason::SystemIntrospectionUnavailable.into());
        }
        let Some((issuer, asked)) = settings.introspection() else {
            return Err(Reason::SystemInternal.into());
        };
        count(Counter::CacheMiss);
        let introspector = self.introspectors.get_mut(issuer).and_then(Option::as_mut);
        let introspector = introspector.ok_or(Reason::SystemInternal)?;
        let question = match introspector.put(token, asked, now) {
            Ok(Put::New(question)) => question,
            Ok(Put::Joined(question)) => {
                count(Counter::IntrospectionJoined);
                question
            }
            Err(NotAsked::GivenUp) => return Err(Reason::SystemIntrospectionUnavailable.into()),
            Err(NotAsked::Busy) => return Err(Reason::LimitPending.into()),
        };
        Err(Refusal::Wait(Need::Introspection { issuer, question }))
    }

    /// The next question to put to an issuer at `now`.
    pub(super) fn next_question(&mut self, now: Timestamp) -> Option<Call> {
        let due = |place: &Option<Introspector>| place.as_ref().is_some_and(|asked| asked.is_due(now));
        let issuer = self.introspectors.iter().position(due)?;
        let settings = Rc::clone(&self.settings);
        let asked = settings.issuers.get(issuer)?.introspection.as_ref()?;
        let id = self.next_call_id();
        let (form, timeout) = self.introspectors.get_mut(issuer)?.as_mut()?.next(id, asked, now)?;
        self.notices.push_back(Notice::Count(Counter::Introspection));
        Some(Call {
            id,
            purpose: "introspection",
            to: asked.endpoint.clone(),
            accept: "application/json",
            form: Some(form),
            timeout,
        })
    }

    /// Takes the answer to a question; false where the call was none.
    pub(super) fn question_answered(
        &mut self,
        id: CallId,
        answer: Option<&CallAnswer>,
        now: Timestamp,
    ) -> bool {
        let awaits = |place: &Option<Introspector>| place.as_ref().is_some_and(|asked| asked.awaits(id));
        let Some(issuer) = self.introspectors.iter().position(awaits) else { return false };
        let introspector = self.introspectors.get_mut(issuer).and_then(Option::as_mut);
        let Some((heard, opened)) = introspector.and_then(|asked| asked.answered(id, answer.cloned(), now))
        else {
            return true;
        };
        self.breaker_opened(issuer, opened);
        match heard {
            Heard::Settled(settled) => self.question_settled(issuer, settled, now),
            Heard::Again(expected) => self.unanswered(issuer, expected),
        }
        true
    }

    /// Gives up the questions whose time is over.
    pub(super) fn end_questions(&mut self, now: Timestamp) {
        for issuer in 0..self.introspectors.len() {
            while let Some((settled, opened)) = self
                .introspectors
                .get_mut(issuer)
                .and_then(Option::as_mut)
                .and_then(|asked| asked.overdue(now))
            {
                self.breaker_opened(issuer, opened);
                self.question_settled(issuer, settled, now);
            }
        }
    }

    /// A question is over: what came of it is kept for a while, and told to who waits.
    fn question_settled(&mut self, issuer: usize, settled: Settled, now: Timestamp) {
        let settings = Rc::clone(&self.settings);
        let Some(asked) = settings.issuers.get(issuer).and_then(|issuer| issuer.introspection.as_ref())
        else {
            return;
        };
        let Settled { id, token, answer } = settled;
        let came = answer.is_ok();
        let read = answer.map_err(Unusable::Fault);
        let read = read.and_then(|body| token::introspected(&token, &body, issuer, &settings, now));
        if came {
            let usable = !matches!(read, Err(Unusable::Fault(_)));
            let opened = self
                .introspectors
                .get_mut(issuer)
                .and_then(Option::as_mut)
                .is_some_and(|introspector| introspector.judged(usable, now));
            self.breaker_opened(issuer, opened);
        }
        let verdict = match read {
            Ok(verified) => {
                let verified = Rc::new(verified);
                let until = verified.expires.min(now.plus(asked.active));
                let weight = verified.weight(token.len());
                self.keep(&token, Rc::clone(&verified), weight, until, now);
                Ok(verified)
            }
            Err(Unusable::Because(reason)) => {
                let until = now.plus(asked.inactive);
                self.failures.insert(&token, Failure { issuer, reason, at: now }, 0, until, now);
                Err(reason)
            }
            Err(Unusable::Fault(expected)) => {
                self.unanswered(issuer, expected);
                Err(Reason::SystemIntrospectionUnavailable)
            }
        };
        let (token, words): (Rc<[u8]>, _) = (token.into(), &mut self.words);
        self.room.settle(Need::Introspection { issuer, question: id }, |exchange| {
            words.push(Word { exchange, token: Rc::clone(&token), verdict: verdict.clone() });
        });
    }

    /// The word that this exchange waited for, if it is on this token.
    fn word_for(&mut self, exchange: ExchangeId, token: &[u8]) -> Option<Word> {
        let at = self.words.iter().position(|word| word.exchange == exchange)?;
        let word = self.words.swap_remove(at);
        crypto::constant_time_eq(&word.token, token).then_some(word)
    }

    fn breaker_opened(&mut self, issuer: usize, opened: bool) {
        if opened {
            let name = self.issuer_name(issuer);
            self.notices.push_back(Notice::Count(Counter::BreakerOpened));
            self.notices.push_back(Notice::Warn(format!(
                "introspection by issuer `{name}` is left alone for a while after failures in a row"
            )));
        }
    }

    fn unanswered(&mut self, issuer: usize, expected: &str) {
        let name: Box<str> = self.issuer_name(issuer);
        self.notices.push_back(Notice::Count(Counter::IntrospectionFailed));
        self.notices
            .push_back(Notice::Warn(format!("introspection by issuer `{name}`: expected {expected}")));
    }
}
