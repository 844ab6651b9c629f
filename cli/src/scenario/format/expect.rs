//! What is expected of a request or a step.

use super::Bytes;
use crate::bytes;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// An expectation. What is not named may be anything.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct Expect {
    /// `allow` or `deny`.
    #[serde(default)]
    pub(in crate::scenario) decision: Option<String>,
    /// The layer that refused.
    #[serde(default)]
    pub(in crate::scenario) layer: Option<String>,
    /// The code of the reason.
    #[serde(default)]
    pub(in crate::scenario) reason: Option<String>,
    /// The status that the client gets.
    #[serde(default)]
    pub(in crate::scenario) status: Option<u16>,
    /// The name of the route.
    #[serde(default)]
    pub(in crate::scenario) route: Option<String>,
    /// Who asked, as policies see it.
    #[serde(default)]
    pub(in crate::scenario) principal: Option<String>,
    /// The determining policies, in any order.
    #[serde(default)]
    pub(in crate::scenario) policies: Option<Vec<String>>,
    /// The request as it went upstream: headers by name, beside `headers`, `body` and `trailers`.
    #[serde(default)]
    pub(in crate::scenario) upstream: Option<UpstreamExpect>,
    /// Headers of the refusal by name: `null` for one that must not be there, `*` in a value for anything.
    #[serde(default)]
    pub(in crate::scenario) headers: BTreeMap<String, ValueExpect>,
    /// The challenge of the refusal, in the same form.
    #[serde(default, rename = "www-authenticate")]
    pub(in crate::scenario) challenge: Option<String>,
    /// Other members of the decision record.
    #[serde(default)]
    pub(in crate::scenario) record: Map<String, Value>,
    /// What became of the request: `forwarded`, `reply`, `paused`, `incomplete`, `closed` or `failed`.
    #[serde(default)]
    pub(in crate::scenario) outcome: Option<String>,
    /// Why the VM failed, such as `proxy_on_request_headers: trapped*`.
    #[serde(default)]
    pub(in crate::scenario) failure: Option<String>,
    /// What the client got.
    #[serde(default)]
    pub(in crate::scenario) downstream: Option<DownstreamExpect>,
    /// The HTTP calls that were made: how many, each of them in order, or how many like this.
    #[serde(default)]
    pub(in crate::scenario) calls: Option<CallsExpect>,
    /// Metrics by name: a value, `+2` for what was added, an object for a histogram, `null` for one that was not defined.
    #[serde(default)]
    pub(in crate::scenario) metrics: BTreeMap<String, Metric>,
    /// Lines that were logged or not, as `[level] message`.
    #[serde(default)]
    pub(in crate::scenario) logs: LogsExpect,
    /// The fuel that callbacks used.
    #[serde(default)]
    pub(in crate::scenario) fuel: Option<Range>,
    /// Bytes of the largest VM's memory.
    #[serde(default)]
    pub(in crate::scenario) memory: Option<Range>,
    /// How often host functions were called, by name.
    #[serde(default)]
    pub(in crate::scenario) host_calls: BTreeMap<String, Range>,
}

/// An expectation in short: `allow`, `deny`, the code of a reason, or an outcome; or an object.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "for the schema alone")]
pub(super) enum ExpectChoice {
    /// `allow`, `deny`, the code of a reason, or of a module other than Countersign an outcome such as `forwarded`.
    Short(String),
    /// What is expected, one by one.
    Whole(Box<Expect>),
}

/// A message that left the filter upstream.
#[derive(Debug, Default)]
pub(in crate::scenario) struct UpstreamExpect {
    /// Headers, named one by one or all of them.
    pub(in crate::scenario) headers: HeadersExpect,
    pub(in crate::scenario) body: Option<BodyExpect>,
    pub(in crate::scenario) trailers: Option<HeadersExpect>,
}

/// A message that the client got.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct DownstreamExpect {
    /// Its status.
    #[serde(default)]
    pub(in crate::scenario) status: Option<u16>,
    /// Its headers.
    #[serde(default)]
    pub(in crate::scenario) headers: HeadersExpect,
    /// Its body.
    #[serde(default)]
    pub(in crate::scenario) body: Option<BodyExpect>,
    /// Its trailers.
    #[serde(default)]
    pub(in crate::scenario) trailers: Option<HeadersExpect>,
}

