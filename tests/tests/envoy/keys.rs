//! Issuer keys on real Envoy while their source is slow, broken or silent, and while clients come and go.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use countersign_tests::client::Client;
use countersign_tests::flow::{EnvoyGateway, Gateway, Issuing, SILENT, World};
use countersign_tests::http::{Request, Response};
use countersign_tests::mint;
use countersign_tests::services::KeyMode;
use serde_json::json;

/// Late, and still in time for a request that waits.
const LATE: Duration = Duration::from_millis(700);

fn score(token: &str) -> Request {
    Request::new("POST", "/v1/tenants/acme/transfers/t-1/score").bearer(token)
}

fn reason(answer: &Response) -> String {
    answer.parse().ok().and_then(|body| Some(body["reason"].as_str()?.to_owned())).unwrap_or_default()
}

fn edge(world: &World, gateway: &EnvoyGateway) -> Result<Client> {
    gateway.client(world.identity("edge"))
}

/// What a gauge says of the world's issuer.
fn issuer_gauge(world: &World, gateway: &EnvoyGateway, name: &str) -> Result<u64> {
    let slug = world.issuer_address().to_string().replace(['.', ':'], "_");
    gateway.envoy.stat(&format!("wasmcustom.countersign.issuer.{slug}.{name}"))
}

