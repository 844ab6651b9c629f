//! Who acts for whom, and how the user logged in.

use anyhow::Result;
use countersign_tests::mint;
use countersign_tests::policies;
use countersign_tests::world::{Ask, ISSUER, START};
use serde_json::{Value, json};

use crate::catalogue::{Catalogue, NOT_LOADED};
use crate::forge::{self, Bench, member, token};

const SCHEMA: &str = r#"
entity Role;
entity User in [Role] { tenant: String };
entity Agent;
entity Workload;
entity Account;
action Read appliesTo {
  principal: [User, Agent, Workload], resource: Account,
  context: { subject?: User, actors?: Set<String>, depth?: Long, acr?: String }
};
"#;

const POLICIES: &str = r#"
@id("users-read") permit(principal is User, action, resource);
@id("workloads-read") permit(principal == Workload::"spiffe://bank.example/job", action, resource);
@id("assistant-for-clerks") permit(principal == Agent::"assistant", action, resource)
when { context has subject && context.subject in Role::"clerk" };
@id("large-accounts") @step_up("acr=mfa max_age=60")
forbid(principal, action, resource == Account::"large")
unless { context has acr && context.acr == "mfa" };
"#;

pub(crate) fn configured(change: impl FnOnce(&mut Value)) -> Result<Bench> {
    let image = policies::base64(&policies::image(SCHEMA, POLICIES)?);
    Bench::configured(|config| {
        config["policy"]["image"] = image.into();
        config["forward"] = json!({});
        config["issuers"][0]["principal"]["attributes"] = json!({ "tenant": { "claim": "tenant" } });
        config["issuers"][0]["delegation"] = json!({ "actor": {}, "max_depth": 3 });
        let token = |field: &str| json!({ "token": field });
        config["context"] = json!({
            "subject": token("subject"), "actors": token("actors"), "depth": token("depth"), "acr": token("acr"),
        });
        config["routes"] = json!([{
            "name": "read", "methods": ["GET"], "path": "/accounts/{account}", "action": "Read",
            "resource": { "type": "Account", "id": "{account}" },
        }]);
        change(config);
    })
}

pub(crate) fn read(bench: &mut Bench, account: &str, text: &str) -> String {
    bench.ask(&Ask::new("GET", &format!("/accounts/{account}")).bearer(text))
}

pub(crate) fn add(catalogue: &mut Catalogue) -> Result<()> {
    actors(catalogue)?;
    those_who_may(catalogue)?;
    issuers_that_do_not_delegate(catalogue)?;
    logins(catalogue)?;
    ages(catalogue)
}

fn nested(depth: usize) -> Value {
    (0..depth).rev().fold(Value::Null, |inner, level| {
        let id = if level == 0 { "assistant".to_owned() } else { format!("agent-{level}") };
        mint::with(&json!({ "sub": id }), json!({ "act": inner }))
    })
}

