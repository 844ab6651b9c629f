//! Requests: routes, headers, workloads, identity upstream, refusals and audit lines.

use anyhow::Result;
use countersign_core::exchange::{Event, Flow};
use countersign_tests::mint;
use countersign_tests::world::{Ask, WORKLOAD, World};
use serde_json::{Value, json};

fn good(world: &World) -> Result<Ask> {
    Ok(Ask::read().bearer(&world.token()?))
}

#[test]
fn what_no_route_names_is_denied() -> Result<()> {
    let mut world = World::new()?;
    let token = world.token()?;
    for (method, path, expected) in [
        ("GET", "/", "request.route.unmatched"),
        ("GET", "/tenants/acme/accounts", "request.route.unmatched"),
        ("GET", "/tenants/acme/accounts/a1/more", "request.route.unmatched"),
        ("GET", "/TENANTS/acme/accounts/a1", "request.route.unmatched"),
        ("DELETE", "/tenants/acme/accounts/a1", "request.method.unmatched"),
        ("get", "/tenants/acme/accounts/a1", "request.method.unmatched"),
        ("GET", "/tenants/acme//accounts/a1", "request.path.invalid"),
        ("GET", "//tenants/acme/accounts/a1", "request.path.invalid"),
        ("GET", "/tenants/acme/accounts/a1/", "request.path.invalid"),
        ("GET", "/tenants/acme/../acme/accounts/a1", "request.path.invalid"),
        ("GET", "/tenants/acme/%2e%2e/accounts/a1", "request.path.invalid"),
        ("GET", "/tenants/acme/accounts/a1;x=y", "request.path.invalid"),
        ("GET", "/tenants/acme%2Faccounts/a1", "request.path.invalid"),
        ("GET", "/tenants/acme/accounts/%611", "request.path.invalid"),
        ("GET", "/tenants/acme/accounts/a1#f", "request.path.invalid"),
        ("GET", "http://bank.example/tenants/acme/accounts/a1", "request.path.invalid"),
    ] {
        assert_eq!(world.verdict(&Ask::new(method, path).bearer(&token)), expected, "{method} {path}");
    }
    Ok(())
}

#[test]
fn repeated_and_missing_parts_of_the_request_line_are_refused() -> Result<()> {
    let mut world = World::new()?;
    for name in [":method", ":path", ":authority", "authorization"] {
        let ask = good(&world)?;
        let again = ask.headers.iter().find(|(have, _)| have == name.as_bytes()).cloned();
        let (_, value) = again.unwrap_or_default();
        assert_eq!(
            world.verdict(&ask.clone().header(name, value.clone())),
            "request.header.duplicate",
            "{name}"
        );
        assert_eq!(
            world.verdict(&ask.header(name.to_uppercase(), value)),
            "request.header.duplicate",
            "{name}"
        );
    }
    assert_eq!(world.verdict(&good(&world)?.header("host", "other.example")), "request.header.duplicate");
    assert_eq!(world.verdict(&good(&world)?.header("host", "BANK.example")), "allow");
    for name in [":method", ":path", ":authority"] {
        let mut ask = good(&world)?;
        ask.headers.retain(|(have, _)| have != name.as_bytes());
        assert_eq!(world.verdict(&ask), "request.header.invalid", "{name}");
    }
    assert_eq!(
        world.verdict(&Ask { headers: Vec::new(), peer: None, digest: None }),
        "request.header.invalid"
    );
    Ok(())
}

#[test]
fn the_peer_must_be_a_workload_of_a_trusted_domain() -> Result<()> {
    let mut world = World::new()?;
    let cases: [(Option<&[u8]>, &str); 9] = [
        (Some(b"spiffe://bank.example/anything"), "allow"),
        (None, "transport.workload.missing"),
        (Some(b""), "transport.workload.invalid"),
        (Some(b"https://bank.example/orchestrator"), "transport.workload.invalid"),
        (Some(b"spiffe://bank.example"), "transport.workload.invalid"),
        (Some(b"spiffe://bank.example/a/../b"), "transport.workload.invalid"),
        (Some(b"spiffe://bank.example/a\0.evil.example"), "transport.workload.invalid"),
        (Some(b"spiffe://evil.example/orchestrator"), "transport.workload.untrusted"),
        (Some(b"spiffe://bank.example.evil.example/orchestrator"), "transport.workload.untrusted"),
    ];
    for (peer, expected) in cases {
        let ask = good(&world)?.from_peer(peer);
        assert_eq!(world.verdict(&ask), expected, "{:?}", peer.map(String::from_utf8_lossy));
    }
    Ok(())
}

#[test]
fn an_optional_workload_may_be_absent_but_not_bad() -> Result<()> {
    let mut world = World::configured(|config| config["routes"][0]["workload"] = "optional".into())?;
    let ask = good(&world)?;
    assert_eq!(world.verdict(&ask.clone().from_peer(None)), "allow");
    assert_eq!(
        world.verdict(&ask.clone().from_peer(Some(b"spiffe://evil.example/x"))),
        "transport.workload.untrusted"
    );
    assert_eq!(world.verdict(&ask.from_peer(Some(b"nonsense"))), "transport.workload.invalid");
    Ok(())
}

