//! What explanations tell of near misses, rulings and places, and that failed cases of tables tell it too.

use crate::support::{countersign, countersign_with, folder};
use serde_json::{Value, json};
use std::fs;

const SCHEMA: &str = "entity Role; entity User in [Role] { level: Long, @sensitive ssn: String }; entity Doc;
action read appliesTo { principal: User, resource: Doc, context: { amount?: Long } };";

/// A case about ann, a customer, who reads a document.
fn case(policies: &str) -> String {
    json!({
        "policy": policies,
        "schema": SCHEMA,
        "entities": [{
            "uid": { "type": "User", "id": "ann" }, "attrs": { "level": 2, "ssn": "078-05-1120" },
            "parents": [{ "type": "Role", "id": "customer" }],
        }],
        "requests": [{
            "principal": { "type": "User", "id": "ann" }, "action": { "type": "Action", "id": "read" },
            "resource": { "type": "Doc", "id": "1" }, "context": {},
        }],
    })
    .to_string()
}

fn told(policies: &str) -> String {
    countersign_with(&["explain", "--cases", "-"], &case(policies)).exits(0).out()
}

fn data(policies: &str) -> Value {
    let run = countersign_with(&["explain", "--cases", "-", "--format", "json"], &case(policies)).exits(0);
    run.lines().remove(0)
}

#[track_caller]
fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
}

#[test]
fn a_scope_that_alone_stands_in_the_way_is_a_near_miss() {
    let policies = r#"permit(principal in Role::"analyst", action, resource);
        permit(principal, action, resource == Doc::"2");
        permit(principal in Role::"analyst", action, resource == Doc::"2");"#;
    let text = told(policies);
    holds(
        &text,
        &[
            "policy0 permit another principal",
            "because this is not so: principal in Role::\"analyst\" policies-0:1:1",
            "principal is in Role::\"customer\"",
            "policy1 permit another resource",
            "because this is not so: resource == Doc::\"2\"",
            "resource was Doc::\"1\"",
            "1 policy is about another principal, action or resource",
        ],
    );
    assert!(!text.contains("policy2"), "{text}");
    let data = data(policies);
    let policies = &data["question"]["policies"];
    assert_eq!(policies[0]["result"], "other_principal");
    assert_eq!(policies[0]["condition"], "principal in Role::\"analyst\"");
    assert_eq!(
        policies[0]["values"],
        json!([
            { "expression": "principal", "value": "User::\"ann\"" },
            { "expression": "principal in", "value": ["Role::\"customer\""] },
        ])
    );
    let relevant: Vec<&Value> =
        policies.as_array().unwrap().iter().map(|policy| &policy["relevant"]).collect();
    assert_eq!(relevant, [true, true, false]);
    assert_eq!(policies[2]["condition"], Value::Null);
}

#[test]
fn a_near_scope_does_not_tell_a_masked_principal() {
    let policies = r#"permit(principal in Role::"analyst", action, resource);
        @sensitive("principal") permit(principal, action, resource) when { false };"#;
    let data = data(policies);
    assert_eq!(
        data["question"]["policies"][0]["values"],
        json!([{ "expression": "principal", "masked": true }, { "expression": "principal in", "masked": true }])
    );
    holds(&told(policies), &["principal is in (masked)"]);
}

#[test]
fn scopes_that_are_near_are_shown_up_to_a_number() {
    let policies: String = (0..20)
        .map(|number| format!("permit(principal in Role::\"r{number}\", action, resource);"))
        .collect();
    let text = told(&policies);
    assert_eq!(text.matches("another principal ").count(), 8 + 1, "{text}");
    holds(&text, &["12 policies more permit this to another principal"]);
    let text = countersign_with(&["explain", "--cases", "-", "--all"], &case(&policies)).exits(0).out();
    assert_eq!(text.matches("permit another principal").count(), 20, "{text}");
}