/// Headers: some by name, or all of them as pairs in their order.
#[derive(Clone, Debug)]
pub(in crate::scenario) enum HeadersExpect {
    Some(BTreeMap<String, ValueExpect>),
    All(Vec<(Vec<u8>, ValueExpect)>),
}

/// What a header holds.
#[derive(Clone, Debug)]
pub(in crate::scenario) enum ValueExpect {
    /// It is not there.
    Absent,
    /// A text in which `*` stands for anything.
    Pattern(String),
    /// These bytes.
    Bytes(Vec<u8>),
    /// The file's token of this name, as a bearer token.
    Token(String),
    /// One header for each of these, in this order.
    Each(Vec<ValueExpect>),
}

/// What a body holds.
#[derive(Clone, Debug)]
pub(in crate::scenario) enum BodyExpect {
    /// A text in which `*` stands for anything.
    Pattern(String),
    /// These bytes.
    Bytes(Vec<u8>),
    /// This value as JSON, however it is written.
    Json(Value),
}

/// A call that was made.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct CallExpect {
    /// The cluster.
    #[serde(default)]
    pub(in crate::scenario) cluster: Option<String>,
    /// `:method`
    #[serde(default)]
    pub(in crate::scenario) method: Option<String>,
    /// `:path`, in which `*` stands for anything.
    #[serde(default)]
    pub(in crate::scenario) path: Option<String>,
    /// Headers, in the form of those upstream.
    #[serde(default)]
    pub(in crate::scenario) headers: HeadersExpect,
    /// The body.
    #[serde(default)]
    pub(in crate::scenario) body: Option<BodyExpect>,
    /// How many calls like this there are; only where this is not in a list.
    #[serde(default)]
    pub(in crate::scenario) count: Option<usize>,
}

/// Calls that were made.
#[derive(Clone, Debug)]
pub(in crate::scenario) enum CallsExpect {
    /// So many.
    Count(usize),
    /// These, in this order, and no others.
    Each(Vec<CallExpect>),
    /// So many like this; at least one where no number is given.
    Like(Box<CallExpect>),
}

/// What a metric must be.
#[derive(Clone, Debug)]
pub(in crate::scenario) enum Metric {
    Absent,
    Value(u64),
    Delta(i64),
    Histogram { count: Option<u64>, sum: Option<u64> },
}

/// Lines that must have been logged, and lines that must not. A pattern may stand anywhere in a line, and `*` is anything.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct LogsExpect {
    /// Each of these is in some line.
    #[serde(default)]
    pub(in crate::scenario) present: Vec<String>,
    /// None of these is in any line.
    #[serde(default)]
    pub(in crate::scenario) absent: Vec<String>,
}

/// A number: itself, or bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scenario) struct Range {
    pub(in crate::scenario) min: u64,
    pub(in crate::scenario) max: u64,
}

impl Default for HeadersExpect {
    fn default() -> Self {
        Self::Some(BTreeMap::new())
    }
}

impl HeadersExpect {
    /// Whether it demands nothing.
    pub(in crate::scenario) fn is_empty(&self) -> bool {
        matches!(self, Self::Some(names) if names.is_empty())
    }
}

/// Reads by a function what stands in a document in one of several forms.
macro_rules! read_by {
    ($type:ty, $expected:literal, $read:expr) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = Value::deserialize(deserializer)?;
                let read: fn(&Value) -> Result<Option<Self>, String> = $read;
                match read(&value) {
                    Ok(Some(read)) => Ok(read),
                    Ok(None) => Err(D::Error::custom(format!("expected {}, found {value}", $expected))),
                    Err(message) => Err(D::Error::custom(message)),
                }
            }
        }
    };
}

read_by!(ValueExpect, "a string, `null`, bytes, `{\"token\": NAME}` or a list of these", value_expect);

fn value_expect(value: &Value) -> Result<Option<ValueExpect>, String> {
    Ok(Some(match value {
        Value::Null => ValueExpect::Absent,
        Value::String(text) => ValueExpect::Pattern(text.clone()),
        Value::Array(all) => {
            let each: Result<Option<Vec<_>>, _> = all
                .iter()
                .map(|one| match one {
                    Value::Null | Value::Array(_) => Ok(None),
                    one => value_expect(one),
                })
                .collect();
            return Ok(each?.map(ValueExpect::Each));
        }
        Value::Object(members) => match members.iter().next() {
            Some((name, Value::String(token))) if name == "token" && members.len() == 1 => {
                ValueExpect::Token(token.clone())
            }
            Some((name, _)) if name == "base64" || name == "hex" => {
                ValueExpect::Bytes(bytes::encoded(members)?)
            }
            Some((name, _)) => {
                return Err(format!("unknown field `{name}`, expected `token`, `base64` or `hex`"));
            }
            None => return Ok(None),
        },
        Value::Bool(_) | Value::Number(_) => return Ok(None),
    }))
}

