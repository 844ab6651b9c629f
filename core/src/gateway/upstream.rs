//! Tokens for those upstream: from the cache, or from the token service.

use super::parties::{Role, Told};
use super::{Entropy, ExchangeId, Gateway, Need, Notice};
use crate::cache::{Cache, Fill};
use crate::jitter::Jitter;
use crate::metrics::Counter;
use crate::party::{Settled, Standing};
use crate::reason::Reason;
use crate::settings::Settings;
use crate::time::{Span, Timestamp};
use crate::token::{Failure, Refusal, Unusable};
use crate::upstream_token::{self, Grounds, OWN_KEY, Place, UpstreamToken, UpstreamTokenSettings, Wanted};
use alloc::rc::Rc;
use alloc::vec::Vec;

/// How long after a failure the gateway's own token is asked for again.
const AGAIN: Span = Span::from_secs(1);

/// How long a refusal of the token service serves.
const REFUSED: Span = Span::from_secs(10);

/// Tokens for those upstream.
pub(super) struct Held {
    exchanged: Cache<Rc<UpstreamToken>>,
    own: Vec<Own>,
    /// What the open questions are to be held against.
    asked: Vec<Asked>,
    /// When the clock was last set back: what was got before is of another clock.
    since: Timestamp,
    jitter: Jitter,
}

/// A token of the gateway itself.
struct Own {
    /// Its place in the settings.
    index: usize,
    token: Option<Rc<UpstreamToken>>,
    /// Not before then it is asked for.
    again: Timestamp,
    open: bool,
}

struct Asked {
    need: Need,
    grounds: Grounds,
}

impl Held {
    /// Nothing yet.
    pub(super) fn new(settings: &Settings, entropy: &Entropy) -> Self {
        let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let tokens = settings.upstream_tokens.iter().enumerate();
        let exchanges = settings.upstream_tokens.iter().any(|token| !token.is_own());
        let entries = if exchanges { size(settings.token_cache.entries) } else { 0 };
        let own = tokens.filter(|(_, token)| token.is_own());
        Self {
            exchanged: Cache::new(entries, size(settings.token_cache.bytes), entropy.cache_key),
            own: own
                .map(|(index, _)| Own { index, token: None, again: Timestamp::default(), open: false })
                .collect(),
            asked: Vec::new(),
            since: Timestamp::default(),
            jitter: Jitter::new(entropy.derive("upstream", 0)),
        }
    }

    /// When the next of the gateway's own tokens is to be asked for.
    pub(super) fn next_renewal(&self) -> Option<Timestamp> {
        self.own.iter().filter(|own| !own.open).map(Own::due).min()
    }

    /// The clock was set back: no token lives longer, or is renewed later, for that.
    pub(super) fn set_back(&mut self, by: Span, now: Timestamp) {
        // Until the clock has caught up, what was got by the one before can't be told from what is got now.
        self.since = now.plus(by).plus(Gateway::LONGEST_TICK);
        self.exchanged.retain(|_| false);
        for own in &mut self.own {
            own.again = own.again.minus(by);
            own.token = None;
        }
    }

    /// How full the cache is.
    pub(super) fn fill(&self) -> Fill {
        self.exchanged.fill()
    }

    fn spread(&mut self) -> u32 {
        let part = self.jitter.part_of(Span::from_nanos(1_024)).as_nanos();
        u32::try_from(part).unwrap_or(0)
    }
}

impl Own {
    fn due(&self) -> Timestamp {
        self.token.as_ref().map_or(self.again, |token| token.renew.max(self.again))
    }
}

