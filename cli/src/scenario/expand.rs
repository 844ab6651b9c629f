//! Parametrised cases: one for each entry of `each`, with `${name}` replaced by the entry's member of that name.

use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The cases that `case` stands for.
pub(crate) fn expand(case: Value) -> Result<Vec<Value>, String> {
    let Value::Object(mut case) = case else { return Ok(vec![case]) };
    let Some(entries) = entries(&mut case)? else { return Ok(vec![Value::Object(case)]) };
    let cases = entries.iter().map(|entry| replace(&Value::Object(case.clone()), entry));
    let cases = cases.collect::<Result<_, _>>()?;
    all_used(&case, &entries)?;
    Ok(cases)
}

/// Takes the entries of `each` out of a case, where it has them.
pub(super) fn entries(case: &mut Map<String, Value>) -> Result<Option<Vec<Map<String, Value>>>, String> {
    let Some(each) = case.remove("each") else { return Ok(None) };
    let Value::Array(entries) = each else {
        return Err(format!("`each`: expected a list of objects, found {each}"));
    };
    if entries.is_empty() {
        return Err(String::from("`each`: expected at least one entry"));
    }
    let objects = entries.into_iter().map(|entry| match entry {
        Value::Object(entry) => Ok(entry),
        other => Err(format!("`each`: expected a list of objects, found {other}")),
    });
    objects.collect::<Result<_, _>>().map(Some)
}

/// Demands that every member of an entry stands somewhere in the case.
pub(super) fn all_used(case: &Map<String, Value>, entries: &[Map<String, Value>]) -> Result<(), String> {
    let used: BTreeSet<String> = case.values().flat_map(used_names).collect();
    for (index, entry) in entries.iter().enumerate() {
        if let Some(name) = entry.keys().find(|name| !used.contains(*name)) {
            return Err(format!("`each[{index}]`: `{name}`: expected `${{{name}}}` somewhere in the case"));
        }
    }
    Ok(())
}

/// The names that stand in `${name}` anywhere in `value`.
pub(crate) fn used_names(value: &Value) -> BTreeSet<String> {
    match value {
        Value::String(text) => {
            let parts = text.split("${").skip(1);
            parts.filter_map(|part| part.split_once('}')).map(|(name, _)| name.to_owned()).collect()
        }
        Value::Array(items) => items.iter().flat_map(used_names).collect(),
        Value::Object(members) => members.values().flat_map(used_names).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => BTreeSet::new(),
    }
}

/// `value`, with every `${name}` replaced.
pub(crate) fn replace(value: &Value, entry: &Map<String, Value>) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => replace_text(text, entry)?,
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| replace(item, entry)).collect::<Result<_, _>>()?)
        }
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, value)| Ok((name.clone(), replace(value, entry)?)))
                .collect::<Result<_, String>>()?,
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    })
}

/// A text that is nothing but `${name}` becomes the value itself, of whatever kind.
fn replace_text(text: &str, entry: &Map<String, Value>) -> Result<Value, String> {
    let mut replaced = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) =
            after.split_once('}').ok_or_else(|| format!("expected `}}` after `${{` in `{text}`"))?;
        let value = entry
            .get(name)
            .ok_or_else(|| format!("expected `{name}` in every entry of `each` and every row for `{text}`, none may lack `{name}`"))?;
        if before.is_empty() && after.is_empty() && replaced.is_empty() {
            return Ok(value.clone());
        }
        replaced.push_str(before);
        match value {
            Value::String(text) => replaced.push_str(text),
            other => replaced.push_str(&other.to_string()),
        }
        rest = after;
    }
    replaced.push_str(rest);
    Ok(Value::String(replaced))
}
