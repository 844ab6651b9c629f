//! Reading one line.

use super::members::members;
use super::{BadCase, Case, Jwks, Target, expectation, peer, unquoted};
use crate::bytes::{EXPECTED, encoded};
use crate::engine::Request;
use crate::time;
use countersign_core::time::Timestamp;
use countersign_host_sim::PropertyValue;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const FIELDS: &str =
    "`id`, `method`, `url`, `headers`, `properties`, `peer`, `body`, `time`, `jwks`, `expect`";

/// Reads a line; `now` is the time of a request that states none.
pub(crate) fn parse(line: &str, now: Timestamp) -> Result<Case, BadCase> {
    let members = members(line).map_err(|message| BadCase::at("", message))?;
    let mut case = Case { id: None, time: now, request: Request::default(), jwks: None, expect: None };
    let (mut method, mut url): (Option<String>, Option<String>) = (None, None);
    let mut headers = Vec::new();
    let mut certificate = None;
    let mut seen = BTreeSet::new();
    for (name, raw) in members {
        if !seen.insert(name.clone()) {
            return Err(BadCase::at(name, "expected once, found twice"));
        }
        match name.as_str() {
            "id" => case.id = Some(read(&name, raw, "any JSON value")?),
            "method" => method = read(&name, raw, "a string")?,
            "url" => url = read(&name, raw, "a string")?,
            "headers" => headers = header_list(read(&name, raw, "a list of pairs")?)?,
            "properties" => {
                let members: Option<BTreeMap<String, Value>> = read(&name, raw, "an object")?;
                for (path, value) in members.unwrap_or_default() {
                    if let Some(value) = property(&value, &format!("properties.{path}"))? {
                        case.request.properties.insert(path, value);
                    }
                }
            }
            "peer" => certificate = bytes(&read(&name, raw, "a string")?, "peer")?,
            "body" => case.request.body.extend(bytes(&read(&name, raw, "a string")?, "body")?),
            "time" => {
                let value: Value = read(&name, raw, time::EXPECTED_TIME)?;
                if !value.is_null() {
                    case.time = time::from_json(&value).ok_or_else(|| {
                        BadCase::at("time", format!("expected {}, found {value}", time::EXPECTED_TIME))
                    })?;
                }
            }
            "jwks" if raw == "null" => {}
            "jwks" => case.jwks = Some(Jwks { raw: unquoted(raw) }),
            "expect" => {
                let value: Value = read(&name, raw, "an object")?;
                if !value.is_null() {
                    case.expect = Some(expectation(value).map_err(|message| BadCase::at("expect", message))?);
                }
            }
            _ => return Err(BadCase::at(name, format!("unknown field, expected one of {FIELDS}"))),
        }
    }
    if let Some(uri) = certificate {
        peer(&mut case.request.properties, uri);
    }
    let target = Target { method: method.as_deref(), url: url.as_deref() };
    case.request.headers = target.into_headers(headers)?;
    Ok(case)
}

fn read<T: DeserializeOwned>(field: &str, raw: &str, expected: &str) -> Result<T, BadCase> {
    serde_json::from_str(raw).map_err(|error| {
        let shown: String = raw.chars().take(40).collect();
        let kind = if error.is_data() { String::new() } else { format!(" ({error})") };
        BadCase::at(field, format!("expected {expected}, found `{shown}`{kind}"))
    })
}

/// Pairs `["name", "value"]`, or an object whose values are texts or lists of texts.
pub(crate) fn header_list(value: Value) -> Result<Vec<(Vec<u8>, Vec<u8>)>, BadCase> {
    let mut headers = Vec::new();
    match value {
        Value::Null => {}
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let field = format!("headers[{index}]");
                let Some([name, value]) = item.as_array().map(Vec::as_slice) else {
                    return Err(BadCase::at(
                        field,
                        format!("expected a pair `[\"name\", \"value\"]`, found {item}"),
                    ));
                };
                headers.push((
                    required(name, &format!("{field}[0]"))?,
                    required(value, &format!("{field}[1]"))?,
                ));
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                let field = format!("headers.{name}");
                let values = match value {
                    Value::Array(values) => values,
                    value => vec![value],
                };
                for value in values {
                    headers.push((name.clone().into_bytes(), required(&value, &field)?));
                }
            }
        }
        other => return Err(BadCase::at("headers", format!("expected a list of pairs, found {other}"))),
    }
    Ok(headers)
}

fn required(value: &Value, field: &str) -> Result<Vec<u8>, BadCase> {
    bytes(value, field)?.ok_or_else(|| BadCase::at(field, format!("expected {EXPECTED}, found null")))
}

/// A text, or bytes as an object; nothing for `null`.
pub(crate) fn bytes(value: &Value, field: &str) -> Result<Option<Vec<u8>>, BadCase> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone().into_bytes())),
        Value::Object(members) => encoded(members).map(Some).map_err(|message| BadCase::at(field, message)),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            Err(BadCase::at(field, format!("expected {EXPECTED}, found {value}")))
        }
    }
}

/// A property's value; nothing for `null`.
pub(crate) fn property(value: &Value, field: &str) -> Result<Option<PropertyValue>, BadCase> {
    match value {
        Value::Bool(value) => Ok(Some(PropertyValue::Bool(*value))),
        Value::Number(number) => Ok(Some(match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => PropertyValue::Int(value),
            (None, Some(value)) => PropertyValue::Uint(value),
            (None, None) => PropertyValue::Double(number.as_f64().unwrap_or_default()),
        })),
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            Ok(bytes(value, field)?.map(PropertyValue::Bytes))
        }
    }
}
