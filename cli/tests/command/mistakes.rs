//! What `countersign test` says of scenario files that are wrong: where, what was expected, and what to do, on the first line and the
//! one below it, before anything runs.

use crate::support::{Run, countersign, folder, root};
use std::fs;

/// Runs a file that begins with `module: …`; `HERE` is the path of the repository.
fn told(name: &str, text: &str) -> (String, Run) {
    let file = folder(&format!("mistake-{name}")).join("one.yaml").display().to_string();
    fs::write(&file, text.replace("HERE", &root().display().to_string())).unwrap();
    let run = countersign(&["test", &file]);
    (file, run)
}

const MODULE: &str = "module: HERE/tests/scenarios/filters/lookup.wat\nplugin: { configuration: x }\n";

/// Demands that a case is refused at this line and column, in these words.
fn refused(name: &str, text: &str, place: &str, message: &str) {
    let (file, run) = told(name, text);
    let err = run.exits(2).err();
    let first = err.lines().next().unwrap_or_default();
    let expected = format!("error: {file}:{place}: {message}");
    assert!(first.starts_with(&expected), "{name}: expected `{expected}`, found `{err}`");
    for word in ["usize", "u64", "u16", "i64", "struct ", "variant", "untagged"] {
        assert!(!err.contains(word), "{name}: {err}");
    }
}

#[test]
fn a_file_that_does_not_say_what_runs_is_told_so() {
    let case = "{ name: a, request: { url: / }, expect: forwarded }";
    let message = "expected `configuration` or `module`, what the scenarios are about, found neither";
    refused("nothing", &format!("cases: [{case}]\n"), "1:1", message);
    refused("keys", "keys: { a: ES256 }\ncases: []\n", "1:1", message);
    let list = "expected an object with `configuration` or `module` beside `cases`, found a list";
    refused("list", &format!("- {case}\n"), "1:1", list);
    let (_, run) = told("help", &format!("cases: [{case}]\n"));
    assert!(run.err().contains("add `module: filter.wasm` for any proxy-wasm module"), "{}", run.err());
    let table = "cases: [{ name: a, principal: x, action: y, resource: z, decision: allow }]\n";
    refused("table", table, "1:1", "expected a table in a pack, a folder with files named `*.cedar`");
}

#[test]
fn mistakes_are_told_before_the_module_is_compiled() {
    let folder = folder("mistake-compiled");
    fs::write(folder.join("broken.wat"), "(module\n  (fun))").unwrap();
    let run = |expected: &str| {
        let case = format!("{{ name: a, request: {{ url: / }}, expect: {expected} }}");
        let file = folder.join("one.yaml");
        fs::write(&file, format!("module: broken.wat\ncases: [{case}]\n")).unwrap();
        countersign(&["test", file.to_str().unwrap()]).exits(2).err()
    };
    let typo = run("{ outcom: forwarded }");
    assert!(typo.contains("one.yaml:2:") && typo.contains("outcom"), "{typo}");
    let broken = run("forwarded");
    assert!(broken.contains("broken.wat:2:4: ") && broken.contains("the module is named at "), "{broken}");
}

