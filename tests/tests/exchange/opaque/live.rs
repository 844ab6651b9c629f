//! Answers that are asked for each time, and answers that are signed (RFC 9701).

use super::{active, answer, asked, configured, held, said, verdict};
use anyhow::{Context as _, Result};
use countersign_core::exchange::{Event, Flow};
use countersign_core::gateway::CallAnswer;
use countersign_tests::world::{Ask, ISSUER, START, World, remote_keys};
use countersign_tests::{mint, proof};
use serde_json::{Value, json};

/// A world whose first route wants the issuer's word on each token.
fn live() -> Result<World> {
    configured(|config| config["routes"][0]["live"] = json!(true))
}

#[test]
fn a_live_route_believes_no_answer_from_before() -> Result<()> {
    let mut world = live()?;
    let opaque = active(&world);
    for _ in 0..2 {
        assert_eq!(asked(&mut world, "opaque", said(&opaque))?.verdict(), "allow");
    }
    assert_eq!(verdict(&mut world, "opaque", &json!({ "active": false }))?, "token.inactive");
    // In the moment of a refusal nothing else counts.
    world.advance(1);
    assert_eq!(verdict(&mut world, "opaque", &opaque)?, "allow", "nor a refusal");

    let signed = world.token()?;
    assert_eq!(verdict(&mut world, &signed, &json!({ "active": true }))?, "allow");
    assert_eq!(verdict(&mut world, &signed, &json!({ "active": true, "sub": "alice" }))?, "allow");
    assert_eq!(verdict(&mut world, &signed, &json!({ "active": false }))?, "token.inactive");
    assert_eq!(verdict(&mut world, &signed, &json!({ "active": true }))?, "allow");
    let own = world.claims();
    for name in ["sub", "jti", "client_id", "iat", "exp", "aud", "iss"] {
        let body = mint::with(&active_answer(), json!({ name: own[name].clone() }));
        assert_eq!(verdict(&mut world, &signed, &body)?, "allow", "{body}");
    }
    // What can't be an answer about this token is none.
    let none = "system.introspection_unavailable";
    let expected = [
        (json!({ "active": true, "exp": START - 31 }), "token.expired"),
        (json!({ "active": true, "token_type": "refresh_token" }), "token.type"),
        (json!({ "active": true, "token_type": 1 }), "token.type"),
        (json!({ "active": true, "sub": "bob" }), none),
        (json!({ "active": true, "sub": "alice", "jti": "another" }), none),
        (json!({ "active": true, "client_id": "another" }), none),
        (json!({ "active": true, "iat": START - 1 }), none),
        (json!({ "active": true, "aud": "https://other.example" }), none),
        (json!({ "active": true, "iss": "https://other.example" }), none),
        (json!({ "active": "true" }), none),
        (json!([]), none),
    ];
    let found = expected.iter().map(|(body, _)| {
        let mut world = live()?;
        let signed = world.token()?;
        Ok((body.clone(), verdict(&mut world, &signed, body)?))
    });
    let found: Vec<(Value, String)> = found.collect::<Result<_>>()?;
    assert_eq!(found, expected.map(|(body, verdict)| (body, verdict.to_owned())));
    Ok(())
}

#[test]
fn a_live_route_asks_about_what_would_pass_and_no_other_route_does() -> Result<()> {
    let mut world = live()?;
    let expired =
        world.key.sign(&mint::with(&world.claims(), json!({ "iat": START - 400, "exp": START - 100 })))?;
    assert_eq!(world.verdict(&Ask::read().bearer(&expired)), "token.expired");
    assert_eq!(world.verdict(&Ask::read().bearer("eyJh.e30.AA")), "token.malformed");
    assert!(world.fetch().is_none());
    let signed = world.token()?;
    let pay = Ask::new("POST", "/tenants/acme/accounts/a1").bearer(&signed);
    assert_ne!(world.ask(&pay).flow, Flow::Hold);
    // The answer about a signed token is not kept as one about an opaque token.
    assert_eq!(verdict(&mut world, &signed, &active_answer())?, "allow");
    assert_ne!(world.ask(&pay).flow, Flow::Hold);
    assert!(world.ask(&pay).audit.context("an audit line")?["token_introspected"].is_null());
    Ok(())
}

