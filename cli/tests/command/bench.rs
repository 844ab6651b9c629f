//! `countersign bench`: every decision is checked, and a slower run is told from a good one. No time is asserted.

use crate::support::root;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

pub(crate) fn file(name: &str, text: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The shortest run there is, of the repository's own example.
pub(crate) fn bench(more: &[&str]) -> Output {
    assert!(root().join("target/countersign.wasm").exists(), "no module, run `cargo xtask build-filter`");
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.current_dir(root()).args(["bench", "--rounds", "1", "--format", "json"]);
    if !more.contains(&"--decisions") {
        command.args(["--decisions", "1"]);
    }
    command.args(more).output().unwrap()
}

pub(crate) fn report(more: &[&str]) -> Value {
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
    let requests = file("requests-as-a-baseline.yaml", "requests:\n  - name: a\n");
    for (arguments, message) in [
        (vec!["--only", "expired", "--target", "1ns"], "`--target`: expected the case `allow`"),
        (vec!["--rate", "10", "--lasting", "0s"], "expected a time above 0"),
        (vec!["--baseline", &requests], "or a module, found text that begins with `requests:`"),
        (vec!["--module", "no/such.wasm"], "no/such.wasm: expected a proxy-wasm module"),
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
fn a_run_ends_where_its_time_is_used_up() {
    let output = bench(&["--module", &filter(1), "--at-most", "0s"]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("the run takes longer than 0 s") && told.contains("--at-most"), "{told}");
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

/// A filter that refuses what carries `x-block`, adds a header to the rest, and burns some time first.
pub(crate) fn filter(spins: u32) -> String {
    file(
        &format!("filter-{spins}.wat"),
        &format!(
            r#"(module
  (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_send_local_response" (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "x-block")
  (data (i32.const 80) "x-seen")
  (data (i32.const 96) "blocked")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
  (func $spin (param $n i32)
    (loop $more
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $more (local.get $n))))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $spin (i32.const {spins}))
    (if (result i32) (call $get (i32.const 0) (i32.const 64) (i32.const 7) (i32.const 16) (i32.const 20))
      (then
        (drop (call $add (i32.const 0) (i32.const 80) (i32.const 6) (i32.const 64) (i32.const 1)))
        (i32.const 0))
      (else
        (drop (call $reply (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 96) (i32.const 7)
          (i32.const 0) (i32.const 0) (i32.const -1)))
        (i32.const 1))))
)"#
        ),
    )
}

/// Two requests to it.
pub(crate) fn requests() -> String {
    let text = "
requests:
  - name: passes <&>
    url: https://api.example/v1/things
    headers: { accept: application/json }
    response: { status: 200, body: ok }
    expect: forwarded
  - name: is blocked
    headers: { x-block: \"1\" }
    expect: 403
";
    file("requests.yaml", text)
}

#[test]
fn any_module_is_measured_with_its_costs_apart() {
    let report = report(&["--module", &filter(1), "--requests", &requests(), "--decisions", "10"]);
    let costs = report["costs"].as_array().unwrap();
    for cost in ["compile", "start", "stream", "request"] {
        for filter in ["filter", "empty filter"] {
            let found = costs.iter().find(|line| line["cost"] == cost && line["filter"] == filter);
            assert!(found.unwrap()["p99.99"].as_u64().unwrap() > 0, "{cost}, {filter}");
        }
    }
    let line = |case: &str| {
        let series = report["series"].as_array().unwrap().iter();
        series.clone().find(|line| line["case"] == case && line["state"] == "warm").unwrap().clone()
    };
    assert_eq!(line("passes <&>")["outcomes"], json!({ "forwarded": 10 }));
    assert_eq!(line("is blocked")["outcomes"], json!({ "reply 403": 10 }));
    assert!(line("is blocked")["split"]["guest"].as_u64().unwrap() > 0);
    let counts = &report["counts"][0];
    let calls = json!({ "proxy_get_header_map_value": 1.0, "proxy_add_header_map_value": 1.0 });
    assert_eq!(counts["host_calls"], calls);
    // The same on each run, and on any machine.
    assert_eq!(counts["fuel"]["min"], counts["fuel"]["max"]);
    assert_eq!(report["memory_bytes"]["largest"], 65_536);
}

#[test]
fn a_module_is_measured_without_any_file_of_requests() {
    let report = report(&["--module", &filter(1)]);
    assert_eq!(report["series"][0]["case"], "GET /");
    assert_eq!(report["series"][0]["decision"], "forwarded");
}

#[test]
fn a_stream_that_fails_is_named_by_its_request() {
    let module = file(
        "traps.wat",
        r#"(module
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) unreachable))"#,
    );
    let output = bench(&["--module", &module, "--requests", &requests()]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    let first = "error: `passes <&>` (wasm): expected `forwarded`, got `failed`\n";
    assert!(said.contains(first), "{said}");
    assert!(said.contains("proxy_on_request_headers: trapped: wasm trap: wasm `unreachable`"), "{said}");
}