/// Asks until the answer is 200; a source that was down is asked again after its cool-down.
fn recovers(client: &Client, request: &Request) -> Result<()> {
    let since = Instant::now();
    loop {
        let answer = client.send(request)?;
        if answer.status == 200 {
            return Ok(());
        }
        ensure!(since.elapsed() < Duration::from_secs(20), "still {} {}", answer.status, answer.text());
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn requests_wait_for_late_keys_and_share_a_fetch() -> Result<()> {
    let world = World::start(Issuing::BuiltIn)?;
    world.key_server()?.mode(KeyMode::Delay(LATE));
    let gateway = EnvoyGateway::start(&world)?;
    let (client, request) = (edge(&world, &gateway)?, score(&world.token("alice")?));
    let answers: Vec<Response> = thread::scope(|scope| {
        let waiting: Vec<_> = (0..8).map(|_| scope.spawn(|| client.send(&request))).collect();
        waiting.into_iter().map(|one| one.join().expect("a client's thread")).collect::<Result<_>>()
    })?;
    for answer in answers {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(world.key_server()?.fetches(), 1, "main thread and worker fetch once");
    Ok(())
}

/// CVE-2025-64527 and CVE-2024-45809: a fetch that fails or comes back to a request that is gone.
#[test]
fn a_client_that_leaves_while_keys_are_fetched_harms_no_one() -> Result<()> {
    let world = World::start(Issuing::BuiltIn)?;
    world.key_server()?.mode(KeyMode::Delay(LATE));
    let gateway = EnvoyGateway::start(&world)?;
    let client = edge(&world, &gateway)?;
    let (good, silent) =
        (score(&world.token("alice")?), score(&world.sign("alice", json!({ "iss": SILENT }))?));
    let stays = thread::scope(|scope| -> Result<Response> {
        let leaving = [
            scope.spawn(|| client.abandon(&good, LATE / 4)),
            scope.spawn(|| client.abandon(&silent, LATE / 8)),
        ];
        let stays = client.send(&good);
        for one in leaving {
            one.join().expect("a client's thread")?;
        }
        stays
    })?;
    assert_eq!(stays.status, 200, "{}", stays.text());
    assert_eq!(client.send(&good)?.status, 200);
    let audit = gateway.audit(4)?;
    let gone = audit.iter().filter(|record| record["reason"] == "system.client_gone").count();
    assert!(gone >= 1, "{audit:?}");
    assert_eq!(audit.len(), 4, "one line for each request: {audit:?}");
    Ok(())
}

#[test]
fn one_issuer_without_keys_does_not_stop_another() -> Result<()> {
    let world = World::start(Issuing::BuiltIn)?;
    let gateway = EnvoyGateway::start(&world)?;
    let client = edge(&world, &gateway)?;
    let silent = client.send(&score(&world.sign("alice", json!({ "iss": SILENT }))?))?;
    assert_eq!((silent.status, &*reason(&silent)), (503, "system.keys_unavailable"));
    assert_eq!(client.send(&score(&world.token("alice")?))?.status, 200);
    Ok(())
}

#[test]
fn a_source_that_never_answers_refuses_and_recovers() -> Result<()> {
    let world = World::start(Issuing::BuiltIn)?;
    world.key_server()?.mode(KeyMode::Delay(Duration::from_secs(8)));
    let gateway = EnvoyGateway::start(&world)?;
    let (client, request) = (edge(&world, &gateway)?, score(&world.token("alice")?));
    let answer = client.send(&request)?;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(reason(&answer).starts_with("system."), "{}", answer.text());
    world.key_server()?.mode(KeyMode::Serve);
    recovers(&client, &request)
}

#[test]
fn broken_key_documents_refuse_and_recover() -> Result<()> {
    use KeyMode::{Garbage, Half, HangUp, Huge, Page, Status};
    for mode in [Status(500), Status(204), Garbage, HangUp, Page, Huge, Half] {
        let world = World::start(Issuing::BuiltIn)?;
        world.key_server()?.mode(mode.clone());
        let gateway = EnvoyGateway::start(&world)?;
        let (client, request) = (edge(&world, &gateway)?, score(&world.token("alice")?));
        let answer = client.send(&request)?;
        assert_eq!((answer.status, &*reason(&answer)), (503, "system.keys_unavailable"), "{mode:?}");
        world.key_server()?.mode(KeyMode::Serve);
        recovers(&client, &request)?;
    }
    Ok(())
}

#[test]
fn unknown_key_ids_do_not_set_off_a_fetch_each() -> Result<()> {
    let world = World::start(Issuing::BuiltIn)?;
    let mut config = world.configuration()?;
    config["issuers"][0]["keys"]["remote"]["cooldown_seconds"] = json!(60);
    let gateway = EnvoyGateway::start_with(&world, &config)?;
    let client = edge(&world, &gateway)?;
    assert_eq!(client.send(&score(&world.token("alice")?))?.status, 200);
    for number in 0..20 {
        let token = world.stranger.sign_as(&format!("unknown-{number}"), &world.claims("alice")?)?;
        let answer = client.send(&score(&token))?;
        assert_eq!((answer.status, &*reason(&answer)), (401, "token.key.unknown"));
    }
    let fetches = world.key_server()?.fetches();
    assert!(fetches <= 2, "{fetches} fetches");
    assert_eq!(client.send(&score(&world.token("alice")?))?.status, 200);
    Ok(())
}

#[test]
fn a_removed_key_is_refused_after_the_next_fetch() -> Result<()> {
    let mut world = World::start(Issuing::BuiltIn)?;
    let mut config = world.configuration()?;
    config["issuers"][0]["keys"]["remote"]["cooldown_seconds"] = json!(1);
    let gateway = EnvoyGateway::start_with(&world, &config)?;
    let client = edge(&world, &gateway)?;
    let old = score(&world.token("alice")?);
    assert_eq!(client.send(&old)?.status, 200);
    world.rotate()?;
    world.key_server()?.rotate(mint::jwks([world.key()]));
    // The new key is not known yet: its first token has the set fetched, and the old key is gone with it.
    recovers(&client, &score(&world.token("alice")?))?;
    let answer = client.send(&old)?;
    assert_eq!((answer.status, &*reason(&answer)), (401, "token.key.unknown"));
    Ok(())
}

/// What comes of a source that breaks after it was good: nothing, for those whose keys are known.
#[test]
fn a_source_that_breaks_costs_no_good_token() -> Result<()> {
    use KeyMode::{Garbage, Half, Huge, Page};
    let world = World::start(Issuing::BuiltIn)?;
    let mut config = world.configuration()?;
    let keys = &mut config["issuers"][0]["keys"]["remote"];
    for field in ["refresh_seconds", "min_refresh_seconds", "cooldown_seconds"] {
        keys[field] = json!(1);
    }
    let gateway = EnvoyGateway::start_workers(&world, &config, 2)?;
    let client = edge(&world, &gateway)?;
    let cached = score(&world.token("alice")?);
    recovers(&client, &cached)?;
    for mode in [Garbage, Half, Huge, Page, KeyMode::Delay(Duration::from_secs(8))] {
        world.key_server()?.mode(mode.clone());
        let since = Instant::now();
        // Asked all along, until a fetch has failed.
        while issuer_gauge(&world, &gateway, "key_failures")? == 0 {
            ensure!(since.elapsed() < Duration::from_secs(20), "{mode:?}: no fetch failed");
            for request in [&cached, &score(&world.token("alice")?)] {
                let answer = client.send(request)?;
                ensure!(answer.status == 200, "{mode:?}: {}", answer.text());
            }
        }
        let unknown = world.stranger.sign_as("unknown", &world.claims("alice")?)?;
        let answer = client.send(&score(&unknown))?;
        ensure!(answer.status != 200 && !reason(&answer).is_empty(), "{mode:?}: {}", answer.text());
        world.key_server()?.mode(KeyMode::Serve);
        let since = Instant::now();
        while issuer_gauge(&world, &gateway, "healthy")? == 0 {
            ensure!(since.elapsed() < Duration::from_secs(20), "{mode:?}: no fetch succeeds again");
            thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

#[test]
fn four_workers_find_the_real_issuers_keys_by_discovery_with_one_fetch() -> Result<()> {
    let mut world = World::start(Issuing::Provider)?;
    let mut config = world.configuration()?;
    config["issuers"][0]["keys"] = json!({ "discovery": { "cluster": "issuer" } });
    let gateway = EnvoyGateway::start_workers(&world, &config, 4)?;
    let request = score(&world.token("alice")?);
    // Connections of their own, which Envoy spreads over its workers.
    thread::scope(|scope| {
        let clients: Vec<_> =
            (0..24).map(|_| scope.spawn(|| edge(&world, &gateway)?.send(&request))).collect();
        for client in clients {
            let answer = client.join().expect("a client's thread")?;
            ensure!(answer.status == 200, "{}", answer.text());
        }
        Ok(())
    })?;
    let asked = world.provider_mut()?.asked()?;
    assert_eq!((asked.discovery, asked.jwks), (1, 1), "discovery documents and key sets");
    Ok(())
}

#[test]
fn the_real_issuer_rotates_under_load_and_no_good_request_is_refused() -> Result<()> {
    let mut world = World::start(Issuing::Provider)?;
    let mut config = world.configuration()?;
    config["issuers"][0]["keys"] =
        json!({ "discovery": { "cluster": "issuer", "refresh_seconds": 2, "min_refresh_seconds": 1 } });
    let gateway = EnvoyGateway::start_workers(&world, &config, 4)?;
    let (old, new) = (world.key().clone(), mint::SigningKey::new("bank-2")?);
    let settled = Duration::from_secs(4);
    // Published, then signed with, then alone.
    for keys in [&[&old][..], &[&old, &new], &[&new, &old], &[&new]] {
        world.publish(keys)?;
        let until = Instant::now() + settled;
        thread::scope(|scope| {
            let clients: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let client = edge(&world, &gateway)?;
                        let mut sent = 0;
                        while Instant::now() < until {
                            let answer = client.send(&score(&world.token("alice")?))?;
                            ensure!(answer.status == 200, "{} keys: {}", keys.len(), answer.text());
                            sent += 1;
                        }
                        ensure!(sent > 0, "nothing was sent");
                        Ok(())
                    })
                })
                .collect();
            clients.into_iter().try_for_each(|client| client.join().expect("a client's thread"))
        })?;
    }
    // The old key is gone by now.
    let claims = world.claims("alice")?;
    let answer = edge(&world, &gateway)?.send(&score(&old.sign(&claims)?))?;
    assert_eq!((answer.status, &*reason(&answer)), (401, "token.key.unknown"));
    assert_eq!(issuer_gauge(&world, &gateway, "healthy")?, 1);
    assert_eq!(issuer_gauge(&world, &gateway, "keys")?, 1);
    Ok(())
}
