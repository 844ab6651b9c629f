//! Tokens that their issuer is asked about.

use super::parties::{Role, Told};
use super::{Asker, Gateway, Notice};
use crate::json::Value;
use crate::keys::Signer;
use crate::metrics::Counter;
use crate::party::{Mark, Said, Settled, Standing};
use crate::reason::Reason;
use crate::settings::Question;
use crate::signed::Keys;
use crate::time::{Span, Timestamp};
use crate::token::{self, Failure, Refusal, Spoken, Unusable, Verified, VerifiedToken, is_opaque};
use alloc::rc::Rc;
use alloc::vec::Vec;

/// What stands before a signed token in a question about it: no bearer token begins so, and so no answer about it is taken for one
/// about an opaque token, or kept.
const LIVE: &[u8] = &[1];

impl Gateway {
    /// Verifies a token by its issuer's word: from the cache, unless that must be live, or by asking. A word that was said before is relied
    /// on as long as the route says while there is no other.
    pub(crate) fn introspect(
        &mut self,
        token: &[u8],
        question: &Question,
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
        let live = question.live;
        let held = if live { None } else { self.cache.find(token, now) };
        let held = held.filter(|held| held.valid_at(now) && held.signer.is_none());
        let held = held.filter(|held| self.check_key(held.issuer, held.key(), now).is_ok());
        let held = held.filter(|held| self.still_spoken_for(token, held, count));
        let or_old = |held: Option<Rc<VerifiedToken>>, reason: Reason| {
            let silent = matches!(reason, Reason::SystemIntrospectionUnavailable | Reason::LimitPending);
            let old =
                held.filter(|held| silent && now < held.fresh_until.plus(question.degrade.introspection));
            old.map(token::by_old_word).ok_or(Refusal::Because(reason))
        };
        if let Some(Told::Token(verdict)) = self.word_for(asker.exchange, token) {
            return match verdict {
                Ok(verified) if !verified.valid_at(now) => Err(Reason::TokenExpired.into()),
                // Much may have been heard while this request waited for something else.
                Ok(verified) => match self.still_stands(&verified, now) {
                    Ok(()) => Ok(token::by_word(verified, false)),
                    Err(reason) => Err(reason.into()),
                },
                Err(reason) => or_old(held, reason),
            };
        }
        if let Some(fresh) = held.as_ref().filter(|held| now < held.fresh_until) {
            count(Counter::CacheHit);
            return Ok(token::by_word(Rc::clone(fresh), true));
        }
        if !live && let Some(reason) = Failure::find(&mut self.failures, token, count, now) {
            return Err(reason.into());
        }
        if asker.waited.answer {
            return or_old(held, Reason::SystemIntrospectionUnavailable);
        }
        if asker.waited.crowded {
            return or_old(held, Reason::LimitPending);
        }
        let Some((issuer, asked)) = settings.introspection() else {
            return Err(Reason::SystemInternal.into());
        };
        count(Counter::CacheMiss);
        let standing = if held.is_some() { Standing::Known } else { Standing::MadeUp };
        let role = Role::Introspection(issuer);
        match self.ask(role, (token, standing), || asked.question(token), count, now) {
            Ok((need, _)) => Err(Refusal::Wait(need)),
            Err(reason) => or_old(held, reason),
        }
    }

    /// Has the issuer of a signed token stand by it now: nothing that was said before counts.
    pub(crate) fn confirm(
        &mut self,
        token: &[u8],
        verified: Verified,
        asker: Asker,
        now: Timestamp,
        count: &mut dyn FnMut(Counter),
    ) -> Result<Verified, Refusal> {
        let settings = Rc::clone(&self.settings);
        let issuer = verified.token().issuer;
        let asked = settings.issuers.get(issuer).and_then(|issuer| issuer.introspection.as_ref());
        let Some(asked) = asked else { return Err(Reason::TokenIssuerNotAsked.into()) };
        let subject = [LIVE, token].concat();
        if let Some(Told::Live(said)) = self.word_for(asker.exchange, &subject) {
            let said = said?;
            let stands = self.check_key(issuer, said.signer.as_ref(), now).is_ok();
            return match stands && said.is_about(verified.token()) {
                true => Ok(verified),
                false => Err(Reason::SystemIntrospectionUnavailable.into()),
            };
        }
        if asker.waited.answer {
            return Err(Reason::SystemIntrospectionUnavailable.into());
        }
        if asker.waited.crowded {
            return Err(Reason::LimitPending.into());
        }
        let role = Role::Introspection(issuer);
        let put = self.ask(role, (&subject, Standing::Known), || asked.question(token), count, now);
        let (need, _) = put?;
        Err(Refusal::Wait(need))
    }