impl Gateway {
    /// The token that goes upstream in the client's place; `key` is that of what is wanted.
    pub(crate) fn exchange(
        &mut self,
        wanted: &Wanted<'_>,
        key: &[u8],
        count: &mut dyn FnMut(Counter),
        now: Timestamp,
    ) -> Result<Rc<UpstreamToken>, Refusal> {
        let settings = Rc::clone(&self.settings);
        let asked = settings.upstream_tokens.get(wanted.index).ok_or(Reason::SystemInternal)?;
        let mut held = self.upstream.exchanged.find(key, now);
        if held.as_ref().is_some_and(|held| self.is_withdrawn(held)) {
            self.upstream.exchanged.remove(key);
            count(Counter::RefusedElsewhere);
            held = None;
        }
        // Another worker may have got it, or its successor.
        if held.as_ref().is_none_or(|held| held.renew <= now && held.expires < wanted.verified.expires)
            && let Some(place) = self.place_of(key, asked)
            && let Some(token) = place.find(wanted, &*self.shared, self.upstream.since, now)
            && held.as_ref().is_none_or(|held| held.expires < token.expires)
            && !self.is_withdrawn(&token)
        {
            let token = Rc::new(token);
            self.upstream
                .exchanged
                .insert(key, Rc::clone(&token), token.weight(), token.expires, now)
                .count(Counter::UpstreamTokenEvicted, count);
            count(Counter::UpstreamTokenShared);
            held = Some(token);
        }
        if let Some(held) = &held {
            count(Counter::UpstreamTokenHit);
            if now < held.renew || held.expires >= wanted.verified.expires {
                return Ok(Rc::clone(held));
            }
        }
        if held.is_none()
            && let Some(reason) = Failure::find(&mut self.failures, key, count, now)
        {
            return Err(reason.into());
        }
        let role = Role::UpstreamToken(wanted.index);
        // Who has a token that still lives does not wait for its successor, nor for the service where that fails.
        let unheard = &mut |_| ();
        let count: &mut dyn FnMut(Counter) = if held.is_some() { unheard } else { count };
        let put = self.ask(role, (key, Standing::Known), || wanted.form(asked), count, now);
        if let Ok((need, true)) = put {
            self.upstream.asked.push(Asked { need, grounds: wanted.grounds(asked) });
        }
        match held {
            Some(held) => Ok(held),
            None => {
                count(Counter::UpstreamTokenMiss);
                Err(Refusal::Wait(put?.0))
            }
        }
    }

    /// Whether a worker has heard, since this was asked for, that the token service gives none.
    fn is_withdrawn(&self, token: &UpstreamToken) -> bool {
        token.mark.is_some_and(|mark| mark.is_struck_since(token.asked, &*self.shared))
    }

    fn place_of(&self, key: &[u8], asked: &UpstreamTokenSettings) -> Option<Place> {
        Place::of(key, asked, &self.secret, &*self.shared)
    }

    /// The gateway's own token.
    pub(crate) fn own_token(
        &mut self,
        index: usize,
        count: &mut dyn FnMut(Counter),
        now: Timestamp,
    ) -> Result<Rc<UpstreamToken>, Refusal> {
        let settings = Rc::clone(&self.settings);
        let asked = settings.upstream_tokens.get(index).ok_or(Reason::SystemInternal)?;
        let own = self.upstream.own.iter().find(|own| own.index == index);
        if let Some(token) = own.and_then(|own| own.token.as_ref())
            && now < token.expires
        {
            count(Counter::UpstreamTokenHit);
            return Ok(Rc::clone(token));
        }
        count(Counter::UpstreamTokenMiss);
        let role = Role::UpstreamToken(index);
        let put = self.ask(role, (OWN_KEY, Standing::Known), || asked.form(), count, now);
        self.asked_own(index, put.map(|_| ()), now);
        Err(Refusal::Wait(put?.0))
    }

    /// What an exchange waited for; nothing where no answer came that is its own.
    pub(crate) fn upstream_word(
        &mut self,
        exchange: ExchangeId,
        key: &[u8],
    ) -> Option<Result<Rc<UpstreamToken>, Reason>> {
        match self.word_for(exchange, key)? {
            // An answer that was on its way when the service refused does not outweigh that.
            Told::Upstream(Ok(token)) if self.is_withdrawn(&token) => {
                Some(Err(Reason::DelegationExchangeRefused))
            }
            Told::Upstream(verdict) => Some(verdict),
            Told::Token(_) | Told::Live(_) => None,
        }
    }

