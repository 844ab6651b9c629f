//! `countersign test` on modules that know nothing of Countersign, and what every scenario file can say.

use crate::support::{countersign, folder, root};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;

/// A scenario file about the filter of the repository's scenarios.
fn scenario(name: &str, rest: &str) -> String {
    let file = folder(name).join("one.yaml");
    let module = root().join("tests/scenarios/filters/lookup.wat");
    let text = format!(
        "module: {}\nplugin: {{ configuration: x }}\nupstreams: {{ users: {{ /who: [{{ body: ada }}] }} }}\n{rest}",
        module.display()
    );
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

fn failing(name: &str, case: &str) -> String {
    let file = scenario(name, &format!("cases:\n  - {}\n", case.replace('\n', "\n    ")));
    countersign(&["test", &file]).exits(1).out()
}

#[test]
fn each_expectation_of_the_wires_can_fail() {
    let request = "name: a\nrequest: { headers: { x-lookup: '1' }, url: /, body: [one, two] }\nexpect: ";
    for (name, expect, told) in [
        ("outcome", "reply", "`outcome`: expected `reply`, got `forwarded`"),
        ("status", "{ status: 404 }", "`status`: expected 404, got 200"),
        ("header", "{ upstream: { x-user: ben } }", "`upstream.x-user`: expected `ben`, got `ada`"),
        ("absent", "{ upstream: { x-user: null } }", "`upstream.x-user`: expected none, got `ada`"),
        (
            "order",
            "{ upstream: { headers: [[x-lookup, '1'], [x-user, ada], [x-filter, users]] } }",
            "- x-filter: users",
        ),
        ("more", "{ upstream: { headers: [[x-lookup, '1'], [x-filter, users]] } }", "+ x-user: ada"),
        ("each", "{ upstream: { x-user: [ada, ada] } }", "`upstream.x-user`: expected `ada, ada`, got `ada`"),
        ("bytes", "{ upstream: { x-user: { hex: ff } } }", "`upstream.x-user`: expected"),
        ("body", "{ upstream: { body: onetw } }", "`upstream.body`: expected `onetw`, got `onetwo`"),
        ("json", "{ upstream: { body: { json: 1 } } }", "`upstream.body`: expected `1`, got `onetwo`"),
        ("trailers", "{ upstream: { trailers: { a: b } } }", "`upstream.trailers.a`: expected `b`, got none"),
        ("down", "{ downstream: { status: 500 } }", "`downstream.status`: expected 500, got 200"),
        ("down-body", "{ downstream: { body: x } }", "`downstream.body`: expected `x`, got ``"),
        ("calls", "{ calls: 2 }", "`calls`: expected 2, got 1"),
        ("call", "{ calls: [{ path: /whom }] }", "`calls[0].path`: expected `/whom`, got `/who`"),
        ("like", "{ calls: { path: /whom } }", "`calls`: expected at least one like this, got 0, of all 1"),
        ("metric", "{ metrics: { lookups: 2 } }", "`metrics.lookups`: expected 2, got 1"),
        ("delta", "{ metrics: { lookups: '+2' } }", "`metrics.lookups`: expected +2 to what it was, got 1"),
        ("log", "{ logs: { present: [nothing] } }", "`logs.present`: expected a line with `nothing`, got"),
        (
            "log-absent",
            "{ logs: { absent: [looking] } }",
            "expected no line with `looking`, got `[info] looking up`",
        ),
        ("fuel", "{ fuel: { max: 1 } }", "`fuel`: expected at most 1, got "),
        ("memory", "{ memory: { max: 1 } }", "`memory`: expected at most 1, got 262144"),
        (
            "host-calls",
            "{ host_calls: { proxy_http_call: 2 } }",
            "`host_calls.proxy_http_call`: expected 2, got 1",
        ),
        ("failure", "{ failure: x }", "`failure`: expected `x`, got `none`"),
        (
            "refused",
            "forwarded\nplugin: { configuration: '' }",
            "the module did not start: module refused its configuration",
        ),
    ] {
        let out = failing(&format!("wire-{name}"), &format!("{request}{expect}"));
        assert!(out.contains(told), "`{told}` in\n{out}");
        assert!(out.contains("0 passed, 1 failed"), "{out}");
    }
    let out = failing("wire-starts", "name: a\nexpect: { outcome: refused }");
    assert!(out.contains("expected the module to refuse to start, it started"), "{out}");
    let out = failing("wire-taken", "name: a\nsteps: [{ configure: { configuration: x, refused: true } }]");
    assert!(out.contains("step 1: `configure`: expected the module to refuse it, it did not"), "{out}");
}

#[test]
fn a_module_that_does_not_come_to_rest_fails_its_case_whatever_is_expected() {
    let at = folder("wire-restless");
    let module = r#"(module
        (import "env" "proxy_set_tick_period_milliseconds" (func $period (param i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) (i32.const 1024))
        (func (export "proxy_on_tick") (param i32))
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop (call $period (i32.const 1))) (i32.const 1)))"#;
    fs::write(at.join("ticks.wat"), module).unwrap();
    let file = at.join("one.yaml");
    let told = |limits: &str, steps: &str| {
        let module = at.join("ticks.wat");
        let text = format!(
            "module: {}\nhost: {{ limits: {{ {limits} }} }}\ncases: [{{ name: a, steps: [{steps}] }}]\n",
            module.display()
        );
        fs::write(&file, text).unwrap();
        countersign(&["test", file.to_str().unwrap()])
    };
    let step = "{ advance: 50ms, expect: { calls: 0 } }";
    told("step_callbacks: 60, case_callbacks: 200", &[step; 3].join(", ")).exits(0);
    let out = told("step_callbacks: 40", step).exits(1).out();
    let why = "step 1: proxy_on_tick: the module did not come to rest: a step has 40 callbacks";
    assert!(out.contains(why), "{out}");
    let out = told("step_callbacks: 60, case_callbacks: 120", &[step; 3].join(", ")).exits(1).out();
    let why = "step 3: proxy_on_tick: the module did not come to rest: a case has 120 callbacks";
    assert!(out.contains(why), "{out}");
}

