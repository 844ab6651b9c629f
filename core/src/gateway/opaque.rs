//! Tokens that their issuer is asked about.

use super::parties::{Role, Told};
use super::{Asker, Gateway};
use crate::metrics::Counter;
use crate::party::{Said, Verdict};
use crate::reason::Reason;
use crate::time::Timestamp;
use crate::token::{self, Failure, Refusal, Unusable, Verified, is_opaque};
use alloc::rc::Rc;

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
        if let Some(Told::Token(verdict)) = self.word_for(asker.exchange, token) {
            return match verdict {
                Ok(verified) if verified.valid_at(now) => Ok(token::by_word(verified, false)),
                Ok(_) => Err(Reason::TokenExpired.into()),
                Err(reason) => Err(reason.into()),
            };
        }
        if let Some(found) = self.cache.find(token, now)
            && found.valid_at(now)
            && found.signer.is_none()
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
        let (need, _) = self.ask(Role::Introspection(issuer), token, || asked.question(token), count, now)?;
        Err(Refusal::Wait(need))
    }

    /// Takes an issuer's word on a token, which is kept for a while.
    pub(super) fn introspected(
        &mut self,
        place: usize,
        issuer: usize,
        token: &[u8],
        said: Option<Said>,
        now: Timestamp,
    ) -> Told {
        let settings = Rc::clone(&self.settings);
        let asked = settings.issuers.get(issuer).and_then(|issuer| issuer.introspection.as_ref());
        let (Some(said), Some(asked)) = (said, asked) else {
            return Told::Token(Err(Reason::SystemIntrospectionUnavailable));
        };
        let read = token::introspected(token, &said.body, issuer, &settings, now);
        let (verdict, expected) = match &read {
            Err(Unusable::Fault(expected)) => (Verdict::Bad, *expected),
            Ok(_) | Err(Unusable::Because(_)) => (Verdict::Good, ""),
        };
        self.judged(place, verdict, expected, now);
        Told::Token(match read {
            Ok(verified) => {
                let verified = Rc::new(verified);
                let until = verified.expires.min(now.plus(asked.active));
                let weight = verified.weight(token.len());
                self.keep(token, Rc::clone(&verified), weight, until, now);
                Ok(verified)
            }
            Err(Unusable::Because(reason)) => {
                let until = now.plus(asked.inactive);
                self.failures.insert(token, Failure { issuer, reason, at: now }, 0, until, now);
                Err(reason)
            }
            Err(Unusable::Fault(_)) => Err(Reason::SystemIntrospectionUnavailable),
        })
    }
}
