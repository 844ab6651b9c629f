//! A party that is asked about things over calls: an issuer about a token, a token service for another one. One question for each
//! thing, whoever waits; bounded in number and time; tried twice where that may help; left alone while it fails.

mod breaker;
mod marks;

use crate::call::{CallAnswer, CallId, Form};
use crate::crypto;
use crate::fetch::Location;
use crate::jitter::Jitter;
use crate::keyed_hash::keyed_hash;
use crate::time::{Span, Timestamp};
use alloc::boxed::Box;
use alloc::vec::Vec;
use breaker::Breaker;
pub(crate) use marks::Mark;

/// How a party is asked.
#[derive(Clone, Debug)]
pub struct PartySettings {
    /// Where it is.
    pub endpoint: Location,
    /// How long a question may be open.
    pub timeout: Span,
    /// How many questions may be open.
    pub calls: usize,
    /// The media type of its answers.
    pub media_type: &'static str,
    /// Whether an answer of status 400 says something of the thing that was asked about (RFC 6749 §5.2).
    pub refuses_by_400: bool,
}

/// How often a party is asked about a thing before the question is given up.
const ATTEMPTS: u32 = 2;

/// How long after a failure it is asked again, at least.
const AGAIN: Span = Span::from_millis(20);

/// By how much that is spread.
const SPREAD: Span = Span::from_millis(64);

/// Tells the halves of the hash's key apart.
const HASH_KEY: u64 = 0x9e37_79b9_7f4a_7c15;

/// Names a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuestionId(u64);

/// The questions that one worker has open at one party.
pub(crate) struct Party {
    questions: Vec<Question>,
    breaker: Breaker,
    /// Opens where the party says that it is asked too often. Anybody can bring that about with what is made up, and so it keeps no question
    /// back whose old answer would serve instead.
    throttle: Breaker,
    asked: u64,
    jitter: Jitter,
    /// The key of the hash by which questions are found.
    hash_key: (u64, u64),
}

/// What is known of the subject of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The party has spoken for it before, and by that it would go on while there is no other word.
    SpokenFor,
    /// Somebody else stands for it: its issuer by a signature, or the policies.
    Known,
    /// Nothing: anybody can make it up. Of the places for questions and for those who wait, a quarter is not for these.
    MadeUp,
}

impl Standing {
    /// How many of so many places such questions may take.
    pub(crate) fn share_of(self, places: usize) -> usize {
        match self {
            Self::SpokenFor | Self::Known => places,
            Self::MadeUp if places < 2 => places,
            Self::MadeUp => places - places.div_ceil(4),
        }
    }
}

struct Question {
    id: QuestionId,
    standing: Standing,
    hash: u64,
    subject: Box<[u8]>,
    form: Form,
    stage: Stage,
    attempts: u32,
    put: Timestamp,
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
    /// The party has failed too often lately.
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
    pub(crate) subject: Box<[u8]>,
    /// When it was put: of what happened later the answer need not know.
    pub(crate) asked: Timestamp,
    /// What was said; where that can't be read, what was expected.
    pub(crate) answer: Result<Said, &'static str>,
}

/// What a party said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// Whether it is an answer; else it is a refusal.
    pub(crate) ok: bool,
    /// In JSON.
    pub(crate) body: Vec<u8>,
}

/// What an answer says of the party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It does its work.
    Good,
    /// Nothing: what was asked may be to blame.
    Undecided,
    /// It does not.
    Bad,
}

/// What comes of an answer.
pub(crate) enum Heard {
    /// The question is over.
    Settled(Settled),
    /// It is asked again.
    Again(&'static str),
}

impl Party {
    /// A party that nobody has asked yet.
    pub(crate) fn new(random: u64) -> Self {
        Self {
            questions: Vec::new(),
            breaker: Breaker::default(),
            throttle: Breaker::default(),
            asked: 0,
            jitter: Jitter::new(random),
            hash_key: (random, random.rotate_left(32) ^ HASH_KEY),
        }
    }

    /// Puts a question, or joins the one that is open about the same `subject`, which is all that the answer depends on.
    pub(crate) fn put(
        &mut self,
        subject: &[u8],
        standing: Standing,
        form: impl FnOnce() -> Form,
        settings: &PartySettings,
        now: Timestamp,
    ) -> Result<Put, NotAsked> {
        let hash = keyed_hash(self.hash_key, subject);
        let same = |question: &&Question| {
            question.hash == hash && crypto::constant_time_eq(&question.subject, subject)
        };
        if let Some(open) = self.questions.iter().find(same) {
            return Ok(Put::Joined(open.id));
        }
        let heeded = standing == Standing::SpokenFor || self.throttle.admits(now);
        if !self.breaker.admits(now) || !heeded {
            return Err(NotAsked::GivenUp);
        }
        let of_these = self.questions.iter().filter(|question| question.standing == standing).count();
        if self.questions.len() >= settings.calls || of_these >= standing.share_of(settings.calls) {
            return Err(NotAsked::Busy);
        }
        self.breaker.begun();
        if self.throttle.admits(now) {
            self.throttle.begun();
        }
        self.asked = self.asked.wrapping_add(1);
        let id = QuestionId(self.asked);
        self.questions.push(Question {
            id,
            standing,
            hash,
            subject: subject.into(),
            form: form(),
            stage: Stage::Due(now),
            attempts: 0,
            put: now,
            deadline: now.plus(settings.timeout),
        });
        Ok(Put::New(id))
    }