read_by!(BodyExpect, "a string, bytes or `{\"json\": …}`", |value| Ok(match value {
    Value::String(text) => Some(BodyExpect::Pattern(text.clone())),
    Value::Object(members) => match (members.get("json"), members.len()) {
        (Some(json), 1) => Some(BodyExpect::Json(json.clone())),
        _ => Some(BodyExpect::Bytes(bytes::encoded(members)?)),
    },
    _ => None,
}));

read_by!(Metric, "a number, such as `\"+1\"` for what was added, `{\"count\": …}` or `null`", |value| Ok(
    match value {
        Value::Null => Some(Metric::Absent),
        Value::Number(number) => number.as_u64().map(Metric::Value),
        Value::String(text) => {
            let signed = text.starts_with(['+', '-']);
            text.parse().ok().filter(|_| signed).map(Metric::Delta)
        }
        Value::Object(members) if !members.is_empty() => {
            let number = |name: &str| members.get(name).and_then(Value::as_u64);
            let (count, sum) = (number("count"), number("sum"));
            let known = usize::from(count.is_some()) + usize::from(sum.is_some());
            (known == members.len()).then_some(Metric::Histogram { count, sum })
        }
        _ => None,
    }
));

read_by!(Range, "a number, or an object with `min` or `max`", |value| Ok(match value {
    Value::Number(number) => number.as_u64().map(|number| Range { min: number, max: number }),
    Value::Object(members) if !members.is_empty() => {
        let number = |name: &str| members.get(name).and_then(Value::as_u64);
        let (min, max) = (number("min"), number("max"));
        let known = usize::from(min.is_some()) + usize::from(max.is_some());
        (known == members.len()).then_some(Range { min: min.unwrap_or(0), max: max.unwrap_or(u64::MAX) })
    }
    _ => None,
}));

impl<'de> Deserialize<'de> for HeadersExpect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HeadersVisitor)
    }
}

struct HeadersVisitor;

impl<'de> Visitor<'de> for HeadersVisitor {
    type Value = HeadersExpect;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of headers, or a list with all of them as pairs")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HeadersExpect, A::Error> {
        let mut headers = BTreeMap::new();
        while let Some((name, value)) = map.next_entry()? {
            headers.insert(name, value);
        }
        Ok(HeadersExpect::Some(headers))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<HeadersExpect, A::Error> {
        let mut all = Vec::new();
        while let Some((Bytes(name), value)) = seq.next_element::<(Bytes, ValueExpect)>()? {
            if matches!(value, ValueExpect::Absent | ValueExpect::Each(_)) {
                return Err(A::Error::custom("expected a value in each pair, found none or several"));
            }
            all.push((name.to_ascii_lowercase(), value));
        }
        Ok(HeadersExpect::All(all))
    }
}

impl<'de> Deserialize<'de> for UpstreamExpect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UpstreamVisitor)
    }
}

struct UpstreamVisitor;

impl<'de> Visitor<'de> for UpstreamVisitor {
    type Value = UpstreamExpect;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UpstreamExpect, A::Error> {
        let (mut expect, mut named) = (UpstreamExpect::default(), BTreeMap::new());
        let mut whole = None;
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "headers" => whole = Some(map.next_value()?),
                "body" => expect.body = Some(map.next_value()?),
                "trailers" => expect.trailers = Some(map.next_value()?),
                _ => {
                    named.insert(name, map.next_value()?);
                }
            }
        }
        expect.headers = match (whole, named.is_empty()) {
            (None, _) => HeadersExpect::Some(named),
            (Some(whole), true) => whole,
            (Some(_), false) => {
                return Err(A::Error::custom("expected headers by name or in `headers`, found both"));
            }
        };
        Ok(expect)
    }
}

impl<'de> Deserialize<'de> for CallsExpect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CallsVisitor)
    }
}

struct CallsVisitor;

