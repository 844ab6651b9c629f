//! Callers behind proxies (`x-forwarded-client-cert`), and callers with API keys.

use anyhow::Result;
use countersign_core::crypto::digest::sha256;
use countersign_tests::mint;
use countersign_tests::world::{Ask, WORKLOAD};
use serde_json::{Value, json};

use crate::catalogue::{Catalogue, NOT_LOADED, STRIPPED};
use crate::forge::{Bench, b64, sound};

const EDGE: &str = "spiffe://bank.example/edge-proxy";
const KEY: &str = "csk_gZ2o1hVx0nqJv5mT8cWb3yLrE7uKfA4s-QdNpXiHtRk";
const BATCH: &str = "spiffe://bank.example/batch";
const XFCC: &str = "x-forwarded-client-cert";

pub(crate) fn add(catalogue: &mut Catalogue) -> Result<()> {
    let mut bench = Bench::configured(|config| config["workload"]["forwarded"] = json!({ "peers": [EDGE] }))?;
    forwarded(catalogue, &mut bench)?;
    unlisted(catalogue, &mut bench)?;
    digests(catalogue, &mut bench)?;
    peers(catalogue);
    api_keys(catalogue)
}

/// Only the orchestrator may.
fn sync(peer: &str) -> Ask {
    Ask::new("PUT", "/accounts/a1/sync").from_peer(Some(peer.as_bytes()))
}

fn forwarded(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let hash = "ab".repeat(32);
    let mut verdict = |header: &[u8]| bench.ask(&sync(EDGE).header(XFCC, header));
    for (id, header) in [
        ("uri-alone", format!("URI={WORKLOAD}")),
        (
            "all-it-may-say",
            format!("By={EDGE};Hash={hash};Subject=\"CN=a,O=\\\"b\\\"\";URI={WORKLOAD};DNS=a.example"),
        ),
        ("proxies-stepped-over", format!("URI={WORKLOAD},URI={EDGE}")),
        ("forged-before-the-nearest", format!("URI=spiffe://bank.example/admin,URI={WORKLOAD}")),
        ("key-in-small-letters", format!("uri={WORKLOAD}")),
    ] {
        catalogue.control(format!("caller/xfcc-{id}"), verdict(header.as_bytes()));
    }
    const INVALID: &str = "transport.forwarded.invalid";
    const WRONG: &str = "transport.workload.invalid";
    let long = format!("URI={WORKLOAD};Cert=\"{}\"", "a".repeat(32_768));
    let many = vec![format!("URI={WORKLOAD}"); 17].join(",");
    let pairs = format!("URI={WORKLOAD}{}", ";DNS=a".repeat(200));
    for (id, header, expected) in [
        ("another", "URI=spiffe://bank.example/other".to_owned(), "policy.not_permitted"),
        (
            "forged-behind-the-nearest",
            format!("URI={WORKLOAD},URI=spiffe://bank.example/other"),
            "policy.not_permitted",
        ),
        ("untrusted", "URI=spiffe://evil.example/orchestrator".into(), "transport.workload.untrusted"),
        (
            "untrusted-before-a-proxy",
            format!("URI=spiffe://evil.example/x,URI={EDGE}"),
            "transport.workload.untrusted",
        ),
        ("itself", format!("URI={EDGE}"), "transport.forwarded.missing"),
        ("itself-twice", format!("URI={EDGE},URI={EDGE}"), "transport.forwarded.missing"),
        ("no-uri", format!("By={EDGE};Hash={hash}"), WRONG),
        ("uri-empty", "URI=".into(), WRONG),
        ("two-uris", format!("URI={WORKLOAD};URI={WORKLOAD}"), WRONG),
        ("two-uris-one-a-proxy", format!("URI={EDGE};URI={WORKLOAD}"), WRONG),
        ("two-uris-by-case", format!("URI=spiffe://bank.example/x;uri={WORKLOAD}"), WRONG),
        ("dns-for-uri", "DNS=orchestrator.bank.example".into(), WRONG),
        ("by-for-uri", format!("By={WORKLOAD}"), WRONG),
        ("uri-in-the-subject", format!("Subject=\"URI={WORKLOAD}\""), WRONG),
        ("no-spiffe-id", "URI=https://bank.example/orchestrator".into(), WRONG),
        ("domain-alone", "URI=spiffe://bank.example".into(), WRONG),
        ("domain-in-capitals", "URI=spiffe://BANK.example/orchestrator".into(), WRONG),
        ("dot-segments", "URI=spiffe://bank.example/x/../orchestrator".into(), WRONG),
        ("escaped", "URI=spiffe://bank.example/%6Frchestrator".into(), WRONG),
        ("query", format!("URI=\"{WORKLOAD}?x=y\""), WRONG),
        ("empty", String::new(), INVALID),
        ("comma-alone", ",".into(), INVALID),
        ("comma-behind", format!("URI={WORKLOAD},"), INVALID),
        ("comma-before", format!(",URI={WORKLOAD}"), INVALID),
        ("semicolon-behind", format!("URI={WORKLOAD};"), INVALID),
        ("semicolons", format!("URI={WORKLOAD};;DNS=a"), INVALID),
        ("unknown-key", format!("URI={WORKLOAD};Role=admin"), INVALID),
        ("key-with-a-space", format!("URI ={WORKLOAD}"), INVALID),
        ("no-value", "URI".into(), INVALID),
        ("quotes-open", format!("URI=\"{WORKLOAD}"), INVALID),
        ("escape-at-the-end", format!("URI=\"{WORKLOAD}\\"), INVALID),
        ("text-behind-quotes", format!("URI=\"{WORKLOAD}\"x"), INVALID),
        ("quotes-within", format!("URI={WORKLOAD}\"x\""), INVALID),
        ("equals-within", format!("URI={WORKLOAD}=x"), INVALID),
        ("nul", format!("URI={WORKLOAD}\0"), INVALID),
        ("nul-in-quotes", format!("URI=\"{WORKLOAD}\0\""), INVALID),
        ("line-end", format!("URI={WORKLOAD}\r\n"), INVALID),
        ("hash-twice", format!("Hash={hash};Hash={hash};URI={WORKLOAD}"), INVALID),
        ("hash-short", format!("Hash=ab;URI={WORKLOAD}"), INVALID),
        ("hash-of-letters", format!("Hash={};URI={WORKLOAD}", "xy".repeat(32)), INVALID),
        ("malformed-before-a-good-one", format!("x,URI={WORKLOAD}"), INVALID),
        ("too-long", long, INVALID),
        ("too-many", many, INVALID),
        ("too-many-pairs", pairs, INVALID),
    ] {
        catalogue.attack(format!("caller/xfcc-{id}"), expected, verdict(header.as_bytes()));
    }
    let header = format!("URI={WORKLOAD}");
    catalogue.attack("caller/xfcc-missing", "transport.forwarded.missing", bench.ask(&sync(EDGE)));
    for (id, second) in [
        ("twice", XFCC),
        ("twice-by-case", "X-Forwarded-Client-Cert"),
        ("twice-by-disguise", "x_forwarded_client_cert"),
    ] {
        let ask = sync(EDGE).header(XFCC, header.clone()).header(second, header.clone());
        catalogue.attack(format!("caller/xfcc-{id}"), "request.header.duplicate", bench.ask(&ask));
    }
    Ok(())
}