#[test]
fn a_file_of_no_requests_is_told_what_it_may_hold() {
    let module = filter(1);
    for text in ["", "{}", "request_: {}"] {
        let empty = file("empty.yaml", text);
        for more in [vec![], vec!["--module", &*module]] {
            let output = bench(&[&["--requests", &*empty], &more[..]].concat());
            assert_eq!(output.status.code(), Some(2));
            let said = String::from_utf8_lossy(&output.stderr);
            let message = "expected `requests`, `cases` (scenarios) or `request` (a plan), found none";
            assert!(said.contains(&format!("empty.yaml:1:1: {message}")), "{said}");
        }
    }
}

#[test]
fn a_module_that_ticks_is_measured_by_the_clock_of_the_machine() {
    let module = file(
        "ticks.wat",
        r#"(module
  (import "env" "proxy_set_tick_period_milliseconds" (func $period (param i32) (result i32)))
  (memory (export "memory") 1)
  (global $ticked (mut i32) (i32.const 0))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (drop (call $period (i32.const 20))) (i32.const 1))
  (func (export "proxy_on_tick") (param i32)
    (global.set $ticked (i32.add (global.get $ticked) (i32.const 1)))
    (if (i32.gt_u (global.get $ticked) (i32.const 1000)) (then unreachable)))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0)))"#,
    );
    // Two rounds, the first of which does not count, and a second after each.
    let report = report(&["--module", &module]);
    assert_eq!(report["series"][0]["decision"], "forwarded");
}

#[test]
fn another_outcome_than_expected_ends_the_run() {
    let wrong = file("wrong.yaml", "requests: [{ name: a, headers: { x-block: x }, expect: forwarded }]");
    let output = bench(&["--module", &filter(1), "--requests", &wrong]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("`a` (wasm): expected `forwarded`, got `reply 403`"), "{said}");
}

#[test]
fn an_open_loop_sends_what_is_due() {
    let more = ["--rate", "500,1000", "--lasting", "100ms"];
    let report = report(&[&["--module", &filter(1), "--requests", &requests()][..], &more].concat());
    let runs = report["open_loop"].as_array().unwrap();
    assert_eq!(runs.iter().map(|run| run["rate"].as_f64().unwrap()).collect::<Vec<_>>(), [500.0, 1000.0]);
    for run in runs {
        let sent = run["requests"].as_u64().unwrap();
        assert!(sent > 0 && sent <= 100, "{run}");
        // What is late counts as late.
        assert!(run["latency"]["max"].as_u64() >= run["service"]["max"].as_u64(), "{run}");
        assert_eq!(run["outcomes"].as_object().unwrap().len(), 2, "{run}");
    }
}

