//! Tokens that become narrower at each hop, by a real issuer's exchanges, on real Envoy and in the simulator.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use countersign_tests::client::Client;
use countersign_tests::flow::{Gateway, Issuing, WORKERS, World, hops, opaque, verdict};
use countersign_tests::http::{Request, Response};
use countersign_tests::issuer::{FEATURES, MODEL};
use countersign_tests::services;
use serde_json::{Value, json};

const INVOKE: &str = "/internal/models/fraud-v3/invocations";
const READ: &str = "/internal/features/transfers";
const MODEL_WORKLOAD: &str = "spiffe://bank.example/fraud-model";
const ORCHESTRATOR: &str = "spiffe://bank.example/orchestrator";

fn allowed() -> (u16, String) {
    (200, String::new())
}

fn refused(status: u16, reason: &str) -> (u16, String) {
    (status, reason.to_owned())
}

fn invoke(token: &str) -> Request {
    Request::new("POST", INVOKE).bearer(token)
}

/// The token that the service behind a gateway was sent.
fn sent(answer: &Response) -> Result<String> {
    let seen = answer.parse()?;
    let value = services::header(&seen, "authorization").context("no token upstream")?;
    Ok(value.strip_prefix("Bearer ").context("no bearer token")?.to_owned())
}

fn claims(token: &str) -> Result<Value> {
    let payload = token.split('.').nth(1).context("no JWT")?;
    Ok(serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload)?)?)
}

/// A configuration whose token service is asked with the gateway's secret, which the gateway adds.
fn with_secret(world: &World, changes: Value) -> Result<Value> {
    let token = countersign_tests::mint::with(&hops::for_model(), json!({ "client_id": null }));
    hops::orchestrator(world, countersign_tests::mint::with(&token, changes))
}

fn as_orchestrator(world: &World, gateway: &dyn Gateway) -> Result<Client> {
    gateway.client(world.identity("orchestrator"))
}

#[test]
fn each_hop_gets_a_token_of_its_own() -> Result<()> {
    let world = World::start(Issuing::Provider)?;
    // The orchestrator's gateway calls the model's, and the model's the feature store's, each over mutual TLS.
    let model_in = hops::gateway(&world, &hops::model_in(&world)?, None)?;
    let features_in = hops::gateway(&world, &hops::features_in(&world)?, None)?;
    let configuration = hops::orchestrator(&world, hops::for_model())?;
    let orchestrator = hops::gateway(&world, &configuration, Some((&model_in, "orchestrator")))?;
    let configuration = hops::model_out(&world, hops::for_features())?;
    let model_out = hops::gateway(&world, &configuration, Some((&features_in, "fraud-model")))?;

    let broad = world.token("alice")?;
    let answer = as_orchestrator(&world, &orchestrator)?.send(&invoke(&broad))?;
    assert_eq!(verdict(&answer), allowed(), "{}", answer.text());
    let narrow = sent(&answer)?;
    let said = claims(&narrow)?;
    assert_eq!((&said["sub"], &said["aud"]), (&json!("alice"), &json!(MODEL)));
    assert_eq!((&said["scope"], &said["purpose"]), (&json!("score:invoke"), &json!("fraud-scoring")));
    assert_eq!(said["act"], json!({ "sub": ORCHESTRATOR }));
    let line = model_in.audit(1)?.pop().context("an audit line")?;
    assert_eq!((&line["subject"], &line["actors"]), (&json!("alice"), &json!([ORCHESTRATOR])));
    let line = orchestrator.audit(1)?.pop().context("an audit line")?;
    assert_eq!(line["upstream_token"], "model");
    assert!(![&broad, &narrow].iter().any(|token| line.to_string().contains(token.as_str())));

    // The model's gateway takes the narrow token alone, and from the workload that it names.
    let to_model = as_orchestrator(&world, &model_in)?;
    assert_eq!(verdict(&to_model.send(&invoke(&broad))?), refused(401, "token.audience"));
    assert_eq!(verdict(&to_model.send(&invoke(&narrow))?), allowed());
    let edge = model_in.client(world.identity("edge"))?;
    assert_eq!(verdict(&edge.send(&invoke(&narrow))?), refused(403, "binding.workload"));

    // On to the feature store: narrower still, with a purpose of its own, and everybody who acted in it.
    let features = Request::get(READ);
    let to_features = features_in.client(world.identity("fraud-model"))?;
    let answer = to_features.send(&features.clone().bearer(&narrow))?;
    assert_eq!(verdict(&answer), refused(401, "token.audience"));
    let out = model_out.client(world.identity("fraud-model"))?;
    let answer = out.send(&features.clone().bearer(&broad))?;
    assert_eq!(verdict(&answer), refused(401, "token.audience"), "nobody skips a hop");
    let answer = out.send(&features.bearer(&narrow))?;
    assert_eq!(verdict(&answer), allowed(), "{}", answer.text());
    let narrower = sent(&answer)?;
    let said = claims(&narrower)?;
    assert_eq!((&said["sub"], &said["aud"]), (&json!("alice"), &json!(FEATURES)));
    assert_eq!((&said["scope"], &said["purpose"]), (&json!("features:read"), &json!("feature-lookup")));
    assert_eq!(said["act"], json!({ "sub": MODEL_WORKLOAD, "act": { "sub": ORCHESTRATOR } }));
    let line = features_in.audit(2)?.pop().context("an audit line")?;
    assert_eq!(
        (&line["subject"], &line["actors"]),
        (&json!("alice"), &json!([MODEL_WORKLOAD, ORCHESTRATOR]))
    );
    assert_eq!(
        verdict(&to_model.send(&invoke(&narrower))?),
        refused(401, "token.audience"),
        "and none goes back"
    );
    Ok(())
}

