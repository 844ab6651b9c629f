//! Scripted gRPC services: what answers the calls and streams that a module opens.

use std::time::Duration;

use super::code;
use crate::header_map::HeaderMap;
use crate::upstream::{REFUSED, RESET};

/// A cluster of gRPC services that answers by method, in sequence.
#[derive(Clone, Debug, Default)]
pub struct GrpcUpstream {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    /// `SERVICE/METHOD`; `None` for all.
    path: Option<String>,
    replies: Vec<GrpcReply>,
    next: usize,
}

/// One scripted answer: metadata, messages, and a status.
#[derive(Clone, Debug)]
pub struct GrpcReply {
    pub(super) after: Duration,
    pub(super) each: Duration,
    pub(super) initial: HeaderMap,
    pub(super) trailing: HeaderMap,
    pub(super) messages: Vec<Vec<u8>>,
    /// Whether each message answers one of the module's, in their order.
    pub(super) in_turn: bool,
    pub(super) end: End,
}

#[derive(Clone, Debug)]
pub(super) enum End {
    /// A status with its message.
    Status(u32, String),
    /// No connection can be made.
    Refused,
    /// The connection breaks.
    Reset,
    /// It stays open.
    Open,
}

impl GrpcUpstream {
    /// A cluster that implements nothing (status 12).
    pub fn new() -> Self {
        Self::default()
    }

    /// A cluster that gives one answer to everything.
    pub fn always(reply: GrpcReply) -> Self {
        Self::new().otherwise([reply])
    }

    /// Answers for a method, `SERVICE/METHOD`: one after another, the last for ever.
    pub fn on(self, path: &str, replies: impl IntoIterator<Item = GrpcReply>) -> Self {
        self.rule(Some(path.to_owned()), replies)
    }

    /// Answers for every method that no rule before this one names.
    pub fn otherwise(self, replies: impl IntoIterator<Item = GrpcReply>) -> Self {
        self.rule(None, replies)
    }

    fn rule(mut self, path: Option<String>, replies: impl IntoIterator<Item = GrpcReply>) -> Self {
        self.rules.push(Rule { path, replies: replies.into_iter().collect(), next: 0 });
        self
    }

    pub(super) fn reply(&mut self, path: &str) -> GrpcReply {
        let rule = self.rules.iter_mut().find(|rule| rule.path.as_ref().is_none_or(|p| p == path));
        let reply = rule.and_then(|rule| {
            let at = rule.next.min(rule.replies.len().saturating_sub(1));
            rule.next = rule.next.saturating_add(1);
            rule.replies.get(at).cloned()
        });
        reply.unwrap_or_else(|| GrpcReply::status(code::UNIMPLEMENTED, ""))
    }
}

impl GrpcReply {
    fn new(messages: Vec<Vec<u8>>, end: End) -> Self {
        Self {
            after: Duration::ZERO,
            each: Duration::ZERO,
            initial: HeaderMap::new(),
            trailing: HeaderMap::new(),
            messages,
            in_turn: false,
            end,
        }
    }

    /// One message and status 0, at once.
    pub fn message(message: impl Into<Vec<u8>>) -> Self {
        Self::messages([message])
    }

    /// Messages, then status 0, at once. A call, which gets one message, gets the last.
    pub fn messages<M: Into<Vec<u8>>>(messages: impl IntoIterator<Item = M>) -> Self {
        let messages = messages.into_iter().map(Into::into).collect();
        Self::new(messages, End::Status(code::OK, String::new()))
    }

    /// Messages that answer the module's, one each, in their order; status 0 once the module has ended its side.
    pub fn in_turn<M: Into<Vec<u8>>>(messages: impl IntoIterator<Item = M>) -> Self {
        Self { in_turn: true, ..Self::messages(messages) }
    }

    /// A status and its message, and nothing before it.
    pub fn status(status: u32, message: &str) -> Self {
        Self::new(Vec::new(), End::Status(status, message.to_owned()))
    }

    /// No connection can be made.
    pub fn refused() -> Self {
        Self::new(Vec::new(), End::Refused)
    }

    /// The connection breaks before there is an answer.
    pub fn reset() -> Self {
        Self::new(Vec::new(), End::Reset)
    }

