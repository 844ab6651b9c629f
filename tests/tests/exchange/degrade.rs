//! Routes that go on for a while without somebody's latest word, and those that don't.

use std::rc::Rc;

use anyhow::{Context as _, Result};
use countersign_core::exchange::Event;
use countersign_core::gateway::CallAnswer;
use countersign_core::metrics::Counter;
use countersign_core::settings::Settings;
use countersign_core::time::Span;
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::revocation::{Publish as _, StatusList};
use countersign_tests::workers::Unmarked;
use countersign_tests::world::{Answer, Ask, World, configuration};
use serde_json::{Value, json};

const LIST: &str = "https://issuer.bank.example/statuses/1";

/// The route `read` is degradable, `pay` is strict; both take opaque tokens too.
fn change(config: &mut Value) {
    config["issuers"][0]["introspection"] = json!({
        "cluster": "issuer", "uri": "https://issuer.bank.example/introspect", "active_seconds": 30, "inactive_seconds": 5,
    });
    config["issuers"][0]["revocation"] = json!({
        "cluster": "status", "status_lists": [LIST], "refresh_seconds": 60, "stale_seconds": 100, "cooldown_seconds": 5,
    });
    config["routes"][0]["credentials"] = json!(["token", "opaque_token"]);
    config["routes"][1]["credentials"] = json!(["token", "opaque_token"]);
    config["routes"][0]["profile"] = "degradable".into();
    config["routes"][0]["degrade"] = json!({ "introspection_seconds": 60, "revocation_seconds": 200 });
}

fn pay() -> Ask {
    Ask::new("POST", "/tenants/acme/accounts/a1")
}

fn world() -> Result<World> {
    World::configured(change)
}

fn said(world: &World, changes: Value) -> CallAnswer {
    let end = world.now().as_secs() + 600;
    let active = json!({ "active": true, "token_type": "Bearer", "exp": end, "payment": { "amount": 5 } });
    let body = mint::with(&mint::with(&world.claims(), active), changes);
    let headers = vec![(Box::from(*b"content-type"), Box::from(*b"application/json"))];
    CallAnswer { status: 200, headers, body: body.to_string().into() }
}

/// What becomes of a request whose issuer answers so, however often it is asked.
fn settle(world: &mut World, ask: &Ask, answer: Option<&CallAnswer>) -> Result<Answer> {
    let (mut exchange, mut verdict) = world.begin(ask);
    for _ in 0..3 {
        if verdict.verdict() != "held" {
            break;
        }
        while let Some(call) = world.fetch() {
            world.answer(&call, answer.cloned());
        }
        world.advance(1);
        world.tick();
        verdict = world.event(&mut exchange, Event::Settled);
    }
    Ok(verdict)
}

#[test]
fn an_issuers_word_serves_a_degradable_route_longer_while_there_is_no_other() -> Result<()> {
    let mut world = world()?;
    let (read, pay) = (Ask::read().bearer("opaque"), pay().bearer("opaque"));
    let good = said(&world, json!({}));
    let answer = settle(&mut world, &read, Some(&good))?;
    assert_eq!(answer.verdict(), "allow");
    assert_eq!(answer.audit.context("audit")?.get("degraded"), None);
    assert_eq!(world.verdict(&pay), "allow");
    world.advance(40);
    assert_eq!(settle(&mut world, &pay, None)?.verdict(), "system.introspection_unavailable", "strict");
    let answer = settle(&mut world, &read, None)?;
    assert_eq!(answer.verdict(), "allow");
    assert_eq!(answer.audit.context("audit")?["degraded"], json!(["introspection"]));
    assert!(world.counted.contains(&Counter::DegradedIntrospection));
    // Another token is nobody's word.
    let other = Ask::read().bearer("another");
    assert_eq!(settle(&mut world, &other, None)?.verdict(), "system.introspection_unavailable");
    world.advance(60);
    assert_eq!(
        settle(&mut world, &read, None)?.verdict(),
        "system.introspection_unavailable",
        "90 s are over"
    );
    Ok(())
}

