//! Requests that wait for an issuer's keys: rotation, failure, deadlines, and clients that leave.

use anyhow::{Context as _, Result};
use countersign_core::exchange::{Event, Flow};
use countersign_core::gateway::CallAnswer;
use countersign_core::metrics::Counter;
use countersign_core::reason::Reason;
use countersign_tests::mint::SigningKey;
use countersign_tests::world::{Ask, World};

fn good(world: &World) -> Result<Ask> {
    Ok(Ask::read().bearer(&world.token()?))
}

/// A world whose keys were fetched.
fn fetched() -> Result<World> {
    let mut world = World::with_remote_keys()?;
    let fetch = world.fetch().context("the first fetch")?;
    let key = world.key.clone();
    world.publish(&fetch, &[&key]);
    Ok(world)
}

#[test]
fn the_first_requests_wait_for_one_fetch() -> Result<()> {
    let mut world = World::with_remote_keys()?;
    let ask = good(&world)?;
    let (mut first, held) = world.begin(&ask);
    assert_eq!(held.verdict(), "held");
    assert!(held.audit.is_none());
    let fetch = world.fetch().context("a fetch")?;
    assert_eq!(
        (&*fetch.to.cluster, &*fetch.to.authority, &*fetch.to.path),
        ("issuer", "issuer.bank.example", "/jwks")
    );
    let (mut second, held) = world.begin(&ask);
    assert_eq!(held.verdict(), "held");
    assert!(world.fetch().is_none(), "one fetch serves both");
    let key = world.key.clone();
    assert_eq!(world.publish(&fetch, &[&key]), [1, 2]);
    assert_eq!(world.event(&mut first, Event::Settled).verdict(), "allow");
    assert_eq!(world.event(&mut second, Event::Settled).verdict(), "allow");
    Ok(())
}

#[test]
fn a_rotated_key_is_accepted_after_one_fetch_and_the_old_one_no_longer() -> Result<()> {
    let mut world = fetched()?;
    let ask = good(&world)?;
    assert_eq!(world.verdict(&ask), "allow");
    let new = SigningKey::new("k2")?;
    let rotated = Ask::read().bearer(&new.sign(&world.claims())?);
    let (mut waiting, held) = world.begin(&rotated);
    assert_eq!(held.verdict(), "held");
    let fetch = world.fetch().context("a fetch for the unknown kid")?;
    world.publish(&fetch, &[&new]);
    assert_eq!(world.event(&mut waiting, Event::Settled).verdict(), "allow");
    // The old key was taken back: a token under it is no longer believed, cached or not.
    assert_eq!(world.verdict(&ask), "token.key.unknown");
    Ok(())
}

#[test]
fn unknown_kids_cost_one_fetch_in_a_cool_down() -> Result<()> {
    let mut world = fetched()?;
    let key = world.key.clone();
    let mut fetches = 0;
    for n in 0..50 {
        let token = world.key.sign_as(&format!("made-up-{n}"), &world.claims())?;
        let (mut exchange, answer) = world.begin(&Ask::read().bearer(&token));
        if answer.verdict() == "held" {
            let fetch = world.fetch().context("a fetch")?;
            fetches += 1;
            world.publish(&fetch, &[&key]);
            assert_eq!(world.event(&mut exchange, Event::Settled).verdict(), "token.key.unknown");
        } else {
            assert_eq!(answer.verdict(), "token.key.unknown");
        }
    }
    assert_eq!(fetches, 1);
    Ok(())
}

#[test]
fn a_source_that_is_down_is_not_the_tokens_fault() -> Result<()> {
    let mut world = World::with_remote_keys()?;
    let ask = good(&world)?;
    let (mut first, _) = world.begin(&ask);
    let (mut second, _) = world.begin(&ask);
    let fetch = world.fetch().context("a fetch")?;
    assert_eq!(world.answer(&fetch, None), [1, 2]);
    for exchange in [&mut first, &mut second] {
        let answer = world.event(exchange, Event::Settled);
        assert_eq!(answer.verdict(), "system.keys_unavailable");
        assert_eq!(answer.reply.as_ref().map(|reply| reply.status), Some(503));
        assert_eq!(answer.reply_header("www-authenticate"), None);
    }
    assert_eq!(world.verdict(&ask), "system.keys_unavailable", "and nobody waits within the cool-down");
    assert!(world.warnings.iter().any(|warning| warning.contains("https://issuer.bank.example")));
    Ok(())
}