    /// The next question to ask at `now`, as the form and the time that is left for it.
    pub(crate) fn next(&mut self, call: CallId, now: Timestamp) -> Option<(Form, Span)> {
        let due = |question: &&mut Question| matches!(question.stage, Stage::Due(at) if at <= now);
        let question = self.questions.iter_mut().find(due)?;
        question.stage = Stage::Asked(call);
        question.attempts += 1;
        Some((question.form.clone(), question.deadline.since(now).max(Span::ZERO)))
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
        settings: &PartySettings,
        now: Timestamp,
    ) -> Option<(Heard, bool)> {
        let at = self.questions.iter().position(|question| question.stage == Stage::Asked(call))?;
        match whole(answer, settings) {
            Ok(said) => Some((Heard::Settled(self.settle(at, Ok(said))?), false)),
            Err(Fault { expected, kind }) => {
                let opened = match kind {
                    FaultKind::OfTheQuestion => {
                        self.undecided();
                        false
                    }
                    FaultKind::TooOften => {
                        self.breaker.undecided();
                        self.throttle.failed(&mut self.jitter, now)
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

    /// What the breaker is to know of an answer, now that it was read; true where that opens it.
    pub(crate) fn judged(&mut self, verdict: Verdict, now: Timestamp) -> bool {
        match verdict {
            Verdict::Good => {
                self.breaker.succeeded();
                self.throttle.succeeded();
                false
            }
            Verdict::Undecided => {
                self.undecided();
                false
            }
            Verdict::Bad => self.failed(now),
        }
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
        self.throttle.set_back(by);
        for question in &mut self.questions {
            question.put = question.put.minus(by);
            question.deadline = question.deadline.minus(by);
            if let Stage::Due(at) = &mut question.stage {
                *at = at.minus(by);
            }
        }
    }

    fn settle(&mut self, at: usize, answer: Result<Said, &'static str>) -> Option<Settled> {
        (at < self.questions.len()).then(|| self.questions.swap_remove(at)).map(|question| Settled {
            id: question.id,
            subject: question.subject,
            asked: question.put,
            answer,
        })
    }

    /// What is known of what a question is about.
    pub(crate) fn standing(&self, id: QuestionId) -> Standing {
        let question = self.questions.iter().find(|question| question.id == id);
        question.map_or(Standing::MadeUp, |question| question.standing)
    }

    fn undecided(&mut self) {
        self.breaker.undecided();
        self.throttle.undecided();
    }

    fn failed(&mut self, now: Timestamp) -> bool {
        self.throttle.undecided();
        self.breaker.failed(&mut self.jitter, now)
    }

    fn again_at(&mut self, now: Timestamp) -> Timestamp {
        now.plus(AGAIN).plus(self.jitter.part_of(SPREAD))
    }
}

/// An answer that says nothing of what was asked about.
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
    /// It is asked more often than it likes.
    TooOften,
    /// The question was not liked. A client chose what stands in it, so that this says nothing of the party: nobody may make the
    /// gateway give it up.
    OfTheQuestion,
}

/// The body of an answer that may say something of what was asked about.
fn whole(answer: Option<CallAnswer>, settings: &PartySettings) -> Result<Said, Fault> {
    let (expected, kind) = match answer {
        Some(answer)
            if answer.is_type(settings.media_type)
                && (answer.status == 200 || settings.refuses_by_400 && answer.status == 400) =>
        {
            return Ok(Said { ok: answer.status == 200, body: answer.body });
        }
        Some(answer) => match answer.status {
            200 => ("an answer of the media type that was asked for", FaultKind::Lasting),
            401 | 403 => ("status 200, found 401 or 403: the gateway is refused", FaultKind::Lasting),
            404 => ("status 200, found 404", FaultKind::Lasting),
            429 => ("status 200, found 429: it is asked too often", FaultKind::TooOften),
            400..500 => ("status 200, found one from 400 to 499", FaultKind::OfTheQuestion),
            _ => ("status 200", FaultKind::Passing),
        },
        None => ("an answer", FaultKind::Passing),
    };
    Err(Fault { expected, kind })
}

#[cfg(test)]
mod tests;
