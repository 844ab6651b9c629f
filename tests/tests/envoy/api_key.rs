//! API keys on real Envoy.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use countersign_core::crypto::digest::sha256;
use countersign_tests::flow::{Edge, EnvoyGateway, Gateway, Issuing, World};
use countersign_tests::http::{Request, Response};
use countersign_tests::services;
use serde_json::{Value, json};

const KEY: &str = "csk_gZ2o1hVx0nqJv5mT8cWb3yLrE7uKfA4s-QdNpXiHtRk";
const ENDED: &str = "csk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const DECISION: &str = "/v1/tenants/acme/transfers/t-1/decision";
const PROXY: &str = "spiffe://bank.example/edge-proxy";

fn configuration(world: &World) -> Result<Value> {
    let entry = |id: &str, key: &str, not_after: &str| {
        let digest: String = sha256(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        json!({
            "id": id, "sha256": digest, "workload": "spiffe://bank.example/edge", "not_after": not_after,
            "principal": {
                "id": id, "roles": ["analyst"], "attributes": { "tenant": "acme", "region": "eu" },
            },
        })
    };
    let mut config = world.configuration()?;
    config["api_keys"] = json!({ "keys": [
        entry("reports", KEY, "2100-01-01T00:00:00Z"), entry("ended", ENDED, "2020-01-01T00:00:00Z"),
    ] });
    config["workload"]["forwarded"] = json!({ "peers": [PROXY] });
    let routes = config["routes"].as_array_mut().context("no `routes`")?;
    let decision = routes.iter_mut().find(|route| route["name"] == "read-decision");
    decision.context("no route `read-decision`")?["credentials"] = json!(["token", "api_key"]);
    Ok(config)
}

fn read(key: &str) -> Request {
    Request::get(DECISION).header("x-api-key", key)
}

fn reason(answer: &Response) -> String {
    let body = answer.parse().unwrap_or_default();
    body["reason"].as_str().unwrap_or("allow").to_owned()
}

#[test]
fn a_key_opens_its_routes_for_its_workload() -> Result<()> {
    let world = World::start(Issuing::BuiltIn)?;
    let gateway = EnvoyGateway::start_with(&world, &configuration(&world)?)?;
    let edge = gateway.client(world.identity("edge"))?;
    let answer = edge.send(&read(KEY).header("x-countersign-credential", "token"))?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = answer.parse()?;
    assert_eq!(services::header(&seen, "x-countersign-principal"), Some("reports"));
    assert_eq!(services::header(&seen, "x-countersign-credential"), Some("api-key"));
    assert!(!seen.to_string().contains("csk_"), "the key went on: {seen}");

    let token = world.token("ben")?;
    let orchestrator = gateway.client(world.identity("orchestrator"))?;
    for (client, request, expected, status) in [
        (&orchestrator, read(KEY), "binding.workload", 403),
        (&edge, read(ENDED), "token.api_key.expired", 401),
        (&edge, read(&KEY[1..]), "token.api_key.unknown", 401),
        (&edge, read(&KEY[..20]), "token.api_key.malformed", 401),
        (&edge, read(KEY).bearer(&token), "token.several", 400),
        // Envoy hands a repeated header over as two.
        (&edge, read(KEY).header("x-api-key", KEY), "request.header.duplicate", 400),
        (
            &edge,
            Request::new("POST", "/v1/tenants/acme/transfers/t-1/score").header("x-api-key", KEY),
            "token.api_key.not_accepted",
            401,
        ),
        (&edge, Request::get(DECISION), "token.missing", 401),
    ] {
        let answer = client.send(&request)?;
        assert_eq!((reason(&answer).as_str(), answer.status), (expected, status), "{}", answer.text());
        assert_eq!(answer.value("www-authenticate").is_some(), matches!(status, 400 | 401), "{expected}");
    }
    assert_eq!(world.service.served(), 1, "a refused request reached the service");
    assert_eq!(edge.send(&Request::get(DECISION).bearer(&token))?.status, 200, "the control");
    let health = edge.send(&Request::get("/healthz").header("X-API-Key", KEY))?;
    assert!(health.status == 200 && !health.text().contains("csk_"), "{}", health.text());

    let audit = gateway.audit(11)?;
    let first = audit.first().context("an audit line")?;
    assert_eq!((&first["key_id"], &first["legacy"]), (&json!("reports"), &json!(true)));
    let log = gateway.envoy.log();
    assert!(!log.contains(KEY) && !log.contains(ENDED) && !log.contains(&KEY[..20]), "a key is in the log");
    let since = Instant::now();
    while gateway.envoy.stat("wasmcustom.countersign.api_key.accepted")? != 1 {
        ensure!(since.elapsed() < Duration::from_secs(10), "the accepted key was not counted once");
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

#[test]
fn behind_a_proxy_a_key_is_bound_to_the_caller_and_not_to_the_proxy() -> Result<()> {
    let world = World::start(Issuing::BuiltIn)?;
    let gateway = EnvoyGateway::start_behind(&world, &configuration(&world)?, "ALWAYS_FORWARD_ONLY")?;
    let edge = Edge::start(&world, &gateway, &world.authority.workload(PROXY)?, "SANITIZE_SET")?;
    let ask =
        |name: &str| -> Result<String> { Ok(reason(&edge.client(world.identity(name))?.send(&read(KEY))?)) };
    assert_eq!(ask("edge")?, "allow");
    assert_eq!(ask("orchestrator")?, "binding.workload");
    assert_eq!(ask("foreign")?, "transport.workload.untrusted");
    Ok(())
}