impl<'de> Visitor<'de> for CallsVisitor {
    type Value = CallsExpect;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a list of calls, or an object")
    }

    fn visit_u64<E: Error>(self, count: u64) -> Result<CallsExpect, E> {
        usize::try_from(count).map(CallsExpect::Count).map_err(|_| E::custom("expected a smaller number"))
    }

    fn visit_i64<E: Error>(self, count: i64) -> Result<CallsExpect, E> {
        usize::try_from(count).map(CallsExpect::Count).map_err(|_| E::custom("expected a number from 0 on"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<CallsExpect, A::Error> {
        let mut each: Vec<CallExpect> = Vec::new();
        while let Some(call) = seq.next_element::<CallExpect>()? {
            if call.count.is_some() {
                return Err(A::Error::custom(
                    "`count`: expected none in a list, where each call stands by itself",
                ));
            }
            each.push(call);
        }
        Ok(CallsExpect::Each(each))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CallsExpect, A::Error> {
        let call = CallExpect::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
        Ok(CallsExpect::Like(Box::new(call)))
    }
}

/// The schema of a type that is read in one of several forms.
macro_rules! schema_of {
    ($type:ty, $name:literal, $schema:expr) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let schema: fn(&mut SchemaGenerator) -> Schema = $schema;
                schema(generator)
            }
        }
    };
}

schema_of!(ValueExpect, "ValueExpect", |generator| {
    let one = json!([
        { "type": "string" },
        generator.subschema_for::<Bytes>(),
        { "type": "object", "required": ["token"], "additionalProperties": false, "properties": { "token": { "type": "string" } } },
    ]);
    json_schema!({
        "description": "What a header holds: a text in which `*` stands for anything, bytes, `null` where it is absent, the file's token of a name, or one of these for each header of the name.",
        "anyOf": [{ "type": "null" }, { "anyOf": one }, { "type": "array", "items": { "anyOf": one } }],
    })
});

schema_of!(BodyExpect, "BodyExpect", |generator| {
    let bytes = generator.subschema_for::<Bytes>();
    json_schema!({
        "description": "What a body holds: a text in which `*` stands for anything, bytes, or a value as JSON.",
        "anyOf": [bytes, { "type": "object", "required": ["json"], "additionalProperties": false, "properties": { "json": true } }],
    })
});

schema_of!(Metric, "Metric", |_| json_schema!({
    "description": "A value, `+1` for what was added, count and sum of a histogram, or `null` where it was not defined.",
    "anyOf": [
        { "type": ["integer", "null"], "minimum": 0 },
        { "type": "string", "pattern": "^[+-][0-9]+$" },
        { "type": "object", "minProperties": 1, "additionalProperties": false,
          "properties": { "count": { "type": "integer" }, "sum": { "type": "integer" } } },
    ],
}));

schema_of!(Range, "Range", |_| json_schema!({
    "description": "A number, or its bounds.",
    "anyOf": [
        { "type": "integer", "minimum": 0 },
        { "type": "object", "minProperties": 1, "additionalProperties": false,
          "properties": { "min": { "type": "integer" }, "max": { "type": "integer" } } },
    ],
}));

schema_of!(HeadersExpect, "HeadersExpect", |generator| {
    let value = generator.subschema_for::<ValueExpect>();
    let bytes = generator.subschema_for::<Bytes>();
    json_schema!({
        "description": "Headers by name, or all of them as pairs in their order; pseudo-headers count where one is named.",
        "anyOf": [
            { "type": "object", "additionalProperties": value },
            { "type": "array", "items": { "type": "array", "prefixItems": [bytes, value], "minItems": 2, "maxItems": 2 } },
        ],
    })
});

schema_of!(UpstreamExpect, "UpstreamExpect", |generator| {
    let headers = generator.subschema_for::<HeadersExpect>();
    let body = generator.subschema_for::<BodyExpect>();
    let value = generator.subschema_for::<ValueExpect>();
    json_schema!({
        "description": "The request as it went upstream: headers by name, beside `headers`, `body` and `trailers`.",
        "type": "object",
        "properties": { "headers": headers, "body": body, "trailers": headers },
        "additionalProperties": value,
    })
});

schema_of!(CallsExpect, "CallsExpect", |generator| {
    let call = generator.subschema_for::<CallExpect>();
    json_schema!({
        "description": "How many calls were made, each of them in order, or how many like this.",
        "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "array", "items": call }, call],
    })
});
