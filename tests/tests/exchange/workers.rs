//! Several workers that fetch keys for each other: rotation, failure, workers that die, clocks that jump.

use anyhow::{Context as _, Result};
use countersign_core::exchange::{Event, Flow};
use countersign_core::gateway::CallAnswer;
use countersign_core::time::Span;
use countersign_tests::mint::SigningKey;
use countersign_tests::workers::Workers;
use countersign_tests::world::{Ask, World, discovered_keys, remote_keys};

fn signed_by(key: &SigningKey, world: &World) -> Result<Ask> {
    Ok(Ask::read().bearer(&key.sign(&world.claims())?))
}

/// Four workers that have keys.
fn served() -> Result<Workers> {
    let mut workers = Workers::configured(4, remote_keys)?;
    let key = workers.key.clone();
    assert_eq!(workers.serve(&[&key]), 1, "one fetch for all");
    Ok(workers)
}

#[test]
fn one_fetch_serves_all_workers_and_those_who_wait_at_each() -> Result<()> {
    let mut workers = Workers::configured(4, remote_keys)?;
    let key = workers.key.clone();
    let ask = signed_by(&key, &workers.all[0])?;
    let mut waiting = Vec::new();
    for world in &mut workers.all {
        let (exchange, answer) = world.begin(&ask);
        assert_eq!(answer.verdict(), "held");
        waiting.push(exchange);
    }
    let fetches = workers.fetches();
    let [(leader, fetch)] = &*fetches else { panic!("{fetches:?}") };
    for (index, world) in workers.all.iter().enumerate() {
        let period = world.gateway.tick_period(world.now());
        assert!(
            index == *leader || period <= Span::from_millis(20),
            "worker {index} looks again in {period:?}"
        );
    }
    workers.all[*leader].publish(fetch, &[&key]);
    for (world, exchange) in workers.all.iter_mut().zip(&mut waiting) {
        world.tick();
        assert_eq!(world.event(exchange, Event::Settled).verdict(), "allow");
    }
    Ok(())
}

#[test]
fn a_worker_that_has_not_ticked_since_finds_the_keys_when_it_needs_them() -> Result<()> {
    let mut workers = Workers::configured(2, remote_keys)?;
    let key = workers.key.clone();
    let (leader, fetch) = workers.fetches().pop().context("a fetch")?;
    workers.all[leader].publish(&fetch, &[&key]);
    let ask = signed_by(&key, &workers.all[0])?;
    assert_eq!(workers.all[1 - leader].verdict(&ask), "allow", "nobody waits for a tick");
    // The same where a key is new.
    let new = SigningKey::new("k2")?;
    workers.advance(20);
    let ask = signed_by(&new, &workers.all[0])?;
    assert_eq!(workers.all[0].verdict(&ask), "held");
    let fetch = workers.all[0].fetch().context("a fetch")?;
    workers.all[0].publish(&fetch, &[&key, &new]);
    assert_eq!(workers.all[1].verdict(&ask), "allow");
    Ok(())
}

#[test]
fn publish_then_rotate_never_refuses_a_good_request() -> Result<()> {
    let mut workers = served()?;
    let (old, new) = (workers.key.clone(), SigningKey::new("k2")?);
    let mut fetches = 0;
    // Published beside the old one at 100, signed with from 200 on, the old one taken back at 300.
    for second in 1..500 {
        workers.advance(1);
        let published: &[&SigningKey] = match second {
            ..100 => &[&old],
            100..300 => &[&old, &new],
            _ => &[&new],
        };
        fetches += workers.serve(published);
        let signing = if second < 200 { &old } else { &new };
        let ask = signed_by(signing, &workers.all[0])?;
        for (index, world) in workers.all.iter_mut().enumerate() {
            assert_eq!(world.verdict(&ask), "allow", "worker {index} after {second} s");
        }
    }
    assert!(
        (4..=8).contains(&fetches),
        "{fetches} fetches by 4 workers in 500 s, with a refresh each 80 to 95 s"
    );
    Ok(())
}