/// From anybody else the header is a client's own word.
fn unlisted(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let header = format!("URI={WORKLOAD}");
    for (id, peer, expected) in [
        ("a-stranger", "spiffe://bank.example/stranger", "policy.not_permitted"),
        ("a-longer-name", "spiffe://bank.example/edge-proxy2", "policy.not_permitted"),
        ("a-deeper-name", "spiffe://bank.example/edge-proxy/x", "policy.not_permitted"),
        ("capitals", "spiffe://bank.example/Edge-Proxy", "policy.not_permitted"),
        ("another-domain", "spiffe://evil.example/edge-proxy", "transport.workload.untrusted"),
        ("a-bare-name", "edge-proxy", "transport.workload.invalid"),
        (
            "two-names",
            "spiffe://bank.example/edge-proxy,spiffe://bank.example/x",
            "transport.workload.invalid",
        ),
    ] {
        let found = bench.ask(&sync(peer).header(XFCC, header.clone()));
        catalogue.attack(format!("caller/xfcc-from-{id}"), expected, found);
    }
    let nobody = Ask::new("PUT", "/accounts/a1/sync").from_peer(None).header(XFCC, header.clone());
    catalogue.attack("caller/xfcc-from-nobody", "transport.workload.missing", bench.ask(&nobody));
    let mut none = Bench::new()?;
    let found = none.ask(&sync(EDGE).header(XFCC, header));
    catalogue.attack("caller/xfcc-where-nobody-is-listed", "policy.not_permitted", found);
    let token = bench.world.token()?;
    for (id, name) in
        [("", XFCC), ("-in-capitals", "X-Forwarded-Client-Cert"), ("-in-disguise", "x_forwarded_client_cert")]
    {
        let answer =
            bench.world.ask(&Ask::read().bearer(&token).header(name, "URI=spiffe://bank.example/admin"));
        let gone = answer.edits.iter().flat_map(|edits| &edits.remove).any(|gone| **gone == *name.as_bytes());
        let found = if gone && sound(&answer) == "allow" { STRIPPED } else { "forwarded" };
        catalogue.attack(format!("caller/xfcc-upstream{id}"), STRIPPED, found);
    }
    Ok(())
}

