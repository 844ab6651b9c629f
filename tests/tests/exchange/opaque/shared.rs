//! A refusal that one worker has heard ends what the others keep.

use anyhow::{Context as _, Result};
use countersign_core::exchange::Event;
use countersign_core::gateway::CallAnswer;
use countersign_core::metrics::Counter;
use countersign_core::time::Span;
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::workers::Workers;
use countersign_tests::world::{Ask, World, remote_keys};
use serde_json::{Value, json};

use super::{active, said};

/// Workers whose route `read` is degradable, and a word serves for half a minute.
fn workers() -> Result<Workers> {
    Workers::configured(3, |config| {
        config["issuers"][0]["introspection"] = json!({
            "cluster": "issuer", "uri": "https://issuer.bank.example/introspect", "active_seconds": 30,
            "inactive_seconds": 5,
        });
        config["routes"][0]["credentials"] = json!(["opaque_token"]);
        config["routes"][0]["profile"] = "degradable".into();
        config["routes"][0]["degrade"] = json!({ "introspection_seconds": 600 });
    })
}

fn ask() -> Ask {
    Ask::read().bearer("opaque")
}

/// The verdict of a worker whose issuer answers so, if it is asked.
fn verdict(world: &mut World, answer: Option<CallAnswer>) -> Result<String> {
    let (mut exchange, held) = world.begin(&ask());
    if held.verdict() != "held" {
        return Ok(held.verdict().to_owned());
    }
    let mut tries = 0;
    while let Some(call) = world.fetch() {
        world.answer(&call, answer.clone());
        world.advance(1);
        world.tick();
        tries += 1;
    }
    anyhow::ensure!(tries > 0, "nobody was asked");
    Ok(world.event(&mut exchange, Event::Settled).verdict().to_owned())
}

fn good(world: &World) -> Option<CallAnswer> {
    let end = world.now().as_secs() + 600;
    said(&mint::with(&active(world), json!({ "exp": end })))
}

fn inactive() -> Option<CallAnswer> {
    said(&json!({ "active": false }))
}

/// Workers that all have the issuer's word.
fn served() -> Result<Workers> {
    let mut workers = workers()?;
    for world in &mut workers.all {
        let good = good(world);
        assert_eq!(verdict(world, good)?, "allow");
        assert_eq!(world.verdict(&ask()), "allow", "and keeps it");
        assert!(world.fetch().is_none());
    }
    let now = workers.all.iter().map(World::now).max().context("workers")?;
    workers.all.iter_mut().for_each(|world| world.set_now(now));
    Ok(workers)
}

#[test]
fn a_word_that_still_serves_ends_with_it() -> Result<()> {
    let mut workers = served()?;
    workers.advance(1);
    // The issuer is asked again by one of them: its own word is over first.
    workers.restart(0)?;
    assert_eq!(verdict(&mut workers.all[0], inactive())?, "token.inactive");
    for world in &mut workers.all[1..] {
        assert_eq!(verdict(world, inactive())?, "token.inactive");
        assert!(world.counted.contains(&Counter::RefusedElsewhere));
    }
    Ok(())
}

#[test]
fn an_old_word_ends_with_it_however_degradable_the_route() -> Result<()> {
    let mut workers = served()?;
    workers.advance(60);
    assert_eq!(verdict(&mut workers.all[1], None)?, "allow", "the issuer is down");
    assert_eq!(verdict(&mut workers.all[0], inactive())?, "token.inactive", "and well again, for one");
    let now = workers.all[0].now();
    for world in &mut workers.all[1..] {
        world.set_now(now);
        assert_eq!(verdict(world, None)?, "system.introspection_unavailable", "and down for the others");
    }
    Ok(())
}

#[test]
fn a_later_word_counts_again_and_an_earlier_one_does_not() -> Result<()> {
    let mut workers = served()?;
    workers.advance(31);
    // One asks before the refusal, and is answered after it.
    let (mut early, held) = workers.all[1].begin(&ask());
    assert_eq!(held.verdict(), "held");
    let call = workers.all[1].fetch().context("a question")?;
    workers.advance(1);
    let (mut refused, _) = workers.all[0].begin(&ask());
    let question = workers.all[0].fetch().context("a question")?;
    workers.all[0].answer(&question, inactive());
    assert_eq!(workers.all[0].event(&mut refused, Event::Settled).verdict(), "token.inactive");
    let good_then = good(&workers.all[1]);
    workers.all[1].answer(&call, good_then);
    let late = workers.all[1].event(&mut early, Event::Settled);
    assert_eq!(late.verdict(), "token.inactive", "its own answer knew nothing of the refusal");
    assert_eq!(workers.all[1].verdict(&ask()), "held", "and serves nobody else");
    // What is asked for after the refusal serves as ever.
    workers.advance(6);
    let good_now = good(&workers.all[2]);
    assert_eq!(verdict(&mut workers.all[2], good_now)?, "allow");
    assert_eq!(workers.all[2].verdict(&ask()), "allow");
    Ok(())
}

#[test]
fn a_later_word_revives_no_earlier_one_of_another_worker() -> Result<()> {
    let mut workers = served()?;
    workers.advance(1);
    workers.restart(0)?;
    assert_eq!(verdict(&mut workers.all[0], inactive())?, "token.inactive");
    // The token is good again, for less.
    workers.advance(6);
    let less = said(&mint::with(&active(&workers.all[0]), json!({ "tenant": "other" })));
    assert_eq!(verdict(&mut workers.all[0], less.clone())?, "policy.not_permitted");
    for world in &mut workers.all[1..] {
        assert_eq!(
            verdict(world, less.clone())?,
            "policy.not_permitted",
            "its word is from before the refusal"
        );
        assert!(world.counted.contains(&Counter::RefusedElsewhere));
    }
    Ok(())
}

