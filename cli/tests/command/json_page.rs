//! What docs/policies.md says of JSON, held against what the commands print.

use crate::support::{countersign, countersign_with, folder, root};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

/// The members that the page lists under a heading; where there are several tables, those of the one at `at`.
fn listed(heading: &str, at: usize) -> BTreeSet<String> {
    let page = fs::read_to_string(root().join("docs/policies.md")).unwrap();
    let json = page.split("\n## JSON\n").nth(1).unwrap();
    let section = json.split("\n### ").find(|section| section.lines().next() == Some(heading)).unwrap();
    let table = section.split("| member | holds |").nth(at + 1).unwrap();
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let names =
        rows.map(|row| row.split(" | ").next().unwrap().split('`').skip(1).step_by(2).map(str::to_owned));
    names.flatten().collect()
}

/// The paths of all members, `[]` for those of a list.
fn paths(value: &Value, path: &str, all: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            let dot = if path.is_empty() { "" } else { "." };
            members.iter().for_each(|(name, value)| paths(value, &format!("{path}{dot}{name}"), all));
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().for_each(|item| paths(item, &format!("{path}[]"), all));
        }
        _ => {}
    }
    all.insert(path.to_owned());
}

/// Holds a table against outputs: all that it lists is there, and all that is there is in it, or below what it lists.
#[track_caller]
fn holds(heading: &str, at: usize, outputs: &[Value]) {
    let listed = listed(heading, at);
    let mut there = BTreeSet::new();
    outputs.iter().for_each(|output| paths(output, "", &mut there));
    for path in &listed {
        let bare = path.strip_suffix("[]").unwrap_or(path);
        assert!(
            there.contains(path) || there.contains(bare),
            "`{heading}` has no `{path}`, as docs/policies.md says"
        );
    }
    let inner = |path: &str, outer: &str| {
        path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    for path in there.iter().filter(|path| !path.is_empty()) {
        // It, what it is in as a whole, or something in it.
        let known = listed.iter().any(|listed| inner(path, listed) || inner(listed, path));
        assert!(known, "`{path}` of `{heading}` is not in docs/policies.md");
    }
}

fn one(arguments: &[&str], code: i32) -> Value {
    serde_json::from_str(&countersign(arguments).exits(code).out()).unwrap()
}

#[test]
fn the_page_lists_what_is_printed() {
    let pack = folder("json-page");
    let path = pack.to_str().unwrap();
    fs::write(
        pack.join("a.cedarschema"),
        "@sensitive entity Doc { open: Bool }; entity User { level: Long };
         action read appliesTo { principal: User, resource: Doc };",
    )
    .unwrap();
    let policy = "@id(\"p\") @reason(\"r\") permit(principal, action, resource)";
    fs::write(pack.join("a.cedar"), format!("{policy};")).unwrap();
    fs::create_dir(pack.join("tests")).unwrap();
    fs::write(
        pack.join("tests/t.yaml"),
        "cases: [{ name: a, principal: 'User::\"a\"', action: read, resource: 'Doc::\"d\"', decision: deny,
          entities: [{ uid: 'User::\"a\"', attrs: { level: 1 } }] }]",
    )
    .unwrap();
    let of = "`check`, `fmt`, `lint`";
    let lint = one(&["lint", "--format", "json", path], 0);
    holds(of, 0, &[lint, one(&["check", "--format", "json", path], 0)]);
    for rest in [vec!["lint"], vec!["check"], vec!["fmt", "--check"], vec!["inspect"], vec!["test"]] {
        let wrong = [&rest[..], &["--format", "json", "no/such"]].concat();
        holds(of, 0, &[one(&wrong, 2)]);
    }
    let image = pack.join("pack.image");
    let image = image.to_str().unwrap();
    holds("`compile`", 0, &[one(&["compile", "--format", "json", path, "-o", image], 0)]);
    holds("`inspect`", 0, &[one(&["inspect", "--format", "json", image], 0)]);

    fs::write(pack.join("a.cedar"), format!("{policy} when {{ principal.level > 3 }};")).unwrap();
    holds("`diff`", 0, &[one(&["diff", "--format", "json", image, path], 1)]);
    let failing = fs::read_to_string(pack.join("tests/t.yaml")).unwrap().replace("deny", "allow");
    fs::write(pack.join("tests/t.yaml"), failing).unwrap();
    holds("`test`", 0, &[one(&["test", "--format", "json", "--coverage-min", "100", path], 1)]);

    let entity = |kind: &str, id: &str| serde_json::json!({ "type": kind, "id": id });
    let case = serde_json::json!({
        "policy": "permit(principal, action, resource) when { context.n == 1 }; permit(principal, action, resource) when { context.m };
            permit(principal, action, resource);",
        "requests": [{ "principal": entity("User", "a"), "action": entity("Action", "r"), "resource": entity("Doc", "d"), "context": { "n": 2 } }],
    });
    let told = countersign_with(&["explain", "--cases", "-", "--format", "json"], &case.to_string())
        .exits(0)
        .lines();
    holds("`explain`", 1, &told);
    let request = ["explain", "--config", crate::support::EXAMPLE, "--format", "json", "--url", "/healthz"];
    holds("`explain`", 0, &[one(&request, 0)]);
}
