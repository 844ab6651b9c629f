//! What others had to publish, replayed by name. `SECURITY.md` tells the tests of the whole pipeline beside these.

use anyhow::{Context as _, Result};
use countersign_core::exchange::Event;
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::world::{Ask, START, World};
use serde_json::{Value, json};

use crate::catalogue::{Catalogue, NOT_LOADED, STRIPPED};
use crate::forge::{self, Bench, b64, header, parts, signed_by, sound, token};

pub(crate) fn add(catalogue: &mut Catalogue) -> Result<()> {
    let mut bench = Bench::new()?;
    paths(catalogue, &mut bench)?;
    headers(catalogue, &mut bench)?;
    fetches(catalogue)?;
    tokens(catalogue, &mut bench)?;
    libraries(catalogue, &mut bench)
}

fn paths(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let token = bench.world.token()?;
    for (id, path) in [
        ("CVE-2026-73511-path-parameter", "/tenants/acme/accounts/a1;x=y"),
        ("CVE-2026-73553-parameter-in-a-dot-segment", "/tenants/other/..;/acme/accounts/a1"),
        ("CVE-2026-26205-two-slashes-first", "//tenants/acme/accounts/a1"),
        ("CVE-2021-29492-escaped-slash", "/tenants/acme%2Faccounts/a1"),
        ("CVE-2021-29492-escaped-backslash", "/tenants/acme%5caccounts/a1"),
        ("CVE-2021-31920-slashes-in-a-row", "/tenants/acme///accounts/a1"),
        ("CVE-2021-32779-fragment", "/tenants/acme/accounts/a1#/../admin"),
        ("CVE-2021-39156-fragment-last", "/tenants/acme/accounts/a1#"),
        ("GHSA-3q34-rx83-r6mq-escaped-dot-segments", "/tenants/other/%2e%2e/acme/accounts/a1"),
    ] {
        let found = bench.ask(&Ask::new("GET", path).bearer(&token));
        catalogue.attack(format!("advisory/{id}"), "request.path.invalid", found);
    }
    // CVE-2021-39155: a host's case is no difference, and takes nobody round a policy that shuts one.
    for (host, closed) in [
        ("bank.example", false),
        ("bAnK.eXaMpLe", false),
        ("closed.bank.example", true),
        ("CLOSED.bank.example", true),
        ("cLoSeD.BaNk.ExAmPlE", true),
    ] {
        let mut ask = Ask::read().bearer(&token);
        for (name, value) in &mut ask.headers {
            if name == b":authority" {
                *value = host.into();
            }
        }
        let (id, found) = (format!("advisory/CVE-2021-39155-{host}"), bench.ask(&ask));
        match closed {
            true => catalogue.attack(id, "policy.forbidden", found),
            false => catalogue.control(id, found),
        }
    }
    Ok(())
}

fn headers(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let good = Ask::read().bearer(&bench.world.token()?);
    let joined = good.clone().header("x-purpose", "service").header("x-purpose", "marketing");
    let found = bench.ask(&joined);
    catalogue.attack("advisory/CVE-2026-26308-repeated-header", "request.header.duplicate", found);
    for (id, name) in [
        ("CVE-2023-27487-internal-header", "x-countersign-principal"),
        ("CVE-2023-27487-internal-header-in-disguise", "X_Countersign_Principal"),
        ("CVE-2024-45806-word-on-the-connection", "x-countersign-workload"),
    ] {
        let answer = bench.world.ask(&good.clone().header(name, "root"));
        let gone = answer.edits.iter().flat_map(|edits| &edits.remove).any(|gone| **gone == *name.as_bytes());
        let found = if gone && sound(&answer) == "allow" { STRIPPED } else { "forwarded" };
        catalogue.attack(format!("advisory/{id}"), STRIPPED, found);
    }
    let found = bench.ask(&good.clone().header("x-purpose", vec![0xff, 0xfe]));
    catalogue.attack("advisory/CVE-2023-27488-header-not-utf-8", "request.header.invalid", found);
    let nul = good.clone().from_peer(Some(b"spiffe://bank.example/a\0.evil.example/x"));
    let found = bench.ask(&nul);
    catalogue.attack(
        "advisory/CVE-2025-66220-nul-in-the-certificates-name",
        "transport.workload.invalid",
        found,
    );
    let absent = bench.ask(&Ask::new("PUT", "/accounts/a1/sync").from_peer(None));
    catalogue.attack(
        "advisory/ISTIO-SECURITY-2021-004-absent-identity",
        "transport.workload.missing",
        absent,
    );
    // A log line's end in a header that is logged.
    let subject = json!({ "sub": "a\",\"decision\":\"deny\"}\n{\"x\":\"" });
    let token = bench.world.key.sign(&mint::with(&bench.world.claims(), subject.clone()))?;
    let answer = bench.world.ask(&Ask::read().bearer(&token));
    let logged = answer.audit.as_ref().map(|audit| (audit["subject"].clone(), audit["decision"].clone()));
    let safe = logged == Some((subject["sub"].clone(), json!("allow")));
    let found = if safe { STRIPPED } else { "another line" };
    catalogue.attack("advisory/CVE-2024-45808-log-injection", STRIPPED, found);
    let unknown = Bench::configured(|config| config["routes"][0]["not_methods"] = json!(["GET"]));
    let found = if unknown.is_err() { NOT_LOADED } else { "loaded" };
    catalogue.attack("advisory/CVE-2022-21679-unknown-field", NOT_LOADED, found);
    Ok(())
}

