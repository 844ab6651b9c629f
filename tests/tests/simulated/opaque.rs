//! Opaque tokens in the module, run by the simulator on virtual time: an issuer that fails in every way, under a steady load of good
//! and bad requests. Nothing bad is allowed, nothing that is known to be good is refused, nobody is held past the deadline, and the
//! issuer is left alone.

use std::time::Duration;

use anyhow::{Result, ensure};
use countersign_host_sim::{Host, HostBuilder, Response, StreamId, Upstream, UpstreamReply};
use countersign_tests::mint;
use countersign_tests::simulated::{Bank, ask, audit, request, verdict};
use countersign_tests::world::START;
use serde_json::{Value, json};

const CLUSTER: &str = "issuer";
const PATH: &str = "/introspect";

/// How long a request may be held.
const TIMEOUT: Duration = Duration::from_millis(200);

/// How many questions may be open at once.
const CALLS: usize = 8;

/// How often requests come, in a load.
const BEAT: Duration = Duration::from_millis(40);

/// How long a fault lasts.
const FAULT: Duration = Duration::from_secs(10);

/// Questions that a fault of that length brings about at most: two tries for each that may be open when it begins, and what
/// tries the issuer again after 1, 2 and 4 seconds.
const MOST: usize = 2 * CALLS + 3;

/// A bank whose issuer is asked about opaque tokens.
fn bank(change: Value) -> Result<Bank> {
    let mut bank = Bank::new()?;
    bank.config["issuers"][0]["introspection"] = mint::with(
        &json!({
            "cluster": CLUSTER, "uri": format!("https://issuer.bank.example{PATH}"), "calls": CALLS,
            "timeout_milliseconds": TIMEOUT.as_millis(), "active_seconds": 300,
        }),
        change,
    );
    bank.config["routes"][0]["credentials"] = json!(["token", "opaque_token"]);
    Ok(bank)
}

fn json_reply(body: &str) -> UpstreamReply {
    UpstreamReply::response(Response::new(200).header("content-type", "application/json").body(body))
}

/// What the issuer says of a good token.
fn active(bank: &Bank) -> String {
    mint::with(&bank.claims(), json!({ "active": true, "token_type": "Bearer", "exp": START + 500 }))
        .to_string()
}

