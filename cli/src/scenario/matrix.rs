//! Matrices: a case for each combination of several lists' entries.

use super::expand::{all_used, entries, expand, replace, used_names};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The most cases that one case may stand for.
pub(super) const MAX_CELLS: usize = 10_000;

/// What is left out stands among the lists under this name.
const EXCLUDE: &str = "exclude";

/// The cases that a case stands for, by `each`, by `matrix`, or by both; those of a matrix are named after their cells, and those whose
/// names are still alike by their number.
pub(super) fn cases(case: Value) -> Result<Vec<Value>, String> {
    let mut cases = unnumbered(case)?;
    number(&mut cases);
    Ok(cases)
}

/// Tells apart cases of one name: `name [1]`, `name [2]`.
fn number(cases: &mut [Value]) {
    let mut alike: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let name = |case: &Value| case.get("name").and_then(Value::as_str).map(str::to_owned);
    for name in cases.iter().filter_map(name) {
        alike.entry(name).or_default().0 += 1;
    }
    for case in cases {
        if let Some(Value::String(name)) = case.get_mut("name")
            && let Some((2.., number)) = alike.get_mut(name.as_str())
        {
            *number += 1;
            name.push_str(&format!(" [{number}]"));
        }
    }
}

fn unnumbered(case: Value) -> Result<Vec<Value>, String> {
    let Value::Object(mut case) = case else { return Ok(vec![case]) };
    let Some(matrix) = case.remove("matrix") else {
        let plain = !case.contains_key("each");
        if let Some(name) = case.values().flat_map(used_names).find(|_| plain) {
            return Err(format!("expected `each` or `matrix` for `${{{name}}}`, found neither"));
        }
        return expand(Value::Object(case));
    };
    // Without `each` there is one entry that says nothing.
    let entries = entries(&mut case)?.unwrap_or_else(|| vec![Map::new()]);
    let cells = cells(&case, matrix)?;
    if entries.len().saturating_mul(cells.len()) > MAX_CELLS {
        return Err(format!("`matrix`: expected at most {MAX_CELLS} combinations, found more"));
    }
    let pairs = entries.iter().flat_map(|entry| cells.iter().map(move |cell| (entry, cell)));
    let cases = pairs.map(|(entry, cell)| named(&case, entry, cell)).collect::<Result<_, _>>()?;
    all_used(&case, &entries)?;
    Ok(cases)
}

fn cells(case: &Map<String, Value>, matrix: Value) -> Result<Vec<Map<String, Value>>, String> {
    let Value::Object(mut matrix) = matrix else {
        return Err(format!("`matrix`: expected an object of lists, found {matrix}"));
    };
    let excluded = excluded(matrix.remove(EXCLUDE), &matrix)?;
    let used: BTreeSet<String> = case.values().flat_map(used_names).collect();
    let mut cells: Vec<Map<String, Value>> = vec![Map::new()];
    for (axis, values) in &matrix {
        let values = values.as_array().filter(|values| !values.is_empty()).ok_or_else(|| {
            format!("`matrix.{axis}`: expected a list with at least one entry, found {values}")
        })?;
        if !used.contains(axis) {
            return Err(format!("`matrix.{axis}`: expected `${{{axis}}}` somewhere in the case"));
        }
        if cells.len().saturating_mul(values.len()) > MAX_CELLS {
            return Err(format!("`matrix`: expected at most {MAX_CELLS} combinations, found more"));
        }
        let with = |cell: &Map<String, Value>, value: &Value| {
            let mut cell = cell.clone();
            cell.insert(axis.clone(), value.clone());
            cell
        };
        cells = cells.iter().flat_map(|cell| values.iter().map(move |value| with(cell, value))).collect();
    }
    if matrix.is_empty() {
        return Err("`matrix`: expected at least one list, found none".to_owned());
    }
    let mut hits = vec![0_usize; excluded.len()];
    cells.retain(|cell| {
        let mut keep = true;
        for (exclude, hits) in excluded.iter().zip(&mut hits) {
            if exclude.iter().all(|(name, value)| cell.get(name) == Some(value)) {
                (*hits, keep) = (*hits + 1, false);
            }
        }
        keep
    });
    if let Some(idle) = hits.iter().position(|hits| *hits == 0) {
        return Err(format!(
            "`matrix.exclude[{idle}]`: expected a combination that the lists have, found none"
        ));
    }
    if cells.is_empty() {
        return Err("`matrix`: expected a combination that is not excluded, found none".to_owned());
    }
    Ok(cells)
}

fn excluded(list: Option<Value>, axes: &Map<String, Value>) -> Result<Vec<Map<String, Value>>, String> {
    let Some(list) = list else { return Ok(Vec::new()) };
    let wrong =
        || format!("`matrix.exclude`: expected a list of objects with members of the lists, found {list}");
    let entries = list.as_array().ok_or_else(wrong)?;
    let one = |entry: &Value| {
        let entry = entry.as_object().filter(|entry| !entry.is_empty())?;
        entry.keys().all(|name| axes.contains_key(name)).then(|| entry.clone())
    };
    entries.iter().map(one).collect::<Option<_>>().ok_or_else(wrong)
}

/// The case of a cell, whose name says which one it is: `name [alg=ES256, peer=a]`.
fn named(
    case: &Map<String, Value>,
    entry: &Map<String, Value>,
    cell: &Map<String, Value>,
) -> Result<Value, String> {
    let mut all = entry.clone();
    if let Some(name) = cell.keys().find(|name| entry.contains_key(*name)) {
        return Err(format!("`matrix.{name}`: expected a name that no entry of `each` has"));
    }
    all.extend(cell.clone());
    let mut case = replace(&Value::Object(case.clone()), &all)?;
    let parts: Vec<String> = cell.iter().map(|(axis, value)| format!("{axis}={}", label(value))).collect();
    if let Some(Value::String(name)) = case.get_mut("name") {
        name.push_str(&format!(" [{}]", parts.join(", ")));
    }
    Ok(case)
}

/// An entry in a name: its text, its own `name`, or itself as JSON.
fn label(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(members) => match members.get("name") {
            Some(Value::String(name)) => name.clone(),
            _ => value.to_string(),
        },
        other => other.to_string(),
    }
}
