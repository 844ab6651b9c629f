//! When documents about revoked tokens are fetched, and how long they are relied on.

use anyhow::{Context as _, Result};
use countersign_core::exchange::Event;
use countersign_core::gateway::CallAnswer;
use countersign_core::time::Span;
use countersign_tests::revocation::{Feed, StatusList};
use countersign_tests::workers::Workers;
use countersign_tests::world::{ISSUER, World};
use serde_json::{Value, json};

use super::{FEED, LIST, at, feed, lists, renew, serve, signed_feed, signed_list, token};

#[test]
fn a_configuration_with_other_times_goes_on_with_what_is_there() -> Result<()> {
    let mut workers = Workers::configured(1, feed)?;
    let fetch = workers.all[0].fetch().context("a fetch")?;
    let mut published = Feed::new(ISSUER, FEED);
    published.revoke("sub", "alice");
    let document = signed_feed(&workers.all[0], &published)?;
    workers.all[0].answer(&fetch, Some(CallAnswer::new(200, document)));
    let ask = token(&workers.all[0], json!({}))?;
    let changed = |change: fn(&mut Value)| -> Result<World> {
        let mut world = World::with_key(workers.key.clone(), |config| {
            feed(config);
            change(&mut config["issuers"][0]["revocation"]);
        })?;
        world.gateway.set_shared(workers.shared());
        world.tick();
        Ok(world)
    };
    for change in [
        (|revocation| revocation["refresh_seconds"] = 50.into()) as fn(&mut Value),
        |revocation| revocation["stale_seconds"] = 0.into(),
        |revocation| revocation["max_entries"] = 7.into(),
        |revocation| revocation["max_age_seconds"] = 1_000.into(),
    ] {
        let mut world = changed(change)?;
        assert!(world.fetch().is_none());
        assert_eq!(world.verdict(&ask), "revocation.revoked");
    }
    // By another way comes another document.
    let mut world = changed(|revocation| revocation["cluster"] = "another".into())?;
    assert!(world.fetch().is_some());
    Ok(())
}

#[test]
fn a_document_may_have_to_be_young_however_often_it_comes() -> Result<()> {
    for kind in ["list", "feed"] {
        let mut world = World::configured(|config| {
            if kind == "list" {
                lists(config)
            } else {
                feed(config)
            }
            config["issuers"][0]["revocation"]["max_age_seconds"] = 90.into();
        })?;
        let document = match kind {
            "list" => signed_list(&world, &StatusList::new(LIST, 1, 8))?,
            _ => signed_feed(&world, &Feed::new(ISSUER, FEED))?,
        };
        serve(&mut world, &document)?;
        world.advance(60);
        renew(&mut world, &document)?;
        let ask = at(&world, 1)?;
        world.advance(39);
        assert_eq!(world.verdict(&ask), "allow", "{kind}: 99 s, and the issuer's clock skew is allowed for");
        world.advance(1);
        let (mut waiting, held) = world.begin(&ask);
        assert_eq!(held.verdict(), "held", "{kind}");
        // The same again is as old as it is.
        serve(&mut world, &document)?;
        assert_eq!(
            world.event(&mut waiting, Event::Settled).verdict(),
            "system.revocation_unavailable",
            "{kind}"
        );
        assert!(
            world.warnings.iter().any(|warning| warning.contains("max_age_seconds")),
            "{:?}",
            world.warnings
        );
    }
    Ok(())
}

#[test]
fn the_delay_counts_from_when_the_copy_before_was_asked_for() -> Result<()> {
    let mut world = World::configured(lists)?;
    let list = signed_list(&world, &StatusList::new(LIST, 1, 8))?;
    let fetch = world.fetch().context("a fetch")?;
    world.advance(2);
    world.answer(&fetch, Some(CallAnswer::new(200, &*list)));
    world.advance(54);
    world.tick();
    let fetch = world.fetch().context("a fetch")?;
    world.advance(1);
    world.answer(&fetch, Some(CallAnswer::new(200, &*list)));
    let health = world.gateway.revocation_health(world.now()).flatten().next().context("health")?;
    assert_eq!((health.delay, health.age), (Some(Span::from_secs(57)), Some(Span::from_secs(1))));
    // While nothing new comes, it grows.
    world.advance(90);
    let health = world.gateway.revocation_health(world.now()).flatten().next().context("a document")?;
    assert_eq!(health.delay, Some(Span::from_secs(91)));
    Ok(())
}

