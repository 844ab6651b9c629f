//! Forwarded callers and API keys in the module, run by the simulator: headers, trailers, and what is logged.

use anyhow::Result;
use countersign_core::crypto::digest::sha256;
use countersign_host_sim::{HeaderMap, Request};
use countersign_tests::simulated::{Bank, ask, audit};
use countersign_tests::world::WORKLOAD;
use serde_json::json;

const PROXY: &str = "spiffe://bank.example/edge-proxy";
const KEY: &str = "csk_gZ2o1hVx0nqJv5mT8cWb3yLrE7uKfA4s-QdNpXiHtRk";

fn bank() -> Result<Bank> {
    let mut bank = Bank::new()?;
    let digest: String = sha256(KEY.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    bank.config["workload"]["forwarded"] = json!({ "peers": [PROXY] });
    bank.config["routes"][0]["credentials"] = json!(["token", "api_key"]);
    bank.config["api_keys"] = json!({ "keys": [{
        "id": "batch", "sha256": digest, "workload": WORKLOAD,
        "principal": { "id": "batch", "roles": ["clerk"], "attributes": { "tenant": "acme" } },
    }] });
    Ok(bank)
}

fn read(peer: &str) -> Request {
    Request::new("GET", "/tenants/acme/accounts/a1")
        .authority("bank.example")
        .property("connection.mtls", true)
        .property("connection.uri_san_peer_certificate", peer)
}

#[test]
fn a_key_by_way_of_a_proxy_is_bound_to_the_caller() -> Result<()> {
    let bank = bank()?;
    let mut host = bank.builder()?.start()?;
    let xfcc = |uri: &str| format!("Hash={};URI={uri}", "0a".repeat(32));
    let good = read(PROXY).header("x-forwarded-client-cert", xfcc(WORKLOAD)).header("x-api-key", KEY);
    let outcome = host.run(&good);
    let message = outcome.forwarded().unwrap_or_else(|| panic!("{outcome:?}"));
    let get = |name: &str| message.headers.get(name.as_bytes()).map(String::from_utf8_lossy);
    assert_eq!(get("x-countersign-workload").as_deref(), Some(WORKLOAD));
    assert_eq!(get("x-countersign-principal").as_deref(), Some("batch"));
    assert_eq!(get("x-countersign-credential").as_deref(), Some("api-key"));
    assert_eq!((get("x-api-key"), get("x-forwarded-client-cert")), (None, None));

    let stranger = xfcc("spiffe://bank.example/stranger");
    for (request, expected) in [
        (read(PROXY).header("x-api-key", KEY), "transport.forwarded.missing"),
        (
            read(PROXY).header("x-forwarded-client-cert", stranger).header("x-api-key", KEY),
            "binding.workload",
        ),
        (
            read("spiffe://bank.example/stranger")
                .header("x-forwarded-client-cert", xfcc(WORKLOAD))
                .header("x-api-key", KEY),
            "binding.workload",
        ),
        (read(WORKLOAD).header("x-api-key", KEY), "allow"),
    ] {
        assert_eq!(ask(&mut host, &request), expected, "{request:?}");
    }
    let lines = host.take_logs();
    assert_eq!(audit(&lines).len(), 5);
    assert!(lines.iter().all(|line| !line.message.contains(KEY)), "the key is in a log");
    Ok(())
}

/// Some servers read trailers as headers.
#[test]
fn trailers_carry_no_key_and_no_word_about_the_caller() -> Result<()> {
    let bank = bank()?;
    let mut host = bank.builder()?.start()?;
    let mut request = read(WORKLOAD).header("x-api-key", KEY).body("load");
    request.trailers = Some(HeaderMap::from_pairs([
        ("x-sum", "1"),
        ("x-api-key", KEY),
        ("X-Api-Key", KEY),
        ("x_api_key", KEY),
        ("x-forwarded-client-cert", "URI=spiffe://bank.example/admin"),
        ("x_forwarded_client_cert", "URI=spiffe://bank.example/admin"),
        ("x-countersign-credential", "token"),
    ]));
    let outcome = host.run(&request);
    let message = outcome.forwarded().unwrap_or_else(|| panic!("{outcome:?}"));
    let left: Vec<_> = message.trailers.iter().collect();
    assert_eq!(left, [(&b"x-sum"[..], &b"1"[..])]);
    Ok(())
}
