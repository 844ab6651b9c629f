//! What is remembered between requests, and may not be believed for another.

use anyhow::{Context as _, Result, ensure};
use countersign_core::metrics::Counter;
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::proof::{self, Proof};
use countersign_tests::world::{Ask, START, WORKLOAD, World};
use serde_json::{Value, json};

use crate::catalogue::Catalogue;
use crate::forge::{Bench, Rsa, header, parts, signed_by, sound};
use crate::keys::{fetched, served};

pub(crate) fn add(catalogue: &mut Catalogue) -> Result<()> {
    requests(catalogue)?;
    neighbours(catalogue)?;
    times(catalogue)?;
    keys(catalogue)?;
    floods(catalogue)?;
    holders(catalogue)
}

/// A bench with a good token in its cache.
fn warm() -> Result<(Bench, String)> {
    let mut bench = Bench::new()?;
    let token = bench.world.token()?;
    ensure!(bench.bearer(&token) == "allow" && bench.bearer(&token) == "allow");
    ensure!(bench.world.counted.contains(&Counter::CacheHit), "the token is not in the cache");
    Ok((bench, token))
}

/// A cached token answers nothing but whose it is.
fn requests(catalogue: &mut Catalogue) -> Result<()> {
    let (mut bench, token) = warm()?;
    let read = || Ask::read().bearer(&token);
    for (id, ask, expected) in [
        ("from-nobody", read().from_peer(None), "transport.workload.missing"),
        (
            "from-another-domain",
            read().from_peer(Some(b"spiffe://evil.example/x")),
            "transport.workload.untrusted",
        ),
        (
            "for-another-tenant",
            Ask::new("GET", "/tenants/other/accounts/a1").bearer(&token),
            "policy.not_permitted",
        ),
        (
            "for-a-payment",
            Ask::new("POST", "/tenants/acme/accounts/a1").bearer(&token),
            "policy.not_permitted",
        ),
        ("for-another-purpose", read().header("x-purpose", "marketing"), "policy.forbidden"),
        (
            "under-another-scheme",
            Ask::read().header("authorization", format!("DPoP {token}")),
            "binding.dpop.unbound",
        ),
        ("under-basic", Ask::read().header("authorization", format!("Basic {token}")), "token.scheme"),
        ("twice", read().bearer(&token), "request.header.duplicate"),
    ] {
        catalogue.attack(format!("cache/good-token-{id}"), expected, bench.ask(&ask));
    }
    catalogue.control("cache/good-token-again", bench.bearer(&token));
    catalogue.control(
        "cache/good-token-from-another-workload",
        bench.ask(&read().from_peer(Some(b"spiffe://bank.example/edge"))),
    );
    Ok(())
}

/// Tokens that are nearly the cached one.
fn neighbours(catalogue: &mut Catalogue) -> Result<()> {
    let (mut bench, token) = warm()?;
    let [h, p, s] = parts(&token)?;
    let swap = |text: &str, at: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8_lossy(&bytes).into_owned()
    };
    for (id, other, expected) in [
        (
            "payload",
            format!("{h}.{}.{s}", parts(&mint::tamper(&token, json!({ "sub": "mallory" }))?)?[1]),
            "token.signature",
        ),
        ("signature", format!("{h}.{p}.{}", swap(&s, 0)), "token.signature"),
        ("signature-last", mint::break_signature(&token, 63)?, "token.signature"),
        ("prefix", token[..token.len() - 1].to_owned(), "token.malformed"),
        ("longer", format!("{token}A"), "token.signature"),
        ("padded", format!("{token}=="), "token.malformed"),
        ("space-before", format!(" {token}"), "token.malformed"),
        ("in-capitals", token.to_uppercase(), "token.malformed"),
    ] {
        let first = bench.bearer(&other);
        catalogue.attack(format!("cache/neighbour-by-{id}"), expected, first);
        let again = bench.bearer(&other);
        catalogue.attack(format!("cache/neighbour-by-{id}-again"), expected, again);
    }
    catalogue.control("cache/good-token-after-its-neighbours", bench.bearer(&token));
    Ok(())
}

