//! Revoked tokens in the module, run by the simulator on virtual time: what an issuer publishes fails in every way, under a steady load of
//! good and revoked tokens at several workers. No revoked token is allowed, nobody is allowed once the budget is over, and the issuer
//! is left alone.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use countersign_host_sim::{Host, Response, StreamId, Upstream, UpstreamReply};
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::revocation::{Feed, Publish as _, StatusList, status};
use countersign_tests::simulated::{Bank, request, verdict};
use countersign_tests::world::{ISSUER, START};
use serde_json::{Value, json};

const CLUSTER: &str = "status";
const LIST: &str = "https://issuer.bank.example/statuses/1";
const FEED: &str = "https://issuer.bank.example/revocations";
const PATHS: [&str; 2] = ["/statuses/1", "/revocations"];

const WORKERS: usize = 3;
const TIMEOUT: Duration = Duration::from_millis(500);
const REFRESH: Duration = Duration::from_secs(20);
const STALE: Duration = Duration::from_secs(30);
const COOLDOWN: Duration = Duration::from_secs(2);

/// How many entries a feed may have, and how many bytes a list.
const ENTRIES: usize = 1_000;

const SECOND: Duration = Duration::from_secs(1);

/// How often requests come, in a load.
const BEAT: Duration = Duration::from_millis(500);

/// How long a fault goes on after the budget.
const BEYOND: Duration = Duration::from_secs(10);

/// Fetches that a fault brings about at most: of each document those of ever longer pauses within the budget, and then one after each
/// cool-down, as requests ask for it.
const MOST: u64 = 2 * (6 + BEYOND.as_secs() / COOLDOWN.as_secs() + 1);

/// How long a request may be held, and a tick.
const DEADLINE: Duration = Duration::from_millis(600);

fn bank() -> Result<Bank> {
    let mut bank = Bank::new()?;
    bank.config["issuers"][0]["revocation"] = json!({
        "cluster": CLUSTER, "status_lists": [LIST], "feed": FEED, "timeout_milliseconds": TIMEOUT.as_millis(),
        "refresh_seconds": REFRESH.as_secs(), "stale_seconds": STALE.as_secs(), "cooldown_seconds": COOLDOWN.as_secs(),
        "max_entries": ENTRIES,
    });
    Ok(bank)
}

/// What an issuer publishes: a list and a feed.
struct Published {
    list: StatusList,
    feed: Feed,
}

impl Published {
    /// That tokens with these indexes and these names are revoked.
    fn revoking(indexes: &[usize], names: &[&str]) -> Result<Self> {
        let (mut list, mut feed) = (StatusList::new(LIST, 2, 64), Feed::new(ISSUER, FEED));
        for index in indexes {
            list.set(*index, 1)?;
        }
        names.iter().for_each(|name| feed.revoke("jti", *name));
        Ok(Self { list, feed })
    }

    /// Both documents, in the order of [`PATHS`].
    fn signed(&self, key: &SigningKey, issued: i64) -> Result<[String; 2]> {
        Ok([self.list.sign(key, issued)?, self.feed.sign(key, issued)?])
    }
}

/// A cluster that answers so at each of the paths.
fn serving(replies: [UpstreamReply; 2]) -> Upstream {
    PATHS.into_iter().zip(replies).fold(Upstream::new(), |upstream, (path, reply)| upstream.on(path, [reply]))
}

fn documents(published: &Published, key: &SigningKey, issued: i64) -> Result<Upstream> {
    Ok(serving(published.signed(key, issued)?.map(UpstreamReply::ok)))
}

/// Seconds since the epoch, by the host's clock.
fn now(host: &Host) -> Result<i64> {
    Ok(i64::try_from(host.now() / 1_000_000_000)?)
}

fn gauge(host: &Host, name: &str) -> Option<u64> {
    host.metrics().gauge(&format!("countersign.issuer.issuer_bank_example.revocation_{name}"))
}

/// One request to each worker.
fn everywhere(host: &mut Host, token: &str) -> Vec<StreamId> {
    (0..WORKERS).map(|worker| host.request_on(worker, &request("GET", token))).collect()
}

fn verdicts(host: &Host, streams: &[StreamId]) -> Vec<String> {
    streams.iter().map(|stream| verdict(&host.outcome(*stream))).collect()
}

