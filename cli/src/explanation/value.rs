//! Values of policies for people and as data.

use countersign_core::policy::{Entity, Record, Value as Cedar};
use serde_json::{Value, json};

/// A value in Cedar's own words.
pub(super) fn text(value: &Cedar) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match value {
        Cedar::Bool(value) => value.to_string(),
        Cedar::Long(value) => value.to_string(),
        Cedar::String(text) => format!("{text:?}"),
        Cedar::Entity(uid) => uid.to_string(),
        Cedar::Set(set) => format!("[{}]", list(set.members().iter().map(text).collect())),
        Cedar::Record(record) => {
            format!(
                "{{{}}}",
                list(record.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect())
            )
        }
        Cedar::Decimal(value) => format!("decimal(\"{value}\")"),
        Cedar::Datetime(value) => format!("datetime(\"{value}\")"),
        Cedar::Duration(value) => format!("duration(\"{value}\")"),
        Cedar::Ip(value) => format!("ip(\"{value}\")"),
    }
}

/// A value as data.
pub(super) fn value_json(value: &Cedar) -> Value {
    match value {
        Cedar::Bool(value) => (*value).into(),
        Cedar::Long(value) => (*value).into(),
        Cedar::String(text) => Value::from(&**text),
        Cedar::Entity(uid) => uid.to_string().into(),
        Cedar::Set(set) => set.members().iter().map(value_json).collect(),
        Cedar::Record(record) => record_json(record),
        Cedar::Decimal(value) => value.to_string().into(),
        Cedar::Datetime(value) => value.to_string().into(),
        Cedar::Duration(value) => value.to_string().into(),
        Cedar::Ip(value) => value.to_string().into(),
    }
}

/// A record as data.
pub(crate) fn record_json(record: &Record) -> Value {
    Value::Object(record.iter().map(|(name, value)| (name.to_owned(), value_json(value))).collect())
}

/// An entity as data.
pub(super) fn entity_json(entity: &Entity) -> Value {
    let parents: Vec<String> = entity.parents.iter().map(ToString::to_string).collect();
    json!({ "uid": entity.uid.to_string(), "parents": parents, "attributes": record_json(&entity.attributes) })
}
