//! How the clusters of a gateway answer, in sequence.

use countersign_host_sim::{Response, Upstream, UpstreamReply};
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
    answers: Vec<Answer>,
    next: usize,
}

impl Rule {
    fn new(path: Option<&str>, holds: Option<String>, answers: Vec<Answer>) -> Self {
        Self { path: path.map(str::to_owned), holds, answers, next: 0 }
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
pub(crate) struct Answer {
    pub(crate) delay: Duration,
    pub(crate) reply: Reply,
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
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
        Self { rules: vec![Rule::new(None, None, vec![Answer { delay: Duration::ZERO, reply }])] }
    }

    /// Answers 200 with this document.
    pub(crate) fn document(body: impl Into<Vec<u8>>) -> Reply {
        Reply::Response(Response::new(200).body(body))
    }

    /// Adds answers for a path, or for every path that is not named before.
    pub(crate) fn on(&mut self, path: Option<&str>, answers: Vec<Answer>) {
        self.rules.push(Rule::new(path, None, answers));
    }

    /// Adds answers for calls of a path whose body holds this text.
    pub(crate) fn on_holding(&mut self, path: &str, holds: String, answers: Vec<Answer>) {
        self.rules.push(Rule::new(Some(path), Some(holds), answers));
    }

    /// Every rule: its path, what a call's body is to hold, and the answers.
    pub(crate) fn rules(&self) -> impl Iterator<Item = (Option<&str>, Option<&str>, &[Answer])> {
        self.rules.iter().map(|rule| (rule.path.as_deref(), rule.holds.as_deref(), rule.answers.as_slice()))
    }

    /// What is answered by path, where it is the same document each time and nothing else.
    pub(crate) fn documents(&self) -> Option<Vec<Document>> {
        let plain = |(name, value): (&[u8], &[u8])| {
            matches!((name, value), (b":status", b"200") | (b"content-type", b"application/json"))
        };
        let document = |rule: &Rule| match (&rule.path, rule.answers.as_slice()) {
            (Some(path), [Answer { delay: Duration::ZERO, reply: Reply::Response(response) }])
                if response.headers.iter().all(plain) && response.trailers.is_none() =>
            {
                Some(Document { path: path.clone(), holds: rule.holds.clone(), body: response.body.concat() })
            }
            _ => None,
        };
        self.rules.iter().map(document).collect()
    }

    /// The next answer for a path with its query, and a body.
    pub(crate) fn next(&mut self, path: &str, body: &[u8]) -> Answer {
        let bare = path.split('?').next().unwrap_or_default();
        let body = String::from_utf8_lossy(body);
        let rule = self.rules.iter_mut().find(|rule| {
            rule.path.as_deref().is_none_or(|rule| rule == bare || rule == path)
                && rule.holds.as_ref().is_none_or(|holds| body.contains(holds))
        });
        let answer = rule.and_then(|rule| {
            let at = rule.next.min(rule.answers.len().saturating_sub(1));
            rule.next = rule.next.saturating_add(1);
            rule.answers.get(at).cloned()
        });
        answer.unwrap_or(Answer { delay: Duration::ZERO, reply: Reply::Response(Response::new(404)) })
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

    /// Whether a path has an answer.
    pub(crate) fn answers(&self, path: &str) -> bool {
        let bare = path.split('?').next().unwrap_or_default();
        self.rules.iter().any(|rule| rule.path.as_deref().is_none_or(|rule| rule == bare || rule == path))
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
            match (&rule.path, &rule.holds) {
                (Some(path), Some(holds)) => upstream.on_holding(path, holds.as_bytes(), replies),
                (Some(path), None) => upstream.on(path, replies),
                (None, _) => upstream.otherwise(replies),
            }
        })
    }
}