#[test]
fn a_workload_can_be_the_principal() -> Result<()> {
    let mut world = World::new()?;
    let ask = Ask::new("PUT", "/accounts/a1/sync");
    let answer = world.ask(&ask);
    assert_eq!(answer.verdict(), "allow");
    assert_eq!(answer.added("x-countersign-principal"), Some(WORKLOAD));
    assert_eq!(answer.added("x-countersign-subject"), None);
    assert_eq!(
        world.verdict(&ask.clone().from_peer(Some(b"spiffe://bank.example/edge"))),
        "policy.not_permitted"
    );
    assert_eq!(world.verdict(&ask.from_peer(None)), "transport.workload.missing");
    Ok(())
}

#[test]
fn identity_goes_upstream_and_what_clients_claim_does_not() -> Result<()> {
    let mut world = World::new()?;
    let ask = good(&world)?
        .header("x-countersign-principal", "root")
        .header("X-Countersign-Subject", "root")
        .header("x_countersign_subject", "root")
        .header("x-countersign-unheard-of", "root")
        .header("x-other", "kept");
    let answer = world.ask(&ask);
    assert_eq!(answer.verdict(), "allow");
    let removed: Vec<String> = answer
        .edits
        .iter()
        .flat_map(|edits| &edits.remove)
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect();
    for name in [
        "x-countersign-principal",
        "X-Countersign-Subject",
        "x_countersign_subject",
        "x-countersign-unheard-of",
        "authorization",
    ] {
        assert!(removed.iter().any(|removed| removed == name), "{name} is not removed: {removed:?}");
    }
    assert_eq!(removed.len(), 5);
    assert_eq!(answer.added("x-countersign-principal"), Some("alice"));
    assert_eq!(answer.added("x-countersign-principal-type"), Some("User"));
    assert_eq!(answer.added("x-countersign-subject"), Some("alice"));
    assert_eq!(answer.added("x-countersign-issuer"), Some("https://issuer.bank.example"));
    assert_eq!(answer.added("x-countersign-workload"), Some(WORKLOAD));
    assert_eq!(answer.added("x-countersign-attribute-tenant"), Some("acme"));
    Ok(())
}

#[test]
fn identity_on_a_public_route_is_stripped_and_not_replaced() -> Result<()> {
    let mut world = World::new()?;
    let ask = Ask::new("GET", "/healthz").from_peer(None).header("x-countersign-principal", "root");
    let answer = world.ask(&ask);
    assert_eq!(answer.verdict(), "allow");
    assert_eq!(answer.edits.as_ref().map(|edits| edits.remove.len()), Some(1));
    assert_eq!(answer.added("x-countersign-principal"), None);
    Ok(())
}

#[test]
fn subjects_cannot_break_out_of_their_header_or_line() -> Result<()> {
    let mut world = World::new()?;
    let subject = "a\r\nx-admin: 1\u{2028}\"%";
    let token = world.key.sign(&mint::with(&world.claims(), json!({ "sub": subject })))?;
    let answer = world.ask(&Ask::read().bearer(&token));
    assert_eq!(answer.added("x-countersign-subject"), Some("a%0D%0Ax-admin:%201%E2%80%A8\"%25"));
    assert_eq!(answer.audit.map(|audit| audit["subject"].clone()), Some(Value::from(subject)));
    Ok(())
}

#[test]
fn mapped_headers_and_parameters_are_typed_and_single() -> Result<()> {
    let mut world = World::new()?;
    let ask = good(&world)?;
    assert_eq!(world.verdict(&ask.clone().header("x-purpose", "service")), "allow");
    assert_eq!(world.verdict(&ask.clone().header("x-purpose", "marketing")), "policy.forbidden");
    assert_eq!(world.verdict(&ask.clone().header("x-purpose", vec![0xff, 0xfe])), "request.header.invalid");
    let twice = ask.header("x-purpose", "service").header("x-purpose", "marketing");
    assert_eq!(world.verdict(&twice), "request.header.duplicate");
    let token = world.key.sign(&mint::with(&world.claims(), json!({ "payment": { "amount": 1000 } })))?;
    for (query, expected) in [
        ("", "allow"),
        ("?purpose=service", "allow"),
        ("?purpose=marketing", "policy.forbidden"),
        ("?purpose=m%61rketing", "policy.forbidden"),
        ("?purpose=service&purpose=marketing", "request.query.invalid"),
        ("?purpose=service&purp%6Fse=marketing", "request.query.invalid"),
    ] {
        let ask = Ask::new("POST", &format!("/tenants/acme/accounts/a1{query}")).bearer(&token);
        assert_eq!(world.verdict(&ask), expected, "{query}");
    }
    Ok(())
}

