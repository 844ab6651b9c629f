//! Exchanges of tokens in the module, run by the simulator on virtual time: a token service that fails in every way, and answers that
//! come in any order.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use countersign_host_sim::{HostBuilder, Message, Outcome, Request, Response, Upstream, UpstreamReply};
use countersign_tests::mint;
use countersign_tests::simulated::{Bank, audit, request, verdict};
use countersign_tests::world::{START, WORKLOAD};
use serde_json::{Value, json};

use crate::party::{self, BEAT, CALLS, CLUSTER, Fault, LATE, Scene, TIMEOUT, json_reply};

const PATH: &str = "/token";
/// A workload that nothing is exchanged for.
const STRANGER: &str = "spiffe://bank.example/stranger";
/// Another one for which it is.
const BATCH: &str = "spiffe://bank.example/batch";

/// What the token service calls a refusal that the client is to blame for.
const REFUSED: &str = "delegation.exchange_refused";

/// A bank whose users' tokens are exchanged, with the calling workload as actor.
struct Exchanged {
    bank: Bank,
    /// The client's token that the worker knows.
    known: String,
    decided: Vec<(Request, &'static str)>,
    /// The answers for those who act, by the workload.
    narrow: Vec<(&'static str, String)>,
}

impl Exchanged {
    fn new() -> Result<Self> {
        let mut bank = Bank::new()?;
        bank.config["upstream_tokens"] = json!([{
            "name": "model", "grant": "token_exchange", "cluster": CLUSTER, "audiences": ["model"], "scopes": ["score"],
            "uri": format!("https://issuer.bank.example{PATH}"), "actor": "workload", "calls": CALLS,
            "timeout_milliseconds": TIMEOUT.as_millis(),
        }]);
        bank.config["routes"][0]["upstream_token"] = json!("model");
        let foreign = bank.key.sign(&mint::with(&bank.claims(), json!({ "tenant": "globex" })))?;
        let decided = vec![
            (request("GET", &bank.forged()?), "token.signature"),
            // Whom the policies stop is not asked about.
            (request("GET", &foreign), "policy.not_permitted"),
        ];
        let actors = [WORKLOAD, BATCH].map(|actor| {
            let narrow = narrow(&bank, json!({ "act": { "sub": actor } }))?;
            Ok((actor, narrow))
        });
        let narrow = actors.into_iter().collect::<Result<_>>()?;
        Ok(Self { known: bank.token()?, bank, decided, narrow })
    }

    /// A token of a user that was not seen before.
    fn token(&self, number: usize) -> Result<String> {
        self.bank.key.sign(&mint::with(&self.bank.claims(), json!({ "jti": format!("n-{number}") })))
    }

    /// The token that goes upstream for a workload.
    fn of(&self, actor: &str) -> Result<&str> {
        let found = self.narrow.iter().find(|(other, _)| *other == actor);
        found.map(|(_, narrow)| narrow.as_str()).context("nothing is exchanged for this workload")
    }

    fn good_answer(&self) -> Result<String> {
        Ok(given(self.of(WORKLOAD)?))
    }
}

fn narrow(bank: &Bank, changes: Value) -> Result<String> {
    let claims = json!({
        "iss": "https://issuer.bank.example", "sub": "alice", "aud": "model", "iat": START, "exp": START + 500,
        "scope": "score", "act": { "sub": WORKLOAD },
    });
    bank.key.sign(&mint::with(&claims, changes))
}

fn given(token: &str) -> String {
    json!({
        "access_token": token, "token_type": "Bearer", "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
    })
    .to_string()
}

fn refusing(error: &str) -> UpstreamReply {
    let body = json!({ "error": error }).to_string();
    UpstreamReply::response(Response::new(400).header("content-type", "application/json").body(body))
}

/// As it stands in a form.
fn in_form(workload: &str) -> String {
    workload.replace(':', "%3A").replace('/', "%2F")
}

fn from(workload: &str, token: &str) -> Request {
    request("GET", token).property("connection.uri_san_peer_certificate", workload)
}

/// The token that went upstream, which is the only one.
fn sent_token(sent: &Message) -> Result<String> {
    let all: Vec<_> = sent.headers.get_all(b"authorization").map(String::from_utf8_lossy).collect();
    ensure!(all.len() == 1, "{} credentials went upstream", all.len());
    Ok(all.concat().strip_prefix("Bearer ").context("no bearer token")?.to_owned())
}

impl Scene for Exchanged {
    const ASKED: &'static str = "exchanges";
    const OPEN: usize = CALLS;
    const SHARED: bool = true;
    const UNAVAILABLE: &'static str = "system.token_service_unavailable";

    fn builder(&self) -> Result<HostBuilder> {
        self.bank.builder()
    }

    fn party(&self, after: Duration) -> Upstream {
        let service = Upstream::new();
        let service = self.narrow.iter().fold(service, |service, (actor, narrow)| {
            service.on_holding(PATH, in_form(actor), [json_reply(&given(narrow)).after(after)])
        });
        service.on(PATH, [refusing("invalid_grant").after(after)])
    }

    fn known(&self) -> Request {
        request("GET", &self.known)
    }

    fn decided(&self) -> &[(Request, &'static str)] {
        &self.decided
    }

    fn good(&self, number: usize) -> Result<Request> {
        let workload = if number.is_multiple_of(2) { WORKLOAD } else { BATCH };
        Ok(from(workload, &self.token(number)?))
    }

    fn bad(&self, number: usize) -> Result<(Request, &'static str)> {
        Ok((from(STRANGER, &self.token(number)?), REFUSED))
    }

    fn check(&self, sent: &Message) -> Result<()> {
        let actor = sent.headers.text("x-countersign-workload").context("no workload")?;
        let token = sent_token(sent)?;
        ensure!(token == self.of(&actor)?, "{actor} got a token that is another's");
        let subject = sent.headers.text("x-countersign-subject");
        ensure!(subject.as_deref() == Some("alice"), "for {subject:?}");
        Ok(())
    }
}

#[test]
fn under_load_a_failing_token_service_is_left_alone_and_costs_no_known_token() -> Result<()> {
    let scene = Exchanged::new()?;
    let mut faults = party::faults(&scene.good_answer()?);
    // For whoever acts, but not what was asked for.
    let unlike = |changes: Value| {
        let all = [WORKLOAD, BATCH, STRANGER].map(|actor| (actor, json!({ "act": { "sub": actor } })));
        all.into_iter().try_fold(Upstream::new(), |service, (actor, act)| {
            let token = narrow(&scene.bank, mint::with(&act, changes.clone()))?;
            anyhow::Ok(service.on_holding(PATH, in_form(actor), [json_reply(&given(&token))]))
        })
    };
    let token = |changes| narrow(&scene.bank, changes).map(|token| json_reply(&given(&token)));
    faults.extend([
        Fault::new("refusing the gateway", refusing("invalid_client")),
        Fault::by("giving what is for others too", unlike(json!({ "aud": ["model", "bank"] }))?),
        Fault::by("giving what allows more", unlike(json!({ "scope": "score pay" }))?),
        Fault::by("giving what is over", unlike(json!({ "exp": START - 1 }))?),
        Fault::new("giving what can't be read", json_reply(&given("a.b.c"))),
        Fault::new("saying nothing", json_reply("{}")),
        // A client may have brought these about.
        Fault::of_the_question("refusing the client", refusing("invalid_grant")).because(REFUSED),
        Fault::of_the_question("giving another user's", token(json!({ "sub": "mallory" }))?)
            .because(Exchanged::UNAVAILABLE),
        Fault::of_the_question("giving another actor's", token(json!({ "act": { "sub": "mallory" } }))?)
            .because(Exchanged::UNAVAILABLE),
    ]);
    party::fails_under_load(&scene, faults)
}

#[test]
fn under_load_a_worker_that_is_replaced_while_it_asks_asks_anew() -> Result<()> {
    party::is_restarted_under_load(&Exchanged::new()?)
}

#[test]
fn under_load_the_clock_steps_forth_and_back() -> Result<()> {
    party::lives_with_clock_steps(&Exchanged::new()?)
}

#[test]
fn stampedes_are_borne() -> Result<()> {
    party::bears_stampedes(&Exchanged::new()?)
}

#[test]
fn clients_that_leave_make_room_and_the_token_service_is_asked_no_more() -> Result<()> {
    party::forgets_who_left(&Exchanged::new()?)
}

/// Alice's token is exchanged late, Bob's at once and the other way round, each by two workloads: each gets its own.
#[test]
fn nobody_gets_anothers_token_in_whatever_order_they_come() -> Result<()> {
    let scene = Exchanged::new()?;
    let users = ["alice", "bob"].map(|user| {
        let token = scene.bank.key.sign(&mint::with(&scene.bank.claims(), json!({ "sub": user })))?;
        anyhow::Ok((user, token))
    });
    let users = users.into_iter().collect::<Result<Vec<_>>>()?;
    for late in 0..4 {
        let (mut service, mut expected) = (Upstream::new(), Vec::new());
        for (number, (user, token)) in users.iter().enumerate() {
            for (place, workload) in [WORKLOAD, BATCH].into_iter().enumerate() {
                let own = narrow(&scene.bank, json!({ "sub": user, "act": { "sub": workload } }))?;
                let after = BEAT * if 2 * number + place == late { 3 } else { 1 };
                let held = format!("subject_token={token}&");
                let asked = format!(
                    "{held}subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&actor_token={}&",
                    in_form(workload)
                );
                service = service.on_holding(PATH, asked, [json_reply(&given(&own)).after(after)]);
                expected.push((from(workload, token), own));
            }
        }
        let mut host = scene.start(service)?;
        let twice: Vec<_> = expected.iter().chain(&expected).collect();
        let streams: Vec<_> = twice.iter().map(|(request, _)| host.request(request)).collect();
        host.advance(BEAT * 2);
        let waiting = streams.iter().filter(|stream| host.outcome(**stream).is_paused()).count();
        assert_eq!(waiting, 2, "the late one, and who joined it");
        host.advance(BEAT * 2);
        for ((_, own), stream) in twice.iter().zip(&streams) {
            let outcome = host.outcome(*stream);
            let Outcome::Forwarded(sent) = &outcome else { anyhow::bail!("{}", verdict(&outcome)) };
            assert_eq!(&sent_token(sent)?, own);
        }
        assert_eq!(host.take_calls().len(), expected.len(), "one for each token and workload");
        let lines = audit(&host.take_logs());
        assert_eq!(lines.len(), streams.len());
        assert!(
            lines.iter().all(|line| expected.iter().all(|(_, own)| !line.to_string().contains(own.as_str())))
        );
    }
    Ok(())
}

#[test]
fn an_answer_to_an_older_question_is_never_used() -> Result<()> {
    let scene = Exchanged::new()?;
    let mut host =
        scene.start(scene.party(LATE).on("/second", [refusing("invalid_grant").after(TIMEOUT - BEAT)]))?;
    let before = host.request(&scene.known());
    host.advance(BEAT);
    let mut config = scene.bank.config.clone();
    config["upstream_tokens"][0]["uri"] = json!("https://issuer.bank.example/second");
    host.reconfigure_in_place(config.to_string())?;
    assert_eq!(verdict(&host.outcome(before)), "system.timeout");
    let after = host.request(&scene.known());
    host.advance(LATE);
    assert_eq!(
        verdict(&host.outcome(after)),
        "held",
        "the first one's answer has come by now, and gives a token"
    );
    host.advance(TIMEOUT);
    assert_eq!(verdict(&host.outcome(after)), REFUSED);
    Ok(())
}
