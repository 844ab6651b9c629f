//! What a key signed about tokens goes with the key.

use anyhow::{Context as _, Result};
use countersign_core::exchange::Event;
use countersign_core::gateway::{Call, CallAnswer};
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::revocation::{Feed, Publish as _, StatusList, status};
use countersign_tests::workers::Workers;
use countersign_tests::world::{Ask, ISSUER, World, remote_keys};
use serde_json::{Value, json};

const LIST: &str = "https://issuer.bank.example/statuses/1";
const FEED: &str = "https://issuer.bank.example/revocations";

/// Keys that are fetched, a list or a feed, and a route that would rely on an old one for long.
fn change(config: &mut Value, kind: Kind) {
    remote_keys(config);
    let name = if kind == Kind::List { "status_lists" } else { "feed" };
    let uri = if kind == Kind::List { json!([LIST]) } else { json!(FEED) };
    config["issuers"][0]["revocation"] = json!({ "cluster": "status", name: uri, "refresh_seconds": 60, "stale_seconds": 100, "cooldown_seconds": 5 });
    config["routes"][0]["profile"] = "degradable".into();
    config["routes"][0]["degrade"] = json!({ "revocation_seconds": 3600 });
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    List,
    Feed,
}

/// What a thief of the key would publish: nothing is revoked, and nothing honest is newer.
fn forged(kind: Kind, key: &SigningKey, now: i64) -> Result<String> {
    match kind {
        Kind::List => StatusList::new(LIST, 1, 8).sign(key, now + 10),
        Kind::Feed => {
            let mut feed = Feed::new(ISSUER, FEED);
            feed.claims = json!({ "seq": u64::MAX });
            feed.sign(key, now + 10)
        }
    }
}

/// What the issuer says: the token of index 1 and of the name `t-1` is revoked.
fn honest(kind: Kind, key: &SigningKey, now: i64) -> Result<String> {
    match kind {
        Kind::List => {
            let mut list = StatusList::new(LIST, 1, 8);
            list.set(1, 1)?;
            list.sign(key, now)
        }
        Kind::Feed => {
            let mut feed = Feed::new(ISSUER, FEED);
            feed.revoke("jti", "t-1");
            feed.claims = json!({ "seq": 3 });
            feed.sign(key, now)
        }
    }
}

fn token(world: &World, name: &str, index: u64) -> Result<Ask> {
    let claims = json!({ "jti": name, "status": status(LIST, index) });
    Ok(Ask::read().bearer(&world.key.sign(&mint::with(&world.claims(), claims))?))
}

/// Answers all that one worker wants to fetch now.
fn serve(world: &mut World, keys: &[&SigningKey], document: &str) -> usize {
    let mut fetches = 0;
    while let Some(fetch) = world.fetch() {
        answer(world, &fetch, keys, document);
        fetches += 1;
    }
    fetches
}

fn answer(world: &mut World, fetch: &Call, keys: &[&SigningKey], document: &str) {
    if &*fetch.to.path == "/jwks" {
        world.publish(fetch, keys);
    } else {
        world.answer(fetch, Some(CallAnswer::new(200, document)));
    }
}

/// A worker that relies on a document by a stolen key.
fn deceived(kind: Kind) -> Result<(World, SigningKey, Ask)> {
    let mut world = World::configured(|config| change(config, kind))?;
    let (good, stolen) = (world.key.clone(), SigningKey::new("k0")?);
    let document = forged(kind, &stolen, world.now().as_secs())?;
    serve(&mut world, &[&good, &stolen], &document);
    let revoked = token(&world, "t-1", 1)?;
    assert_eq!(world.verdict(&revoked), "allow", "{kind:?}: it believes the thief");
    Ok((world, stolen, revoked))
}