fn fetches(catalogue: &mut Catalogue) -> Result<()> {
    let mut world = World::with_remote_keys()?;
    let ask = Ask::read().bearer(&world.token()?);
    let (mut first, _) = world.begin(&ask);
    let (mut second, _) = world.begin(&ask);
    let (mut gone, _) = world.begin(&ask);
    let fetch = world.fetch().context("a fetch")?;
    let left = world.event(&mut gone, Event::Dropped);
    let found = if left.edits.is_none() { left.verdict() } else { "forwarded" };
    catalogue.attack("advisory/CVE-2024-45809-client-gone-mid-fetch", "system.client_gone", found);
    world.answer(&fetch, None);
    for (place, exchange) in [&mut first, &mut second].into_iter().enumerate() {
        let found = sound(&world.event(exchange, Event::Settled));
        let id = format!("advisory/CVE-2025-64527-failing-fetch-of-{place}");
        catalogue.attack(id, "system.keys_unavailable", found);
    }
    let mut world = crate::keys::fetched()?;
    let address = mint::with(&world.claims(), json!({ "iss": "https://evil.example/jwks" }));
    let stranger = SigningKey::new("evil")?.sign(&address)?;
    let found = sound(&world.ask(&Ask::read().bearer(&stranger)));
    let asked = world.fetch().is_some();
    let found = if asked { "a fetch".to_owned() } else { found };
    catalogue.attack("advisory/CVE-2026-32301-address-of-keys-in-a-claim", "token.issuer.unknown", found);
    Ok(())
}

fn tokens(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let good = bench.world.token()?;
    let missing = bench.ask(&Ask::read());
    catalogue.attack("advisory/CVE-2021-21378-missing", "token.missing", missing);
    let unknown = bench.claims(json!({ "iss": "https://evil.example" }))?;
    catalogue.attack("advisory/CVE-2021-21378-unknown-issuer", "token.issuer.unknown", unknown);
    catalogue.attack("advisory/CVE-2022-29226-any-token", "token.malformed", bench.bearer("anything"));
    for (id, changes) in
        [("exp", json!({ "exp": (START + 300).to_string() })), ("nbf", json!({ "nbf": START.to_string() }))]
    {
        let id = format!("advisory/CVE-2026-25537-{id}-of-the-wrong-type");
        catalogue.attack(id, "token.claims", bench.claims(changes)?);
    }
    let critical = header(json!({ "crit": ["bork"], "bork": "x" })).to_string();
    catalogue.attack("advisory/CVE-2025-59420-unknown-crit", "token.critical", bench.header(critical)?);
    let zeros = mint::with_signature(&good, &[0; 64])?;
    catalogue.attack("advisory/CVE-2022-21449-zeros", "token.signature", bench.bearer(&zeros));
    catalogue.control("advisory/CVE-2026-52869-own-session", bench.bearer(&good));
    let bob = mint::tamper(&good, json!({ "sub": "bob" }))?;
    catalogue.attack("advisory/CVE-2026-52869-session-of-another", "token.signature", bench.bearer(&bob));
    // Two parameters that join to one id under a MAC, or in a resource.
    let joined =
        Bench::configured(|config| config["routes"][0]["resource"]["id"] = json!("{tenant}{account}"));
    let found = if joined.is_err() { NOT_LOADED } else { "loaded" };
    catalogue.attack("advisory/CVE-2023-35941-ambiguous-concatenation", NOT_LOADED, found);
    Ok(())
}

/// Of libraries for tokens.
fn libraries(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let good = bench.world.token()?;
    let [h, p, s] = parts(&good)?;
    let own = SigningKey::new("k1")?;
    let claims = bench.world.claims();
    let unsigned = header(json!({ "alg": "none" }));
    let text = format!("{}.{p}.", b64(unsigned.to_string()));
    catalogue.attack("advisory/CVE-2015-9235-alg-none", "token.algorithm", bench.bearer(&text));
    let hmac = signed_by(&header(json!({ "alg": "HS256" })), &claims, |message| {
        let secret = jsonwebtoken::EncodingKey::from_secret(bench.world.key.jwk().to_string().as_bytes());
        forge::unb64(&jsonwebtoken::crypto::sign(message, &secret, jsonwebtoken::Algorithm::HS256)?)
    })?;
    catalogue.attack("advisory/CVE-2016-5431-public-key-as-secret", "token.algorithm", bench.bearer(&hmac));
    let embedded = header(json!({ "jwk": own.jwk() })).to_string();
    let text = token(&own, embedded, claims.to_string())?;
    catalogue.attack("advisory/CVE-2018-0114-key-in-the-header", "token.signature", bench.bearer(&text));
    let empty = format!("{h}.{p}.");
    catalogue.attack("advisory/CVE-2020-28042-empty-signature", "token.malformed", bench.bearer(&empty));
    let mixed = format!(r#"{{"  {h}.{p}.":"","protected":"{h}","payload":"{p}","signature":"{s}"}}"#);
    catalogue.attack("advisory/CVE-2022-39227-json-and-compact", "token.malformed", bench.bearer(&mixed));
    let ssh = Value::from("ssh-ed25519 AAAA");
    let confused = signed_by(&header(json!({ "alg": "HS512" })), &claims, |message| {
        let secret = jsonwebtoken::EncodingKey::from_secret(ssh.to_string().as_bytes());
        forge::unb64(&jsonwebtoken::crypto::sign(message, &secret, jsonwebtoken::Algorithm::HS512)?)
    })?;
    catalogue.attack("advisory/CVE-2022-29217-key-confusion", "token.algorithm", bench.bearer(&confused));
    Ok(())
}
