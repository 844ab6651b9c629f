//! The reference pages in `docs/` say what this release does.

use std::path::Path;
use std::process::Command;

/// What `countersign reference` prints, and where it is kept. `cargo xtask docs` writes the same.
const PAGES: [(&str, &str); 5] = [
    ("configuration", "docs/configuration.md"),
    ("schema", "docs/configuration.schema.json"),
    ("scenarios", "docs/scenario.schema.json"),
    ("reasons", "docs/reasons.md"),
    ("metrics", "docs/metrics.md"),
];

#[test]
fn the_reference_pages_are_those_of_this_release() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut stale = Vec::new();
    for (page, file) in PAGES {
        let run = Command::new(env!("CARGO_BIN_EXE_countersign")).args(["reference", page]).output().unwrap();
        assert!(run.status.success(), "{page}: {}", String::from_utf8_lossy(&run.stderr));
        let printed = String::from_utf8(run.stdout).unwrap();
        let kept = std::fs::read_to_string(root.join(file)).unwrap_or_default();
        if let Some(line) = first_difference(&printed, &kept) {
            stale.push(format!("{file}, line {line}"));
        }
    }
    assert!(stale.is_empty(), "stale: {}; `cargo xtask docs` writes them anew", stale.join("; "));
}

/// The number of the first line in which two texts differ.
fn first_difference(one: &str, other: &str) -> Option<usize> {
    if one == other {
        return None;
    }
    let same = one.lines().zip(other.lines()).take_while(|(one, other)| one == other).count();
    Some(same + 1)
}

/// A page that lists the fields must list each that the schema has, however deep.
#[test]
fn the_schema_knows_the_fields_that_the_page_lists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(root.join("docs/configuration.md")).unwrap();
    let schema = std::fs::read_to_string(root.join("docs/configuration.schema.json")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let mut names = Vec::new();
    collect(&schema, &mut names);
    assert!(names.len() > 40, "{names:?}");
    for name in names {
        let listed = [format!("`{name}`"), format!(".{name}`")].iter().any(|text| page.contains(text));
        assert!(listed, "`{name}` is a field that the page does not list");
    }
}

/// What people copy from shows them what there is.
#[test]
fn the_example_shows_every_field() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let example = std::fs::read_to_string(root.join("examples/envoy/countersign.yaml")).unwrap();
    let schema = std::fs::read_to_string(root.join("docs/configuration.schema.json")).unwrap();
    let mut names = Vec::new();
    collect(&serde_json::from_str(&schema).unwrap(), &mut names);
    let words: Vec<&str> = example.split(|c: char| !(c.is_alphanumeric() || "_-:".contains(c))).collect();
    let shown = |name: &str| words.contains(&format!("{name}:").as_str());
    let missing: Vec<&String> = names.iter().filter(|name| !shown(name)).collect();
    assert!(missing.is_empty(), "examples/envoy/countersign.yaml does not show {missing:?}");
}

/// The names of all members that any object of the schema may have.
fn collect(schema: &serde_json::Value, names: &mut Vec<String>) {
    match schema {
        serde_json::Value::Object(members) => {
            if let Some(serde_json::Value::Object(properties)) = members.get("properties") {
                names.extend(properties.keys().cloned());
            }
            members.values().for_each(|value| collect(value, names));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        _ => {}
    }
}
