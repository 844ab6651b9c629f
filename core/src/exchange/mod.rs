//! One request, from its headers to its audit line.
//!
//! An [`Exchange`] takes [`Event`]s with the time as an argument, and yields [`Effect`]s and a [`Flow`]. Each stage
//! consumes the proof of the stage before it, and only a [`Permit`] releases the request:
//!
//! ```text
//! admit ─ Admitted ─> authenticate ─ Verified ─> bind ─ Bound ─> identify ─ Identified ─> authorize ─ Permit ─> release
//! ```
//!
//! Where the route wants a token for upstream, a permitted request may wait for it between the last two.

mod admit;
mod audit;
mod authenticate;
mod authorize;
mod bind;
mod effect;
mod forward;
mod forwarded;
mod identify;
mod obtain;

pub use authorize::Permit;
pub use effect::{Effect, Event, Flow, HeaderEdits};
pub use forward::unwanted_trailers;

use crate::config;
use crate::decision::DecisionIds;
use crate::gateway::{Asker, ExchangeId, Gateway, Need, Waited};
use crate::metrics::{Counter, Observer, Stage};
use crate::reason::Reason;
use crate::refusal;
use crate::request::{OwnedHead, RequestHead};
use crate::settings::Settings;
use crate::time::{Span, Timestamp};
use crate::upstream_token::UpstreamToken;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use audit::Record;
use identify::Principal;
use obtain::Obtained;

/// One request.
pub struct Exchange {
    id: ExchangeId,
    state: State,
    effects: VecDeque<Effect>,
    /// What the audit line says; there from the request's headers on.
    record: Option<Record>,
    /// Whether a refusal answers in the scheme `DPoP`.
    dpop: bool,
}

enum State {
    Fresh,
    Held {
        head: OwnedHead,
        waited: Waited,
    },
    /// It is permitted, and waits for a token for upstream.
    Obtaining {
        permit: Permit,
        edits: HeaderEdits,
        /// What that token is asked for by.
        key: Box<[u8]>,
        /// How much longer than their budget the route relies on documents about revoked tokens.
        longer: Span,
    },
    /// Only a permit gets a request here.
    Released {
        _proof: Permit,
    },
    Closed,
}

/// Why an exchange does not go on.
enum Stop {
    /// The request is refused.
    Refuse(Denial),
    /// It waits for somebody's answer.
    Wait(Need),
}

/// A refusal, with the policies that determined it.
struct Denial {
    reason: Reason,
    policies: Vec<String>,
    advice: Advice,
}

/// What a client is told beyond the reason, so that it can mend its request.
enum Advice {
    None,
    /// A nonce for its proofs.
    Nonce(String),
    /// How to log in, as parameters of the challenge.
    StepUp(String),
}

impl From<Reason> for Denial {
    fn from(reason: Reason) -> Self {
        Self { reason, policies: Vec::new(), advice: Advice::None }
    }
}

impl<D: Into<Denial>> From<D> for Stop {
    fn from(denial: D) -> Self {
        Self::Refuse(denial.into())
    }
}

impl Exchange {
    /// An exchange of which nothing is known yet; `id` is how the gateway wakes it.
    pub fn new(id: ExchangeId) -> Self {
        Self { id, state: State::Fresh, effects: VecDeque::new(), record: None, dpop: false }
    }

    /// Takes an event. Without a gateway every request is refused.
    pub fn handle(
        &mut self,
        gateway: Option<&mut Gateway>,
        event: Event<'_>,
        observer: &mut dyn Observer,
        now: Timestamp,
    ) {
        let Some(gateway) = gateway else { return self.handle_unconfigured(&event, now) };
        let settings = Rc::clone(gateway.settings());
        match (event, core::mem::replace(&mut self.state, State::Closed)) {
            (Event::RequestHeaders(head), State::Fresh) => {
                self.record = Some(Record::begin(gateway.next_id(now), now, gateway.audit()));
                self.judge(&head, Waited::default(), gateway, observer, now);
            }
            (Event::Settled, State::Held { head, waited }) => {
                head.with(|head| self.judge(head, waited, gateway, observer, now));
            }
            (Event::Settled, State::Obtaining { permit, edits, key, longer }) => {
                let word = gateway.upstream_word(self.id, &key);
                match self.obtained(word, &permit, longer, gateway, now) {
                    Ok(token) => self.release(permit, edits, Some(&token), &settings),
                    Err(reason) => self.refuse(reason.into(), Some(&settings)),
                }
            }
            (Event::Timeout, State::Held { .. } | State::Obtaining { .. }) => {
                self.refuse(Reason::SystemTimeout.into(), Some(&settings))
            }
            (Event::Dropped, State::Held { .. } | State::Obtaining { .. }) => {
                gateway.forget(self.id);
                self.close(Reason::SystemClientGone, Some(&settings));
            }
            (Event::EffectFailed, State::Released { .. }) => {
                // The identity did not get into the request, so the request does not go on.
                self.effects.clear();
                self.refuse(Reason::SystemInternal.into(), Some(&settings));
            }
            (
                Event::RequestHeaders(_),
                State::Held { .. } | State::Obtaining { .. } | State::Released { .. },
            ) => {
                // A second head for one request is one that nobody judged.
                gateway.forget(self.id);
                self.effects.clear();
                self.refuse(Reason::SystemInternal.into(), Some(&settings));
            }
            // Events that come late, or twice, change nothing.
            (
                Event::RequestHeaders(_)
                | Event::Settled
                | Event::Timeout
                | Event::Dropped
                | Event::EffectFailed,
                state,
            ) => self.state = state,
        }
        if self.flow() != Flow::Hold {
            gateway.forget_words(self.id);
        }
    }

