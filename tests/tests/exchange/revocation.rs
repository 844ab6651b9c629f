//! Tokens that their issuer has taken back, by what it published: status lists and the revocation feed.

mod keys;
mod times;

use anyhow::{Context as _, Result};
use countersign_core::exchange::Event;
use countersign_core::gateway::{Call, CallAnswer};
use countersign_core::metrics::Counter;
use countersign_core::time::Span;
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::revocation::{Feed, Publish as _, StatusList, status};
use countersign_tests::workers::Workers;
use countersign_tests::world::{Ask, ISSUER, World, remote_keys};
use serde_json::{Value, json};

const LIST: &str = "https://issuer.bank.example/statuses/1";
const FEED: &str = "https://issuer.bank.example/revocations";

fn lists(config: &mut Value) {
    config["issuers"][0]["revocation"] = json!({
        "cluster": "status", "status_lists": [LIST], "refresh_seconds": 60, "stale_seconds": 100, "cooldown_seconds": 5,
    });
}

fn feed(config: &mut Value) {
    config["issuers"][0]["revocation"] = json!({
        "cluster": "status", "feed": FEED, "refresh_seconds": 60, "stale_seconds": 100, "cooldown_seconds": 5,
    });
}

/// A token with more claims than the good one has.
fn token(world: &World, claims: Value) -> Result<Ask> {
    Ok(Ask::read().bearer(&world.key.sign(&mint::with(&world.claims(), claims))?))
}

fn at(world: &World, index: u64) -> Result<Ask> {
    token(world, json!({ "status": status(LIST, index) }))
}

/// Answers the fetch that is due.
fn serve(world: &mut World, document: &str) -> Result<Vec<u32>> {
    let fetch = world.fetch().context("a fetch")?;
    Ok(world.answer(&fetch, Some(CallAnswer::new(200, document))))
}

/// The document, issued now.
fn signed_list(world: &World, list: &StatusList) -> Result<String> {
    list.sign(&world.key, world.now().as_secs())
}

fn signed_feed(world: &World, feed: &Feed) -> Result<String> {
    feed.sign(&world.key, world.now().as_secs())
}

/// Has the document fetched that is due by then.
fn renew(world: &mut World, document: &str) -> Result<Vec<u32>> {
    world.tick();
    serve(world, document)
}

#[test]
fn the_first_requests_wait_for_the_list_which_judges_each_token_by_its_status() -> Result<()> {
    let mut world = World::configured(lists)?;
    let mut list = StatusList::new(LIST, 2, 64);
    list.set(1, 1)?;
    list.set(2, 2)?;
    list.set(3, 3)?;
    let good = at(&world, 0)?;
    let (mut waiting, held) = world.begin(&good);
    assert_eq!(held.verdict(), "held");
    let fetch = world.fetch().context("a fetch")?;
    assert_eq!((&*fetch.to.cluster, &*fetch.to.path), ("status", "/statuses/1"));
    assert_eq!(fetch.accept, "application/statuslist+jwt");
    assert!(world.fetch().is_none(), "one fetch serves all");
    let document = signed_list(&world, &list)?;
    assert_eq!(world.answer(&fetch, Some(CallAnswer::new(200, document))), [1]);
    let answer = world.event(&mut waiting, Event::Settled);
    assert_eq!(answer.verdict(), "allow");
    assert_eq!(
        answer.audit.context("an audit line")?["waited_for"],
        "status list https://issuer.bank.example/statuses/1"
    );
    for (index, expected) in [
        (0, "allow"),
        (1, "revocation.status_invalid"),
        (2, "revocation.status_suspended"),
        (3, "revocation.status_unknown"),
        (63, "allow"),
        (64, "revocation.status_unknown"),
        (4_294_967_295, "revocation.status_unknown"),
    ] {
        let ask = at(&world, index)?;
        for time in ["first", "second"] {
            assert_eq!(world.verdict(&ask), expected, "{index}, {time}");
        }
    }
    let refused = world.ask(&at(&world, 1)?);
    assert_eq!(refused.reply.as_ref().map(|reply| reply.status), Some(401));
    assert!(refused.reply_header("www-authenticate").unwrap_or_default().contains("invalid_token"));
    Ok(())
}

