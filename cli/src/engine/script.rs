//! How the clusters of a gateway answer, in sequence.

use countersign_host_sim::{HeaderMap, HttpCall, Response, Upstream, UpstreamReply};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How a cluster answers: by path, one answer after another, the last for ever. A path that no rule names gets 404.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    /// Every path, where there is none.
    path: Option<String>,
    /// What the body of the call holds; anything, where there is none.
    holds: Option<String>,
    /// What the call is like otherwise.
    condition: Option<Condition>,
    answers: Vec<Answer>,
    next: usize,
}

impl Rule {
    fn new(path: Option<&str>, answers: Vec<Answer>) -> Self {
        Self { path: path.map(str::to_owned), holds: None, condition: None, answers, next: 0 }
    }

    fn fits(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let path = headers.text(":path").unwrap_or_default();
        let bare = path.split('?').next().unwrap_or_default();
        self.path.as_deref().is_none_or(|rule| rule == bare || rule == path)
            && self.holds.as_ref().is_none_or(|holds| String::from_utf8_lossy(body).contains(holds))
            && self.condition.as_ref().is_none_or(|condition| condition.0(headers, body))
    }
}

/// Whether headers and body are those of a request that an answer is for.
#[derive(Clone)]
pub(crate) struct Condition(Arc<dyn Fn(&HeaderMap, &[u8]) -> bool + Send + Sync>);

impl Condition {
    /// One that a function tells.
    pub(crate) fn new(holds: impl Fn(&HeaderMap, &[u8]) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(holds))
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Condition")
    }
}

/// What a cluster serves at a path.
#[derive(Clone, Debug)]
pub struct Document {
    /// The path.
    pub path: String,
    /// What the body of the request holds that is answered so; whatever it holds, where there is none.
    pub holds: Option<String>,
    /// The document.
    pub body: Vec<u8>,
}

/// One answer, some time after the call.
#[derive(Clone, Debug)]
pub struct Answer {
    /// How long it takes.
    pub delay: Duration,
    /// What it is.
    pub reply: Reply,
}

impl Answer {
    /// One without delay.
    pub(crate) fn at_once(reply: Reply) -> Self {
        Self { delay: Duration::ZERO, reply }
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A whole one.
    Response(Response),
    /// The connection breaks once this was sent.
    Half(Response),
    /// No connection: a gateway answers for the cluster with 503.
    Refused,
    /// The connection breaks.
    Reset,
    /// Nothing, ever.
    Silence,
}

impl Script {
    /// One answer to everything.
    pub(crate) fn always(reply: Reply) -> Self {
        Self { rules: vec![Rule::new(None, vec![Answer { delay: Duration::ZERO, reply }])] }
    }

    /// Answers 200 with this document.
    pub(crate) fn document(body: impl Into<Vec<u8>>) -> Reply {
        Reply::Response(Response::new(200).body(body))
    }

    /// Adds answers for a path, or for every path that is not named before.
    pub(crate) fn on(&mut self, path: Option<&str>, answers: Vec<Answer>) {
        self.rules.push(Rule::new(path, answers));
    }

    /// Adds answers for calls of a path whose body holds this text.
    pub(crate) fn on_holding(&mut self, path: &str, holds: String, answers: Vec<Answer>) {
        self.rules.push(Rule { holds: Some(holds), ..Rule::new(Some(path), answers) });
    }

    /// Adds answers for calls of a path, or of every path, that a condition holds for.
    pub(crate) fn on_if(&mut self, path: Option<&str>, condition: Condition, answers: Vec<Answer>) {
        self.rules.push(Rule { condition: Some(condition), ..Rule::new(path, answers) });
    }

    /// Every rule: its path, what a call's body is to hold, and the answers.
    pub(crate) fn rules(&self) -> impl Iterator<Item = (Option<&str>, Option<&str>, &[Answer])> {
        self.rules.iter().map(|rule| (rule.path.as_deref(), rule.holds.as_deref(), rule.answers.as_slice()))
    }

    /// The same, without any delay.
    pub(crate) fn at_once(mut self) -> Self {
        let answers = self.rules.iter_mut().flat_map(|rule| &mut rule.answers);
        answers.for_each(|answer| answer.delay = Duration::ZERO);
        self
    }

    /// Whether an answer depends on more of a call than its path and what its body holds.
    pub(crate) fn has_conditions(&self) -> bool {
        self.rules.iter().any(|rule| rule.condition.is_some())
    }

    /// What is answered by path, where it is the same document each time and nothing else.
    pub(crate) fn documents(&self) -> Option<Vec<Document>> {
        let plain = |(name, value): (&[u8], &[u8])| {
            matches!((name, value), (b":status", b"200") | (b"content-type", b"application/json"))
        };
        let document = |rule: &Rule| match (&rule.path, rule.answers.as_slice()) {
            _ if rule.condition.is_some() => None,
            (Some(path), [Answer { delay: Duration::ZERO, reply: Reply::Response(response) }])
                if response.headers.iter().all(plain) && response.trailers.is_none() =>
            {
                Some(Document { path: path.clone(), holds: rule.holds.clone(), body: response.body.concat() })
            }
            _ => None,
        };
        self.rules.iter().map(document).collect()
    }

    /// The next answer for a request, where there is one.
    pub(crate) fn next(&mut self, headers: &HeaderMap, body: &[u8]) -> Option<Answer> {
        let rule = self.rules.iter_mut().find(|rule| rule.fits(headers, body))?;
        let at = rule.next.min(rule.answers.len().saturating_sub(1));
        rule.next = rule.next.saturating_add(1);
        rule.answers.get(at).cloned()
    }

    /// What a gateway answers itself where it cannot connect to the service.
    pub(crate) fn refused() -> Response {
        Self::made_up(
            "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
        )
    }

    /// What it answers where the connection breaks before there are headers.
    pub(crate) fn broken() -> Response {
        Self::made_up(
            "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
        )
    }

    fn made_up(text: &str) -> Response {
        let response = Response::new(503).header("content-length", text.len().to_string());
        response.header("content-type", "text/plain").body(text)
    }

    /// The same for the simulator.
    pub(crate) fn to_upstream(&self) -> Upstream {
        self.rules.iter().fold(Upstream::new(), |upstream, rule| {
            let replies = rule.answers.iter().map(|answer| {
                let reply = match &answer.reply {
                    Reply::Response(response) => UpstreamReply::response(response.clone()),
                    Reply::Refused => UpstreamReply::refused(),
                    Reply::Half(_) => UpstreamReply::half(),
                    Reply::Reset => UpstreamReply::reset(),
                    Reply::Silence => UpstreamReply::never(),
                };
                reply.after(answer.delay)
            });
            let fitting = rule.clone();
            let fits = move |call: &HttpCall| fitting.fits(&call.headers, &call.body);
            upstream.on_if(None, fits, replies)
        })
    }
}
