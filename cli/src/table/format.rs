//! The format of tables, and the cases that one stands for.

use crate::explanation::RULINGS;
use crate::scenario::{expand, replace, used_names};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The most cases that one entry of a file may stand for.
const MOST_CASES: usize = 100_000;

/// A file of tables.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// The pack's folder, relative to the file.
    #[serde(default)]
    pub(super) pack: Option<String>,
    /// What every case has that does not say otherwise; `context` member by member.
    #[serde(default)]
    pub(super) defaults: Map<String, Value>,
    /// Entities that every case brings, except where it brings one of the same name itself.
    #[serde(default)]
    pub(super) entities: Vec<Value>,
    /// Cases, and tables of them, read one by one once they are expanded.
    pub(super) cases: Vec<Value>,
}

/// Members of a case that a column may set.
const MEMBERS: [&str; 11] = [
    "name",
    "principal",
    "action",
    "resource",
    "context",
    "entities",
    "decision",
    "ruling",
    "reasons",
    "reason",
    "errors",
];

/// A table: rows that each make a case, by naming the columns.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

/// A matrix: two names, the values of each, and in each cell what must come of the two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Matrix {
    /// What the rows set.
    down: String,
    /// What the columns set.
    across: String,
    /// The values across.
    columns: Vec<Value>,
    /// The values down, each with a cell for every column.
    rows: Vec<(Value, Vec<Value>)>,
}

/// What a row, or a cell, gives to a case.
#[derive(Clone)]
struct Setting {
    /// Where its name stands, within the entry.
    place: String,
    /// Where its value stands.
    inside: String,
    /// The member, or what `${name}` stands for.
    name: String,
    value: Value,
}

/// The cases that one entry of a file stands for.
pub(super) fn cases(entry: &Value) -> Result<Vec<Map<String, Value>>, String> {
    let Value::Object(base) = entry else { return Err(format!("expected an object, found {entry}")) };
    let mut base = base.clone();
    let (table, matrix) = (base.remove("table"), base.remove("matrix"));
    let sets: Vec<Vec<Setting>> = match (table, matrix) {
        (None, None) => vec![Vec::new()],
        (Some(table), None) => rows(table)?,
        (None, Some(table)) => cells(table)?,
        (Some(_), Some(_)) => return Err(String::from("expected either `table` or `matrix`, found both")),
    };
    let sets: Vec<Vec<Setting>> = sets.into_iter().map(spread).collect();
    let mut used = used_names(entry);
    used.extend(sets.iter().flatten().flat_map(|setting| used_names(&setting.value)));
    for setting in sets.iter().flatten() {
        let Setting { place, name, .. } = setting;
        if !is_member(name) && !used.contains(name) {
            return Err(format!(
                "`{place}`: `{name}`: expected a member of a case, or `${{{name}}}` somewhere in it"
            ));
        }
    }
    let mut cases = Vec::new();
    for case in expand(Value::Object(base))? {
        let Value::Object(case) = case else { continue };
        for set in &sets {
            if cases.len() >= MOST_CASES {
                return Err(format!("expected at most {MOST_CASES} cases of one entry"));
            }
            cases.push(applied(&case, set)?);
        }
    }
    distinct(&mut cases, &sets);
    Ok(cases)
}

fn rows(table: Value) -> Result<Vec<Vec<Setting>>, String> {
    let Rows { columns, rows } =
        serde_json::from_value(table).map_err(|error| format!("`table`: {error}"))?;
    if rows.is_empty() {
        return Err(String::from("`table.rows`: expected at least one row"));
    }
    let row = |(index, row): (usize, Vec<Value>)| {
        if row.len() != columns.len() {
            let (expected, found) = (columns.len(), row.len());
            return Err(format!(
                "`table.rows[{index}]`: expected {expected} values as there are columns, found {found}"
            ));
        }
        let setting = |(at, (name, value)): (usize, (&String, Value))| Setting {
            place: format!("table.columns[{at}]"),
            inside: format!("table.rows[{index}][{at}]"),
            name: name.clone(),
            value,
        };
        Ok(columns.iter().zip(row).enumerate().map(setting).collect())
    };
    rows.into_iter().enumerate().map(row).collect()
}