#[test]
fn what_cannot_be_sent_is_a_fault_of_the_file() {
    let case = |rest: &str| format!("{MODULE}cases:\n  - name: a\n    {rest}\n");
    let request = |rest: &str| case(&format!("request: {{ {rest} }}\n    expect: forwarded"));
    let step = |rest: &str| case(&format!("steps:\n      - {rest}"));
    for (name, text, place, message) in [
        (
            "no-url",
            request(""),
            "5:14",
            "`cases[0].request.url`: expected `https://host/path` or a path that starts with `/`, found none; `defaults.url`",
        ),
        (
            "url",
            request("url: not a url"),
            "5:21",
            "`cases[0].request.url`: expected `https://host/path` or a path that starts with `/`, found `not a url`",
        ),
        (
            "default-url",
            format!("{MODULE}defaults: {{ url: x }}\ncases: []\n"),
            "3:18",
            "`defaults.url`: expected",
        ),
        (
            "advance",
            step("{ advance: -5s, expect: { calls: 0 } }"),
            "6:20",
            "`cases[0].steps[0].advance`: expected a span such as `250ms`, `5s` or `2d`, found `-5s`",
        ),
        (
            "advance-overflow",
            step("{ advance: 999999999999d, expect: { calls: 0 } }"),
            "6:20",
            "`cases[0].steps[0].advance`: expected a span",
        ),
        (
            "advance-long",
            step("{ advance: 36501d, expect: { calls: 0 } }"),
            "6:20",
            "`cases[0].steps[0].advance`: expected at most 36500d in a case, found `36501d`",
        ),
        (
            "advance-often",
            step("{ advance: 30000d }\n      - { advance: 30000d, expect: { calls: 0 } }"),
            "7:20",
            "`cases[0].steps[1].advance`: expected at most 36500d",
        ),
        (
            "no-cases",
            format!("{MODULE}cases: []\n"),
            "3:8",
            "`cases`: expected at least one case, found none",
        ),
        (
            "empty",
            case("request: { url: / }\n    expect: {}"),
            "6:13",
            "`cases[0].expect`: expected an outcome such as `forwarded`, or an object",
        ),
        (
            "empty-step",
            step("{ tick: all, expect: {} }"),
            "6:30",
            "`cases[0].steps[0].expect`: expected an object with a member such as `calls`, `metrics` or `logs`",
        ),
        (
            "workers",
            format!("{MODULE}host: {{ workers: -1 }}\ncases: []\n"),
            "3:18",
            "`host.workers`: expected a whole number from 0 on, got `-1`",
        ),
        (
            "issuers",
            format!("{MODULE}issuers: {{ https://a: [] }}\ncases: []\n"),
            "3:10",
            "`issuers`: expected none beside `module`",
        ),
        (
            "token",
            case("token: nobody\n    request: { url: / }\n    expect: forwarded"),
            "5:12",
            "`cases[0].token`: expected `none` or one of the file's `tokens` (none), found `nobody`",
        ),
        (
            "metadata",
            request("url: /, metadata: [{}]"),
            "5:35",
            "`cases[0].request.metadata[0]`: expected at least one header, found none",
        ),
        (
            "metadata-back",
            case("request: { url: / }\n    response: { metadata: [[]] }\n    expect: forwarded"),
            "6:28",
            "`cases[0].response.metadata[0]`: expected at least one header, found none",
        ),
        (
            "metadata-later",
            step(
                "{ request: { url: /, unfinished: true }, hold: it }\n      - { send: { to: it, metadata: [{ a: b }, {}] } }",
            ),
            "7:48",
            "`cases[0].steps[1].send.metadata[1]`: expected at least one header, found none",
        ),
        (
            "configure",
            step("configure: { configuration: { file: none.json } }"),
            "6:37",
            "`cases[0].steps[0].configure.configuration`: expected a readable file",
        ),
    ] {
        refused(name, &text, place, message);
    }
}

#[test]
fn two_cases_of_one_name_are_refused_with_both_places() {
    let case = "{ name: a, request: { url: / }, expect: forwarded }";
    let (file, run) = told("names", &format!("{MODULE}cases:\n  - {case}\n  - {case}\n"));
    let message = format!(
        "{file}:5:13: `cases[1].name`: expected a name of its own, `a` is that of the case at {file}:4:13 too"
    );
    assert!(run.exits(2).err().contains(&message));
    // Cells of one case are told apart.
    let cells = "{ name: a, each: [{ x: / }, { x: /b }], request: { url: \"${x}\" }, expect: forwarded }";
    let (file, _) = told("cells", &format!("{MODULE}cases:\n  - {cells}\n"));
    let out = countersign(&["test", &file, "--exact", "--filter", "a [2]"]).exits(0).out();
    assert!(out.contains("1 passed, 0 failed"), "{out}");
}

#[test]
fn the_command_that_repeats_a_case_runs_that_one_alone() {
    let case = |name: &str| format!("  - {{ name: {name}, request: {{ url: / }}, expect: reply }}\n");
    let (file, run) =
        told("again", &format!("{MODULE}cases:\n{}{}{}", case("a"), case("ab"), case("\"-x 'y'\"")));
    let out = run.exits(1).out();
    let again: Vec<&str> =
        out.lines().filter_map(|line| line.trim().strip_prefix("again:  countersign ")).collect();
    assert_eq!(again.len(), 3, "{out}");
    for command in again {
        let script = format!("'{}' {command}", env!("CARGO_BIN_EXE_countersign"));
        let run =
            std::process::Command::new("sh").args(["-c", &script]).current_dir(root()).output().unwrap();
        let out = String::from_utf8_lossy(&run.stdout);
        assert!(out.contains("0 passed, 1 failed"), "{command}: {out}");
    }
    let none = countersign(&["test", &file, "--exact", "--filter", "one.yaml"]).exits(1).err();
    assert!(none.contains("no case has the name `one.yaml`"), "{none}");
    countersign(&["test", &file, "--exact"]).exits(2);
}