#[test]
fn policies_decide_over_claims_and_a_forbid_that_errors_denies() -> Result<()> {
    let mut world = World::new()?;
    let mut pay = |changes: Value| -> Result<String> {
        let token = world.key.sign(&mint::with(&world.claims(), changes))?;
        Ok(world.verdict(&Ask::new("POST", "/tenants/acme/accounts/a1").bearer(&token)))
    };
    assert_eq!(pay(json!({ "payment": { "amount": 1000 } }))?, "allow");
    assert_eq!(pay(json!({ "payment": { "amount": 1001 } }))?, "policy.not_permitted");
    assert_eq!(pay(json!({ "payment": { "amount": "1000" } }))?, "token.claims");
    assert_eq!(pay(json!({}))?, "policy.not_permitted");
    assert_eq!(pay(json!({ "roles": ["guest"], "payment": { "amount": 1 } }))?, "policy.not_permitted");
    assert_eq!(pay(json!({ "level": 5, "payment": { "amount": 1 } }))?, "allow");
    assert_eq!(pay(json!({ "level": 8000, "payment": { "amount": 1 } }))?, "policy.forbid_error");
    Ok(())
}

#[test]
fn refusals_speak_to_clients_and_operators() -> Result<()> {
    let mut world =
        World::configured(|config| config["refusal"] = json!({ "reveal_policies": true, "realm": "bank" }))?;
    let missing = world.ask(&Ask::read());
    assert_eq!(missing.reply.as_ref().map(|reply| reply.status), Some(401));
    assert_eq!(missing.reply_header("www-authenticate"), Some("Bearer realm=\"bank\""));
    assert_eq!(missing.reply_header("content-type"), Some("application/problem+json"));

    let forbidden = world.ask(&good(&world)?.header("x-purpose", "marketing"));
    let reply = forbidden.reply.as_ref().map(|reply| (reply.status, reply.body.clone()));
    let (status, body) = reply.unwrap_or_default();
    let problem: Value = serde_json::from_slice(&body)?;
    assert_eq!(status, 403);
    assert_eq!(problem["type"], "urn:countersign:reason:policy.forbidden");
    assert_eq!(problem["layer"], "policy");
    assert_eq!(problem["policies"], json!(["no-marketing"]));
    let audit = forbidden.audit.unwrap_or_default();
    assert_eq!(problem["decision_id"], audit["decision_id"]);
    assert_eq!(audit["policies"], json!(["no-marketing"]));
    let challenge = forbidden.reply.as_ref().and_then(|reply| {
        reply
            .headers
            .iter()
            .find(|(name, _)| *name == "www-authenticate")
            .map(|(_, value)| value.contains("insufficient_scope"))
    });
    assert_eq!(challenge, Some(true));
    Ok(())
}

#[test]
fn policies_are_not_revealed_unless_configured() -> Result<()> {
    let mut world = World::new()?;
    let forbidden = world.ask(&good(&world)?.header("x-purpose", "marketing"));
    let body = forbidden.reply.map(|reply| reply.body).unwrap_or_default();
    assert!(!String::from_utf8(body)?.contains("no-marketing"));
    Ok(())
}

#[test]
fn the_audit_line_says_who_what_and_under_which_policies_and_no_credential() -> Result<()> {
    let mut world = World::new()?;
    let token = world.token()?;
    let ask = Ask::new("GET", "/tenants/acme/accounts/a1?api_key=hunter2").bearer(&token);
    let audit = world.ask(&ask).audit.unwrap_or_default();
    for (field, expected) in [
        ("countersign", json!("audit")),
        ("decision", json!("allow")),
        ("time", json!("2026-09-21T14:13:20.000Z")),
        ("method", json!("GET")),
        ("path", json!("/tenants/acme/accounts/a1")),
        ("route", json!("read")),
        ("workload", json!(WORKLOAD)),
        ("principal", json!("User::\"alice\"")),
        ("roles", json!(["clerk"])),
        ("action", json!("Action::\"Read\"")),
        ("resource", json!("Account::\"acme/a1\"")),
        ("issuer", json!("https://issuer.bank.example")),
        ("subject", json!("alice")),
        ("token_id", json!("t-1")),
        ("token_cached", json!(false)),
        ("policies", json!(["read-own-tenant"])),
    ] {
        assert_eq!(audit[field], expected, "{field}");
    }
    let text = audit.to_string();
    assert!(audit["image"].as_str().is_some_and(|image| image.starts_with("sha256:")));
    for part in token.split('.').chain(["hunter2"]) {
        assert!(!text.contains(part), "the line holds a credential");
    }
    Ok(())
}

#[test]
fn a_request_whose_edits_failed_does_not_go_on() -> Result<()> {
    let mut world = World::new()?;
    let (mut exchange, first) = world.begin(&good(&world)?);
    assert_eq!(first.flow, Flow::Release);
    let answer = world.event(&mut exchange, Event::EffectFailed);
    assert_eq!(answer.verdict(), "system.internal");
    assert_eq!(answer.reply.map(|reply| reply.status), Some(500));
    Ok(())
}