fn active_answer() -> Value {
    json!({ "active": true })
}

#[test]
fn keys_and_then_the_issuers_word_are_waited_for() -> Result<()> {
    let mut world = World::configured(|config| {
        remote_keys(config);
        config["issuers"][0]["introspection"] =
            json!({ "cluster": "issuer", "uri": "https://issuer.bank.example/introspect" });
        config["routes"][0]["live"] = json!(true);
    })?;
    let token = world.token()?;
    let (mut exchange, first) = world.begin(&Ask::read().bearer(&token));
    assert_eq!(first.verdict(), "held");
    let keys = world.fetch().context("expected a fetch of keys")?;
    let key = world.key.clone();
    world.publish(&keys, &[&key]);
    assert_eq!(world.event(&mut exchange, Event::Settled).verdict(), "held", "now for the issuer's word");
    let question = world.fetch().context("expected a question")?;
    world.answer(&question, said(&active_answer()));
    let allowed = world.event(&mut exchange, Event::Settled);
    assert_eq!(allowed.verdict(), "allow");
    let waited = allowed.audit.context("an audit line")?["waited_for"].clone();
    assert_eq!(waited, format!("keys of {ISSUER}, introspection by {ISSUER}"));
    Ok(())
}

/// What is said of a configuration.
fn fault(world: Result<World>) -> String {
    match world {
        Ok(_) => String::from("accepted"),
        Err(error) => format!("{error:#}"),
    }
}

#[test]
fn a_live_route_needs_someone_to_ask() -> Result<()> {
    let nobody = fault(World::configured(|config| config["routes"][0]["live"] = json!(true)));
    assert!(nobody.contains("`routes[0].live`: expected an issuer with `introspection`"), "{nobody}");
    // A token of an issuer that is not asked.
    let mut world = configured(|config| {
        config["routes"][0]["live"] = json!(true);
        let mut other = config["issuers"][0].clone();
        other["issuer"] = json!("https://other.example");
        other["introspection"] = config["issuers"][0]["introspection"].clone();
        config["issuers"][0]["introspection"] = Value::Null;
        if let Some(first) = config["issuers"][0].as_object_mut() {
            first.remove("introspection");
        }
        if let Some(issuers) = config["issuers"].as_array_mut() {
            issuers.push(other);
        }
    })?;
    let token = world.token()?;
    assert_eq!(world.verdict(&Ask::read().bearer(&token)), "token.issuer.not_asked");
    Ok(())
}

/// A world whose issuer signs its answers (RFC 9701).
fn signing() -> Result<World> {
    configured(|config| config["issuers"][0]["introspection"]["signed"] = json!(true))
}

/// A signed answer.
fn signed_answer(key: &mint::SigningKey, header: Value, payload: &Value) -> Result<Option<CallAnswer>> {
    let usual = json!({ "alg": "ES256", "kid": "k1", "typ": "token-introspection+jwt" });
    let text = proof::sign(&mint::with(&usual, header), payload, key)?;
    Ok(Some(answer(200, "application/token-introspection+jwt", &text)))
}

fn payload(world: &World) -> Value {
    json!({
        "iss": ISSUER, "aud": "the gateway", "iat": world.now().as_secs(),
        "token_introspection": active(world),
    })
}

