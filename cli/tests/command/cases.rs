//! `countersign eval --cases` and `explain --cases`: cases that bring everything along.

use crate::support::{countersign, countersign_with};
use serde_json::{Value, json};

const POLICY: &str = "permit (principal, action == Action::\"read\", resource) when { principal.level >= 3 };\n\
                      forbid (principal, action, resource) when { resource.closed };";

fn case() -> Value {
    let request = |user: &str, more: Value| {
        let mut request = json!({
            "principal": {"type": "User", "id": user}, "action": {"type": "Action", "id": "read"},
            "resource": {"type": "Doc", "id": "d"}, "context": {},
        });
        more.as_object().unwrap().iter().for_each(|(name, value)| request[name] = value.clone());
        request
    };
    json!({
        "id": "levels",
        "policy": POLICY,
        "schema": "entity User { level: Long }; entity Doc { closed: Bool };\n\
                   action read appliesTo { principal: User, resource: Doc };",
        "entities": [
            {"uid": {"type": "User", "id": "high"}, "attrs": {"level": 3}, "parents": []},
            {"uid": {"type": "User", "id": "low"}, "attrs": {"level": 2}, "parents": []},
            {"uid": {"type": "Doc", "id": "d"}, "attrs": {"closed": false}, "parents": []},
        ],
        "requests": [
            request("high", json!({"decision": "allow", "reason": ["policy0"], "errors": []})),
            request("low", json!({"decision": "deny", "reason": [], "errors": []})),
            request("nobody", json!({})),
        ],
    })
}

#[test]
fn both_engines_answer_each_request() {
    let run =
        countersign_with(&["eval", "--cases", "-", "--engine", "both"], &format!("{}\n\n", case())).exits(0);
    assert_eq!(
        run.lines(),
        [
            json!({"id": "levels", "line": 1, "request": 0, "decision": "allow", "reasons": ["policy0"], "errors": [], "agrees": true}),
            json!({"id": "levels", "line": 1, "request": 1, "decision": "deny", "reasons": [], "errors": [], "agrees": true}),
            json!({"id": "levels", "line": 1, "request": 2, "decision": "deny", "reasons": [], "errors": ["policy0"]}),
        ]
    );
    assert!(
        run.err().contains("3 requests of 1 case: 2 as expected, 0 not, 1 without expectation"),
        "{}",
        run.err()
    );
}

#[test]
fn an_answer_that_is_not_expected_is_a_failure() {
    for (member, value) in
        [("decision", json!("deny")), ("reason", json!([])), ("errors", json!(["policy1"]))]
    {
        let mut case = case();
        case["requests"][0][member] = value;
        let run = countersign_with(&["eval", "--cases", "-"], &case.to_string()).exits(1);
        assert_eq!(run.lines()[0]["agrees"], false);
        assert!(
            run.err().contains("<stdin>:1: request 0: the answer is not the expected one"),
            "{}",
            run.err()
        );
    }
}

#[test]
fn answers_have_a_form_for_every_reader() {
    let mut wrong = case();
    wrong["requests"][0]["decision"] = json!("deny");
    let input = format!("{wrong}\n{{\n");
    let run =
        |format: &str| countersign_with(&["eval", "--cases", "-", "--format", format], &input).exits(2).out();
    let xml = run("junit");
    assert!(
        xml.contains("tests=\"4\" failures=\"2\"") && xml.contains("name=\"levels request 0\"><failure "),
        "{xml}"
    );
    let lines = run("github");
    assert!(
        lines.starts_with("::error file=<stdin>,line=1,") && lines.contains("2 passed, 2 failed"),
        "{lines}"
    );
    assert!(run("text").starts_with("FAIL levels 0  allow by policy0"));
    let pretty = ["pretty", "text"].map(|format| {
        countersign_with(&["explain", "--cases", "-", "--format", format], &case().to_string()).exits(0).out()
    });
    assert_eq!(pretty[0], pretty[1]);
}

#[test]
fn what_nobody_would_read_is_refused() {
    let input = |change: &dyn Fn(&mut Value)| {
        let mut case = case();
        change(&mut case);
        case.to_string()
    };
    let rename = |object: &mut Value, from: &str, to: &str| {
        let value = object.as_object_mut().unwrap().remove(from).unwrap();
        object[to] = value;
    };
    for (input, said) in [
        (
            input(&|case| rename(&mut case["requests"][0], "decision", "decison")),
            "`decison`: unknown member, did you mean `decision`?",
        ),
        (input(&|case| rename(case, "schema", "shcema")), "`shcema`: unknown member"),
        (input(&|case| case["requests"] = json!([])), "`requests`: expected at least one request"),
    ] {
        let run = countersign_with(&["eval", "--cases", "-"], &input).exits(2);
        assert!(run.err().contains("error: <stdin>:1") && run.err().contains(said), "{}", run.err());
    }
    // What another tool has noted is its own.
    let noted = input(&|case| case["requests"][0]["note"] = "by hand".into());
    countersign_with(&["eval", "--cases", "-"], &noted).exits(0);
    // The name that answers have does as well.
    let good = input(&|case| rename(&mut case["requests"][0], "reason", "reasons"));
    countersign_with(&["eval", "--cases", "-"], &good).exits(0);
    let bad = good.replace("[\"policy0\"]", "[\"policy1\"]");
    countersign_with(&["eval", "--cases", "-"], &bad).exits(1);
}

