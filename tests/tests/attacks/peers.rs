//! Who is at the other end: SPIFFE IDs of certificates, tokens bound to certificates, and what clients say of themselves.

use anyhow::Result;
use countersign_tests::mint;
use countersign_tests::world::{Ask, WORKLOAD};
use serde_json::{Value, json};

use crate::catalogue::{Catalogue, NOT_LOADED, STRIPPED};
use crate::forge::{Bench, b64, sound};

pub(crate) fn add(catalogue: &mut Catalogue) -> Result<()> {
    let mut bench = Bench::new()?;
    ids(catalogue, &mut bench)?;
    optional(catalogue)?;
    principals(catalogue, &mut bench)?;
    certificates(catalogue, &mut bench)?;
    workloads(catalogue)?;
    claimed(catalogue, &mut bench)?;
    domains(catalogue);
    Ok(())
}

fn ids(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let token = bench.world.token()?;
    let ask = |peer: &[u8]| Ask::read().bearer(&token).from_peer(Some(peer));
    let long = |bytes: usize| format!("spiffe://bank.example/{}", "a".repeat(bytes - 22));
    for (id, peer) in [
        ("path", "spiffe://bank.example/edge".to_owned()),
        ("deep-path", "spiffe://bank.example/ns/a/sa/B_c-1.2".into()),
        ("three-dots", "spiffe://bank.example/...".into()),
        ("of-2048-bytes", long(2_048)),
    ] {
        catalogue.control(format!("peer/id-{id}"), bench.ask(&ask(peer.as_bytes())));
    }
    let invalid: [(&str, Vec<u8>); 45] = [
        ("empty", b"".to_vec()),
        ("scheme-alone", b"spiffe://".to_vec()),
        ("scheme-in-capitals", b"SPIFFE://bank.example/edge".to_vec()),
        ("scheme-capitalized", b"Spiffe://bank.example/edge".to_vec()),
        ("scheme-https", b"https://bank.example/edge".to_vec()),
        ("scheme-longer", b"spiffes://bank.example/edge".to_vec()),
        ("one-slash", b"spiffe:/bank.example/edge".to_vec()),
        ("no-slashes", b"spiffe:bank.example/edge".to_vec()),
        ("three-slashes", b"spiffe:///bank.example/edge".to_vec()),
        ("without-scheme", b"bank.example/edge".to_vec()),
        ("domain-in-capitals", b"spiffe://Bank.Example/edge".to_vec()),
        ("domain-alone", b"spiffe://bank.example".to_vec()),
        ("domain-and-a-slash", b"spiffe://bank.example/".to_vec()),
        ("domain-escaped", b"spiffe://b%61nk.example/edge".to_vec()),
        ("domain-confusable", "spiffe://b\u{430}nk.example/edge".into()),
        ("port", b"spiffe://bank.example:443/edge".to_vec()),
        ("port-empty", b"spiffe://bank.example:/edge".to_vec()),
        ("userinfo", b"spiffe://u@bank.example/edge".to_vec()),
        ("userinfo-of-another", b"spiffe://evil.example@bank.example/edge".to_vec()),
        ("query", b"spiffe://bank.example/edge?x".to_vec()),
        ("query-on-the-domain", b"spiffe://bank.example?/edge".to_vec()),
        ("fragment", b"spiffe://bank.example/edge#x".to_vec()),
        ("escaped", b"spiffe://bank.example/%65dge".to_vec()),
        ("escaped-slash", b"spiffe://bank.example/a%2Fb".to_vec()),
        ("slash-behind", b"spiffe://bank.example/edge/".to_vec()),
        ("two-slashes", b"spiffe://bank.example//edge".to_vec()),
        ("dot-segment", b"spiffe://bank.example/./edge".to_vec()),
        ("dots-segment", b"spiffe://bank.example/../evil.example/edge".to_vec()),
        ("dots-behind", b"spiffe://bank.example/edge/..".to_vec()),
        ("backslash", b"spiffe://bank.example\\edge".to_vec()),
        ("parameter", b"spiffe://bank.example/edge;v=1".to_vec()),
        ("colon", b"spiffe://bank.example/ns:edge".to_vec()),
        ("tilde", b"spiffe://bank.example/~edge".to_vec()),
        ("space", b"spiffe://bank.example/edge x".to_vec()),
        ("space-before", b" spiffe://bank.example/edge".to_vec()),
        ("space-behind", b"spiffe://bank.example/edge ".to_vec()),
        ("line-end", b"spiffe://bank.example/edge\n".to_vec()),
        ("nul", b"spiffe://bank.example/edge\0".to_vec()),
        ("nul-in-the-domain", b"spiffe://bank.example\0.evil.example/edge".to_vec()),
        ("two-with-a-comma", b"spiffe://bank.example/edge,spiffe://evil.example/x".to_vec()),
        ("two-with-a-space", b"spiffe://evil.example/x spiffe://bank.example/edge".to_vec()),
        ("not-text", b"spiffe://bank.example/\xff".to_vec()),
        ("with-its-label", b"URI:spiffe://bank.example/edge".to_vec()),
        ("of-2049-bytes", long(2_049).into()),
        ("domain-of-256-bytes", format!("spiffe://{}/edge", "a".repeat(256)).into()),
    ];
    for (id, peer) in invalid {
        catalogue.attack(format!("peer/id-{id}"), "transport.workload.invalid", bench.ask(&ask(&peer)));
    }
    for (id, peer) in [
        ("of-another-domain", "spiffe://evil.example/orchestrator"),
        ("of-a-subdomain", "spiffe://a.bank.example/orchestrator"),
        ("of-a-longer-domain", "spiffe://bank.example.evil.example/orchestrator"),
        ("of-a-domain-that-ends-alike", "spiffe://evilbank.example/orchestrator"),
        ("of-a-domain-that-begins-alike", "spiffe://bank.examples/orchestrator"),
        ("of-a-shorter-domain", "spiffe://bank/orchestrator"),
        ("of-a-dotted-domain", "spiffe://bank.example./orchestrator"),
        ("with-our-domain-in-its-path", "spiffe://evil.example/bank.example/orchestrator"),
    ] {
        let found = bench.ask(&ask(peer.as_bytes()));
        catalogue.attack(format!("peer/id-{id}"), "transport.workload.untrusted", found);
    }
    let nobody = Ask::read().bearer(&token).from_peer(None);
    catalogue.attack("peer/nobody", "transport.workload.missing", bench.ask(&nobody));
    Ok(())
}

