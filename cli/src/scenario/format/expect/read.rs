//! Expectations that may be written in several forms, read.

use super::{BodyExpect, CallKind, CallsExpect, HeadersExpect, Metric, Range, UpstreamExpect, ValueExpect};
use crate::bytes;
use crate::scenario::expect::NO_FAILURE;
use crate::scenario::format::Bytes;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

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

/// Why a VM failed; `null` says that it did not, as the text does.
pub(super) fn failure<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(Some(text.unwrap_or_else(|| NO_FAILURE.to_owned())))
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
        let range = Range { min: min.unwrap_or(0), max: max.unwrap_or(u64::MAX) };
        if range.min > range.max {
            return Err(format!("expected `min` up to `max`, found {} and {}", range.min, range.max));
        }
        (known == members.len()).then_some(range)
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

impl<'de, T: CallKind + Deserialize<'de>> Deserialize<'de> for CallsExpect<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CallsVisitor(PhantomData))
    }
}

struct CallsVisitor<T>(PhantomData<T>);

impl<'de, T: CallKind + Deserialize<'de>> Visitor<'de> for CallsVisitor<T> {
    type Value = CallsExpect<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a list of calls, or an object")
    }

    fn visit_u64<E: Error>(self, count: u64) -> Result<CallsExpect<T>, E> {
        usize::try_from(count).map(CallsExpect::Count).map_err(|_| E::custom("expected a smaller number"))
    }

    fn visit_i64<E: Error>(self, count: i64) -> Result<CallsExpect<T>, E> {
        usize::try_from(count).map(CallsExpect::Count).map_err(|_| E::custom("expected a number from 0 on"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<CallsExpect<T>, A::Error> {
        let mut each: Vec<T> = Vec::new();
        while let Some(call) = seq.next_element::<T>()? {
            if call.count().is_some() {
                return Err(A::Error::custom(
                    "`count`: expected none in a list, where each call stands by itself",
                ));
            }
            each.push(call);
        }
        Ok(CallsExpect::Each(each))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CallsExpect<T>, A::Error> {
        let call = T::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
        Ok(CallsExpect::Like(Box::new(call)))
    }
}
