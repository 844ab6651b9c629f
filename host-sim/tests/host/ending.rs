//! The end of root contexts, and of responses of which a filter holds too much, as Envoy 1.40 has them.

use std::time::Duration;

use crate::common::{builder, data, logged, pairs};
use countersign_host_sim::{
    Host, Limits, Outcome, Request, Response, ResponseOutcome, Upstream, UpstreamReply,
};

/// Says what its contexts hear at their end. Its root context is done at once, unless the configuration begins with `o`; it then calls
/// `proxy_done` in a tick 10 ms later.
const GUEST: &str = r#"
    (global $mode (mut i32) (i32.const 0))
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
      (drop (call $get_buffer (i32.const 7) (i32.const 0) (i32.const 10) (i32.const 16) (i32.const 20)))
      (global.set $mode (i32.load8_u (i32.load (i32.const 16))))
      (i32.const 1))
    (func (export "proxy_on_done") (param i32) (result i32)
      (call $say @"done") (call $say_number (local.get 0))
      (if (result i32) (i32.and (i32.eq (local.get 0) (i32.const 1)) (i32.eq (global.get $mode) (i32.const 111)))
        (then (drop (call $tick_period (i32.const 10))) (i32.const 0))
        (else (call $say_number (call $root_done)) (i32.const 1))))
    (func (export "proxy_on_log") (param i32) (call $say @"log") (call $say_number (local.get 0)))
    (func (export "proxy_on_delete") (param i32) (call $say @"delete") (call $say_number (local.get 0)))
    (func (export "proxy_on_tick") (param i32) (call $say @"tick") (call $say_number (call $root_done)))"#;

fn host(configuration: &str) -> Host {
    builder(GUEST).plugin_config(configuration).start().unwrap()
}

#[test]
fn a_root_context_hears_of_its_end() {
    let mut host = host("now");
    host.restart(0).unwrap();
    assert_eq!(logged(&mut host), ["done", "01", "01", "delete", "01"], "and is not logged");
    host.reconfigure("next").unwrap();
    assert_eq!(logged(&mut host), ["done", "01", "01", "delete", "01"]);
    assert!(host.run(&Request::get("/")).forwarded().is_some());
}

#[test]
fn a_root_context_may_be_done_later() {
    let mut host = host("old");
    host.reconfigure("new").unwrap();
    assert_eq!(logged(&mut host), ["done", "01"]);
    assert_eq!(host.next_event(), Some(Duration::from_millis(10)));
    host.advance(Duration::from_secs(1));
    assert_eq!(logged(&mut host), ["tick", "00", "delete", "01"], "and then it is gone");
    assert_eq!(host.next_event(), None);
}

#[test]
fn a_vm_that_goes_away_is_not_waited_for() {
    let mut host = host("old");
    host.restart(0).unwrap();
    host.advance(Duration::from_secs(1));
    assert_eq!(logged(&mut host), ["done", "01"]);
}

#[test]
fn an_answer_reaches_a_root_context_that_is_not_done() {
    let (segment, headers) = data(4096, &pairs(&[(":method", "GET"), (":path", "/"), (":authority", "c")]));
    let body = format!(
        r#"{segment}
           (func (export "proxy_on_done") (param i32) (result i32)
             (drop (call $call @"c" {headers} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 24)))
             (i32.const 0))
           (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
             (call $say @"answer") (call $say_number (call $root_done)) (call $say_number (call $root_done)))
           (func (export "proxy_on_delete") (param i32) (call $say @"delete"))"#
    );
    let upstream = Upstream::always(UpstreamReply::ok("").after(Duration::from_secs(1)));
    let mut host = builder(&body).cluster("c", upstream).start().unwrap();
    host.reconfigure("").unwrap();
    assert!(logged(&mut host).is_empty());
    host.advance(Duration::from_secs(1));
    assert_eq!(logged(&mut host), ["answer", "00", "01", "delete"]);
}

#[test]
fn no_more_than_some_wait_for_their_root_contexts() {
    let mut host = host("old");
    for _ in 0..40 {
        host.reconfigure("old").unwrap();
    }
    logged(&mut host);
    host.advance(Duration::from_millis(10));
    assert_eq!(logged(&mut host).iter().filter(|line| *line == "delete").count(), 16);
}

#[test]
fn a_gateway_that_shuts_down_ends_its_streams_and_then_its_root_contexts() {
    let mut host = host("now");
    host.request(&Request::get("/").unfinished());
    let said: Vec<_> = host.shut_down().into_iter().map(|line| line.message).collect();
    assert_eq!(said, ["log", "02", "done", "02", "01", "delete", "02", "done", "01", "01", "delete", "01"]);
}

/// Holds bodies until they end, and says how much it is offered and what the log knows.
const HOLDER: &str = r#"
    (func $hold (param i32 i32 i32) (result i32)
      (call $say_number (local.get 1)) (i32.sub (i32.const 1) (local.get 2)))
    (export "proxy_on_request_body" (func $hold))
    (export "proxy_on_response_body" (func $hold))
    (func (export "proxy_on_log") (param i32)
      (drop (call $get_property @"response\00code_details" (i32.const 16) (i32.const 20))) (call $say_result))"#;

fn holder(more: &str) -> Host {
    let limits = Limits { body_bytes: 10, ..Limits::default() };
    builder(&[HOLDER, more].concat()).allow_on_headers_stop_iteration(true).limits(limits).start().unwrap()
}

fn three() -> Response {
    Response::new(200).body("12345678").body("9abc").body("lost")
}

#[test]
fn a_response_that_is_held_beyond_the_limit_is_broken_off() {
    let mut host = holder("");
    let stream = host.request(&Request::get("/"));
    host.respond(stream, three());
    assert_eq!((host.outcome(stream), host.response(stream)), (Outcome::Closed, ResponseOutcome::None));
    assert_eq!(logged(&mut host), ["08", "response_payload_too_large"]);
}

#[test]
fn a_response_whose_headers_are_held_too_becomes_an_error() {
    let stop = r#"(func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (call $say @"headers") (i32.const 1))"#;
    let mut host = holder(stop);
    let (outcome, response) = host.exchange(&Request::get("/"), three());
    assert!(outcome.forwarded().is_some());
    let ResponseOutcome::Reply(reply) = response else { panic!("{response:?}") };
    assert_eq!((reply.status, reply.text()), (500, "Internal Server Error".to_owned()));
    assert_eq!(logged(&mut host), ["headers", "08", "response_payload_too_large"], "no callbacks for that");
}

#[test]
fn what_is_held_up_to_the_limit_or_let_pass_is_no_matter() {
    let mut host = holder("");
    let (_, response) = host.exchange(&Request::get("/"), Response::new(200).body("12345678").body("9a"));
    assert_eq!(response.sent().unwrap().text(), "123456789a");
    // The last piece of a body passes whatever its size, and so does all of one that nobody holds.
    let (outcome, response) =
        host.exchange(&Request::post("/").body("123456789abc"), Response::new(200).body("123456789abc"));
    assert_eq!(outcome.forwarded().unwrap().text(), "123456789abc");
    assert_eq!(response.sent().unwrap().text(), "123456789abc");
    let refused = host.run(&Request::post("/").body("123456789abc").body("d"));
    assert_eq!(refused.reply().unwrap().status, 413);
}
