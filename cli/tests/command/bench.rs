//! `countersign bench`: every decision is checked, and a slower run is told from a good one. No time is asserted.

use crate::support::root;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn file(name: &str, text: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The shortest run there is, of the repository's own example.
fn bench(more: &[&str]) -> Output {
    assert!(root().join("target/countersign.wasm").exists(), "no module, run `cargo xtask build-filter`");
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.current_dir(root()).args(["bench", "--rounds", "1", "--decisions", "1", "--format", "json"]);
    command.args(more).output().unwrap()
}

fn report(more: &[&str]) -> Value {
    let output = bench(more);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn allow_and_every_kind_of_refusal_are_measured_on_both_engines() {
    let report = report(&[]);
    assert!(report["module_bytes"].as_u64().unwrap() > 0);
    assert!(report["memory_bytes"]["after_start"].as_u64().unwrap() > 0);
    assert!(report["memory_bytes"]["largest"].as_u64() >= report["memory_bytes"]["after_start"].as_u64());
    let series = report["series"].as_array().unwrap();
    let has = |state: &str, engine: &str, reason: Value| {
        series.iter().any(|line| {
            let matches = line["state"] == state && line["engine"] == engine && line["reason"] == reason;
            matches && line["decisions"] == 1 && line["p50"].as_u64().unwrap() > 0
        })
    };
    for engine in ["wasm", "native"] {
        for state in ["warm", "new", "cold"] {
            assert!(has(state, engine, Value::Null), "allow, {state}, {engine}");
        }
        for reason in [
            "token.missing",
            "token.scheme",
            "token.malformed",
            "token.too_large",
            "token.algorithm",
            "token.type",
            "token.critical",
            "token.issuer.missing",
            "token.issuer.unknown",
            "token.key.unknown",
            "token.signature",
            "token.claims",
            "token.expiry.missing",
            "token.expired",
            "token.not_yet_valid",
            "token.issued_in_future",
            "token.lifetime",
            "token.audience",
            "token.subject.missing",
            "transport.workload.missing",
            "transport.workload.invalid",
            "transport.workload.untrusted",
            "request.header.duplicate",
            "request.method.unmatched",
            "request.route.unmatched",
            "request.path.invalid",
            "policy.attribute",
            "policy.forbidden",
            "policy.not_permitted",
        ] {
            for state in ["warm", "cold"] {
                assert!(has(state, engine, json!(reason)), "{reason}, {state}, {engine}");
            }
        }
    }
}

/// What is promised of a worker's VM under the reference pack: after start, and with the cache of tokens full.
#[test]
fn a_vm_stays_small() {
    const MOST: u64 = 6 * 1024 * 1024;
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.current_dir(root()).args(["bench", "--only", "allow", "--rounds", "1", "--format", "json"]);
    // A tenth are new tokens, in each of two rounds: more than the cache's 1,024 entries.
    let output = command.args(["--decisions", "6000"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let bytes = |name: &str| report["memory_bytes"][name].as_u64().unwrap();
    let (started, largest) = (bytes("after_start"), bytes("largest"));
    assert!(started <= MOST && largest <= MOST, "{started} bytes after start, {largest} later");
    assert!(largest > started, "the cache takes no room: nothing was measured");
    println!("{started} bytes after start, {largest} with a full cache");
}

#[test]
fn a_worse_median_exits_with_3() {
    let baseline = |p50: u64| {
        let line = json!({ "case": "allow", "state": "warm", "engine": "wasm", "p50": p50 });
        file(&format!("baseline-{p50}.json"), &json!({ "series": [line] }).to_string())
    };
    let slower = bench(&["--only", "allow", "--baseline", &baseline(1)]);
    assert_eq!(slower.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&slower.stderr).contains("slower"), "{slower:?}");
    let faster = bench(&["--only", "allow", "--baseline", &baseline(u64::from(u32::MAX))]);
    assert_eq!(faster.status.code(), Some(0), "{faster:?}");
    let slow = bench(&["--only", "allow", "--target", "1ns"]);
    assert_eq!(slow.status.code(), Some(3), "{slow:?}");
    let other = file("other.json", &json!({ "series": [] }).to_string());
    assert_eq!(bench(&["--only", "allow", "--baseline", &other]).status.code(), Some(2));
}

#[test]
fn what_cannot_be_compared_is_said_before_anything_is_measured() {
    let broken = file("broken.json", "{");
    let other =
        file("of-others.json", r#"{"series":[{"case":"of others","state":"warm","engine":"wasm","p50":1}]}"#);
    for (arguments, message) in [
        (vec!["--only", "expired", "--target", "1ns"], "`--target`: expected the case `allow`"),
        (vec!["--only", "nothing"], "expected a case to measure"),
        (vec!["--baseline", &broken], "expected an earlier run's figures"),
        (vec!["--baseline", "no/such.json"], "no/such.json: expected an earlier run's figures"),
        (vec!["--baseline", &other], "expected a case in common"),
    ] {
        // As many rounds as this would take hours.
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        let output =
            command.current_dir(root()).args(["bench", "--rounds", "100000000"]).args(&arguments).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(message), "{arguments:?}: {said}");
    }
}

#[test]
fn an_unexpected_decision_ends_the_run() {
    // The edge calls for a customer of the other tenant: what is to be allowed is forbidden.
    let plan = "
request: { method: POST, path: /v1/tenants/globex/transfers/t-1/score }
workload: spiffe://bank.example/edge
claims: { sub: alice, tenant: acme, region: eu, roles: [customer], transaction: { class: wire, amount: 1 } }
";
    let output = bench(&["--requests", &file("plan.yaml", plan)]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("expected `allow`, got `policy.forbidden`"), "{said}");
}