/// Where no certificate is demanded, one that is there must be good all the same.
fn optional(catalogue: &mut Catalogue) -> Result<()> {
    let mut bench = Bench::configured(|config| config["routes"][0]["workload"] = "optional".into())?;
    let token = bench.world.token()?;
    let ask = |peer: Option<&[u8]>| Ask::read().bearer(&token).from_peer(peer);
    catalogue.control("peer/optional-and-absent", bench.ask(&ask(None)));
    catalogue.control("peer/optional-and-there", bench.ask(&ask(Some(WORKLOAD.as_bytes()))));
    for (id, peer, expected) in [
        ("empty", &b""[..], "transport.workload.invalid"),
        ("malformed", b"bank.example", "transport.workload.invalid"),
        ("untrusted", b"spiffe://evil.example/x", "transport.workload.untrusted"),
    ] {
        catalogue.attack(format!("peer/optional-and-{id}"), expected, bench.ask(&ask(Some(peer))));
    }
    Ok(())
}

/// A workload that asks for itself.
fn principals(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let ask = |peer: Option<&str>| Ask::new("PUT", "/accounts/a1/sync").from_peer(peer.map(str::as_bytes));
    catalogue.control("peer/principal", bench.ask(&ask(Some(WORKLOAD))));
    for (id, peer) in [
        ("another", "spiffe://bank.example/edge"),
        ("longer", "spiffe://bank.example/orchestrator2"),
        ("deeper", "spiffe://bank.example/orchestrator/x"),
        ("in-capitals", "spiffe://bank.example/Orchestrator"),
        ("below-another", "spiffe://bank.example/x/orchestrator"),
    ] {
        catalogue.attack(format!("peer/principal-{id}"), "policy.not_permitted", bench.ask(&ask(Some(peer))));
    }
    catalogue.attack("peer/principal-nobody", "transport.workload.missing", bench.ask(&ask(None)));
    let token = bench.world.token()?;
    let with_token = ask(None).bearer(&token);
    catalogue.attack("peer/principal-by-a-token", "transport.workload.missing", bench.ask(&with_token));
    // A user whose name is the workload's is no workload.
    let named = bench.world.key.sign(&mint::with(&bench.world.claims(), json!({ "sub": WORKLOAD })))?;
    let found = bench.ask(&ask(Some("spiffe://bank.example/edge")).bearer(&named));
    catalogue.attack("peer/principal-by-a-users-name", "policy.not_permitted", found);
    Ok(())
}

