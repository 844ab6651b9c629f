//! `countersign lint` and `diff`, as people run them.

mod support;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use support::{countersign, folder, root};

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
    for (format, start) in [("json", "{\"path\":"), ("github", "::error file="), ("junit", "<?xml")] {
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
    countersign(&["lint", pack, "--config", support::EXAMPLE, "--deny", "warnings"]).exits(0);
    let example = fs::read_to_string(root().join(support::EXAMPLE)).unwrap();
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
