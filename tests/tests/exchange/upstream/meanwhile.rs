//! What may change about a client's token while its request waits for the token for upstream.

use anyhow::{Context as _, Result};
use countersign_core::exchange::Event;
use countersign_core::gateway::{Call, CallAnswer};
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::proof;
use countersign_tests::revocation::{Feed, Publish as _};
use countersign_tests::world::{Ask, ISSUER, World, remote_keys};
use serde_json::{Value, json};

use super::{change, given, narrow};

const FEED: &str = "https://issuer.bank.example/revocations";

/// The token service may take long, and the feed is young.
fn slow(config: &mut Value) {
    change(config);
    config["upstream_tokens"][0]["timeout_milliseconds"] = 30_000.into();
}

fn with_feed(config: &mut Value) {
    slow(config);
    config["issuers"][0]["revocation"] =
        json!({ "cluster": "status", "feed": FEED, "refresh_seconds": 10, "stale_seconds": 5 });
}

/// The next call to this path; others are not answered.
fn call(world: &mut World, path: &str) -> Result<Call> {
    for _ in 0..8 {
        let call = world.fetch().with_context(|| format!("no call to {path}"))?;
        if &*call.to.path == path {
            return Ok(call);
        }
    }
    anyhow::bail!("no call to {path}")
}

fn published(world: &World, feed: &Feed) -> Result<CallAnswer> {
    Ok(CallAnswer::new(200, feed.sign(&world.key, world.now().as_secs())?))
}

#[test]
fn a_token_that_is_revoked_is_not_sent_on() -> Result<()> {
    for revoked in [false, true] {
        let mut world = World::configured(with_feed)?;
        let mut feed = Feed::new(ISSUER, FEED);
        let fetch = call(&mut world, "/revocations")?;
        let document = published(&world, &feed)?;
        world.answer(&fetch, Some(document));
        let (token, narrow) = (world.token()?, narrow(&world, json!({}))?);
        let (mut exchange, held) = world.begin(&Ask::read().bearer(&token));
        assert_eq!(held.verdict(), "held");
        let exchanged = call(&mut world, "/token")?;
        world.advance(10);
        world.tick();
        if revoked {
            feed.revoke("jti", "t-1");
        }
        let fetch = call(&mut world, "/revocations")?;
        let document = published(&world, &feed)?;
        world.answer(&fetch, Some(document));
        world.answer(&exchanged, given(&narrow));
        let expected = if revoked { "revocation.revoked" } else { "allow" };
        assert_eq!(world.event(&mut exchange, Event::Settled).verdict(), expected);
    }
    Ok(())
}

#[test]
fn nor_one_of_which_nobody_knows_any_more() -> Result<()> {
    let mut world = World::configured(with_feed)?;
    let fetch = call(&mut world, "/revocations")?;
    let document = published(&world, &Feed::new(ISSUER, FEED))?;
    world.answer(&fetch, Some(document));
    let (token, narrow) = (world.token()?, narrow(&world, json!({}))?);
    let (mut exchange, _) = world.begin(&Ask::read().bearer(&token));
    let exchanged = call(&mut world, "/token")?;
    world.advance(15);
    world.answer(&exchanged, given(&narrow));
    assert_eq!(world.event(&mut exchange, Event::Settled).verdict(), "system.revocation_unavailable");
    Ok(())
}

#[test]
fn nor_one_whose_key_was_taken_back() -> Result<()> {
    let mut world = World::configured(|config| {
        slow(config);
        remote_keys(config);
    })?;
    let old = world.key.clone();
    let keys = call(&mut world, "/jwks")?;
    world.publish(&keys, &[&old]);
    world.advance(90);
    let (token, narrow) = (world.token()?, narrow(&world, json!({}))?);
    let (mut exchange, held) = world.begin(&Ask::read().bearer(&token));
    assert_eq!(held.verdict(), "held");
    let exchanged = call(&mut world, "/token")?;
    world.advance(6);
    world.tick();
    let keys = call(&mut world, "/jwks")?;
    world.publish(&keys, &[&SigningKey::new("k2")?]);
    world.answer(&exchanged, given(&narrow));
    assert_eq!(world.event(&mut exchange, Event::Settled).verdict(), "token.key.unknown");
    Ok(())
}

