//! The module's workers in the simulator, on virtual time: one fetch for all, sources that break in every way, workers that
//! die, and hosts that share nothing.

use std::time::Duration;

use anyhow::{Context, Result};
use countersign_host_sim::{Host, HostBuilder, HostCall, Response, StreamId, Upstream, UpstreamReply};
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::simulated::{Bank, CLUSTER, JWKS, keys_after, request, verdict};
use serde_json::json;

const LATE: Duration = Duration::from_millis(700);

/// The longest that a request may wait, and a tick.
const DEADLINE: Duration = Duration::from_millis(2_021);

const WORKERS: usize = 4;

fn builder(bank: &Bank) -> Result<HostBuilder> {
    Ok(bank.builder_with_keys_after(LATE)?.workers(WORKERS))
}

/// One request to each worker.
fn everywhere(host: &mut Host, token: &str) -> Vec<StreamId> {
    (0..WORKERS).map(|worker| host.request_on(worker, &request("GET", token))).collect()
}

fn verdicts(host: &Host, streams: &[StreamId]) -> Vec<String> {
    streams.iter().map(|stream| verdict(&host.outcome(*stream))).collect()
}

fn gauge(host: &Host, name: &str) -> Option<u64> {
    host.metrics().gauge(&format!("countersign.issuer.issuer_bank_example.{name}"))
}

