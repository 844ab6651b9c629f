//! How the gRPC services of a gateway answer, in sequence.

use countersign_host_sim::{GrpcReply, GrpcUpstream, HeaderMap};
use std::time::Duration;

/// gRPC's status for a method that is not there, `UNIMPLEMENTED`.
const UNIMPLEMENTED: u32 = 12;

/// How a cluster's services answer: by method, one answer after another, the last for ever. A method that no rule names is not there.
#[derive(Clone, Debug, Default)]
pub struct GrpcScript {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    /// `SERVICE/METHOD`; every one, where there is none.
    path: Option<String>,
    answers: Vec<GrpcAnswer>,
    next: usize,
}

/// One answer: metadata, messages, and how it ends.
#[derive(Clone, Debug)]
pub struct GrpcAnswer {
    /// How long it takes.
    pub delay: Duration,
    /// How long it takes from one message to the next, and to the end.
    pub pause: Duration,
    /// Metadata that comes first.
    pub initial: HeaderMap,
    /// Metadata that comes last.
    pub trailing: HeaderMap,
    /// The messages.
    pub messages: Vec<Vec<u8>>,
    /// Whether each message answers one of the module's, and the end the module's own.
    pub in_turn: bool,
    /// How it ends.
    pub end: GrpcEnd,
}

/// How an answer ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrpcEnd {
    /// With a status and its message.
    Status(u32, String),
    /// No connection can be made.
    Refused,
    /// The connection breaks.
    Reset,
    /// It does not.
    Silence,
}

impl Rule {
    fn next(&self) -> Option<&GrpcAnswer> {
        self.answers.get(self.next.min(self.answers.len().saturating_sub(1)))
    }
}

impl GrpcScript {
    /// Adds answers for a method, or for every one that is not named before.
    pub(crate) fn on(&mut self, path: Option<&str>, answers: Vec<GrpcAnswer>) {
        self.rules.push(Rule { path: path.map(str::to_owned), answers, next: 0 });
    }

    /// The next answer for a method, `SERVICE/METHOD`.
    pub fn next(&mut self, path: &str) -> GrpcAnswer {
        let rule = self.rules.iter_mut().find(|rule| rule.path.as_deref().is_none_or(|name| name == path));
        let answer = rule.and_then(|rule| {
            let answer = rule.next().cloned();
            rule.next = rule.next.saturating_add(1);
            answer
        });
        answer.unwrap_or_else(|| GrpcAnswer::status(UNIMPLEMENTED))
    }

    /// Whether who calls some method next is to be refused the connection.
    pub fn refuses(&self) -> bool {
        self.rules.iter().filter_map(Rule::next).any(|answer| answer.end == GrpcEnd::Refused)
    }

    /// The same for the simulator.
    pub(crate) fn to_upstream(&self) -> GrpcUpstream {
        self.rules.iter().fold(GrpcUpstream::new(), |upstream, rule| {
            let replies = rule.answers.iter().map(GrpcAnswer::to_reply);
            match &rule.path {
                Some(path) => upstream.on(path, replies),
                None => upstream.otherwise(replies),
            }
        })
    }
}

impl GrpcAnswer {
    fn status(status: u32) -> Self {
        Self {
            delay: Duration::ZERO,
            pause: Duration::ZERO,
            initial: HeaderMap::new(),
            trailing: HeaderMap::new(),
            messages: Vec::new(),
            in_turn: false,
            end: GrpcEnd::Status(status, String::new()),
        }
    }

    fn to_reply(&self) -> GrpcReply {
        let messages = self.messages.iter().cloned();
        let reply = if self.in_turn { GrpcReply::in_turn(messages) } else { GrpcReply::messages(messages) };
        let mut reply = match &self.end {
            GrpcEnd::Status(status, message) => reply.ending(*status, message),
            GrpcEnd::Reset => reply.breaking(),
            GrpcEnd::Silence => reply.open(),
            GrpcEnd::Refused => GrpcReply::refused(),
        };
        for (name, value) in self.initial.iter() {
            reply = reply.initial(name, value);
        }
        for (name, value) in self.trailing.iter() {
            reply = reply.trailing(name, value);
        }
        reply.after(self.delay).each(self.pause)
    }
}