    /// Takes an issuer's word on a token, which is kept for a while unless the token is a signed one.
    pub(super) fn introspected(
        &mut self,
        place: usize,
        issuer: usize,
        settled: &Settled,
        now: Timestamp,
    ) -> Told {
        let settings = Rc::clone(&self.settings);
        let asked = settings.issuers.get(issuer).and_then(|issuer| issuer.introspection.as_ref());
        let token = &*settled.subject;
        let is_live = token.starts_with(LIVE);
        let unavailable = Reason::SystemIntrospectionUnavailable;
        let (Ok(said), Some(asked)) = (&settled.answer, asked) else {
            return if is_live { Told::Live(Err(unavailable)) } else { Told::Token(Err(unavailable)) };
        };
        if is_live {
            return self.confirmed(place, issuer, said, now);
        }
        let read = self.read_answer(issuer, said, now, |answer| {
            token::introspected_value(token, answer, issuer, &settings, now)
        });
        self.judge(place, &read, now);
        let mark = self.mark_of_word(issuer, token);
        Told::Token(match read {
            Ok((mut verified, signer)) => {
                // It may have been taken back since it was asked for.
                verified.fresh_until = verified.expires.min(settled.asked.plus(asked.active));
                let until = verified.expires.min(verified.fresh_until.plus(settings.longest_introspection));
                let mark = mark.filter(|mark| now < until && mark.leave(until, &*self.shared, now));
                verified.spoken = Some(Spoken { asked: settled.asked, signer, mark });
                let verified = Rc::new(verified);
                let weight = verified.weight(token.len());
                self.keep(token, Rc::clone(&verified), weight, until, now);
                Ok(verified)
            }
            Err(unusable) => {
                if let Unusable::Because(reason) = unusable {
                    // What it said before counts no more, on no route and in no worker.
                    self.cache.remove(token);
                    self.strike(mark, asked.party.timeout, now);
                    let until = now.plus(asked.inactive);
                    self.keep_failure(token, Failure { issuer, reason, at: now }, until);
                }
                Err(unusable.reason(unavailable))
            }
        })
    }

    /// Takes an issuer's word on a signed token.
    fn confirmed(&mut self, place: usize, issuer: usize, said: &Said, now: Timestamp) -> Told {
        let settings = Rc::clone(&self.settings);
        let read =
            self.read_answer(issuer, said, now, |answer| token::confirmed(answer, issuer, &settings, now));
        self.judge(place, &read, now);
        let read = read.map(|(said, signer)| Rc::new(said.signed_by(signer)));
        Told::Live(read.map_err(|unusable| unusable.reason(Reason::SystemIntrospectionUnavailable)))
    }

    /// Whether no worker has heard since that a token is refused; else what was said of it is dropped.
    fn still_spoken_for(
        &mut self,
        token: &[u8],
        held: &VerifiedToken,
        count: &mut dyn FnMut(Counter),
    ) -> bool {
        let stands = !self.is_taken_back(held);
        if !stands {
            self.cache.remove(token);
            count(Counter::RefusedElsewhere);
        }
        stands
    }

    /// Whether a worker has heard that a token is refused, since its issuer was asked for the word by which this was verified.
    pub(super) fn is_taken_back(&self, token: &VerifiedToken) -> bool {
        let mark = token.spoken.as_ref().and_then(|spoken| Some((spoken.asked, spoken.mark?)));
        mark.is_some_and(|(asked, mark)| mark.is_struck_since(asked, &*self.shared))
    }

    /// Tells the other workers of a refusal; an answer that knows nothing of it may be on its way for as `late`.
    pub(super) fn strike(&mut self, mark: Option<Mark>, late: Span, now: Timestamp) {
        if !mark.is_some_and(|mark| mark.strike(late, &*self.shared, now)) {
            self.notices.push_back(Notice::Count(Counter::RefusalNotShared));
        }
    }

    /// The mark of what is said of a token, and of all that this depends on.
    fn mark_of_word(&self, issuer: usize, token: &[u8]) -> Option<Mark> {
        let issuer = self.settings.issuers.get(issuer)?;
        let asked = issuer.introspection.as_ref()?;
        let endpoint = &asked.party.endpoint;
        let signed_for = asked.signed_for.as_deref().unwrap_or_default();
        let mut parts: Vec<&[u8]> = Vec::with_capacity(6 + issuer.audiences.len());
        for text in [&*issuer.name, &*endpoint.cluster, &*endpoint.authority, &*endpoint.path, signed_for] {
            parts.push(text.as_bytes());
        }
        parts.extend(issuer.audiences.iter().map(|audience| audience.as_bytes()));
        parts.push(token);
        let digest = self.secret.digest("introspection", &parts, &*self.shared);
        digest.ok().as_ref().map(Mark::of)
    }

    /// Parses an answer, once its signature is verified where it must have one, and says by which key that was.
    fn read_answer<T>(
        &mut self,
        issuer: usize,
        said: &Said,
        now: Timestamp,
        read: impl FnOnce(&Value<'_>) -> Result<T, Unusable>,
    ) -> Result<(T, Option<Signer>), Unusable> {
        let settings = Rc::clone(&self.settings);
        let known = settings.issuers.get(issuer).ok_or(Reason::SystemInternal)?;
        let asked = known.introspection.as_ref().ok_or(Reason::SystemInternal)?;
        let Some(client) = &asked.signed_for else { return Ok((read(&token::parsed(&said.body)?)?, None)) };
        let store = self.keys.get_mut(issuer).ok_or(Reason::SystemInternal)?;
        // A new key is fetched for the answers after this one.
        let keys = Keys { store, provider: &*self.provider, waited: false };
        let (payload, signer) = token::open_answer(&said.body, known, keys, now)?;
        let payload = token::parsed(&payload)?;
        let read = read(token::said_to(client, &payload, known, asked.party.timeout, now)?)?;
        Ok((read, Some(signer)))
    }
}
