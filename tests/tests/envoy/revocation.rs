//! Revoked tokens on real Envoy with several workers: what the issuer publishes is fetched by one of them, and all refuse.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use countersign_tests::client::Client;
use countersign_tests::flow::{EnvoyGateway, Gateway as _, Issuing, WORKERS, World, verdict};
use countersign_tests::http::{Request, Response};
use countersign_tests::mint;
use countersign_tests::revocation::{Feed, Publish as _, StatusList, status};
use countersign_tests::server::{Answer, Server};
use serde_json::{Value, json};

/// How long something may take that should take two seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where an issuer publishes its list and its feed.
struct Publisher {
    server: Server,
    /// By path; nothing while it is down.
    documents: Arc<Mutex<Option<[(String, String); 2]>>>,
    list: String,
    feed: String,
    issuer: String,
}

impl Publisher {
    /// One that has published nothing yet.
    fn start(issuer: &str) -> Result<Self> {
        let documents = Arc::new(Mutex::new(None::<[(String, String); 2]>));
        let shared = Arc::clone(&documents);
        let server = Server::start(move |request| {
            let documents = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(documents) = &*documents else { return Answer::HangUp };
            let found = documents.iter().find(|(path, _)| path == request.path());
            let Some((_, document)) = found else { return Response::new(404).into() };
            let mut answer = Response::new(200).header("content-type", "application/jwt");
            answer.body = document.clone().into_bytes();
            answer.into()
        })?;
        let [list, feed] = ["statuses/1", "revocations"].map(|path| format!("{issuer}/{path}"));
        Ok(Self { server, documents, list, feed, issuer: issuer.to_owned() })
    }

    /// Revokes the tokens with these indexes, and those with these `jti`; all others are good.
    fn publish(&self, world: &World, indexes: &[usize], names: &[&str]) -> Result<()> {
        let (mut list, mut feed) = (StatusList::new(&self.list, 1, 64), Feed::new(&self.issuer, &self.feed));
        for index in indexes {
            list.set(*index, 1)?;
        }
        names.iter().for_each(|name| feed.revoke("jti", *name));
        let now = mint::now();
        let documents = [
            ("/statuses/1".to_owned(), list.sign(world.key(), now)?),
            ("/revocations".to_owned(), feed.sign(world.key(), now)?),
        ];
        *self.documents.lock().unwrap_or_else(PoisonError::into_inner) = Some(documents);
        Ok(())
    }

