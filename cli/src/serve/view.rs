//! An exchange as the page shows it: JSON in which no credential is left.

use countersign_core::reason::Reason;
use countersign_core::time::Timestamp;
use countersign_host_sim::serve::{Called, Ended, Exchange, Times};
use countersign_host_sim::{HeaderMap, MetricValue, Metrics, Properties, PropertyValue};
use serde_json::{Map, Value, json};

use super::secrets::{Kind, Secrets, scrub};
use crate::engine::AUDIT;
use crate::time;

/// The audit line among what was logged, where it is Countersign that ran, without what looks like a credential in it.
pub(crate) fn audit(exchange: &Exchange, secrets: &Secrets) -> Option<Map<String, Value>> {
    let own = secrets.trusts_audit();
    let line = exchange.logs.iter().find(|line| own && line.message.starts_with(AUDIT))?;
    serde_json::from_str(&line.message).ok().map(|audit| secrets.audit(audit))
}

/// What the list of decisions shows.
pub(crate) fn summary(exchange: &Exchange, secrets: &Secrets, replay_of: Option<u64>) -> Value {
    let audit = audit(exchange, secrets).unwrap_or_default();
    let member = |name: &str| audit.get(name).cloned().unwrap_or_default();
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
        "method": scrub(&text(":method"), Kind::Text),
        "path": secrets.path(&text(":path")),
        "decision": decision,
        "kind": kind,
        "outcome": outcome(&exchange.ended),
        "status": client_status(&exchange.ended),
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
    let own = secrets.trusts_audit();
    let logs = exchange.logs.iter().filter(|line| !(own && line.message.starts_with(AUDIT)));
    let call = |called: &Called| {
        format!("{} {}", scrub(&called.cluster, Kind::Identifier), secrets.path(&called.path))
    };
    json!({
        "decision": summary,
        "audit": audit(exchange, secrets),
        "replay_path": secrets.path(&exchange.request.text(":path").unwrap_or_default()),
        "peer": peer(&exchange.properties),
        "request_headers": headers(&exchange.request, secrets),
        "upstream_headers": exchange.forwarded.as_ref().map(|head| headers(head, secrets)),
        "response_headers": headers(&exchange.response, secrets),
        "body": { "bytes": exchange.request_bytes, "kept": exchange.body.len() },
        "reply": scrub(&String::from_utf8_lossy(&exchange.reply), Kind::Text),
        "properties": properties(&exchange.properties),
        "logs": logs.map(|line| scrub(&line.to_string(), Kind::Text).into_owned()).collect::<Vec<_>>(),
        "calls": exchange.calls.iter().map(call).collect::<Vec<_>>(),
        "replayable": true,
    })
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
        let hidden = secrets.header(&name, value);
        let secret = hidden.is_some() && !name.starts_with(':');
        let value = hidden.unwrap_or_else(|| String::from_utf8_lossy(value).into_owned());
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
    let shown = |value| scrub(&shown(value), Kind::Identifier).into_owned();
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
        .map(|metric| json!({ "name": scrub(&metric.name, Kind::Identifier), "value": shown(metric.value) }))
        .collect()
}

/// How it ended in a few words.
fn outcome(ended: &Ended) -> &'static str {
    match ended {
        Ended::Forwarded(_) => "forwarded",
        Ended::Replied(_) => "answered by the filter",
        Ended::Gateway(_, why) => why,
        Ended::Reset => "closed by the filter",
        Ended::Failed => "the filter failed",
        _ => "the client went away",
    }
}

/// The status that the client got; 0 where it got none.
pub(crate) fn client_status(ended: &Ended) -> u16 {
    match ended {
        Ended::Forwarded(status) | Ended::Replied(status) | Ended::Gateway(status, _) => *status,
        Ended::Failed => 503,
        _ => 0,
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
