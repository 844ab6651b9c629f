//! Envoy lends its own verification: which algorithms it takes over, and that it refuses what it should.

use anyhow::Result;
use countersign_tests::flow::{EnvoyGateway, Gateway, Issuing, World};
use countersign_tests::http::Request;
use countersign_tests::mint::{self, SigningKey};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

const SCORE: &str = "/v1/tenants/acme/transfers/t-1/score";

/// What is minted here, and whether Envoy verifies it.
const ALGORITHMS: [(Algorithm, bool); 8] = [
    (Algorithm::ES256, true),
    (Algorithm::ES384, true),
    (Algorithm::RS256, true),
    (Algorithm::RS384, true),
    (Algorithm::RS512, true),
    (Algorithm::PS256, false),
    (Algorithm::PS384, false),
    (Algorithm::PS512, false),
];

#[test]
fn envoy_verifies_ecdsa_and_rsa_and_refuses_what_is_forged() -> Result<()> {
    let world = World::start(Issuing::BuiltIn)?;
    let keys = ALGORITHMS
        .iter()
        .map(|(algorithm, _)| SigningKey::of(&format!("{algorithm:?}"), *algorithm))
        .collect::<Result<Vec<_>>>()?;
    let mut configuration = world.configuration()?;
    let mut algorithms: Vec<Value> = ALGORITHMS.iter().map(|(algorithm, _)| json!(algorithm)).collect();
    // Those have no key here, and are examined all the same.
    algorithms.extend([json!("ES512"), json!("EdDSA")]);
    configuration["issuers"][0]["algorithms"] = algorithms.into();
    configuration["issuers"][0]["keys"] = json!({ "inline": mint::jwks(&keys) });
    let gateway = EnvoyGateway::start_with(&world, &configuration)?;
    let by_host = |name: &str| {
        gateway.envoy.stat(&format!("wasmcustom.countersign.signatures.by_host.{}", name.to_lowercase()))
    };
    for (algorithm, lent) in ALGORITHMS {
        assert_eq!(by_host(&format!("{algorithm:?}"))?, u64::from(lent), "{algorithm:?}");
    }
    assert_eq!((by_host("ES512")?, by_host("EdDSA")?), (1, 0));

    let client = gateway.client(world.identity("edge"))?;
    let claims = world.claims("alice")?;
    let answer = |token: &str| -> Result<(u16, Value)> {
        let answer = client.send(&Request::new("POST", SCORE).bearer(token))?;
        Ok((answer.status, answer.parse()?["reason"].clone()))
    };
    for key in &keys {
        let kid = &key.kid;
        let good = key.sign(&claims)?;
        for bad in [
            mint::tamper(&good, json!({ "roles": ["senior-analyst"] }))?,
            mint::break_signature(&good, 0)?,
            mint::break_signature(&good, 60)?,
            mint::with_signature(&good, &[0; 64])?,
            mint::with_signature(&good, &[0; 256])?,
        ] {
            assert_eq!(answer(&bad)?, (401, json!("token.signature")), "{kid}: {bad}");
        }
        let served = world.service.served();
        assert_eq!(answer(&good)?, (200, Value::Null), "{kid}: the control");
        assert_eq!(world.service.served(), served + 1);
    }
    assert_eq!(gateway.envoy.stat("wasmcustom.countersign.signatures.host_failed")?, 0);
    Ok(())
}