fn times(catalogue: &mut Catalogue) -> Result<()> {
    let (mut bench, token) = warm()?;
    bench.world.advance(309);
    catalogue.control("cache/in-the-last-second", bench.bearer(&token));
    bench.world.advance(1);
    catalogue.attack("cache/expired-while-cached", "token.expired", bench.bearer(&token));
    catalogue.attack("cache/expired-while-cached-again", "token.expired", bench.bearer(&token));
    bench.world.advance(86_400);
    catalogue.attack("cache/expired-a-day-ago", "token.expired", bench.bearer(&token));
    let (mut bench, token) = warm()?;
    bench.world.advance(-11);
    catalogue.attack("cache/clock-steps-back-before-iat", "token.issued_in_future", bench.bearer(&token));
    bench.world.advance(-START);
    catalogue.attack("cache/clock-at-the-epoch", "system.internal", bench.bearer(&token));
    bench.world.advance(START + 11);
    catalogue.control("cache/clock-comes-back", bench.bearer(&token));
    let mut bench = Bench::new()?;
    let token = bench.world.token()?;
    bench.world.advance(320);
    catalogue.attack("cache/expired-by-a-fast-clock", "token.expired", bench.bearer(&token));
    bench.world.advance(-320);
    catalogue.control("cache/clock-that-was-fast-is-set-back", bench.bearer(&token));
    let mut bench = Bench::new()?;
    let later = mint::with(&bench.world.claims(), json!({ "nbf": START + 60 }));
    let later = bench.world.key.sign(&later)?;
    catalogue.attack("cache/not-yet-valid", "token.not_yet_valid", bench.bearer(&later));
    bench.world.advance(50);
    catalogue.control("cache/valid-by-now", bench.bearer(&later));
    bench.world.advance(-50);
    catalogue.attack("cache/not-yet-valid-again", "token.not_yet_valid", bench.bearer(&later));
    Ok(())
}

fn keys(catalogue: &mut Catalogue) -> Result<()> {
    let read = |world: &mut World, token: &str| sound(&world.ask(&Ask::read().bearer(token)));
    let mut world = fetched()?;
    let token = world.token()?;
    catalogue.control("cache/under-a-fetched-key", read(&mut world, &token));
    world.advance(90);
    let fetch = world.fetch().context("the refresh")?;
    let key = world.key.clone();
    world.publish(&fetch, &[&key, &SigningKey::new("k2")?]);
    catalogue.control("cache/while-the-key-is-published", read(&mut world, &token));
    world.advance(90);
    let fetch = world.fetch().context("the next refresh")?;
    world.publish(&fetch, &[&SigningKey::new("k2")?]);
    let (mut exchange, held) = world.begin(&Ask::read().bearer(&token));
    ensure!(held.verdict() == "held", "found {}", held.verdict());
    let fetch = world.fetch().context("a fetch for the key that is gone")?;
    world.publish(&fetch, &[&SigningKey::new("k2")?]);
    let found = sound(&world.event(&mut exchange, countersign_core::exchange::Event::Settled));
    catalogue.attack("cache/key-taken-back", "token.key.unknown", found);
    // The same key for another algorithm, and under another name.
    for (id, change, expected) in [
        ("key-narrowed", json!({ "alg": "RS384" }), "token.algorithm"),
        ("key-renamed", json!({ "kid": "k2" }), "token.key.unknown"),
    ] {
        let key = Rsa::new(2048)?;
        let mut world = World::with_remote_keys()?;
        let set = |jwk: &Value| json!({ "keys": [jwk] }).to_string();
        let wide = mint::with(&key.jwk("k1"), json!({ "alg": null }));
        let token =
            signed_by(&header(json!({ "alg": "RS256" })), &world.claims(), |message| key.pkcs1(message))?;
        catalogue
            .control(format!("cache/before-{id}"), served(&mut world, 200, set(&wide).as_bytes(), &token)?);
        catalogue.control(format!("cache/cached-before-{id}"), read(&mut world, &token));
        world.advance(90);
        let changed = set(&mint::with(&wide, change));
        let found = served(&mut world, 200, changed.as_bytes(), &token)?;
        catalogue.attack(format!("cache/{id}"), expected, found);
    }
    // Keys past their budget prove nothing, cached or not.
    let mut world = fetched()?;
    world.advance(900);
    let token = world.token()?;
    ensure!(read(&mut world, &token) == "allow");
    world.advance(200);
    if let Some(fetch) = world.fetch() {
        world.answer(&fetch, None);
    }
    catalogue.attack("cache/stale-budget-over", "system.keys_unavailable", read(&mut world, &token));
    // What was refused under one key is judged anew under another.
    let mut world = World::with_remote_keys()?;
    let fetch = world.fetch().context("the first fetch")?;
    world.publish(&fetch, &[&SigningKey::new("k1")?]);
    let token = world.token()?;
    catalogue.attack("cache/refused-under-another-key", "token.signature", read(&mut world, &token));
    catalogue.attack("cache/refused-under-another-key-again", "token.signature", read(&mut world, &token));
    world.advance(90);
    let fetch = world.fetch().context("the refresh")?;
    let key = world.key.clone();
    world.publish(&fetch, &[&key]);
    catalogue.control("cache/refused-and-then-its-key-came", read(&mut world, &token));
    Ok(())
}

