//! The JSON Schema of scenario files, from the types that read them.

use super::format::File;
use serde_json::{Map, Value, json};

/// Where `${name}` may stand in place of anything else.
const PLACEHOLDER: &str = "Placeholder";

/// The schema.
pub(crate) fn schema() -> Value {
    let mut schema = schemars::schema_for!(File).to_value();
    let definitions = schema.get("$defs").cloned().unwrap_or_default();
    let mut reached = Vec::new();
    reach(&json!({ "$ref": "#/$defs/Case" }), &definitions, &mut reached);
    if let Some(Value::Object(all)) = schema.get_mut("$defs") {
        for name in reached {
            if let Some(definition) = all.get_mut(&name) {
                members(definition);
            }
        }
        all.insert(
            PLACEHOLDER.into(),
            json!({ "description": "What `each` or `matrix` has by this name.", "type": "string", "pattern": "^\\$\\{[^}]+\\}$" }),
        );
    }
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".into(), "Countersign scenarios".into());
    }
    schema
}

/// The definitions that a schema leads to.
fn reach(schema: &Value, definitions: &Value, reached: &mut Vec<String>) {
    match schema {
        Value::Object(all) => {
            if let Some(name) =
                all.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix("#/$defs/"))
                && !reached.iter().any(|known| known == name)
            {
                reached.push(name.to_owned());
                if let Some(definition) = definitions.get(name) {
                    reach(definition, definitions, reached);
                }
            }
            all.values().for_each(|inner| reach(inner, definitions, reached));
        }
        Value::Array(all) => all.iter().for_each(|inner| reach(inner, definitions, reached)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Lets `${name}` stand for each member and element that a schema speaks of.
fn members(schema: &mut Value) {
    match schema {
        Value::Object(all) => {
            for (name, inner) in all.iter_mut() {
                match (name.as_str(), inner) {
                    ("properties", Value::Object(fields)) => fields.values_mut().for_each(either),
                    ("items" | "additionalProperties", inner @ Value::Object(_)) => either(inner),
                    ("prefixItems", Value::Array(items)) => items.iter_mut().for_each(either),
                    (_, inner) => members(inner),
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A schema, or `${name}`.
fn either(schema: &mut Value) {
    members(schema);
    if takes_any_text(schema) {
        return;
    }
    let description = schema.as_object_mut().and_then(|all| all.remove("description"));
    let placeholder = json!({ "$ref": format!("#/$defs/{PLACEHOLDER}") });
    let mut whole = Map::from_iter([("anyOf".to_owned(), json!([schema.take(), placeholder]))]);
    whole.extend(description.map(|text| ("description".to_owned(), text)));
    *schema = Value::Object(whole);
}

fn takes_any_text(schema: &Value) -> bool {
    let Some(all) = schema.as_object() else { return true };
    let text = match all.get("type") {
        Some(Value::String(name)) => name == "string",
        Some(Value::Array(names)) => names.iter().any(|name| name == "string"),
        _ => false,
    };
    let free = ["pattern", "const", "enum"].iter().all(|name| !all.contains_key(*name));
    text && free || all.is_empty()
}