/// A token that is bound to the caller's certificate, behind a proxy.
fn digests(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let cnf = json!({ "cnf": { "x5t#S256": b64([0xab; 32]) } });
    let token = bench.world.key.sign(&mint::with(&bench.world.claims(), cnf))?;
    let mut verdict = |own: &str, header: String| {
        let ask = Ask::read().bearer(&token).from_peer(Some(EDGE.as_bytes())).with_certificate(own);
        bench.ask(&ask.header(XFCC, header))
    };
    let (own, other) = ("ab".repeat(32), "cd".repeat(32));
    catalogue
        .control("caller/xfcc-bound-to-the-client", verdict(&other, format!("Hash={own};URI={WORKLOAD}")));
    for (id, own, header, expected) in [
        ("another", &other, format!("Hash={other};URI={WORKLOAD}"), "binding.certificate.mismatch"),
        ("the-proxys", &own, format!("Hash={other};URI={WORKLOAD}"), "binding.certificate.mismatch"),
        ("missing", &own, format!("URI={WORKLOAD}"), "binding.certificate.missing"),
        (
            "of-another-element",
            &other,
            format!("Hash={own};URI={EDGE},URI={WORKLOAD}"),
            "binding.certificate.missing",
        ),
        (
            "of-the-proxys-element",
            &other,
            format!("URI={WORKLOAD},Hash={own};URI={EDGE}"),
            "binding.certificate.missing",
        ),
    ] {
        catalogue.attack(format!("caller/xfcc-digest-{id}"), expected, verdict(own, header));
    }
    Ok(())
}

fn peers(catalogue: &mut Catalogue) {
    for (id, peer) in [
        ("wildcard", "spiffe://bank.example/*"),
        ("domain-alone", "spiffe://bank.example"),
        ("untrusted", "spiffe://evil.example/edge"),
        ("no-spiffe-id", "edge-proxy"),
        ("empty", ""),
    ] {
        let loaded = Bench::configured(|config| config["workload"]["forwarded"] = json!({ "peers": [peer] }));
        let found = if loaded.is_err() { NOT_LOADED } else { "loaded" };
        catalogue.attack(format!("caller/xfcc-peer-{id}"), NOT_LOADED, found);
    }
}

fn entry(id: &str, key: &str) -> Value {
    let hash: String = sha256(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "id": id, "sha256": hash, "workload": BATCH, "not_after": "2026-09-21T14:18:20Z",
        "principal": { "id": id, "roles": ["clerk"], "attributes": { "tenant": "acme" } },
    })
}