#[test]
fn what_a_token_says_of_its_status_is_read_strictly_and_fetches_nothing() -> Result<()> {
    let mut world = World::configured(lists)?;
    let document = signed_list(&world, &StatusList::new(LIST, 1, 8))?;
    serve(&mut world, &document)?;
    for (claims, expected) in [
        (json!({}), "allow"),
        (json!({ "status": {} }), "allow"),
        (json!({ "status": "valid" }), "revocation.status_malformed"),
        (json!({ "status": { "status_list": { "uri": LIST } } }), "revocation.status_malformed"),
        (json!({ "status": { "status_list": { "uri": LIST, "idx": -1 } } }), "revocation.status_malformed"),
        (json!({ "status": status("https://issuer.bank.example/statuses/2", 0) }), "revocation.list_unknown"),
        (json!({ "status": status("https://attacker.example/", 0) }), "revocation.list_unknown"),
    ] {
        let ask = token(&world, claims.clone())?;
        assert_eq!(world.verdict(&ask), expected, "{claims}");
        assert!(world.fetch().is_none(), "{claims}");
    }
    Ok(())
}

#[test]
fn a_status_can_be_demanded() -> Result<()> {
    let mut world = World::configured(|config| {
        lists(config);
        config["issuers"][0]["revocation"]["status_required"] = true.into();
    })?;
    let document = signed_list(&world, &StatusList::new(LIST, 1, 8))?;
    serve(&mut world, &document)?;
    let (with, without) = (at(&world, 7)?, token(&world, json!({}))?);
    assert_eq!(world.verdict(&with), "allow");
    assert_eq!(world.verdict(&without), "revocation.status_missing");
    Ok(())
}

#[test]
fn a_feed_revokes_by_each_kind_and_by_time() -> Result<()> {
    let mut world = World::configured(feed)?;
    let now = world.now().as_secs();
    let mut published = Feed::new(ISSUER, FEED);
    published.revoke("jti", "t-bad");
    published.revoke("sub", "mallory");
    published.revoke("sid", "s-bad");
    published.all_before = Some(now - 100);
    published.subjects_before.insert("bob".to_owned(), u32::try_from(now)?);
    let document = signed_feed(&world, &published)?;
    serve(&mut world, &document)?;
    for (claims, expected) in [
        (json!({}), "allow"),
        (json!({ "jti": "t-bad" }), "revocation.revoked"),
        (json!({ "jti": "mallory" }), "allow"),
        (json!({ "sub": "mallory" }), "revocation.revoked"),
        (json!({ "sid": "s-bad" }), "revocation.revoked"),
        (json!({ "sid": "s-good" }), "allow"),
        (json!({ "sid": 7 }), "token.claims"),
        (json!({ "iat": now - 101 }), "revocation.revoked"),
        (json!({ "iat": now - 100 }), "allow"),
        (json!({ "sub": "bob" }), "allow"),
        (json!({ "sub": "bob", "iat": now - 1 }), "revocation.revoked"),
        (json!({ "iat": null }), "revocation.revoked"),
    ] {
        let ask = token(&world, claims.clone())?;
        for time in ["first", "second"] {
            assert_eq!(world.verdict(&ask), expected, "{claims}, {time}");
        }
    }
    Ok(())
}

