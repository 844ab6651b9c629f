//! The conversions.

use super::{AttributeType, WrongType};
use crate::config::JsonValue;
use crate::json;
use crate::policy::{Datetime, Decimal, Duration, EntityUid, IpNet, Record, Value};
use alloc::vec::Vec;

/// How many members a set from outside may have.
const MAX_MEMBERS: usize = 256;

/// A claim as a Cedar value. Members of an object that the type does not know are left out; a set may also be written as
/// one text of words between single spaces, as OAuth scopes are (RFC 6749 §3.3).
pub fn from_json(value: &json::Value<'_>, ty: &AttributeType) -> Result<Value, WrongType> {
    match (ty, value) {
        (AttributeType::Bool, json::Value::Bool(value)) => Ok(Value::Bool(*value)),
        (AttributeType::Long, json::Value::Number(number)) => {
            number.as_i64().map(Value::Long).ok_or(WrongType)
        }
        (AttributeType::Set(element), json::Value::Array(items)) => {
            if items.len() > MAX_MEMBERS {
                return Err(WrongType);
            }
            items.iter().map(|item| from_json(item, element)).collect::<Result<Vec<_>, _>>().map(Value::set)
        }
        (AttributeType::Record(fields), json::Value::Object(object)) => {
            let mut record = Record::new();
            for field in fields {
                match object.get(&field.name) {
                    Some(value) => {
                        record.insert(field.name.clone(), from_json(value, &field.ty)?);
                    }
                    None if field.required => return Err(WrongType),
                    None => {}
                }
            }
            Ok(Value::Record(record))
        }
        (ty, json::Value::String(text)) => match ty {
            AttributeType::Bool | AttributeType::Long | AttributeType::Record(_) => Err(WrongType),
            AttributeType::String
            | AttributeType::Entity(_)
            | AttributeType::Set(_)
            | AttributeType::Decimal
            | AttributeType::Datetime
            | AttributeType::Duration
            | AttributeType::Ip => from_text(text, ty),
        },
        (
            _,
            json::Value::Null
            | json::Value::Bool(_)
            | json::Value::Number(_)
            | json::Value::Array(_)
            | json::Value::Object(_),
        ) => Err(WrongType),
    }
}

/// A header's value, a parameter or another text as a Cedar value.
pub fn from_text(text: &str, ty: &AttributeType) -> Result<Value, WrongType> {
    match ty {
        AttributeType::String => Ok(Value::from(text)),
        AttributeType::Bool => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err(WrongType),
        },
        AttributeType::Long => integer(text).map(Value::Long).ok_or(WrongType),
        AttributeType::Entity(entity_type) => Ok(Value::Entity(EntityUid::new(entity_type.clone(), text))),
        AttributeType::Set(element) => {
            if text.is_empty() {
                return Ok(Value::set([]));
            }
            let words: Vec<&str> = text.split(' ').take(MAX_MEMBERS + 1).collect();
            if words.len() > MAX_MEMBERS || words.iter().any(|word| word.is_empty()) {
                return Err(WrongType);
            }
            words
                .into_iter()
                .map(|word| from_text(word, element))
                .collect::<Result<Vec<_>, _>>()
                .map(Value::set)
        }
        AttributeType::Record(_) => Err(WrongType),
        AttributeType::Decimal => Decimal::parse(text).map(Value::Decimal).ok_or(WrongType),
        AttributeType::Datetime => Datetime::parse(text).map(Value::Datetime).ok_or(WrongType),
        AttributeType::Duration => Duration::parse(text).map(Value::Duration).ok_or(WrongType),
        AttributeType::Ip => IpNet::parse(text).map(Value::Ip).ok_or(WrongType),
    }
}

/// A constant of the configuration as a Cedar value.
pub fn from_config(value: &JsonValue, ty: &AttributeType) -> Result<Value, WrongType> {
    match (ty, value) {
        (AttributeType::Bool, JsonValue::Bool(value)) => Ok(Value::Bool(*value)),
        (AttributeType::Long, JsonValue::Integer(value)) => Ok(Value::Long(*value)),
        (AttributeType::Set(element), JsonValue::Array(items)) => {
            items.iter().map(|item| from_config(item, element)).collect::<Result<Vec<_>, _>>().map(Value::set)
        }
        (AttributeType::Record(fields), JsonValue::Object(members)) => {
            if members.keys().any(|name| !fields.iter().any(|field| *field.name == **name)) {
                return Err(WrongType);
            }
            let mut record = Record::new();
            for field in fields {
                match members.get(&*field.name) {
                    Some(value) => {
                        record.insert(field.name.clone(), from_config(value, &field.ty)?);
                    }
                    None if field.required => return Err(WrongType),
                    None => {}
                }
            }
            Ok(Value::Record(record))
        }
        (
            AttributeType::String
            | AttributeType::Entity(_)
            | AttributeType::Decimal
            | AttributeType::Datetime
            | AttributeType::Duration
            | AttributeType::Ip,
            JsonValue::String(text),
        ) => from_text(text, ty),
        (
            _,
            JsonValue::Bool(_)
            | JsonValue::Integer(_)
            | JsonValue::String(_)
            | JsonValue::Array(_)
            | JsonValue::Object(_),
        ) => Err(WrongType),
    }
}

/// A decimal integer in its one spelling: no plus, no leading zeros, no minus zero.
fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" && digits.len() == text.len() || !digits.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}