#[test]
fn the_ruling_is_told_beside_cedars_decision() {
    let permit = "permit(principal, action, resource);";
    let fails = "forbid(principal, action, resource) when { principal.level + 9223372036854775807 > 0 };";
    let forbid = "forbid(principal, action, resource);";
    for (policies, decision, ruling, words) in [
        (permit.to_owned(), "allow", "permitted", "permitted by policy0"),
        (
            format!("{permit}{fails}"),
            "allow",
            "forbid_errored",
            "the gateway denies: a forbid failed: policy1",
        ),
        (format!("{permit}{forbid}"), "deny", "forbidden", "forbidden by policy1"),
        (
            "permit(principal, action, resource == Doc::\"2\");".to_owned(),
            "deny",
            "not_permitted",
            "not permitted",
        ),
    ] {
        let data = data(&policies);
        assert_eq!((&data["decision"], &data["ruling"]), (&decision.into(), &ruling.into()), "{policies}");
        holds(&told(&policies), &[&format!("decision   {decision}"), &format!("ruling     {words}")]);
    }
}

#[test]
fn conditions_are_told_as_they_are_written_with_their_place() {
    let policies = "permit(principal, action, resource)\nwhen {\n    principal.level  > // at least\n 3 };
permit(principal, action, resource) unless { principal.level < 3 };
permit(principal, action, resource) when { principal.level + 9223372036854775807 > 0 };";
    holds(
        &told(policies),
        &[
            "because this is not so: principal.level > 3 policies-0:3:5",
            "because this is so: unless { principal.level < 3 } policies-0:5:37",
            "because this could not be evaluated: principal.level + 9223372036854775807 > 0 policies-0:6:44",
        ],
    );
    let data = data(policies);
    let first = &data["question"]["policies"][0];
    assert_eq!(first["condition"], "principal.level > 3");
    assert_eq!((&first["line"], &first["column"]), (&3.into(), &5.into()));
}

#[test]
fn what_has_no_value_is_not_said_to_have_been_one() {
    let json = json!({
        "policy": "permit(principal, action, resource) when { principal.x == 1 };",
        "requests": [{
            "principal": "User::\"ann\"", "action": "Action::\"read\"", "resource": "Doc::\"1\"", "context": {},
        }],
    });
    let told = countersign_with(&["explain", "--cases", "-"], &json.to_string()).exits(0).out();
    holds(&told, &["principal.x has no value: an entity is not known"]);
}

/// A pack with a table.
fn pack(name: &str, policies: &str, cases: &str) -> std::path::PathBuf {
    let folder = folder(name);
    fs::create_dir(folder.join("tests")).unwrap();
    fs::write(folder.join("a.cedar"), policies).unwrap();
    fs::write(folder.join("a.cedarschema"), SCHEMA).unwrap();
    fs::write(
        folder.join("tests/t.yaml"),
        format!(
            "defaults: {{ principal: 'User::\"ann\"', action: read, resource: 'Doc::\"1\"' }}
entities:
  - {{ uid: 'User::\"ann\"', attrs: {{ level: 2, ssn: 078-05-1120 }}, parents: ['Role::\"customer\"'] }}
cases:
{cases}"
        ),
    )
    .unwrap();
    folder
}

const MISSED: &str = r#"@id("high") permit(principal, action, resource) when { principal.level > 3 };
@id("ssn") permit(principal, action, resource) when { principal.ssn == "1" };
@id("analyst") permit(principal in Role::"analyst", action, resource);"#;