/// What every worker says at once of a token.
fn ask(host: &mut Host, token: &str) -> Vec<String> {
    let streams = everywhere(host, token);
    let found = verdicts(host, &streams);
    streams.into_iter().for_each(|stream| host.close(stream));
    found
}

/// A good token with these claims beside the others.
fn token(bank: &Bank, host: &Host, claims: Value) -> Result<String> {
    let now = now(host)?;
    let claims = mint::with(&json!({ "iat": now, "exp": now + 500 }), claims);
    bank.key.sign(&mint::with(&bank.claims(), claims))
}

/// Workers that have what was published: it revokes the index 1 and the name `t-bad`.
fn started(bank: &Bank) -> Result<Host> {
    let published = Published::revoking(&[1], &["t-bad"])?;
    let upstream = documents(&published, &bank.key, START)?;
    let mut host = bank.builder()?.workers(WORKERS).cluster(CLUSTER, upstream).start()?;
    host.advance(SECOND);
    Ok(host)
}

/// The ways to fail. Whatever is sent says that nobody is revoked.
fn faults(bank: &Bank) -> Result<Vec<(&'static str, Upstream)>> {
    let nobody = Published::revoking(&[], &[])?;
    let good = nobody.signed(&bank.key, START + 1)?;
    let each =
        |reply: &dyn Fn(&str) -> UpstreamReply| serving(good.each_ref().map(|document| reply(document)));
    let (mut huge, mut others) = (Published::revoking(&[], &[])?, Published::revoking(&[], &[])?);
    huge.list = StatusList::new(LIST, 8, ENTRIES + 1);
    (0..=ENTRIES).for_each(|number| huge.feed.revoke("sub", format!("s-{number}")));
    others.list.claims = json!({ "sub": format!("{LIST}0") });
    others.feed.claims = json!({ "iss": "https://other.example" });
    let padded = |document: &str| UpstreamReply::ok(format!("{document}{}", "A".repeat(4 << 20)));
    let page = |document: &str| {
        UpstreamReply::response(Response::new(200).header("content-type", "text/html").body(document))
    };
    Ok(vec![
        ("slow", each(&|document| UpstreamReply::ok(document).after(TIMEOUT * 4))),
        ("silent", Upstream::always(UpstreamReply::never())),
        ("down", Upstream::always(UpstreamReply::refused())),
        ("broken off", Upstream::always(UpstreamReply::reset())),
        ("failing", Upstream::always(UpstreamReply::status(500))),
        ("garbage", Upstream::always(UpstreamReply::ok("\0\u{1}garbage"))),
        ("a page", each(&page)),
        ("half-sent", each(&|document| UpstreamReply::ok(document.split_at(document.len() / 2).0))),
        ("huge", each(&padded)),
        ("of too many entries", documents(&huge, &bank.key, START + 1)?),
        ("signed by somebody else", documents(&nobody, &SigningKey::new("k1")?, START + 1)?),
        ("another issuer's", documents(&others, &bank.key, START + 1)?),
        ("older", documents(&nobody, &bank.key, START - 1)?),
        ("the wrong way round", {
            let [list, feed] = good.clone();
            serving([feed, list].map(UpstreamReply::ok))
        }),
    ])
}

/// Whether nothing is known of a token; by who waited as long as anybody may, too.
fn is_unavailable(verdict: &str) -> bool {
    ["system.revocation_unavailable", "system.timeout"].contains(&verdict)
}

/// A steady load of new and known tokens, good ones and revoked ones.
struct Load<'a> {
    bank: &'a Bank,
    host: Host,
    beats: usize,
    known: String,
    bad: [String; 2],
    /// Known good tokens with these indexes.
    indexed: String,
}

impl<'a> Load<'a> {
    fn start(bank: &'a Bank) -> Result<Self> {
        let host = started(bank)?;
        let known = token(bank, &host, json!({ "jti": "t-known" }))?;
        let indexed = token(bank, &host, json!({ "status": status(LIST, 2) }))?;
        let bad = [json!({ "status": status(LIST, 1) }), json!({ "jti": "t-bad" })]
            .map(|claims| token(bank, &host, claims));
        let [one, two] = bad;
        Ok(Self { bank, host, beats: 0, known, bad: [one?, two?], indexed })
    }

