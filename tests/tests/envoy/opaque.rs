//! Opaque tokens of the OpenID provider, on real Envoy with several workers and in the simulator. Both prove themselves to the
//! provider with a credential that the filter does not hold.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use countersign_tests::client::Client;
use countersign_tests::flow::{Gateway, Issuing, WORKERS, World, opaque, verdict};
use countersign_tests::http::{Request, Response};
use countersign_tests::services;
use serde_json::{Value, json};

fn score(token: &str) -> Request {
    Request::new("POST", "/v1/tenants/acme/transfers/t-1/score").bearer(token)
}

fn start() -> Result<World> {
    World::start(Issuing::Provider)
}

fn edge(world: &World, gateway: &dyn Gateway) -> Result<Client> {
    gateway.client(world.identity("edge"))
}

fn allowed() -> (u16, String) {
    (200, String::new())
}

fn refused(status: u16, reason: &str) -> (u16, String) {
    (status, reason.to_owned())
}

/// The issuer said nothing of the token, and so nor does the gateway.
fn unavailable(answer: &Response) -> Result<()> {
    ensure!(verdict(answer) == refused(503, "system.introspection_unavailable"), "{}", answer.text());
    ensure!(answer.parse()?["layer"] == "system", "{}", answer.text());
    ensure!(answer.value("www-authenticate").is_none(), "nobody is asked for another token");
    Ok(())
}

fn last(gateway: &dyn Gateway, count: usize) -> Result<Value> {
    gateway.audit(count)?.pop().context("no audit line")
}

/// As many requests at once, each on a connection of its own.
fn at_once(client: &Client, request: &Request, count: usize) -> Result<Vec<Response>> {
    thread::scope(|scope| {
        let all: Vec<_> = (0..count).map(|_| scope.spawn(|| client.send(request))).collect();
        all.into_iter().map(|one| one.join().expect("a client's thread")).collect()
    })
}

#[test]
fn both_kinds_of_tokens_serve_on_one_route() -> Result<()> {
    let mut world = start()?;
    let (token, signed) = (opaque::token(&world, "alice")?, world.token("alice")?);
    let refresh = world.provider_mut()?.refresh_token("alice")?;
    for gateway in opaque::both(&world, &opaque::configuration(&world, json!({}))?)? {
        let (name, client) = (gateway.name(), edge(&world, gateway.as_ref())?);
        let answer = client.send(&score(&token))?;
        assert_eq!(verdict(&answer), allowed(), "{name}: {}", answer.text());
        let seen = answer.parse()?;
        let upstream = |header: &str| services::header(&seen, header);
        assert_eq!(upstream("x-countersign-principal"), Some("alice"), "{name}");
        assert_eq!(upstream("x-countersign-subject"), Some("alice"), "{name}");
        assert_eq!(upstream("x-countersign-attribute-tenant"), Some("acme"), "{name}");
        assert_eq!(upstream("authorization"), None, "{name}");
        let line = last(gateway.as_ref(), 1)?;
        assert_eq!(
            (&line["token_introspected"], &line["subject"]),
            (&json!(true), &json!("alice")),
            "{name}"
        );
        assert!(!line.to_string().contains(&token), "{name}: the token is in the log");

        let answer = client.send(&score(&signed))?;
        assert_eq!(verdict(&answer), allowed(), "{name}: {}", answer.text());
        assert!(last(gateway.as_ref(), 2)?["token_introspected"].is_null(), "{name}");

        // Attributes of the answer are what the policies decide by.
        let foreign = Request::new("POST", "/v1/tenants/globex/transfers/t-1/score").bearer(&token);
        assert_eq!(verdict(&client.send(&foreign)?), refused(403, "policy.forbidden"), "{name}");
        for (what, token, reason) in [
            ("unknown", "2YotnFZFEjr1zCsicMWpAA", "token.inactive"),
            ("a refresh token", &*refresh, "token.type"),
            ("no token", "a=b", "token.malformed"),
        ] {
            let answer = client.send(&score(token))?;
            assert_eq!(verdict(&answer), refused(401, reason), "{name}: {what}: {}", answer.text());
        }
    }
    Ok(())
}

#[test]
fn answers_may_have_to_be_signed_and_every_one_to_be_new() -> Result<()> {
    let world = start()?;
    let mut configuration = opaque::configuration(&world, json!({ "client_id": "gateway", "signed": true }))?;
    let routes = configuration["routes"].as_array_mut().context("routes")?;
    let route = routes.iter_mut().find(|route| route["name"] == "score-transfer").context("a route")?;
    route["live"] = json!(true);
    for gateway in opaque::both(&world, &configuration)? {
        let (name, client) = (gateway.name(), edge(&world, gateway.as_ref())?);
        let (token, signed) = (opaque::token(&world, "alice")?, world.token("alice")?);
        let answer = client.send(&score(&token))?;
        assert_eq!(verdict(&answer), allowed(), "{name}: {}", answer.text());
        // This provider refuses to be asked about its JWTs unless it is told, and so stands by none of them.
        unavailable(&client.send(&score(&signed))?)?;
        world.provider()?.revoke("alice", &token)?;
        let answer = client.send(&score(&token))?;
        assert_eq!(verdict(&answer), refused(401, "token.inactive"), "{name}: what was said before counts");
    }
    Ok(())
}