#[test]
fn a_new_word_counts_more_than_an_old_one_on_every_route() -> Result<()> {
    // Whether or not the host lets workers tell each other.
    for shares in [true, false] {
        let mut world = world()?;
        if !shares {
            world.gateway.set_shared(Rc::new(Unmarked(Rc::default())));
        }
        let read = Ask::read().bearer("opaque");
        let good = said(&world, json!({}));
        assert_eq!(settle(&mut world, &read, Some(&good))?.verdict(), "allow");
        world.advance(31);
        let inactive = said(&world, json!({ "active": false }));
        assert_eq!(settle(&mut world, &read, Some(&inactive))?.verdict(), "token.inactive");
        assert_eq!(settle(&mut world, &read, None)?.verdict(), "token.inactive", "remembered");
        world.advance(6);
        assert_eq!(
            settle(&mut world, &read, None)?.verdict(),
            "system.introspection_unavailable",
            "and never undone"
        );
    }
    Ok(())
}

#[test]
fn no_token_outlives_its_end_however_degradable_the_route() -> Result<()> {
    let mut world = world()?;
    let read = Ask::read().bearer("opaque");
    let end = world.now().as_secs() + 35;
    let short = said(&world, json!({ "exp": end }));
    assert_eq!(settle(&mut world, &read, Some(&short))?.verdict(), "allow");
    world.advance(40);
    assert_eq!(settle(&mut world, &read, None)?.verdict(), "allow", "the issuer's clock skew is allowed for");
    world.advance(5);
    assert_eq!(settle(&mut world, &read, None)?.verdict(), "system.introspection_unavailable");
    Ok(())
}

#[test]
fn what_was_said_by_another_clock_counts_on_no_route() -> Result<()> {
    let mut world = world()?;
    let read = Ask::read().bearer("opaque");
    world.advance(200);
    world.tick();
    let (then, good) = (world.now(), said(&world, json!({})));
    assert_eq!(settle(&mut world, &read, Some(&good))?.verdict(), "allow");
    world.set_now(then.minus(Span::from_secs(100)));
    world.tick();
    world.set_now(then.plus(Span::from_secs(2)));
    world.tick();
    assert_eq!(settle(&mut world, &read, None)?.verdict(), "system.introspection_unavailable");
    Ok(())
}

#[test]
fn a_status_list_serves_a_degradable_route_longer() -> Result<()> {
    let mut world = world()?;
    let mut list = StatusList::new(LIST, 1, 8);
    list.set(2, 1)?;
    let document = list.sign(&world.key, world.now().as_secs())?;
    let signed = |world: &World, index: u64| -> Result<String> {
        let status = countersign_tests::revocation::status(LIST, index);
        world.key.sign(&mint::with(&world.claims(), json!({ "status": status, "payment": { "amount": 5 } })))
    };
    // What was never fetched says nothing, on any route.
    let token = signed(&world, 1)?;
    assert_eq!(
        settle(&mut world, &Ask::read().bearer(&token), None)?.verdict(),
        "system.revocation_unavailable"
    );
    world.advance(6);
    world.tick();
    let fetch = world.fetch().context("a fetch")?;
    world.answer(&fetch, Some(CallAnswer::new(200, document)));
    world.advance(160);
    let (good, revoked) = (signed(&world, 1)?, signed(&world, 2)?);
    let strict = settle(&mut world, &pay().bearer(&good), None)?;
    assert_eq!(strict.verdict(), "system.revocation_unavailable");
    let answer = world.ask(&Ask::read().bearer(&good));
    assert_eq!(answer.verdict(), "allow", "without waiting");
    assert_eq!(answer.audit.context("audit")?["degraded"], json!(["revocation"]));
    assert!(world.counted.contains(&Counter::DegradedRevocation));
    assert_eq!(world.verdict(&Ask::read().bearer(&revoked)), "revocation.status_invalid", "a refusal counts");
    world.advance(200);
    let good = signed(&world, 1)?;
    let over = settle(&mut world, &Ask::read().bearer(&good), None)?;
    assert_eq!(over.verdict(), "system.revocation_unavailable", "360 s are over");
    Ok(())
}