fn cells(table: Value) -> Result<Vec<Vec<Setting>>, String> {
    let Matrix { down, across, columns, rows } =
        serde_json::from_value(table).map_err(|error| format!("`matrix`: {error}"))?;
    if rows.is_empty() || columns.is_empty() {
        return Err(String::from("`matrix`: expected at least one row and one column"));
    }
    let mut sets = Vec::new();
    for (index, (value, cells)) in rows.into_iter().enumerate() {
        if cells.len() != columns.len() {
            let (expected, found) = (columns.len(), cells.len());
            return Err(format!(
                "`matrix.rows[{index}]`: expected {expected} cells as there are columns, found {found}"
            ));
        }
        for (at, (column, cell)) in columns.iter().zip(cells).enumerate() {
            let setting = |place: &str, inside: String, name: &str, value: &Value| Setting {
                place: place.to_owned(),
                inside,
                name: name.to_owned(),
                value: value.clone(),
            };
            let mut set = vec![
                setting("matrix.down", format!("matrix.rows[{index}][0]"), &down, &value),
                setting("matrix.across", format!("matrix.columns[{at}]"), &across, column),
            ];
            let place = format!("matrix.rows[{index}][1][{at}]");
            match &cell {
                Value::Object(members) => {
                    set.extend(
                        members.iter().map(|(name, value)| setting(&place, place.clone(), name, value)),
                    );
                }
                decision => set.push(setting(&place, place.clone(), "decision", decision)),
            }
            sets.push(set);
        }
    }
    Ok(sets)
}

/// A case with a row's values: those of its own members in their place, all of them where `${column}` stands.
fn applied(case: &Map<String, Value>, set: &[Setting]) -> Result<Map<String, Value>, String> {
    if set.is_empty() {
        return Ok(case.clone());
    }
    let values: Map<String, Value> =
        set.iter().map(|setting| (setting.name.clone(), setting.value.clone())).collect();
    let Value::Object(mut case) = replace(&Value::Object(case.clone()), &values)? else {
        return Ok(Map::new());
    };
    for Setting { name: path, value, .. } in set {
        let mut steps = path.split('.');
        let first = steps.next().unwrap_or_default();
        if is_member(path) {
            let value = replace(value, &values)?;
            place(&mut case, first, &steps.collect::<Vec<_>>(), value)
                .map_err(|found| format!("column `{path}`: expected an object, found {found}"))?;
        }
    }
    Ok(case)
}

/// An object under a name of its own stands for its members.
fn spread(set: Vec<Setting>) -> Vec<Setting> {
    let mut all = Vec::new();
    for setting in set {
        match setting.value {
            Value::Object(members) if !is_member(&setting.name) => {
                all.extend(members.into_iter().map(|(name, value)| {
                    let inside = setting.inside.clone();
                    Setting { place: inside.clone(), inside, name, value }
                }));
            }
            _ => all.push(setting),
        }
    }
    all
}

/// Whether a column sets a member of the case, or a member of that.
fn is_member(column: &str) -> bool {
    MEMBERS.contains(&column.split('.').next().unwrap_or_default())
}

/// Sets the member at a path.
fn place(members: &mut Map<String, Value>, name: &str, rest: &[&str], value: Value) -> Result<(), Value> {
    let [next, rest @ ..] = rest else {
        members.insert(name.to_owned(), value);
        return Ok(());
    };
    match members.entry(name).or_insert_with(|| Value::Object(Map::new())) {
        Value::Object(inner) => place(inner, next, rest, value),
        other => Err(other.clone()),
    }
}

