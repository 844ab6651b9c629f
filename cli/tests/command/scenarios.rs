//! `countersign test`: the scenario files of this repository, and what is said where one fails.

use crate::support::{EXAMPLE, countersign, folder, root};
use serde_json::Value;
use std::fs;

#[test]
fn the_scenarios_of_this_repository_pass_on_both_engines() {
    let mut files: Vec<String> = fs::read_dir(root().join("tests/scenarios"))
        .unwrap()
        .map(|file| file.unwrap().path().display().to_string())
        .filter(|path| path.ends_with(".yaml"))
        .collect();
    files.sort();
    let arguments: Vec<&str> =
        ["test", "--engine", "both"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let run = countersign(&arguments).exits(0);
    assert!(run.out().contains(" passed, 0 failed"), "{}", run.out());
}

/// A scenario file with one case.
fn scenario(name: &str, case: &str) -> String {
    let folder = folder(name);
    let file = folder.join("one.yaml");
    let configuration = root().join(EXAMPLE);
    let text = format!(
        "configuration: {}\nkeys: {{ a: ES256 }}\nissuers: {{ 'http://127.0.0.1:8090': [a] }}\ntokens: {{ t: {{ key: a, claims: {{ sub: x }} }} }}\ncases:\n  - {}\n",
        configuration.display(),
        case.replace('\n', "\n    "),
    );
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_failure_shows_the_difference_and_the_record() {
    let file = scenario(
        "scenario-fails",
        "name: health <&>\nrequest: { url: /healthz }\nexpect: { decision: deny, status: 401, upstream: { x-countersign-decision-id: null } }",
    );
    let run = countersign(&["test", &file]).exits(1);
    for part in [
        "FAIL health",
        "`decision`: expected \"deny\", got \"allow\"",
        "`status`: expected 401, got 200",
        "`upstream.x-countersign-decision-id`: expected none, got `",
        "record: {",
        "0 passed, 1 failed",
    ] {
        assert!(run.out().contains(part), "`{part}` in\n{}", run.out());
    }
    let data: Value =
        serde_json::from_str(&countersign(&["test", &file, "--format", "json"]).exits(1).out()).unwrap();
    assert_eq!((&data["failed"], &data["cases"][0]["ok"]), (&1.into(), &false.into()));
    let xml = countersign(&["test", &file, "--format", "junit"]).exits(1).out();
    assert!(xml.contains("failures=\"1\"") && xml.contains("name=\"health &lt;&amp;&gt;\""), "{xml}");
}

#[test]
fn no_test_found_is_a_failure() {
    let file = scenario("scenario-filter", "name: health\nrequest: { url: /healthz }\nexpect: allow");
    assert!(countersign(&["test", &file, "--filter", "heal"]).exits(0).out().contains("1 passed"));
    let run = countersign(&["test", &file, "--filter", "nothing"]).exits(1);
    assert!(run.err().contains("expected at least one test"), "{}", run.err());
}

#[test]
fn faults_of_a_file_are_shown_by_line() {
    for (name, case, message) in [
        ("scenario-no-expect", "name: a\nrequest: { url: /healthz }", "expected `expect`"),
        ("scenario-no-request", "name: a\nexpect: allow", "expected `request` or `steps`"),
        (
            "scenario-unknown",
            "name: a\nrequest: { url: /healthz }\nexpects: allow",
            "`cases[0].expects`: unknown field",
        ),
        (
            "scenario-expect",
            "name: a\nrequest: { url: /healthz }\nexpect: { decison: allow }",
            "unknown field",
        ),
        (
            "scenario-each",
            "name: ${x}\nrequest: { url: /healthz }\nexpect: allow\neach: [{ y: 1 }]",
            "lack `x`",
        ),
    ] {
        let file = scenario(name, case);
        let run = countersign(&["test", &file]).exits(2);
        assert!(run.err().contains(message) && run.err().contains(&format!("{file}:")), "{}", run.err());
    }
    countersign(&["test", "no/such.yaml"]).exits(2);
}

#[test]
fn an_opaque_token_needs_somebody_who_is_asked_about_it() {
    let file = scenario("scenario-opaque", "name: a\nrequest: { url: /healthz }\nexpect: allow");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("t: { key: a,", "t: { opaque: true,")).unwrap();
    let run = countersign(&["test", &file]).exits(2);
    assert!(run.err().contains("expected an issuer with `introspection`, found none"), "{}", run.err());

    let whole = fs::read_to_string(root().join("tests/scenarios/introspection.yaml")).unwrap();
    let one = whole
        .split("\ncases:\n")
        .next()
        .unwrap()
        .replace("../../policies", &root().join("policies").display().to_string());
    fs::write(
        &file,
        format!(
            "{one}\ncases: [{{ name: a, request: {{}}, token: {{ extends: analyst }}, expect: allow }}]\n"
        ),
    )
    .unwrap();
    let run = countersign(&["test", &file]).exits(2);
    let message = "`cases[0].token.opaque`: expected it of one of the file's `tokens`";
    assert!(run.err().contains(message), "{}", run.err());
}

#[test]
fn what_is_published_of_revoked_tokens_is_checked_before_anything_runs() {
    let file = format!("{}/one.yaml", folder("scenario-revocation").display());
    let whole = fs::read_to_string(root().join("tests/scenarios/revocation.yaml")).unwrap();
    let configuration = root().join("tests/scenarios/revocation/countersign.yaml").display().to_string();
    let whole = whole.replace("revocation/countersign.yaml", &configuration);
    let (head, _) = whole.split_once("\ncases:\n").unwrap();
    let run = |path: &str, answer: &str| {
        let case = "{ name: a, request: {}, expect: allow";
        fs::write(
            &file,
            format!("{head}\ncases: [{case}, upstreams: {{ status: {{ {path}: [{answer}] }} }} }}]\n"),
        )
        .unwrap();
        countersign(&["test", &file, "--engine", "native"])
    };
    for (path, answer, expected) in [
        (
            "/statuses/1",
            "{ status_list: { bits: 3, tokens: 8 } }",
            "status_list.bits`: expected 1, 2, 4 or 8, found `3`",
        ),
        (
            "/statuses/1",
            "{ status_list: { bits: 1, tokens: 0 } }",
            "status_list.tokens`: expected a number from 1 to ",
        ),
        (
            "/statuses/1",
            "{ status_list: { bits: 1, tokens: 8, set: { '8': 1 } } }",
            "status_list.set.8`: expected an index below 8",
        ),
        (
            "/statuses/1",
            "{ status_list: { bits: 1, tokens: 8, set: { x: 1 } } }",
            "status_list.set.x`: expected the index of a token",
        ),
        (
            "/statuses/1",
            "{ status_list: { bits: 2, tokens: 8, set: { '1': 4 } } }",
            "status_list.set.1`: expected a status of 2 bits, found `4`",
        ),
        ("/statuses/1", "{ status_list: { bits: 2, tokens: 8, key: nobody } }", "expected a key of the file"),
        (
            "/statuses/3",
            "{ status_list: { bits: 2, tokens: 8 } }",
            "`cases[0].upstreams.status[\"/statuses/3\"][0].status_list`: expected the path of one of",
        ),
        (
            "/statuses/1",
            "{ revocations: {} }",
            "revocations`: expected the path of a `feed` of the configuration (`/revocations` of `status`)",
        ),
        (
            "/revocations",
            "{ revocations: { issued_before: { all: soon } } }",
            "revocations.issued_before.all`: expected `now`, an offset",
        ),
        (
            "/revocations",
            "{ revocations: { issued_before: { sub: { bob: 4294967296 } } } }",
            "revocations.issued_before.sub.bob`: expected a time before 2106",
        ),
        (
            "/revocations",
            "{ revocations: {}, body: x }",
            "expected one of `body` and `revocations`, found all of them",
        ),
        (
            "/revocations",
            "{ revocations: { jtis: [x] } }",
            "`cases[0].upstreams.status[\"/revocations\"][0].revocations.jtis`: unknown field",
        ),
    ] {
        let run = run(path, answer).exits(2);
        assert!(
            run.err().contains(expected) && run.err().contains(&format!("{file}:")),
            "{answer}: {}",
            run.err()
        );
    }
    run("/revocations", "{ revocations: {} }").exits(0);
}

#[test]
fn a_token_that_goes_upstream_is_held_against_the_one_that_is_named() {
    let whole = fs::read_to_string(root().join("tests/scenarios/upstream-tokens.yaml")).unwrap();
    let whole = whole.replace("../../policies", &root().join("policies").display().to_string());
    let file = folder("scenario-upstream-token").join("one.yaml");
    let expected = "authorization: { token: narrow }, x-countersign-subject";
    let given = "token-service: { /token: [{ token: narrow }] }\n  feature";
    for (right, wrong, told) in [
        (
            expected,
            "authorization: { token: next }, x-countersign-subject",
            "and the token `next`, got `Bearer ",
        ),
        (
            expected,
            "authorization: { token: nobody }, x-countersign-subject",
            "the file's `tokens` (`alice`, ",
        ),
        (expected, "authorization: { token: none }, x-countersign-subject", "`tokens`, found `none`"),
        (
            given,
            "token-service: { /token: [{ token: nobody }] }\n  feature",
            "`upstreams.token-service[\"/token\"][0].token`: expected",
        ),
    ] {
        assert_eq!(whole.matches(right).count(), 1, "{right}");
        fs::write(&file, whole.replace(right, wrong)).unwrap();
        let filter = "the model gets a token of the customer";
        let code = if told.contains("got") { 1 } else { 2 };
        let run = countersign(&["test", file.to_str().unwrap(), "--filter", filter]).exits(code);
        let said = run.out() + &run.err();
        assert!(said.contains(told), "`{told}` in\n{said}");
    }
}

#[test]
fn a_case_that_asserts_nothing_is_a_mistake() {
    let held = "name: a\nsteps: [{ request: { url: /healthz }, hold: x";
    for (name, case, message) in [
        (
            "advance",
            "name: a\nsteps: [{ advance: 5s, expect: deny }]".to_owned(),
            "expected none where nothing",
        ),
        ("advance-only", "name: a\nsteps: [{ advance: 5s }]".to_owned(), "a step that decides a request"),
        (
            "outer",
            "name: a\nexpect: deny\nsteps: [{ request: { url: /healthz }, expect: allow }]".to_owned(),
            "`cases[0].expect`: expected none where nothing",
        ),
        (
            "empty",
            "name: a\nrequest: { url: /healthz }\nexpect: {}".to_owned(),
            "`cases[0].expect`: expected `allow`",
        ),
        (
            "empty-headers",
            "name: a\nrequest: { url: /healthz }\nexpect: { headers: {} }".to_owned(),
            "`cases[0].expect`: expected `allow`",
        ),
        (
            "held",
            format!("{held}, expect: policy.forbidden }}]"),
            "`cases[0].steps[0].expect`: expected none",
        ),
        ("held-only", format!("{held} }}]"), "`settle: x` or `close: x`"),
        ("held-twice", format!("{held} }}, {{ request: {{}}, hold: x }}]"), "`x` is held already"),
        ("settled", format!("{held} }}, {{ settle: y, expect: allow }}]"), "found `y`"),
        ("hold", "name: a\nsteps: [{ hold: x }]".to_owned(), "expected `request` beside `hold`"),
        (
            "proof",
            "name: a\nrequest: { url: /healthz }\nproof: holdr\nexpect: allow".to_owned(),
            "`cases[0].proof`: expected a key of the file (`a`), found `holdr`",
        ),
        (
            "proof-key",
            "name: a\nsteps: [{ request: { url: /healthz }, proof: { key: b }, expect: deny }]".to_owned(),
            "`cases[0].steps[0].proof`: expected a key",
        ),
        ("proof-alone", "name: a\nsteps: [{ proof: a }]".to_owned(), "expected `request` beside `proof`"),
        ("nothing", "name: a\nsteps: [{}]".to_owned(), "expected `request`, `settle`"),
        (
            "cluster",
            "name: a\nupstreams: { isuer: {} }\nrequest: { url: /healthz }\nexpect: allow".to_owned(),
            "a cluster that the configuration calls (`issuer`), found `isuer`",
        ),
        (
            "issuer",
            "name: a\nissuers: { x: [a] }\nrequest: { url: /healthz }\nexpect: allow".to_owned(),
            "(`http://127.0.0.1:8090`), found `x`",
        ),
    ] {
        let file = scenario(&format!("scenario-idle-{name}"), &case);
        let run = countersign(&["test", &file]).exits(2);
        assert!(
            run.err().contains(message) && run.err().contains(&format!("{file}:")),
            "{name}: {}",
            run.err()
        );
    }
}

#[test]
fn headers_that_are_absent_with_the_whole_request_say_nothing() {
    let refused =
        "name: a\nrequest: { url: /no/such }\nexpect: { upstream: { x-countersign-principal: null } }";
    let run = countersign(&["test", &scenario("scenario-upstream", refused), "--engine", "native"]).exits(1);
    assert!(run.out().contains("`upstream`: expected the request to be forwarded"), "{}", run.out());
    let allowed = "name: a\nrequest: { url: /healthz }\nexpect: { headers: { www-authenticate: null } }";
    let run = countersign(&["test", &scenario("scenario-headers", allowed), "--engine", "native"]).exits(1);
    assert!(run.out().contains("`headers`: expected the request to be refused"), "{}", run.out());
}

#[test]
fn mistakes_are_told_in_words_of_the_file() {
    for (name, case, message) in [
        (
            "token",
            "name: a\nrequest: {}\ntoken: { extend: t }\nexpect: allow",
            "`cases[0].token.extend`: unknown field, expected `extends`",
        ),
        (
            "token-kind",
            "name: a\nrequest: {}\ntoken: 7\nexpect: allow",
            "expected a string or an object, got",
        ),
        ("twice", "name: a\nname: b", "duplicate mapping key `name` is not allowed here"),
        ("documents", "name: a\n---\nname: b", "expected YAML or JSON"),
        (
            "number",
            "name: a\nrequest: {}\nexpect: { status: many }",
            "expect.status`: expected a whole number from 0 to 65535, got a string",
        ),
    ] {
        let file = scenario(&format!("scenario-words-{name}"), case);
        let said = countersign(&["test", &file]).exits(2).err();
        assert!(said.contains(message), "{name}: {said}");
        for word in ["untagged", "DuplicateKeyPolicy", "from_str_multiple", "u16"] {
            assert!(!said.contains(word), "{name}: {said}");
        }
    }
}

#[test]
fn a_reader_that_goes_away_makes_no_failure_good() {
    let file = scenario("scenario-pipe", "name: a\nrequest: { url: /healthz }\nexpect: deny");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.current_dir(root()).args(["test", &file, "--engine", "native"]).stdout(writer);
    assert_eq!(command.status().unwrap().code(), Some(141));
}

#[cfg(target_os = "linux")]
#[test]
fn a_standard_error_that_takes_nothing_stops_nothing() {
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for (arguments, code) in [(["check", "no/such"], 2), (["check", EXAMPLE], 0)] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.current_dir(root()).args(arguments).stderr(full());
        assert_eq!(command.status().unwrap().code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn what_a_case_names_must_be_there() {
    for (name, case, message) in [
        (
            "scenario-token",
            "name: a\nrequest: { url: /healthz }\ntoken: missing\nexpect: allow",
            "found `missing`",
        ),
        (
            "scenario-key",
            "name: a\nrequest: { url: /healthz }\ntoken: { extends: t, key: b }\nexpect: allow",
            "found `b`",
        ),
        (
            "scenario-tamper",
            "name: a\nrequest: { url: /healthz }\ntoken: { extends: t, tamper: x }\nexpect: allow",
            "`cases[0].token.tamper`",
        ),
        ("scenario-url", "name: a\nrequest: { url: healthz }\nexpect: allow", "`cases[0].request.url`"),
    ] {
        let file = scenario(name, case);
        let run = countersign(&["test", &file, "--engine", "native"]).exits(2);
        assert!(run.err().contains(message), "{}", run.err());
    }
}