#[test]
fn a_cached_token_is_refused_as_soon_as_it_is_taken_back_and_allowed_once_it_is_given_again() -> Result<()> {
    let mut world = World::configured(|config| {
        lists(config);
        config["issuers"][0]["revocation"]["feed"] = FEED.into();
    })?;
    let (mut list, mut feed) = (StatusList::new(LIST, 2, 8), Feed::new(ISSUER, FEED));
    let serve_both = |world: &mut World, list: &StatusList, feed: &Feed| -> Result<()> {
        let (list, feed) = (signed_list(world, list)?, signed_feed(world, feed)?);
        while let Some(fetch) = world.fetch() {
            let document = if fetch.to.path.starts_with("/statuses") { &list } else { &feed };
            world.answer(&fetch, Some(CallAnswer::new(200, &**document)));
        }
        Ok(())
    };
    serve_both(&mut world, &list, &feed)?;
    let (one, two) = (at(&world, 1)?, token(&world, json!({ "jti": "t-2" }))?);
    for ask in [&one, &two, &one, &two] {
        assert_eq!(world.verdict(ask), "allow");
    }
    let hits = world.counted.iter().filter(|counter| **counter == Counter::CacheHit).count();
    assert_eq!(hits, 2);
    list.set(1, 2)?;
    feed.revoke("jti", "t-2");
    world.advance(60);
    serve_both(&mut world, &list, &feed)?;
    assert_eq!(world.verdict(&one), "revocation.status_suspended");
    assert_eq!(world.verdict(&two), "revocation.revoked");
    list.set(1, 0)?;
    feed.revoked.clear();
    world.advance(60);
    serve_both(&mut world, &list, &feed)?;
    assert_eq!(world.verdict(&one), "allow");
    assert_eq!(world.verdict(&two), "allow");
    let health = world.gateway.revocation_health(world.now()).flatten().next().context("health")?;
    let delay = health.delay.context("a delay")?;
    assert!(delay <= Span::from_secs(61), "{delay:?}");
    assert_eq!((health.entries, health.age, health.failures), (8, Some(Span::ZERO), 0));
    Ok(())
}

#[test]
fn what_is_not_the_issuers_word_is_not_taken_and_the_old_one_serves_within_its_budget() -> Result<()> {
    let other = SigningKey::new("k1")?;
    let key = SigningKey::new("k1")?;
    for case in ["none", "503", "html", "another key", "a token", "another list", "older", "huge"] {
        let mut world = World::with_key(key.clone(), lists)?;
        let now = world.now().as_secs();
        let mut bad = StatusList::new(LIST, 1, 8);
        serve(&mut world, &bad.sign(&key, now)?)?;
        let ask = at(&world, 1)?;
        assert_eq!(world.verdict(&ask), "allow", "{case}");
        bad.set(1, 1)?;
        world.advance(60);
        let now = now + 60;
        let answer = match case {
            "none" => None,
            "503" => Some(CallAnswer::new(503, "")),
            "html" => Some(CallAnswer::new(200, "<html>")),
            "another key" => Some(CallAnswer::new(200, bad.sign(&other, now)?)),
            "a token" => Some(CallAnswer::new(200, world.token()?)),
            "another list" => {
                bad.claims = json!({ "sub": "https://issuer.bank.example/statuses/2" });
                Some(CallAnswer::new(200, bad.sign(&key, now)?))
            }
            "older" => Some(CallAnswer::new(200, bad.sign(&key, now - 61)?)),
            "huge" => {
                let mut huge = StatusList::new(LIST, 8, 1_000_000);
                huge.set(1, 1)?;
                Some(CallAnswer::new(200, huge.sign(&key, now)?))
            }
            other => anyhow::bail!("{other}"),
        };
        let fetch = world.fetch().context("a fetch")?;
        world.answer(&fetch, answer);
        assert!(world.counted.contains(&Counter::RevocationFetchFailed), "{case}");
        let warning = world.warnings.last().context("a warning")?;
        assert!(warning.contains(LIST) && warning.contains(ISSUER), "{case}: {warning}");
        assert_eq!(world.verdict(&ask), "allow", "{case}: within the budget");
        world.advance(99);
        assert_eq!(world.verdict(&ask), "allow", "{case}: at its end");
        world.advance(1);
        // Asking again may help, so that one request waits.
        let (mut waiting, held) = world.begin(&ask);
        assert_eq!(held.verdict(), "held", "{case}");
        let fetch = world.fetch().context("a fetch")?;
        world.answer(&fetch, None);
        let answer = world.event(&mut waiting, Event::Settled);
        assert_eq!(answer.verdict(), "system.revocation_unavailable", "{case}");
        assert_eq!(answer.reply.map(|reply| reply.status), Some(503), "{case}");
        assert_eq!(
            world.verdict(&ask),
            "system.revocation_unavailable",
            "{case}: and nobody waits soon after"
        );
    }
    Ok(())
}