/// Gives cases of the same name the values that tell them apart.
fn distinct(cases: &mut [Map<String, Value>], sets: &[Vec<Setting>]) {
    let name = |case: &Map<String, Value>| case.get("name").cloned();
    let repeated: Vec<bool> = {
        let mut counts = std::collections::HashMap::new();
        for case in cases.iter() {
            *counts.entry(name(case).map(|name| name.to_string())).or_insert(0_usize) += 1;
        }
        cases.iter().map(|case| counts.get(&name(case).map(|name| name.to_string())) > Some(&1)).collect()
    };
    for (at, case) in cases.iter_mut().enumerate().filter(|(at, _)| repeated.get(*at) == Some(&true)) {
        let set = sets.get(at % sets.len().max(1)).map(Vec::as_slice).unwrap_or_default();
        let shown: Vec<String> = set
            .iter()
            .filter(|setting| {
                !["decision", "ruling", "reason", "reasons", "errors"].contains(&setting.name.as_str())
            })
            .map(|Setting { name: column, value, .. }| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                format!("{column}: {text}")
            })
            .collect();
        if let Some(Value::String(name)) = case.get_mut("name")
            && !name.is_empty()
            && !shown.is_empty()
        {
            *name = format!("{name} ({})", shown.join(", "));
        }
    }
}

/// Whether everything in a case is known; its name comes back.
pub(super) fn check(case: &Map<String, Value>) -> Result<String, String> {
    if let Some(name) = case.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        return Err(format!(
            "`{name}`: unknown field, expected one of `{}`, `each`, `table`, `matrix`",
            MEMBERS.join("`, `")
        ));
    }
    for (member, value) in case {
        if let Some(name) = used_names(value).pop_first() {
            return Err(format!(
                "`{member}`: `${{{name}}}`: expected a column, or a member of `each`, of that name"
            ));
        }
    }
    match case.get("name") {
        Some(Value::String(name)) if !name.is_empty() => Ok(name.clone()),
        _ => Err(String::from("`name`: expected a text")),
    }
}

/// What must come of a case.
pub(super) struct Expected {
    /// Whether it is allowed.
    pub(super) allow: bool,
    /// What the gateway makes of it, where the case says so.
    pub(super) ruling: Option<&'static str>,
    /// Which policies determine the decision, where the case says so.
    pub(super) reasons: Option<Vec<String>>,
    /// Which policies can't be evaluated.
    pub(super) errors: Vec<String>,
}

impl Expected {
    /// Reads it.
    pub(super) fn of(case: &Map<String, Value>) -> Result<Self, String> {
        let allow = match case.get("decision").and_then(Value::as_str) {
            Some("allow") => true,
            Some("deny") => false,
            _ => return Err(String::from("`decision`: expected `allow` or `deny`")),
        };
        let ruling = match case.get("ruling") {
            None | Some(Value::Null) => None,
            Some(found) => {
                let known = RULINGS.iter().copied().find(|name| found.as_str() == Some(name));
                let expected = RULINGS.join("`, `");
                Some(known.ok_or_else(|| format!("`ruling`: expected one of `{expected}`, found {found}"))?)
            }
        };
        let member = |name: &str| case.get(name).filter(|value| !value.is_null());
        let reasons = match (member("reasons"), member("reason")) {
            (Some(_), Some(_)) => {
                return Err(String::from("expected either `reasons` or `reason`, found both"));
            }
            (Some(names), None) | (None, Some(names)) => Some(self::names(names, "reasons")?),
            (None, None) => None,
        };
        let errors = member("errors").map(|names| self::names(names, "errors")).transpose()?;
        Ok(Self { allow, ruling, reasons, errors: errors.unwrap_or_default() })
    }
}

/// A name or a list of them, sorted.
fn names(value: &Value, member: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("`{member}`: expected identifiers of policies, found {value}");
    let mut names = match value {
        Value::String(name) => vec![name.clone()],
        Value::Array(names) => names
            .iter()
            .map(|name| name.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect::<Result<_, _>>()?,
        _ => return Err(wrong()),
    };
    names.sort();
    names.dedup();
    Ok(names)
}
