//! Opaque tokens in the module, run by the simulator on virtual time: an issuer that fails in every way, and answers that come in any
//! order.

use std::time::Duration;

use anyhow::{Result, bail};
use countersign_host_sim::{Host, HostBuilder, Message, Request, Upstream};
use countersign_tests::mint;
use countersign_tests::simulated::{Bank, audit, fault, request, verdict};
use countersign_tests::world::START;
use serde_json::{Value, json};

use crate::party::{self, BEAT, CALLS, CLUSTER, Fault, Scene, TIMEOUT, json_reply};

const PATH: &str = "/introspect";

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

/// What the issuer says of a good token.
fn active(bank: &Bank) -> String {
    mint::with(&bank.claims(), json!({ "active": true, "token_type": "Bearer", "exp": START + 500 }))
        .to_string()
}

/// Good tokens are those whose names begin with `good`.
struct Introspected {
    bank: Bank,
    decided: Vec<(Request, &'static str)>,
}

impl Introspected {
    fn new() -> Result<Self> {
        let bank = bank(json!({}))?;
        let decided = vec![
            (request("GET", &bank.token()?), "allow"),
            (request("GET", &bank.forged()?), "token.signature"),
        ];
        Ok(Self { bank, decided })
    }
}

impl Scene for Introspected {
    const ASKED: &'static str = "questions";
    // A quarter is for tokens that the issuer has spoken for.
    const OPEN: usize = CALLS - CALLS / 4;
    const SHARED: bool = false;
    const UNAVAILABLE: &'static str = "system.introspection_unavailable";

    fn builder(&self) -> Result<HostBuilder> {
        self.bank.builder()
    }

    fn party(&self, after: Duration) -> Upstream {
        Upstream::new()
            .on_holding(PATH, "token=good", [json_reply(&active(&self.bank)).after(after)])
            .on(PATH, [json_reply(r#"{"active":false}"#).after(after)])
    }

    fn known(&self) -> Request {
        request("GET", "good-known")
    }

    fn decided(&self) -> &[(Request, &'static str)] {
        &self.decided
    }

    fn good(&self, number: usize) -> Result<Request> {
        Ok(request("GET", &format!("good-{number}")))
    }

    fn bad(&self, number: usize) -> Result<(Request, &'static str)> {
        Ok((request("GET", &format!("bad-{number}")), "token.inactive"))
    }

    fn check(&self, sent: &Message) -> Result<()> {
        fault(sent, "alice").map_or(Ok(()), |fault| bail!(fault))
    }
}

#[test]
fn under_load_a_failing_issuer_is_left_alone_and_costs_no_known_token() -> Result<()> {
    let scene = Introspected::new()?;
    let good = active(&scene.bank);
    let mut faults = party::faults(&good);
    let silent = json_reply(&good.replace("\"active\":true", "\"active\":\"true\""));
    faults.push(Fault::new("saying nothing", silent));
    party::fails_under_load(&scene, faults)
}

#[test]
fn under_load_a_worker_that_is_replaced_while_it_asks_asks_anew() -> Result<()> {
    party::is_restarted_under_load(&Introspected::new()?)
}

#[test]
fn under_load_the_clock_steps_forth_and_back() -> Result<()> {
    party::lives_with_clock_steps(&Introspected::new()?)
}

#[test]
fn stampedes_are_borne() -> Result<()> {
    party::bears_stampedes(&Introspected::new()?)
}

#[test]
fn clients_that_leave_make_room_and_the_issuer_is_asked_no_more() -> Result<()> {
    party::forgets_who_left(&Introspected::new()?)
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
    let scene = Introspected::new()?;
    let mut host = scene.start(scene.party(Duration::ZERO))?;
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