#[test]
fn a_document_is_relied_on_no_longer_than_it_says() -> Result<()> {
    for kind in ["list", "feed"] {
        let mut world = World::configured(if kind == "list" { lists } else { feed })?;
        let now = world.now().as_secs();
        let claims = json!({ "exp": now + 30 });
        let document = match kind {
            "list" => {
                let mut list = StatusList::new(LIST, 1, 8);
                list.claims = claims;
                list.sign(&world.key, now)?
            }
            _ => {
                let mut feed = Feed::new(ISSUER, FEED);
                feed.claims = claims;
                feed.sign(&world.key, now)?
            }
        };
        serve(&mut world, &document)?;
        let ask = at(&world, 1)?;
        world.advance(39);
        assert_eq!(world.verdict(&ask), "allow", "{kind}: the issuer's clock skew is allowed for");
        world.advance(1);
        assert_eq!(world.verdict(&ask), "held", "{kind}");
    }
    Ok(())
}

#[test]
fn one_worker_fetches_for_all_and_each_refuses_within_a_second() -> Result<()> {
    let mut workers = Workers::configured(3, |config| {
        remote_keys(config);
        feed(config);
    })?;
    let key = workers.key.clone();
    assert_eq!(workers.serve(&[&key]), 1, "keys come before what they sign");
    let mut published = Feed::new(ISSUER, FEED);
    let serve = |workers: &mut Workers, feed: &Feed| -> Result<usize> {
        let fetches: Vec<(usize, Call)> = workers.fetches();
        for (index, fetch) in &fetches {
            let world = workers.all.get_mut(*index).context("a worker")?;
            let document = signed_feed(world, feed)?;
            world.answer(fetch, Some(CallAnswer::new(200, document)));
        }
        Ok(fetches.len())
    };
    assert_eq!(serve(&mut workers, &published)?, 1);
    let ask = token(&workers.all[0], json!({}))?;
    for world in &mut workers.all {
        assert_eq!(world.verdict(&ask), "allow", "who has not ticked since finds it");
    }
    published.revoke("sub", "alice");
    workers.advance(60);
    assert_eq!(serve(&mut workers, &published)?, 1);
    for (index, world) in workers.all.iter_mut().enumerate() {
        world.tick();
        assert_eq!(world.verdict(&ask), "revocation.revoked", "worker {index}");
        let health = world.gateway.revocation_health(world.now()).flatten().next().context("health")?;
        assert!(health.delay.is_some_and(|delay| delay <= Span::from_secs(61)), "{health:?}");
    }
    // One that begins now finds what is there.
    workers.restart(0)?;
    workers.all[0].tick();
    assert_eq!(workers.all[0].verdict(&ask), "revocation.revoked");
    assert!(workers.all[0].fetch().is_none());
    Ok(())
}

#[test]
fn a_document_by_a_key_that_is_new_is_taken_once_the_key_has_come() -> Result<()> {
    let mut world = World::configured(|config| {
        remote_keys(config);
        lists(config);
    })?;
    let (old, new) = (world.key.clone(), SigningKey::new("k2")?);
    let fetch = world.fetch().context("the keys")?;
    world.publish(&fetch, &[&old]);
    let document = StatusList::new(LIST, 1, 8).sign(&new, world.now().as_secs())?;
    serve(&mut world, &document)?;
    assert!(world.warnings.iter().any(|warning| warning.contains("being fetched")), "{:?}", world.warnings);
    let fetch = world.fetch().context("the keys again")?;
    assert_eq!(&*fetch.to.path, "/jwks");
    world.publish(&fetch, &[&old, &new]);
    let ask = at(&world, 1)?;
    world.advance(8);
    let (mut waiting, held) = world.begin(&ask);
    assert_eq!(held.verdict(), "held");
    serve(&mut world, &document)?;
    assert_eq!(world.event(&mut waiting, Event::Settled).verdict(), "allow");
    Ok(())
}

