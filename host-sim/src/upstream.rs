//! Scripted clusters: what answers the calls that a module makes.

use std::time::Duration;

use crate::outcome::{HttpCall, Response};

/// A cluster that answers by path, in sequence.
#[derive(Clone, Debug, Default)]
pub struct Upstream {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    path: Option<String>,
    replies: Vec<UpstreamReply>,
    next: usize,
}

/// One scripted answer.
#[derive(Clone, Debug)]
pub struct UpstreamReply {
    pub(crate) after: Duration,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Response(Response),
    Refused,
    Reset,
    Silence,
}

impl Upstream {
    /// A cluster that answers 404 to everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// A cluster that gives one answer to everything.
    pub fn always(reply: UpstreamReply) -> Self {
        Self::new().otherwise([reply])
    }

    /// Answers for a path, query not looked at: one after another, the last for ever.
    pub fn on(mut self, path: &str, replies: impl IntoIterator<Item = UpstreamReply>) -> Self {
        let replies = replies.into_iter().collect();
        self.rules.push(Rule { path: Some(path.to_owned()), replies, next: 0 });
        self
    }

    /// Answers for every path that no rule before this one names.
    pub fn otherwise(mut self, replies: impl IntoIterator<Item = UpstreamReply>) -> Self {
        self.rules.push(Rule { path: None, replies: replies.into_iter().collect(), next: 0 });
        self
    }

    pub(crate) fn reply(&mut self, call: &HttpCall) -> UpstreamReply {
        let path = call.path();
        let bare = path.split('?').next().unwrap_or_default();
        let rule = self.rules.iter_mut().find(|r| r.path.as_ref().is_none_or(|p| p == bare || *p == path));
        let reply = rule.and_then(|rule| {
            let at = rule.next.min(rule.replies.len().saturating_sub(1));
            rule.next = rule.next.saturating_add(1);
            rule.replies.get(at).cloned()
        });
        reply.unwrap_or_else(|| UpstreamReply::status(404))
    }
}

impl UpstreamReply {
    /// A response, at once.
    pub fn response(response: Response) -> Self {
        Self { after: Duration::ZERO, what: What::Response(response) }
    }

    /// 200 with a body, at once.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::response(Response::new(200).body(body))
    }

    /// An empty response of a status, at once.
    pub fn status(status: u16) -> Self {
        Self::response(Response::new(status))
    }

    /// No connection can be made.
    pub fn refused() -> Self {
        Self { after: Duration::ZERO, what: What::Refused }
    }

    /// The connection breaks before the answer is whole.
    pub fn reset() -> Self {
        Self { after: Duration::ZERO, what: What::Reset }
    }

    /// No answer ever; the call's timeout is all that ends it.
    pub fn never() -> Self {
        Self { after: Duration::ZERO, what: What::Silence }
    }

    /// The same, later. An answer without delay arrives right after the callback that made the call.
    pub fn after(mut self, delay: Duration) -> Self {
        self.after = delay;
        self
    }
}
