//! `countersign check`, `compile` and `reference`: what is said about good and bad files.

use crate::support::{EXAMPLE, countersign, folder, root};
use serde_json::Value;
use std::fs;

const PACK: &str = "policies/fraud-scoring";

#[test]
fn the_examples_are_good() {
    let run = countersign(&["check", EXAMPLE, PACK]).exits(0);
    assert_eq!(run.out().lines().filter(|line| line.starts_with("ok ")).count(), 2, "{}", run.out());
    let lines = countersign(&["check", "--format", "json", EXAMPLE, PACK]).exits(0).lines();
    assert!(lines.iter().all(|line| line["ok"] == true));
}

#[test]
fn what_is_wrong_with_a_packs_file_is_said_of_the_file() {
    let folder = folder("check-bytes");
    fs::copy(root().join(PACK).join("fraud-scoring.cedarschema"), folder.join("a.cedarschema")).unwrap();
    fs::write(folder.join("a.cedar"), b"permit (principal, action, resource); // \xff").unwrap();
    let said = countersign(&["check", folder.to_str().unwrap()]).exits(2).err();
    assert!(
        said.contains("a.cedar") && said.contains("UTF-8") && !said.contains("a pack is a folder"),
        "{said}"
    );
}

#[test]
fn an_action_that_is_declared_twice_is_said_to_be() {
    let folder = folder("check-twice");
    let schema = "namespace A { entity U; entity R; action go appliesTo { principal: U, resource: R }; }
namespace B { entity U; entity R; action go appliesTo { principal: U, resource: R }; }";
    fs::write(folder.join("a.cedarschema"), schema).unwrap();
    fs::write(folder.join("a.cedar"), "permit (principal, action == A::Action::\"go\", resource);").unwrap();
    let configuration = "version: 1
issuers:
  - issuer: https://id.example
    audiences: [a]
    keys: { remote: { cluster: c, uri: https://id.example/jwks } }
    principal: { type: \"A::U\" }
workload: { trust_domains: [bank.example] }
routes:
  - name: go
    methods: [GET]
    path: /go
    action: go
    resource: { type: \"A::R\", id: x }
policy: { pack: . }
";
    let file = folder.join("countersign.yaml");
    fs::write(&file, configuration).unwrap();
    let said = countersign(&["check", file.to_str().unwrap()]).exits(2).err();
    let both = "found `go`, which is `A::Action::\"go\"` and `B::Action::\"go\"`";
    assert!(
        said.contains("`routes[0].action`: expected an id that one action has") && said.contains(both),
        "{said}"
    );
}

#[test]
fn a_fault_is_shown_by_line_and_field() {
    let folder = folder("check-fault");
    let good = fs::read_to_string(root().join(EXAMPLE)).unwrap();
    let pack = root().join(PACK).display().to_string();
    let good = good.replace("../../policies/fraud-scoring", &pack);
    let file = folder.join("countersign.yaml");
    let name = file.to_str().unwrap();
    fs::write(&file, &good).unwrap();
    countersign(&["check", name]).exits(0);
    for (from, to, path, message) in [
        (
            "action: ScoreTransfer",
            "action: ScoreTransfe",
            "routes[0].action",
            "expected an action that the schema declares",
        ),
        (
            "clock_skew_seconds: 5",
            "clock_skew_seconds: 5000",
            "issuers[0].clock_skew_seconds",
            "expected a number from 0 to 300",
        ),
        (
            "clock_skew_seconds: 5",
            "clock_skew_seconds: five",
            "issuers[0].clock_skew_seconds",
            "expected a whole number from 0 to 4294967295, got a string",
        ),
        (
            "trust_domains: [bank.example]",
            "trust_domain: [bank.example]",
            "workload.trust_domain",
            "unknown field",
        ),
        ("realm: bank.example", "realm: 'bank\"example'", "refusal.realm", "expected printable ASCII"),
        ("version: 1", "version: 2", "version", "expected 1, found 2"),
    ] {
        let text = good.replace(from, to);
        assert_ne!(text, good, "{from}");
        let line = text
            .lines()
            .position(|line| line.contains(to.split(": ").next().unwrap()) && line.contains(to))
            .unwrap()
            + 1;
        fs::write(&file, &text).unwrap();
        let said = countersign(&["check", name]).exits(2).err();
        assert!(said.starts_with(&format!("error: {name}:{line}:")), "line {line} for `{to}` in: {said}");
        assert!(said.contains(&format!("`{path}`: ")) && said.contains(message), "{said}");
    }
    fs::write(&file, good.replace("version: 1", "version: [1")).unwrap();
    let said = countersign(&["check", name]).exits(2).err();
    assert!(said.contains("expected YAML or JSON"), "{said}");
    countersign(&["check", "no/such.yaml"]).exits(2);
    countersign(&["check"]).exits(2);
}

#[test]
fn a_bad_policy_is_shown_with_its_line() {
    let folder = folder("check-policy");
    fs::write(
        folder.join("a.cedarschema"),
        "entity User { age: Long }; entity Doc; action read appliesTo { principal: User, resource: Doc };",
    )
    .unwrap();
    let policy = folder.join("a.cedar");
    for (text, place) in [
        ("permit(principal, action, resource)\nwhen { principal.agee > 3 };", "a.cedar:2:"),
        ("permit(principal, action, resource)\nwhen { principal.age > \"x\" };", "a.cedar:2:"),
        ("permit(principal, action == Action::\"reed\", resource);", "a.cedar:1:"),
        ("permit(principal, action, resource", "a.cedar:1:"),
    ] {
        fs::write(&policy, text).unwrap();
        let run = countersign(&["check", folder.to_str().unwrap()]).exits(2);
        assert!(run.err().contains(place), "{}", run.err());
        let run = countersign(&["check", "--format", "json", folder.to_str().unwrap()]).exits(2);
        let found = &run.lines()[0];
        assert_eq!(found["ok"], false);
        assert_eq!(found["findings"][0]["severity"], "error");
        assert!(found["findings"][0]["line"].as_u64() > Some(0), "{found}");
        countersign(&["compile", folder.to_str().unwrap(), "-o", "-"]).exits(2);
    }
    fs::write(&policy, "permit(principal, action, resource) when { principal.age > 3 };").unwrap();
    countersign(&["check", folder.to_str().unwrap()]).exits(0);
    fs::remove_file(&policy).unwrap();
    countersign(&["check", folder.to_str().unwrap()]).exits(2);
}

#[test]
fn what_is_compiled_is_a_configuration_again() {
    let folder = folder("compile");
    let (image, json) = (folder.join("pack.image"), folder.join("filter.json"));
    let said = countersign(&["compile", PACK, "-o", image.to_str().unwrap()]).exits(0).err();
    assert!(said.contains("15 policies") && said.contains("sha256:"), "{said}");
    countersign(&["compile", EXAMPLE, "-o", json.to_str().unwrap()]).exits(0);
    let written: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    assert!(written["policy"]["image"].is_string() && written["policy"].get("pack").is_none());
    countersign(&["check", json.to_str().unwrap()]).exits(0);

    // The same pack is the same image, wherever it is compiled, to a file or not.
    let elsewhere = folder.join("elsewhere");
    fs::create_dir_all(&elsewhere).unwrap();
    for file in fs::read_dir(root().join(PACK)).unwrap() {
        let file = file.unwrap().path();
        if file.is_file() {
            fs::copy(&file, elsewhere.join(file.file_name().unwrap())).unwrap();
        }
    }
    let again = folder.join("again.image");
    countersign(&["compile", elsewhere.to_str().unwrap(), "-o", again.to_str().unwrap()]).exits(0);
    assert_eq!(fs::read(&image).unwrap(), fs::read(&again).unwrap());
    let piped = countersign(&["compile", EXAMPLE, "-o", "-"]).exits(0);
    assert_eq!(piped.out().as_bytes(), fs::read(&json).unwrap());
    countersign(&["compile", PACK, "-o", "no/such/folder/x"]).exits(2);
}

#[test]
fn reference_pages_are_printed() {
    let page = |arguments: &[&str]| countersign(&[&["reference"], arguments].concat()).exits(0).out();
    assert!(page(&["configuration"]).contains("| `issuers[].audiences` |"));
    assert!(page(&["reasons"]).contains("| `token.expired` | 401 |"));
    assert!(page(&["metrics"]).contains("`countersign.allowed`"));
    for arguments in
        [vec!["schema"], vec!["reasons", "--format", "json"], vec!["metrics", "--format", "json"]]
    {
        assert!(serde_json::from_str::<Value>(&page(&arguments)).is_ok(), "{arguments:?}");
    }
    countersign(&["reference", "nothing"]).exits(2);
}
