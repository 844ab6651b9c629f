//! Who acts for whom, how the user logged in, and what kinds of tokens must hold.

use anyhow::{Result, anyhow};
use countersign_core::metrics::Counter;
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::policies;
use countersign_tests::world::{Answer, Ask, ISSUER, START, World};
use serde_json::{Value, json};

const SCHEMA: &str = r#"
entity Role;
entity User in [Role] { tenant: String };
entity Agent { vendor?: String };
entity Workload;
entity Account;
action Read appliesTo {
  principal: [User, Agent, Workload], resource: Account,
  context: {
    subject: User, actor?: Agent, actors: Set<String>, depth: Long, binding: String, issuer: String,
    client?: String, acr?: String, age?: Long, scopes?: Set<String>
  }
};
"#;

const POLICIES: &str = r#"
@id("users-read") permit(principal is User, action, resource);
@id("agents-read-for-clerks")
permit(principal is Agent, action, resource)
when { context.subject in Role::"clerk" && context.subject.tenant == "acme" && context.depth <= 2 };
@id("large-accounts") @step_up("acr=mfa max_age=60")
forbid(principal, action, resource == Account::"large")
unless { context has acr && context.acr == "mfa" && context has age && context.age <= 60 };
"#;

/// The world, with policies about those who act for others.
fn configured(change: impl FnOnce(&mut Value)) -> Result<World> {
    with_policies(POLICIES, change)
}

fn with_policies(text: &str, change: impl FnOnce(&mut Value)) -> Result<World> {
    let image = policies::base64(&policies::image(SCHEMA, text)?);
    World::configured(|config| {
        config["policy"]["image"] = image.into();
        config["forward"] = json!({});
        config["issuers"][0]["principal"]["attributes"] = json!({ "tenant": { "claim": "tenant" } });
        config["issuers"][0]["delegation"] =
            json!({ "actor": { "attributes": { "vendor": { "claim": "vendor" } } }, "max_depth": 3 });
        let token = |field: &str| json!({ "token": field });
        config["context"] = json!({
            "subject": token("subject"), "actor": token("actor"), "actors": token("actors"),
            "depth": token("depth"), "binding": token("binding"), "issuer": token("issuer"),
            "client": token("client"), "acr": token("acr"), "age": token("auth_age"),
            "scopes": { "claim": "scope" },
        });
        config["routes"] = json!([{
            "name": "read", "methods": ["GET"], "path": "/accounts/{account}", "action": "Read",
            "resource": { "type": "Account", "id": "{account}" },
        }]);
        change(config);
    })
}

fn read(world: &mut World, account: &str, changes: Value) -> Result<Answer> {
    let token = world.key.sign(&mint::with(&world.claims(), changes))?;
    Ok(world.ask(&Ask::new("GET", &format!("/accounts/{account}")).bearer(&token)))
}

fn verdict(changes: Value) -> Result<String> {
    Ok(read(&mut configured(|_| {})?, "a1", changes)?.verdict().to_owned())
}