/// Every way in which a source can fail.
fn faults(bank: &Bank) -> Vec<(&'static str, UpstreamReply)> {
    let good = mint::jwks([&bank.key]).to_string();
    let page = Response::new(200).header("content-type", "text/html").body("<html>sign in</html>");
    // What calls itself a page is none of ours, whatever it holds.
    let disguised = Response::new(200).header("content-type", "Text/HTML; charset=utf-8").body(good.clone());
    let huge = good.replacen('{', &format!("{{\"padding\":\"{}\",", "x".repeat(300_000)), 1);
    let (half, _) = good.split_at(good.len() / 2);
    vec![
        ("slow", UpstreamReply::ok(good.clone()).after(Duration::from_secs(5))),
        ("silent", UpstreamReply::never()),
        ("down", UpstreamReply::refused()),
        ("cut off", UpstreamReply::reset().after(LATE)),
        ("a page", UpstreamReply::response(page).after(LATE)),
        ("keys as a page", UpstreamReply::response(disguised).after(LATE)),
        ("other JSON", UpstreamReply::ok(r#"{"issuer":"https://issuer.bank.example"}"#).after(LATE)),
        ("no keys", UpstreamReply::ok(r#"{"keys":[]}"#).after(LATE)),
        ("huge", UpstreamReply::ok(huge).after(LATE)),
        ("half", UpstreamReply::ok(half).after(LATE)),
        ("an error", UpstreamReply::status(500).after(LATE)),
        (
            "a redirect",
            UpstreamReply::response(Response::new(302).header("location", "/keys").body(good)).after(LATE),
        ),
    ]
}

#[test]
fn four_workers_fetch_once() -> Result<()> {
    let bank = Bank::with_remote_keys()?;
    let mut host = builder(&bank)?.start()?;
    let streams = everywhere(&mut host, &bank.token()?);
    assert_eq!(verdicts(&host, &streams), ["held"; WORKERS]);
    host.advance(LATE + Duration::from_millis(30));
    assert_eq!(verdicts(&host, &streams), ["allow"; WORKERS]);
    assert_eq!(host.calls().len(), 1);
    assert_eq!(host.metrics().counter("countersign.keys.fetch"), 1);
    assert_eq!(
        (gauge(&host, "keys"), gauge(&host, "healthy"), gauge(&host, "key_failures")),
        (Some(1), Some(1), Some(0))
    );
    // One refresh at a time from then on.
    host.take_calls();
    host.advance(Duration::from_secs(950));
    let calls = host.calls().len();
    assert!((9..=12).contains(&calls), "{calls} refreshes in 950 s, each due after 80 to 95 s");
    assert!(gauge(&host, "key_age_seconds").is_some_and(|age| age <= 96));
    Ok(())
}

#[test]
fn without_shared_data_each_worker_fetches_for_itself() -> Result<()> {
    let bank = Bank::with_remote_keys()?;
    for call in [HostCall::proxy_get_shared_data, HostCall::proxy_set_shared_data] {
        let mut host = builder(&bank)?.fail_at(call, 12).start()?;
        let streams = everywhere(&mut host, &bank.token()?);
        host.advance(LATE + Duration::from_millis(30));
        assert_eq!(verdicts(&host, &streams), ["allow"; WORKERS], "{}", call.name());
        assert_eq!(host.calls().len(), WORKERS, "{}", call.name());
    }
    Ok(())
}

#[test]
fn a_source_that_fails_from_the_start_holds_nobody_past_the_deadline() -> Result<()> {
    let bank = Bank::with_remote_keys()?;
    for (fault, reply) in faults(&bank) {
        let mut host = bank.builder()?.workers(WORKERS).cluster(CLUSTER, Upstream::always(reply)).start()?;
        let streams = everywhere(&mut host, &bank.token()?);
        host.advance(DEADLINE);
        for verdict in verdicts(&host, &streams) {
            assert!(["system.keys_unavailable", "system.timeout"].contains(&&*verdict), "{fault}: {verdict}");
        }
        assert_eq!(host.calls().len(), 1, "{fault}: one fetch for all");
        assert_eq!(gauge(&host, "healthy"), Some(0), "{fault}");
        host.set_cluster(CLUSTER, keys_after(&[&bank.key], LATE));
        host.advance(Duration::from_secs(15));
        let streams = everywhere(&mut host, &bank.token()?);
        assert_eq!(verdicts(&host, &streams), ["allow"; WORKERS], "{fault}: mended");
        assert_eq!(gauge(&host, "healthy"), Some(1), "{fault}");
    }
    Ok(())
}

#[test]
fn a_source_that_fails_later_costs_no_good_token_and_lets_no_other_in() -> Result<()> {
    let bank = Bank::with_remote_keys()?;
    for (fault, reply) in faults(&bank) {
        let mut host = builder(&bank)?.start()?;
        host.advance(LATE * 2);
        let token = bank.token()?;
        let streams = everywhere(&mut host, &token);
        assert_eq!(verdicts(&host, &streams), ["allow"; WORKERS], "{fault}");
        host.set_cluster(CLUSTER, Upstream::always(reply));
        host.advance(Duration::from_secs(120));
        assert_eq!(gauge(&host, "healthy"), Some(0), "{fault}");
        let fresh = bank.key.sign(&mint::with(&bank.claims(), json!({ "jti": "another" })))?;
        for good in [&token, &fresh] {
            let streams = everywhere(&mut host, good);
            assert_eq!(verdicts(&host, &streams), ["allow"; WORKERS], "{fault}");
        }
        let stranger = SigningKey::new("k2")?.sign(&bank.claims())?;
        for bad in [&stranger, &bank.forged()?] {
            let streams = everywhere(&mut host, bad);
            host.advance(DEADLINE);
            for verdict in verdicts(&host, &streams) {
                assert!(verdict.starts_with("system.") || verdict == "token.signature", "{fault}: {verdict}");
            }
        }
        assert!(gauge(&host, "key_failures").is_some_and(|failures| failures > 0), "{fault}");
    }
    Ok(())
}

#[test]
fn a_worker_restarted_while_it_fetches_is_succeeded() -> Result<()> {
    let bank = Bank::with_remote_keys()?;
    for restarted in 0..WORKERS {
        let mut host = builder(&bank)?.start()?;
        let streams = everywhere(&mut host, &bank.token()?);
        host.advance(LATE / 2);
        let fetching = host.calls().first().context("nobody fetches")?.worker;
        host.restart(restarted)?;
        host.advance(DEADLINE);
        for (worker, verdict) in verdicts(&host, &streams).into_iter().enumerate() {
            let expected: &[&str] = match worker == restarted {
                // A request that a dead VM held goes nowhere.
                true => &["held"],
                // Only the death of the worker that fetches is felt by others: one takes its place, and who waited longest for
                // that is too late.
                false if restarted == fetching => &["allow", "system.timeout"],
                false => &["allow"],
            };
            assert!(
                expected.contains(&&*verdict),
                "worker {worker}, {restarted} restarted, {fetching} fetched: {verdict}"
            );
        }
        host.advance(Duration::from_secs(4));
        let streams = everywhere(&mut host, &bank.token()?);
        host.advance(LATE * 2);
        assert_eq!(verdicts(&host, &streams), ["allow"; WORKERS], "{restarted} restarted");
        let calls = host.calls().len();
        assert!(calls <= 2, "{calls} calls, {restarted} restarted");
    }
    Ok(())
}

#[test]
fn clients_that_leave_while_others_fetch_for_them_harm_no_one() -> Result<()> {
    let bank = Bank::with_remote_keys()?;
    let mut host = builder(&bank)?.start()?;
    let (leaving, staying) = (everywhere(&mut host, &bank.token()?), everywhere(&mut host, &bank.token()?));
    host.advance(LATE / 2);
    for stream in &leaving {
        host.close(*stream);
    }
    host.advance(LATE);
    assert_eq!(verdicts(&host, &staying), ["allow"; WORKERS]);
    assert!(leaving.iter().all(|stream| verdict(&host.outcome(*stream)) != "allow"));
    assert!((0..WORKERS).all(|worker| !host.has_failed(worker)));
    Ok(())
}

#[test]
fn keys_are_found_by_discovery_and_nowhere_else() -> Result<()> {
    let mut bank = Bank::with_remote_keys()?;
    bank.config["issuers"][0]["keys"] = json!({ "discovery": {
        "cluster": CLUSTER, "timeout_milliseconds": 2000, "refresh_seconds": 100, "cooldown_seconds": 10,
    }});
    let well_known = "/.well-known/openid-configuration";
    for (issuer, jwks_uri, expected) in [
        ("https://issuer.bank.example", "https://issuer.bank.example/jwks", "allow"),
        ("https://issuer.bank.example", "https://evil.example/jwks", "system.keys_unavailable"),
        ("https://evil.example", "https://issuer.bank.example/jwks", "system.keys_unavailable"),
    ] {
        let document = json!({ "issuer": issuer, "jwks_uri": jwks_uri }).to_string();
        let keys = mint::jwks([&bank.key]).to_string();
        let upstream = Upstream::new()
            .on(well_known, [UpstreamReply::ok(document).after(LATE)])
            .on(JWKS, [UpstreamReply::ok(keys).after(LATE)]);
        let mut host = bank.builder()?.workers(WORKERS).cluster(CLUSTER, upstream).start()?;
        let streams = everywhere(&mut host, &bank.token()?);
        host.advance(DEADLINE);
        assert_eq!(verdicts(&host, &streams), [expected; WORKERS], "{issuer} {jwks_uri}");
        let paths: Vec<String> = host.calls().iter().map(|call| call.path()).collect();
        let fetched: &[&str] = if expected == "allow" { &[well_known, JWKS] } else { &[well_known] };
        assert_eq!(paths, fetched);
    }
    Ok(())
}

#[test]
fn a_trust_domains_bundle_is_fetched_and_never_goes_back() -> Result<()> {
    let mut bank = Bank::with_remote_keys()?;
    bank.config["issuers"][0]["issuer"] = json!("spiffe://bank.example");
    bank.config["issuers"][0]["profile"] = json!("jwt_svid");
    let bundle = |sequence: u64, kids: &[&str]| -> Result<UpstreamReply> {
        let mut keys = Vec::new();
        for kid in kids {
            let mut key = mint::jwks([&SigningKey::new(kid)?])["keys"][0].clone();
            key["use"] = json!("jwt-svid");
            keys.push(key);
        }
        keys.push(json!({ "use": "x509-svid", "kty": "EC", "x5c": ["AA=="] }));
        let document = json!({ "keys": keys, "spiffe_sequence": sequence, "spiffe_refresh_hint": 40 });
        Ok(UpstreamReply::ok(document.to_string()))
    };
    let replies = [bundle(5, &["a", "b"])?, bundle(4, &["old"])?, bundle(6, &["c"])?, bundle(7, &[])?];
    let upstream = Upstream::new().on(JWKS, replies);
    let mut host = bank.builder()?.workers(2).cluster(CLUSTER, upstream).start()?;
    let keys = |host: &Host| host.metrics().gauge("countersign.issuer.bank_example.keys");
    let fetches = |host: &Host| host.metrics().counter("countersign.keys.fetch");
    let mut seen = Vec::new();
    for _ in 0..200 {
        host.advance(Duration::from_secs(1));
        let now = (fetches(&host), keys(&host), host.metrics().counter("countersign.keys.fetch_failed"));
        if seen.last() != Some(&now) {
            seen.push(now);
        }
    }
    // The older bundle is a failure, and the newer one with fewer keys takes the others away.
    let expected = [(1, Some(2), 0), (2, Some(2), 1), (3, Some(1), 1), (4, Some(0), 1)];
    let mut at = seen.iter();
    for state in expected {
        assert!(at.any(|seen| *seen == state), "{state:?} is not among {seen:?} in its order");
    }
    Ok(())
}
