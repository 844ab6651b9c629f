//! Requests that took a path round other gateways, on real Envoy: none may reach the service.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use countersign_tests::flow::{EnvoyGateway, Gateway, Issuing, World};
use countersign_tests::http::Request;
use serde_json::json;

const SCORE: &str = "/v1/tenants/acme/transfers/t-1/score";

/// Envoy, Istio, OPA and heimdall have each forwarded one of these by a rule that did not hold for it:
/// CVE-2026-73511, -73553, CVE-2026-26205, CVE-2021-29492, -31920, -32779, -39155, -39156, GHSA-3q34-rx83-r6mq.
#[test]
fn ambiguous_paths_are_refused() -> Result<()> {
    let world = World::start(Issuing::BuiltIn)?;
    let gateway = EnvoyGateway::start(&world)?;
    let client = gateway.client(world.identity("edge"))?;
    let token = world.token("alice")?;
    for path in [
        "//v1/tenants/acme/transfers/t-1/score",
        "/v1//tenants/acme/transfers/t-1/score",
        "/v1/./tenants/acme/transfers/t-1/score",
        "/v1/x/../tenants/acme/transfers/t-1/score",
        "/v1/tenants/globex/..%2Facme/transfers/t-1/score",
        "/v1/tenants/acme%2Ftransfers/t-1/score",
        "/v1/tenants/acme/transfers/t-1%5Cx/score",
        "/v1/tenants/acme/transfers/t-1;x=y/score",
        "/v1/tenants/acme;/transfers/t-1/score",
        "/v1/tenants/acme/transfers/t-1/score/",
        "/v1/tenants/acme/transfers/t-1/score#/healthz",
        "/healthz/../v1/tenants/acme/transfers/t-1/score",
        "/healthz;/../v1/tenants/acme/transfers/t-1/score",
        "/healthz%2F..%2Fv1",
        "/v1/tenants/%61cme/transfers/t-1/score",
        "/v1/tenants/acme/transfers/t-1/%2e%2e/score",
        "/v1/tenants/acme/transfers/t-1/score%00",
        "/v1/tenants/acme/transfers/%ff/score",
        "/V1/tenants/acme/transfers/t-1/score",
        "http://evil.example/healthz/../v1",
    ] {
        let answer = client.send(&Request::new("POST", path).bearer(&token))?;
        assert!(matches!(answer.status, 400 | 403 | 404), "{path}: {} {}", answer.status, answer.text());
    }
    assert_eq!(world.service.served(), 0, "a refused request reached the service");
    assert_eq!(client.send(&Request::new("POST", SCORE).bearer(&token))?.status, 200, "the control");
    Ok(())
}

#[test]
fn ambiguous_headers_are_refused() -> Result<()> {
    let world = World::start(Issuing::BuiltIn)?;
    let gateway = EnvoyGateway::start(&world)?;
    let client = gateway.client(world.identity("fraud-model"))?;
    let (alice, ben) = (world.token("alice")?, world.token("ben")?);
    let read = || Request::get("/internal/features/transfer-velocity");
    let good = || read().bearer(&alice).header("x-purpose", "fraud-scoring");
    for (what, request) in [
        // Envoy joins the two before a filter sees them.
        ("two tokens", good().bearer(&ben)),
        ("a token twice", good().bearer(&alice)),
        ("two schemes in one", read().header("authorization", format!("Basic eDp5, Bearer {alice}"))),
        ("no space", read().header("authorization", format!("Bearer{alice}"))),
        ("a token in quotes", read().header("authorization", format!("Bearer \"{alice}\""))),
        // CVE-2026-26308: repeated headers joined before matching.
        ("two purposes", good().header("x-purpose", "fraud-scoring")),
        // CVE-2023-27488: a header that is not UTF-8 failed the check, and the request went through.
        ("bytes that are not UTF-8", read().bearer(&alice).header("x-purpose", b"fraud-scoring\xff")),
        ("bytes that are not UTF-8 beside a good one", good().header("X-Purpose", b"\xff\xfe")),
        ("a token that is not UTF-8", read().header("authorization", b"Bearer \xff\xfe.a.b")),
    ] {
        let answer = client.send(&request)?;
        assert!(matches!(answer.status, 400 | 401 | 403), "{what}: {} {}", answer.status, answer.text());
        if answer.status == 401 {
            let challenge = answer.value("www-authenticate").unwrap_or_default();
            assert!(challenge.starts_with("Bearer realm="), "{what}: `{challenge}`");
        }
    }
    assert_eq!(world.service.served(), 0, "a refused request reached the service");
    assert_eq!(client.send(&good())?.status, 200, "the control");
    Ok(())
}

#[test]
fn refusals_and_allows_are_counted() -> Result<()> {
    let world = World::start(Issuing::BuiltIn)?;
    let gateway = EnvoyGateway::start(&world)?;
    let client = gateway.client(world.identity("edge"))?;
    let token = world.token("alice")?;
    for _ in 0..3 {
        assert_eq!(client.send(&Request::new("POST", SCORE).bearer(&token))?.status, 200);
    }
    let expired = world.sign("alice", json!({ "iat": 1_000, "exp": 2_000 }))?;
    assert_eq!(client.send(&Request::new("POST", SCORE).bearer(&expired))?.status, 401);
    let expected = [
        ("wasmcustom.countersign.allowed", 3),
        ("wasmcustom.countersign.refused.token.expired", 1),
        ("wasmcustom.countersign.token_cache.hit", 2),
    ];
    // The filter hands its counts over with its tick.
    let since = Instant::now();
    loop {
        let found = expected.map(|(name, _)| gateway.envoy.stat(name).map(|count| (name, count)));
        let found = found.into_iter().collect::<Result<Vec<_>>>()?;
        if found == expected {
            return Ok(());
        }
        ensure!(since.elapsed() < Duration::from_secs(10), "expected {expected:?}, found {found:?}");
        thread::sleep(Duration::from_millis(50));
    }
}