    /// Asks for the gateway's own tokens ahead of the requests that will want them.
    pub(super) fn renew_own(&mut self, now: Timestamp) {
        let settings = Rc::clone(&self.settings);
        for place in 0..self.upstream.own.len() {
            let Some(own) = self.upstream.own.get(place).filter(|own| !own.open && own.due() <= now) else {
                continue;
            };
            let index = own.index;
            let Some(asked) = settings.upstream_tokens.get(index) else { continue };
            let role = Role::UpstreamToken(index);
            let put = self.ask(role, (OWN_KEY, Standing::Known), || asked.form(), &mut |_| (), now);
            self.asked_own(index, put.map(|_| ()), now);
        }
    }

    fn asked_own(&mut self, index: usize, put: Result<(), Reason>, now: Timestamp) {
        let Some(own) = self.upstream.own.iter_mut().find(|own| own.index == index) else { return };
        match put {
            Ok(()) => own.open = true,
            Err(_) => own.again = now.plus(AGAIN),
        }
    }

    /// Takes what a token service said.
    pub(super) fn upstream_said(
        &mut self,
        place: usize,
        index: usize,
        settled: &Settled,
        now: Timestamp,
    ) -> Told {
        let settings = Rc::clone(&self.settings);
        let need = Need::Answer { party: place, question: settled.id };
        let asked = self.upstream.asked.iter().position(|asked| asked.need == need);
        let grounds = asked.map_or_else(Grounds::none, |at| self.upstream.asked.swap_remove(at).grounds);
        let unavailable = Reason::SystemTokenServiceUnavailable;
        let Some(asked) = settings.upstream_tokens.get(index) else {
            return Told::Upstream(Err(unavailable));
        };
        let shared = if asked.is_own() { None } else { self.place_of(&settled.subject, asked) };
        let read = settled.answer.as_ref().ok().map(|said| {
            let spread = self.upstream.spread();
            let token = upstream_token::read(said.ok, &said.body, asked, &grounds, spread, now)?;
            let mark = shared.as_ref().map(Place::mark);
            let mark = mark.filter(|mark| mark.leave(token.expires, &*self.shared, now));
            Ok(Rc::new(UpstreamToken { asked: settled.asked, mark, ..token }))
        });
        if let Some(read) = &read {
            self.judge(place, read, now);
        }
        if asked.is_own() {
            self.own_said(index, &read, now);
        } else {
            self.exchanged(settled, (shared.as_ref(), asked.party.timeout), &grounds, &read, now);
        }
        Told::Upstream(match read {
            Some(read) => read.map_err(|unusable| unusable.reason(unavailable)),
            None => Err(unavailable),
        })
    }

    fn exchanged(
        &mut self,
        settled: &Settled,
        (place, late): (Option<&Place>, Span),
        grounds: &Grounds,
        read: &Option<Result<Rc<UpstreamToken>, Unusable>>,
        now: Timestamp,
    ) {
        let key = &*settled.subject;
        match read {
            Some(Ok(token)) => {
                let held = &mut self.upstream.exchanged;
                let count = &mut |counter| self.notices.push_back(Notice::Count(counter));
                held.insert(key, Rc::clone(token), token.weight(), token.expires, now)
                    .count(Counter::UpstreamTokenEvicted, count);
                // What can't be taken back from the others is not given to them.
                if let Some(place) = place.filter(|_| token.mark.is_some()) {
                    place.put(token, &*self.shared);
                }
            }
            // The token service takes back what it gave before.
            Some(Err(Unusable::Because(reason))) => {
                self.upstream.exchanged.remove(key);
                if let Some(place) = place {
                    place.clear(&*self.shared);
                }
                self.strike(place.map(Place::mark), late, now);
                let failure = Failure { issuer: grounds.issuer, reason: *reason, at: now };
                self.keep_failure(key, failure, now.plus(REFUSED));
            }
            Some(Err(Unusable::Fault(_) | Unusable::Unfit(_))) | None => {}
        }
    }

    fn own_said(&mut self, index: usize, read: &Option<Result<Rc<UpstreamToken>, Unusable>>, now: Timestamp) {
        let Some(own) = self.upstream.own.iter_mut().find(|own| own.index == index) else { return };
        own.open = false;
        match read {
            Some(Ok(token)) => own.token = Some(Rc::clone(token)),
            // Nobody takes a token of the gateway's own back: it is used to its end.
            Some(Err(_)) | None => own.again = now.plus(AGAIN),
        }
    }
}
