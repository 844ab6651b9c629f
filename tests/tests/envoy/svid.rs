//! JWT-SVIDs of two trust domains, whose keys come from their bundle endpoints, on real Envoy with several workers and in the
//! simulator.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use countersign_tests::bundle::{BundleEndpoint, bundle};
use countersign_tests::client::Client;
use countersign_tests::flow::{
    AUDIENCE, EnvoyGateway, Gateway, Issuing, SimulatorGateway, WORKERS, World, both, verdict,
};
use countersign_tests::http::Request;
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::{policies, proof};
use serde_json::{Value, json};

const OURS: &str = "spiffe://bank.example/orchestrator";
const THEIRS: &str = "spiffe://other.example/edge";

const SCHEMA: &str = r#"
entity Workload;
entity Ledger;
action Read appliesTo { principal: Workload, resource: Ledger, context: {} };
"#;

const POLICIES: &str = r#"
@id("ours") permit (principal == Workload::"spiffe://bank.example/orchestrator", action, resource);
@id("theirs") permit (principal == Workload::"spiffe://other.example/edge", action, resource);
"#;

fn configuration() -> Result<Value> {
    let issuer = |domain: &str, cluster: &str| {
        json!({
            "issuer": format!("spiffe://{domain}"), "profile": "jwt_svid", "audiences": [AUDIENCE],
            // What is fetched again in time is fetched because the bundle asks for it.
            "keys": { "remote": {
                "cluster": cluster, "uri": format!("https://spire.{domain}/bundle"), "min_refresh_seconds": 1,
                "refresh_seconds": 3600, "cooldown_seconds": 1,
            } },
            "workload_claim": "sub", "principal": { "type": "Workload" },
        })
    };
    Ok(json!({
        "version": 1,
        "issuers": [issuer("bank.example", "spire"), issuer("other.example", "other-spire")],
        "workload": { "trust_domains": ["bank.example", "other.example"] },
        "routes": [{
            "name": "read", "methods": ["GET"], "path": "/ledger", "action": "Read",
            "resource": { "type": "Ledger", "id": "main" },
        }],
        "policy": { "image": policies::base64(&policies::image(SCHEMA, POLICIES)?) },
    }))
}

/// A JWT-SVID about `workload` under a key of this name, which `key` signs.
fn svid(workload: &str, kid: &str, key: &SigningKey) -> Result<String> {
    let now = mint::now();
    let claims = json!({ "sub": workload, "aud": [AUDIENCE], "iat": now, "exp": now + 300 });
    proof::sign(&json!({ "alg": "ES256", "kid": kid, "typ": "JWT" }), &claims, key)
}

fn send(client: &Client, token: &str) -> Result<(u16, String)> {
    Ok(verdict(&client.send(&Request::get("/ledger").bearer(token))?))
}

fn allowed() -> (u16, String) {
    (200, String::new())
}

fn refused(status: u16, reason: &str) -> (u16, String) {
    (status, reason.to_owned())
}

/// Asks until it is so, and fails where it is not after a while.
fn until(what: &str, mut so: impl FnMut() -> Result<bool>) -> Result<()> {
    let since = Instant::now();
    while !so()? {
        ensure!(since.elapsed() < Duration::from_secs(30), "not so after a while: {what}");
    }
    Ok(())
}

#[test]
fn each_trust_domain_signs_for_itself_alone() -> Result<()> {
    let world = World::start(Issuing::BuiltIn)?;
    // Both have a key of the same name, and one of their own.
    let (ours, own) = (SigningKey::new("k")?, SigningKey::new("ours")?);
    let (theirs, foreign) = (SigningKey::new("k")?, SigningKey::new("theirs")?);
    let bank = BundleEndpoint::start(bundle(1, &world.authority, &[&ours, &own]))?;
    let other = BundleEndpoint::start(bundle(1, &world.foreign, &[&theirs, &foreign]))?;
    let world = world.with_cluster("spire", bank.address()).with_cluster("other-spire", other.address());
    for gateway in both(&world, &configuration()?)? {
        let name = gateway.name();
        let before = world.service.served();
        let (us, them) =
            (gateway.client(world.identity("orchestrator"))?, gateway.client(world.identity("foreign"))?);
        for (client, workload, kid, key, expected) in [
            (&us, OURS, "k", &ours, allowed()),
            (&us, OURS, "ours", &own, allowed()),
            (&them, THEIRS, "k", &theirs, allowed()),
            (&them, THEIRS, "theirs", &foreign, allowed()),
            // One domain's key for a workload of the other.
            (&us, OURS, "k", &theirs, refused(401, "token.signature")),
            (&us, OURS, "ours", &foreign, refused(401, "token.signature")),
            (&us, OURS, "theirs", &foreign, refused(401, "token.key.unknown")),
            (&them, THEIRS, "k", &ours, refused(401, "token.signature")),
            (&them, THEIRS, "ours", &own, refused(401, "token.key.unknown")),
            // A good token that another workload has got hold of.
            (&them, OURS, "k", &ours, refused(403, "binding.workload")),
            (&us, THEIRS, "k", &theirs, refused(403, "binding.workload")),
            (&us, "spiffe://evil.example/edge", "k", &theirs, refused(401, "token.issuer.unknown")),
            (&us, "spiffe://bank.example", "k", &ours, refused(401, "token.spiffe_id")),
        ] {
            let got = send(client, &svid(workload, kid, key)?)?;
            assert_eq!(got, expected, "{name}: {workload} by `{kid}` of {}", key.kid);
        }
        assert_eq!(world.service.served() - before, 4, "{name}: a refused request reached the service");
        let lines = gateway.audit(13)?;
        let principals: Vec<&Value> = lines.iter().take(4).map(|line| &line["principal"]).collect();
        let named = [OURS, OURS, THEIRS, THEIRS].map(|workload| json!(format!("Workload::\"{workload}\"")));
        assert_eq!(principals, named.iter().collect::<Vec<_>>(), "{name}");
    }
    Ok(())
}