    /// What became of the good ones, within the time that a request may be held; no revoked one is allowed.
    fn beat(&mut self) -> Result<Vec<String>> {
        self.beats += 1;
        let name = format!("t-{}", self.beats);
        let new = |claims: Value| token(self.bank, &self.host, claims);
        let bad = [
            self.bad[0].clone(),
            self.bad[1].clone(),
            new(json!({ "jti": name, "status": status(LIST, 1) }))?,
            new(json!({ "jti": "t-bad", "sid": name }))?,
        ];
        let good = [
            self.known.clone(),
            self.indexed.clone(),
            new(json!({ "jti": name }))?,
            new(json!({ "jti": name, "status": status(LIST, 0) }))?,
        ];
        let bad: Vec<StreamId> = bad.iter().flat_map(|token| everywhere(&mut self.host, token)).collect();
        let good: Vec<StreamId> = good.iter().flat_map(|token| everywhere(&mut self.host, token)).collect();
        self.host.advance(BEAT);
        let held = verdicts(&self.host, &[&*bad, &*good].concat()).iter().any(|found| found == "held");
        if held {
            self.host.advance(DEADLINE.saturating_sub(BEAT));
        }
        for found in verdicts(&self.host, &bad) {
            let refused = found.starts_with("revocation.") || is_unavailable(&found);
            ensure!(refused, "a revoked token: {found}");
        }
        let found = verdicts(&self.host, &good);
        bad.into_iter().chain(good).for_each(|stream| self.host.close(stream));
        Ok(found)
    }
}

#[test]
fn under_load_no_fault_lets_a_revoked_token_in_or_anybody_after_the_budget() -> Result<()> {
    let bank = bank()?;
    for (name, fault) in faults(&bank)? {
        let mut load = Load::start(&bank)?;
        assert!(load.beat()?.iter().all(|found| found == "allow"), "{name}");
        // Both documents were fetched at the start.
        let age = |host: &Host| Duration::from_nanos(host.now() - START.unsigned_abs() * 1_000_000_000);
        load.host.set_cluster(CLUSTER, fault);
        load.host.take_calls();
        let mut within = 0;
        while age(&load.host) + BEAT + SECOND < REFRESH + STALE {
            let found = load.beat().with_context(|| format!("{name}, within the budget"))?;
            assert!(found.iter().all(|found| found == "allow"), "{name}, within the budget: {found:?}");
            within += 1;
        }
        assert!(within > 80, "{name}: {within} beats");
        assert!(gauge(&load.host, "failures").is_some_and(|failures| failures > 0), "{name}");
        load.host.advance(SECOND * 3);
        while age(&load.host) < REFRESH + STALE + BEYOND {
            let found = load.beat().with_context(|| format!("{name}, after it"))?;
            let refused = found.iter().all(|found| is_unavailable(found));
            assert!(refused, "{name}, after the budget: {found:?}");
        }
        let calls = load.host.take_calls().len();
        println!("{name}: {calls} fetches of two documents in {} s", age(&load.host).as_secs());
        assert!((4..=usize::try_from(MOST)?).contains(&calls), "{name}: {calls} fetches");

        // What comes then is newer, and takes back another token, which is known.
        let published = Published::revoking(&[1, 2], &["t-bad", "t-known"])?;
        let upstream = documents(&published, &bank.key, now(&load.host)?)?;
        load.host.set_cluster(CLUSTER, upstream);
        let mut waited = Duration::ZERO;
        let taken_back =
            [(load.known.clone(), "revocation.revoked"), (load.indexed.clone(), "revocation.status_invalid")];
        while taken_back.iter().any(|(token, reason)| ask(&mut load.host, token) != [*reason; WORKERS]) {
            load.host.advance(BEAT);
            waited += BEAT;
            ensure!(waited < REFRESH * 2, "{name}: does not recover");
        }
        let good = token(&bank, &load.host, json!({ "status": status(LIST, 3) }))?;
        assert_eq!(ask(&mut load.host, &good), ["allow"; WORKERS], "{name}");
        assert_eq!(gauge(&load.host, "failures"), Some(0), "{name}");
        assert!((0..WORKERS).all(|worker| !load.host.has_failed(worker)), "{name}");
    }
    Ok(())
}

