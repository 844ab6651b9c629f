//! What becomes of streams whose VM failed, and of responses that are never whole.

use std::time::Duration;

use crate::common::{builder, logged};
use countersign_host_sim::{
    FailPolicy, FailureKind, Host, HostCall, Outcome, Request, Response, ResponseOutcome,
};

/// Asks for the clock at each request.
const GUEST: &str = r#"
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (drop (call $time (i32.const 16)))
      (drop (call $add (i32.const 0) @"x-seen" @"yes"))
      (i32.const 0))
    (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
      (call $say_number (local.get 1))
      (i32.const 0))
    (func (export "proxy_on_log") (param i32) (call $say @"log"))"#;

fn host(policy: FailPolicy) -> Host {
    builder(GUEST).fail_policy(policy).start().unwrap()
}

fn trapped(policy: FailPolicy) -> (Host, Outcome) {
    let mut host = host(policy);
    host.trap_at(0, HostCall::proxy_get_current_time_nanoseconds);
    let outcome = host.run(&Request::post("/").body("a").body("b"));
    assert_eq!(host.failure(0).unwrap().kind, FailureKind::Injected);
    (host, outcome)
}

fn is_filtered(outcome: &Outcome) -> bool {
    outcome.forwarded().is_some_and(|message| message.headers.get("x-seen").is_some())
}

#[test]
fn closed_fails_every_stream() {
    let (mut host, outcome) = trapped(FailPolicy::Closed);
    assert_eq!(outcome.failure().unwrap().kind, FailureKind::Injected);
    host.advance(Duration::from_secs(60));
    assert_eq!(host.run(&Request::get("/")).failure().unwrap().kind, FailureKind::Earlier);
}

#[test]
fn open_lets_streams_pass_as_they_came() {
    let (mut host, outcome) = trapped(FailPolicy::Open);
    let message = outcome.forwarded().unwrap();
    assert_eq!((message.text(), is_filtered(&outcome)), ("ab".to_owned(), false));
    let later = host.request(&Request::post("/").body("c").unfinished());
    assert_eq!(host.outcome(later), Outcome::Incomplete);
    host.send_body(later, "d", true);
    assert_eq!(host.outcome(later).forwarded().unwrap().text(), "cd");
    host.respond(later, Response::new(200).body("e"));
    assert_eq!(host.response(later).sent().unwrap().text(), "e");
}

#[test]
fn reload_starts_a_fresh_vm_once_a_second_has_passed() {
    let (mut host, outcome) = trapped(FailPolicy::Reload);
    assert_eq!(outcome.failure().unwrap().kind, FailureKind::Injected);
    assert!(host.run(&Request::get("/")).failure().is_some(), "too soon");
    host.advance(Duration::from_secs(1));
    assert!(is_filtered(&host.run(&Request::get("/"))));
    host.trap_at(0, HostCall::proxy_get_current_time_nanoseconds);
    assert!(host.run(&Request::get("/")).failure().is_some());
    assert!(host.run(&Request::get("/")).failure().is_some(), "a second from the last start on");
    host.advance(Duration::from_secs(1));
    assert!(is_filtered(&host.run(&Request::get("/"))));
}

#[test]
fn a_response_may_break_off() {
    let mut host = host(FailPolicy::Closed);
    let stream = host.request(&Request::get("/"));
    host.respond(stream, Response::new(200).body("abc").unfinished());
    assert_eq!(host.response(stream), ResponseOutcome::Paused);
    host.send_response_body(stream, "de", false);
    host.close(stream);
    assert_eq!(logged(&mut host), ["03", "02", "log"]);
    let stream = host.request(&Request::get("/"));
    host.respond(stream, Response::new(200).body("abc").unfinished());
    host.send_response_body(stream, "de", true);
    assert_eq!(host.response(stream).sent().unwrap().text(), "abcde");
}

#[test]
fn the_next_event_is_known() {
    let mut host = builder(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $tick_period (i32.const 250))) (i32.const 1))
           (func (export "proxy_on_tick") (param i32) (call $say @"tick"))"#,
    )
    .start()
    .unwrap();
    assert_eq!(host.next_event(), Some(Duration::from_millis(250)));
    host.advance(Duration::from_millis(200));
    assert_eq!(host.next_event(), Some(Duration::from_millis(50)));
    host.fire_tick(0);
    assert_eq!(logged(&mut host), ["tick"]);
    host.advance(host.next_event().unwrap());
    assert_eq!(logged(&mut host), ["tick"]);
    assert_eq!(host_without_timer().next_event(), None);
}

fn host_without_timer() -> Host {
    builder("").start().unwrap()
}
