//! Asking an issuer about its opaque tokens (RFC 7662): one question for each token, whoever waits for it.

mod breaker;

use crate::call::{CallAnswer, CallId, Form};
use crate::crypto;
use crate::keys::Location;
use crate::time::{Span, Timestamp};
use alloc::boxed::Box;
use alloc::vec::Vec;
use breaker::Breaker;

/// An issuer's introspection endpoint.
#[derive(Clone, Debug)]
pub struct IntrospectionSettings {
    /// Where it is.
    pub endpoint: Location,
    /// `client_id`, where the issuer wants it in the form.
    pub client_id: Option<Box<str>>,
    /// How long a question may be open.
    pub timeout: Span,
    /// How long the answer that a token is active serves.
    pub active: Span,
    /// How long a refusal serves.
    pub inactive: Span,
    /// How many questions may be open.
    pub calls: usize,
}

/// How often an issuer is asked about a token before the question is given up.
const ATTEMPTS: u32 = 2;

/// How long after a failure it is asked again, at least, in milliseconds.
const AGAIN_MILLIS: i64 = 20;

/// By how much that is spread.
const SPREAD_MILLIS: u64 = 64;

/// Names a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuestionId(u64);

/// The questions that one worker has open at one issuer.
#[derive(Default)]
pub(crate) struct Introspector {
    questions: Vec<Question>,
    breaker: Breaker,
    asked: u64,
    random: u64,
}

struct Question {
    id: QuestionId,
    token: Box<[u8]>,
    stage: Stage,
    attempts: u32,
    deadline: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// To be asked from then on.
    Due(Timestamp),
    Asked(CallId),
}

/// Why nobody is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAsked {
    /// The issuer has failed too often lately.
    GivenUp,
    /// Too many questions are open.
    Busy,
}

/// A question that was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// It is new.
    New(QuestionId),
    /// Somebody asked it before.
    Joined(QuestionId),
}

/// A question that is over.
pub(crate) struct Settled {
    /// Which.
    pub(crate) id: QuestionId,
    /// What it was about.
    pub(crate) token: Box<[u8]>,
    /// The body of the answer; where there is none that can be read, what was expected.
    pub(crate) answer: Result<Vec<u8>, &'static str>,
}

/// What comes of an answer.
pub(crate) enum Heard {
    /// The question is over.
    Settled(Settled),
    /// It is asked again.
    Again(&'static str),
}

impl Introspector {
    /// An issuer that nobody has asked yet.
    pub(crate) fn new(random: u64) -> Self {
        Self { random, ..Self::default() }
    }

    /// Puts a question about a token, or joins the one that is open.
    pub(crate) fn put(
        &mut self,
        token: &[u8],
        settings: &IntrospectionSettings,
        now: Timestamp,
    ) -> Result<Put, NotAsked> {
        let same = |question: &&Question| crypto::constant_time_eq(&question.token, token);
        if let Some(open) = self.questions.iter().find(same) {
            return Ok(Put::Joined(open.id));
        }
        if !self.breaker.admits(now) {
            return Err(NotAsked::GivenUp);
        }
        if self.questions.len() >= settings.calls {
            return Err(NotAsked::Busy);
        }
        self.breaker.begun();
        self.asked = self.asked.wrapping_add(1);
        let id = QuestionId(self.asked);
        self.questions.push(Question {
            id,
            token: token.into(),
            stage: Stage::Due(now),
            attempts: 0,
            deadline: now.plus(settings.timeout),
        });
        Ok(Put::New(id))
    }

    /// The next question to ask at `now`, as the form and the time that is left for it.
    pub(crate) fn next(
        &mut self,
        call: CallId,
        settings: &IntrospectionSettings,
        now: Timestamp,
    ) -> Option<(Form, Span)> {
        let due = |question: &&mut Question| matches!(question.stage, Stage::Due(at) if at <= now);
        let question = self.questions.iter_mut().find(due)?;
        question.stage = Stage::Asked(call);
        question.attempts += 1;
        let mut form = Form::new().with("token", &question.token).with("token_type_hint", b"access_token");
        if let Some(client) = &settings.client_id {
            form = form.with("client_id", client.as_bytes());
        }
        Some((form, question.deadline.since(now).max(Span::ZERO)))
    }

    /// Whether a question is to be asked at `now`.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.questions.iter().any(|question| matches!(question.stage, Stage::Due(at) if at <= now))
    }

    /// Whether this call is one of its questions. An answer to any other is late and not looked at.
    pub(crate) fn awaits(&self, call: CallId) -> bool {
        self.questions.iter().any(|question| question.stage == Stage::Asked(call))
    }