/// An issuer that knows the tokens whose names begin with `good`.
fn honest(bank: &Bank) -> Upstream {
    Upstream::new()
        .on_holding(PATH, "token=good", [json_reply(&active(bank))])
        .on(PATH, [json_reply(r#"{"active":false}"#)])
}

fn started(bank: &Bank) -> Result<Host> {
    let builder: HostBuilder = bank.builder()?;
    Ok(builder.cluster(CLUSTER, honest(bank)).start()?)
}

/// The ways to fail, each for everything that is asked.
fn faults(bank: &Bank) -> Vec<(&'static str, UpstreamReply)> {
    let good = active(bank);
    let of_type = |content_type: &str, body: &str| {
        UpstreamReply::response(Response::new(200).header("content-type", content_type).body(body))
    };
    let huge = good.replacen('{', &format!("{{\"padding\":\"{}\",", "x".repeat(1 << 20)), 1);
    vec![
        ("slow", json_reply(&good).after(TIMEOUT * 4)),
        ("silent", UpstreamReply::never()),
        ("down", UpstreamReply::refused()),
        ("broken off", UpstreamReply::reset()),
        ("failing", UpstreamReply::status(500)),
        ("not letting the gateway in", UpstreamReply::status(401)),
        ("asked too often", UpstreamReply::status(429)),
        ("half-sent", json_reply(&good[..good.len() / 2])),
        ("huge", json_reply(&huge)),
        ("a page", of_type("text/html", &good)),
        ("of a type that is made up", of_type("application/json+html", &good)),
        ("saying nothing", json_reply(&good.replace("\"active\":true", "\"active\":\"true\""))),
    ]
}

/// A steady load.
struct Load<'a> {
    host: Host,
    bank: &'a Bank,
    beats: usize,
    held: Vec<(StreamId, bool, usize)>,
    /// What became of new good tokens since the last time somebody looked.
    fresh: Vec<String>,
}

impl<'a> Load<'a> {
    /// With one good opaque token that the worker knows.
    fn start(bank: &'a Bank) -> Result<Self> {
        let mut load = Self { host: started(bank)?, bank, beats: 0, held: Vec::new(), fresh: Vec::new() };
        let first = load.host.request(&request("GET", "good-known"));
        load.host.advance(BEAT);
        ensure!(verdict(&load.host.outcome(first)) == "allow");
        load.host.close(first);
        Ok(load)
    }

    /// Requests with known tokens and forged ones, which are decided at once, and with a new good and a new bad opaque one.
    fn beat(&mut self) -> Result<()> {
        self.beats += 1;
        let (signed, forged) = (self.bank.token()?, self.bank.forged()?);
        for (token, expected) in [("good-known", "allow"), (&*signed, "allow"), (&*forged, "token.signature")]
        {
            let found = ask(&mut self.host, &request("GET", token));
            ensure!(found == expected, "expected {expected}, found {found}");
        }
        for (token, good) in [(format!("good-{}", self.beats), true), (format!("bad-{}", self.beats), false)]
        {
            let stream = self.host.request(&request("GET", &token));
            self.held.push((stream, good, self.beats));
        }
        self.host.advance(BEAT);
        let (host, fresh, now) = (&mut self.host, &mut self.fresh, self.beats);
        let mut wrong = None;
        self.held.retain(|(stream, good, since)| {
            let found = verdict(&host.outcome(*stream));
            let late = BEAT * u32::try_from(now - since).unwrap_or(u32::MAX) > TIMEOUT;
            if found == "held" && !late {
                return true;
            }
            let unavailable = found == "system.introspection_unavailable" || found == "limit.pending";
            let right = unavailable || found == if *good { "allow" } else { "token.inactive" };
            if !right {
                wrong = Some(format!("a {} token: {found}", if *good { "good" } else { "bad" }));
            }
            if *good {
                fresh.push(found);
            }
            host.close(*stream);
            false
        });
        wrong.map_or(Ok(()), |wrong| anyhow::bail!(wrong))
    }

    fn run(&mut self, time: Duration) -> Result<Vec<String>> {
        self.fresh.clear();
        for _ in 0..time.as_millis() / BEAT.as_millis() {
            self.beat()?;
        }
        Ok(std::mem::take(&mut self.fresh))
    }
}

#[test]
fn under_load_a_failing_issuer_is_left_alone_and_costs_no_known_token() -> Result<()> {
    let bank = bank(json!({}))?;
    for (name, fault) in faults(&bank) {
        let mut load = Load::start(&bank)?;
        let fresh = load.run(Duration::from_secs(1))?;
        assert!(!fresh.is_empty() && fresh.iter().all(|verdict| verdict == "allow"), "{name}: {fresh:?}");

        load.host.set_cluster(CLUSTER, Upstream::always(fault));
        load.host.take_calls();
        // What was asked before may be answered yet.
        load.run(BEAT).map_err(|error| error.context(name))?;
        let fresh = load.run(FAULT).map_err(|error| error.context(name))?;
        assert!(fresh.iter().all(|verdict| verdict != "allow"), "{name}: {fresh:?}");
        let calls = load.host.take_calls().len();
        println!("{name}: {calls} questions for {} new tokens", 2 * FAULT.as_millis() / BEAT.as_millis());
        assert!((5..=MOST).contains(&calls), "{name}: {calls} questions");

        // One probe finds that it is well again.
        load.host.set_cluster(CLUSTER, honest(&bank));
        let mut waited = Duration::ZERO;
        while !load.run(BEAT).map_err(|error| error.context(name))?.iter().any(|verdict| verdict == "allow") {
            waited += BEAT;
            ensure!(waited < Duration::from_secs(40), "{name}: does not recover");
        }
        let fresh = load.run(Duration::from_secs(1))?;
        assert!(fresh.iter().all(|verdict| verdict == "allow"), "{name}: {fresh:?}");
        assert!(!load.host.has_failed(0), "{name}");
        let opened = load.host.metrics().counter("countersign.breaker.opened");
        assert!(opened >= 1, "{name}: {opened}");
    }
    Ok(())
}

#[test]
fn an_answer_to_an_older_question_is_never_used() -> Result<()> {
    let first = bank(json!({}))?;
    let late = TIMEOUT / 2;
    let slow = |body: &str| json_reply(body).after(late);
    let issuer = Upstream::new()
        .on(PATH, [slow(&active(&first))])
        .on("/second", [json_reply(r#"{"active":false}"#).after(TIMEOUT - BEAT)]);
    let mut host = first.builder()?.cluster(CLUSTER, issuer).start()?;
    let before = host.request(&request("GET", "token"));
    host.advance(BEAT);
    let second = bank(json!({ "uri": "https://issuer.bank.example/second" }))?;
    let mut config = second.config.clone();
    config["issuers"][0]["keys"] = first.config["issuers"][0]["keys"].clone();
    host.reconfigure_in_place(config.to_string())?;
    assert_eq!(verdict(&host.outcome(before)), "system.timeout");
    let after = host.request(&request("GET", "token"));
    host.advance(late);
    assert_eq!(
        verdict(&host.outcome(after)),
        "held",
        "the first one's answer has come by now, and says `active`"
    );
    host.advance(TIMEOUT);
    assert_eq!(verdict(&host.outcome(after)), "token.inactive");
    assert_eq!(audit(&host.take_logs()).len(), 2);
    Ok(())
}

#[test]
fn what_the_issuer_said_is_told_as_what_the_caches_hold() -> Result<()> {
    let mut host = started(&bank(json!({}))?)?;
    let gauges = |host: &Host| {
        ["token_cache.entries", "failure_cache.entries", "upstream_token.entries", "dpop.used.entries"]
            .map(|name| host.metrics().gauge(&format!("countersign.{name}")))
    };
    host.advance(BEAT);
    assert_eq!(gauges(&host), [Some(0); 4]);
    for token in ["good-1", "good-2", "bad"] {
        host.request(&request("GET", token));
    }
    host.advance(BEAT);
    assert_eq!(gauges(&host), [Some(2), Some(1), Some(0), Some(0)]);
    for name in ["token_cache.bytes", "failure_cache.bytes"] {
        assert!(
            host.metrics().gauge(&format!("countersign.{name}")).is_some_and(|bytes| bytes > 0),
            "{name}"
        );
    }
    Ok(())
}

#[test]
fn clients_that_leave_make_room_and_the_issuer_is_asked_no_more() -> Result<()> {
    let bank = bank(json!({}))?;
    let mut host = bank.builder()?.cluster(CLUSTER, Upstream::always(UpstreamReply::never())).start()?;
    for number in 0..1_000 {
        let stream = host.request(&request("GET", &format!("good-{number}")));
        host.close(stream);
    }
    host.advance(BEAT);
    assert_eq!(host.take_calls().len(), CALLS);
    host.advance(TIMEOUT * 2);
    host.set_cluster(CLUSTER, honest(&bank));
    // The breaker has opened; after its while all is well.
    host.advance(Duration::from_secs(2));
    let stream = host.request(&request("GET", "good"));
    host.advance(BEAT);
    assert_eq!(verdict(&host.outcome(stream)), "allow");
    Ok(())
}

/// Alice's token is answered late, Mallory's at once and the other way round: each gets its own.
#[test]
fn nobody_gets_anothers_answer_in_whatever_order_they_come() -> Result<()> {
    let bank = bank(json!({}))?;
    let mallory =
        mint::with(&serde_json::from_str(&active(&bank))?, json!({ "sub": "mallory", "tenant": "globex" }));
    for (first, then) in [(1, 3), (3, 1)] {
        let issuer = Upstream::new()
            .on_holding(PATH, "token=alices", [json_reply(&active(&bank)).after(BEAT * first)])
            .on(PATH, [json_reply(&mallory.to_string()).after(BEAT * then)]);
        let mut host = bank.builder()?.cluster(CLUSTER, issuer).start()?;
        let streams =
            ["mallorys", "alices", "mallorys", "alices"].map(|token| host.request(&request("GET", token)));
        host.advance(BEAT * 5);
        let verdicts = streams.map(|stream| verdict(&host.outcome(stream)));
        let expected = ["policy.not_permitted", "allow", "policy.not_permitted", "allow"];
        assert_eq!(verdicts, expected);
        assert_eq!(host.take_calls().len(), 2, "one question for each token");
        let subjects: Vec<Value> =
            audit(&host.take_logs()).iter().map(|line| line["subject"].clone()).collect();
        assert_eq!(subjects.iter().filter(|subject| **subject == "alice").count(), 2, "{subjects:?}");
    }
    Ok(())
}

#[test]
fn a_worker_that_is_replaced_while_it_asks_asks_anew() -> Result<()> {
    let bank = bank(json!({}))?;
    let late = BEAT * 2;
    let issuer = Upstream::new()
        .on_holding(PATH, "token=good", [json_reply(&active(&bank)).after(late)])
        .on(PATH, [json_reply(r#"{"active":false}"#).after(late)]);
    let mut host = bank.builder()?.cluster(CLUSTER, issuer).start()?;
    let before = ["good", "bad"].map(|token| host.request(&request("GET", token)));
    host.advance(BEAT);
    assert_eq!(host.take_calls().len(), 2);
    host.restart(0)?;
    for stream in before {
        assert!(host.outcome(stream).forwarded().is_none(), "nobody had judged it");
    }
    // The answers to the old worker come meanwhile.
    let after = ["bad", "good"].map(|token| host.request(&request("GET", token)));
    host.advance(late + BEAT);
    assert_eq!(after.map(|stream| verdict(&host.outcome(stream))), ["token.inactive", "allow"]);
    assert_eq!(host.take_calls().len(), 2);
    Ok(())
}