fn actors(catalogue: &mut Catalogue) -> Result<()> {
    let mut bench = configured(|_| {})?;
    let mut verdict = |raw: &str| -> Result<String> {
        let claims = member(&bench.world.claims(), "act", raw);
        let text = token(&bench.world.key, forge::header(json!({})).to_string(), claims)?;
        Ok(read(&mut bench, "a1", &text))
    };
    for (id, act) in [
        ("one", nested(1)),
        ("as-deep-as-may-be", nested(3)),
        ("with-its-issuer", json!({ "sub": "assistant", "iss": ISSUER })),
        ("with-claims-nobody-knows", json!({ "sub": "assistant", "exp": 1, "nbf": 9e9, "aud": "x" })),
        ("with-its-issuer-within", json!({ "sub": "assistant", "act": { "sub": "planner", "iss": ISSUER } })),
    ] {
        catalogue.control(format!("delegation/{id}"), verdict(&act.to_string())?);
    }
    const MALFORMED: &str = "delegation.malformed";
    let of = |issuer: &str| json!({ "sub": "assistant", "iss": issuer }).to_string();
    let deep = format!("{}{}", r#"{"sub":"a","act":"#.repeat(40), "}".repeat(40));
    for (id, raw, expected) in [
        ("array", r#"[{"sub":"assistant"}]"#, MALFORMED),
        ("text", "\"assistant\"", MALFORMED),
        ("null", "null", MALFORMED),
        ("number", "1", MALFORMED),
        ("empty-object", "{}", MALFORMED),
        ("empty-array", "[]", MALFORMED),
        ("sub-empty", r#"{"sub":""}"#, MALFORMED),
        ("sub-null", r#"{"sub":null}"#, MALFORMED),
        ("sub-number", r#"{"sub":1}"#, MALFORMED),
        ("sub-array", r#"{"sub":["assistant"]}"#, MALFORMED),
        ("sub-in-capitals", r#"{"SUB":"assistant"}"#, MALFORMED),
        ("client-id-for-sub", r#"{"client_id":"assistant"}"#, MALFORMED),
        ("iss-empty", r#"{"sub":"assistant","iss":""}"#, MALFORMED),
        ("iss-number", r#"{"sub":"assistant","iss":1}"#, MALFORMED),
        ("iss-null", r#"{"sub":"assistant","iss":null}"#, MALFORMED),
        ("inner-text", r#"{"sub":"assistant","act":"x"}"#, MALFORMED),
        ("inner-null", r#"{"sub":"assistant","act":null}"#, MALFORMED),
        ("inner-array", r#"{"sub":"assistant","act":[]}"#, MALFORMED),
        ("inner-nameless", r#"{"sub":"assistant","act":{}}"#, MALFORMED),
        ("sub-twice", r#"{"sub":"assistant","sub":"x"}"#, "token.malformed"),
        ("sub-twice-by-escape", r#"{"sub":"x","s\u0075b":"assistant"}"#, "token.malformed"),
        ("inner-act-twice", r#"{"sub":"assistant","act":{"sub":"x"},"act":{"sub":"y"}}"#, "token.malformed"),
        ("forty-deep", &deep, "token.malformed"),
        ("four-deep", &nested(4).to_string(), "delegation.depth"),
        ("twelve-deep", &nested(12).to_string(), "delegation.depth"),
        ("subject-for-itself", r#"{"sub":"alice"}"#, "delegation.loop"),
        ("subject-by-its-issuer", &json!({ "sub": "alice", "iss": ISSUER }).to_string(), "delegation.loop"),
        ("subject-by-escape", r#"{"sub":"\u0061lice"}"#, "delegation.loop"),
        ("back-to-the-subject", r#"{"sub":"assistant","act":{"sub":"alice"}}"#, "delegation.loop"),
        ("same-actor-twice", r#"{"sub":"assistant","act":{"sub":"assistant"}}"#, "delegation.loop"),
        (
            "in-a-circle",
            r#"{"sub":"assistant","act":{"sub":"x","act":{"sub":"assistant"}}}"#,
            "delegation.loop",
        ),
        ("of-another-issuer", r#"{"sub":"assistant","iss":"https://o"}"#, "delegation.issuer"),
        ("of-our-issuer-and-a-slash", &of(&format!("{ISSUER}/")), "delegation.issuer"),
        ("of-our-issuer-in-capitals", &of(&ISSUER.to_uppercase()), "delegation.issuer"),
        (
            "inner-of-another-issuer",
            r#"{"sub":"assistant","act":{"sub":"alice","iss":"https://o"}}"#,
            "delegation.issuer",
        ),
        ("another", r#"{"sub":"intruder"}"#, "policy.not_permitted"),
        ("in-capitals", r#"{"sub":"Assistant"}"#, "policy.not_permitted"),
        ("confusable", "{\"sub\":\"\u{430}ssistant\"}", "policy.not_permitted"),
        ("combining", "{\"sub\":\"assistant\u{301}\"}", "policy.not_permitted"),
        ("nul-behind", r#"{"sub":"assistant\u0000"}"#, "policy.not_permitted"),
        ("space-behind", r#"{"sub":"assistant "}"#, "policy.not_permitted"),
        ("permitted-one-within", r#"{"sub":"intruder","act":{"sub":"assistant"}}"#, "policy.not_permitted"),
        ("name-of-a-workload", r#"{"sub":"spiffe://bank.example/job"}"#, "policy.not_permitted"),
        ("cedar-text", r#"{"sub":"x\" || true || \""}"#, "policy.not_permitted"),
    ] {
        catalogue.attack(format!("delegation/act-{id}"), expected, verdict(raw)?);
    }
    // Its name alone would make an actor of elsewhere one of ours.
    let found = verdict(&json!({ "sub": "alice", "iss": "https://other.example" }).to_string())?;
    catalogue.attack("delegation/act-namesake-of-the-subject", "delegation.issuer", found);
    for (id, changes) in [
        ("subject-without-roles", json!({ "roles": [] })),
        (
            "roles-of-the-actor-alone",
            json!({ "roles": null, "act": { "sub": "assistant", "roles": ["clerk"] } }),
        ),
    ] {
        let claims = mint::with(&json!({ "act": { "sub": "assistant" } }), changes);
        let claims = mint::with(&bench.world.claims(), claims);
        let claims =
            if id.starts_with("roles") { mint::with(&claims, json!({ "roles": null })) } else { claims };
        let text = bench.world.key.sign(&claims)?;
        catalogue.attack(format!("delegation/{id}"), "policy.not_permitted", read(&mut bench, "a1", &text));
    }
    Ok(())
}

fn those_who_may(catalogue: &mut Catalogue) -> Result<()> {
    let mut bench = configured(|_| {})?;
    let mut verdict = |raw: &str| -> Result<String> {
        let claims = mint::with(&bench.world.claims(), json!({ "act": { "sub": "assistant" } }));
        let text =
            token(&bench.world.key, forge::header(json!({})).to_string(), member(&claims, "may_act", raw))?;
        Ok(read(&mut bench, "a1", &text))
    };
    catalogue.control("delegation/may-act-itself", verdict(r#"{"sub":"assistant"}"#)?);
    let issuer = json!({ "sub": "assistant", "iss": ISSUER }).to_string();
    catalogue.control("delegation/may-act-with-its-issuer", verdict(&issuer)?);
    for (id, raw, expected) in [
        ("another", r#"{"sub":"other"}"#, "delegation.not_allowed"),
        ("in-capitals", r#"{"sub":"ASSISTANT"}"#, "delegation.not_allowed"),
        ("confusable", "{\"sub\":\"\u{430}ssistant\"}", "delegation.not_allowed"),
        ("prefix", r#"{"sub":"assist"}"#, "delegation.not_allowed"),
        ("wildcard", r#"{"sub":"*"}"#, "delegation.not_allowed"),
        ("nobody", "{}", "delegation.not_allowed"),
        ("empty-name", r#"{"sub":""}"#, "delegation.not_allowed"),
        ("number", r#"{"sub":1}"#, "delegation.not_allowed"),
        ("array-of-names", r#"{"sub":["assistant"]}"#, "delegation.not_allowed"),
        ("of-another-issuer", r#"{"sub":"assistant","iss":"https://o"}"#, "delegation.not_allowed"),
        ("issuer-empty", r#"{"sub":"assistant","iss":""}"#, "delegation.not_allowed"),
        ("within", r#"{"sub":"other","act":{"sub":"assistant"}}"#, "delegation.not_allowed"),
        ("is-text", "\"assistant\"", "token.claims"),
        ("is-an-array", r#"[{"sub":"assistant"}]"#, "token.claims"),
        ("is-null", "null", "token.claims"),
        ("twice", r#"{"sub":"assistant","sub":"other"}"#, "token.malformed"),
    ] {
        catalogue.attack(format!("delegation/may-act-{id}"), expected, verdict(raw)?);
    }
    Ok(())
}

fn issuers_that_do_not_delegate(catalogue: &mut Catalogue) -> Result<()> {
    let act = json!({ "act": { "sub": "assistant" } });
    let mut none = configured(|config| config["issuers"][0]["delegation"] = Value::Null)?;
    let text = none.world.key.sign(&mint::with(&none.world.claims(), act))?;
    catalogue.attack(
        "delegation/of-an-issuer-without",
        "delegation.unsupported",
        read(&mut none, "a1", &text),
    );
    let mut always = configured(|config| config["issuers"][0]["delegation"]["required"] = json!(true))?;
    let text = always.world.token()?;
    catalogue.attack(
        "delegation/missing-where-demanded",
        "delegation.missing",
        read(&mut always, "a1", &text),
    );
    for depth in [0, 9] {
        let loaded = configured(|config| config["issuers"][0]["delegation"]["max_depth"] = json!(depth));
        let found = if loaded.is_err() { NOT_LOADED } else { "loaded" };
        catalogue.attack(format!("delegation/depth-of-{depth}"), NOT_LOADED, found);
    }
    Ok(())
}

fn logins(catalogue: &mut Catalogue) -> Result<()> {
    let mut bench = configured(|config| {
        config["routes"][0]["step_up"] = json!({ "acr": ["mfa", "phr"], "max_age_seconds": 100 });
    })?;
    let mut verdict = |acr: &str, time: &str| -> Result<String> {
        let claims = mint::with(&bench.world.claims(), json!({ "acr": null }));
        let mut claims = claims.to_string();
        for (name, raw) in [("acr", acr), ("auth_time", time)] {
            if !raw.is_empty() {
                claims = claims.replacen('{', &format!("{{\"{name}\":{raw},"), 1);
            }
        }
        let text = token(&bench.world.key, forge::header(json!({})).to_string(), claims)?;
        Ok(read(&mut bench, "a1", &text))
    };
    for (id, acr, time) in [
        ("first-value", "\"mfa\"", "1790000000"),
        ("second-value", "\"phr\"", "1790000000"),
        ("at-its-age", "\"mfa\"", "1789999900"),
        ("time-with-a-fraction", "\"mfa\"", "1789999900.5"),
        ("time-with-an-exponent", "\"mfa\"", "1.79e9"),
        ("time-at-the-skew", "\"mfa\"", "1790000010"),
    ] {
        catalogue.control(format!("step-up/{id}"), verdict(acr, time)?);
    }
    for (id, acr, time, expected) in [
        ("acr-missing", "", "1790000000", "policy.step_up"),
        ("acr-weaker", "\"pwd\"", "1790000000", "policy.step_up"),
        ("acr-in-capitals", "\"MFA\"", "1790000000", "policy.step_up"),
        ("acr-substring", "\"mf\"", "1790000000", "policy.step_up"),
        ("acr-longer", "\"mfa2\"", "1790000000", "policy.step_up"),
        ("acr-words", "\"pwd mfa\"", "1790000000", "policy.step_up"),
        ("acr-list", "\"mfa,phr\"", "1790000000", "policy.step_up"),
        ("acr-empty", "\"\"", "1790000000", "policy.step_up"),
        ("acr-confusable", "\"mf\u{430}\"", "1790000000", "policy.step_up"),
        ("acr-array", "[\"mfa\"]", "1790000000", "token.claims"),
        ("acr-object", "{\"mfa\":true}", "1790000000", "token.claims"),
        ("acr-null", "null", "1790000000", "token.claims"),
        ("acr-number", "2", "1790000000", "token.claims"),
        ("time-missing", "\"mfa\"", "", "policy.step_up"),
        ("time-a-nanosecond-too-old", "\"mfa\"", "1789999899.999999999", "policy.step_up"),
        ("time-a-day-ago", "\"mfa\"", "1789913600", "policy.step_up"),
        ("time-zero", "\"mfa\"", "0", "policy.step_up"),
        ("time-below-zero", "\"mfa\"", "-1", "policy.step_up"),
        ("time-after-the-tokens-end", "\"mfa\"", "1790086400", "policy.step_up"),
        ("time-a-nanosecond-beyond-the-skew", "\"mfa\"", "1790000010.000000001", "policy.step_up"),
        ("time-within-the-tokens-life", "\"mfa\"", "1790000290", "policy.step_up"),
        ("time-text", "\"mfa\"", "\"1790000000\"", "token.claims"),
        ("time-null", "\"mfa\"", "null", "token.claims"),
        ("time-too-large", "\"mfa\"", "1e400", "token.claims"),
        ("time-in-milliseconds", "\"mfa\"", "1790000000000", "token.claims"),
        ("time-twice", "\"mfa\"", "1,\"auth_time\":1790000000", "token.malformed"),
    ] {
        catalogue.attack(format!("step-up/{id}"), expected, verdict(acr, time)?);
    }
    // Methods are not levels, and what the actor did is not what the user did.
    for (id, changes) in [
        ("amr-for-acr", json!({ "amr": ["mfa"], "auth_time": START })),
        ("acr-of-the-actor", json!({ "act": { "sub": "assistant", "acr": "mfa", "auth_time": START } })),
        ("acr-in-another-case", json!({ "ACR": "mfa", "auth_time": START })),
    ] {
        let text = bench.world.key.sign(&mint::with(&bench.world.claims(), changes))?;
        catalogue.attack(format!("step-up/{id}"), "policy.step_up", read(&mut bench, "a1", &text));
    }
    for max_age in [0, 31_622_401] {
        let loaded =
            configured(|config| config["routes"][0]["step_up"] = json!({ "max_age_seconds": max_age }));
        let found = if loaded.is_err() { NOT_LOADED } else { "loaded" };
        catalogue.attack(format!("step-up/max-age-of-{max_age}"), NOT_LOADED, found);
    }
    let mut policy = configured(|_| {})?;
    let text = policy
        .world
        .key
        .sign(&mint::with(&policy.world.claims(), json!({ "acr": "mfa", "auth_time": START })))?;
    catalogue.control("step-up/as-a-policy-demands", read(&mut policy, "large", &text));
    let text = policy.world.token()?;
    catalogue.attack(
        "step-up/less-than-a-policy-demands",
        "policy.step_up",
        read(&mut policy, "large", &text),
    );
    Ok(())
}

/// Logins whose age the policies ask for themselves.
fn ages(catalogue: &mut Catalogue) -> Result<()> {
    let policies = "permit(principal, action, resource) when { context has age && context.age <= 60 };";
    let schema = SCHEMA.replace("acr?: String", "age?: Long");
    let image = policies::base64(&policies::image(&schema, policies)?);
    let mut bench = configured(|config| {
        config["policy"]["image"] = image.into();
        config["context"] = json!({ "age": { "token": "auth_age" } });
    })?;
    let mut verdict = |time: i64| -> Result<String> {
        let claims = mint::with(&bench.world.claims(), json!({ "auth_time": time }));
        let text = bench.world.key.sign(&claims)?;
        Ok(read(&mut bench, "a1", &text))
    };
    catalogue.control("login/of-now", verdict(START)?);
    catalogue.control("login/of-a-minute-ago", verdict(START - 60)?);
    catalogue.control("login/at-the-skew", verdict(START + 10)?);
    for (id, time) in [
        ("too-old", START - 61),
        ("beyond-the-skew", START + 11),
        ("of-tomorrow", START + 86_400),
        ("of-the-last-second", 253_402_300_799),
    ] {
        catalogue.attack(format!("login/{id}"), "policy.not_permitted", verdict(time)?);
    }
    Ok(())
}