#[test]
fn an_issuer_that_is_slow_to_answer_is_asked_so_much_earlier() -> Result<()> {
    let mut workers = Workers::configured(2, |config| {
        lists(config);
        config["issuers"][0]["revocation"]["timeout_milliseconds"] = 30_000.into();
    })?;
    let list = signed_list(&workers.all[0], &StatusList::new(LIST, 1, 8))?;
    let answered_after = |workers: &mut Workers, index: usize, secs: i64| -> Result<()> {
        let fetch = workers.all[index].fetch().context("a fetch")?;
        workers.advance(secs);
        workers.all[index].answer(&fetch, Some(CallAnswer::new(200, &*list)));
        workers.all.iter_mut().for_each(|world| drop(world.tick()));
        Ok(())
    };
    // Once nothing is left to prepare.
    let next = |world: &mut World| {
        let due = (0..1_000).find_map(|_| {
            world.tick();
            world.gateway.next_wakeup(world.now()).filter(|due| *due > world.now())
        });
        due.map(|due| due.since(world.now()).as_secs()).unwrap_or_default()
    };
    // It took twenty seconds of sixty: the next answer is there before the sixty are over, whichever worker asks.
    answered_after(&mut workers, 0, 20)?;
    for world in &mut workers.all {
        let due = next(world);
        assert!((12..=18).contains(&due), "{due}");
    }
    workers.advance(18);
    answered_after(&mut workers, 1, 0)?;
    // That is forgotten by and by.
    for world in &mut workers.all {
        let due = next(world);
        assert!((36..=43).contains(&due), "{due}");
    }
    for _ in 0..20 {
        workers.advance(57);
        answered_after(&mut workers, 0, 0)?;
    }
    for world in &mut workers.all {
        let due = next(world);
        assert!((47..=57).contains(&due), "{due}");
    }
    // What takes longer than the interval is not asked for all the time.
    workers.advance(57);
    answered_after(&mut workers, 0, 29)?;
    assert!(workers.all.iter().all(|world| world.gateway.next_wakeup(world.now()).is_some()));
    Ok(())
}

#[test]
fn a_list_is_fetched_again_as_soon_as_it_asks_for_and_never_too_often() -> Result<()> {
    let mut world = World::configured(|config| {
        lists(config);
        config["issuers"][0]["revocation"]["min_refresh_seconds"] = 20.into();
    })?;
    let next = |world: &World| {
        let due = world.gateway.next_wakeup(world.now());
        due.map(|due| due.since(world.now()).as_secs()).unwrap_or_default()
    };
    for (ttl, expected) in [(40, 32..39), (1, 16..20), (4_000, 48..58)] {
        let mut list = StatusList::new(LIST, 1, 8);
        list.claims = json!({ "ttl": ttl });
        let document = signed_list(&world, &list)?;
        renew(&mut world, &document)?;
        assert!(expected.contains(&next(&world)), "{ttl}: {}", next(&world));
        world.advance(60);
    }
    Ok(())
}

#[test]
fn a_document_that_ends_soon_is_fetched_again_before() -> Result<()> {
    let mut world = World::configured(feed)?;
    let mut short = Feed::new(ISSUER, FEED);
    short.claims = json!({ "exp": world.now().as_secs() + 40 });
    let document = signed_feed(&world, &short)?;
    serve(&mut world, &document)?;
    let due = world.gateway.next_wakeup(world.now()).context("a fetch")?;
    assert!(due.since(world.now()) < Span::from_secs(40), "{due:?}");
    Ok(())
}

#[test]
fn a_clock_set_back_makes_no_document_live_longer() -> Result<()> {
    let mut world = World::configured(lists)?;
    let document = signed_list(&world, &StatusList::new(LIST, 1, 8))?;
    serve(&mut world, &document)?;
    world.tick();
    let start = world.now();
    world.advance(100);
    world.tick();
    world.set_now(start);
    world.tick();
    let ask = at(&world, 1)?;
    world.advance(59);
    assert_eq!(world.verdict(&ask), "allow");
    world.advance(1);
    assert_ne!(world.verdict(&ask), "allow", "160 s are over, by whatever clock");
    Ok(())
}