    /// The next thing for the shell to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// What becomes of the request for now.
    pub fn flow(&self) -> Flow {
        match self.state {
            State::Held { .. } | State::Obtaining { .. } => Flow::Hold,
            State::Released { .. } => Flow::Release,
            State::Fresh | State::Closed => Flow::Closed,
        }
    }

    /// Runs the pipeline, and does what follows from how it ends.
    fn judge(
        &mut self,
        head: &RequestHead<'_>,
        waited: Waited,
        gateway: &mut Gateway,
        observer: &mut dyn Observer,
        now: Timestamp,
    ) {
        let settings = Rc::clone(gateway.settings());
        match self.pipeline(head, waited, gateway, &settings, observer, now) {
            Ok((permit, edits, Obtained::Nothing)) => self.release(permit, edits, None, &settings),
            Ok((permit, edits, Obtained::Token(token))) => {
                self.release(permit, edits, Some(&token), &settings);
            }
            Ok((permit, edits, Obtained::Later { need, key, longer })) => {
                if self.wait(need, head, gateway, now) {
                    self.state = State::Obtaining { permit, edits, key, longer };
                } else {
                    self.refuse(Reason::LimitPending.into(), Some(&settings));
                }
            }
            Err(Stop::Refuse(denial)) => {
                self.dpop |= authenticate::is_dpop(head);
                let denial = with_nonce(denial, gateway, now);
                self.refuse(denial, Some(&settings));
            }
            Err(Stop::Wait(need)) => {
                if self.wait(need, head, gateway, now) {
                    let (head, waited) = (OwnedHead::new(head), waited.also(need));
                    self.state = State::Held { head, waited };
                } else if matches!(need, Need::Answer { .. }) && !waited.crowded {
                    // What was said before may do on this route.
                    self.judge(head, waited.without_room(), gateway, observer, now);
                } else {
                    self.refuse(Reason::LimitPending.into(), Some(&settings));
                }
            }
        }
    }

    /// Begins to wait; false where too many others wait already.
    fn wait(&mut self, need: Need, head: &RequestHead<'_>, gateway: &mut Gateway, now: Timestamp) -> bool {
        if !gateway.wait(self.id, need, OwnedHead::size(head), now) {
            return false;
        }
        if let Some(record) = &mut self.record {
            record.waits(need, gateway);
        }
        self.effects.push_back(Effect::Count(Counter::Held));
        true
    }

    /// The token that was waited for, if the client's still stands: what may have changed meanwhile is looked at again.
    fn obtained(
        &mut self,
        word: Option<Result<Rc<UpstreamToken>, Reason>>,
        permit: &Permit,
        longer: Span,
        gateway: &mut Gateway,
        now: Timestamp,
    ) -> Result<Rc<UpstreamToken>, Reason> {
        match permit.identified().map(|identified| &identified.principal) {
            Some(Principal::Token(verified)) => {
                if !verified.token().valid_at(now) {
                    return Err(Reason::TokenExpired);
                }
                let beyond = gateway.check_again(verified.token(), longer, now)?;
                if let Some(record) = self.record.as_mut().filter(|_| beyond)
                    && record.degraded("revocation")
                {
                    self.effects.push_back(Effect::Count(Counter::DegradedRevocation));
                }
            }
            Some(Principal::ApiKey(presented)) if presented.key().is_over(now) => {
                return Err(Reason::TokenApiKeyExpired);
            }
            Some(Principal::ApiKey(_) | Principal::Workload(_)) | None => {}
        }
        match word {
            Some(Ok(token)) if token.expires > now => Ok(token),
            Some(Ok(_)) | None => Err(Reason::SystemTokenServiceUnavailable),
            Some(Err(reason)) => Err(reason),
        }
    }

    /// Lets the request go upstream.
    fn release(
        &mut self,
        permit: Permit,
        mut edits: HeaderEdits,
        token: Option<&UpstreamToken>,
        settings: &Settings,
    ) {
        if let Some(token) = token {
            obtain::add(&mut edits, token, &settings.header_names);
        }
        let counter = if permit.is_public() { Counter::Public } else { Counter::Allowed };
        self.effects.push_back(Effect::EditHeaders(edits));
        self.effects.push_back(Effect::Count(counter));
        self.audit(None, Some(settings));
        self.state = State::Released { _proof: permit };
    }

