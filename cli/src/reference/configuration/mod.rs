//! Every field of the configuration, from the schema that the types give.

mod order;
#[cfg(test)]
mod tests;

use super::cell;
use countersign_core::config::Config;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The JSON Schema.
pub(crate) fn schema() -> Value {
    let mut schema = schemars::schema_for!(Config).to_value();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("title".into(), "Countersign configuration".into());
    }
    schema
}

/// The page.
pub(crate) fn markdown() -> String {
    let schema = schema();
    let mut page = Page {
        shared: shared(&schema),
        schema: &schema,
        text: String::from(
            "# Configuration\n\n\
             The filter reads this as JSON, the command line as YAML or JSON. Every field is listed with its path: `[]` stands for \
             each entry of a list, `.*` for each name of a map. Unknown fields are errors, at every level. \
             `countersign reference schema` prints the JSON Schema, which gives editors completion and checks.\n\n\
             `countersign check` checks a file; `countersign compile` turns it into what the filter is given.\n",
        ),
    };
    page.object("Config", &schema, "");
    for name in page.shared.clone() {
        page.shared_type(&name);
    }
    page.text
}

/// Types that more than one field has: each gets one section of its own.
fn shared(schema: &Value) -> BTreeSet<String> {
    fn walk(value: &Value, counts: &mut BTreeMap<String, usize>) {
        match value {
            Value::Object(members) => {
                if let Some(name) = members.get("$ref").and_then(referred) {
                    *counts.entry(name.to_owned()).or_default() += 1;
                }
                members.values().for_each(|value| walk(value, counts));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, counts)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut counts = BTreeMap::new();
    walk(schema, &mut counts);
    let documented = |name: &String| !is_simple(definition(schema, name));
    counts.into_iter().filter(|(_, count)| *count > 1).map(|(name, _)| name).filter(documented).collect()
}

/// The type that a `$ref` names.
fn referred(reference: &Value) -> Option<&str> {
    reference.as_str()?.strip_prefix("#/$defs/")
}

fn definition<'s>(schema: &'s Value, name: &str) -> &'s Value {
    &schema["$defs"][name]
}

/// Whether a type needs no section: it has neither fields nor alternatives with fields.
fn is_simple(definition: &Value) -> bool {
    let alternatives = definition["oneOf"].as_array();
    definition.get("properties").is_none()
        && alternatives.is_none_or(|all| all.iter().all(|one| one.get("properties").is_none()))
}

struct Page<'s> {
    schema: &'s Value,
    shared: BTreeSet<String>,
    text: String,
}

impl<'s> Page<'s> {
    /// A table of an object's fields, then a section for each field that has fields of its own.
    fn object(&mut self, name: &str, object: &'s Value, path: &str) {
        let none = Map::new();
        let properties = object["properties"].as_object().unwrap_or(&none);
        let required: Vec<&str> =
            object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let declared = order::fields(name);
        let place = |field: &str| declared.iter().position(|name| *name == field).unwrap_or(usize::MAX);
        let mut names: Vec<&String> = properties.keys().collect();
        names.sort_by_key(|name| place(name));

        self.text.push_str("\n| Field | Type | Default | Meaning |\n| --- | --- | --- | --- |\n");
        for name in &names {
            let field = &self.schema_of(object, name);
            let default =
                if required.contains(&name.as_str()) { String::from("*required*") } else { default(field) };
            _ = writeln!(
                self.text,
                "| `{path}{name}` | {} | {default} | {} |",
                self.type_of(field),
                self.meaning(field)
            );
        }
        for name in names {
            let field = &properties[name];
            let (ty, suffix) = self.innermost(field);
            let Some(ty) = ty else { continue };
            let inner = definition(self.schema, ty);
            if !self.shared.contains(ty) && !is_simple(inner) {
                self.section(ty, inner, &format!("{path}{name}{suffix}"));
            }
        }
    }