#[test]
fn what_an_opaque_tokens_issuer_said_is_held_against_the_feed() -> Result<()> {
    let mut world = World::configured(|config| {
        feed(config);
        config["issuers"][0]["introspection"] =
            json!({ "cluster": "issuer", "uri": "https://issuer.bank.example/introspect" });
        config["routes"][0]["credentials"] = json!(["opaque_token"]);
    })?;
    let mut published = Feed::new(ISSUER, FEED);
    let document = signed_feed(&world, &published)?;
    serve(&mut world, &document)?;
    let said = mint::with(
        &world.claims(),
        json!({ "active": true, "token_type": "Bearer", "exp": world.now().as_secs() + 600 }),
    );
    let ask = Ask::read().bearer("opaque-token");
    let introspect = |world: &mut World| -> Result<String> {
        let (mut exchange, answer) = world.begin(&ask);
        if answer.verdict() != "held" {
            return Ok(answer.verdict().to_owned());
        }
        let call = world.fetch().context("a question")?;
        let headers = vec![(Box::from(*b"content-type"), Box::from(*b"application/json"))];
        world.answer(&call, Some(CallAnswer { status: 200, headers, body: said.to_string().into() }));
        Ok(world.event(&mut exchange, Event::Settled).verdict().to_owned())
    };
    assert_eq!(introspect(&mut world)?, "allow");
    published.revoke("jti", "t-1");
    let document = signed_feed(&world, &published)?;
    world.advance(20);
    world.tick();
    assert_eq!(introspect(&mut world)?, "allow", "the copy in use does not say so yet");
    world.advance(38);
    world.tick();
    serve(&mut world, &document)?;
    assert_eq!(introspect(&mut world)?, "revocation.revoked");
    Ok(())
}

#[test]
fn what_the_issuer_said_is_not_forgotten_while_a_document_is_awaited() -> Result<()> {
    let mut world = World::configured(|config| {
        feed(config);
        config["issuers"][0]["introspection"] = json!({
            "cluster": "issuer", "uri": "https://issuer.bank.example/introspect", "active_seconds": 0,
        });
        config["routes"][0]["credentials"] = json!(["opaque_token"]);
    })?;
    let said = mint::with(&world.claims(), json!({ "active": true, "token_type": "Bearer" }));
    let document = signed_feed(&world, &Feed::new(ISSUER, FEED))?;
    let (mut exchange, held) = world.begin(&Ask::read().bearer("opaque-token"));
    assert_eq!(held.verdict(), "held");
    let call = world.fetch().context("a question")?;
    let headers = vec![(Box::from(*b"content-type"), Box::from(*b"application/json"))];
    world.answer(&call, Some(CallAnswer { status: 200, headers, body: said.to_string().into() }));
    assert_eq!(world.event(&mut exchange, Event::Settled).verdict(), "held", "for the feed");
    serve(&mut world, &document)?;
    assert_eq!(world.event(&mut exchange, Event::Settled).verdict(), "allow");
    Ok(())
}

#[test]
fn without_keys_nobody_waits_for_what_they_would_verify() -> Result<()> {
    let mut world = World::configured(|config| {
        remote_keys(config);
        feed(config);
        config["issuers"][0]["introspection"] =
            json!({ "cluster": "issuer", "uri": "https://issuer.bank.example/introspect" });
        config["routes"][0]["credentials"] = json!(["opaque_token"]);
    })?;
    let said = mint::with(&world.claims(), json!({ "active": true, "token_type": "Bearer" }));
    let keys = world.fetch().context("the keys")?;
    world.answer(&keys, None);
    let (mut exchange, held) = world.begin(&Ask::read().bearer("opaque-token"));
    assert_eq!(held.verdict(), "held");
    let call = world.fetch().context("a question")?;
    let headers = vec![(Box::from(*b"content-type"), Box::from(*b"application/json"))];
    world.answer(&call, Some(CallAnswer { status: 200, headers, body: said.to_string().into() }));
    assert_eq!(world.event(&mut exchange, Event::Settled).verdict(), "system.revocation_unavailable");
    Ok(())
}
