//! An exchange as the page shows it: JSON in which no credential is left.

use countersign_core::reason::Reason;
use countersign_core::time::Timestamp;
use countersign_host_sim::serve::{Ended, Exchange, Times};
use countersign_host_sim::{HeaderMap, MetricValue, Metrics, Properties, PropertyValue};
use serde_json::{Map, Value, json};

use super::secrets::{Secrets, scrub};
use crate::engine::AUDIT;
use crate::time;

/// The audit line among what was logged, where it is Countersign that ran.
pub(crate) fn audit(exchange: &Exchange) -> Option<Map<String, Value>> {
    let line = exchange.logs.iter().find(|line| line.message.starts_with(AUDIT))?;
    serde_json::from_str(&line.message).ok()
}

/// What the list of decisions shows.
pub(crate) fn summary(exchange: &Exchange, secrets: &Secrets, replay_of: Option<u64>) -> Value {
    let audit = audit(exchange).unwrap_or_default();
    let member = |name: &str| audit.get(name).cloned().unwrap_or_default();
    let (outcome, status) = outcome(&exchange.ended);
    let decision = match audit.get("decision").and_then(Value::as_str) {
        Some(decision) => decision,
        None => match exchange.ended {
            Ended::Forwarded(_) => "forwarded",
            Ended::Replied(_) => "answered",
            Ended::Failed => "failed",
            _ => "ended",
        },
    };
    let kind = match (decision, &exchange.ended) {
        ("allow" | "forwarded", _) => "allow",
        ("deny", _) | (_, Ended::Replied(400..)) => "deny",
        _ => "other",
    };
    let reason = audit.get("reason").and_then(Value::as_str);
    let title = Reason::ALL.iter().find(|known| Some(known.code()) == reason).map(|known| known.title());
    let text = |name: &str| exchange.request.text(name).unwrap_or_default();
    json!({
        "id": exchange.id,
        "time": time::show(Timestamp::from_nanos(i64::try_from(exchange.at).unwrap_or(i64::MAX))),
        "method": text(":method"),
        "path": secrets.path(&text(":path")),
        "decision": decision,
        "kind": kind,
        "outcome": outcome,
        "status": status,
        "layer": member("layer"),
        "reason": member("reason"),
        "title": title,
        "principal": member("principal"),
        "workload": member("workload"),
        "route": member("route"),
        "policies": member("policies"),
        "times": times(&exchange.times),
        "generation": exchange.generation,
        "worker": exchange.worker,
        "replay_of": replay_of,
    })
}

/// What the page shows of an exchange.
pub(crate) struct Shown {
    /// In the list.
    pub(crate) summary: Value,
    /// By itself.
    pub(crate) detail: Value,
}

impl Shown {
    /// What is shown of one: in no more bytes than these, or by its summary alone.
    pub(crate) fn of(exchange: &Exchange, secrets: &Secrets, replay_of: Option<u64>, bytes: usize) -> Self {
        let summary = summary(exchange, secrets, replay_of);
        let within = exchange.byte_size() - exchange.body.len() <= bytes;
        let detail = within.then(|| detail(exchange, secrets, &summary));
        let detail = detail.filter(|detail| detail.to_string().len() <= bytes);
        let detail = detail.unwrap_or_else(|| too_large(&summary));
        Self { summary, detail }
    }

    /// Its request is no longer kept.
    pub(crate) fn keep_no_more(&mut self) {
        if let Some(members) = self.detail.as_object_mut() {
            members.insert("replayable".into(), false.into());
        }
    }
}