#[test]
fn one_exchange_for_all_and_the_reasons_of_refusals() -> Result<()> {
    let mut world = World::start(Issuing::Provider)?;
    let configuration = with_secret(&world, json!({}))?;
    for (gateway, workers) in opaque::both(&world, &configuration)?.into_iter().zip([WORKERS, 1]) {
        let (name, client) = (gateway.name(), as_orchestrator(&world, gateway.as_ref())?);
        let token = world.token("alice")?;
        let before = world.provider_mut()?.asked()?.exchange;
        let answers = thread::scope(|scope| {
            let all: Vec<_> = (0..100).map(|_| scope.spawn(|| client.send(&invoke(&token)))).collect();
            all.into_iter().map(|one| one.join().expect("a client's thread")).collect::<Result<Vec<_>>>()
        })?;
        for answer in &answers {
            assert_eq!(verdict(answer), allowed(), "{name}: {}", answer.text());
            assert_eq!(claims(&sent(answer)?)?["aud"], MODEL, "{name}");
        }
        let asked = world.provider_mut()?.asked()?.exchange - before;
        assert!((1..=workers as u64).contains(&asked), "{name}: {asked} exchanges");

        // The subject whom the token service lets go nowhere, and one whom the policies stop before it is asked.
        let senta = world.token("senta")?;
        let answer = client.send(&invoke(&senta))?;
        assert_eq!(verdict(&answer), refused(403, "delegation.exchange_refused"), "{name}");
        let edge = gateway.client(world.identity("edge"))?;
        let before = world.provider_mut()?.asked()?.exchange;
        assert_eq!(
            verdict(&edge.send(&invoke(&world.token("ben")?))?),
            refused(403, "policy.not_permitted"),
            "{name}"
        );
        assert_eq!(world.provider_mut()?.asked()?.exchange, before, "{name}");
    }
    Ok(())
}

#[test]
fn a_token_service_that_fails_is_the_systems_fault() -> Result<()> {
    // A secret that it does not know, and one that takes too long.
    let mut world = World::start(Issuing::Provider)?;
    let unavailable = refused(503, "system.token_service_unavailable");
    let configuration = with_secret(&world, json!({ "timeout_milliseconds": 300 }))?;
    for gateway in opaque::with_secret(&world, &configuration, "another")? {
        let client = as_orchestrator(&world, gateway.as_ref())?;
        let answer = client.send(&invoke(&world.token("alice")?))?;
        assert_eq!(verdict(&answer), unavailable, "{}", gateway.name());
        assert!(answer.value("www-authenticate").is_none());
    }
    for gateway in opaque::both(&world, &configuration)? {
        let (name, client) = (gateway.name(), as_orchestrator(&world, gateway.as_ref())?);
        let (good, fresh) = (world.token("alice")?, world.token("ben")?);
        for _ in 0..4 * WORKERS {
            assert_eq!(verdict(&client.send(&invoke(&good))?), allowed(), "{name}");
        }
        world.provider_mut()?.introspect_after(Duration::from_secs(3))?;
        let since = Instant::now();
        assert_eq!(verdict(&client.send(&invoke(&fresh))?), unavailable, "{name}");
        ensure!(since.elapsed() < Duration::from_secs(3), "{name}: it was waited for");
        world.provider_mut()?.introspect_after(Duration::ZERO)?;
    }
    Ok(())
}

#[test]
fn the_gateways_own_token_goes_upstream() -> Result<()> {
    let world = World::start(Issuing::Provider)?;
    let own = json!({
        "grant": "client_credentials", "actor": null, "scopes": null, "parameters": null, "token": "opaque",
        "audiences": null, "resources": [format!("{}/opaque", countersign_tests::flow::AUDIENCE)],
    });
    let configuration = with_secret(&world, own)?;
    for gateway in opaque::both(&world, &configuration)? {
        let (name, client) = (gateway.name(), as_orchestrator(&world, gateway.as_ref())?);
        let token = world.token("alice")?;
        let answer = client.send(&invoke(&token))?;
        assert_eq!(verdict(&answer), allowed(), "{name}: {}", answer.text());
        let own = sent(&answer)?;
        assert!(own != token && !own.contains('.'), "{name}: an opaque token of the gateway's own");
        assert_eq!(services::header(&answer.parse()?, "x-countersign-subject"), Some("alice"), "{name}");
    }
    Ok(())
}