    /// Stage by stage, each with the proof of the one before.
    fn pipeline(
        &mut self,
        head: &RequestHead<'_>,
        waited: Waited,
        gateway: &mut Gateway,
        settings: &Settings,
        observer: &mut dyn Observer,
        now: Timestamp,
    ) -> Result<(Permit, HeaderEdits, Obtained), Stop> {
        let Some(record) = &mut self.record else { return Err(Reason::SystemInternal.into()) };
        // A host without a clock: nothing that has a time can be believed.
        if now <= Timestamp::default() {
            return Err(Reason::SystemInternal.into());
        }
        let mut seen = admit::Seen::default();
        let admitted = admit::admit(head, settings, &mut seen);
        record.saw(&seen);
        observer.stage_done(Stage::Admit);
        let admitted = admitted?;
        record.admitted(&admitted);
        self.dpop = admitted.route.demands_dpop();

        let permit = match &admitted.route.question {
            None => Permit::public(admitted.route).ok_or(Reason::SystemInternal)?,
            Some(question) => {
                let asker = Asker { exchange: self.id, waited };
                let count = &mut |counter| self.effects.push_back(Effect::Count(counter));
                let authenticated =
                    authenticate::authenticate(&admitted, question, asker, gateway, record, count, now);
                let bound = authenticated.and_then(|authenticated| {
                    record.authenticated(&authenticated, settings);
                    Ok(bind::bind(&admitted, authenticated, question, settings, gateway, count, now)?)
                });
                observer.stage_done(Stage::Authenticate);
                let bound = bound?;
                record.bound(&bound);
                let identified = identify::identify(&admitted, bound, question, settings, now);
                observer.stage_done(Stage::Identify);
                let identified = identified?;
                record.identified(&identified, question);
                let mut findings = authorize::Findings::new(record.wanted());
                let permit =
                    authorize::authorize(identified, question, settings, &mut findings, observer, now);
                observer.stage_done(Stage::Authorize);
                record.found(findings);
                permit?
            }
        };
        let edits = forward::edits(&permit, &admitted, record.id(), settings);
        record.obtains(admitted.route, settings);
        let count = &mut |counter| self.effects.push_back(Effect::Count(counter));
        let obtained = obtain::obtain(&permit, &admitted, gateway, count, now)?;
        Ok((permit, edits, obtained))
    }

    /// Answers the client with a refusal.
    fn refuse(&mut self, denial: Denial, settings: Option<&Settings>) {
        let defaults = config::Refusal::default();
        let config = settings.map_or(&defaults, |settings| &settings.refusal);
        if let Some(record) = &self.record {
            let shown: Vec<&str> = match config.reveal_policies {
                true => denial.policies.iter().map(String::as_str).collect(),
                false => Vec::new(),
            };
            let challenge = refusal::Challenger {
                realm: &config.realm,
                dpop: self.dpop,
                proof_algorithms: settings.map_or("", |settings| &settings.dpop.names),
                step_up: match &denial.advice {
                    Advice::StepUp(parameters) => parameters,
                    Advice::Nonce(_) | Advice::None => "",
                },
            };
            let mut reply = refusal::reply(denial.reason, record.id(), &shown, &config.type_base, &challenge);
            if let Advice::Nonce(nonce) = denial.advice {
                reply.headers.push(("dpop-nonce", nonce));
            }
            self.effects.push_back(Effect::Reply(reply));
        }
        self.close(denial.reason, settings);
    }

    /// Ends the exchange without an answer of its own.
    fn close(&mut self, reason: Reason, settings: Option<&Settings>) {
        self.effects.push_back(Effect::Count(Counter::Refused(reason)));
        self.audit(Some(reason), settings);
        self.state = State::Closed;
    }

    fn audit(&mut self, refused: Option<Reason>, settings: Option<&Settings>) {
        if let Some(line) = self.record.as_ref().and_then(|record| record.line(refused, settings)) {
            self.effects.push_back(Effect::Audit(line));
        }
    }

    fn handle_unconfigured(&mut self, event: &Event<'_>, now: Timestamp) {
        if let (Event::RequestHeaders(_), State::Fresh) = (event, &self.state) {
            self.record = Some(Record::begin(DecisionIds::new(u64::from(self.id)).next(now), now, true));
            self.refuse(Reason::SystemNotConfigured.into(), None);
        }
    }
}

/// A nonce for who lacks one (RFC 9449 §9).
fn with_nonce(denial: Denial, gateway: &mut Gateway, now: Timestamp) -> Denial {
    if denial.reason != Reason::BindingDpopNonce {
        return denial;
    }
    match gateway.nonce(now) {
        Ok(nonce) => Denial { advice: Advice::Nonce(nonce), ..denial },
        Err(reason) => reason.into(),
    }
}