fn certificates(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let digest = b64([0xab; 32]);
    let bound = |bench: &Bench, cnf: Value| {
        bench.world.key.sign(&mint::with(&bench.world.claims(), json!({ "cnf": cnf })))
    };
    let token = bound(bench, json!({ "x5t#S256": digest }))?;
    let with = |digest: &str| Ask::read().bearer(&token).with_certificate(digest);
    let own = "ab".repeat(32);
    catalogue.control("certificate/own", bench.ask(&with(&own)));
    catalogue.control("certificate/own-in-capitals", bench.ask(&with(&own.to_uppercase())));
    for (id, digest) in [
        ("another", "cd".repeat(32)),
        ("one-bit-off", format!("{}aa", "ab".repeat(31))),
        ("zeros", "00".repeat(32)),
        ("reversed", "ba".repeat(32)),
    ] {
        let found = bench.ask(&with(&digest));
        catalogue.attack(format!("certificate/{id}"), "binding.certificate.mismatch", found);
    }
    for (id, digest) in [
        ("empty-digest", String::new()),
        ("short-digest", "ab".repeat(31)),
        ("long-digest", "ab".repeat(33)),
        ("odd-digest", "a".repeat(63)),
        ("digest-with-colons", vec!["ab"; 32].join(":")),
        ("digest-in-base64", b64([0xab; 32])),
        ("digest-of-other-letters", "xy".repeat(32)),
        ("digest-with-a-prefix", format!("0x{}", "ab".repeat(31))),
    ] {
        let found = bench.ask(&with(&digest));
        catalogue.attack(format!("certificate/{id}"), "binding.certificate.missing", found);
    }
    let without = Ask::read().bearer(&token);
    catalogue.attack("certificate/none", "binding.certificate.missing", bench.ask(&without));
    for (id, name, value) in [
        ("client-cert", "client-cert", ":MIIB:".to_owned()),
        ("xfcc", "x-forwarded-client-cert", format!("Hash={own};URI={WORKLOAD}")),
        ("digest", "x-client-cert-sha256", own.clone()),
        ("ssl-header", "ssl-client-cert", "-----BEGIN CERTIFICATE-----".into()),
    ] {
        let found = bench.ask(&Ask::read().bearer(&token).header(name, value));
        catalogue.attack(format!("certificate/by-the-header-{id}"), "binding.certificate.missing", found);
    }
    const MISMATCH: &str = "binding.certificate.mismatch";
    let beside = bound(bench, json!({ "x5t#S256": digest, "kid": "k" }))?;
    let found = bench.ask(&Ask::read().bearer(&beside).with_certificate(&own));
    catalogue.control("certificate/cnf-with-an-unknown-one", found);
    for (id, cnf, expected) in [
        ("sha-1", json!({ "x5t": b64([7; 20]) }), "binding.unsupported"),
        ("in-small-letters", json!({ "x5t#s256": digest }), "binding.unsupported"),
        ("of-another-beside-an-unknown-one", json!({ "x5t#S256": b64([7; 32]), "kid": "k" }), MISMATCH),
        ("certificate-itself", json!({ "x5c": ["AAAA"] }), "binding.unsupported"),
        ("in-hexadecimal", json!({ "x5t#S256": own }), "token.claims"),
        ("padded", json!({ "x5t#S256": format!("{digest}=") }), "token.claims"),
        ("standard-alphabet", json!({ "x5t#S256": "+/".repeat(21) + "+" }), "token.claims"),
        ("null", json!({ "x5t#S256": null }), "token.claims"),
        ("array", json!({ "x5t#S256": [digest] }), "token.claims"),
        ("empty", json!({ "x5t#S256": "" }), "token.claims"),
        ("short", json!({ "x5t#S256": b64([0xab; 31]) }), "token.claims"),
    ] {
        let token = bound(bench, cnf)?;
        let found = bench.ask(&Ask::read().bearer(&token).with_certificate(&own));
        catalogue.attack(format!("certificate/cnf-{id}"), expected, found);
    }
    let unbound = mint::tamper(&token, json!({ "cnf": null }))?;
    let found = bench.ask(&Ask::read().bearer(&unbound).with_certificate(&own));
    catalogue.attack("certificate/cnf-taken-out", "token.signature", found);
    let untrusted = with(&own).from_peer(Some(b"spiffe://evil.example/x"));
    catalogue.attack(
        "certificate/own-of-another-domain",
        "transport.workload.untrusted",
        bench.ask(&untrusted),
    );
    // A route that demands a binding.
    let mut demanding = Bench::configured(|config| config["routes"][0]["binding"] = json!(["certificate"]))?;
    let loose = demanding.world.token()?;
    let found = demanding.ask(&Ask::read().bearer(&loose).with_certificate(&own));
    catalogue.attack("certificate/not-bound-where-it-is-demanded", "binding.required", found);
    let bound = bound(&demanding, json!({ "x5t#S256": digest }))?;
    let found = demanding.ask(&Ask::read().bearer(&bound).with_certificate(&own));
    catalogue.control("certificate/bound-where-it-is-demanded", found);
    Ok(())
}