#[test]
fn a_case_that_fails_tells_what_was_near() {
    let pack = pack("near", MISSED, "  - { name: reads, decision: allow }\n");
    let pack = pack.to_str().unwrap();
    let near = [
        "high: principal.level > 3 (principal.level was 2)",
        "ssn: principal.ssn == \"1\" (principal.ssn was (masked))",
        "analyst: principal in Role::\"analyst\" (principal was User::\"ann\", principal is in Role::\"customer\")",
    ];
    let text = countersign(&["test", pack]).exits(1).out();
    near.iter().for_each(|near| holds(&text, &[&format!("not so: {near}")]));
    let run = countersign(&["test", pack, "--format", "json"]).exits(1);
    assert_eq!(run.lines()[0]["cases"][0]["near"], json!(near));
    let junit = countersign(&["test", pack, "--format", "junit"]).exits(1).out();
    holds(&junit, &["not so: high: principal.level &gt; 3 (principal.level was 2)"]);
    assert!(!junit.contains("078-05"), "{junit}");
}

#[test]
fn a_case_may_assert_what_the_gateway_rules() {
    let policies = "permit(principal, action, resource);
        forbid(principal, action, resource) when { principal.level + 9223372036854775807 > 0 };";
    let cases = "  - { name: right, decision: allow, ruling: forbid_errored, errors: policy1 }
  - { name: wrong, decision: allow, ruling: permitted, errors: policy1 }\n";
    let text = countersign(&["test", pack("ruling", policies, cases).to_str().unwrap()]).exits(1).out();
    holds(&text, &["pass right", "FAIL wrong", "ruling: expected \"permitted\", found \"forbid_errored\""]);
    let unknown = "  - { name: unknown, decision: allow, ruling: allowed }\n";
    let run = countersign(&["test", pack("unknown-ruling", policies, unknown).to_str().unwrap()]).exits(2);
    holds(&run.err(), &["`ruling`: expected one of `permitted`, `forbidden`", "t.yaml:5"]);
}

#[test]
fn a_case_of_a_table_is_explained_by_its_name() {
    let cases = "  - { name: reads, decision: deny }\n  - { name: reads again, decision: deny }\n";
    let pack = pack("explain-case", MISSED, cases);
    let pack = pack.to_str().unwrap();
    let text = countersign(&["explain", pack, "--case", "reads"]).exits(0).out();
    holds(
        &text,
        &["case       reads ", "because this is not so: principal.level > 3 a.cedar:1:56", "not permitted"],
    );
    assert!(!text.contains("078-05"), "{text}");
    let run = countersign(&["explain", pack, "--case", "again", "--format", "json"]).exits(0);
    assert_eq!(run.lines()[0]["name"], "reads again");
    let run = countersign(&["explain", pack, "--case", "read"]).exits(2);
    holds(&run.err(), &["expected the name of one case, found `read` in 2 of them", "`reads again`"]);
    countersign(&["explain", pack]).exits(2);
    countersign(&["explain", pack, "--case", "nothing like it"]).exits(2);
}

#[test]
fn gaps_have_the_place_of_their_clause() {
    let policies =
        "permit(principal, action, resource)\nwhen { principal.level > 1 }\nunless { context has amount };";
    let pack = pack("gaps", policies, "  - { name: reads, decision: allow }\n");
    let text = countersign(&["test", pack.to_str().unwrap()]).exits(0).out();
    holds(
        &text,
        &[
            "a.cedar:2:8 policy0: never true: principal.level <= 1, in: principal.level > 1",
            "a.cedar:3:1 policy0: never true: context has amount",
        ],
    );
}