    fn stop(&self) {
        *self.documents.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The configuration of `examples/envoy` with the issuer's key in it, and what is published here.
    fn configuration(&self, world: &World, stale: u32) -> Result<Value> {
        let mut config = world.configuration()?;
        let issuer = &mut config["issuers"][0];
        issuer["keys"] = json!({ "inline": mint::jwks([world.key()]) });
        issuer["revocation"] = json!({
            "cluster": "status", "status_lists": [self.list], "feed": self.feed, "refresh_seconds": 1,
            "cooldown_seconds": 1, "stale_seconds": stale,
        });
        Ok(config)
    }
}

fn start(stale: u32) -> Result<(World, Publisher, EnvoyGateway)> {
    let world = World::start(Issuing::BuiltIn)?;
    let issuer = world.configuration()?["issuers"][0]["issuer"].as_str().unwrap_or_default().to_owned();
    let publisher = Publisher::start(&issuer)?;
    let world = world.with_cluster("status", publisher.server.address());
    publisher.publish(&world, &[1], &["t-lost"])?;
    let gateway = EnvoyGateway::start_workers(&world, &publisher.configuration(&world, stale)?, WORKERS)?;
    Ok((world, publisher, gateway))
}

fn score(token: &str) -> Request {
    Request::new("POST", "/v1/tenants/acme/transfers/t-1/score").bearer(token)
}

fn refused(status: u16, reason: &str) -> (u16, String) {
    (status, reason.to_owned())
}

/// What several connections, which Envoy spreads over its workers, get at once.
fn everywhere(client: &Client, request: &Request) -> Result<Vec<(u16, String)>> {
    thread::scope(|scope| {
        let all: Vec<_> = (0..8 * WORKERS).map(|_| scope.spawn(|| client.send(request))).collect();
        all.into_iter().map(|one| Ok(verdict(&one.join().expect("a client's thread")?))).collect()
    })
}

/// Asks until everyone gets this.
fn until(client: &Client, request: &Request, expected: &(u16, String)) -> Result<Duration> {
    let since = Instant::now();
    loop {
        let found = everywhere(client, request)?;
        if found.iter().all(|verdict| verdict == expected) {
            return Ok(since.elapsed());
        }
        ensure!(since.elapsed() < PATIENCE, "expected {expected:?}, still {found:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn gauge(world: &World, gateway: &EnvoyGateway, name: &str) -> Result<u64> {
    let slug = world.issuer_address().to_string().replace(['.', ':'], "_");
    gateway.envoy.stat(&format!("wasmcustom.countersign.issuer.{slug}.revocation_{name}"))
}

#[test]
fn every_worker_refuses_what_is_taken_back_and_allows_what_is_given_again() -> Result<()> {
    let (world, publisher, gateway) = start(300)?;
    let client = gateway.client(world.identity("edge"))?;
    let by_list = |index: u64| world.sign("alice", json!({ "status": status(&publisher.list, index) }));
    let by_feed = |name: &str| world.sign("alice", json!({ "jti": name }));
    let allow = refused(200, "");
    let (one, two) = (score(&by_list(7)?), score(&by_feed("t-7")?));
    for request in [&one, &two] {
        until(&client, request, &allow)?;
    }
    for (request, reason) in [
        (score(&by_list(1)?), "revocation.status_invalid"),
        (score(&by_list(64)?), "revocation.status_unknown"),
        (score(&by_feed("t-lost")?), "revocation.revoked"),
    ] {
        let found = everywhere(&client, &request)?;
        assert!(found.iter().all(|verdict| *verdict == refused(401, reason)), "{reason}: {found:?}");
    }
    for _ in 0..3 {
        publisher.publish(&world, &[1, 7], &["t-lost", "t-7"])?;
        let by_list = until(&client, &one, &refused(401, "revocation.status_invalid"))?;
        let by_feed = until(&client, &two, &refused(401, "revocation.revoked"))?;
        println!("refused by all workers after {by_list:?} by the list, then {by_feed:?} by the feed");
        publisher.publish(&world, &[1], &["t-lost"])?;
        until(&client, &one, &allow)?;
        until(&client, &two, &allow)?;
    }
    // Both are fetched all along, whoever asks: not by each worker for itself.
    let before = publisher.server.served();
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(5) {
        everywhere(&client, &one)?;
    }
    let fetches = publisher.server.served() - before;
    let past = since.elapsed();
    println!("{fetches} fetches of two documents in {past:?} by {WORKERS} workers");
    // None is fetched again before it is 0.8 s old.
    let most = 2 * (past.as_millis() / 800 + 2);
    assert!(u128::try_from(fetches)? <= most, "{fetches} fetches in {past:?}");
    let delay = gauge(&world, &gateway, "delay_milliseconds")?;
    println!("the gauge of the delay says {delay} ms");
    assert!(delay > 0);
    assert_eq!(gauge(&world, &gateway, "entries")?, 64 + 1);
    assert!(gauge(&world, &gateway, "bytes")? > 0);
    assert_eq!(gauge(&world, &gateway, "failures")?, 0);
    Ok(())
}

#[test]
fn an_issuer_that_is_down_is_relied_on_within_its_budget_and_not_after_it() -> Result<()> {
    let (world, publisher, gateway) = start(2)?;
    let client = gateway.client(world.identity("edge"))?;
    let good = score(&world.sign("alice", json!({ "jti": "t-7" }))?);
    let lost = score(&world.sign("alice", json!({ "jti": "t-lost" }))?);
    until(&client, &good, &refused(200, ""))?;
    publisher.stop();
    let (revoked, unavailable) =
        (refused(401, "revocation.revoked"), refused(503, "system.revocation_unavailable"));
    let since = Instant::now();
    loop {
        let found = everywhere(&client, &lost)?;
        let right = found.iter().all(|verdict| *verdict == revoked || *verdict == unavailable);
        ensure!(right, "a revoked token: {found:?}");
        let found = everywhere(&client, &good)?;
        if found.iter().all(|verdict| *verdict == unavailable) {
            break;
        }
        ensure!(since.elapsed() < PATIENCE, "still {found:?}");
    }
    publisher.publish(&world, &[], &["t-lost"])?;
    until(&client, &good, &refused(200, ""))?;
    until(&client, &lost, &revoked)?;
    Ok(())
}
