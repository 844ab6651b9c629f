//! `countersign eval`: both engines, every kind of refusal, and hostile input.

use crate::support::{EXAMPLE, NOW, Signer, countersign, countersign_with, folder};
use serde_json::{Value, json};
use std::fs;

const URL: &str = "https://api.bank.example/v1/tenants/acme/transfers/t-1/score";

/// An allowed request.
fn good(signer: &Signer, token: &str) -> Value {
    json!({
        "method": "POST",
        "url": URL,
        "headers": [["authorization", format!("Bearer {token}")]],
        "peer": "spiffe://bank.example/edge",
        "time": NOW,
        "jwks": signer.jwks,
    })
}

/// `base` with these members in place of its own; `null` takes one out.
fn with(base: &Value, changes: Value) -> Value {
    let mut line = base.clone();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            line.as_object_mut().unwrap().remove(name);
        } else {
            line[name] = value.clone();
        }
    }
    line
}

fn bearer(token: &str) -> Value {
    json!({ "headers": [["authorization", format!("Bearer {token}")]] })
}

fn to_lines(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn both_engines_decide_alike_whatever_the_reason() {
    let folder = folder("eval-both");
    let (known, foreign) = (Signer::new(&folder, "known"), Signer::new(&folder, "foreign"));
    let token = known.token(&[]);
    let base = good(&known, &token);
    let authorization = ["authorization".to_owned(), format!("Bearer {token}")];
    let garbage = |text: &str| json!({ "jwks": text });
    let table: Vec<(&str, Value)> = vec![
        ("allow", base.clone()),
        ("allow", with(&base, json!({ "jwks": { "http://127.0.0.1:8090": known.jwks } }))),
        (
            "allow",
            with(
                &base,
                json!({ "headers": [authorization, ["X-Countersign-Principal", "root"], ["x_countersign_x", "y"]] }),
            ),
        ),
        (
            "allow",
            with(
                &base,
                json!({ "headers": [authorization, ["x-other", { "base64": "/w==" }]], "body": "{}" }),
            ),
        ),
        (
            "allow",
            with(
                &base,
                json!({ "method": "GET", "url": "/healthz", "headers": null, "peer": null, "jwks": null }),
            ),
        ),
        (
            "request.header.duplicate",
            with(&base, json!({ "headers": [authorization, ["Authorization", "Bearer x"]] })),
        ),
        ("request.header.duplicate", with(&base, json!({ "headers": [authorization, [":path", "/other"]] }))),
        ("request.header.invalid", with(&base, json!({ "url": URL.replace("api.", "api .") }))),
        (
            "request.path.invalid",
            with(&base, json!({ "url": "/v1/tenants/acme/../other/transfers/t-1/score" })),
        ),
        ("request.path.invalid", with(&base, json!({ "url": "//v1" }))),
        ("request.route.unmatched", with(&base, json!({ "url": "/v2" }))),
        ("request.method.unmatched", with(&base, json!({ "method": "DELETE" }))),
        ("transport.workload.missing", with(&base, json!({ "peer": null }))),
        ("transport.workload.invalid", with(&base, json!({ "peer": "https://bank.example/edge" }))),
        (
            "transport.workload.invalid",
            with(&base, json!({ "peer": null, "properties": { "connection.mtls": true } })),
        ),
        ("transport.workload.untrusted", with(&base, json!({ "peer": "spiffe://evil.example/edge" }))),
        ("token.missing", with(&base, json!({ "headers": [] }))),
        ("token.scheme", with(&base, json!({ "headers": [["authorization", "Basic eDp5"]] }))),
        ("token.malformed", with(&base, bearer("x.y.z"))),
        (
            "token.malformed",
            with(&base, json!({ "headers": [["authorization", { "base64": "QmVhcmVyIP8=" }]] })),
        ),
        ("token.too_large", with(&base, bearer(&"a".repeat(9_000)))),
        ("token.algorithm", with(&base, bearer(&known.token(&["--forge", "none"])))),
        ("token.type", with(&base, bearer(&known.token(&["--typ", "id+jwt"])))),
        (
            "token.issuer.unknown",
            with(&base, bearer(&known.token(&[]).replace(&token, &foreign_issuer(&known)))),
        ),
        ("token.key.unknown", with(&base, bearer(&foreign.token(&[])))),
        ("token.signature", with(&base, bearer(&foreign.token(&["--kid", "known"])))),
        ("token.signature", with(&base, bearer(&known.token(&["--forge", "payload"])))),
        ("token.expiry.missing", with(&base, bearer(&known.token(&["--exp", "never"])))),
        ("token.expired", with(&base, json!({ "time": NOW + 3_600 }))),
        ("token.not_yet_valid", with(&base, bearer(&known.token(&["--nbf", "+2m"])))),
        ("token.issued_in_future", with(&base, json!({ "time": NOW - 3_600 }))),
        ("token.lifetime", with(&base, bearer(&known.token(&["--exp", "+2h"])))),
        ("token.audience", with(&base, bearer(&known.token(&["--aud", "https://other.example"])))),
        ("policy.forbidden", with(&base, json!({ "url": URL.replace("acme", "other") }))),
        ("policy.not_permitted", with(&base, json!({ "peer": "spiffe://bank.example/fraud-model" }))),
        ("system.keys_unavailable", with(&base, json!({ "jwks": null }))),
        ("system.keys_unavailable", with(&base, garbage("<html>"))),
        ("system.keys_unavailable", with(&base, garbage(""))),
        ("system.keys_unavailable", with(&base, json!({ "jwks": { "keys": {} } }))),
        ("system.keys_unavailable", with(&base, garbage(&"[".repeat(100_000)))),
        (
            "system.keys_unavailable",
            with(&base, garbage(&format!("{{\"keys\":[],\"keys\":{}}}", known.jwks["keys"]))),
        ),
    ];
    let lines: Vec<Value> = table
        .iter()
        .enumerate()
        .map(|(index, (expected, line))| {
            let mut line = line.clone();
            line["id"] = json!(index);
            line["expect"] = json!(expected);
            line
        })
        .collect();
    let file = folder.join("requests.jsonl");
    fs::write(&file, to_lines(&lines)).unwrap();
    let file = file.to_str().unwrap();
    let run = |engine: &str| {
        countersign(&["eval", "--config", EXAMPLE, "--request", file, "--engine", engine]).exits(0).lines()
    };
    let both = run("both");
    assert_eq!(both, run("native"));
    assert_eq!(both, run("wasm"));
    for (index, (record, (expected, _))) in both.iter().zip(&table).enumerate() {
        assert_eq!(record["id"], index);
        if *expected == "allow" {
            assert_eq!(record["status"], 200);
        } else {
            assert_eq!(record["reason"], *expected);
            assert_eq!(record["body"]["reason"], *expected);
            assert_eq!(record["body"]["decision_id"], record["decision_id"]);
        }
    }
    let forged = &both[2]["upstream_headers"];
    let principals = forged.as_array().unwrap().iter().filter(|pair| pair[0] == "x-countersign-principal");
    assert_eq!(principals.collect::<Vec<_>>(), [&json!(["x-countersign-principal", "alice"])]);
}

fn foreign_issuer(signer: &Signer) -> String {
    signer.token(&["--claim", "iss=https://other.example"])
}

#[test]
fn bad_lines_are_named_and_the_others_decided() {
    let folder = folder("eval-hostile");
    let signer = Signer::new(&folder, "known");
    let base = good(&signer, &signer.token(&[]));
    let mut input = Vec::new();
    for line in [
        base.to_string(),
        String::from("not json"),
        String::new(),
        String::from("[1]"),
        String::from("{\"url\":\"/healthz\",\"headers\":[[\"a\"]]}"),
        String::from("{\"url\":\"/healthz\",\"time\":\"soon\"}"),
        String::from("{\"url\":\"/healthz\",\"ulr\":1}"),
        format!("{{\"url\":\"/healthz\",\"id\":{}}}", "[".repeat(10_000) + &"]".repeat(10_000)),
        json!({ "id": "last", "url": "/healthz" }).to_string(),
    ] {
        input.extend(line.into_bytes());
        input.push(b'\n');
    }
    input.extend(b"{\"url\":\"/\xff\"}");
    let file = folder.join("requests.jsonl");
    fs::write(&file, input).unwrap();
    let name = file.to_str().unwrap();
    let run = countersign(&["eval", "--config", EXAMPLE, "--request", name]).exits(2);
    let outcomes: Vec<(Value, Value)> =
        run.lines().iter().map(|line| (line["decision"].clone(), line["error"]["line"].clone())).collect();
    let bad = |line: u32| (Value::Null, json!(line));
    let allowed = (json!("allow"), Value::Null);
    assert_eq!(outcomes, [allowed.clone(), bad(2), bad(4), bad(5), bad(6), bad(7), bad(8), allowed, bad(10)]);
    for (line, field) in [(5, "`headers[0]`"), (6, "`time`"), (7, "`ulr`"), (8, "`id`")] {
        assert!(run.err().contains(&format!("{name}:{line}: {field}: ")), "{}", run.err());
    }
}

#[test]
fn expectations_that_are_not_met_are_findings() {
    let line = json!({ "url": "/healthz", "expect": "token.missing" }).to_string();
    let run = countersign_with(&["eval", "--config", EXAMPLE, "--request", "-"], &line).exits(1);
    assert!(run.err().contains("`reason`: expected \"token.missing\", got none"), "{}", run.err());
    assert_eq!(run.lines()[0]["decision"], "allow");
}

#[test]
fn one_request_may_be_given_by_flags() {
    let folder = folder("eval-flags");
    let signer = Signer::new(&folder, "known");
    let (jwks, token) = (folder.join("jwks.json"), folder.join("token"));
    fs::write(&jwks, signer.jwks.to_string()).unwrap();
    fs::write(&token, signer.token(&[])).unwrap();
    let token = format!("@{}", token.display());
    let time = NOW.to_string();
    let arguments = [
        "eval",
        "--config",
        EXAMPLE,
        "--method",
        "POST",
        "--url",
        URL,
        "--token",
        &token,
        "--peer",
        "spiffe://bank.example/edge",
        "--time",
        &time,
        "--header",
        "x-purpose: fraud-scoring",
    ];
    let allowed =
        countersign(&[&arguments[..], &["--jwks", jwks.to_str().unwrap()]].concat()).exits(0).lines();
    assert_eq!(allowed[0]["decision"], "allow");
    let of_issuer = format!("http://127.0.0.1:8090={}", jwks.display());
    let allowed = countersign(&[&arguments[..], &["--jwks", &of_issuer]].concat()).exits(0).lines();
    assert_eq!(allowed[0]["decision"], "allow");
    let denied = countersign(&arguments).exits(0).lines();
    assert_eq!(denied[0]["reason"], "system.keys_unavailable");
    countersign(&["eval", "--config", EXAMPLE]).exits(2);
    countersign(&["eval", "--config", EXAMPLE, "--url", "x"]).exits(2);
    countersign(&["eval", "--config", EXAMPLE, "--url", "/x", "--header", "x"]).exits(2);
    countersign(&["eval", "--config", EXAMPLE, "--url", "/x", "--time", "soon"]).exits(2);
}

#[test]
fn lines_are_independent_unless_state_is_kept() {
    let folder = folder("eval-state");
    let signer = Signer::new(&folder, "known");
    let jwks = folder.join("jwks.json");
    fs::write(&jwks, signer.jwks.to_string()).unwrap();
    let line = with(&good(&signer, &signer.token(&[])), json!({ "jwks": null }));
    let input = to_lines(&[line.clone(), with(&line, json!({ "time": NOW + 5 }))]);
    let arguments =
        ["eval", "--config", EXAMPLE, "--request", "-", "--jwks", jwks.to_str().unwrap(), "--engine", "both"];
    let cached = |more: &[&str]| -> Vec<Value> {
        let run = countersign_with(&[&arguments[..], more].concat(), &input).exits(0);
        run.lines().iter().map(|record| record["token_cached"].clone()).collect()
    };
    assert_eq!(cached(&[]), [false, false]);
    assert_eq!(cached(&["--keep-state"]), [false, true]);
}

#[test]
fn a_kept_worker_is_not_asked_about_the_past() {
    let folder = folder("eval-past");
    let signer = Signer::new(&folder, "k1");
    let jwks = folder.join("jwks.json");
    fs::write(&jwks, signer.jwks.to_string()).unwrap();
    let base = good(&signer, &signer.token(&[]));
    let at = |time: i64| with(&base, json!({ "id": time, "time": time, "jwks": null }));
    // A line with keys of its own is decided afresh, at whatever time.
    let lines = [at(NOW + 60), at(NOW), with(&base, json!({ "time": NOW }))];
    let jwks = jwks.to_str().unwrap();
    let arguments = ["eval", "--config", EXAMPLE, "--request", "-", "--keep-state", "--jwks", jwks];
    let run = countersign_with(&arguments, &to_lines(&lines)).exits(2);
    assert!(
        run.err().contains("<stdin>:2: `time`: expected `2026-01-01T00:01:00.000Z` or later"),
        "{}",
        run.err()
    );
    assert_eq!(run.lines()[0]["decision"], "allow");
    assert_eq!((&run.lines()[1]["error"]["field"], &run.lines()[1]["id"]), (&json!("time"), &json!(NOW)));
    assert_eq!(run.lines()[2]["decision"], "allow");
}

#[test]
fn no_request_at_all_is_a_mistake() {
    for input in ["", "\n \n"] {
        let run = countersign_with(&["eval", "--config", EXAMPLE, "--request", "-"], input).exits(2);
        assert!(run.err().contains("<stdin>: expected at least one request"), "{}", run.err());
    }
}

#[test]
fn the_token_is_in_no_output() {
    let folder = folder("eval-token");
    let signer = Signer::new(&folder, "known");
    let token = signer.token(&[]);
    let signature = token.rsplit('.').next().unwrap();
    let line = good(&signer, &token).to_string();
    for arguments in [
        vec!["eval", "--config", EXAMPLE, "--request", "-", "--engine", "both"],
        vec!["explain", "--config", EXAMPLE, "--request", "-", "--all"],
        vec!["explain", "--config", EXAMPLE, "--request", "-", "--format", "json"],
    ] {
        let run = countersign_with(&arguments, &line).exits(0);
        assert!(!run.out().contains(signature) && !run.err().contains(signature), "{arguments:?}");
    }
}

#[test]
fn explanations_name_the_clause_that_was_not_so() {
    let folder = folder("explain");
    let signer = Signer::new(&folder, "known");
    let over = signer.token(&["--claim-json", "transaction={\"class\":\"wire\",\"amount\":1000001}"]);
    let line = good(&signer, &over).to_string();
    let story = countersign_with(&["explain", "--config", EXAMPLE, "--request", "-"], &line).exits(0).out();
    for part in [
        "score-transfer",
        "spiffe://bank.example/edge",
        "User::\"alice\" in Role::\"customer\"",
        "amount: 1000001",
        "score-own-transfer",
        "context.transaction.amount <= 1000000",
        "policy.not_permitted",
    ] {
        assert!(story.contains(part), "`{part}` in\n{story}");
    }
    let data =
        countersign_with(&["explain", "--config", EXAMPLE, "--request", "-", "--format", "json"], &line)
            .exits(0);
    let data: Value = serde_json::from_str(&data.out()).unwrap();
    assert_eq!(data["token"]["verified"], true);
    assert_eq!(data["question"]["principal"]["attributes"]["tenant"], "acme");
    let near: Vec<&Value> = data["question"]["policies"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|policy| policy["relevant"] == true)
        .collect();
    assert_eq!(near[0]["policy"], "score-own-transfer");
    assert_eq!(near[0]["condition"], "context.transaction.amount <= 1000000");
}

#[test]
fn without_the_module_the_message_says_what_to_do() {
    let run = countersign(&[
        "eval",
        "--config",
        EXAMPLE,
        "--url",
        "/x",
        "--engine",
        "wasm",
        "--module",
        "no/such.wasm",
    ])
    .exits(2);
    assert!(
        run.err().contains("no/such.wasm") && run.err().contains("cargo xtask build-filter"),
        "{}",
        run.err()
    );
    let run = countersign(&[
        "eval",
        "--config",
        EXAMPLE,
        "--url",
        "/x",
        "--engine",
        "wasm",
        "--module",
        "Cargo.toml",
    ])
    .exits(2);
    assert!(run.err().contains("Cargo.toml"), "{}", run.err());
}