#[test]
fn all_workers_wait_for_one_fetch_and_refuse_within_the_interval_and_a_second() -> Result<()> {
    let mut bank = bank()?;
    for (missing, path) in [("status_lists", PATHS[1]), ("feed", PATHS[0])] {
        let whole = bank.config["issuers"][0]["revocation"].clone();
        bank.config["issuers"][0]["revocation"] = mint::with(&whole, json!({ missing: null }));
        let publish = |host: &mut Host, published: &Published, after: Duration| -> Result<()> {
            let signed = published.signed(&bank.key, now(host)?)?;
            host.set_cluster(
                CLUSTER,
                serving(signed.map(|document| UpstreamReply::ok(document).after(after))),
            );
            Ok(())
        };
        let late = TIMEOUT / 2;
        let signed = Published::revoking(&[], &[])?.signed(&bank.key, START)?;
        let upstream = serving(signed.map(|document| UpstreamReply::ok(document).after(late)));
        let mut host = bank.builder()?.workers(WORKERS).cluster(CLUSTER, upstream).start()?;
        let good = fifth(&bank, &host, missing)?;
        let streams = everywhere(&mut host, &good);
        assert_eq!(verdicts(&host, &streams), ["held"; WORKERS], "{path}");
        host.advance(late + Duration::from_millis(30));
        assert_eq!(verdicts(&host, &streams), ["allow"; WORKERS], "{path}");
        assert_eq!(host.take_calls().iter().map(|call| call.path()).collect::<Vec<_>>(), [path]);
        for round in 0..8 {
            // At some moment between two fetches.
            host.advance(Duration::from_millis(3_700 * round));
            let given = round % 2 == 1;
            let published =
                if given { Published::revoking(&[], &[])? } else { Published::revoking(&[5], &["t-5"])? };
            publish(&mut host, &published, late)?;
            let since = host.now();
            let good = |found: &str| (found == "allow") == given;
            loop {
                let token = fifth(&bank, &host, missing)?;
                if ask(&mut host, &token).iter().all(|found| good(found)) {
                    break;
                }
                host.advance(Duration::from_millis(100));
                let past = Duration::from_nanos(host.now() - since);
                assert!(past <= REFRESH + SECOND, "{path}, {round}: {past:?}");
            }
            let delay = gauge(&host, "delay_milliseconds").context("a delay")?;
            assert!(u128::from(delay) <= (REFRESH + SECOND).as_millis(), "{path}: {delay} ms");
            println!("{path}: {} ms to refusal, the gauge says {delay}", (host.now() - since) / 1_000_000);
        }
        bank.config["issuers"][0]["revocation"] = whole;
    }
    Ok(())
}

#[test]
fn an_issuer_that_takes_seconds_to_answer_keeps_nobody_from_refusing_in_time() -> Result<()> {
    const SLOW: Duration = Duration::from_secs(2);
    let mut bank = bank()?;
    let revocation = &mut bank.config["issuers"][0]["revocation"];
    revocation["timeout_milliseconds"] = json!(5_000);
    *revocation = mint::with(revocation, json!({ "status_lists": null }));
    let serve = |published: &Published, now: i64| -> Result<Upstream> {
        let signed = published.signed(&bank.key, now)?;
        Ok(serving(signed.map(|document| UpstreamReply::ok(document).after(SLOW))))
    };
    let upstream = serve(&Published::revoking(&[], &[])?, START)?;
    let mut host = bank.builder()?.workers(WORKERS).cluster(CLUSTER, upstream).start()?;
    for round in 0..8 {
        // The worst moment: the issuer was just asked, and answers by what it knew then.
        host.take_calls();
        while host.take_calls().is_empty() {
            host.advance(Duration::from_millis(10));
        }
        let since = host.now();
        let revoked = round % 2 == 0;
        let published = Published::revoking(&[], if revoked { &["t-5"] } else { &[] })?;
        let upstream = serve(&published, now(&host)?)?;
        host.set_cluster(CLUSTER, upstream);
        loop {
            let token = fifth(&bank, &host, "status_lists")?;
            if ask(&mut host, &token).iter().all(|found| (found == "revocation.revoked") == revoked) {
                break;
            }
            host.advance(Duration::from_millis(100));
            let past = Duration::from_nanos(host.now() - since);
            assert!(past <= REFRESH + SECOND, "{round}: {past:?}");
        }
        let delay = gauge(&host, "delay_milliseconds");
        println!("{} ms until all workers knew, the gauge says {delay:?}", (host.now() - since) / 1_000_000);
        assert!(delay.is_none_or(|delay| u128::from(delay) <= (REFRESH + SECOND).as_millis()), "{delay:?}");
    }
    Ok(())
}