/// What is shown of one decision.
fn detail(exchange: &Exchange, secrets: &Secrets, summary: &Value) -> Value {
    let logs = exchange.logs.iter().filter(|line| !line.message.starts_with(AUDIT));
    let calls = exchange.calls.iter().map(|call| format!("{} {}", call.cluster, secrets.path(&call.path)));
    json!({
        "decision": summary,
        "audit": audit(exchange).map(|audit| scrubbed(Value::Object(audit))),
        "replay_path": secrets.path(&exchange.request.text(":path").unwrap_or_default()),
        "peer": peer(&exchange.properties),
        "request_headers": headers(&exchange.request, secrets),
        "upstream_headers": exchange.forwarded.as_ref().map(|head| headers(head, secrets)),
        "response_headers": headers(&exchange.response, secrets),
        "body": { "bytes": exchange.request_bytes, "kept": exchange.body.len() },
        "reply": scrub(&String::from_utf8_lossy(&exchange.reply)),
        "properties": properties(&exchange.properties),
        "logs": logs.map(|line| scrub(&line.to_string()).into_owned()).collect::<Vec<_>>(),
        "calls": calls.collect::<Vec<_>>(),
        "replayable": true,
    })
}

/// A value whose texts hold nothing that looks like a credential.
fn scrubbed(value: Value) -> Value {
    match value {
        Value::String(text) => scrub(&text).into_owned().into(),
        Value::Array(items) => items.into_iter().map(scrubbed).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, scrubbed(value))).collect(),
        other => other,
    }
}

/// What is shown of one that is too large to be kept whole.
fn too_large(summary: &Value) -> Value {
    let note = "it is larger than what is kept of a decision";
    json!({
        "decision": summary, "audit": null, "replay_path": summary["path"], "peer": null, "request_headers": [],
        "upstream_headers": null, "response_headers": [], "body": null, "reply": note, "properties": [], "logs": [], "calls": [],
        "replayable": false,
    })
}

/// The SPIFFE ID, or other URI, in the peer's certificate.
pub(crate) fn peer(properties: &Properties) -> Option<String> {
    match properties.find("connection.uri_san_peer_certificate")? {
        PropertyValue::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    }
}

fn headers(head: &HeaderMap, secrets: &Secrets) -> Vec<Value> {
    let shown = |(index, (name, value)): (usize, (&[u8], &[u8]))| {
        let name = String::from_utf8_lossy(name).into_owned();
        let text = || String::from_utf8_lossy(value).into_owned();
        let hidden = if name == ":path" { None } else { secrets.header(&name, value) };
        let secret = hidden.is_some();
        let value = if name == ":path" { secrets.path(&text()) } else { hidden.unwrap_or_else(text) };
        json!({ "index": index, "name": name, "value": value, "secret": secret })
    };
    head.iter().enumerate().map(shown).collect()
}

fn properties(properties: &Properties) -> Vec<Value> {
    let shown = |value: &PropertyValue| match value {
        PropertyValue::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        PropertyValue::Bool(value) => value.to_string(),
        PropertyValue::Int(value) => value.to_string(),
        PropertyValue::Uint(value) => value.to_string(),
        PropertyValue::Double(value) => value.to_string(),
        _ => String::from("…"),
    };
    properties.iter().map(|(name, value)| json!({ "name": name, "value": shown(value) })).collect()
}

/// The module's metrics by name: a number, or of a histogram how many values there were and their sum.
pub(crate) fn metrics(metrics: &Metrics) -> Value {
    let shown = |value: MetricValue| match value {
        MetricValue::Counter(number) | MetricValue::Gauge(number) => number.to_string(),
        MetricValue::Histogram(values) => format!("{} values, sum {}", values.count, values.sum),
    };
    metrics
        .all()
        .into_iter()
        .map(|metric| json!({ "name": metric.name, "value": shown(metric.value) }))
        .collect()
}

/// How it ended in a few words, and the status that the client got.
fn outcome(ended: &Ended) -> (String, u16) {
    match ended {
        Ended::Forwarded(status) => (String::from("forwarded"), *status),
        Ended::Replied(status) => (String::from("answered by the filter"), *status),
        Ended::Gateway(status, why) => ((*why).to_owned(), *status),
        Ended::Reset => (String::from("closed by the filter"), 0),
        Ended::Failed => (String::from("the filter failed"), 503),
        _ => (String::from("the client went away"), 0),
    }
}

/// In microseconds.
fn times(times: &Times) -> Value {
    let micros = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    json!({
        "total": micros(times.total), "guest": micros(times.guest), "host": micros(times.host),
        "held": micros(times.held), "upstream": micros(times.upstream),
    })
}
