//! HTTP/2 metadata: when a module hears of it, and that it goes on whatever the module returns.

use crate::common::{builder, logged, start};
use countersign_host_sim::{HeaderMap, Profile, Request, Response};

/// A guest that says what it is called for, with the count that it is told, and returns what its path wants: `/hold` holds headers.
const SAYS: &str = r#"
  (global $hold (mut i32) (i32.const 0))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $say @"request headers") (call $say_number (local.get 2)) (global.get $hold))
  (func (export "proxy_on_request_metadata") (param i32 i32) (result i32)
    (call $say @"request metadata") (call $say_number (local.get 1)) (i32.const 1))
  (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
    (call $say @"request body") (call $say_number (local.get 2)) (i32.const 0))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
    (call $say @"response headers") (call $say_number (local.get 2)) (i32.const 0))
  (func (export "proxy_on_response_metadata") (param i32 i32) (result i32)
    (call $say @"response metadata") (call $say_number (local.get 1)) (i32.const 1))
  (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
    (call $say @"response body") (call $say_number (local.get 2)) (i32.const 0))
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (global.set $hold (local.get 1)) (i32.const 1))
  (func (export "proxy_on_tick") (param i32)
    (drop (call $effective (i32.const 2))) (drop (call $continue (i32.const 0))))"#;

fn map<const N: usize>(pairs: [(&str, &str); N]) -> HeaderMap {
    HeaderMap::from_pairs(pairs)
}

#[test]
fn it_comes_between_headers_and_body() {
    let mut host = start(SAYS);
    let request =
        Request::post("/").metadata([("a", "1"), ("b", "2"), ("a", "3")]).metadata([("c", "4")]).body("x");
    let response = Response::new(200).metadata([("d", "5")]).body("y");
    let (outcome, response) = host.exchange(&request, response);
    assert_eq!(outcome.forwarded().unwrap().body, b"x");
    assert_eq!(response.sent().unwrap().body, b"y");
    let said =
        ["request headers", "00", "request metadata", "02", "request metadata", "01", "request body", "01"];
    assert_eq!(
        logged(&mut host),
        [said.as_slice(), &["response headers", "00", "response metadata", "01", "response body", "01"]]
            .concat()
    );
}

#[test]
fn where_nothing_follows_an_empty_piece_of_body_does() {
    let mut host = start(SAYS);
    let outcome = host.run(&Request::get("/").metadata([("a", "1")]));
    assert_eq!(outcome.forwarded().unwrap().body, b"");
    assert_eq!(logged(&mut host), ["request headers", "00", "request metadata", "01", "request body", "01"]);
}

#[test]
fn what_comes_while_headers_are_held_waits() {
    let mut host = builder(SAYS).plugin_config("1").start().unwrap();
    let stream = host.request(&Request::post("/").body("x").unfinished());
    host.send_metadata(stream, &map([("a", "1")]));
    assert_eq!(logged(&mut host), ["request headers", "00"]);
    host.fire_tick(0);
    assert_eq!(logged(&mut host), ["request metadata", "01", "request body", "00"]);
    host.send_metadata(stream, &map([("b", "2"), ("c", "3")]));
    assert_eq!(logged(&mut host), ["request metadata", "02"]);
    host.send_body(stream, "", true);
    host.send_metadata(stream, &map([("late", "")]));
    assert_eq!(logged(&mut host), ["request body", "01"]);
    host.respond(stream, Response::new(200).unfinished());
    host.send_response_metadata(stream, &map([("d", "4")]));
    assert_eq!(logged(&mut host), ["response headers", "00", "response metadata", "01"]);
}

#[test]
fn hosts_that_never_tell_do_not() {
    let mut host = builder(SAYS).profile(Profile::Gcp).start().unwrap();
    host.run(&Request::get("/").metadata([("a", "1")]));
    assert_eq!(logged(&mut host), ["request headers", "00", "request body", "01"]);
}