/// A token that names the workload that may present it.
fn workloads(catalogue: &mut Catalogue) -> Result<()> {
    let mut bench = Bench::configured(|config| {
        config["issuers"][0]["workload_claim"] = json!("client_id");
        config["routes"][0]["workload"] = "optional".into();
    })?;
    let mut verdict = |named: Value, peer: Option<&str>| -> Result<String> {
        let claims = mint::with(&bench.world.claims(), json!({ "client_id": named }));
        let token = bench.world.key.sign(&claims)?;
        Ok(bench.ask(&Ask::read().bearer(&token).from_peer(peer.map(str::as_bytes))))
    };
    catalogue.control("peer/token-of-this-workload", verdict(json!(WORKLOAD), Some(WORKLOAD))?);
    for (id, named, peer, expected) in [
        ("another", json!(WORKLOAD), Some("spiffe://bank.example/edge"), "binding.workload"),
        ("nobody", json!(WORKLOAD), None, "binding.workload"),
        ("longer", json!(WORKLOAD), Some("spiffe://bank.example/orchestrator/x"), "binding.workload"),
        ("name-in-capitals", json!(WORKLOAD.to_uppercase()), Some(WORKLOAD), "binding.workload"),
        ("name-with-a-slash", json!(format!("{WORKLOAD}/")), Some(WORKLOAD), "binding.workload"),
        ("name-with-a-wildcard", json!("spiffe://bank.example/*"), Some(WORKLOAD), "binding.workload"),
        ("name-of-the-domain", json!("spiffe://bank.example"), Some(WORKLOAD), "binding.workload"),
        ("name-empty", json!(""), Some(WORKLOAD), "binding.workload"),
        ("name-missing", Value::Null, Some(WORKLOAD), "token.claim.missing"),
        ("name-in-an-array", json!([WORKLOAD]), Some(WORKLOAD), "token.claims"),
    ] {
        catalogue.attack(format!("peer/token-of-{id}"), expected, verdict(named, peer)?);
    }
    Ok(())
}

/// What a client says of itself in headers of ours goes no further.
fn claimed(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let token = bench.world.token()?;
    for (id, name) in [
        ("principal", "x-countersign-principal"),
        ("principal-in-capitals", "X-Countersign-Principal"),
        ("subject-with-underscores", "x_countersign_subject"),
        ("workload-mixed", "X-Countersign_Workload"),
        ("actors", "x-countersign-actors"),
        ("attribute", "x-countersign-attribute-tenant"),
        ("unheard-of", "x-countersign-is-admin"),
        ("prefix-alone", "x-countersign-"),
        ("decision", "x-countersign-decision-id"),
    ] {
        let answer = bench.world.ask(&Ask::read().bearer(&token).header(name, "root"));
        let removed =
            answer.edits.iter().flat_map(|edits| &edits.remove).any(|gone| **gone == *name.as_bytes());
        let found = match (sound(&answer), removed) {
            (verdict, true) if verdict == "allow" => STRIPPED.to_owned(),
            (verdict, removed) => format!("{verdict}, removed: {removed}"),
        };
        catalogue.attack(format!("peer/claims-{id}"), STRIPPED, found);
    }
    // A client that says it is a workload, and presents nothing.
    for (id, name, value) in [
        ("xfcc", "x-forwarded-client-cert", format!("By=spiffe://bank.example/gateway;URI={WORKLOAD}")),
        ("our-header", "x-countersign-workload", WORKLOAD.into()),
        ("client-cert", "client-cert", ":MIIB:".into()),
        ("forwarded", "forwarded", format!("for={WORKLOAD}")),
    ] {
        let ask = Ask::read().bearer(&token).from_peer(None).header(name, value);
        let found = bench.ask(&ask);
        catalogue.attack(format!("peer/is-a-workload-by-{id}"), "transport.workload.missing", found);
    }
    Ok(())
}

fn domains(catalogue: &mut Catalogue) {
    for (id, domain) in [
        ("wildcard", "*"),
        ("subdomains", "*.bank.example"),
        ("in-capitals", "Bank.example"),
        ("with-its-scheme", "spiffe://bank.example"),
        ("with-a-port", "bank.example:443"),
        ("with-a-slash", "bank.example/"),
        ("empty", ""),
        ("escaped", "b%61nk.example"),
    ] {
        let loaded = Bench::configured(|config| config["workload"]["trust_domains"] = json!([domain]));
        let found = if loaded.is_err() { NOT_LOADED } else { "loaded" };
        catalogue.attack(format!("peer/trust-domain-{id}"), NOT_LOADED, found);
    }
}