#[test]
fn answers_that_are_no_key_set_are_failures_and_keep_the_old_keys() -> Result<()> {
    let bodies: [(u16, &[u8]); 6] = [
        (500, b""),
        (200, b""),
        (200, b"<html>"),
        (200, br#"{"keys":[]}"#),
        (200, br#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#),
        (302, br#"{"keys":[]}"#),
    ];
    for (status, body) in bodies {
        let mut world = fetched()?;
        let ask = good(&world)?;
        world.advance(95);
        let fetch = world.fetch().context("the refresh")?;
        world.answer(&fetch, Some(CallAnswer::new(status, body)));
        assert_eq!(world.verdict(&ask), "allow", "{status} {}", String::from_utf8_lossy(body));
        assert!(world.counted.contains(&Counter::KeyFetchFailed));
    }
    Ok(())
}

#[test]
fn stale_keys_serve_within_their_budget_cached_tokens_too() -> Result<()> {
    let mut world = fetched()?;
    for _ in 0..11 {
        world.advance(99);
        if let Some(fetch) = world.fetch() {
            world.answer(&fetch, None);
        }
    }
    let token = world.token()?;
    assert_eq!(
        world.verdict(&Ask::read().bearer(&token)),
        "allow",
        "1,089 s: refresh and stale budget are 1,100 s"
    );
    assert_eq!(world.verdict(&Ask::read().bearer(&token)), "allow", "from the cache");
    world.advance(11);
    assert_ne!(world.verdict(&Ask::read().bearer(&token)), "allow", "the cache does not outlive the keys");
    Ok(())
}

#[test]
fn a_wait_ends_at_its_deadline() -> Result<()> {
    let mut world = World::with_remote_keys()?;
    let (mut exchange, _) = world.begin(&good(&world)?);
    let fetch = world.fetch().context("a fetch")?;
    world.advance(1);
    assert!(world.tick().is_empty());
    world.advance(1);
    assert_eq!(world.tick(), [1]);
    let answer = world.event(&mut exchange, Event::Settled);
    assert_eq!(answer.verdict(), "system.keys_unavailable");
    let key = world.key.clone();
    assert!(world.publish(&fetch, &[&key]).is_empty(), "an answer after the deadline is late");
    assert_eq!(world.event(&mut exchange, Event::Settled).flow, Flow::Closed);
    Ok(())
}

#[test]
fn a_timeout_refuses_with_a_reason_of_the_system() -> Result<()> {
    let mut world = World::with_remote_keys()?;
    let (mut exchange, _) = world.begin(&good(&world)?);
    let answer = world.event(&mut exchange, Event::Timeout);
    assert_eq!(answer.verdict(), "system.timeout");
    assert_eq!(answer.reply.map(|reply| reply.status), Some(503));
    Ok(())
}

#[test]
fn a_client_that_leaves_is_audited_and_not_woken() -> Result<()> {
    let mut world = World::with_remote_keys()?;
    let (mut exchange, _) = world.begin(&good(&world)?);
    let fetch = world.fetch().context("a fetch")?;
    let answer = world.event(&mut exchange, Event::Dropped);
    assert_eq!(answer.verdict(), "system.client_gone");
    assert!(answer.reply.is_none());
    let key = world.key.clone();
    assert!(world.publish(&fetch, &[&key]).is_empty());
    assert!(world.event(&mut exchange, Event::Settled).audit.is_none(), "one audit line for each exchange");
    assert!(world.counted.contains(&Counter::Refused(Reason::SystemClientGone)));
    Ok(())
}

#[test]
fn only_so_many_requests_wait() -> Result<()> {
    let mut world = World::configured(|config| {
        config["issuers"][0]["keys"] = serde_json::json!({ "remote": { "cluster": "issuer", "uri": "https://issuer.bank.example/jwks" } });
        config["limits"] = serde_json::json!({ "pending_requests": 2 });
    })?;
    let ask = good(&world)?;
    assert_eq!(world.verdict(&ask), "held");
    assert_eq!(world.verdict(&ask), "held");
    assert_eq!(world.verdict(&ask), "limit.pending");
    Ok(())
}

#[test]
fn the_gateway_says_when_it_wants_to_be_ticked() -> Result<()> {
    let mut world = World::with_remote_keys()?;
    let wait =
        |world: &World| world.gateway.next_wakeup(world.now()).map(|at| at.since(world.now()).as_secs());
    assert_eq!(wait(&world), Some(0), "the first fetch is due");
    let fetch = world.fetch().context("a fetch")?;
    assert_eq!(wait(&world), Some(2), "it is overdue in two seconds");
    let key = world.key.clone();
    world.publish(&fetch, &[&key]);
    let next = wait(&world).context("a refresh")?;
    assert!((80..95).contains(&next), "the next is due in {next} s, ahead of the keys' expiry");
    assert_eq!(World::new()?.gateway.next_wakeup(world.now()), None, "inline keys need no tick");
    Ok(())
}