#[test]
fn a_removed_keys_token_is_refused_by_every_worker_once_one_has_fetched() -> Result<()> {
    let mut workers = served()?;
    let (old, new) = (workers.key.clone(), SigningKey::new("k2")?);
    let ask = signed_by(&old, &workers.all[0])?;
    for world in &mut workers.all {
        assert_eq!(world.verdict(&ask), "allow");
        assert_eq!(world.verdict(&ask), "allow", "from the cache");
    }
    workers.advance(96);
    assert_eq!(workers.serve(&[&new]), 1);
    for world in &mut workers.all {
        assert_ne!(world.verdict(&ask), "allow");
    }
    Ok(())
}

#[test]
fn a_failure_wakes_the_others_and_costs_no_cached_token() -> Result<()> {
    let mut workers = served()?;
    let key = workers.key.clone();
    let cached = signed_by(&key, &workers.all[0])?;
    for world in &mut workers.all {
        assert_eq!(world.verdict(&cached), "allow");
    }
    let unknown = signed_by(&SigningKey::new("k2")?, &workers.all[0])?;
    workers.advance(20);
    let (mut first, answer) = workers.all[0].begin(&unknown);
    assert_eq!(answer.verdict(), "held");
    let fetch = workers.all[0].fetch().context("a fetch")?;
    let (mut second, answer) = workers.all[1].begin(&unknown);
    assert_eq!(answer.verdict(), "held");
    workers.all[0].answer(&fetch, Some(CallAnswer::new(200, "<html>")));
    assert_eq!(workers.all[0].event(&mut first, Event::Settled).verdict(), "system.keys_unavailable");
    assert_eq!(workers.all[1].tick().len(), 1, "who waits elsewhere hears of it");
    assert_eq!(workers.all[1].event(&mut second, Event::Settled).verdict(), "system.keys_unavailable");
    for world in &mut workers.all {
        world.tick();
        assert!(world.fetch().is_none(), "nobody asks again within the cool-down");
        assert_eq!(world.verdict(&cached), "allow");
    }
    Ok(())
}

#[test]
fn a_worker_that_dies_while_it_fetches_keeps_nobody_past_the_deadline() -> Result<()> {
    let mut workers = Workers::configured(3, remote_keys)?;
    let key = workers.key.clone();
    let (leader, _) = workers.fetches().pop().context("a fetch")?;
    let other = (leader + 1) % 3;
    let ask = signed_by(&key, &workers.all[0])?;
    let (mut waiting, answer) = workers.all[other].begin(&ask);
    assert_eq!(answer.verdict(), "held");
    workers.restart(leader)?;
    workers.advance(1);
    assert!(workers.fetches().is_empty(), "the lease still holds");
    workers.advance(1);
    workers.all[other].tick();
    assert_eq!(workers.all[other].event(&mut waiting, Event::Timeout).verdict(), "system.timeout");
    workers.advance(1);
    assert_eq!(workers.serve(&[&key]), 1, "then another one fetches, for all");
    for world in &mut workers.all {
        assert_eq!(world.verdict(&ask), "allow");
    }
    Ok(())
}

#[test]
fn a_worker_that_comes_back_takes_what_is_there() -> Result<()> {
    let mut workers = served()?;
    let ask = signed_by(&workers.key.clone(), &workers.all[0])?;
    workers.advance(10);
    workers.restart(2)?;
    assert!(workers.fetches().is_empty());
    assert_eq!(workers.all[2].verdict(&ask), "allow");
    Ok(())
}

#[test]
fn a_clock_that_jumps_neither_holds_a_request_nor_keeps_keys_alive() -> Result<()> {
    for jump in [-100_000, -5, 100_000] {
        let mut workers = Workers::configured(2, remote_keys)?;
        let key = workers.key.clone();
        let ask = signed_by(&key, &workers.all[0])?;
        let (leader, fetch) = workers.fetches().pop().context("a fetch")?;
        let (mut first, _) = workers.all[leader].begin(&ask);
        let (mut second, _) = workers.all[1 - leader].begin(&ask);
        workers.advance(jump);
        // No answer: within the two seconds after the jump both are told, and are not allowed.
        let mut told = [false; 2];
        for _ in 0..3 {
            workers
                .all
                .iter_mut()
                .enumerate()
                .for_each(|(index, world)| told[index] |= !world.tick().is_empty());
            workers.advance(1);
        }
        assert_eq!(told, [true; 2], "a jump of {jump} s");
        for (index, exchange) in [(leader, &mut first), (1 - leader, &mut second)] {
            let answer = workers.all[index].event(exchange, Event::Timeout);
            assert_eq!((answer.flow, answer.verdict()), (Flow::Closed, "system.timeout"));
        }
        workers.all[leader].publish(&fetch, &[&key]);
        // And the next fetch serves all again.
        workers.advance(13);
        let fetches = workers.serve(&[&key]);
        assert!(fetches <= 2, "{fetches} fetches after a jump of {jump} s");
        let ask = signed_by(&key, &workers.all[0])?;
        for world in &mut workers.all {
            assert_eq!(world.verdict(&ask), "allow", "after a jump of {jump} s");
        }
    }
    Ok(())
}

