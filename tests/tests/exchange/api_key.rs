//! API keys: where they are accepted, from whom, until when, and what is told of them.

use anyhow::{Context as _, Result};
use countersign_core::crypto::digest::sha256;
use countersign_core::exchange::Event;
use countersign_core::gateway::CallAnswer;
use countersign_core::metrics::Counter;
use countersign_tests::world::{Answer, Ask, START, World};
use serde_json::{Value, json};

/// The key of the caller `legacy-batch`.
const KEY: &str = "csk_gZ2o1hVx0nqJv5mT8cWb3yLrE7uKfA4s-QdNpXiHtRk";
/// Another one, of a caller without roles.
const OTHER: &str = "csk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const BATCH: &str = "spiffe://bank.example/batch";

fn hash(key: &str) -> String {
    sha256(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn entry(id: &str, key: &str) -> Value {
    json!({
        "id": id, "sha256": hash(key), "workload": BATCH, "not_after": "2026-09-21T14:18:20Z",
        "principal": { "id": id, "roles": ["clerk"], "attributes": { "tenant": "acme" } },
    })
}

/// The route `read` takes tokens and keys, the route `pay` tokens alone.
fn world_with(change: impl FnOnce(&mut Value)) -> Result<World> {
    World::configured(|config| {
        let mut other = entry("other", OTHER);
        other["principal"]["roles"] = json!([]);
        config["api_keys"] = json!({ "keys": [other, entry("legacy-batch", KEY)] });
        config["routes"][0]["credentials"] = json!(["token", "api_key"]);
        change(config);
    })
}

fn world() -> Result<World> {
    world_with(|_| {})
}

fn read() -> Ask {
    Ask::read().from_peer(Some(BATCH.as_bytes()))
}

fn with_key(key: impl Into<Vec<u8>>) -> Ask {
    read().header("x-api-key", key)
}

fn removes(answer: &Answer, name: &str) -> bool {
    let removed = answer.edits.as_ref().map(|edits| edits.remove.as_slice()).unwrap_or_default();
    removed.iter().any(|removed| **removed == *name.as_bytes())
}

#[test]
fn a_key_stands_for_its_principal_and_is_flagged_everywhere() -> Result<()> {
    let mut world = world()?;
    let answer = world.ask(&with_key(KEY));
    assert_eq!(answer.verdict(), "allow");
    for (name, value) in [
        ("x-countersign-principal", Some("legacy-batch")),
        ("x-countersign-principal-type", Some("User")),
        ("x-countersign-credential", Some("api-key")),
        ("x-countersign-workload", Some(BATCH)),
        ("x-countersign-attribute-tenant", Some("acme")),
        ("x-countersign-issuer", None),
        ("x-countersign-subject", None),
    ] {
        assert_eq!(answer.added(name), value, "{name}");
    }
    assert!(removes(&answer, "x-api-key"));
    let audit = answer.audit.context("an audit line")?;
    for (field, expected) in [
        ("credential", json!("api_key")),
        ("legacy", json!(true)),
        ("key_id", json!("legacy-batch")),
        ("principal", json!("User::\"legacy-batch\"")),
        ("roles", json!(["clerk"])),
        ("workload", json!(BATCH)),
        ("issuer", Value::Null),
    ] {
        assert_eq!(audit[field], expected, "{field}");
    }
    assert!(world.counted.contains(&Counter::ApiKeyAccepted));
    // The policies decide about it as about everybody.
    assert_eq!(world.verdict(&with_key(OTHER)), "policy.not_permitted");

    // A token has none of these marks.
    let token = world.token()?;
    let answer = world.ask(&read().bearer(&token));
    assert_eq!(answer.verdict(), "allow");
    assert_eq!(answer.added("x-countersign-credential"), None);
    assert_eq!(answer.audit.context("an audit line")?["legacy"], Value::Null);
    Ok(())
}

#[test]
fn a_stolen_key_is_no_use_elsewhere() -> Result<()> {
    let mut world = world()?;
    for peer in [
        "spiffe://bank.example/orchestrator",
        "spiffe://bank.example/batch2",
        "spiffe://bank.example/batch/x",
    ] {
        let answer = world.ask(&with_key(KEY).from_peer(Some(peer.as_bytes())));
        assert_eq!(answer.verdict(), "binding.workload", "{peer}");
        assert_eq!(answer.reply.as_ref().map(|reply| reply.status), Some(403));
        let audit = answer.audit.context("an audit line")?;
        assert_eq!((&audit["layer"], &audit["workload"]), (&json!("binding"), &json!(peer)));
        // Whose key was stolen is what an operator wants to know.
        assert_eq!((&audit["key_id"], &audit["principal"]), (&json!("legacy-batch"), &Value::Null));
    }
    assert!(!world.counted.contains(&Counter::ApiKeyAccepted));
    assert_eq!(world.verdict(&with_key(KEY).from_peer(None)), "transport.workload.missing");
    // Not even where nobody asks for a workload.
    let mut world = world_with(|config| config["routes"][0]["workload"] = "optional".into())?;
    assert_eq!(world.verdict(&with_key(KEY).from_peer(None)), "binding.workload");
    assert_eq!(world.verdict(&with_key(KEY)), "allow");
    Ok(())
}

#[test]
fn a_key_ends_at_its_time() -> Result<()> {
    let mut world = world()?;
    world.advance(299);
    assert_eq!(world.verdict(&with_key(KEY)), "allow");
    world.advance(1);
    assert_eq!(world.now().as_secs(), START + 300);
    let answer = world.ask(&with_key(KEY));
    assert_eq!(answer.verdict(), "token.api_key.expired");
    assert_eq!(answer.reply_header("www-authenticate"), Some("Bearer realm=\"countersign\""));
    assert_eq!(answer.audit.context("an audit line")?["key_id"], "legacy-batch");
    Ok(())
}

#[test]
fn keys_that_are_none_are_refused() -> Result<()> {
    let mut world = world()?;
    let near = KEY.replace('k', "K");
    for (key, expected) in [
        (near.as_str(), "token.api_key.unknown"),
        (&KEY[1..], "token.api_key.unknown"),
        (&format!("{KEY}0"), "token.api_key.unknown"),
        (&hash(KEY), "token.api_key.unknown"),
        (&KEY[..31], "token.api_key.malformed"),
        (&KEY.repeat(6), "token.api_key.malformed"),
        (&format!(" {KEY}"), "token.api_key.malformed"),
        (&format!("{KEY} "), "token.api_key.malformed"),
        (&format!("{KEY},{KEY}"), "token.api_key.malformed"),
        (&format!("Bearer {KEY}"), "token.api_key.malformed"),
        ("", "token.api_key.malformed"),
    ] {
        let answer = world.ask(&with_key(key));
        assert_eq!(answer.verdict(), expected, "{key}");
        assert_eq!(answer.reply.as_ref().map(|reply| reply.status), Some(401));
        assert_eq!(answer.reply_header("www-authenticate"), Some("Bearer realm=\"countersign\""));
    }
    assert_eq!(world.verdict(&with_key([KEY.as_bytes(), b"\xff"].concat())), "token.api_key.malformed");
    assert_eq!(world.verdict(&with_key([KEY.as_bytes(), b"\0"].concat())), "token.api_key.malformed");
    // A key is no token, and a token no key.
    assert_eq!(world.verdict(&read().bearer(KEY)), "token.malformed");
    let token = world.token()?;
    assert_eq!(world.verdict(&with_key(token)), "token.api_key.malformed");
    Ok(())
}

#[test]
fn a_request_brings_one_credential() -> Result<()> {
    let mut world = world()?;
    let token = world.token()?;
    assert_eq!(world.verdict(&read()), "token.missing");
    // On every route that asks for one, whichever it accepts, and whatever the two are worth.
    for ask in [
        with_key(KEY).bearer(&token),
        with_key("x").bearer(&token),
        with_key(KEY).bearer("x"),
        with_key(KEY).header("authorization", "Basic YTpi"),
        Ask::new("POST", "/tenants/acme/accounts/a1").header("x-api-key", KEY).bearer(&token),
    ] {
        let answer = world.ask(&ask);
        assert_eq!(answer.verdict(), "token.several", "{ask:?}");
        assert_eq!(answer.reply.as_ref().map(|reply| reply.status), Some(400));
    }
    for name in ["x-api-key", "X-Api-Key", "x_api_key"] {
        let twice = with_key(KEY).header(name, KEY);
        assert_eq!(world.verdict(&twice), "request.header.duplicate", "{name}");
    }
    assert_eq!(world.verdict(&read().header("x_api_key", KEY)), "request.header.duplicate");
    Ok(())
}

#[test]
fn a_route_takes_the_credentials_that_it_lists() -> Result<()> {
    let mut world = world_with(|config| {
        // No token comes this way, so that there is no claim for the amount.
        config["routes"][1]["context"]["amount"] = json!({ "value": 5 });
        config["routes"][1]["credentials"] = json!(["api_key"]);
        config["routes"][0]["credentials"] = json!(["token"]);
    })?;
    let token = world.token()?;
    let pay = || Ask::new("POST", "/tenants/acme/accounts/a1").from_peer(Some(BATCH.as_bytes()));
    assert_eq!(world.verdict(&pay().header("x-api-key", KEY)), "allow");
    assert_eq!(world.verdict(&pay().bearer(&token)), "token.not_accepted");
    assert_eq!(world.verdict(&pay()), "token.missing");
    assert_eq!(world.verdict(&read().bearer(&token)), "allow");
    let answer = world.ask(&with_key(KEY));
    assert_eq!(answer.verdict(), "token.api_key.not_accepted");
    // Whether it would be a good one is not told.
    assert_eq!(answer.audit.context("an audit line")?["key_id"], Value::Null);
    assert_eq!(world.verdict(&with_key("x")), "token.api_key.not_accepted");
    Ok(())
}

#[test]
fn without_a_token_there_are_no_claims() -> Result<()> {
    let mut world = world_with(|config| {
        config["routes"][1]["credentials"] = json!(["token", "api_key"]);
    })?;
    // The limit is a claim's, and without it nobody may pay.
    let pay = Ask::new("POST", "/tenants/acme/accounts/a1").from_peer(Some(BATCH.as_bytes()));
    assert_eq!(world.verdict(&pay.clone().header("x-api-key", KEY)), "policy.not_permitted");

    // An attribute that the schema requires has no value.
    let mut world = world_with(|config| {
        config["routes"][0]["resource"]["attributes"]["tenant"] = json!({ "claim": "tenant" });
    })?;
    assert_eq!(world.verdict(&with_key(KEY)), "policy.attribute");
    Ok(())
}

#[test]
fn a_key_never_goes_upstream_and_is_never_told() -> Result<()> {
    let mut world = world()?;
    let sync = || Ask::new("PUT", "/accounts/a1/sync");
    for name in ["x-api-key", "X-API-Key", "x_api_key"] {
        // These routes ask for no such credential, and hand it on all the less.
        for ask in [sync().header(name, KEY), Ask::new("GET", "/healthz").header(name, KEY)] {
            let answer = world.ask(&ask);
            assert_eq!(answer.verdict(), "allow", "{name}");
            assert!(removes(&answer, name), "{name} goes on");
        }
    }
    for ask in [
        with_key(KEY),
        with_key(KEY).from_peer(None),
        with_key(KEY).from_peer(Some(b"spiffe://bank.example/other")),
        with_key(format!("{KEY}0")),
        with_key(format!("{KEY} 0")),
        with_key(KEY).bearer("x"),
        with_key(KEY).header("x-api-key", KEY),
        Ask::new("GET", "/nowhere").header("x-api-key", KEY),
    ] {
        let answer = world.ask(&ask);
        let reply = answer.reply.as_ref().map(|reply| (reply.headers.clone(), reply.body.clone()));
        let (headers, body) = reply.unwrap_or_default();
        let added = answer.edits.map(|edits| edits.add);
        let told = format!("{:?}{headers:?}{}{added:?}", answer.audit, String::from_utf8_lossy(&body));
        assert!(!told.contains(&KEY[4..20]) && !told.contains(&hash(KEY)[..16]), "{told}");
    }
    assert!(world.warnings.is_empty());

    // Without keys in the configuration the header is the services' own business.
    let mut world = World::new()?;
    let token = world.token()?;
    let answer = world.ask(&Ask::read().bearer(&token).header("x-api-key", KEY));
    assert_eq!(answer.verdict(), "allow");
    assert!(!removes(&answer, "x-api-key"));
    assert_eq!(world.verdict(&Ask::read().header("x-api-key", KEY)), "token.missing");
    Ok(())
}

#[test]
fn the_header_has_the_configured_name() -> Result<()> {
    let mut world = world_with(|config| config["api_keys"]["header"] = "x-bank-key".into())?;
    assert_eq!(world.verdict(&read().header("X-Bank-Key", KEY)), "allow");
    assert_eq!(world.verdict(&with_key(KEY)), "token.missing");
    Ok(())
}

#[test]
fn a_client_cannot_pass_for_a_legacy_caller_or_a_modern_one() -> Result<()> {
    let mut world = world()?;
    let token = world.token()?;
    for ask in [with_key(KEY), read().bearer(&token)] {
        for name in ["x-countersign-credential", "X-Countersign-Credential", "x_countersign_credential"] {
            let answer = world.ask(&ask.clone().header(name, "token"));
            assert_eq!(answer.verdict(), "allow");
            assert!(removes(&answer, name), "{name} goes on");
        }
    }
    Ok(())
}

#[test]
fn a_key_whose_end_comes_while_its_request_waits_is_refused() -> Result<()> {
    for over in [false, true] {
        let mut world = world_with(|config| {
            config["upstream_tokens"] = json!([{
                "name": "own", "grant": "client_credentials", "cluster": "issuer", "token": "opaque",
                "uri": "https://issuer.bank.example/token", "audiences": ["model"], "timeout_milliseconds": 30_000,
            }]);
            config["routes"][0]["upstream_token"] = "own".into();
            for key in config["api_keys"]["keys"].as_array_mut().into_iter().flatten() {
                key["not_after"] = "2026-09-21T14:13:30Z".into();
            }
        })?;
        let (mut exchange, held) = world.begin(&with_key(KEY));
        assert_eq!(held.verdict(), "held");
        let call = world.fetch().context("a call to the token service")?;
        world.advance(if over { 10 } else { 9 });
        let headers = vec![(Box::from(*b"content-type"), Box::from(*b"application/json"))];
        let body = json!({ "access_token": "own", "token_type": "Bearer", "expires_in": 100 });
        world.answer(&call, Some(CallAnswer { status: 200, headers, body: body.to_string().into() }));
        let expected = if over { "token.api_key.expired" } else { "allow" };
        assert_eq!(world.event(&mut exchange, Event::Settled).verdict(), expected);
    }
    Ok(())
}