#[test]
fn a_bad_line_is_named_and_the_rest_goes_on() {
    let deep =
        json!({"policy": format!("permit (principal, action, resource) when {{ {} }};", "(".repeat(5000))});
    let bad = [
        "{",
        "[]",
        "{\"policy\": \"permit\"}",
        "{\"policy\": \"\", \"schema\": \"entity\"}",
        "{\"policy\": \"\", \"entities\": [[]]}",
        "{\"policy\": \"\", \"requests\": [{}]}",
        &deep.to_string(),
    ];
    let input: String = bad.iter().map(|line| format!("{line}\n")).collect();
    let run = countersign_with(&["eval", "--cases", "-"], &format!("{input}{}\n", case())).exits(2);
    let lines = run.lines();
    assert_eq!(lines.len(), bad.len() + 3);
    for (at, line) in lines.iter().take(bad.len()).enumerate() {
        assert_eq!(line["line"], at + 1);
        assert!(line["error"].is_string(), "{line}");
        assert!(run.err().contains(&format!("error: <stdin>:{}: ", at + 1)), "{}", run.err());
    }
    assert_eq!(lines[bad.len()]["agrees"], true);
}

#[test]
fn a_file_without_requests_is_a_failure() {
    countersign_with(&["eval", "--cases", "-"], "").exits(1);
    countersign(&["eval", "--cases", "no-such-file"]).exits(2);
    countersign(&["eval", "--cases", "x", "--config", "y"]).exits(2);
}

#[test]
fn explains_what_each_policy_has_to_say() {
    let run = countersign_with(&["explain", "--cases", "-", "--item", "1"], &case().to_string()).exits(0);
    let told = run.out();
    for part in ["level: 2", "policy0 permit does not apply", "because this is not so", "decision   deny"] {
        assert!(told.contains(part), "`{part}` is not in\n{told}");
    }
    let run =
        countersign_with(&["explain", "--cases", "-", "--format", "json"], &case().to_string()).exits(0);
    let decisions: Vec<_> = run.lines().iter().map(|line| line["decision"].clone()).collect();
    assert_eq!(decisions, ["allow", "deny", "deny"]);
    countersign_with(&["explain", "--cases", "-", "--item", "3"], &case().to_string()).exits(2);
    countersign_with(&["explain", "--cases", "-", "--line", "2"], &case().to_string()).exits(2);
}

#[test]
fn explanations_tell_values_but_nothing_sensitive() {
    let entity = |kind: &str, id: &str| json!({ "type": kind, "id": id });
    let case = json!({
        "policy": r#"@sensitive("context.amount") permit(principal, action, resource) when { context.amount < 10 };
            permit(principal, action, resource) when { principal.level == 7 && principal.ssn == "" };
            permit(principal, action, resource) when { principal.ssn == "" };"#,
        "schema": "entity User { level: Long, @sensitive ssn: String }; entity Doc;
            action read appliesTo { principal: User, resource: Doc, context: { amount: Long } };",
        "entities": [
            { "uid": entity("User", "ann"), "attrs": { "level": 2, "ssn": "078-05-1120" }, "parents": [] },
        ],
        "requests": [{
            "principal": entity("User", "ann"), "action": entity("Action", "read"), "resource": entity("Doc", "1"),
            "context": { "amount": 87_654 },
        }],
    })
    .to_string();
    for format in ["pretty", "json"] {
        let run = countersign_with(&["explain", "--cases", "-", "--format", format], &case).exits(0);
        let told = run.out();
        for secret in ["078-05-1120", "87654"] {
            assert!(!told.contains(secret), "{}", told);
        }
        assert!(told.contains("principal.level") && told.contains("principal.ssn"), "{}", told);
        assert!(told.contains("masked"), "{}", told);
    }
}