#[test]
fn a_failure_shows_the_input_and_the_command_that_repeats_it() {
    let file = scenario(
        "wire-again",
        "defaults: { url: /it's, headers: { a: b } }\ncases: [{ name: \"it's ${x}\", request: {}, expect: reply, matrix: { x: [1] } }]\n",
    );
    let out = countersign(&["test", &file, "--seed", "7"]).exits(1).out();
    for part in [
        r#"input:  {"headers":[[":method","GET"]"#,
        r#"["a","b"]"#,
        &format!("again:  countersign test {file} --seed 7 --exact --filter 'it'\\''s 1 [x=1]'"),
        "seed 7",
    ] {
        assert!(out.contains(part), "`{part}` in\n{out}");
    }
    let again =
        countersign(&["test", &file, "--seed", "7", "--exact", "--filter", "it's 1 [x=1]"]).exits(1).out();
    assert_eq!(out, again);
}

#[test]
fn a_decision_that_fails_is_explained() {
    let file = root().join("tests/scenarios/fraud-scoring.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let (head, _) = text.split_once("\ncases:\n").unwrap();
    let head = head.replace("../../", &format!("{}/", root().display()));
    let at = folder("wire-explained").join("one.yaml");
    fs::write(&at, format!("{head}\ncases: [{{ name: a, request: {{}}, expect: policy.forbidden }}]\n"))
        .unwrap();
    let out = countersign(&["test", at.to_str().unwrap(), "--engine", "native"]).exits(1).out();
    for part in ["| request", "| token", "| decision", "again:  countersign test "] {
        assert!(out.contains(part), "`{part}` in\n{out}");
    }
}

#[test]
fn a_run_is_the_same_byte_for_byte_whatever_runs_beside() {
    let files: Vec<String> = ["any-module", "credentials", "keys"]
        .map(|name| root().join(format!("tests/scenarios/{name}.yaml")).display().to_string())
        .into();
    // Failures show all that there is to see: decisions, tokens, inputs.
    let mut cases = String::new();
    for n in 0..12 {
        let request = format!("request: {{ url: /{n}, headers: {{ x-lookup: a }} }}, token: t");
        let answer = if n % 2 == 0 { "keys: [k, r]" } else { "token: salted" };
        let upstreams = format!("upstreams: {{ users: {{ /who: [{{ {answer} }}] }} }}");
        let expect = "expect: { outcome: reply, upstream: { authorization: x, x-user: x } }";
        writeln!(cases, "  - {{ name: case {n}, {request}, {upstreams}, {expect} }}").unwrap();
    }
    let failing = scenario(
        "wire-same",
        &format!(
            "keys: {{ k: ES256, r: RS256, p: PS256 }}\ntokens: {{ t: {{ key: k, claims: {{ sub: a }} }}, salted: {{ key: p }} }}\ncases:\n{cases}"
        ),
    );
    let out = countersign(&["test", &failing]).exits(1).out();
    assert!(out.contains(r#"\"access_token\":\"eyJ"#) || out.contains(r#""access_token":"eyJ"#), "{out}");
    for format in ["text", "json"] {
        let run = |jobs: &str| {
            let mut arguments = vec!["test", "--format", format, "--jobs", jobs];
            arguments.extend(files.iter().map(String::as_str));
            arguments.push(&failing);
            let run = countersign(&arguments).exits(1);
            assert!(run.err().is_empty(), "{}", run.err());
            run.out()
        };
        let one = run("1");
        assert!(one == run("1"), "{format}: two runs differ");
        assert!(one == run("3"), "{format}: runs with one and three jobs differ");
    }
    let seeded = |seed: &str| countersign(&["test", &failing, "--seed", seed]).exits(1).out();
    assert_ne!(
        seeded("1").replace("seed 1", ""),
        seeded("2").replace("seed 2", ""),
        "keys come from the seed"
    );
}

#[test]
fn matrices_and_fixtures_are_held_to_bounds() {
    let case = |rest: &str| {
        format!("cases: [{{ name: a, request: {{ url: '/${{a}}' }}, expect: forwarded, {rest} }}]\n")
    };
    for (name, rest, message) in [
        (
            "matrix-empty",
            case("matrix: { a: [] }"),
            "`cases[0].matrix.a`: expected a list with at least one entry",
        ),
        (
            "matrix-unused",
            case("matrix: { a: [1], b: [2] }"),
            "`cases[0].matrix.b`: expected `${b}` somewhere",
        ),
        (
            "matrix-exclude",
            case("matrix: { a: [1], exclude: [{ a: 2 }] }"),
            "expected a combination that the lists have",
        ),
        (
            "matrix-none",
            case("matrix: { a: [1], exclude: [{ a: 1 }] }"),
            "expected a combination that is not excluded",
        ),
        ("matrix-list", case("matrix: [1]"), "`cases[0].matrix`: expected an object of lists"),
        (
            "outcome",
            "cases: [{ name: a, request: { url: / }, expect: allow }]".to_owned(),
            "expected `forwarded`, `reply`",
        ),
        (
            "decision",
            "cases: [{ name: a, request: { url: / }, expect: { reason: x } }]".to_owned(),
            "what only Countersign decides",
        ),
        (
            "trap",
            "cases: [{ name: a, steps: [{ trap: { call: x }, expect: { calls: 0 } }] }]".to_owned(),
            "the name of a host function",
        ),
        (
            "worker",
            "cases: [{ name: a, request: { url: /, worker: 1 }, expect: forwarded }]".to_owned(),
            "expected a worker below 1, found 1",
        ),
        (
            "host-call",
            "cases: [{ name: a, request: { url: / }, expect: { host_calls: { x: 1 } } }]".to_owned(),
            "the name of a host function",
        ),
        ("profile", "host: { profile: nginx }\ncases: []".to_owned(), "`host.profile`: expected `envoy`"),
        (
            "policy",
            "host: { fail_policy: shut }\ncases: []".to_owned(),
            "`host.fail_policy`: expected `closed`, `open` or `reload`",
        ),
        (
            "workers",
            "host: { workers: 0 }\ncases: []".to_owned(),
            "`host.workers`: expected a number from 1 to 64",
        ),
        (
            "level",
            "cases: [{ name: a, plugin: { log_level: loud }, request: { url: / }, expect: forwarded }]"
                .to_owned(),
            "`cases[0].plugin.log_level`: expected `trace`",
        ),
        (
            "both",
            "configuration: x.yaml\ncases: []".to_owned(),
            "expected either `configuration` or `module`, found both",
        ),
        (
            "hex",
            "cases: [{ name: a, request: { url: /, body: { hex: f } }, expect: forwarded }]".to_owned(),
            "an even number of hexadecimal digits",
        ),
        (
            "unfinished",
            "cases: [{ name: a, request: { url: /, unfinished: true }, expect: forwarded }]".to_owned(),
            "`cases[0].request.unfinished`: expected it in steps",
        ),
        (
            "circle",
            "fixtures: [one.yaml]\ncases: []".to_owned(),
            "expected no circle, `one.yaml` brings itself",
        ),
        ("missing", "fixtures: [none.yaml]\ncases: []".to_owned(), "the fixture is named at"),
    ] {
        let file = scenario(&format!("bounds-{name}"), &rest);
        let run = countersign(&["test", &file]).exits(2);
        assert!(run.err().contains(message), "{name}: `{message}` in {}", run.err());
    }
    let folder = folder("bounds-fixture");
    fs::write(folder.join("inner.yaml"), "keys: { k: XY1 }\n").unwrap();
    fs::write(folder.join("one.yaml"), "fixtures: [inner.yaml]\ncases: []\n").unwrap();
    let run = countersign(&["test", folder.join("one.yaml").to_str().unwrap()]).exits(2);
    assert!(run.err().contains("expected `configuration` or `module`"), "{}", run.err());
    fs::write(folder.join("inner.yaml"), "cases: []\n").unwrap();
    let run = countersign(&["test", folder.join("one.yaml").to_str().unwrap()]).exits(2);
    assert!(
        run.err().contains("inner.yaml:") && run.err().contains("`cases`: expected none in a fixture"),
        "{}",
        run.err()
    );
}

#[test]
fn cells_are_counted_and_picked_by_name() {
    // By a path that is relative to where the command runs.
    let file = "tests/scenarios/any-module.yaml";
    let run = countersign(&["test", file, "--filter", "another configuration"]).exits(0);
    assert!(run.out().contains("1 passed, 0 failed"), "{}", run.out());
    let run = countersign(&["test", file, "--filter", "a cell of a matrix ["]).exits(0);
    assert!(run.out().contains("5 passed, 0 failed"), "{}", run.out());
    let run = countersign(&["test", file, "--filter", "a cell of a matrix [method=POST, path=/b]"]).exits(0);
    assert!(run.out().contains("1 passed, 0 failed"), "{}", run.out());
}

#[test]
fn what_the_core_alone_cannot_show_fails_where_the_module_is_left_out() {
    let at = folder("wire-native").join("one.yaml");
    let text = format!(
        "configuration: {}\ncases: [{{ name: a, request: {{ url: /healthz }}, expect: {{ decision: allow, calls: 0 }} }}]\n",
        root().join(crate::support::EXAMPLE).display()
    );
    fs::write(&at, text).unwrap();
    let run = countersign(&["test", at.to_str().unwrap(), "--engine", "native"]).exits(1);
    assert!(
        run.out().contains("expected the module to run, which `--engine native` leaves out"),
        "{}",
        run.out()
    );
    countersign(&["test", at.to_str().unwrap(), "--engine", "wasm"]).exits(0);
}

/// A schema's words that the files' validity follows from, and no more.
fn is_valid(value: &Value, schema: &Value, root: &Value) -> bool {
    if let Some(name) = schema["$ref"].as_str() {
        let definition = &root["$defs"][name.trim_start_matches("#/$defs/")];
        assert!(!definition.is_null(), "{name}");
        if !is_valid(value, definition, root) {
            return false;
        }
    }
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other}"),
    };
    let of_type = match &schema["type"] {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().any(|name| is(name.as_str().unwrap())),
        _ => true,
    };
    let one_of = ["anyOf", "oneOf"].iter().all(|name| {
        schema[name].as_array().is_none_or(|all| all.iter().any(|one| is_valid(value, one, root)))
    });
    let constant = schema.get("const").is_none_or(|constant| constant == value);
    let pattern = match (schema["pattern"].as_str(), value.as_str()) {
        (Some(pattern), Some(text)) if pattern.starts_with("^\\$") => {
            text.starts_with("${") && text.ends_with('}')
        }
        (Some(pattern), Some(text)) if pattern.starts_with("^[+-]") => text.starts_with(['+', '-']),
        (Some(pattern), Some(text)) => {
            assert_eq!(pattern, "^([0-9a-fA-F]{2})*$");
            text.len() % 2 == 0 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        }
        _ => true,
    };
    let items = value.as_array().is_none_or(|all| {
        all.iter().enumerate().all(|(index, item)| {
            let schema = schema["prefixItems"].get(index).unwrap_or(&schema["items"]);
            schema.is_null() || is_valid(item, schema, root)
        })
    });
    let length = value.as_array().is_none_or(|all| {
        let least = schema["minItems"].as_u64().unwrap_or(0);
        let most = schema["maxItems"].as_u64().unwrap_or(u64::MAX);
        (least..=most).contains(&(all.len() as u64))
    });
    let members = value.as_object().is_none_or(|members| {
        let required = schema["required"].as_array().into_iter().flatten();
        required.into_iter().all(|name| members.contains_key(name.as_str().unwrap()))
            && members.iter().all(|(name, member)| match schema["properties"].get(name) {
                Some(schema) => is_valid(member, schema, root),
                None => match &schema["additionalProperties"] {
                    Value::Bool(allowed) => *allowed,
                    Value::Null => true,
                    schema => is_valid(member, schema, root),
                },
            })
    });
    of_type && one_of && constant && pattern && items && length && members
}

#[test]
fn the_schema_describes_the_files_of_this_repository() {
    let schema: Value =
        serde_json::from_str(&countersign(&["reference", "scenarios"]).exits(0).out()).unwrap();
    let mut valid = 0;
    for file in fs::read_dir(root().join("tests/scenarios")).unwrap() {
        let file = file.unwrap().path();
        if file.extension().is_none_or(|end| end != "yaml") {
            continue;
        }
        let value: Value = serde_saphyr::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        for (index, case) in value["cases"].as_array().unwrap().iter().enumerate() {
            let definition = serde_json::json!({ "$ref": "#/$defs/Case" });
            assert!(is_valid(case, &definition, &schema), "{}: case {index}: {case}", file.display());
        }
        assert!(is_valid(&value, &schema, &schema), "{}", file.display());
        valid += 1;
    }
    assert!(valid > 8, "{valid}");
    for wrong in [
        serde_json::json!({ "module": "a", "cases": [{ "request": {} }] }),
        serde_json::json!({ "module": "a", "cases": [{ "name": "a", "requests": {} }] }),
        serde_json::json!({ "module": "a", "cases": [{ "name": "a", "steps": [{ "trap": "x" }] }] }),
        serde_json::json!({ "module": "a", "case": [] }),
        serde_json::json!({ "module": 1, "cases": [] }),
        serde_json::json!({ "module": "a", "cases": [{ "name": "a", "request": { "headers": [["a"]] } }] }),
    ] {
        assert!(!is_valid(&wrong, &schema, &schema), "{wrong}");
    }
}

#[test]
fn the_page_names_every_member() {
    let page = fs::read_to_string(root().join("docs/scenarios.md")).unwrap();
    let words: Vec<&str> = page.split(|c: char| !(c.is_alphanumeric() || "_-".contains(c))).collect();
    let schema: Value =
        serde_json::from_str(&countersign(&["reference", "scenarios"]).exits(0).out()).unwrap();
    let mut names: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    for definition in schema["$defs"].as_object().unwrap().values() {
        names.extend(definition["properties"].as_object().into_iter().flat_map(|members| members.keys()));
    }
    assert!(names.len() > 80, "{}", names.len());
    let missing: Vec<_> = names.iter().filter(|name| !words.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "docs/scenarios.md does not name {missing:?}");
}

#[test]
fn what_a_module_logs_moves_no_cursor() {
    let folder = folder("any-escapes");
    let module = r#"(module
        (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 64) "\1b[2J\0d\0aerror: fake")
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) (i32.const 4096))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (drop (call $log (i32.const 2) (i32.const 64) (i32.const 17)))
            (i32.const 0)))"#;
    fs::write(folder.join("escapes.wat"), module).unwrap();
    let file = folder.join("one.yaml");
    let case = "{ name: a, request: { url: / }, expect: { logs: { present: [nothing] } } }";
    fs::write(&file, format!("module: escapes.wat\ncases: [{case}]\n")).unwrap();
    let shown = countersign(&["test", "--color", "always", file.to_str().unwrap()]).exits(1).out();
    assert!(shown.contains("[2J\\r\\nerror: fake") && !shown.contains("\u{1b}[2J"), "{shown}");
}