/// Starts a gateway of either kind.
type Start = fn(&World, &Value) -> Result<Box<dyn Gateway>>;

#[test]
fn a_trust_domain_rotates_and_no_good_request_is_refused() -> Result<()> {
    let envoy: Start = |world, config| Ok(Box::new(EnvoyGateway::start_workers(world, config, WORKERS)?));
    let simulator: Start = |world, config| Ok(Box::new(SimulatorGateway::start_with(world, config)?));
    for start in [envoy, simulator] {
        let world = World::start(Issuing::BuiltIn)?;
        let (old, new) = (SigningKey::new("old")?, SigningKey::new("new")?);
        let publish = |sequence, keys: &[&SigningKey]| bundle(sequence, &world.authority, keys);
        let bundles = [publish(1, &[&old]), publish(2, &[&old, &new]), publish(3, &[&new])];
        let [first, both, last] = bundles;
        let bank = BundleEndpoint::start(first)?;
        let world = world.with_cluster("spire", bank.address()).with_cluster("other-spire", bank.address());
        let gateway = start(&world, &configuration()?)?;
        let (name, client) = (gateway.name(), gateway.client(world.identity("orchestrator"))?);
        let cached = svid(OURS, "old", &old)?;
        let good = |key: &SigningKey| -> Result<()> {
            let got = send(&client, &svid(OURS, &key.kid, key)?)?;
            ensure!(got == allowed(), "{name}: `{}` got {got:?}", key.kid);
            Ok(())
        };
        good(&old)?;
        ensure!(send(&client, &cached)? == allowed(), "{name}");
        // Published: the old key signs until the bundle has been fetched.
        bank.publish(both);
        until("the bundle with both keys is fetched", || good(&old).map(|()| bank.fetches() > 0))?;
        // Rotated: what was signed with either is good.
        let fetched = bank.fetches();
        until("it is fetched again", || {
            good(&new)?;
            good(&old)?;
            Ok(bank.fetches() > fetched)
        })?;
        // Taken back: what was signed with the old key goes with it, and nothing else.
        bank.publish(last);
        until("the old key is gone", || {
            good(&new)?;
            let (fresh, known) = (send(&client, &svid(OURS, "old", &old)?)?, send(&client, &cached)?);
            for got in [&fresh, &known] {
                let expected = [allowed(), refused(401, "token.key.unknown")];
                ensure!(expected.contains(got), "{name}: {got:?}");
            }
            Ok(fresh.0 == 401 && known.0 == 401)
        })?;
    }
    Ok(())
}

#[test]
fn an_older_bundle_brings_no_key_back() -> Result<()> {
    // One worker, so that what one request shows holds for the next.
    let envoy: Start = |world, config| Ok(Box::new(EnvoyGateway::start_with(world, config)?));
    let simulator: Start = |world, config| Ok(Box::new(SimulatorGateway::start_with(world, config)?));
    for start in [envoy, simulator] {
        let world = World::start(Issuing::BuiltIn)?;
        let (old, new) = (SigningKey::new("old")?, SigningKey::new("new")?);
        let lagging = bundle(7, &world.authority, &[&old, &new]);
        let bank = BundleEndpoint::start(bundle(8, &world.authority, &[&new]))?;
        let world = world.with_cluster("spire", bank.address()).with_cluster("other-spire", bank.address());
        let gateway = start(&world, &configuration()?)?;
        let (name, client) = (gateway.name(), gateway.client(world.identity("orchestrator"))?);
        let asked = |key: &SigningKey| send(&client, &svid(OURS, &key.kid, key)?);
        ensure!(asked(&new)? == allowed(), "{name}: the control");
        bank.publish(lagging);
        until("the older bundle is fetched", || {
            let (good, gone) = (asked(&new)?, asked(&old)?);
            ensure!(good == allowed(), "{name}: {good:?}");
            // The second where the last fetch was of the older bundle, which is no answer.
            let unknown = [refused(401, "token.key.unknown"), refused(503, "system.keys_unavailable")];
            ensure!(unknown.contains(&gone), "{name}: {gone:?}");
            Ok(bank.fetches() > 2)
        })?;
        // The same keys under a greater number are taken.
        bank.publish(bundle(9, &world.authority, &[&old, &new]));
        until("the newer bundle is taken", || Ok(asked(&old)? == allowed()))?;
    }
    Ok(())
}