#[test]
fn two_modules_take_turns_and_the_slower_one_is_told() {
    let (fast, slow) = (filter(1), filter(300_000));
    let run = |module: &str, baseline: &str| {
        bench(&["--module", module, "--requests", &requests(), "--baseline", baseline, "--decisions", "3"])
    };
    let worse = run(&slow, &fast);
    assert_eq!(worse.status.code(), Some(3), "{worse:?}");
    assert!(String::from_utf8_lossy(&worse.stderr).contains("slower"), "{worse:?}");
    let report: Value = serde_json::from_slice(&worse.stdout).unwrap();
    assert_eq!(report["comparison"]["verdict"], "worse");
    let better = run(&fast, &slow);
    let report: Value = serde_json::from_slice(&better.stdout).unwrap();
    let rows = report["comparison"]["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["what"] == "passes <&>, warm, wasm").unwrap();
    assert_eq!(row["verdict"], "better", "{row}");
}

#[test]
fn figures_of_a_run_are_a_baseline_for_the_next() {
    let run = ["--module", &filter(1), "--requests", &requests()];
    let before = bench(&run);
    let before = file("before.json", &String::from_utf8_lossy(&before.stdout));
    // No figure is a thousand times worse by chance.
    let output = bench(&[&run[..], &["--baseline", &before, "--max-regression", "100000%"]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["comparison"]["verdict"], "same");
    assert!(report["comparison"]["machine"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_page_stands_by_itself() {
    let (page, folded) = (file("page.html", ""), file("guest.folded", ""));
    let output = bench(&[
        "--module",
        &filter(200_000),
        "--requests",
        &requests(),
        "--rate",
        "200",
        "--lasting",
        "300ms",
        "--html",
        &page,
        "--profile",
        &folded,
        "--baseline",
        &filter(100_000),
        "--max-regression",
        "100000%",
    ]);
    assert!(output.status.success(), "{output:?}");
    let html = fs::read_to_string(page).unwrap();
    for loads in ["<script", "src=", "href=", "url(", "@import", "http://", "https://"] {
        assert!(!html.contains(loads), "{loads}");
    }
    assert!(html.contains("default-src 'none'"));
    // Names come from a file, and stay text.
    assert!(html.contains("passes &lt;&amp;&gt;") && !html.contains("<&>"));
    for heading in [
        "Latency by percentile",
        "The four costs",
        "Open loop",
        "Beside the baseline",
        "What the guest executes",
    ] {
        assert!(html.contains(heading), "{heading}");
    }
    let stacks = fs::read_to_string(folded).unwrap();
    assert!(stacks.contains("proxy_on_request_headers;spin "), "{stacks}");
}

#[test]
fn a_profile_has_the_form_of_v8() {
    let path = file("guest.cpuprofile", "");
    report(&["--module", &filter(200_000), "--lasting", "300ms", "--profile", &path]);
    let profile: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let nodes = profile["nodes"].as_array().unwrap();
    assert!(nodes.iter().any(|node| node["callFrame"]["functionName"] == "spin"));
    assert_eq!(profile["samples"].as_array().unwrap().len(), profile["timeDeltas"].as_array().unwrap().len());
}

#[test]
fn a_scenario_file_says_what_runs_and_which_requests() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/scenarios/");
    let scenarios = |name: &str| format!("{root}{name}");
    let any = bench(&["--requests", &scenarios("any-module.yaml"), "--v8"]);
    let said = String::from_utf8_lossy(&any.stderr).into_owned();
    assert!(any.status.success(), "{said}");
    assert!(said.contains("left out: ") && said.contains("of several steps"), "{said}");
    let figures: Value = serde_json::from_slice(&any.stdout).unwrap();
    let lines = figures["v8"]["requests"].as_array().unwrap();
    let reply = lines.iter().find(|line| line["case"] == "an answer of the filter's own").unwrap();
    assert_eq!(reply["decision"], "reply 418");

    let ours = report(&["--requests", &scenarios("fraud-scoring.yaml")]);
    let lines = ours["series"].as_array().unwrap();
    assert!(lines.iter().filter(|line| line["state"] == "warm").count() > 20, "{ours:#}");

    let beside =
        bench(&["--requests", &scenarios("any-module.yaml"), "--config", "examples/envoy/countersign.yaml"]);
    assert_eq!(beside.status.code(), Some(2), "{beside:?}");
    assert!(String::from_utf8_lossy(&beside.stderr).starts_with("error: `--config`: expected none beside "));
}