#[test]
fn the_outermost_actor_decides_and_the_human_stays_visible() -> Result<()> {
    let mut world = configured(|_| {})?;
    let act = json!({ "sub": "assistant", "vendor": "v", "act": { "sub": "planner" } });
    let answer = read(&mut world, "a1", json!({ "act": act, "client_id": "app" }))?;
    assert_eq!(answer.verdict(), "allow");
    for (header, value) in [
        ("x-countersign-principal-type", "Agent"),
        ("x-countersign-principal", "assistant"),
        ("x-countersign-subject", "alice"),
        ("x-countersign-actors", "assistant,planner"),
    ] {
        assert_eq!(answer.added(header), Some(value), "{header}");
    }
    let audit = answer.audit.unwrap_or_default();
    assert_eq!(audit["principal"], r#"Agent::"assistant""#);
    assert_eq!(audit["subject"], "alice");
    assert_eq!(audit["actors"], json!(["assistant", "planner"]));
    assert_eq!(audit["client"], "app");
    assert_eq!(audit["policies"], json!(["agents-read-for-clerks"]));
    // What the subject may not do through an agent, the agent may not do.
    assert_eq!(verdict(json!({ "act": { "sub": "assistant" }, "roles": [] }))?, "policy.not_permitted");
    assert_eq!(verdict(json!({ "act": { "sub": "assistant" }, "tenant": "x" }))?, "policy.not_permitted");
    // A chain that the policies find too long.
    let long = json!({ "sub": "a", "act": { "sub": "b", "act": { "sub": "c" } } });
    assert_eq!(verdict(json!({ "act": long }))?, "policy.not_permitted");
    Ok(())
}

#[test]
fn an_id_cannot_pretend_to_be_two() -> Result<()> {
    let mut world = configured(|_| {})?;
    let answer = read(&mut world, "a1", json!({ "act": { "sub": "a,b", "act": { "sub": "c%2Cd" } } }))?;
    assert_eq!(answer.added("x-countersign-actors"), Some("a%2Cb,c%252Cd"));
    Ok(())
}

#[test]
fn chains_are_checked_link_by_link() -> Result<()> {
    let nested = |depth: usize| {
        (0..depth).rev().fold(Value::Null, |inner, level| {
            mint::with(&json!({ "sub": format!("agent-{level}") }), json!({ "act": inner }))
        })
    };
    for (name, changes, expected) in [
        ("no actor", json!({}), "allow"),
        ("an actor", json!({ "act": nested(1) }), "allow"),
        ("as deep as may be", json!({ "act": nested(3) }), "policy.not_permitted"),
        ("deeper", json!({ "act": nested(4) }), "delegation.depth"),
        ("far deeper", json!({ "act": nested(12) }), "delegation.depth"),
        ("an actor that is text", json!({ "act": "assistant" }), "delegation.malformed"),
        ("an actor that is a list", json!({ "act": [{ "sub": "a" }] }), "delegation.malformed"),
        ("an actor without a name", json!({ "act": { "vendor": "v" } }), "delegation.malformed"),
        ("an actor with an empty name", json!({ "act": { "sub": "" } }), "delegation.malformed"),
        ("an actor whose name is a number", json!({ "act": { "sub": 7 } }), "delegation.malformed"),
        (
            "an actor whose issuer is a number",
            json!({ "act": { "sub": "a", "iss": 7 } }),
            "delegation.malformed",
        ),
        ("a malformed actor within", json!({ "act": { "sub": "a", "act": 7 } }), "delegation.malformed"),
        ("a nameless actor within", json!({ "act": { "sub": "a", "act": {} } }), "delegation.malformed"),
        ("the subject for itself", json!({ "act": { "sub": "alice" } }), "delegation.loop"),
        (
            "a loop",
            json!({ "act": { "sub": "a", "act": { "sub": "b", "act": { "sub": "a" } } } }),
            "delegation.loop",
        ),
        (
            "back to the subject",
            json!({ "act": { "sub": "a", "act": { "sub": "alice" } } }),
            "delegation.loop",
        ),
        (
            "a loop that names its issuer",
            json!({ "act": { "sub": "alice", "iss": ISSUER } }),
            "delegation.loop",
        ),
        ("an actor of our issuer", json!({ "act": { "sub": "a", "iss": ISSUER } }), "allow"),
        (
            "an actor of another",
            json!({ "act": { "sub": "a", "iss": "https://other" } }),
            "delegation.issuer",
        ),
        (
            "an actor within of another",
            json!({ "act": { "sub": "a", "act": { "sub": "b", "iss": "https://other" } } }),
            "delegation.issuer",
        ),
        (
            "one of another who may",
            json!({ "act": { "sub": "a", "iss": "x" }, "may_act": { "sub": "a", "iss": "x" } }),
            "delegation.issuer",
        ),
        ("one who may", json!({ "act": { "sub": "a" }, "may_act": { "sub": "a" } }), "allow"),
        (
            "one who may not",
            json!({ "act": { "sub": "b" }, "may_act": { "sub": "a" } }),
            "delegation.not_allowed",
        ),
        (
            "one of another issuer",
            json!({ "act": { "sub": "a" }, "may_act": { "sub": "a", "iss": "x" } }),
            "delegation.not_allowed",
        ),
        ("one that nobody named", json!({ "act": { "sub": "a" }, "may_act": {} }), "delegation.not_allowed"),
        (
            "an inner one who may",
            json!({ "act": { "sub": "b", "act": { "sub": "a" } }, "may_act": { "sub": "a" } }),
            "delegation.not_allowed",
        ),
        ("may_act that is text", json!({ "may_act": "a" }), "token.claims"),
        ("may_act alone", json!({ "may_act": { "sub": "a" } }), "allow"),
    ] {
        assert_eq!(verdict(changes)?, expected, "{name}");
    }
    let mut strict = configured(|config| config["issuers"][0]["delegation"] = json!(null))?;
    assert_eq!(
        read(&mut strict, "a1", json!({ "act": { "sub": "a" } }))?.verdict(),
        "delegation.unsupported"
    );
    let mut required = configured(|config| config["issuers"][0]["delegation"]["required"] = json!(true))?;
    assert_eq!(read(&mut required, "a1", json!({}))?.verdict(), "delegation.missing");
    assert_eq!(read(&mut required, "a1", json!({ "act": { "sub": "a" } }))?.verdict(), "allow");
    Ok(())
}

#[test]
fn a_subject_acts_for_itself_under_no_name() -> Result<()> {
    let mut world = configured(|config| {
        config["issuers"][0]["principal"]["id"] = json!("email");
        config["issuers"][0]["delegation"]["actor"]["id"] = json!("email");
    })?;
    let mut verdict = |act: Value| -> Result<String> {
        let claims = json!({ "sub": "u-7", "email": "alice@bank.example", "act": act });
        Ok(read(&mut world, "a1", claims)?.verdict().to_owned())
    };
    assert_eq!(verdict(json!({ "email": "assistant" }))?, "allow");
    for id in ["alice@bank.example", "u-7"] {
        assert_eq!(verdict(json!({ "email": id }))?, "delegation.loop", "{id}");
        let within = json!({ "email": "assistant", "act": { "email": id } });
        assert_eq!(verdict(within)?, "delegation.loop", "{id}");
    }
    Ok(())
}

#[test]
fn a_policy_can_demand_another_login() -> Result<()> {
    let mut world = configured(|_| {})?;
    let good = json!({ "acr": "mfa", "auth_time": START - 60 });
    assert_eq!(read(&mut world, "large", good)?.verdict(), "allow");
    for (name, claims) in [
        ("no claims", json!({})),
        ("weak", json!({ "acr": "pwd", "auth_time": START })),
        ("old", json!({ "acr": "mfa", "auth_time": START - 61 })),
        ("no time", json!({ "acr": "mfa" })),
    ] {
        let answer = read(&mut world, "large", claims)?;
        assert_eq!(answer.verdict(), "policy.step_up", "{name}");
        assert_eq!(answer.reply.as_ref().map(|reply| reply.status), Some(401));
        let challenge = answer.reply_header("www-authenticate").unwrap_or_default();
        assert!(
            challenge.contains("error=\"insufficient_user_authentication\"")
                && challenge.ends_with("acr_values=\"mfa\", max_age=\"60\""),
            "{challenge}"
        );
    }
    // What no policy permits is refused after any login.
    let stranger = json!({ "act": { "sub": "assistant" }, "tenant": "x" });
    assert_eq!(read(&mut world, "large", stranger)?.verdict(), "policy.forbidden");
    assert_eq!(read(&mut world, "large", json!({ "acr": 7 }))?.verdict(), "token.claims");
    assert_eq!(read(&mut world, "large", json!({ "auth_time": "x" }))?.verdict(), "token.claims");
    Ok(())
}

#[test]
fn a_login_of_the_future_has_no_age() -> Result<()> {
    let policies = r#"permit(principal, action, resource == Account::"now") when { context has age && context.age == 0 };
permit(principal, action, resource == Account::"recent") when { context has age && context.age <= 60 };
permit(principal, action, resource == Account::"unknown") unless { context has age };"#;
    let mut world = with_policies(policies, |_| {})?;
    for (time, have) in [
        (START, ["allow", "allow", "policy.not_permitted"]),
        (START - 60, ["policy.not_permitted", "allow", "policy.not_permitted"]),
        (START - 61, ["policy.not_permitted", "policy.not_permitted", "policy.not_permitted"]),
        // Within the issuer's clock skew it is a login of just now.
        (START + 10, ["allow", "allow", "policy.not_permitted"]),
        (START + 11, ["policy.not_permitted", "policy.not_permitted", "allow"]),
        (START + 100_000, ["policy.not_permitted", "policy.not_permitted", "allow"]),
    ] {
        for (account, expected) in ["now", "recent", "unknown"].into_iter().zip(have) {
            let answer = read(&mut world, account, json!({ "auth_time": time }))?;
            assert_eq!(answer.verdict(), expected, "{account} at {}", time - START);
        }
    }
    Ok(())
}

#[test]
fn a_permit_counts_when_its_login_does() -> Result<()> {
    let policies = r#"
@id("with-mfa") @step_up("acr=mfa acr=phr") permit(principal, action, resource);
@id("own") permit(principal, action, resource == Account::"own");
@id("closed") forbid(principal, action, resource == Account::"closed");
@id("odd") @step_up("acr=phr") forbid(principal, action, resource == Account::"odd");
@id("broken") forbid(principal, action, resource == Account::"odd")
when { context.depth > 0 && context.depth - 9223372036854775807 - 9 > 0 };
"#;
    let mut world = with_policies(policies, |_| {})?;
    let mut verdict = |account: &str, acr: &str| -> Result<String> {
        Ok(read(&mut world, account, json!({ "acr": acr }))?.verdict().to_owned())
    };
    assert_eq!(verdict("a1", "pwd")?, "policy.step_up");
    assert_eq!(verdict("a1", "mfa")?, "allow");
    assert_eq!(verdict("a1", "phr")?, "allow");
    // Another policy permits without it.
    assert_eq!(verdict("own", "pwd")?, "allow");
    // What is forbidden for good stays so.
    assert_eq!(verdict("closed", "pwd")?, "policy.forbidden");
    // One that forbids in spite of the login it asks for would only send the client round in circles.
    assert_eq!(verdict("odd", "mfa")?, "policy.step_up");
    assert_eq!(verdict("odd", "phr")?, "policy.forbidden");
    // Nor may one that could not be evaluated be climbed over.
    let act = json!({ "act": { "sub": "assistant" }, "acr": "mfa" });
    assert_eq!(read(&mut world, "a1", act.clone())?.verdict(), "allow");
    assert_eq!(read(&mut world, "odd", act)?.verdict(), "policy.forbidden");
    for bad in ["mfa", "max_age=0"] {
        let policy = format!("@step_up(\"{bad}\") permit(principal, action, resource);");
        assert!(with_policies(&policy, |_| {}).is_err(), "{bad}");
    }
    Ok(())
}

#[test]
fn a_route_can_demand_another_login() -> Result<()> {
    let demand = |config: &mut Value| {
        config["routes"][0]["step_up"] = json!({ "acr": ["mfa"], "max_age_seconds": 100 });
    };
    let mut world = configured(demand)?;
    let good = json!({ "acr": "mfa", "auth_time": START - 100 });
    assert_eq!(read(&mut world, "a1", good)?.verdict(), "allow");
    for claims in [
        json!({}),
        json!({ "acr": "mfa", "auth_time": START - 101 }),
        json!({ "acr": "mfa" }),
        json!({ "acr": "MFA", "auth_time": START }),
        json!({ "acr": "mfa", "auth_time": START + 100_000 }),
        json!({ "acr": "mfa", "auth_time": START + 11 }),
    ] {
        assert_eq!(read(&mut world, "a1", claims.clone())?.verdict(), "policy.step_up", "{claims}");
    }
    // Who would not be let in then either is not sent to log in.
    let denied = json!({ "act": { "sub": "a" }, "roles": [] });
    assert_eq!(read(&mut world, "a1", denied)?.verdict(), "policy.not_permitted");
    for bad in [
        json!({}),
        json!({ "acr": ["a b"] }),
        json!({ "acr": [""] }),
        json!({ "max_age_seconds": 99_999_999 }),
        json!({ "max_age_seconds": 0 }),
    ] {
        assert!(configured(|config| config["routes"][0]["step_up"] = bad.clone()).is_err(), "{bad}");
    }
    Ok(())
}

#[test]
fn access_tokens_are_complete() -> Result<()> {
    let mut world = configured(|config| config["issuers"][0]["profile"] = json!("access_token"))?;
    let good = json!({ "client_id": "app", "scope": "a b" });
    let answer = read(&mut world, "a1", good.clone())?;
    assert_eq!(answer.verdict(), "allow");
    let by_another_name = json!({ "azp": "app", "scope": "a b" });
    assert_eq!(read(&mut world, "a1", by_another_name)?.verdict(), "token.claim.missing");
    for missing in ["client_id", "iat", "jti"] {
        let changes = mint::with(&good, json!({}));
        let mut changes = changes;
        changes[missing] = Value::Null;
        assert_eq!(read(&mut world, "a1", changes)?.verdict(), "token.claim.missing", "{missing}");
    }
    assert_eq!(
        read(&mut world, "a1", mint::with(&good, json!({ "scope": ["a"] })))?.verdict(),
        "token.claims"
    );
    // An ID token, or any other JWT, is none.
    let header = json!({ "alg": "ES256", "kid": "k1", "typ": "JWT" });
    let token = countersign_tests::proof::sign(&header, &mint::with(&world.claims(), good), &world.key)?;
    assert_eq!(world.verdict(&Ask::new("GET", "/accounts/a1").bearer(&token)), "token.type");
    let said = |config: &mut Value| {
        config["issuers"][0]["profile"] = json!("access_token");
        config["issuers"][0]["token_types"] = json!(["JWT"]);
    };
    assert!(configured(said).is_err());
    Ok(())
}

#[test]
fn jwt_svids_are_strict() -> Result<()> {
    let key = SigningKey::new("svid")?;
    let mut jwk = key.jwk();
    jwk.as_object_mut().map(|jwk| jwk.remove("alg"));
    jwk["use"] = json!("jwt-svid");
    let add = |config: &mut Value| {
        let svid = json!({
            "issuer": "spiffe://bank.example", "profile": "jwt_svid", "audiences": ["bank"],
            "keys": { "inline": { "keys": [jwk] } }, "principal": { "type": "Workload" },
        });
        if let Some(issuers) = config["issuers"].as_array_mut() {
            issuers.push(svid);
        }
        config["routes"][0]["context"] = json!({ "subject": { "value": "none" } });
    };
    let mut world = configured(add)?;
    let claims = json!({ "sub": "spiffe://bank.example/job", "aud": ["bank"], "exp": START + 60 });
    let header = json!({ "alg": "ES256", "kid": "svid" });
    let mut verdict = |header: &Value, claims: &Value| -> Result<String> {
        let token = countersign_tests::proof::sign(header, claims, &key)?;
        Ok(world.verdict(&Ask::new("GET", "/accounts/a1").bearer(&token)))
    };
    // The policies let only users and agents in: what matters here is that they are asked.
    assert_eq!(verdict(&header, &claims)?, "policy.not_permitted");
    for (name, changes, expected) in [
        ("typ JWT", json!({ "typ": "JWT" }), "policy.not_permitted"),
        ("typ JOSE", json!({ "typ": "JOSE" }), "policy.not_permitted"),
        ("typ in small letters", json!({ "typ": "jwt" }), "token.type"),
        ("typ of an access token", json!({ "typ": "at+jwt" }), "token.type"),
        ("a member more", json!({ "x5u": "https://evil.example" }), "token.header"),
        ("a content type", json!({ "cty": "JWT" }), "token.header"),
        ("no kid", json!({ "kid": null }), "policy.not_permitted"),
        ("an algorithm that SVIDs do not have", json!({ "alg": "EdDSA" }), "token.algorithm"),
    ] {
        assert_eq!(verdict(&mint::with(&header, changes), &claims)?, expected, "{name}");
    }
    for (name, changes, expected) in [
        ("an issuer that nobody knows", json!({ "iss": "https://spire.example" }), "policy.not_permitted"),
        ("another trust domain", json!({ "sub": "spiffe://other.example/job" }), "token.issuer.unknown"),
        ("another issuer of ours", json!({ "iss": ISSUER }), "token.key.unknown"),
        ("the trust domain itself", json!({ "sub": "spiffe://bank.example" }), "token.spiffe_id"),
        ("no SPIFFE ID", json!({ "sub": "job" }), "token.issuer.missing"),
        ("a SPIFFE ID with a query", json!({ "sub": "spiffe://bank.example/job?x" }), "token.issuer.missing"),
        ("no audience", json!({ "aud": null }), "token.audience"),
        ("another audience", json!({ "aud": ["other"] }), "token.audience"),
        ("no end", json!({ "exp": null }), "token.expiry.missing"),
        (
            "another domain under our name",
            json!({ "iss": "spiffe://bank.example", "sub": "spiffe://other.example/job" }),
            "token.spiffe_id",
        ),
        (
            "a user under our name",
            json!({ "iss": "spiffe://bank.example", "sub": "alice" }),
            "token.spiffe_id",
        ),
    ] {
        assert_eq!(verdict(&header, &mint::with(&claims, changes))?, expected, "{name}");
    }
    // Another issuer's key does not make SVIDs.
    let token = world.key.sign(&claims)?;
    assert_eq!(world.verdict(&Ask::new("GET", "/accounts/a1").bearer(&token)), "token.key.unknown");
    Ok(())
}

#[test]
fn a_refusal_is_remembered_for_a_while() -> Result<()> {
    let mut world = World::new()?;
    let bad = mint::break_signature(&world.token()?, 5)?;
    let ask = Ask::read().bearer(&bad);
    assert_eq!(world.verdict(&ask), "token.signature");
    assert!(!world.counted.contains(&Counter::FailureCacheHit));
    assert_eq!(world.verdict(&ask), "token.signature");
    assert!(world.counted.contains(&Counter::FailureCacheHit));
    // What time may change is not remembered.
    let early = world.key.sign(&mint::with(&world.claims(), json!({ "nbf": START + 20 })))?;
    assert_eq!(world.verdict(&Ask::read().bearer(&early)), "token.not_yet_valid");
    world.advance(15);
    assert_eq!(world.verdict(&Ask::read().bearer(&early)), "allow");
    Ok(())
}

#[test]
fn what_was_refused_by_a_fast_clock_is_looked_at_again() -> Result<()> {
    let mut world = World::new()?;
    let ask = Ask::read().bearer(&world.token()?);
    world.advance(320);
    assert_eq!(world.verdict(&ask), "token.expired");
    world.advance(1);
    assert_eq!(world.verdict(&ask), "token.expired");
    assert!(world.counted.contains(&Counter::FailureCacheHit));
    world.advance(-321);
    assert_eq!(world.verdict(&ask), "allow");
    Ok(())
}

#[test]
fn other_keys_end_what_was_refused_under_the_old_ones() -> Result<()> {
    let mut world = World::with_remote_keys()?;
    let other = SigningKey::new("k1")?;
    let fetch = world.fetch().ok_or_else(|| anyhow!("no fetch"))?;
    world.publish(&fetch, &[&other]);
    let token = world.token()?;
    assert_eq!(world.verdict(&Ask::read().bearer(&token)), "token.signature");
    world.advance(90);
    let fetch = world.fetch().ok_or_else(|| anyhow!("no second fetch"))?;
    let key = world.key.clone();
    world.publish(&fetch, &[&key]);
    assert_eq!(world.verdict(&Ask::read().bearer(&token)), "allow");
    Ok(())
}