#[test]
fn a_signed_answer_is_by_the_issuer_to_the_gateway_and_new() -> Result<()> {
    let mut world = signing()?;
    let (key, good) = (world.key.clone(), payload(&world));
    let (mut exchange, call) = held(&mut world, "opaque")?;
    assert!(call.headers().contains(&("accept", "application/token-introspection+jwt")));
    world.answer(&call, signed_answer(&key, json!({}), &good)?);
    assert_eq!(world.event(&mut exchange, Event::Settled).verdict(), "allow");

    let inactive = mint::with(&good, json!({ "token_introspection": { "active": false } }));
    assert_eq!(
        asked(&mut world, "other", signed_answer(&key, json!({}), &inactive)?)?.verdict(),
        "token.inactive"
    );

    let stranger = mint::SigningKey::new("k1")?;
    let now = START;
    for (header, changes, by) in [
        (json!({}), json!({}), &stranger),
        (json!({ "typ": "JWT" }), json!({}), &key),
        (json!({ "typ": null }), json!({}), &key),
        (json!({ "kid": "k9" }), json!({}), &key),
        (json!({}), json!({ "iss": "https://other.example" }), &key),
        (json!({}), json!({ "iss": null }), &key),
        (json!({}), json!({ "aud": "another" }), &key),
        (json!({}), json!({ "aud": null }), &key),
        (json!({}), json!({ "iat": now - 13 }), &key),
        (json!({}), json!({ "iat": now + 11 }), &key),
        (json!({}), json!({ "iat": null }), &key),
        (json!({}), json!({ "token_introspection": null }), &key),
        (json!({}), json!({ "token_introspection": null, "active": true }), &key),
    ] {
        let mut world = World::with_key(key.clone(), |config| {
            config["issuers"][0]["introspection"] = json!({
                "cluster": "issuer", "uri": "https://issuer.bank.example/introspect", "client_id": "the gateway",
                "signed": true,
            });
            config["routes"][0]["credentials"] = json!(["opaque_token"]);
        })?;
        let payload = mint::with(&good, changes.clone());
        let answer = signed_answer(by, header.clone(), &payload)?;
        let refused = asked(&mut world, "opaque", answer)?;
        assert_eq!(refused.verdict(), "system.introspection_unavailable", "{header} {changes}");
    }
    // What is not signed is no answer, whatever it calls itself.
    for (media_type, body) in [
        ("application/json", active(&world).to_string()),
        ("application/token-introspection+jwt", active(&world).to_string()),
    ] {
        let mut world = signing()?;
        let refused = asked(&mut world, "opaque", Some(answer(200, media_type, &body)))?;
        assert_eq!(refused.verdict(), "system.introspection_unavailable");
    }
    Ok(())
}

#[test]
fn a_signed_word_ends_with_its_key_for_who_waits_too() -> Result<()> {
    for gone in [false, true] {
        let mut world = World::configured(|config| {
            remote_keys(config);
            config["issuers"][0]["introspection"] = json!({
                "cluster": "issuer", "uri": "https://issuer.bank.example/introspect", "client_id": "the gateway",
                "signed": true,
            });
            config["routes"][0]["live"] = json!(true);
        })?;
        // Another key than the token's.
        let (own, of_word) = (world.key.clone(), mint::SigningKey::new("k2")?);
        let token = world.key.sign(&mint::with(&world.claims(), json!({ "exp": START + 600 })))?;
        let (mut exchange, _) = world.begin(&Ask::read().bearer(&token));
        let keys = world.fetch().context("expected a fetch of keys")?;
        world.publish(&keys, &[&own, &of_word]);
        assert_eq!(world.event(&mut exchange, Event::Settled).verdict(), "held");
        let question = world.fetch().context("expected a question")?;
        let payload = json!({
            "iss": ISSUER, "aud": "the gateway", "iat": world.now().as_secs(),
            "token_introspection": { "active": true },
        });
        world.answer(&question, signed_answer(&of_word, json!({ "kid": "k2" }), &payload)?);
        if gone {
            // The request is not looked at before the keys are new.
            world.advance(96);
            world.tick();
            let keys = world.fetch().context("expected a fetch of keys")?;
            world.publish(&keys, &[&own]);
        }
        let expected = if gone { "system.introspection_unavailable" } else { "allow" };
        assert_eq!(world.event(&mut exchange, Event::Settled).verdict(), expected);
    }
    Ok(())
}

