//! Tokens of a kind that has rules of its own: JWT-SVIDs, and access tokens of RFC 9068.

use anyhow::Result;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::world::{ISSUER, START};
use serde_json::{Value, json};

use crate::catalogue::{Catalogue, NOT_LOADED};
use crate::delegation::{configured, read};
use crate::forge::{Bench, header, token};

pub(crate) fn add(catalogue: &mut Catalogue) -> Result<()> {
    access_tokens(catalogue)?;
    svids(catalogue)
}

fn access_tokens(catalogue: &mut Catalogue) -> Result<()> {
    let mut bench = Bench::configured(|config| config["issuers"][0]["profile"] = json!("access_token"))?;
    let good = json!({ "client_id": "app", "scope": "a b" });
    let mut verdict = |changes: Value| {
        let mut changed = good.clone();
        for (name, value) in changes.as_object().into_iter().flatten() {
            changed[name] = value.clone();
        }
        bench.claims(changed)
    };
    catalogue.control("access-token/complete", verdict(json!({}))?);
    catalogue.control("access-token/without-scope", verdict(json!({ "scope": null }))?);
    catalogue.control("access-token/with-azp-too", verdict(json!({ "azp": "app" }))?);
    for (id, changes, expected) in [
        ("client-id-missing", json!({ "client_id": null }), "token.claim.missing"),
        ("azp-for-client-id", json!({ "client_id": null, "azp": "app" }), "token.claim.missing"),
        ("sub-missing", json!({ "sub": null }), "token.claim.missing"),
        ("iat-missing", json!({ "iat": null }), "token.claim.missing"),
        ("jti-missing", json!({ "jti": null }), "token.claim.missing"),
        ("exp-missing", json!({ "exp": null }), "token.expiry.missing"),
        ("aud-missing", json!({ "aud": null }), "token.audience"),
        ("aud-the-client", json!({ "aud": "app" }), "token.audience"),
        ("iss-missing", json!({ "iss": null }), "token.issuer.missing"),
        ("client-id-number", json!({ "client_id": 7 }), "token.claims"),
        ("scope-array", json!({ "scope": ["a", "b"] }), "token.claims"),
        ("scope-number", json!({ "scope": 7 }), "token.claims"),
    ] {
        catalogue.attack(format!("access-token/{id}"), expected, verdict(changes)?);
    }
    let claims = mint::with(&bench.world.claims(), good.clone()).to_string();
    for (id, typ) in [("jwt", json!("JWT")), ("logout", json!("logout+jwt")), ("none", Value::Null)] {
        let text = header(json!({ "typ": typ })).to_string();
        catalogue.attack(format!("access-token/typ-{id}"), "token.type", bench.raw(text, &claims)?);
    }
    Ok(())
}

/// A key as a SPIFFE bundle has it (SPIFFE Trust Domain and Bundle §4.2).
fn bundled(key: &SigningKey, purpose: &str) -> Value {
    mint::with(&key.jwk(), json!({ "alg": null, "use": purpose }))
}