#[test]
fn who_finds_no_room_to_wait_is_served_by_an_old_word_on_a_degradable_route_alone() -> Result<()> {
    let mut world = World::configured(|config| {
        change(config);
        // One place for each of those who are waited for.
        config["limits"] = json!({ "pending_requests": 1 });
    })?;
    let (read, pay) = (Ask::read().bearer("opaque"), pay().bearer("opaque"));
    let good = said(&world, json!({}));
    assert_eq!(settle(&mut world, &read, Some(&good))?.verdict(), "allow");
    world.advance(40);
    let (mut first, held) = world.begin(&read);
    assert_eq!(held.verdict(), "held");
    world.counted.clear();
    let answer = world.ask(&read);
    assert_eq!(answer.verdict(), "allow", "without waiting");
    assert_eq!(answer.audit.context("audit")?["degraded"], json!(["introspection"]));
    assert!(world.counted.contains(&Counter::DegradedIntrospection));
    assert!(!world.counted.contains(&Counter::Held));
    assert_eq!(world.verdict(&pay), "limit.pending", "strict");
    assert_eq!(world.verdict(&Ask::read().bearer("another")), "limit.pending", "nobody's word");
    // The one who waits hears the answer, which then serves all.
    let call = world.fetch().context("a question")?;
    let inactive = said(&world, json!({ "active": false }));
    world.answer(&call, Some(inactive));
    assert_eq!(world.event(&mut first, Event::Settled).verdict(), "token.inactive");
    assert_eq!(world.verdict(&read), "token.inactive");
    Ok(())
}

/// Why a changed configuration is refused.
fn refused(more: impl FnOnce(&mut Value)) -> Result<String> {
    let mut config = configuration(&SigningKey::new("k1")?)?;
    change(&mut config);
    more(&mut config);
    let error = Settings::load(config.to_string().as_bytes()).err().context("it was taken")?;
    Ok(error.to_string())
}

#[test]
fn nothing_opens_a_strict_route() -> Result<()> {
    for (name, more, expected) in [
        (
            "said to be strict",
            (|config: &mut Value| config["routes"][0]["profile"] = "strict".into()) as fn(&mut Value),
            "`routes[0].degrade`: expected none on a `strict` route",
        ),
        (
            "strict unless it says otherwise",
            |config| {
                config["routes"][1]["degrade"] = json!({ "revocation_seconds": 1 });
            },
            "`routes[1].degrade`: expected none on a `strict` route",
        ),
        (
            "a live route",
            |config| config["routes"][0]["live"] = true.into(),
            "`routes[0].degrade`: expected none beside `live`",
        ),
        (
            "degradable in name",
            |config| {
                config["routes"][0].as_object_mut().unwrap().remove("degrade");
            },
            "`routes[0].degrade`: expected what the route does without",
        ),
        (
            "degradable by nothing",
            |config| config["routes"][0]["degrade"] = json!({}),
            "`routes[0].degrade`: expected a budget above 0",
        ),
        (
            "too long",
            |config| config["routes"][0]["degrade"]["introspection_seconds"] = 3_601.into(),
            "`routes[0].degrade.introspection_seconds`: expected a number from 0 to 3600, found 3601",
        ),
        (
            "no opaque tokens",
            |config| config["routes"][0]["credentials"] = json!(["token"]),
            "`routes[0].degrade.introspection_seconds`: expected `opaque_token`",
        ),
        (
            "nothing that is published",
            |config| {
                config["issuers"][0].as_object_mut().unwrap().remove("revocation");
            },
            "`routes[0].degrade.revocation_seconds`: expected an issuer with `revocation`",
        ),
    ] {
        let found = refused(more)?;
        assert!(found.starts_with(expected), "{name}: {found}");
    }
    Ok(())
}