#[test]
fn what_it_said_is_relied_on_by_no_route_and_keeps_nothing_honest_out() -> Result<()> {
    for kind in [Kind::List, Kind::Feed] {
        let (mut world, stolen, _) = deceived(kind)?;
        let good = world.key.clone();
        world.advance(96);
        world.tick();
        let fetch = world.fetch().context("the keys")?;
        assert_eq!(&*fetch.to.path, "/jwks");
        world.publish(&fetch, &[&good]);
        // Nothing is held now, and so nothing is relied on, however degradable the route.
        let (revoked, other) = (token(&world, "t-1", 1)?, token(&world, "t-2", 2)?);
        let (mut waiting, held) = world.begin(&revoked);
        assert_eq!(held.verdict(), "held", "{kind:?}");
        let again = forged(kind, &stolen, world.now().as_secs())?;
        serve(&mut world, &[&good], &again);
        assert!(
            world
                .warnings
                .iter()
                .any(|warning| warning.contains("expected a `kid`") || warning.contains("keys"))
        );
        let answer = world.event(&mut waiting, Event::Settled);
        assert_eq!(answer.verdict(), "system.revocation_unavailable", "{kind:?}");
        world.advance(8);
        world.tick();
        let honest = honest(kind, &good, world.now().as_secs())?;
        serve(&mut world, &[&good], &honest);
        let expected = if kind == Kind::List { "revocation.status_invalid" } else { "revocation.revoked" };
        assert_eq!(world.verdict(&revoked), expected, "{kind:?}: what the issuer says counts");
        assert_eq!(world.verdict(&other), "allow", "{kind:?}");
    }
    Ok(())
}

#[test]
fn no_other_workers_copy_brings_it_back() -> Result<()> {
    let feed: fn(&mut Value) = |config| change(config, Kind::Feed);
    let mut workers = Workers::configured(3, feed)?;
    let (good, stolen) = (workers.key.clone(), SigningKey::new("k0")?);
    let now = workers.all[0].now().as_secs();
    let everyone = |workers: &mut Workers, keys: &[&SigningKey], document: &str| {
        for _ in 0..3 {
            for world in &mut workers.all {
                world.tick();
                serve(world, keys, document);
            }
        }
    };
    everyone(&mut workers, &[&good, &stolen], &forged(Kind::Feed, &stolen, now)?);
    let revoked = token(&workers.all[0], "t-1", 1)?;
    for world in &mut workers.all {
        assert_eq!(world.verdict(&revoked), "allow");
    }
    workers.advance(96);
    let again = forged(Kind::Feed, &stolen, now + 96)?;
    everyone(&mut workers, &[&good], &again);
    // Nor for one that begins now, and finds both in shared data.
    workers.restart(2)?;
    everyone(&mut workers, &[&good], &again);
    let revoked = token(&workers.all[0], "t-1", 1)?;
    for (index, world) in workers.all.iter_mut().enumerate() {
        assert_ne!(world.verdict(&revoked), "allow", "worker {index}");
    }
    workers.advance(20);
    let honest = honest(Kind::Feed, &good, now + 116)?;
    everyone(&mut workers, &[&good], &honest);
    let (revoked, other) = (token(&workers.all[0], "t-1", 1)?, token(&workers.all[0], "t-2", 2)?);
    for (index, world) in workers.all.iter_mut().enumerate() {
        assert_eq!(world.verdict(&revoked), "revocation.revoked", "worker {index}");
        assert_eq!(world.verdict(&other), "allow", "worker {index}");
    }
    Ok(())
}

#[test]
fn a_rotation_that_publishes_the_new_key_first_costs_no_request() -> Result<()> {
    // Published beside the old one at 100, signed with from 200 on; the old one goes at 300, when no copy by it is in use any more.
    let mut world = World::configured(|config| change(config, Kind::Feed))?;
    let (old, new) = (world.key.clone(), SigningKey::new("k2")?);
    for second in 0..500 {
        let keys: &[&SigningKey] = match second {
            ..100 => &[&old],
            100..300 => &[&old, &new],
            _ => &[&new],
        };
        let signing = if second < 200 { &old } else { &new };
        let document = honest(Kind::Feed, signing, world.now().as_secs())?;
        world.tick();
        serve(&mut world, keys, &document);
        let claims = mint::with(&world.claims(), json!({ "jti": "t-2" }));
        let ask = Ask::read().bearer(&signing.sign(&claims)?);
        assert_eq!(world.verdict(&ask), "allow", "after {second} s");
        world.advance(1);
    }
    Ok(())
}

#[test]
fn a_key_that_is_now_for_another_algorithm_is_another() -> Result<()> {
    let (mut world, _, revoked) = deceived(Kind::List)?;
    let good = world.key.clone();
    world.advance(96);
    world.tick();
    let fetch = world.fetch().context("the keys")?;
    // The name is now another key's.
    let namesake = SigningKey::new("k0")?;
    world.publish(&fetch, &[&good, &namesake]);
    assert_eq!(world.verdict(&revoked), "held");
    Ok(())
}
