//! `countersign lint` and `diff`, as people run them.

use crate::support::{countersign, folder, root};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const SCHEMA: &str = "@sensitive entity Account { owner: User };
entity User { level: Long, risk?: String };
action read appliesTo { principal: User, resource: Account, context: { amount: Long, channel?: String } };
";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn pack(name: &str, policies: &str) -> PathBuf {
    let folder = folder(name);
    fs::write(folder.join("a.cedarschema"), SCHEMA).unwrap();
    fs::write(folder.join("a.cedar"), policies).unwrap();
    folder
}

#[test]
fn findings_end_with_one_where_they_are_denied() {
    let bad = pack("lint-bad", "@id(\"open\") permit(principal, action, resource);");
    let run = countersign(&["lint", text(&bad)]).exits(0);
    assert!(run.out().contains("[unconditional-permit]") && run.out().contains("1 warning"), "{}", run.out());
    countersign(&["lint", text(&bad), "--deny", "warnings"]).exits(1);
    let found = &countersign(&["lint", text(&bad), "--format", "json"]).exits(0).lines()[0]["findings"];
    let one = found.as_array().unwrap().iter().find(|one| one["rule"] == "unconditional-permit").unwrap();
    assert_eq!((one["policy"].as_str(), one["line"].as_u64()), (Some("open"), Some(1)));
    assert_eq!(one["severity"], "warning");
    let lines = countersign(&["lint", text(&bad), "--format", "github"]).exits(0).out();
    let place = format!("::warning file={},line=1,", text(&bad.join("a.cedar")));
    assert!(
        lines.lines().any(|line| line.starts_with(&place) && line.contains("unconditional-permit")),
        "{lines}"
    );
    // A case for each rule, found or not; what is not denied is no failure.
    let xml = countersign(&["lint", text(&bad), "--format", "junit"]).exits(0).out();
    let rule = "name=\"unconditional-permit\"";
    assert!(xml.contains(&format!("{rule}><system-out>")) && !xml.contains("<failure"), "{xml}");
    assert!(xml.contains("name=\"covered\"/>"), "{xml}");
    let denied = ["lint", text(&bad), "--format", "junit", "--deny", "warnings"];
    let xml = countersign(&denied).exits(1).out();
    assert!(xml.contains(&format!("{rule}><failure ")) && xml.matches("<failure").count() == 1, "{xml}");

    let good = pack("lint-good", "@allow(\"unconditional-permit\") permit(principal, action, resource);");
    countersign(&["lint", text(&good), "--deny", "warnings"]).exits(0);
    countersign(&["lint", text(&good), "--deny", "notes"]).exits(1);
    let broken = pack("lint-broken", "permit(principal, action, resource) when { principal.x };");
    countersign(&["lint", text(&broken)]).exits(2);
    for (format, start) in [
        ("json", "{\"path\":"),
        ("github", "::error file="),
        ("junit", "<?xml"),
        ("tap", "TAP version 14\n1.."),
    ] {
        let out = countersign(&["lint", text(&broken), "--format", format]).exits(2).out();
        assert!(out.starts_with(start) && out.contains("`x`"), "{out}");
    }
}

#[test]
fn a_sensitive_type_that_nobody_knows_is_refused() {
    let pack = pack("lint-sensitive", "permit(principal, action, resource);");
    countersign(&["lint", text(&pack), "--sensitive", "User"]).exits(0);
    let run = countersign(&["lint", text(&pack), "--sensitive", "Acount"]).exits(2);
    let said = "error: `--sensitive Acount`: expected an entity type of the schema; did you mean `Account`?";
    assert_eq!((run.err().trim_end(), run.out().as_str()), (said, ""));
}

