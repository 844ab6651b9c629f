//! Scripted clusters: what answers the calls that a module makes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::header_map::HeaderMap;
use crate::outcome::{HttpCall, Response};
use crate::profile::Profile;
use crate::vm::Answer;

/// A cluster that answers by path, in sequence.
#[derive(Clone, Debug, Default)]
pub struct Upstream {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    path: Option<String>,
    /// What the call must be like.
    condition: Option<Condition>,
    replies: Vec<UpstreamReply>,
    next: usize,
}

/// Whether a call is one that a rule is for.
#[derive(Clone)]
struct Condition(Arc<dyn Fn(&HttpCall) -> bool + Send + Sync>);

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Condition")
    }
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
    Half,
    Malformed,
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
    pub fn on(self, path: &str, replies: impl IntoIterator<Item = UpstreamReply>) -> Self {
        self.rule(Some(path), None, replies)
    }

    /// Answers for calls of a path whose body holds these bytes, in the same way.
    pub fn on_holding(
        self,
        path: &str,
        bytes: impl Into<Vec<u8>>,
        replies: impl IntoIterator<Item = UpstreamReply>,
    ) -> Self {
        let bytes = bytes.into();
        self.on_if(Some(path), move |call| holds(&call.body, &bytes), replies)
    }

    /// Answers for calls of a path, or of every path, that a condition holds for, in the same way.
    pub fn on_if(
        self,
        path: Option<&str>,
        condition: impl Fn(&HttpCall) -> bool + Send + Sync + 'static,
        replies: impl IntoIterator<Item = UpstreamReply>,
    ) -> Self {
        self.rule(path, Some(Condition(Arc::new(condition))), replies)
    }

    /// Answers for every path that no rule before this one names.
    pub fn otherwise(self, replies: impl IntoIterator<Item = UpstreamReply>) -> Self {
        self.rule(None, None, replies)
    }

    fn rule(
        mut self,
        path: Option<&str>,
        condition: Option<Condition>,
        replies: impl IntoIterator<Item = UpstreamReply>,
    ) -> Self {
        let (path, replies) = (path.map(str::to_owned), replies.into_iter().collect());
        self.rules.push(Rule { path, condition, replies, next: 0 });
        self
    }

    pub(crate) fn reply(&mut self, call: &HttpCall) -> UpstreamReply {
        let path = call.path();
        let bare = path.split('?').next().unwrap_or_default();
        let rule = self.rules.iter_mut().find(|rule| {
            rule.path.as_ref().is_none_or(|p| p == bare || *p == path)
                && rule.condition.as_ref().is_none_or(|condition| condition.0(call))
        });
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

    /// The connection breaks before there is anything of an answer.
    pub fn reset() -> Self {
        Self { after: Duration::ZERO, what: What::Reset }
    }

    /// The connection breaks between the answer's headers and its end.
    pub fn half() -> Self {
        Self { after: Duration::ZERO, what: What::Half }
    }

    /// An answer that is not HTTP.
    pub fn malformed() -> Self {
        Self { after: Duration::ZERO, what: What::Malformed }
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

    /// When a call is answered and with what; `None` where it never is.
    pub(crate) fn answer(self, call: &HttpCall, profile: Profile) -> Option<(Duration, Option<Answer>)> {
        let answer = match self.what {
            What::Silence => None,
            What::Response(response) => {
                let trailers = response.trailers.unwrap_or_default();
                let mut headers = response.headers;
                if profile == Profile::Envoy {
                    headers
                        .set(b"x-envoy-upstream-service-time", self.after.as_millis().to_string().as_bytes());
                }
                Some(Some(Answer { headers, body: response.body.concat(), trailers }))
            }
            What::Refused => Some(made_up(profile, 503, REFUSED)),
            What::Reset => Some(made_up(profile, 503, RESET)),
            What::Half => Some(None),
            What::Malformed => Some(made_up(profile, 502, MALFORMED)),
        };
        let timed_out = !call.timeout.is_zero() && (answer.is_none() || self.after > call.timeout);
        if timed_out {
            Some((call.timeout, made_up(profile, 504, TIMEOUT)))
        } else {
            Some((self.after, answer?))
        }
    }
}

pub(crate) const REFUSED: &str =
    "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure";
pub(crate) const OVERFLOW: &str =
    "upstream connect error or disconnect/reset before headers. reset reason: overflow";
pub(crate) const RESET: &str =
    "upstream connect error or disconnect/reset before headers. reset reason: connection termination";
const MALFORMED: &str =
    "upstream connect error or disconnect/reset before headers. reset reason: protocol error";
pub(crate) const TIMEOUT: &str = "upstream request timeout";

fn holds(body: &[u8], bytes: &[u8]) -> bool {
    bytes.is_empty() || body.windows(bytes.len()).any(|window| window == bytes)
}

/// What a gateway answers in an upstream's place, where it does.
pub(crate) fn made_up(profile: Profile, status: u16, text: &str) -> Option<Answer> {
    profile.router_answers_for_failures().then(|| {
        let response = Response::new(status)
            .header("content-length", text.len().to_string())
            .header("content-type", "text/plain");
        Answer { headers: response.headers, body: text.as_bytes().to_vec(), trailers: HeaderMap::new() }
    })
}