#[test]
fn nor_an_opaque_one_that_its_issuer_refuses_meanwhile() -> Result<()> {
    let mut world = World::configured(|config| {
        slow(config);
        config["issuers"][0]["introspection"] = json!({
            "cluster": "issuer", "uri": "https://issuer.bank.example/introspect", "active_seconds": 1,
        });
        for route in [0, 1] {
            config["routes"][route]["credentials"] = json!(["opaque_token"]);
        }
    })?;
    let answer = |body: Value| {
        let headers = vec![(Box::from(*b"content-type"), Box::from(*b"application/json"))];
        Some(CallAnswer { status: 200, headers, body: body.to_string().into() })
    };
    let said = mint::with(&world.claims(), json!({ "active": true, "token_type": "Bearer" }));
    let ask = Ask::read().bearer("opaque");
    let (mut exchange, _) = world.begin(&ask);
    let question = call(&mut world, "/introspect")?;
    world.answer(&question, answer(said));
    assert_eq!(world.event(&mut exchange, Event::Settled).verdict(), "held", "for the token service");
    let exchanged = call(&mut world, "/token")?;
    world.advance(2);
    let (mut other, _) = world.begin(&ask);
    let question = call(&mut world, "/introspect")?;
    world.answer(&question, answer(json!({ "active": false })));
    assert_eq!(world.event(&mut other, Event::Settled).verdict(), "token.inactive");
    let narrow = narrow(&world, json!({}))?;
    world.answer(&exchanged, given(&narrow));
    assert_eq!(world.event(&mut exchange, Event::Settled).verdict(), "token.inactive");
    Ok(())
}

#[test]
fn nor_an_opaque_one_whose_word_was_signed_by_a_key_that_was_taken_back() -> Result<()> {
    for gone in [false, true] {
        let mut world = World::configured(|config| {
            slow(config);
            remote_keys(config);
            config["issuers"][0]["introspection"] = json!({
                "cluster": "issuer", "uri": "https://issuer.bank.example/introspect", "client_id": "the gateway",
                "signed": true,
            });
            for route in [0, 1] {
                config["routes"][route]["credentials"] = json!(["opaque_token"]);
            }
        })?;
        let old = world.key.clone();
        let keys = call(&mut world, "/jwks")?;
        world.publish(&keys, &[&old]);
        world.advance(90);
        let (mut exchange, _) = world.begin(&Ask::read().bearer("opaque"));
        let question = call(&mut world, "/introspect")?;
        let header = json!({ "alg": "ES256", "kid": "k1", "typ": "token-introspection+jwt" });
        let said = mint::with(&world.claims(), json!({ "active": true, "token_type": "Bearer" }));
        let payload = json!({
            "iss": ISSUER, "aud": "the gateway", "iat": world.now().as_secs(), "token_introspection": said,
        });
        let headers = vec![(Box::from(*b"content-type"), Box::from(*b"application/token-introspection+jwt"))];
        let body = proof::sign(&header, &payload, &old)?.into();
        world.answer(&question, Some(CallAnswer { status: 200, headers, body }));
        assert_eq!(world.event(&mut exchange, Event::Settled).verdict(), "held", "for the token service");
        let exchanged = call(&mut world, "/token")?;
        world.advance(6);
        world.tick();
        let keys = call(&mut world, "/jwks")?;
        let new = SigningKey::new("k2")?;
        let all = if gone { vec![&new] } else { vec![&new, &old] };
        world.publish(&keys, &all);
        let narrow = if gone { mint_narrow(&world, &new)? } else { narrow(&world, json!({}))? };
        world.answer(&exchanged, given(&narrow));
        let expected = if gone { "token.key.unknown" } else { "allow" };
        assert_eq!(world.event(&mut exchange, Event::Settled).verdict(), expected);
    }
    Ok(())
}

/// A narrow token that this key signed, which is the issuer's by now.
fn mint_narrow(world: &World, key: &SigningKey) -> Result<String> {
    let now = world.now().as_secs();
    key.sign(&json!({
        "sub": "alice", "aud": "model", "iat": now, "exp": now + 200, "scope": "score",
        "act": { "sub": "spiffe://bank.example/orchestrator" },
    }))
}