#[test]
fn a_live_route_has_the_issuer_stand_by_its_own_jwts() -> Result<()> {
    for signed in [false, true] {
        let mut world = start()?;
        world.provider_mut()?.look_jwts_up()?;
        let introspection =
            if signed { json!({ "client_id": "gateway", "signed": true }) } else { json!({}) };
        let mut configuration = opaque::configuration(&world, introspection)?;
        let routes = configuration["routes"].as_array_mut().context("routes")?;
        let route = routes.iter_mut().find(|route| route["name"] == "score-transfer").context("a route")?;
        route["live"] = json!(true);
        for gateway in opaque::both(&world, &configuration)? {
            let (name, client) = (gateway.name(), edge(&world, gateway.as_ref())?);
            let (token, other) = (world.token("alice")?, world.token("alice")?);
            let before = world.provider_mut()?.asked()?.introspection;
            for answer in at_once(&client, &score(&token), 2)? {
                assert_eq!(verdict(&answer), allowed(), "{name}: {}", answer.text());
            }
            assert_eq!(verdict(&client.send(&score(&token))?), allowed(), "{name}");
            let asked = world.provider_mut()?.asked()?.introspection - before;
            assert!(
                (2..=3).contains(&asked),
                "{name}: {asked} questions about three requests, two of them at once"
            );
            let line = last(gateway.as_ref(), 3)?;
            assert_eq!(line["subject"], "alice", "{name}");
            assert!(
                line["waited_for"].as_str().is_some_and(|whom| whom.starts_with("introspection by ")),
                "{name}"
            );
            world.provider()?.revoke("alice", &token)?;
            for answer in at_once(&client, &score(&token), 2 * WORKERS)? {
                assert_eq!(verdict(&answer), refused(401, "token.inactive"), "{name}: {}", answer.text());
            }
            assert_eq!(verdict(&client.send(&score(&other))?), allowed(), "{name}: another token stands");
            // A bad signature is nothing to ask about.
            let cut = token.rsplit_once('.').context("a JWT")?.0;
            let forged = format!("{cut}.{}", other.rsplit_once('.').context("a JWT")?.1);
            let answer = client.send(&score(&forged))?;
            assert_eq!(verdict(&answer), refused(401, "token.signature"), "{name}: {}", answer.text());
        }
        world.stop_issuer();
    }
    Ok(())
}

#[test]
fn a_certificate_proves_the_gateway_as_well() -> Result<()> {
    let world = start()?;
    let introspection = json!({ "client_id": "gateway-certificate" });
    let configuration = opaque::configuration(&world, introspection)?;
    let (world, gateway) = opaque::with_certificate(world, &configuration, opaque::CERTIFICATE)?;
    let token = opaque::token(&world, "alice")?;
    let client = edge(&world, &gateway)?;
    let answer = client.send(&score(&token))?;
    assert_eq!(verdict(&answer), allowed(), "{}", answer.text());
    assert_eq!(verdict(&client.send(&score("unknown"))?), refused(401, "token.inactive"));
    drop(gateway);
    let (world, gateway) = opaque::with_certificate(world, &configuration, "spiffe://bank.example/other")?;
    unavailable(&edge(&world, &gateway)?.send(&score(&token))?)
}

