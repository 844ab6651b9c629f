//! Requests and what became of them, in the form in which both hosts say it. Bytes are strings of one character each (latin1).

use countersign_host_sim::{
    HeaderMap, Host, LocalReply, LogLevel, Message, Outcome, Response, ResponseOutcome,
};
use serde_json::{Map, Value, json};

use super::super::case::Prepared;
use crate::engine::{Reply, Script};

/// Bytes as a string of one character each.
pub(super) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn headers(map: &HeaderMap) -> Value {
    map.iter().map(|(name, value)| json!([latin1(name), latin1(value)])).collect()
}

fn message(message: &Message) -> Value {
    json!({
        "headers": headers(&message.headers),
        "body": latin1(&message.body),
        "trailers": headers(&message.trailers),
    })
}

/// A request with its response.
pub(super) fn request(prepared: &Prepared) -> Value {
    let chunks = |body: &[Vec<u8>]| -> Vec<String> { body.iter().map(|chunk| latin1(chunk)).collect() };
    let Prepared { request, response, .. } = prepared;
    let properties: Map<String, Value> = request
        .properties
        .encoded()
        .map(|(path, value)| (latin1(path), Value::from(latin1(&value))))
        .collect();
    json!({
        "request": {
            "headers": headers(&request.headers),
            "body": chunks(&request.body),
            "trailers": request.trailers.as_ref().map(headers),
        },
        "properties": properties,
        "response": response.as_ref().map(|response| json!({
            "headers": headers(&response.headers),
            "body": chunks(&response.body),
            "trailers": response.trailers.as_ref().map(headers),
        })),
    })
}

/// How a cluster answers.
pub(super) fn script(script: &Script) -> Value {
    script
        .rules()
        .map(|(path, holds, answers)| {
            let answers: Vec<Value> = answers
                .iter()
                .map(|answer| match &answer.reply {
                    Reply::Response(response) => answer_of(response),
                    Reply::Half(_) | Reply::Refused | Reply::Reset | Reply::Silence => {
                        json!({ "status": 503, "headers": [], "body": "" })
                    }
                })
                .collect();
            json!({ "path": path, "holds": holds, "answers": answers })
        })
        .collect()
}

/// A whole answer, its status apart.
fn answer_of(response: &Response) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let named = response.headers.iter().filter(|(name, _)| !name.starts_with(b":"));
    let headers: Vec<Value> = named.map(|(name, value)| json!([text(name), text(value)])).collect();
    let status =
        response.headers.text(":status").and_then(|status| status.parse::<u16>().ok()).unwrap_or(200);
    json!({ "status": status, "headers": headers, "body": latin1(&response.body.concat()) })
}

/// What becomes of a request in the simulator.
pub(super) fn of(host: &mut Host, prepared: &Prepared) -> Value {
    let (outcome, response) = match &prepared.response {
        Some(response) => host.exchange(&prepared.request, response.clone()),
        None => (host.run(&prepared.request), ResponseOutcome::None),
    };
    let logs = host.take_logs();
    let logs: Vec<Value> = logs.into_iter().map(|line| json!([level(line.level), line.message])).collect();
    let mut said = json!({ "logs": logs });
    let disposition = match outcome {
        Outcome::Forwarded(sent) => {
            said["forwarded"] = message(&sent);
            "forwarded".to_owned()
        }
        Outcome::Reply(made) => {
            said["reply"] = reply(&made);
            format!("reply {}", made.status)
        }
        Outcome::Paused | Outcome::Incomplete => "held".to_owned(),
        Outcome::Closed | Outcome::Failed(_) => "failed".to_owned(),
    };
    match response {
        ResponseOutcome::Sent(sent) => said["sent"] = message(&sent),
        ResponseOutcome::Reply(sent) => said["reply"] = reply(&sent),
        ResponseOutcome::Paused | ResponseOutcome::None | ResponseOutcome::Failed(_) => {}
    }
    said["disposition"] = disposition.into();
    said
}

fn reply(made: &LocalReply) -> Value {
    json!({ "status": made.status, "headers": headers(&made.headers), "body": latin1(&made.body) })
}

fn level(level: LogLevel) -> u32 {
    level as u32
}

/// Puts headers into one order: which comes first of two names is no part of a decision.
pub(super) fn sort_headers(outcome: &mut Value) {
    for part in ["forwarded", "reply", "sent"] {
        for name in ["headers", "trailers"] {
            let pairs = outcome.get_mut(part).and_then(|part| part.get_mut(name));
            if let Some(Value::Array(pairs)) = pairs {
                pairs.sort_by(|a, b| a[0].as_str().cmp(&b[0].as_str()));
            }
        }
    }
}

/// The first member in which two outcomes differ, in words.
pub(super) fn difference(ours: &Value, theirs: &Value) -> Option<String> {
    // What is decided comes first.
    for name in ["disposition", "forwarded", "reply", "sent", "logs"] {
        let (ours, theirs) = (&ours[name], &theirs[name]);
        if ours != theirs {
            return Some(match (ours, theirs) {
                (Value::Object(ours), Value::Object(theirs)) => {
                    let member = ours.keys().find(|member| ours.get(*member) != theirs.get(*member));
                    let member = member.map_or("", String::as_str);
                    let of = |value: Option<&Value>| value.unwrap_or(&Value::Null).to_string();
                    let (ours, theirs) = (of(ours.get(member)), of(theirs.get(member)));
                    format!("`{name}.{member}`: wasmtime {ours}, V8 {theirs}")
                }
                _ => format!("`{name}`: wasmtime {ours}, V8 {theirs}"),
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_what_differs() {
        let ours = json!({ "disposition": "forwarded", "forwarded": { "headers": [["b", "1"], ["a", "2"]], "body": "" } });
        let mut same = json!({ "disposition": "forwarded", "forwarded": { "headers": [["a", "2"], ["b", "1"]], "body": "" } });
        let mut sorted = ours.clone();
        sort_headers(&mut sorted);
        sort_headers(&mut same);
        assert_eq!(difference(&sorted, &same), None);
        same["forwarded"]["body"] = "x".into();
        assert_eq!(difference(&sorted, &same).unwrap(), "`forwarded.body`: wasmtime \"\", V8 \"x\"");
        same["disposition"] = "reply 403".into();
        assert!(difference(&sorted, &same).unwrap().starts_with("`disposition`: wasmtime \"forwarded\""));
    }
}