    fn schema_of(&self, object: &'s Value, name: &str) -> &'s Value {
        &object["properties"][name]
    }

    /// A section about the fields under `path`.
    fn section(&mut self, name: &str, object: &'s Value, path: &str) {
        _ = write!(self.text, "\n## `{path}`\n\n{}\n", description(object));
        if object.get("properties").is_some() {
            self.object(name, object, &format!("{path}."));
        } else {
            self.alternatives(object, &format!("{path}."));
        }
    }

    /// A section about a type that several fields have.
    fn shared_type(&mut self, name: &str) {
        let object = definition(self.schema, name);
        _ = write!(self.text, "\n## {}\n\n{}\n", title(name), description(object));
        if object.get("properties").is_some() {
            self.object(name, object, "");
        } else {
            self.alternatives(object, "");
        }
    }

    /// An object with exactly one of several members.
    fn alternatives(&mut self, object: &'s Value, path: &str) {
        self.text.push_str("\nExactly one of:\n\n| Field | Type | Meaning |\n| --- | --- | --- |\n");
        let mut deeper = Vec::new();
        for one in object["oneOf"].as_array().into_iter().flatten() {
            for (name, field) in one["properties"].as_object().into_iter().flatten() {
                let meaning = match one.get("description") {
                    Some(text) => cell(text.as_str().unwrap_or_default()) + &self.values(field),
                    None => self.meaning(field),
                };
                _ = writeln!(self.text, "| `{path}{name}` | {} | {meaning} |", self.type_of(field));
                if let (Some(ty), suffix) = self.innermost(field) {
                    deeper.push((ty, format!("{path}{name}{suffix}")));
                }
            }
        }
        for (ty, path) in deeper {
            let inner = definition(self.schema, ty);
            if !self.shared.contains(ty) && !is_simple(inner) {
                self.section(ty, inner, &path);
            }
        }
    }

    /// The named type at the bottom of a field's type, and what leads there from the field's path.
    fn innermost(&self, field: &'s Value) -> (Option<&'s str>, String) {
        if let Some(name) = field.get("$ref").and_then(referred) {
            return (Some(name), String::new());
        }
        if let Some(items) = field.get("items") {
            let (name, suffix) = self.innermost(items);
            return (name, format!("[]{suffix}"));
        }
        if let Some(values) = field.get("additionalProperties").filter(|values| values.is_object()) {
            let (name, suffix) = self.innermost(values);
            return (name, format!(".*{suffix}"));
        }
        let mut some = field["anyOf"].as_array().into_iter().flatten().filter(|one| one["type"] != "null");
        some.next().map_or((None, String::new()), |one| self.innermost(one))
    }

    fn type_of(&self, field: &'s Value) -> String {
        if let Some(name) = field.get("$ref").and_then(referred) {
            let inner = definition(self.schema, name);
            return if self.shared.contains(name) {
                format!("[{}](#{})", title(name).to_lowercase(), title(name).to_lowercase().replace(' ', "-"))
            } else if let Some(values) = constants(inner) {
                values.iter().map(|(value, _)| format!("`{value}`")).collect::<Vec<_>>().join(", ")
            } else if is_simple(inner) {
                self.type_of(inner)
            } else {
                String::from("object")
            };
        }
        if let Some(items) = field.get("items") {
            return format!("list of {}", plural(&self.type_of(items)));
        }
        if let Some(values) = field.get("additionalProperties").filter(|values| values.is_object()) {
            return format!("map from name to {}", self.type_of(values));
        }
        if let Some(some) = field["anyOf"].as_array() {
            return some.iter().filter(|one| one["type"] != "null").map(|one| self.type_of(one)).collect();
        }
        match &field["type"] {
            Value::String(name) => name.clone(),
            Value::Array(names) => {
                let names: Vec<&str> =
                    names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect();
                if names.len() > 2 { String::from("any JSON value") } else { names.join(" or ") }
            }
            _ => String::from("any JSON value"),
        }
    }

    fn meaning(&self, field: &'s Value) -> String {
        let own = description(field);
        let text = match self.innermost(field) {
            (Some(name), _) if own.is_empty() => description(definition(self.schema, name)),
            _ => own,
        };
        cell(text) + &self.values(field)
    }

    /// What each value of an enumeration means.
    fn values(&self, field: &'s Value) -> String {
        let (Some(name), _) = self.innermost(field) else { return String::new() };
        let Some(values) = constants(definition(self.schema, name)) else { return String::new() };
        values.iter().map(|(value, meaning)| format!("<br>`{value}`: {}", cell(meaning))).collect()
    }
}

fn description(value: &Value) -> &str {
    value["description"].as_str().unwrap_or_default()
}

/// The values of an enumeration with their meanings.
fn constants(definition: &Value) -> Option<Vec<(&str, &str)>> {
    definition["oneOf"]
        .as_array()?
        .iter()
        .map(|one| Some((one["const"].as_str()?, description(one))))
        .collect()
}

fn default(field: &Value) -> String {
    match field.get("default") {
        None | Some(Value::Null) => String::from("none"),
        Some(Value::Object(members)) if members.is_empty() => String::from("empty"),
        Some(Value::Array(items)) if items.is_empty() => String::from("empty"),
        Some(Value::Object(_)) => String::from("see below"),
        Some(value) => format!("`{}`", cell(&value.to_string())),
    }
}

/// `AttributeSource` as `Attribute source`.
fn title(name: &str) -> String {
    let mut title = String::new();
    for (at, letter) in name.char_indices() {
        if at > 0 && letter.is_uppercase() {
            title.push(' ');
            title.extend(letter.to_lowercase());
        } else {
            title.push(letter);
        }
    }
    title
}

fn plural(ty: &str) -> String {
    match ty {
        "string" | "object" | "integer" | "boolean" => format!("{ty}s"),
        _ => ty.to_owned(),
    }
}