#[test]
fn a_revoked_token_is_refused_once_the_answer_is_old() -> Result<()> {
    for active in [0, 1] {
        let world = start()?;
        let configuration = opaque::configuration(&world, json!({ "active_seconds": active }))?;
        for gateway in opaque::both(&world, &configuration)? {
            let (name, client) = (gateway.name(), edge(&world, gateway.as_ref())?);
            let token = opaque::token(&world, "alice")?;
            for answer in at_once(&client, &score(&token), 2 * WORKERS)? {
                assert_eq!(verdict(&answer), allowed(), "{name}: {}", answer.text());
            }
            world.provider()?.revoke("alice", &token)?;
            let since = Instant::now();
            loop {
                let answers = at_once(&client, &score(&token), 2 * WORKERS)?;
                let verdicts: Vec<_> = answers.iter().map(verdict).collect();
                if verdicts.iter().all(|verdict| *verdict == refused(401, "token.inactive")) {
                    break;
                }
                ensure!(
                    active > 0,
                    "{name}: without a life of its own an answer serves nobody else: {verdicts:?}"
                );
                ensure!(since.elapsed() < Duration::from_secs(20), "{name}: still {verdicts:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_hundred_requests_with_a_new_token_ask_once_for_each_worker() -> Result<()> {
    let mut world = start()?;
    let configuration = opaque::configuration(&world, json!({ "timeout_milliseconds": 20_000 }))?;
    for gateway in opaque::both(&world, &configuration)? {
        let (name, client) = (gateway.name(), edge(&world, gateway.as_ref())?);
        let workers = if name == "Envoy" { WORKERS } else { 1 };
        let token = opaque::token(&world, "alice")?;
        world.provider_mut()?.introspect_after(Duration::from_millis(500))?;
        let before = world.provider_mut()?.asked()?.introspection;
        for answer in at_once(&client, &score(&token), 100)? {
            assert_eq!(verdict(&answer), allowed(), "{name}: {}", answer.text());
        }
        let asked = world.provider_mut()?.asked()?.introspection - before;
        assert!((1..=workers as u64).contains(&asked), "{name}: {asked} questions by {workers} workers");
    }
    Ok(())
}

#[test]
fn a_client_that_leaves_harms_no_one_and_the_answer_is_kept() -> Result<()> {
    let mut world = start()?;
    let configuration = opaque::configuration(&world, json!({ "timeout_milliseconds": 20_000 }))?;
    world.provider_mut()?.introspect_after(Duration::from_millis(700))?;
    for gateway in opaque::both(&world, &configuration)? {
        let (name, client) = (gateway.name(), edge(&world, gateway.as_ref())?);
        let token = opaque::token(&world, "alice")?;
        let request = score(&token);
        let stays = thread::scope(|scope| {
            let leaves = scope.spawn(|| client.abandon(&request, Duration::from_millis(100)));
            let stays = at_once(&client, &request, WORKERS);
            leaves.join().expect("a client's thread")?;
            stays
        })?;
        for answer in stays {
            assert_eq!(verdict(&answer), allowed(), "{name}: {}", answer.text());
        }
        let lines = gateway.audit(WORKERS + 1)?;
        let gone = lines.iter().filter(|line| line["reason"] == "system.client_gone").count();
        assert_eq!((gone, lines.len()), (1, WORKERS + 1), "{name}: {lines:?}");
        assert_eq!(verdict(&client.send(&request)?), allowed(), "{name}");
    }
    Ok(())
}

#[test]
fn a_wrong_secret_is_not_the_tokens_fault() -> Result<()> {
    let world = start()?;
    let token = opaque::token(&world, "alice")?;
    let configuration = opaque::configuration(&world, json!({}))?;
    for gateway in opaque::with_secret(&world, &configuration, "another")? {
        let client = edge(&world, gateway.as_ref())?;
        unavailable(&client.send(&score(&token))?).context(gateway.name())?;
        // Whatever the token is.
        unavailable(&client.send(&score("unknown"))?).context(gateway.name())?;
        assert_eq!(verdict(&client.send(&score(&world.token("alice")?))?), allowed(), "{}", gateway.name());
    }
    Ok(())
}

#[test]
fn an_issuer_that_is_slow_or_down_refuses_new_opaque_tokens_alone() -> Result<()> {
    let mut world = start()?;
    let introspection = json!({ "timeout_milliseconds": 300, "active_seconds": 300 });
    let gateways = opaque::both(&world, &opaque::configuration(&world, introspection)?)?;
    let (known, fresh) = (opaque::token(&world, "alice")?, opaque::token(&world, "alice")?);
    let signed = world.token("alice")?;
    let unharmed = |world: &World, what: &str| -> Result<()> {
        for gateway in &gateways {
            let client = edge(world, gateway.as_ref())?;
            for token in [&known, &signed] {
                for answer in at_once(&client, &score(token), 4 * WORKERS)? {
                    ensure!(verdict(&answer) == allowed(), "{}: {what}: {}", gateway.name(), answer.text());
                }
            }
        }
        Ok(())
    };
    // Until all workers know them.
    for gateway in &gateways {
        let client = edge(&world, gateway.as_ref())?;
        let since = Instant::now();
        let knows = |token: &str| -> Result<bool> {
            let before = gateway.audit(0)?.len();
            at_once(&client, &score(token), 8 * WORKERS)?;
            let lines = gateway.audit(before + 8 * WORKERS)?;
            Ok(lines
                .iter()
                .skip(before)
                .all(|line| line["decision"] == "allow" && line["token_cached"] == true))
        };
        while !(knows(&known)? && knows(&signed)?) {
            ensure!(
                since.elapsed() < Duration::from_secs(20),
                "{}: not all workers know them",
                gateway.name()
            );
        }
    }
    world.provider_mut()?.introspect_after(Duration::from_secs(5))?;
    for gateway in &gateways {
        unavailable(&edge(&world, gateway.as_ref())?.send(&score(&fresh))?).context(gateway.name())?;
    }
    unharmed(&world, "slow")?;
    world.provider_mut()?.introspect_after(Duration::ZERO)?;
    for gateway in &gateways {
        let client = edge(&world, gateway.as_ref())?;
        let since = Instant::now();
        while verdict(&client.send(&score(&fresh))?) != allowed() {
            ensure!(since.elapsed() < Duration::from_secs(20), "{}: does not recover", gateway.name());
        }
    }
    world.stop_issuer();
    for gateway in &gateways {
        for token in ["one", "another"] {
            unavailable(&edge(&world, gateway.as_ref())?.send(&score(token))?).context(gateway.name())?;
        }
    }
    unharmed(&world, "down")
}