#[test]
fn a_signed_word_serves_no_longer_than_the_issuers_keys() -> Result<()> {
    let mut world = World::configured(|config| {
        remote_keys(config);
        config["issuers"][0]["introspection"] = json!({
            "cluster": "issuer", "uri": "https://issuer.bank.example/introspect", "client_id": "the gateway",
            "signed": true, "active_seconds": 300,
        });
        config["routes"][0]["credentials"] = json!(["opaque_token"]);
    })?;
    let key = world.key.clone();
    let keys = world.fetch().context("expected a fetch of keys")?;
    world.publish(&keys, &[&key]);
    // From then on the source of the keys is down, and after 1,000 seconds they are not relied on.
    world.advance(950);
    let (mut exchange, _) = world.begin(&Ask::read().bearer("opaque"));
    let mut calls: Vec<_> = core::iter::from_fn(|| world.fetch()).collect();
    let question = calls.pop().context("expected a question")?;
    let question = match &*question.to.path {
        "/introspect" => question,
        _ => calls.pop().context("expected a question")?,
    };
    let now = world.now().as_secs();
    let said = mint::with(&active(&world), json!({ "iat": now, "exp": now + 600 }));
    let payload = mint::with(&payload(&world), json!({ "token_introspection": said }));
    world.answer(&question, signed_answer(&key, json!({}), &payload)?);
    assert_eq!(world.event(&mut exchange, Event::Settled).verdict(), "allow");
    world.advance(100);
    assert_eq!(world.verdict(&Ask::read().bearer("opaque")), "allow");
    world.advance(100);
    assert_eq!(world.verdict(&Ask::read().bearer("opaque")), "held", "the issuer has to say it again");
    Ok(())
}

#[test]
fn a_live_route_takes_tokens_and_nothing_else() -> Result<()> {
    let expected = "expected a route that takes tokens and nothing else";
    let keys = json!({ "keys": [{
        "id": "batch", "sha256": "0".repeat(64), "workload": "spiffe://bank.example/batch",
        "not_after": "2026-12-31T00:00:00Z",
        "principal": { "id": "batch", "roles": [], "attributes": { "tenant": "acme" } },
    }] });
    let with_key = |live: bool| {
        fault(configured(|config| {
            config["api_keys"] = keys.clone();
            config["routes"][0]["credentials"] = json!(["token", "api_key"]);
            config["routes"][0]["live"] = json!(live);
        }))
    };
    assert_eq!(with_key(false), "accepted");
    assert!(with_key(true).contains(&format!("`routes[0].live`: {expected}")), "{}", with_key(true));
    let by_workload = |live: bool| {
        fault(configured(|config| {
            for route in config["routes"].as_array_mut().into_iter().flatten() {
                if route["principal"] == "workload" {
                    route["live"] = json!(live);
                }
            }
        }))
    };
    assert_eq!(by_workload(false), "accepted");
    let refused = by_workload(true);
    assert!(refused.contains(".live`: ") && refused.contains(expected), "{refused}");
    Ok(())
}

#[test]
fn signed_answers_need_a_name_and_keys() -> Result<()> {
    let nameless = fault(configured(|config| {
        config["issuers"][0]["introspection"]["signed"] = json!(true);
        config["issuers"][0]["introspection"].as_object_mut().into_iter().for_each(|introspection| {
            introspection.remove("client_id");
        });
    }));
    assert!(nameless.contains("`issuers[0].introspection.client_id`: expected one"), "{nameless}");
    let keyless = |signed: bool| {
        fault(configured(|config| {
            config["issuers"][0]["keys"] = json!("none");
            config["issuers"][0]["introspection"]["signed"] = json!(signed);
        }))
    };
    assert_eq!(keyless(false), "accepted");
    let refused = keyless(true);
    assert!(
        refused.contains("`issuers[0].introspection.signed`: expected an issuer that has `keys`"),
        "{refused}"
    );
    Ok(())
}
