//! Tokens that the OpenID provider binds to a key or to a certificate, on real Envoy with several workers and in the simulator.

use anyhow::{Context, Result};
use countersign_tests::flow::{Issuing, WORKERS, World, both, verdict};
use countersign_tests::http::Request;
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::proof::Proof;
use serde_json::{Value, json};

const SCORE: &str = "/v1/tenants/acme/transfers/t-1/score";
const HOST: &str = "https://gateway.bank.example";

fn configured(world: &World, dpop: Value) -> Result<Value> {
    let mut configuration = world.configuration()?;
    configuration["dpop"] = dpop;
    let routes = configuration["routes"].as_array_mut().context("routes")?;
    let score =
        routes.iter_mut().find(|route| route["name"] == "score-transfer").context("score-transfer")?;
    score["binding"] = json!(["dpop", "certificate"]);
    Ok(configuration)
}

fn proof(holder: &SigningKey, token: &str) -> Proof {
    Proof::new(holder, "POST", &format!("{HOST}{SCORE}"), token, mint::now())
}

fn score(token: &str, proof: &str) -> Request {
    Request::new("POST", SCORE).header("authorization", format!("DPoP {token}")).header("dpop", proof)
}

fn allowed() -> (u16, String) {
    (200, String::new())
}

fn refused(reason: &str) -> (u16, String) {
    (401, reason.to_owned())
}

#[test]
fn a_token_bound_to_a_key_serves_with_a_fresh_proof_alone() -> Result<()> {
    let world = World::start(Issuing::Provider)?;
    let (holder, thief) = (SigningKey::new("holder")?, SigningKey::new("thief")?);
    let token = world.bound_token("alice", &holder)?;
    for gateway in both(&world, &configured(&world, json!({}))?)? {
        let (name, client) = (gateway.name(), gateway.client(world.identity("edge"))?);
        let send = |request: &Request| -> Result<_> { Ok(verdict(&client.send(request)?)) };
        let good = proof(&holder, &token).sign(&holder)?;
        assert_eq!(send(&score(&token, &good))?, allowed(), "{name}");
        // Each request is a connection of its own, so that all workers see some of them.
        for _ in 0..4 * WORKERS {
            assert_eq!(send(&score(&token, &good))?, refused("binding.dpop.replayed"), "{name}");
        }
        for _ in 0..2 * WORKERS {
            let fresh = proof(&holder, &token).sign(&holder)?;
            assert_eq!(send(&score(&token, &fresh))?, allowed(), "{name}");
        }
        let own = proof(&thief, &token).sign(&thief)?;
        assert_eq!(send(&score(&token, &own))?, refused("binding.dpop.holder"), "{name}");
        let forged = proof(&holder, &token).sign(&thief)?;
        assert_eq!(send(&score(&token, &forged))?, refused("binding.dpop.signature"), "{name}");
        let bearer = Request::new("POST", SCORE).bearer(&token);
        assert_eq!(send(&bearer)?, refused("binding.dpop.scheme"), "{name}");
        let loose = Request::new("POST", SCORE).bearer(&world.token("alice")?);
        assert_eq!(send(&loose)?, refused("binding.required"), "{name}");
    }
    Ok(())
}

#[test]
fn a_nonce_of_one_worker_serves_at_the_others() -> Result<()> {
    let world = World::start(Issuing::Provider)?;
    let holder = SigningKey::new("holder")?;
    let token = world.bound_token("alice", &holder)?;
    for gateway in both(&world, &configured(&world, json!({ "nonce_seconds": 60 }))?)? {
        let (name, client) = (gateway.name(), gateway.client(world.identity("edge"))?);
        let without = proof(&holder, &token).sign(&holder)?;
        let answer = client.send(&score(&token, &without))?;
        assert_eq!(verdict(&answer), refused("binding.dpop.nonce"), "{name}");
        let nonce = answer.value("dpop-nonce").context("no nonce")?;
        for _ in 0..4 * WORKERS {
            let mut with = proof(&holder, &token);
            with.claims["nonce"] = json!(nonce);
            let answer = client.send(&score(&token, &with.sign(&holder)?))?;
            assert_eq!(verdict(&answer), allowed(), "{name}");
        }
    }
    Ok(())
}

#[test]
fn a_token_bound_to_a_certificate_serves_its_workload_alone() -> Result<()> {
    let world = World::start(Issuing::Provider)?;
    let token = world.certificate_token("alice-certificate", "edge")?;
    for gateway in both(&world, &configured(&world, json!({}))?)? {
        let name = gateway.name();
        let send = |workload: &str| -> Result<_> {
            let client = gateway.client(world.identity(workload))?;
            Ok(verdict(&client.send(&Request::new("POST", SCORE).bearer(&token))?))
        };
        assert_eq!(send("edge")?, allowed(), "{name}");
        assert_eq!(send("orchestrator")?, refused("binding.certificate.mismatch"), "{name}");
        let lines = gateway.audit(2)?;
        assert_eq!(lines.first().map(|line| &line["binding"]), Some(&json!("certificate")), "{name}");
    }
    Ok(())
}