#[test]
fn a_member_that_is_there_twice_is_refused() {
    let line = r#"{"policy": "permit(principal, action, resource);", "requests": [{"principal": "U::\"u\"", "action": "Action::\"a\"",
        "resource": "R::\"r\"", "context": {"a": 1, "a": 2}}]}"#.replace('\n', "");
    let run = countersign_with(&["eval", "--cases", "-"], &line).exits(2);
    assert!(
        run.err().contains("duplicate member name") || run.out().contains("duplicate member name"),
        "{}",
        run.err()
    );
    countersign_with(&["explain", "--cases", "-"], &line).exits(2);
    countersign_with(&["eval", "--cases", "-"], &line.replace(r#""a": 2"#, r#""b": 2"#)).exits(0);
}

#[test]
fn what_is_sensitive_is_masked_wherever_it_comes_from() {
    let entity = |kind: &str, id: &str| json!({ "type": kind, "id": id });
    for condition in [
        "context.card.number == \"x\"",
        "context.cards.isEmpty()",
        "principal.pays == []",
        "principal.getTag(\"t\").pan == \"x\"",
        "{s: principal.ssn}.s == \"x\"",
        "(if context.z == 1 then context.pay else context.pay).pan == \"x\"",
        "{x: context}.x == {a: 1}",
        "[principal.ssn] == []",
        "context.who.ssn == \"x\"",
        "{c: context.named}.c == \"x\"",
        "context[\"a b\"] == \"x\"",
    ] {
        let case = json!({
            // What the second policy calls sensitive, the first does not tell.
            "policy": format!(
                "permit(principal, action, resource) when {{ {condition} }};
                @sensitive(\"context.named, context[\\\"a b\\\"]\") permit(principal, action, resource) when {{ false }};"
            ),
            "schema": "namespace A { type Card = { @sensitive number: String, kind: String }; }
                type Pay = { @sensitive pan: String, other: Long };
                entity User { @sensitive ssn: String, pays: Set<Pay> } tags Pay;
                entity Doc;
                action read appliesTo { principal: User, resource: Doc, context: {
                    z: Long, pay: Pay, card: A::Card, cards: Set<A::Card>, who: User, named: String, \"a b\": String } };",
            "entities": [{
                "uid": entity("User", "ann"),
                "attrs": { "ssn": "LEAK", "pays": [{ "pan": "LEAK", "other": 1 }] },
                "tags": { "t": { "pan": "LEAK", "other": 1 } },
                "parents": [],
            }],
            "requests": [{
                "principal": entity("User", "ann"), "action": entity("Action", "read"), "resource": entity("Doc", "1"),
                "context": {
                    "z": 2, "pay": { "pan": "LEAK", "other": 1 }, "card": { "number": "LEAK", "kind": "k" },
                    "cards": [{ "number": "LEAK", "kind": "k" }], "who": entity("User", "ann"),
                    "named": "LEAK", "a b": "LEAK",
                },
            }],
        })
        .to_string();
        for format in ["pretty", "json"] {
            let run =
                countersign_with(&["explain", "--cases", "-", "--format", format, "--all"], &case).exits(0);
            let told = run.out();
            assert!(!told.contains("LEAK"), "{condition}: {told}");
            assert!(told.contains("mask"), "{condition}: {told}");
        }
    }
}

#[test]
fn a_record_does_not_tell_what_is_sensitive_within_it() {
    let entity = |kind: &str, id: &str| json!({ "type": kind, "id": id });
    for policy in [
        // By the schema, the whole record that holds it; by the policy, what its mask holds and what holds its mask.
        r#"permit(principal, action, resource) when { context.card == {number: "1", kind: "debit"} };"#,
        r#"permit(principal, action, resource) when { principal.home == {street: "a", zip: "b"} };"#,
        r#"@sensitive("context.plain") permit(principal, action, resource) when { context.plain.note == "x" };"#,
        r#"@sensitive("context.plain.note") permit(principal, action, resource) when { context.plain == {note: "x"} };"#,
    ] {
        let case = json!({
            "policy": policy,
            "schema": "entity User { home: { street: String, @sensitive zip: String } }; entity Doc;
                action read appliesTo { principal: User, resource: Doc, context: {
                    card: { @sensitive number: String, kind: String }, plain: { note: String } } };",
            "entities": [{
                "uid": entity("User", "ann"),
                "attrs": { "home": { "street": "main", "zip": "secret-zip" } }, "parents": [],
            }],
            "requests": [{
                "principal": entity("User", "ann"), "action": entity("Action", "read"), "resource": entity("Doc", "1"),
                "context": { "card": { "number": "secret-number", "kind": "credit" }, "plain": { "note": "secret-note" } },
            }],
        })
        .to_string();
        let run = countersign_with(&["explain", "--cases", "-", "--format", "json"], &case).exits(0);
        let told = run.out();
        let named = policy.starts_with('@');
        for secret in ["secret-zip", "secret-number"].into_iter().chain(named.then_some("secret-note")) {
            assert!(!told.contains(secret), "{policy}: {told}");
        }
        assert!(told.contains("\"masked\":true"), "{policy}: {told}");
    }
}