#[test]
fn a_refusal_ends_a_first_word_that_was_on_its_way() -> Result<()> {
    let mut workers = workers()?;
    let (mut early, held) = workers.all[1].begin(&ask());
    assert_eq!(held.verdict(), "held");
    let call = workers.all[1].fetch().context("a question")?;
    assert_eq!(verdict(&mut workers.all[0], inactive())?, "token.inactive");
    let good = good(&workers.all[1]);
    workers.all[1].answer(&call, good);
    assert_eq!(workers.all[1].event(&mut early, Event::Settled).verdict(), "token.inactive");
    assert_eq!(workers.all[1].verdict(&ask()), "held", "nor does it serve later");
    Ok(())
}

#[test]
fn what_another_configuration_hears_is_of_that_one() -> Result<()> {
    let mut workers = served()?;
    workers.advance(1);
    // The same issuer, asked for others: what it refuses there says nothing here.
    let mut other = World::with_key(workers.key.clone(), |config| {
        config["issuers"][0]["audiences"] = json!(["https://other.bank.example"]);
        config["issuers"][0]["introspection"] =
            json!({ "cluster": "issuer", "uri": "https://issuer.bank.example/introspect" });
        config["routes"][0]["credentials"] = json!(["opaque_token"]);
    })?;
    other.gateway.set_shared(workers.shared());
    other.set_now(workers.all[0].now());
    let elsewhere = good(&workers.all[0]);
    assert_eq!(verdict(&mut other, elsewhere)?, "token.audience");
    for world in &mut workers.all {
        assert_eq!(world.verdict(&ask()), "allow");
    }
    Ok(())
}

#[test]
fn tokens_that_are_made_up_push_no_refusal_out() -> Result<()> {
    let mut workers = served()?;
    workers.advance(31);
    assert_eq!(verdict(&mut workers.all[0], inactive())?, "token.inactive");
    for number in 0..20_000 {
        let (mut exchange, _) = workers.all[2].begin(&Ask::read().bearer(&format!("made-up-{number}")));
        let call = workers.all[2].fetch().context("a question")?;
        workers.all[2].answer(&call, inactive());
        workers.all[2].event(&mut exchange, Event::Settled);
        workers.all[2].counted.clear();
    }
    let now = workers.all[0].now();
    workers.all[1].set_now(now);
    assert_eq!(verdict(&mut workers.all[1], None)?, "system.introspection_unavailable");
    Ok(())
}

#[test]
fn a_word_counts_from_when_it_was_asked_for() -> Result<()> {
    let mut workers = workers()?;
    let world = &mut workers.all[0];
    let (mut exchange, _) = world.begin(&ask());
    let call = world.fetch().context("a question")?;
    world.advance(1);
    let good = good(world);
    world.answer(&call, good);
    assert_eq!(world.event(&mut exchange, Event::Settled).verdict(), "allow");
    world.advance(28);
    assert_eq!(world.verdict(&ask()), "allow");
    world.advance(1);
    assert_eq!(world.verdict(&ask()), "held", "30 s after the question");
    Ok(())
}

#[test]
fn a_signed_word_goes_with_its_key() -> Result<()> {
    let change = |config: &mut Value| {
        remote_keys(config);
        config["issuers"][0]["introspection"] = json!({
            "cluster": "issuer", "uri": "https://issuer.bank.example/introspect", "active_seconds": 300,
            "client_id": "the gateway", "signed": true,
        });
        config["routes"][0]["credentials"] = json!(["opaque_token"]);
    };
    let mut world = World::configured(change)?;
    let (good, stolen) = (world.key.clone(), SigningKey::new("k0")?);
    let keys = world.fetch().context("the keys")?;
    world.publish(&keys, &[&good, &stolen]);
    let (mut exchange, held) = world.begin(&ask());
    assert_eq!(held.verdict(), "held");
    let call = world.fetch().context("a question")?;
    let now = world.now().as_secs();
    let claims = json!({
        "iss": countersign_tests::world::ISSUER, "aud": "the gateway", "iat": now,
        "token_introspection": mint::with(&active(&world), json!({ "exp": now + 600 })),
    });
    let answer = stolen.sign_typed("token-introspection+jwt", &stolen.kid, &claims)?;
    let headers = vec![(Box::from(*b"content-type"), Box::from(*b"application/token-introspection+jwt"))];
    world.answer(&call, Some(CallAnswer { status: 200, headers, body: answer.into_bytes() }));
    assert_eq!(world.event(&mut exchange, Event::Settled).verdict(), "allow");
    assert_eq!(world.verdict(&ask()), "allow");
    world.set_now(world.now().plus(Span::from_secs(96)));
    world.tick();
    let keys = world.fetch().context("the keys")?;
    world.publish(&keys, &[&good, &stolen]);
    assert_eq!(world.verdict(&ask()), "allow", "with the key still there it stands");
    world.set_now(world.now().plus(Span::from_secs(96)));
    world.tick();
    let keys = world.fetch().context("the keys")?;
    world.publish(&keys, &[&good]);
    assert_eq!(world.verdict(&ask()), "held");
    Ok(())
}
