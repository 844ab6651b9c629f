//! A request to decide, as `eval` and `explain` read it: one JSON object a line.

mod line;
mod members;
#[cfg(test)]
mod tests;

pub(crate) use line::{bytes, header_list, parse, property};

use crate::engine::Request;
use countersign_core::time::Timestamp;
use countersign_host_sim::{HeaderMap, PropertyValue};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A request with its time and world.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Given back with the decision.
    pub(crate) id: Option<Value>,
    /// When the request comes.
    pub(crate) time: Timestamp,
    /// The request.
    pub(crate) request: Request,
    /// The key documents that issuers publish, in place of the configuration's sources.
    pub(crate) jwks: Option<Jwks>,
    /// What the decision record is expected to hold.
    pub(crate) expect: Option<Map<String, Value>>,
}

/// Key documents, as text that may be anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Jwks {
    /// The text as it stands.
    pub(crate) raw: String,
}

impl Jwks {
    /// The document of one issuer: the text itself, or where it is an object that names configured issuers, the member of
    /// that name. Nothing where the member is absent or `null`.
    pub(crate) fn of<'i>(&self, issuers: impl IntoIterator<Item = &'i str>) -> BTreeMap<usize, Vec<u8>> {
        let issuers: Vec<&str> = issuers.into_iter().collect();
        let members = members::members(&self.raw).unwrap_or_default();
        let named = |name: &str| issuers.iter().position(|issuer| *issuer == name);
        if !members.iter().any(|(name, _)| named(name).is_some()) {
            return (0..issuers.len()).map(|issuer| (issuer, self.raw.clone().into_bytes())).collect();
        }
        members
            .into_iter()
            .filter(|(_, value)| *value != "null")
            .filter_map(|(name, value)| Some((named(&name)?, unquoted(value).into_bytes())))
            .collect()
    }
}

/// The text in a JSON string; all else as it stands.
fn unquoted(raw: &str) -> String {
    serde_json::from_str::<String>(raw).unwrap_or_else(|_| raw.to_owned())
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadCase {
    /// The field, such as `headers[2]`; empty for the line as a whole.
    pub(crate) field: String,
    /// What was expected, and what was found.
    pub(crate) message: String,
}

impl BadCase {
    pub(crate) fn at(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

impl std::fmt::Display for BadCase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.field.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "`{}`: {}", self.field, self.message)
        }
    }
}

/// The parts of a request that make up its pseudo-headers.
pub(crate) struct Target<'a> {
    pub(crate) method: Option<&'a str>,
    pub(crate) url: Option<&'a str>,
}

impl Target<'_> {
    /// Puts the pseudo-headers in front of `headers`. What stands there already stays: a client may send anything.
    pub(crate) fn into_headers(self, headers: Vec<(Vec<u8>, Vec<u8>)>) -> Result<HeaderMap, BadCase> {
        let given = |name: &str| headers.iter().any(|(have, _)| have.eq_ignore_ascii_case(name.as_bytes()));
        let mut pseudo: Vec<(&str, &str)> = Vec::new();
        if self.method.is_some() || !given(":method") {
            pseudo.push((":method", self.method.unwrap_or("GET")));
        }
        match self.url {
            Some(url) => {
                let (scheme, authority, path) = split(url)?;
                pseudo.extend([(":scheme", scheme.unwrap_or("https")), (":path", path)]);
                if let Some(authority) = authority {
                    pseudo.push((":authority", authority));
                } else if !given(":authority") && !given("host") {
                    pseudo.push((":authority", "localhost"));
                }
            }
            None if given(":path") => {
                for (name, usual) in [(":scheme", "https"), (":authority", "localhost")] {
                    let by_host = name == ":authority" && given("host");
                    if !given(name) && !by_host {
                        pseudo.push((name, usual));
                    }
                }
            }
            None => {
                return Err(BadCase::at(
                    "url",
                    "expected `https://host/path` or a path that starts with `/`, found none",
                ));
            }
        }
        let pseudo =
            pseudo.into_iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        Ok(HeaderMap::from_pairs(pseudo.chain(headers)))
    }
}

/// Scheme, authority and path of a URL, byte for byte: nothing is normalised, for how a path is read is what is tested.
fn split(url: &str) -> Result<(Option<&str>, Option<&str>, &str), BadCase> {
    if url.starts_with('/') || url == "*" {
        return Ok((None, None, url));
    }
    let (scheme, rest) =
        url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https")).ok_or_else(|| {
            BadCase::at(
                "url",
                format!("expected `https://host/path` or a path that starts with `/`, found `{url}`"),
            )
        })?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    Ok((Some(scheme), Some(authority), if path.is_empty() { "/" } else { path }))
}

/// The properties of a connection whose peer has this SPIFFE ID in its certificate.
pub(crate) fn peer(properties: &mut BTreeMap<String, PropertyValue>, uri: impl Into<PropertyValue>) {
    properties.insert("connection.mtls".into(), PropertyValue::Bool(true));
    properties.insert("connection.uri_san_peer_certificate".into(), uri.into());
}

/// What is meant by an expectation: an object with members of the decision record, `allow`, `deny`, or a reason code.
pub(crate) fn expectation(value: Value) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(members) => Ok(members),
        Value::String(text) => {
            let member = if text == "allow" || text == "deny" { "decision" } else { "reason" };
            Ok(Map::from_iter([(member.to_owned(), Value::String(text))]))
        }
        other => Err(format!("expected an object, `allow`, `deny` or a reason code, found {other}")),
    }
}

/// In what a record falls short of an expectation: one line for each member. Objects are compared member by member, where
/// only those that are expected count.
pub(crate) fn shortfalls(expected: &Map<String, Value>, record: &Map<String, Value>) -> String {
    let mut lines = String::new();
    fall_short("", expected, record, &mut lines);
    lines
}

fn fall_short(path: &str, expected: &Map<String, Value>, record: &Map<String, Value>, lines: &mut String) {
    use std::fmt::Write;
    for (name, want) in expected {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match (want, record.get(name)) {
            (Value::Object(want), Some(Value::Object(have))) => fall_short(&path, want, have, lines),
            (Value::Null, None) => {}
            (want, Some(have)) if want == have => {}
            (want, have) => {
                let have = have.map_or_else(|| String::from("none"), ToString::to_string);
                _ = writeln!(lines, "`{path}`: expected {want}, got {have}");
            }
        }
    }
}
