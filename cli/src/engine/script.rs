//! How the clusters of a gateway answer, in sequence.

use countersign_host_sim::{Response, Upstream, UpstreamReply};
use std::collections::BTreeMap;
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
    answers: Vec<Answer>,
    next: usize,
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
    /// A status, headers and a body.
    Response { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
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
        Self {
            rules: vec![Rule { path: None, answers: vec![Answer { delay: Duration::ZERO, reply }], next: 0 }],
        }
    }

    /// Answers 200 with this document.
    pub(crate) fn document(body: impl Into<Vec<u8>>) -> Reply {
        Reply::Response { status: 200, headers: Vec::new(), body: body.into() }
    }

    /// Adds answers for a path, or for every path that is not named before.
    pub(crate) fn on(&mut self, path: Option<&str>, answers: Vec<Answer>) {
        self.rules.push(Rule { path: path.map(str::to_owned), answers, next: 0 });
    }

    /// What is answered by path, where it is the same document each time and nothing else.
    pub(crate) fn documents(&self) -> Option<BTreeMap<String, Vec<u8>>> {
        let document = |rule: &Rule| match (&rule.path, rule.answers.as_slice()) {
            (
                Some(path),
                [Answer { delay: Duration::ZERO, reply: Reply::Response { status: 200, headers, body } }],
            ) if headers.is_empty() => Some((path.clone(), body.clone())),
            _ => None,
        };
        self.rules.iter().map(document).collect()
    }

    /// The next answer for a path with its query.
    pub(crate) fn next(&mut self, path: &str) -> Answer {
        let bare = path.split('?').next().unwrap_or_default();
        let rule = self
            .rules
            .iter_mut()
            .find(|rule| rule.path.as_deref().is_none_or(|rule| rule == bare || rule == path));
        let answer = rule.and_then(|rule| {
            let at = rule.next.min(rule.answers.len().saturating_sub(1));
            rule.next = rule.next.saturating_add(1);
            rule.answers.get(at).cloned()
        });
        answer.unwrap_or(Answer {
            delay: Duration::ZERO,
            reply: Reply::Response { status: 404, headers: Vec::new(), body: Vec::new() },
        })
    }

    /// The same for the simulator.
    pub(crate) fn to_upstream(&self) -> Upstream {
        self.rules.iter().fold(Upstream::new(), |upstream, rule| {
            let replies = rule.answers.iter().map(|answer| {
                let reply = match &answer.reply {
                    Reply::Response { status, headers, body } => {
                        let response = Response::new(*status).body(body.clone());
                        let with = |response: Response, (name, value): &(String, String)| {
                            response.header(name, value)
                        };
                        UpstreamReply::response(headers.iter().fold(response, with))
                    }
                    Reply::Refused => UpstreamReply::refused(),
                    Reply::Reset => UpstreamReply::reset(),
                    Reply::Silence => UpstreamReply::never(),
                };
                reply.after(answer.delay)
            });
            match &rule.path {
                Some(path) => upstream.on(path, replies),
                None => upstream.otherwise(replies),
            }
        })
    }
}
