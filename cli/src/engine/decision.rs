//! A decision, in the one form that both engines give it.

use super::EngineError;
use crate::bytes::shown;
use countersign_host_sim::HeaderMap;
use serde_json::{Map, Value, json};

/// Headers that a gateway adds to its own answers.
const OF_THE_GATEWAY: [&[u8]; 3] = [b"content-length", b"date", b"server"];

/// What became of a request.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// It went upstream with these headers.
    Forwarded(HeaderMap),
    /// It was answered.
    Replied { status: u16, headers: HeaderMap, body: Vec<u8> },
    /// Its client went away.
    Dropped,
}

/// A decision.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    audit: Map<String, Value>,
    /// What became of the request.
    pub(crate) outcome: Outcome,
}

impl Decision {
    /// The decision that `audit` tells of.
    pub(crate) fn new(audit: &[String], outcome: Outcome) -> Result<Self, EngineError> {
        let [line] = audit else { return Err(EngineError::AuditLines(audit.len())) };
        match serde_json::from_str(line) {
            Ok(Value::Object(audit)) => Ok(Self { audit, outcome }),
            Ok(_) | Err(_) => Err(EngineError::AuditForm(line.clone())),
        }
    }

    /// A member of the audit line.
    pub(crate) fn member(&self, name: &str) -> Option<&str> {
        self.audit.get(name)?.as_str()
    }

    /// The status that the client sees; where the request goes upstream, of an upstream that answers 200.
    pub(crate) fn status(&self) -> u16 {
        match &self.outcome {
            Outcome::Forwarded(_) => 200,
            Outcome::Replied { status, .. } => *status,
            Outcome::Dropped => 0,
        }
    }

    /// A header of the answer, where the request was answered.
    pub(crate) fn reply_header(&self, name: &str) -> Option<String> {
        match &self.outcome {
            Outcome::Replied { headers, .. } => headers.text(name),
            Outcome::Forwarded(_) | Outcome::Dropped => None,
        }
    }

    /// The decision record: the audit line, the status, and what went upstream under `prefix` or back to the client.
    pub(crate) fn record(&self, prefix: &str) -> Map<String, Value> {
        let mut record = self.audit.clone();
        record.insert("status".into(), self.status().into());
        match &self.outcome {
            Outcome::Forwarded(headers) => {
                let ours = headers.iter().filter(|(name, _)| name.starts_with(prefix.as_bytes()));
                record.insert("upstream_headers".into(), pairs(ours));
            }
            Outcome::Replied { headers, body, .. } => {
                record.insert("headers".into(), pairs(answered(headers)));
                record.insert("body".into(), document(body));
            }
            Outcome::Dropped => {}
        }
        record
    }

    /// Everything in which two engines must agree: the record, with every header that went upstream.
    pub(crate) fn comparable(&self) -> Value {
        let mut whole = self.record("");
        // A VM and a worker of their own count their caches apart; all else is the same.
        if let Some(Value::Array(headers)) = whole.get_mut("upstream_headers") {
            headers.sort_by_key(ToString::to_string);
        }
        Value::Object(whole)
    }
}

/// The headers of an answer, without those that every gateway adds by itself.
fn answered(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers.iter().filter(|(name, _)| !name.starts_with(b":") && !OF_THE_GATEWAY.contains(name))
}

fn pairs<'a>(headers: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Value {
    headers.map(|(name, value)| json!([shown(name), shown(value)])).collect()
}

fn document(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| shown(body))
}