#[test]
fn the_reference_packs_have_no_warnings() {
    for pack in fs::read_dir(root().join("policies")).unwrap() {
        let pack = pack.unwrap().path();
        if pack.is_dir() {
            countersign(&["lint", text(&pack), "--deny", "warnings"]).exits(0);
        }
    }
    // The example's configuration gives each purpose itself. Taken from a header, it is what the client says it is.
    let pack = "policies/fraud-scoring";
    countersign(&["lint", pack, "--config", crate::support::EXAMPLE, "--deny", "warnings"]).exits(0);
    let example = fs::read_to_string(root().join(crate::support::EXAMPLE)).unwrap();
    let free = example
        .replace("../../policies", &root().join("policies").display().to_string())
        .replace("{ value: retraining }", "{ header: x-purpose }");
    let file = folder("lint-header").join("countersign.yaml");
    fs::write(&file, free).unwrap();
    let said = countersign(&["lint", pack, "--config", text(&file)]).exits(0).out();
    assert!(said.contains("`context.purpose`") && said.contains("[unverified-input]"), "{said}");
    let said = countersign(&["lint", pack]).exits(0).out();
    assert!(!said.contains("[unverified-input]"), "{said}");
}

const OLD: &str = "@id(\"small\") permit(principal, action, resource) when { context.amount < 10 };
@id(\"risky\") forbid(principal, action, resource) when { principal has risk && principal.risk == \"high\" };";

const TABLE: &str = r#"
cases:
  - name: a small amount
    principal: User::"ann"
    action: read
    resource: Account::"a"
    context: { amount: 1 }
    entities:
      - { uid: 'User::"ann"', attrs: { level: 1 } }
      - { uid: 'Account::"a"', attrs: { owner: 'User::"ann"' } }
    decision: allow
"#;

fn versions(name: &str, from: &str, to: &str) -> (PathBuf, PathBuf) {
    let (old, new) =
        (pack(&format!("{name}-old"), OLD), pack(&format!("{name}-new"), &OLD.replace(from, to)));
    assert_ne!(OLD, OLD.replace(from, to));
    for pack in [&old, &new] {
        fs::create_dir(pack.join("tests")).unwrap();
        fs::write(pack.join("tests/t.yaml"), TABLE).unwrap();
    }
    (old, new)
}

fn data(arguments: &[&str], code: i32) -> Value {
    let out = countersign(&[&["diff", "--format", "json"], arguments].concat()).exits(code).out();
    serde_json::from_str(&out).unwrap()
}

#[test]
fn a_limit_that_moves_is_found_at_its_boundary() {
    let (old, new) = versions("diff-limit", "< 10", "<= 10");
    let found = data(&[text(&old), text(&new)], 1);
    assert_eq!((found["now_allowed"].as_u64(), found["now_denied"].as_u64()), (Some(1), Some(0)), "{found}");
    let change = &found["changes"][0];
    assert_eq!(change["context"]["amount"], 10);
    assert_eq!(change["new"]["reasons"][0], "small");
    assert_eq!(change["old"]["ruling"], "not_permitted");
    assert!(change["old"]["near"][0].as_str().unwrap().starts_with("small: "), "{change}");
    let back = data(&[text(&new), text(&old)], 1);
    assert_eq!(back["now_denied"], 1);
    assert_eq!(data(&[text(&old), text(&new), "--exit-zero"], 0)["now_allowed"], 1);
    // What is recorded does not show it.
    assert_eq!(data(&[text(&old), text(&new), "--recorded-only"], 0)["asked"], 1);
    let said = countersign(&["diff", text(&old), text(&new)]).exits(1).out();
    assert!(said.contains("now allowed User::\"ann\" Action::\"read\" Account::\"a\""), "{said}");
}

#[test]
fn an_attribute_that_matters_is_found_by_its_values() {
    let (old, new) = versions("diff-value", "\"high\"", "\"severe\"");
    let found = data(&[text(&old), text(&new)], 1);
    assert!(found["now_allowed"].as_u64() > Some(0) && found["now_denied"].as_u64() > Some(0), "{found}");
    let same = data(&[text(&old), text(&old)], 0);
    assert_eq!((same["now_allowed"].as_u64(), same["changes"].as_array().unwrap().len()), (Some(0), 0));
}

/// The numbers of decisions now allowed and now denied, for a schema, two versions of the policies and a table.
fn changes(name: &str, schema: &str, [old, new]: [&str; 2], table: &str) -> (u64, u64) {
    let packs = ["old", "new"].map(|version| folder(&format!("{name}-{version}")));
    for (pack, policies) in packs.iter().zip([old, new]) {
        fs::write(pack.join("a.cedarschema"), schema).unwrap();
        fs::write(pack.join("a.cedar"), policies).unwrap();
        fs::create_dir(pack.join("tests")).unwrap();
    }
    fs::write(packs[0].join("tests/t.yaml"), table).unwrap();
    let out = countersign(&["diff", "--format", "json", "--exit-zero", text(&packs[0]), text(&packs[1])]);
    let found: Value = serde_json::from_str(&out.exits(0).out()).unwrap();
    (found["now_allowed"].as_u64().unwrap(), found["now_denied"].as_u64().unwrap())
}

const DOCS: &str = "entity Role; entity User in [Role] { tenant: String, level: Long, active: Bool };
entity Doc { tenant: String, owner: User, state: String };
action read, write appliesTo { principal: User, resource: Doc, context: { mfa: Bool, amount: Long } };";

const DOC_CASE: &str = r#"
cases:
  - name: a reader
    principal: User::"ann"
    action: read
    resource: Doc::"d"
    context: { mfa: false, amount: 500 }
    entities:
      - { uid: 'User::"ann"', attrs: { tenant: acme, level: 1, active: false } }
      - { uid: 'User::"bob"', attrs: { tenant: other, level: 9, active: false } }
      - { uid: 'Doc::"d"', attrs: { tenant: acme, owner: 'User::"bob"', state: draft } }
    decision: deny
"#;

#[test]
fn ordinary_loosenings_are_found() {
    for (name, old, new) in [
        (
            "two-attributes",
            "when { context.mfa && resource.state == \"open\" }",
            "when { context.mfa && resource.state == \"shut\" }",
        ),
        (
            "attribute-to-attribute",
            "when { principal.tenant == resource.tenant && context.mfa }",
            "when { resource.owner == principal && context.mfa }",
        ),
        (
            "four-at-once",
            "when { context.mfa && context.amount < 10 && resource.state == \"open\" && principal.level > 3 && principal.active }",
            "when { context.mfa && context.amount < 10 && resource.state == \"open\" && principal.level > 3 }",
        ),
        (
            "or-for-and",
            "when { context.mfa && principal.level > 3 }",
            "when { context.mfa || principal.level > 3 }",
        ),
        ("what-others-are", "when { false }", "when { resource.owner.level > 8 && context.mfa }"),
        ("like", "when { resource.state like \"open*\" && context.mfa }", "when { context.mfa }"),
    ] {
        let policies =
            [old, new].map(|when| format!("@id(\"p\") permit(principal, action, resource) {when};"));
        let policies = [policies[0].as_str(), policies[1].as_str()];
        let (opened, _) = changes(&format!("diff-{name}"), DOCS, policies, DOC_CASE);
        assert!(opened > 0, "{name}");
        assert_eq!(changes(&format!("diff-{name}-same"), DOCS, [policies[1]; 2], DOC_CASE), (0, 0), "{name}");
    }
}

#[test]
fn memberships_and_actions_of_either_version_are_tried() {
    let role = |role: &str| format!("@id(\"p\") permit(principal in Role::\"{role}\", action, resource);");
    let (opened, closed) = changes("diff-role", DOCS, [&role("admin"), &role("guest")], DOC_CASE);
    assert!(opened > 0 && closed > 0, "{opened} {closed}");
    // An action that only the old version has is one that nobody is permitted any more. Nobody has written a case about it.
    let old = pack("diff-action-old", "permit(principal, action, resource);");
    let new = pack("diff-action-new", "permit(principal, action == Action::\"list\", resource);");
    fs::write(new.join("a.cedarschema"), SCHEMA.replace("action read", "action list")).unwrap();
    let found = data(&[text(&old), text(&new)], 1);
    let denied: Vec<&str> = found["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["action"].as_str().unwrap())
        .collect();
    assert!(denied.contains(&"Action::\"read\""), "{found}");
}

#[test]
fn every_way_in_which_cases_describe_an_entity_is_tried() {
    // Only the second case's ann is so, no boundary tells it, and no case is about the action.
    let table = DOC_CASE.to_owned()
        + &DOC_CASE
            .replace("\ncases:\n", "")
            .replace("a reader", "another")
            .replace("level: 1,", "level: 77,")
            .replace("tenant: acme, owner", "tenant: x, owner");
    let policies = [
        "permit(principal, action, resource) when { false };",
        "permit(principal, action == Action::\"write\", resource) when { principal.level * 2 == 154 };",
    ];
    let (opened, _) = changes("diff-variants", DOCS, policies, &table);
    assert!(opened > 0);
}

#[test]
fn changes_have_a_form_for_every_reader() {
    let (old, new) = versions("diff-forms", "< 10", "<= 10");
    let run = |format: &str, code| {
        countersign(&["diff", "--format", format, text(&old), text(&new)]).exits(code).out()
    };
    let xml = run("junit", 1);
    assert!(xml.contains("failures=\"1\"") && xml.contains("<failure message=\"now allowed\">"), "{xml}");
    let lines = run("github", 1);
    assert!(lines.starts_with("::error title=now allowed::User::\"ann\" Action::\"read\""), "{lines}");
    assert!(lines.contains("::notice::1 now allowed, 0 now denied"), "{lines}");
    fs::write(new.join("a.cedar"), "permit(principal, action, resource) when { context.nothing };").unwrap();
    let found: Value = serde_json::from_str(&run("json", 2)).unwrap();
    assert_eq!(
        (found["ok"].as_bool(), found["findings"][0]["line"].as_u64()),
        (Some(false), Some(1)),
        "{found}"
    );
    assert!(run("github", 2).starts_with("::error file="));
    let limited =
        countersign(&["diff", "--limit", "2", "--exit-zero", text(&old), text(&old)]).exits(0).out();
    assert!(limited.contains("more are possible: `--limit`"), "{limited}");
}

#[test]
fn images_and_recorded_requests_are_compared() {
    let (old, new) = versions("diff-images", "< 10", "< 5");
    let images = [old.join("old.image"), new.join("new.image")];
    for (pack, image) in [&old, &new].into_iter().zip(&images) {
        countersign(&["compile", text(pack), "-o", text(image)]).exits(0);
    }
    let requests = old.join("requests.jsonl");
    let line = |amount: u32| {
        format!(
            "{{\"principal\": \"User::\\\"x\\\"\", \"action\": \"read\", \"resource\": \"Account::\\\"y\\\"\", \"context\": {{\"amount\": {amount}}}}}\n"
        )
    };
    fs::write(&requests, line(4) + &line(5)).unwrap();
    let arguments = [text(&images[0]), text(&images[1]), "--requests", text(&requests), "--recorded-only"];
    let found = data(&arguments, 1);
    assert_eq!((found["asked"].as_u64(), found["now_denied"].as_u64()), (Some(2), Some(1)));
    assert_eq!(found["changes"][0]["origin"], "line 2");
    fs::write(&requests, line(4) + "{\"principal\": 3}\n").unwrap();
    let said = countersign(&[&["diff"], &arguments[..]].concat()).exits(2).err();
    assert!(said.starts_with(&format!("error: {}:2:1: ", text(&requests))), "{said}");
    let limited = data(&[text(&old), text(&new), "--limit", "2", "--exit-zero"], 0);
    assert!(limited["asked"].as_u64() <= Some(3) && limited["possible"].as_u64() > Some(3), "{limited}");
}

#[test]
fn changes_do_not_tell_what_is_sensitive() {
    let (old, new) = versions("diff-masks", "< 10", "< 5");
    for pack in [&old, &new] {
        let schema = fs::read_dir(pack).unwrap().map(|entry| entry.unwrap().path());
        let schema =
            schema.into_iter().find(|path| path.extension().is_some_and(|it| it == "cedarschema")).unwrap();
        let text = fs::read_to_string(&schema).unwrap();
        assert!(text.contains("amount: Long"), "{text}");
        fs::write(&schema, text.replace("amount: Long", "@sensitive amount: Long")).unwrap();
    }
    let requests = old.join("requests.jsonl");
    let line = r#"{"principal": "User::\"x\"", "action": "read", "resource": "Account::\"y\"", "context": {"amount": 7}}"#;
    fs::write(&requests, line).unwrap();
    let arguments = ["diff", text(&old), text(&new), "--requests", text(&requests), "--recorded-only"];
    for format in ["text", "json"] {
        let said = countersign(&[&arguments[..], &["--format", format]].concat()).exits(1).out();
        assert!(said.contains("(masked)") && !said.contains("7}") && !said.contains(": 7"), "{said}");
    }
}