/// What a caller brings beside a bearer token, and the login that it is sent to make.
#[test]
fn an_explanation_shows_proofs_keys_and_logins() {
    let folder = folder("explain-credentials");
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (issuer, holder, set) = (file("issuer.json"), file("holder.json"), file("set.json"));
    for key in [&issuer, &holder] {
        countersign(&["keys", "new", "-o", key]).exits(0);
    }
    countersign(&["keys", "jwks", &issuer, "-o", &set]).exits(0);
    let now = ["--now", "1767268800"];
    let token = |more: &[&str]| {
        let fixed = ["token", "--key", &issuer, "--iss", "https://id.bank.example", "--sub", "alice"];
        let claims = ["--claim", "client_id=app", "--claim", "jti=t", "--claim", "tenant=acme"];
        let audience = ["--aud", "https://api.bank.example"];
        let all = [&fixed[..], &claims, &audience, &now, more].concat();
        countersign(&all).exits(0).out().trim().to_owned()
    };
    let jwks = format!("https://id.bank.example={set}");
    let url = "https://api.bank.example/tenants/acme/accounts/a-1";
    let explain = |more: &[&str]| {
        let config = ["explain", "--config", "tests/scenarios/credentials/countersign.yaml", "--jwks", &jwks];
        let fixed = ["--peer", "spiffe://bank.example/edge", "--time", "1767268800"];
        let told =
            |format| countersign(&[&config[..], &fixed, more, &["--format", format]].concat()).exits(0);
        (told("text").out(), serde_json::from_str::<Value>(&told("json").out()).unwrap())
    };

    let bound = token(&["--bind", &holder]);
    let proof = |key: &str| {
        let made = ["proof", "--key", key, "--url", url, "--token", &bound];
        countersign(&[&made[..], &now].concat()).exits(0).out().trim().to_owned()
    };
    let authorization = format!("authorization: DPoP {bound}");
    let (text, data) = explain(&[
        "--url",
        url,
        "--header",
        &authorization,
        "--header",
        &format!("dpop: {}", proof(&holder)),
    ]);
    holds(&text, &["token      verified", "proof      accepted", "claim htm: \"GET\"", "decision   allow"]);
    assert_eq!((&data["proof"]["accepted"], &data["proof"]["claims"]["htu"]), (&true.into(), &url.into()));
    let (text, data) = explain(&[
        "--url",
        url,
        "--header",
        &authorization,
        "--header",
        &format!("dpop: {}", proof(&issuer)),
    ]);
    holds(&text, &["proof      not accepted", "binding.dpop.holder"]);
    assert_eq!((&data["proof"]["accepted"], &data["api_key"]), (&false.into(), &Value::Null));

    let alice = token(&[]);
    let (text, data) = explain(&["--method", "DELETE", "--url", url, "--token", &alice]);
    holds(
        &text,
        &[
            "login      acr_values=\"mfa\", max_age=\"300\" by `close-after-login` (forbid)",
            "challenge  Bearer realm=",
        ],
    );
    assert_eq!(data["step_up"]["by"], json!(["`close-after-login` (forbid)"]));
    let (text, data) = explain(&["--url", &format!("{url}/statement"), "--token", &alice]);
    holds(&text, &["login      acr_values=\"mfa phr\", max_age=\"3600\" by the route `read-statement`"]);
    assert!(data["step_up"]["challenge"].as_str().unwrap().contains("insufficient_user_authentication"));

    let scenario = fs::read_to_string(crate::support::root().join("tests/scenarios/api-keys.yaml")).unwrap();
    let scenario: Value = serde_saphyr::from_str(&scenario).unwrap();
    let mut configuration = scenario["configuration"].clone();
    let pack = crate::support::root().join("policies/fraud-scoring");
    configuration["policy"]["pack"] = pack.to_str().unwrap().into();
    fs::write(folder.join("keys.json"), configuration.to_string()).unwrap();
    for (key, name) in [
        ("csk_PRkMfxK_JuE_ZXNoOfKCsiTCH8gLKJXHnoWV_dch5kU", "month-end-reports"),
        ("csk_0000000000000000000000000000000000000000000", "none that is known"),
    ] {
        let header = format!("x-api-key: {key}");
        let url = "https://api.bank.example/v1/tenants/acme/transfers/t-1/decision";
        let fixed = ["explain", "--config", &file("keys.json"), "--url", url, "--time", "1767268800"];
        let peer = ["--peer", "spiffe://bank.example/edge", "--header", &header];
        let text = countersign(&[&fixed[..], &peer].concat()).exits(0).out();
        holds(&text, &["token      none\n", &format!("api key    {name}\n")]);
        assert!(!text.contains(key), "{text}");
    }
}
