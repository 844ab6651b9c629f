//! What follows a request's headers, in the simulator: body and trailers take no held request along.

use std::time::Duration;

use anyhow::Result;
use countersign_host_sim::{HeaderMap, Host, Request};
use countersign_tests::simulated::{Bank, audit, request, verdict};
use serde_json::json;

const LATE: Duration = Duration::from_millis(1_500);

/// A worker that waits for its keys, and is offered bodies and trailers of requests that it holds.
fn waiting(bank: &Bank) -> Result<Host> {
    Ok(bank.builder_with_keys_after(LATE)?.allow_on_headers_stop_iteration(true).start()?)
}

fn trailers() -> HeaderMap {
    HeaderMap::from_pairs([("x-sum", "1")])
}

/// The same request by its body alone, by its trailers alone, and by both.
fn shapes(token: &str) -> [Request; 3] {
    let plain = request("GET", token).header("x-countersign-principal", "root");
    let mut with_trailers = plain.clone();
    with_trailers.trailers = Some(trailers());
    [plain.body("pay").body("load"), with_trailers.clone(), with_trailers.body("payload")]
}

#[test]
fn a_held_request_does_not_go_on_by_what_follows_its_headers() -> Result<()> {
    let bank = Bank::with_remote_keys()?;
    for request in shapes(&bank.forged()?) {
        let mut host = waiting(&bank)?;
        let stream = host.request(&request);
        assert_eq!(verdict(&host.outcome(stream)), "held", "{request:?}");
        host.advance(LATE * 2);
        assert_eq!(verdict(&host.outcome(stream)), "token.signature", "{request:?}");
    }
    Ok(())
}

#[test]
fn a_body_that_comes_in_pieces_waits_too() -> Result<()> {
    let bank = Bank::with_remote_keys()?;
    let mut host = waiting(&bank)?;
    let stream = host.request(&request("GET", &bank.forged()?).body("pay").unfinished());
    host.send_body(stream, "load", false);
    host.send_trailers(stream, trailers());
    assert_eq!(verdict(&host.outcome(stream)), "held");
    host.advance(LATE * 2);
    assert_eq!(verdict(&host.outcome(stream)), "token.signature");
    Ok(())
}

#[test]
fn an_allowed_request_goes_on_whole() -> Result<()> {
    let bank = Bank::with_remote_keys()?;
    for request in shapes(&bank.token()?) {
        let mut host = waiting(&bank)?;
        let stream = host.request(&request);
        host.advance(LATE * 2);
        let outcome = host.outcome(stream);
        let message = outcome.forwarded().unwrap_or_else(|| panic!("{outcome:?}"));
        assert_eq!(message.body, request.body.concat());
        assert_eq!(message.trailers, request.trailers.clone().unwrap_or_default());
        let principals: Vec<_> = message.headers.get_all(b"x-countersign-principal").collect();
        assert_eq!(principals, [b"alice"]);
        assert_eq!(audit(&host.take_logs()).len(), 1);
    }
    Ok(())
}

#[test]
fn nothing_follows_a_refusal() -> Result<()> {
    let bank = Bank::new()?;
    let mut host = bank.builder()?.allow_on_headers_stop_iteration(true).start()?;
    for request in shapes(&bank.forged()?) {
        assert_eq!(verdict(&host.run(&request)), "token.signature");
    }
    Ok(())
}

/// Some servers read trailers as headers.
#[test]
fn trailers_carry_no_identity_and_no_credential() -> Result<()> {
    let (mut bank, mut remote) = (Bank::new()?, Bank::with_remote_keys()?);
    for bank in [&mut bank, &mut remote] {
        bank.config["forward"]["remove"] = json!(["x-internal"]);
    }
    for (bank, mut host) in [(&bank, bank.builder()?.start()?), (&remote, waiting(&remote)?)] {
        let mut request = request("GET", &bank.token()?).body("payload");
        request.trailers = Some(HeaderMap::from_pairs([
            ("x-countersign-principal", "root"),
            ("X-Countersign-Roles", "admin"),
            ("x_countersign_tenant", "globex"),
            ("authorization", "Bearer a.b.c"),
            ("Authorization", "Basic eDp5"),
            ("authorizations", "2"),
            ("X-Internal", "1"),
            ("x-sum", "1"),
        ]));
        let stream = host.request(&request);
        host.advance(LATE * 2);
        let outcome = host.outcome(stream);
        let message = outcome.forwarded().unwrap_or_else(|| panic!("{outcome:?}"));
        assert_eq!(message.trailers, HeaderMap::from_pairs([("authorizations", "2"), ("x-sum", "1")]));
    }
    Ok(())
}