#[test]
fn each_mistake_is_told_where_it_stands() {
    let case = |rest: &str| format!("{MODULE}cases:\n  - name: a\n    {rest}\n");
    let request = |rest: &str| case(&format!("request: {{ url: /, {rest} }}\n    expect: forwarded"));
    let expect = |rest: &str| case(&format!("request: {{ url: / }}\n    expect: {rest}"));
    for (name, text, place, message) in [
        (
            "unnamed",
            format!("{MODULE}cases: [{{ name: '', request: {{ url: / }}, expect: reply }}]\n"),
            "3:17",
            "`cases[0].name`: expected a text",
        ),
        (
            "no-each",
            case("request: { url: \"/${b}\" }\n    expect: forwarded"),
            "4:5",
            "`cases[0]`: expected `each` or `matrix` for `${b}`, found neither",
        ),
        (
            "list",
            expect("[forwarded]"),
            "6:13",
            "`cases[0].expect`: expected an outcome such as `forwarded` or an object, found",
        ),
        (
            "null",
            request("headers: { x-n: }"),
            "5:38",
            "`cases[0].request.headers.x-n`: expected a string, `{\"base64\": \"…\"}` or `{\"hex\": \"…\"}`, or a list of these, found null",
        ),
        ("outcome", expect("forward"), "6:13", "`cases[0].expect.outcome`: expected `forwarded`, `reply`"),
        (
            "status",
            expect("{ status: 42 }"),
            "6:23",
            "`cases[0].expect.status`: expected a status from 100 to 599, found 42",
        ),
        (
            "range",
            expect("{ fuel: { min: 5, max: 1 } }"),
            "6:21",
            "`cases[0].expect.fuel`: expected `min` up to `max`, found 5 and 1",
        ),
        (
            "count",
            expect("{ calls: { count: -1 } }"),
            "6:31",
            "`cases[0].expect.calls.count`: expected a whole number from 0 on, got `-1`",
        ),
        (
            "base64",
            request("body: { base64: '*' }"),
            "5:30",
            "`cases[0].request.body`: expected base64 with its padding, found `*`",
        ),
        (
            "hex",
            request("body: { hex: xyz }"),
            "5:30",
            "`cases[0].request.body`: expected an even number of hexadecimal digits",
        ),
        (
            "pair",
            request("headers: [[a, b, c]]"),
            "5:33",
            "`cases[0].request.headers`: expected a pair `[name, value]`, found 3 members",
        ),
        (
            "property",
            request("properties: { a: { int: 1 } }"),
            "5:41",
            "`cases[0].request.properties.a`: expected an object with `base64`, `hex`, `time`",
        ),
        (
            "restart",
            case("steps:\n      - { restart: -1, request: { url: / }, expect: forwarded }"),
            "6:20",
            "`cases[0].steps[0].restart`: expected the number of a worker from 0 on or `all`, found -1",
        ),
        (
            "step",
            case("steps:\n      - { wait: 5s }"),
            "6:17",
            "`cases[0].steps[0].wait`: unknown field, expected",
        ),
        (
            "answer",
            case(
                "upstreams: { users: { /who: [{ failure: timeout }] } }\n    request: { url: / }\n    expect: forwarded",
            ),
            "5:45",
            "`cases[0].upstreams.users[\"/who\"][0].failure`: expected `refused`, `reset`, `half` or `silence`, found `timeout`",
        ),
        (
            "delay",
            case("response: { delay: 5 seconds }\n    request: { url: / }\n    expect: forwarded"),
            "5:24",
            "`cases[0].response.delay`: expected a span such as `200ms` or `5s`",
        ),
        (
            "level",
            MODULE.replace("x }", "x, log_level: loud }") + "cases: []\n",
            "2:40",
            "`plugin.log_level`: expected `trace`",
        ),
    ] {
        refused(&format!("each-{name}"), &text, place, message);
    }
}

#[test]
fn decisions_are_expected_by_names_that_there_are() {
    let file = |expect: &str| {
        format!(
            "configuration: HERE/examples/envoy/countersign.yaml\ncases:\n  - name: a\n    request: {{ url: /healthz }}\n    expect: {expect}\n"
        )
    };
    for (name, expect, place, message) in [
        (
            "code",
            "token.expird",
            "5:13",
            "`cases[0].expect`: expected `allow`, `deny` or a reason code, as `countersign reference reasons`",
        ),
        ("reason", "{ reason: token.expird }", "5:23", "`cases[0].expect.reason`: expected a reason code"),
        (
            "decision",
            "{ decision: allowed }",
            "5:25",
            "`cases[0].expect.decision`: expected `allow` or `deny`, found `allowed`",
        ),
        ("layer", "{ layer: tokens }", "5:22", "`cases[0].expect.layer`: expected one of `request`"),
    ] {
        refused(&format!("names-{name}"), &file(expect), place, message);
    }
}