/// A filter whose callback of this name traps.
fn trapping(name: &str, callback: &str, rest: &str) -> String {
    let file = folder(name).join("one.yaml");
    let module = format!(
        "(module (memory (export \"memory\") 1) (func (export \"proxy_abi_version_0_2_1\"))\n\
         (func (export \"malloc\") (param i32) (result i32) i32.const 1024)\n\
         (func (export \"{callback}\") (param i32) (result i32) unreachable))"
    );
    fs::write(file.with_file_name("trapping.wat"), module).unwrap();
    fs::write(&file, format!("module: trapping.wat\ncases:\n{rest}")).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_vm_that_fails_where_nothing_says_so_fails_the_case() {
    let case = |rest: &str| format!("  - {{ name: a, request: {{ url: / }}, expect: {rest} }}\n");
    for (name, expect) in
        [("unsaid", "forwarded"), ("denied", "{ failure: null }"), ("none", "{ failure: none }")]
    {
        let told = countersign(&["test", &trapping(name, "proxy_on_done", &case(expect))]).exits(1).out();
        assert!(told.contains("`failure`: expected") && told.contains("proxy_on_done: trapped"), "{told}");
    }
    let meant =
        trapping("meant", "proxy_on_done", &case("{ outcome: forwarded, failure: 'proxy_on_done*' }"));
    countersign(&["test", &meant]).exits(0);
    // Where nothing fails, saying so passes.
    let well = trapping("well", "unused", &case("{ outcome: forwarded, failure: null }"));
    countersign(&["test", &well]).exits(0);
    let step = "  - name: a\n    steps:\n      - { request: { url: / }, expect: { failure: 'proxy_on_done*' } }\n      - { advance: 1s, expect: { failure: REST } }\n";
    let steps = |name: &str, failure: &str| trapping(name, "proxy_on_done", &step.replace("REST", failure));
    countersign(&["test", &steps("still", "'*trapped*'")]).exits(0);
    let told = countersign(&["test", &steps("no-more", "null")]).exits(1).out();
    assert!(told.contains("step 2: `failure`: expected `none`"), "{told}");
}