/// A new token of those that are taken back now and then, by the document that is not missing.
fn fifth(bank: &Bank, host: &Host, missing: &str) -> Result<String> {
    let claims =
        if missing == "feed" { json!({ "status": status(LIST, 5) }) } else { json!({ "jti": "t-5" }) };
    token(bank, host, claims)
}

#[test]
fn a_feed_of_two_hundred_thousand_entries_is_held_in_bounds() -> Result<()> {
    const MANY: usize = 200_000;
    let mut bank = bank()?;
    bank.config["issuers"][0]["revocation"] = mint::with(
        &bank.config["issuers"][0]["revocation"],
        json!({ "status_lists": null, "max_entries": MANY }),
    );
    let mut published = Published::revoking(&[], &[])?;
    for number in 0..MANY {
        published.feed.revoke("jti", format!("t-{number}"));
    }
    let mut host = bank
        .builder()?
        .workers(WORKERS)
        .cluster(CLUSTER, documents(&published, &bank.key, START)?)
        .start()?;
    host.advance(COOLDOWN);
    for round in 0..4 {
        host.advance(REFRESH);
        let (entries, bytes) = (gauge(&host, "entries"), gauge(&host, "bytes").context("bytes")?);
        let memory: Vec<usize> = (0..WORKERS).map(|worker| host.memory_size(worker)).collect();
        println!("{round}: {entries:?} entries in {bytes} bytes; each worker's memory: {memory:?}");
        // Identifiers may share an entry.
        assert!(entries.is_some_and(|entries| (199_990..=200_000).contains(&entries)), "{entries:?}");
        assert!((800_000..1_048_576).contains(&bytes), "{bytes}");
        for number in [0, 77_777, MANY - 1] {
            let bad = token(&bank, &host, json!({ "jti": format!("t-{number}") }))?;
            assert_eq!(ask(&mut host, &bad), ["revocation.revoked"; WORKERS]);
        }
        let good = token(&bank, &host, json!({ "jti": "t-good" }))?;
        assert_eq!(ask(&mut host, &good), ["allow"; WORKERS]);
        assert!(memory.iter().all(|bytes| *bytes < 64 << 20), "{memory:?}");
    }
    Ok(())
}

#[test]
fn a_worker_restarted_while_it_fetches_is_succeeded() -> Result<()> {
    let bank = bank()?;
    for restarted in 0..WORKERS {
        let signed = Published::revoking(&[1], &["t-bad"])?.signed(&bank.key, START)?;
        let upstream = serving(signed.map(|document| UpstreamReply::ok(document).after(TIMEOUT / 2)));
        let mut host = bank.builder()?.workers(WORKERS).cluster(CLUSTER, upstream).start()?;
        let good = token(&bank, &host, json!({ "jti": "t-good" }))?;
        let bad = token(&bank, &host, json!({ "jti": "t-bad", "status": status(LIST, 1) }))?;
        let streams = [everywhere(&mut host, &good), everywhere(&mut host, &bad)];
        host.advance(TIMEOUT / 4);
        host.restart(restarted)?;
        host.advance(DEADLINE);
        let [good_found, bad_found] = streams.map(|streams| verdicts(&host, &streams));
        let unavailable = ["held", "allow", "system.revocation_unavailable", "system.timeout"];
        assert!(
            good_found.iter().all(|found| unavailable.contains(&&**found)),
            "{restarted}: {good_found:?}"
        );
        assert!(bad_found.iter().all(|found| found != "allow"), "{restarted}: {bad_found:?}");
        host.advance(COOLDOWN * 3);
        assert_eq!(ask(&mut host, &good), ["allow"; WORKERS], "{restarted} restarted");
        assert!(
            ask(&mut host, &bad).iter().all(|found| found.starts_with("revocation.")),
            "{restarted} restarted"
        );
        let calls = host.calls().len();
        println!("worker {restarted} restarted: {calls} fetches");
        assert!((2..=4).contains(&calls), "{calls} calls, {restarted} restarted");
    }
    Ok(())
}