#[test]
fn keys_are_found_by_discovery() -> Result<()> {
    let mut workers = Workers::configured(2, discovered_keys)?;
    let key = workers.key.clone();
    let ask = signed_by(&key, &workers.all[0])?;
    let (leader, fetch) = workers.fetches().pop().context("a fetch")?;
    let (mut waiting, answer) = workers.all[1 - leader].begin(&ask);
    assert_eq!(answer.verdict(), "held");
    assert_eq!(
        (&*fetch.to.authority, &*fetch.to.path),
        ("issuer.bank.example", "/.well-known/openid-configuration")
    );
    let document =
        r#"{"issuer":"https://issuer.bank.example","jwks_uri":"https://issuer.bank.example/keys?v=2"}"#;
    workers.advance(1);
    workers.all[leader].answer(&fetch, Some(CallAnswer::new(200, document)));
    let fetch = workers.all[leader].fetch().context("the keys' fetch")?;
    assert_eq!((&*fetch.to.cluster, &*fetch.to.path), ("issuer", "/keys?v=2"));
    assert_eq!(fetch.timeout, Span::from_secs(1), "both documents together take no longer than one may");
    workers.all[leader].publish(&fetch, &[&key]);
    workers.all[1 - leader].tick();
    assert_eq!(workers.all[1 - leader].event(&mut waiting, Event::Settled).verdict(), "allow");
    assert_eq!(workers.all[leader].verdict(&ask), "allow");
    Ok(())
}

#[test]
fn a_discovery_document_cannot_lead_elsewhere() -> Result<()> {
    for document in [
        r#"{"issuer":"https://issuer.bank.example","jwks_uri":"https://evil.example/keys"}"#,
        r#"{"issuer":"https://issuer.bank.example","jwks_uri":"http://issuer.bank.example/keys"}"#,
        r#"{"issuer":"https://evil.example","jwks_uri":"https://issuer.bank.example/keys"}"#,
        r#"{"issuer":"https://issuer.bank.example/","jwks_uri":"https://issuer.bank.example/keys"}"#,
        r#"{"jwks_uri":"https://issuer.bank.example/keys"}"#,
        r#"{"keys":[]}"#,
        "<html></html>",
    ] {
        let mut world = World::configured(discovered_keys)?;
        let (mut waiting, _) = world.begin(&signed_by(&world.key.clone(), &world)?);
        let fetch = world.fetch().context("a fetch")?;
        assert_eq!(world.answer(&fetch, Some(CallAnswer::new(200, document))).len(), 1);
        assert!(world.fetch().is_none(), "{document}");
        let answer = world.event(&mut waiting, Event::Settled);
        assert_eq!(answer.verdict(), "system.keys_unavailable", "{document}");
        assert!(world.warnings.iter().any(|warning| warning.contains("discovery")), "{:?}", world.warnings);
    }
    Ok(())
}

#[test]
fn an_answers_headers_say_when_it_is_fetched_again() -> Result<()> {
    let mut world = World::with_remote_keys()?;
    let key = world.key.clone();
    let fetch = world.fetch().context("a fetch")?;
    let mut answer = CallAnswer::new(200, countersign_tests::mint::jwks([&key]).to_string());
    answer.headers.push((b"cache-control"[..].into(), b"max-age=50"[..].into()));
    world.answer(&fetch, Some(answer));
    let next = world.gateway.next_wakeup(world.now()).context("a refresh")?.since(world.now()).as_secs();
    assert!((40..48).contains(&next), "{next}");
    Ok(())
}
