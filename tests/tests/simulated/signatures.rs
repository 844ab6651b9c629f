//! A host that lends its verification of signatures, or lies about it, in the simulator: the decisions are the same.

use std::time::Duration;

use anyhow::Result;
use countersign_host_sim::{Host, HostCall, Lending};
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::simulated::{Bank, ask, request};
use jsonwebtoken::Algorithm;
use serde_json::json;

/// What hosts may lend of those that are minted here, and PS256, which none does.
const ALGORITHMS: [(Algorithm, &str, bool); 6] = [
    (Algorithm::ES256, "es256", true),
    (Algorithm::ES384, "es384", true),
    (Algorithm::RS256, "rs256", true),
    (Algorithm::RS384, "rs384", true),
    (Algorithm::RS512, "rs512", true),
    (Algorithm::PS256, "ps256", false),
];

/// A bank whose issuer has a key of each algorithm.
struct Signed {
    bank: Bank,
    keys: Vec<SigningKey>,
}

impl Signed {
    fn new() -> Result<Self> {
        let mut bank = Bank::new()?;
        let keys = ALGORITHMS
            .iter()
            .map(|(algorithm, name, _)| SigningKey::of(name, *algorithm))
            .collect::<Result<Vec<_>>>()?;
        bank.config["issuers"][0]["keys"] = json!({ "inline": mint::jwks(&keys) });
        bank.config["issuers"][0]["algorithms"] =
            ALGORITHMS.iter().map(|(algorithm, _, _)| json!(algorithm)).collect();
        Ok(Self { bank, keys })
    }

    fn start(&self, lending: Lending) -> Result<Host> {
        Ok(self.bank.builder()?.lending(lending).start()?)
    }

    /// Tokens of a key with the verdict that each must get.
    fn tokens(&self, key: &SigningKey) -> Result<Vec<(&'static str, String)>> {
        let good = key.sign(&self.bank.claims())?;
        let length = good.rsplit('.').next().unwrap_or_default().len() * 3 / 4;
        let other =
            self.keys.iter().find(|other| other.kid != key.kid && other.jwk()["kty"] == key.jwk()["kty"]);
        let mut tokens = vec![
            ("token.signature", mint::break_signature(&good, 0)?),
            ("token.signature", mint::break_signature(&good, length - 1)?),
            ("token.signature", mint::tamper(&good, json!({ "roles": ["admin"] }))?),
            ("token.signature", mint::with_signature(&good, &vec![0; length])?),
            ("token.signature", mint::with_signature(&good, &vec![0xff; length])?),
            ("token.signature", mint::with_signature(&good, &[0x30, 6, 2, 1, 0, 2, 1, 0])?),
            ("token.signature", mint::with_signature(&good, &[1])?),
            (
                "token.expired",
                key.sign(&mint::with(&self.bank.claims(), json!({ "exp": 1_000, "iat": 900 })))?,
            ),
            ("allow", good),
        ];
        if let Some(other) = other {
            tokens.push(("token.algorithm", other.sign_as(&key.kid, &self.bank.claims())?));
        }
        Ok(tokens)
    }

    fn asked(&self, host: &mut Host) -> Result<()> {
        for key in &self.keys {
            for (expected, token) in self.tokens(key)? {
                assert_eq!(ask(host, &request("GET", &token)), expected, "{}: {token}", key.kid);
            }
        }
        Ok(())
    }
}

fn by_host(host: &Host, algorithm: &str) -> Option<u64> {
    host.metrics().gauge(&format!("countersign.signatures.by_host.{algorithm}"))
}

fn failed(host: &Host) -> u64 {
    host.metrics().counter("countersign.signatures.host_failed")
}

#[test]
fn an_honest_host_verifies_what_it_can() -> Result<()> {
    let signed = Signed::new()?;
    let mut host = signed.start(Lending::AsProfile)?;
    for (_, name, lent) in ALGORITHMS {
        assert_eq!(by_host(&host, name), Some(lent.into()), "{name}");
    }
    // No issuer uses it, so nobody asked.
    assert_eq!(by_host(&host, "eddsa"), Some(0));
    signed.asked(&mut host)?;
    host.advance(Duration::from_secs(2));
    assert_eq!(failed(&host), 0);
    Ok(())
}

#[test]
fn a_host_that_lies_or_fails_is_not_used() -> Result<()> {
    let signed = Signed::new()?;
    for lending in
        [Lending::Absent, Lending::AcceptsAll, Lending::RefusesAll, Lending::Fails, Lending::Garbles]
    {
        let mut host = signed.start(lending)?;
        for (_, name, _) in ALGORITHMS {
            assert_eq!(by_host(&host, name), Some(0), "{lending:?} {name}");
        }
        signed.asked(&mut host)?;
        host.advance(Duration::from_secs(2));
        assert_eq!(failed(&host), 0, "{lending:?}");
    }
    Ok(())
}

#[test]
fn a_host_that_fails_later_loses_its_trust() -> Result<()> {
    let signed = Signed::new()?;
    let mut host = signed.start(Lending::AsProfile)?;
    signed.asked(&mut host)?;
    host.fail_at(0, HostCall::proxy_call_foreign_function, 10);
    let (key, claims) = (&signed.keys[0], signed.bank.claims());
    let fresh = |n: i64| key.sign(&mint::with(&claims, json!({ "jti": n.to_string() })));
    assert_eq!(ask(&mut host, &request("GET", &fresh(1)?)), "allow");
    assert_eq!(ask(&mut host, &request("GET", &mint::break_signature(&fresh(2)?, 9)?)), "token.signature");
    host.advance(Duration::from_secs(2));
    assert_eq!((failed(&host), by_host(&host, "es256"), by_host(&host, "rs256")), (1, Some(0), Some(1)));
    let logs = host.take_logs();
    let told = logs.iter().filter(|line| line.message.contains("verification of ES256 failed")).count();
    assert_eq!(told, 1, "{logs:?}");

    // Mended or not, it is not asked again for ES256.
    host.mend(0);
    assert_eq!(ask(&mut host, &request("GET", &fresh(3)?)), "allow");
    host.fail_at(0, HostCall::proxy_call_foreign_function, 10);
    assert_eq!(ask(&mut host, &request("GET", &fresh(4)?)), "allow");
    host.advance(Duration::from_secs(2));
    assert_eq!((failed(&host), by_host(&host, "es256"), by_host(&host, "rs256")), (1, Some(0), Some(1)));
    Ok(())
}
