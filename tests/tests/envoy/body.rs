//! What follows a request's headers, on real Envoy: body and trailers take no held request along.

use std::time::Duration;

use anyhow::Result;
use countersign_tests::bootstrap::{countersign, offered_all};
use countersign_tests::envoy::Envoy;
use countersign_tests::flow::{EnvoyGateway, Gateway, Issuing, World};
use countersign_tests::http::Request;
use countersign_tests::services::{self, KeyMode};
use serde_json::{Value, json};

const SCORE: &str = "/v1/tenants/acme/transfers/t-1/score";

/// Long enough for the body to come while the keys are still on their way.
const LATE: Duration = Duration::from_millis(1_500);

/// Envoy with the filter set up so that it is offered bodies and trailers of requests that it holds.
fn offered(world: &World) -> Result<EnvoyGateway> {
    let module = Envoy::module()?;
    let filter = countersign(&module.to_string_lossy(), &world.configuration()?.to_string());
    EnvoyGateway::start_filter(world, offered_all(filter))
}

fn chunked(token: &str, trailers: &str) -> Request {
    Request::new("POST", SCORE)
        .bearer(token)
        .header("transfer-encoding", "chunked")
        .body(format!("7\r\npayload\r\n0\r\n{trailers}\r\n"))
}

/// The token with the signature of another one.
fn forged(world: &World) -> Result<String> {
    let (token, other) = (world.token("alice")?, world.stranger.sign(&world.claims("alice")?)?);
    let (claims, signature) = (token.rsplit_once('.'), other.rsplit_once('.'));
    let (Some((claims, _)), Some((_, signature))) = (claims, signature) else {
        anyhow::bail!("no signature")
    };
    Ok(format!("{claims}.{signature}"))
}

#[test]
fn a_held_request_does_not_go_on_by_its_body_or_trailers() -> Result<()> {
    let world = World::start(Issuing::BuiltIn)?;
    world.key_server()?.mode(KeyMode::Delay(LATE));
    let bad = forged(&world)?;
    let whole = Request::new("POST", SCORE).bearer(&bad).body("payload");
    for request in [whole, chunked(&bad, ""), chunked(&bad, "x-a: b\r\n")] {
        // The worker's keys are missing in each case.
        let gateway = offered(&world)?;
        let client = gateway.client(world.identity("edge"))?;
        let answer = client.send(&request.header("x-countersign-principal", "root"))?;
        assert_eq!(answer.status, 401, "{}", answer.text());
        assert_eq!(answer.parse()?["reason"], "token.signature");
        assert_eq!(world.service.served(), 0, "a request that was never judged reached the service");
    }
    Ok(())
}

#[test]
fn a_held_request_goes_on_whole_once_it_is_allowed() -> Result<()> {
    let world = World::start(Issuing::BuiltIn)?;
    world.key_server()?.mode(KeyMode::Delay(LATE));
    let gateway = offered(&world)?;
    let client = gateway.client(world.identity("edge"))?;
    let request = chunked(&world.token("alice")?, "x-sum: 1\r\n").header("x-countersign-principal", "root");
    let answer = client.send(&request)?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = answer.parse()?;
    assert_eq!((&seen["body"], &seen["trailers"]), (&json!("payload"), &json!([["x-sum", "1"]])));
    assert_eq!(principals(&seen["headers"]), ["alice"]);
    assert_eq!(services::header(&seen, "authorization"), None);
    Ok(())
}

#[test]
fn trailers_carry_no_identity_and_no_credential() -> Result<()> {
    let world = World::start(Issuing::BuiltIn)?;
    world.key_server()?.mode(KeyMode::Delay(LATE));
    for start in [EnvoyGateway::start, offered] {
        let gateway = start(&world)?;
        let client = gateway.client(world.identity("edge"))?;
        let trailers = "x-countersign-principal: root\r\nX-Countersign-Roles: admin\r\n\
                        authorization: Bearer a.b.c\r\nx-sum: 1\r\n";
        // The first waits for the keys, the second does not.
        for _ in 0..2 {
            let answer = client.send(&chunked(&world.token("alice")?, trailers))?;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let seen = answer.parse()?;
            assert_eq!((&seen["body"], &seen["trailers"]), (&json!("payload"), &json!([["x-sum", "1"]])));
        }
    }
    Ok(())
}

fn principals(fields: &Value) -> Vec<&str> {
    let all = fields.as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter()
        .filter(|pair| pair[0] == "x-countersign-principal")
        .filter_map(|pair| pair[1].as_str())
        .collect()
}
