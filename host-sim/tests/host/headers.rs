//! Header maps as guests see and change them.

use crate::common::{builder, data, logged, pairs, start};
use countersign_host_sim::{HeaderMap, Outcome, Request, Response, ResponseOutcome};

const RESULT: &str = "(i32.const 16) (i32.const 20)";

#[test]
fn a_value_is_the_first_of_several_and_names_are_folded() {
    let mut host = start(&format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $say_number (call $get (i32.const 0) @"X-Many" {RESULT}))
             (call $say_result)
             (call $say_number (call $get (i32.const 0) @"x-none" {RESULT}))
             (i32.const 0))"#
    ));
    let outcome = host.run(&Request::get("/").header("x-many", "one").header("x-many", "two"));
    assert_eq!(logged(&mut host), ["00", "one", "01"]);
    assert_eq!(outcome.forwarded().unwrap().headers.get_all(b"x-many").count(), 2);
}

#[test]
fn edits_go_upstream() {
    let mut host = start(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $say_number (call $add (i32.const 0) @"X-Add" @"a"))
             (call $say_number (call $replace (i32.const 0) @"x-twice" @"once"))
             (call $say_number (call $remove (i32.const 0) @"x-gone"))
             (i32.const 0))"#,
    );
    let request = Request::get("/").header("x-twice", "1").header("x-twice", "2").header("x-gone", "3");
    let outcome = host.run(&request);
    let headers = &outcome.forwarded().unwrap().headers;
    assert_eq!(logged(&mut host), ["00", "00", "00"]);
    assert_eq!(headers.text("x-add").as_deref(), Some("a"));
    assert_eq!(headers.get_all(b"x-twice").collect::<Vec<_>>(), [b"once"]);
    assert_eq!(headers.get("x-gone"), None);
}

#[test]
fn pairs_carry_bytes_and_replace_the_map() {
    let (segment, place) = data(4096, &pairs(&[(":method", "PUT"), ("x", "y")]));
    let mut host = start(&format!(
        r#"{segment}
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $say_number (call $get_pairs (i32.const 0) {RESULT}))
             (call $say_number (i32.load8_u (i32.load (i32.const 16))))
             (call $say_number (call $set_pairs (i32.const 0) {place}))
             (i32.const 0))"#
    ));
    let outcome = host.run(&Request::get("/").header("x-raw", b"\xff\xfe"));
    assert_eq!(logged(&mut host), ["00", "05", "00"]);
    assert_eq!(outcome.forwarded().unwrap().headers, HeaderMap::from_pairs([(":method", "PUT"), ("x", "y")]));
}

#[test]
fn maps_of_other_phases_are_refused_for_values_and_empty_for_pairs() {
    let mut host = start(&format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $say_number (call $get (i32.const 2) @":status" {RESULT}))
             (call $say_number (call $add (i32.const 2) @"a" @"b"))
             (i32.store (i32.const 20) (i32.const 7))
             (call $say_number (call $get_pairs (i32.const 2) {RESULT}))
             (call $say_number (i32.load (i32.const 20)))
             (call $say_number (call $map_size (i32.const 2) (i32.const 16)))
             (call $say_number (call $get (i32.const 8) @"a" {RESULT}))
             (i32.const 0))
           (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
             (call $say_number (call $get (i32.const 0) @":path" {RESULT}))
             (call $say_number (call $get (i32.const 2) @":status" {RESULT}))
             (i32.const 0))"#
    ));
    let (_, response) = host.exchange(&Request::get("/"), Response::new(204));
    assert_eq!(logged(&mut host), ["02", "02", "00", "00", "02", "02", "02", "00"]);
    let ResponseOutcome::Sent(response) = response else { panic!("{response:?}") };
    assert_eq!(response.status(), 204);
}

#[test]
fn pointers_outside_memory_are_refused_and_the_vm_lives() {
    let mut host = start(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $say_number (call $get (i32.const 0) (i32.const -1) (i32.const 4) (i32.const 16) (i32.const 20)))
             (call $say_number (call $get (i32.const 0) (i32.const 8) (i32.const -1) (i32.const 16) (i32.const 20)))
             (call $say_number (call $get (i32.const 0) @":path" (i32.const -2) (i32.const 20)))
             (call $say_number (call $add (i32.const 0) @"a" (i32.const 262143) (i32.const 2)))
             (call $say_number (call $set_pairs (i32.const 0) (i32.const 0x7fffffff) (i32.const 0x7fffffff)))
             (call $say_number (call $proxy_log (i32.const 2) (i32.const -4) (i32.const 8)))
             (call $say_number (call $time (i32.const -4)))
             (call $say_number (call $call @"c" (i32.const -1) (i32.const 1) (i32.const 0) (i32.const 0)
                                          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 16)))
             (i32.const 0))"#,
    );
    let outcome = host.run(&Request::get("/"));
    assert_eq!(logged(&mut host), ["06"; 8]);
    assert!(outcome.forwarded().is_some());
}

#[test]
fn too_many_pairs_read_as_none() {
    let mut host = start(&format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $say_number (call $get_pairs (i32.const 0) {RESULT}))
             (call $say_number (i32.load (i32.const 20)))
             (i32.const 0))"#
    ));
    let mut request = Request::get("/");
    for n in 0..1100 {
        request = request.header(format!("x-{n}"), "");
    }
    host.run(&request);
    assert_eq!(logged(&mut host), ["00", "00"]);
}

#[test]
fn a_filter_without_callbacks_lets_everything_pass() {
    let mut host = builder("").start().unwrap();
    let outcome = host.run(&Request::post("/").body("a").body("b"));
    let Outcome::Forwarded(message) = outcome else { panic!("{outcome:?}") };
    assert_eq!(message.body, b"ab");
}