fn svids(catalogue: &mut Catalogue) -> Result<()> {
    let key = SigningKey::new("svid")?;
    let issuer = json!({
        "issuer": "spiffe://bank.example", "profile": "jwt_svid", "audiences": ["bank"],
        "keys": { "inline": { "keys": [bundled(&key, "jwt-svid")] } }, "principal": { "type": "Workload" },
    });
    let mut bench = configured(|config| {
        if let Some(issuers) = config["issuers"].as_array_mut() {
            issuers.push(issuer.clone());
        }
        config["context"] = json!({});
    })?;
    let head = json!({ "alg": "ES256", "kid": "svid" });
    let claims = json!({ "sub": "spiffe://bank.example/job", "aud": ["bank"], "exp": START + 60 });
    let mut verdict = |head: &Value, claims: &Value| -> Result<String> {
        let text = token(&key, head.to_string(), claims.to_string())?;
        Ok(read(&mut bench, "a1", &text))
    };
    for (id, typ) in [("without-typ", Value::Null), ("typ-jwt", json!("JWT")), ("typ-jose", json!("JOSE"))] {
        catalogue.control(format!("svid/{id}"), verdict(&mint::with(&head, json!({ "typ": typ })), &claims)?);
    }
    for (id, changes, expected) in [
        ("typ-in-small-letters", json!({ "typ": "jwt" }), "token.type"),
        ("typ-with-its-prefix", json!({ "typ": "application/JWT" }), "token.type"),
        ("typ-of-an-access-token", json!({ "typ": "at+jwt" }), "token.type"),
        ("typ-empty", json!({ "typ": "" }), "token.type"),
        ("jku", json!({ "jku": "https://evil.example" }), "token.header"),
        ("jwk", json!({ "jwk": {} }), "token.header"),
        ("x5c", json!({ "x5c": [] }), "token.header"),
        ("cty", json!({ "cty": "JWT" }), "token.header"),
        ("private-member", json!({ "bank.example/x": 1 }), "token.header"),
        ("alg-eddsa", json!({ "alg": "EdDSA" }), "token.algorithm"),
        ("alg-hmac", json!({ "alg": "HS256" }), "token.algorithm"),
        ("alg-none", json!({ "alg": "none" }), "token.algorithm"),
        ("crit", json!({ "crit": ["x"], "x": 1 }), "token.critical"),
        ("kid-unknown", json!({ "kid": "k1" }), "token.key.unknown"),
    ] {
        catalogue.attack(format!("svid/{id}"), expected, verdict(&mint::with(&head, changes), &claims)?);
    }
    let sub = |sub: &str| json!({ "sub": sub });
    const NOT_OURS: &str = "token.issuer.missing";
    const FOREIGN: &str = "token.issuer.unknown";
    for (id, changes, expected) in [
        ("sub-missing", json!({ "sub": null }), NOT_OURS),
        ("sub-of-another-domain", sub("spiffe://evil.example/job"), FOREIGN),
        ("sub-of-a-longer-domain", sub("spiffe://bank.example.evil.example/job"), FOREIGN),
        ("sub-of-a-subdomain", sub("spiffe://a.bank.example/job"), FOREIGN),
        ("sub-scheme-in-capitals", sub("SPIFFE://bank.example/job"), NOT_OURS),
        ("sub-domain-in-capitals", sub("spiffe://BANK.example/job"), NOT_OURS),
        ("sub-with-a-port", sub("spiffe://bank.example:443/job"), NOT_OURS),
        ("sub-with-userinfo", sub("spiffe://a@bank.example/job"), NOT_OURS),
        ("sub-with-a-query", sub("spiffe://bank.example/job?x"), NOT_OURS),
        ("sub-with-a-fragment", sub("spiffe://bank.example/job#x"), NOT_OURS),
        ("sub-escaped", sub("spiffe://bank.example/%6Aob"), NOT_OURS),
        ("sub-slash-behind", sub("spiffe://bank.example/job/"), NOT_OURS),
        ("sub-two-slashes", sub("spiffe://bank.example//job"), NOT_OURS),
        ("sub-dot-segment", sub("spiffe://bank.example/x/../job"), NOT_OURS),
        ("sub-nul", sub("spiffe://bank.example/job\0"), NOT_OURS),
        ("sub-too-long", sub(&format!("spiffe://bank.example/{}", "a".repeat(2_048))), NOT_OURS),
        ("sub-no-id", sub("job"), NOT_OURS),
        ("sub-the-domain", sub("spiffe://bank.example"), "token.spiffe_id"),
        ("sub-the-domain-and-a-slash", sub("spiffe://bank.example/"), NOT_OURS),
        ("sub-another-workload", sub("spiffe://bank.example/other"), "policy.not_permitted"),
        ("sub-number", json!({ "sub": 1 }), "token.claims"),
        ("aud-missing", json!({ "aud": null }), "token.audience"),
        ("aud-empty", json!({ "aud": [] }), "token.audience"),
        ("aud-another", json!({ "aud": ["other"] }), "token.audience"),
        ("exp-missing", json!({ "exp": null }), "token.expiry.missing"),
        ("expired", json!({ "exp": START - 31 }), "token.expired"),
        (
            "iss-ours-sub-of-another-domain",
            json!({ "iss": "spiffe://bank.example", "sub": "spiffe://evil.example/x" }),
            "token.spiffe_id",
        ),
        ("iss-ours-sub-a-user", json!({ "iss": "spiffe://bank.example", "sub": "alice" }), "token.spiffe_id"),
        ("iss-of-another-issuer", json!({ "iss": ISSUER }), "token.key.unknown"),
    ] {
        catalogue.attack(format!("svid/{id}"), expected, verdict(&head, &mint::with(&claims, changes))?);
    }
    let by_user_issuer = bench.world.key.sign(&claims)?;
    let found = read(&mut bench, "a1", &by_user_issuer);
    catalogue.attack("svid/by-another-issuers-key", "token.key.unknown", found);
    let pair = rcgen::KeyPair::from_pem(&key.pem)?;
    let certificate = rcgen::CertificateParams::new(Vec::new())?.self_signed(&pair)?;
    let certificate = BASE64_STANDARD.encode(certificate.der());
    let decoy = bundled(&SigningKey::new("decoy")?, "jwt-svid");
    for (id, purpose) in [("x509-svid", "x509-svid"), ("other-signatures", "sig"), ("encrypting", "enc")] {
        let mut entry = bundled(&key, purpose);
        entry["x5c"] = json!([certificate]);
        let mut changed = issuer.clone();
        changed["keys"]["inline"]["keys"] = json!([decoy, entry]);
        let loaded = configured(|config| {
            if let Some(issuers) = config["issuers"].as_array_mut() {
                issuers.push(changed);
            }
            config["context"] = json!({});
        });
        let found = match loaded {
            Ok(mut bench) => read(&mut bench, "a1", &token(&key, head.to_string(), claims.to_string())?),
            Err(error) => format!("{error:#}"),
        };
        catalogue.attack(format!("svid/key-for-{id}"), "token.key.unknown", found);
    }
    for (id, name, value) in [
        ("bundle-without-keys-for-tokens", "keys", json!({ "inline": { "keys": [bundled(&key, "sig")] } })),
        ("issuer-that-is-no-domain", "issuer", json!("https://bank.example")),
        ("issuer-with-a-path", "issuer", json!("spiffe://bank.example/x")),
        ("algorithms-with-eddsa", "algorithms", json!(["EdDSA"])),
        ("types-of-its-own", "token_types", json!(["at+jwt"])),
    ] {
        let mut changed = issuer.clone();
        changed[name] = value;
        let loaded = configured(|config| {
            if let Some(issuers) = config["issuers"].as_array_mut() {
                issuers.push(changed);
            }
        });
        let found = if loaded.is_err() { NOT_LOADED } else { "loaded" };
        catalogue.attack(format!("svid/{id}"), NOT_LOADED, found);
    }
    Ok(())
}