fn api_keys(catalogue: &mut Catalogue) -> Result<()> {
    let configured = |change: &dyn Fn(&mut Value)| {
        Bench::configured(|config| {
            config["api_keys"] = json!({ "keys": [entry("legacy-batch", KEY)] });
            config["routes"][0]["credentials"] = json!(["token", "api_key"]);
            change(config);
        })
    };
    let mut bench = configured(&|_| {})?;
    let read = || Ask::read().from_peer(Some(BATCH.as_bytes()));
    let with = |key: &str| read().header("x-api-key", key);
    let hash = entry("x", KEY)["sha256"].as_str().unwrap_or_default().to_owned();
    let token = bench.world.token()?;
    catalogue.control("caller/key", bench.ask(&with(KEY)));
    catalogue.control("caller/key-header-in-capitals", bench.ask(&read().header("X-API-Key", KEY)));
    catalogue.control("caller/token-where-keys-are-taken", bench.ask(&read().bearer(&token)));
    const MALFORMED: &str = "token.api_key.malformed";
    const UNKNOWN: &str = "token.api_key.unknown";
    for (id, key, expected) in [
        ("of-another", "csk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned(), UNKNOWN),
        ("last-letter", format!("{}x", &KEY[..KEY.len() - 1]), UNKNOWN),
        ("first-letter", format!("x{}", &KEY[1..]), UNKNOWN),
        ("prefix", KEY[..KEY.len() - 1].to_owned(), UNKNOWN),
        ("longer", format!("{KEY}A"), UNKNOWN),
        ("twice-in-one", format!("{KEY}{KEY}"), UNKNOWN),
        ("in-small-letters", KEY.to_lowercase(), UNKNOWN),
        ("its-hash", hash.clone(), UNKNOWN),
        ("its-hash-in-capitals", hash.to_uppercase(), UNKNOWN),
        ("empty", String::new(), MALFORMED),
        ("short", "csk_A".into(), MALFORMED),
        ("too-long", "a".repeat(257), MALFORMED),
        ("its-name", "legacy-batch".into(), MALFORMED),
        ("space-behind", format!("{KEY} "), MALFORMED),
        ("space-before", format!(" {KEY}"), MALFORMED),
        ("joined", format!("{KEY}, {KEY}"), MALFORMED),
        ("comma-behind", format!("{KEY},"), MALFORMED),
        ("nul-behind", format!("{KEY}\0"), MALFORMED),
        ("line-end-behind", format!("{KEY}\r\n"), MALFORMED),
        ("quoted", format!("\"{KEY}\""), MALFORMED),
        ("with-a-scheme", format!("Bearer {KEY}"), MALFORMED),
        ("wildcard", "*".repeat(40), MALFORMED),
        ("sql", "' OR '1'='1' -- aaaaaaaaaaaaaaaaaaaaaaaaa".into(), MALFORMED),
        ("beyond-ascii", format!("{KEY}\u{e9}"), MALFORMED),
        ("confusable", KEY.replacen('c', "\u{441}", 1), MALFORMED),
    ] {
        catalogue.attack(format!("caller/key-{id}"), expected, bench.ask(&with(&key)));
    }
    for (id, ask, expected) in [
        ("of-another-workload", with(KEY).from_peer(Some(WORKLOAD.as_bytes())), "binding.workload"),
        (
            "of-a-deeper-workload",
            with(KEY).from_peer(Some(b"spiffe://bank.example/batch/x")),
            "binding.workload",
        ),
        ("from-nobody", with(KEY).from_peer(None), "transport.workload.missing"),
        (
            "from-another-domain",
            with(KEY).from_peer(Some(b"spiffe://evil.example/batch")),
            "transport.workload.untrusted",
        ),
        ("with-a-token", with(KEY).bearer(&token), "token.several"),
        ("with-a-bad-token", with(KEY).bearer("x"), "token.several"),
        ("with-basic", with(KEY).header("authorization", "Basic YTpi"), "token.several"),
        ("twice", with(KEY).header("x-api-key", KEY), "request.header.duplicate"),
        ("twice-by-case", with(KEY).header("X-Api-Key", KEY), "request.header.duplicate"),
        ("twice-by-disguise", with(KEY).header("x_api_key", KEY), "request.header.duplicate"),
        ("in-disguise", read().header("x_api_key", KEY), "request.header.duplicate"),
        ("as-a-bearer-token", read().bearer(KEY), "token.malformed"),
        ("under-another-header", read().header("api-key", KEY), "token.missing"),
        (
            "where-tokens-alone-are-taken",
            Ask::new("POST", "/tenants/acme/accounts/a1")
                .from_peer(Some(BATCH.as_bytes()))
                .header("x-api-key", KEY),
            "token.api_key.not_accepted",
        ),
        (
            "for-another-tenant",
            Ask::new("GET", "/tenants/other/accounts/a1")
                .from_peer(Some(BATCH.as_bytes()))
                .header("x-api-key", KEY),
            "policy.not_permitted",
        ),
    ] {
        catalogue.attack(format!("caller/key-{id}"), expected, bench.ask(&ask));
    }
    bench.world.advance(300);
    catalogue.attack("caller/key-expired", "token.api_key.expired", bench.ask(&with(KEY)));
    let mut only = configured(&|config| config["routes"][0]["credentials"] = json!(["api_key"]))?;
    catalogue.control("caller/key-where-keys-alone-are-taken", only.ask(&with(KEY)));
    let token = only.world.token()?;
    let found = only.ask(&read().bearer(&token));
    catalogue.attack("caller/token-where-keys-alone-are-taken", "token.not_accepted", found);
    let mut demanding = configured(&|config| config["routes"][0]["workload"] = "optional".into())?;
    let found = demanding.ask(&with(KEY).from_peer(None));
    catalogue.attack("caller/key-from-nobody-where-that-may-be", "binding.workload", found);
    let name = |name: &str, value: Value| {
        let mut changed = entry("legacy-batch", KEY);
        changed[name] = value;
        configured(&|config| config["api_keys"]["keys"] = json!([changed.clone()]))
    };
    for (id, loaded) in [
        ("in-clear", name("sha256", json!(KEY))),
        ("hash-short", name("sha256", json!("ab"))),
        ("workload-wildcard", name("workload", json!("spiffe://bank.example/*"))),
        ("workload-untrusted", name("workload", json!("spiffe://evil.example/batch"))),
        ("end-malformed", name("not_after", json!("tomorrow"))),
        (
            "same-key-twice",
            configured(&|config| config["api_keys"]["keys"] = json!([entry("a", KEY), entry("b", KEY)])),
        ),
    ] {
        let found = if loaded.is_err() { NOT_LOADED } else { "loaded" };
        catalogue.attack(format!("caller/key-configured-{id}"), NOT_LOADED, found);
    }
    Ok(())
}
