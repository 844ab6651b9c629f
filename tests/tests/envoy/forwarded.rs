//! Real Envoy behind real Envoy: callers that the gateway knows by `x-forwarded-client-cert` alone.

use anyhow::{Context as _, Result};
use countersign_tests::client::Client;
use countersign_tests::flow::{Edge, EnvoyGateway, Gateway, Issuing, World};
use countersign_tests::http::{Request, Response};
use countersign_tests::pki::Identity;
use countersign_tests::services;
use serde_json::{Value, json};

const PROXY: &str = "spiffe://bank.example/edge-proxy";
const EDGE: &str = "spiffe://bank.example/edge";
const HEADER: &str = "x-forwarded-client-cert";

fn configuration(world: &World) -> Result<Value> {
    let mut config = world.configuration()?;
    config["workload"]["forwarded"] = json!({ "peers": [PROXY] });
    Ok(config)
}

fn proxy(world: &World) -> Result<Identity> {
    world.authority.workload(PROXY)
}

/// Customers score through the workload `edge` alone.
fn score(world: &World) -> Result<Request> {
    Ok(Request::new("POST", "/v1/tenants/acme/transfers/t-1/score").bearer(&world.token("alice")?))
}

fn reason(answer: &Response) -> String {
    let body = answer.parse().unwrap_or_default();
    body["reason"].as_str().unwrap_or("allow").to_owned()
}

fn forged(uri: &str) -> String {
    format!("By={PROXY};Hash={};URI={uri}", "0".repeat(64))
}

#[test]
fn the_edge_sets_what_the_gateway_believes() -> Result<()> {
    let world = World::start(Issuing::BuiltIn)?;
    let gateway = EnvoyGateway::start_behind(&world, &configuration(&world)?, "ALWAYS_FORWARD_ONLY")?;
    let edge = Edge::start(&world, &gateway, &proxy(&world)?, "SANITIZE_SET")?;
    let client = |name: &str| edge.client(world.identity(name));

    let answer = client("edge")?.send(&score(&world)?)?;
    assert_eq!((answer.status, reason(&answer)), (200, "allow".to_owned()), "{}", answer.text());
    let seen = answer.parse()?;
    assert_eq!(services::header(&seen, "x-countersign-workload"), Some(EDGE));
    assert_eq!(services::header(&seen, HEADER), None, "the header went on");
    let audit = gateway.audit(1)?;
    let line = audit.first().context("an audit line")?;
    assert_eq!((&line["workload"], &line["peer"]), (&json!(EDGE), &json!(PROXY)));
    assert_eq!(line["forwarded"], true);

    // Another workload does not become the edge by calling through the same proxy, nor by saying that it is.
    let stranger = client("retraining-job")?;
    assert_eq!(reason(&stranger.send(&score(&world)?)?), "policy.not_permitted");
    let claims = score(&world)?.header(HEADER, forged(EDGE));
    assert_eq!(reason(&stranger.send(&claims)?), "policy.not_permitted");
    assert_eq!(reason(&client("foreign")?.send(&score(&world)?)?), "transport.workload.untrusted");
    // The proxy itself is nobody: a client without a certificate is not taken for it.
    let nobody = edge.client(None)?;
    assert_eq!(reason(&nobody.send(&score(&world)?)?), "transport.forwarded.missing");
    assert_eq!(reason(&nobody.send(&claims)?), "transport.forwarded.missing");
    assert_eq!(world.service.served(), 1, "a refused request reached the service");
    Ok(())
}

#[test]
fn elements_that_name_the_proxy_are_stepped_over() -> Result<()> {
    let world = World::start(Issuing::BuiltIn)?;
    // Here the gateway's own Envoy appends its peer, the proxy.
    let gateway = EnvoyGateway::start_behind(&world, &configuration(&world)?, "APPEND_FORWARD")?;
    let edge = Edge::start(&world, &gateway, &proxy(&world)?, "APPEND_FORWARD")?;
    let (good, stranger) =
        (edge.client(world.identity("edge"))?, edge.client(world.identity("retraining-job"))?);
    assert_eq!(reason(&good.send(&score(&world)?)?), "allow");
    // What a client sends stands before its own element.
    for uri in [EDGE, PROXY] {
        let claims = score(&world)?.header(HEADER, forged(uri));
        assert_eq!(reason(&stranger.send(&claims)?), "policy.not_permitted");
        assert_eq!(reason(&good.send(&claims)?), "allow");
    }
    let broken = score(&world)?.header(HEADER, "URI=\"");
    assert_eq!(reason(&good.send(&broken)?), "transport.forwarded.invalid");
    Ok(())
}

#[test]
fn a_peer_that_is_not_listed_speaks_for_nobody() -> Result<()> {
    let world = World::start(Issuing::BuiltIn)?;
    let gateway = EnvoyGateway::start_behind(&world, &configuration(&world)?, "ALWAYS_FORWARD_ONLY")?;
    let direct = |identity: Option<&Identity>| -> Result<Client> { gateway.client(identity) };
    let claims = score(&world)?.header(HEADER, forged(EDGE));
    let stranger = direct(world.identity("retraining-job"))?;
    assert_eq!(reason(&stranger.send(&claims)?), "policy.not_permitted");
    assert_eq!(reason(&direct(None)?.send(&claims)?), "transport.workload.missing");
    assert_eq!(reason(&direct(world.identity("foreign"))?.send(&claims)?), "transport.workload.untrusted");
    assert_eq!(world.service.served(), 0, "a refused request reached the service");

    // Whoever is somebody of its own accord is not harmed by what it says, and what it says goes no further.
    let good = direct(world.identity("edge"))?;
    for header in [forged("spiffe://bank.example/admin"), "URI=\"".to_owned()] {
        let answer = good.send(&score(&world)?.header(HEADER, header))?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(services::header(&answer.parse()?, HEADER), None, "the header went on");
    }
    let trailers = format!("{HEADER}: {}\r\nx-sum: 1\r\n", forged("spiffe://bank.example/admin"));
    let chunked = score(&world)?
        .header("transfer-encoding", "chunked")
        .body(format!("2\r\n{{}}\r\n0\r\n{trailers}\r\n"));
    let seen = good.send(&chunked)?.parse()?;
    assert_eq!(seen["trailers"], json!([["x-sum", "1"]]), "trailers went on");
    // The proxy calls for others, never for itself.
    let itself = direct(Some(&proxy(&world)?))?;
    assert_eq!(reason(&itself.send(&score(&world)?)?), "transport.forwarded.missing");
    Ok(())
}