    /// No answer ever; a call's timeout is all that ends it.
    pub fn never() -> Self {
        Self::new(Vec::new(), End::Open)
    }

    /// The same with another status at its end.
    pub fn ending(mut self, status: u32, message: &str) -> Self {
        self.end = End::Status(status, message.to_owned());
        self
    }

    /// The same, with the connection breaking where the status would come.
    pub fn breaking(mut self) -> Self {
        self.end = End::Reset;
        self
    }

    /// The same without an end: the stream stays open.
    pub fn open(mut self) -> Self {
        self.end = End::Open;
        self
    }

    /// Adds initial metadata.
    pub fn initial(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.initial.append(name.as_ref(), value.as_ref());
        self
    }

    /// Adds trailing metadata.
    pub fn trailing(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.trailing.append(name.as_ref(), value.as_ref());
        self
    }

    /// The same, later. An answer without delay arrives right after the callback that made the call.
    pub fn after(mut self, delay: Duration) -> Self {
        self.after = delay;
        self
    }

    /// The same with a pause before each message but the first, and before the end.
    pub fn each(mut self, pause: Duration) -> Self {
        self.each = pause;
        self
    }

    /// Whether nobody answers at all.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self.end, End::Refused)
    }

    /// Whether headers and status come in one, without anything between them.
    pub(super) fn is_trailers_only(&self) -> bool {
        match self.end {
            End::Refused => true,
            End::Status(..) | End::Reset => self.messages.is_empty() && self.initial.is_empty(),
            End::Open => false,
        }
    }

    /// Whether there is nothing at all, ever.
    pub(super) fn is_silent(&self) -> bool {
        matches!(self.end, End::Open) && self.messages.is_empty() && self.initial.is_empty()
    }

    /// The headers that a stream gets first.
    pub(super) fn headers(&self) -> HeaderMap {
        if self.is_trailers_only() {
            return HeaderMap::new();
        }
        let mut headers = HeaderMap::from_pairs([(":status", "200"), ("content-type", "application/grpc")]);
        for (name, value) in self.initial.iter() {
            headers.append(name, value);
        }
        headers.append(TIME, self.after.as_millis().to_string().as_bytes());
        headers
    }

    /// The trailers, the status and its message at the end; `None` where there is none.
    pub(crate) fn ending_of(&self) -> Option<(HeaderMap, u32, String)> {
        let (status, message, details) = match &self.end {
            End::Status(status, message) => (*status, message.as_str(), "via_upstream"),
            End::Refused => (code::UNAVAILABLE, REFUSED, REFUSED_DETAILS),
            End::Reset if self.messages.is_empty() => (code::UNAVAILABLE, RESET, BROKEN_DETAILS),
            End::Reset => {
                return Some((HeaderMap::new(), code::INTERNAL, told("", RESET_DETAILS)));
            }
            End::Open => return None,
        };
        let mut trailers = HeaderMap::new();
        if self.is_trailers_only() {
            trailers.append(b":status", b"200");
            trailers.append(b"content-type", b"application/grpc");
        }
        trailers.append(b"grpc-status", status.to_string().as_bytes());
        if !message.is_empty() {
            trailers.append(b"grpc-message", message.as_bytes());
        }
        for (name, value) in self.trailing.iter() {
            trailers.append(name, value);
        }
        if matches!(self.end, End::Status(..)) && self.is_trailers_only() {
            trailers.append(TIME, self.after.as_millis().to_string().as_bytes());
        }
        // A number that gRPC does not have is none, and its message stays.
        let known = if status <= code::LAST { status } else { code::INVALID };
        Some((trailers, known, told(message, details)))
    }
}

/// How long an answer took, in milliseconds. It is told of streams that the module has ended before.
pub(super) const TIME: &[u8] = b"x-envoy-upstream-service-time";
const REFUSED_DETAILS: &str = "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}";
const BROKEN_DETAILS: &str = "upstream_reset_before_response_started{connection_termination}";
/// What a stream's end says that breaks after it began.
pub(crate) const RESET_DETAILS: &str = "upstream_reset_after_response_started{connection_termination}";

/// A status message as Envoy tells it, with the details of its response code.
pub(crate) fn told(message: &str, details: &str) -> String {
    if message.is_empty() { details.to_owned() } else { format!("{message}{{{details}}}") }
}