    /// The answer to a question; `None` where none came. Whether it says that the breaker has opened.
    pub(crate) fn answered(
        &mut self,
        call: CallId,
        answer: Option<CallAnswer>,
        now: Timestamp,
    ) -> Option<(Heard, bool)> {
        let at = self.questions.iter().position(|question| question.stage == Stage::Asked(call))?;
        match whole(answer) {
            Ok(body) => Some((Heard::Settled(self.settle(at, Ok(body))?), false)),
            Err(Fault { expected, kind }) => {
                let opened = match kind {
                    FaultKind::OfTheQuestion => {
                        self.breaker.undecided();
                        false
                    }
                    FaultKind::Passing | FaultKind::Lasting => self.failed(now),
                };
                let again = self.again_at(now);
                let question = self.questions.get_mut(at)?;
                if kind == FaultKind::Passing
                    && !opened
                    && question.attempts < ATTEMPTS
                    && again < question.deadline
                {
                    question.stage = Stage::Due(again);
                    return Some((Heard::Again(expected), opened));
                }
                Some((Heard::Settled(self.settle(at, Err(expected))?), opened))
            }
        }
    }

    /// The answer that was given can be used, or it can't: what the breaker is to know of an answer that was read.
    pub(crate) fn judged(&mut self, usable: bool, now: Timestamp) -> bool {
        if usable {
            self.breaker.succeeded();
            return false;
        }
        self.failed(now)
    }

    /// A question whose time is over, and whether the breaker has opened.
    pub(crate) fn overdue(&mut self, now: Timestamp) -> Option<(Settled, bool)> {
        let at = self.questions.iter().position(|question| question.deadline <= now)?;
        // What was waiting to be asked again has failed already.
        let unanswered =
            self.questions.get(at).is_some_and(|question| matches!(question.stage, Stage::Asked(_)));
        let opened = unanswered && self.failed(now);
        Some((self.settle(at, Err("an answer in time"))?, opened))
    }

    /// When there is something to do next.
    pub(crate) fn next_wakeup(&self) -> Option<Timestamp> {
        let next = |question: &Question| match question.stage {
            Stage::Due(at) => at.min(question.deadline),
            Stage::Asked(_) => question.deadline,
        };
        self.questions.iter().map(next).min()
    }

    /// The clock was set back: nothing is waited for any longer by that.
    pub(crate) fn set_back(&mut self, by: Span) {
        self.breaker.set_back(by);
        for question in &mut self.questions {
            question.deadline = question.deadline.minus(by);
            if let Stage::Due(at) = &mut question.stage {
                *at = at.minus(by);
            }
        }
    }

    fn settle(&mut self, at: usize, answer: Result<Vec<u8>, &'static str>) -> Option<Settled> {
        (at < self.questions.len()).then(|| self.questions.swap_remove(at)).map(|question| Settled {
            id: question.id,
            token: question.token,
            answer,
        })
    }

    fn failed(&mut self, now: Timestamp) -> bool {
        let random = self.next_random();
        self.breaker.failed(random, now)
    }

    fn again_at(&mut self, now: Timestamp) -> Timestamp {
        let spread = i64::try_from(self.next_random() % SPREAD_MILLIS).unwrap_or(0);
        now.plus(Span::from_millis(AGAIN_MILLIS + spread))
    }

    /// Random enough to spread calls by (Weyl's sequence, mixed).
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (self.random ^ (self.random >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32
    }
}

/// An answer that says nothing of a token.
struct Fault {
    expected: &'static str,
    kind: FaultKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FaultKind {
    /// Asking again may help.
    Passing,
    /// Asking again would not.
    Lasting,
    /// The question was not liked. A client chose what stands in it, so that this says nothing of the issuer: nobody may make the
    /// gateway give it up.
    OfTheQuestion,
}

/// The body of an answer that may say something of a token.
fn whole(answer: Option<CallAnswer>) -> Result<Vec<u8>, Fault> {
    let (expected, kind) = match answer {
        Some(answer) if answer.status == 200 && answer.is_type("application/json") => return Ok(answer.body),
        Some(answer) => match answer.status {
            200 => ("an answer of `application/json`", FaultKind::Lasting),
            401 | 403 => ("status 200, found 401 or 403: the issuer refuses the gateway", FaultKind::Lasting),
            404 => ("status 200, found 404", FaultKind::Lasting),
            429 => ("status 200, found 429: the issuer is asked too often", FaultKind::Lasting),
            400..500 => ("status 200, found one from 400 to 499", FaultKind::OfTheQuestion),
            _ => ("status 200", FaultKind::Passing),
        },
        None => ("an answer", FaultKind::Passing),
    };
    Err(Fault { expected, kind })
}

#[cfg(test)]
mod tests;