fn floods(catalogue: &mut Catalogue) -> Result<()> {
    let (mut bench, token) = warm()?;
    let hits =
        |bench: &Bench| bench.world.counted.iter().filter(|counter| **counter == Counter::CacheHit).count();
    let mut wrong = 0;
    for at in 0..3_000_usize {
        let [h, p, _] = parts(&token)?;
        let mut signature = [7; 64];
        signature[..8].copy_from_slice(&at.to_be_bytes());
        wrong += usize::from(
            bench.bearer(&format!("{h}.{p}.{}", crate::forge::b64(signature))) != "token.signature",
        );
    }
    let found = if wrong == 0 { "token.signature".to_owned() } else { format!("{wrong} of 3,000 differ") };
    catalogue.attack("cache/flood-of-bad-tokens", "token.signature", found);
    let before = hits(&bench);
    let verdict = bench.bearer(&token);
    let kept =
        if hits(&bench) == before + 1 { verdict } else { format!("{verdict}, no longer from the cache") };
    catalogue.control("cache/good-token-after-the-flood", kept);
    // A cache of one set: good tokens that push others out are still judged right.
    let mut small =
        Bench::configured(|config| config["token_cache"] = json!({ "entries": 4, "failure_entries": 4 }))?;
    let mut verdicts = Vec::new();
    for at in 0..64 {
        let changes =
            json!({ "jti": format!("t-{at}"), "tenant": if at % 2 == 0 { "acme" } else { "other" } });
        let token = small.world.key.sign(&mint::with(&small.world.claims(), changes))?;
        verdicts.push((at % 2, small.bearer(&token), small.bearer(&token)));
    }
    let of = |parity: i32, expected: &str| {
        let good = verdicts.iter().filter(|(have, ..)| *have == parity);
        good.filter(|(_, first, second)| first != expected || second != expected).count()
    };
    let found = if of(0, "allow") == 0 { "allow" } else { "something else" };
    catalogue.control("cache/small-and-crowded-good", found);
    let found = if of(1, "policy.not_permitted") == 0 { "policy.not_permitted" } else { "something else" };
    catalogue.attack("cache/small-and-crowded-bad", "policy.not_permitted", found);
    let mut off =
        Bench::configured(|config| config["token_cache"] = json!({ "entries": 0, "failure_entries": 0 }))?;
    let token = off.world.token()?;
    catalogue.control("cache/turned-off", off.bearer(&token));
    let broken = mint::break_signature(&token, 9)?;
    catalogue.attack("cache/turned-off-bad-token", "token.signature", off.bearer(&broken));
    catalogue.attack("cache/turned-off-bad-token-again", "token.signature", off.bearer(&broken));
    Ok(())
}

/// What a cached token is bound to is asked for each time.
fn holders(catalogue: &mut Catalogue) -> Result<()> {
    let mut bench = Bench::configured(|config| config["issuers"][0]["workload_claim"] = json!("client_id"))?;
    let own = bench.world.key.sign(&mint::with(&bench.world.claims(), json!({ "client_id": WORKLOAD })))?;
    catalogue.control("cache/token-of-a-workload", bench.bearer(&own));
    let thief = Ask::read().bearer(&own).from_peer(Some(b"spiffe://bank.example/thief"));
    catalogue.attack("cache/token-of-another-workload", "binding.workload", bench.ask(&thief));
    let mut bench = Bench::new()?;
    let key = SigningKey::new("holder")?;
    let cnf = json!({ "jkt": proof::thumbprint(&key), "x5t#S256": crate::forge::b64([0xab; 32]) });
    let token = bench.world.key.sign(&mint::with(&bench.world.claims(), json!({ "cnf": cnf })))?;
    let target = "https://bank.example/tenants/acme/accounts/a1";
    let proof = || Proof::new(&key, "GET", target, &token, START).sign(&key);
    let own = "ab".repeat(32);
    let used = proof()?;
    catalogue
        .control("cache/bound-token", bench.ask(&Ask::read().dpop(&token, &used).with_certificate(&own)));
    for (id, ask, expected) in [
        ("without-proof", Ask::read().bearer(&token).with_certificate(&own), "binding.dpop.scheme"),
        (
            "with-a-used-proof",
            Ask::read().dpop(&token, &used).with_certificate(&own),
            "binding.dpop.replayed",
        ),
        ("without-certificate", Ask::read().dpop(&token, &proof()?), "binding.certificate.missing"),
        (
            "with-another-certificate",
            Ask::read().dpop(&token, &proof()?).with_certificate(&"cd".repeat(32)),
            "binding.certificate.mismatch",
        ),
    ] {
        catalogue.attack(format!("cache/bound-token-{id}"), expected, bench.ask(&ask));
    }
    Ok(())
}
