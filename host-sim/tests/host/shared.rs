//! Shared data, queues, metrics, functions of the host.

use std::sync::Arc;

use crate::common::{builder, logged, start};
use countersign_host_sim::{MetricValue, Request, Status};

const RESULT: &str = "(i32.const 16) (i32.const 20)";

#[test]
fn shared_data_is_compared_and_swapped_across_workers() {
    let mut host = builder(&format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $say_number (call $get_shared @"key" {RESULT} (i32.const 24)))
             (call $say_number (call $set_shared @"key" @"one" (i32.const 0)))
             (call $say_number (call $get_shared @"key" {RESULT} (i32.const 24)))
             (call $say_result)
             (call $say_number (call $set_shared @"key" @"two" (i32.load (i32.const 24))))
             (call $say_number (call $set_shared @"key" @"three" (i32.load (i32.const 24))))
             (i32.const 0))"#
    ))
    .workers(2)
    .start()
    .unwrap();
    host.request_on(0, &Request::get("/"));
    assert_eq!(logged(&mut host), ["01", "00", "00", "one", "00", "08"]);
    host.request_on(1, &Request::get("/"));
    assert_eq!(logged(&mut host)[0], "00", "the other worker sees it");
}

#[test]
fn queues_wake_the_worker_that_registered_them_last() {
    let mut host = builder(&format!(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $register_queue @"queue" (i32.const 24))) (i32.const 1))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $say_number (call $resolve_queue @"" @"none" (i32.const 24)))
             (call $say_number (call $resolve_queue @"" @"queue" (i32.const 24)))
             (call $say_number (call $enqueue (i32.load (i32.const 24)) @"item"))
             (call $say_number (call $enqueue (i32.const 77) @"item"))
             (i32.const 0))
           (func (export "proxy_on_queue_ready") (param i32 i32)
             (call $say_number (call $dequeue (local.get 1) {RESULT}))
             (call $say_result)
             (call $say_number (call $dequeue (local.get 1) {RESULT}))
             (call $say_number (call $dequeue (i32.const 77) {RESULT})))"#
    ))
    .workers(2)
    .start()
    .unwrap();
    host.request_on(1, &Request::get("/"));
    assert_eq!(
        logged(&mut host),
        ["01", "00", "00", "01", "00", "item", "07", "01"],
        "the last that registered it"
    );
}

#[test]
fn queues_are_found_by_vm_id_from_a_host_beside() {
    let owner = format!(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $register_queue @"queue" (i32.const 24))) (i32.const 1))
           (func (export "proxy_on_queue_ready") (param i32 i32)
             (drop (call $dequeue (local.get 1) {RESULT})) (call $say_result))"#
    );
    let sender = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $say_number (call $resolve_queue @"" @"queue" (i32.const 24)))
             (call $say_number (call $resolve_queue @"other" @"queue" (i32.const 24)))
             (call $say_number (call $resolve_queue @"owner" @"queue" (i32.const 24)))
             (call $say_number (call $enqueue (i32.load (i32.const 24)) @"item"))
             (i32.const 0))"#;
    let mut owner = builder(&owner).names("", "", "owner").workers(2).start().unwrap();
    let mut sender = builder(sender).names("", "", "sender").beside(&owner).start().unwrap();
    sender.run(&Request::get("/"));
    assert_eq!(logged(&mut sender), ["01", "01", "00", "00"]);
    assert!(logged(&mut owner).is_empty(), "it hears at its next step");
    owner.advance(std::time::Duration::ZERO);
    owner.run(&Request::get("/"));
    assert_eq!(logged(&mut owner), ["item"]);
    let mut stranger = builder("").names("", "", "stranger").start().unwrap();
    stranger.run(&Request::get("/"));
    assert!(logged(&mut stranger).is_empty());
}

#[test]
fn metrics_follow_envoys_rules() {
    let mut host = builder(
        r#"(func $define (param i32 i32 i32) (result i32)
             (drop (call $define_metric (local.get 0) (local.get 1) (local.get 2) (i32.const 24)))
             (i32.load (i32.const 24)))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (local $c i32) (local $g i32) (local $h i32)
             (local.set $c (call $define (i32.const 0) @"count"))
             (local.set $g (call $define (i32.const 1) @"gauge"))
             (local.set $h (call $define (i32.const 2) @"time"))
             (call $say_number (call $define_metric (i32.const 3) @"bad" (i32.const 24)))
             (call $say_number (call $increment_metric (local.get $c) (i64.const 2)))
             (call $say_number (call $increment_metric (local.get $c) (i64.const 0)))
             (call $say_number (call $increment_metric (local.get $c) (i64.const -1)))
             (call $say_number (call $record_metric (local.get $g) (i64.const 9)))
             (call $say_number (call $increment_metric (local.get $g) (i64.const -4)))
             (call $say_number (call $increment_metric (local.get $h) (i64.const 1)))
             (call $say_number (call $record_metric (local.get $h) (i64.const 7)))
             (call $say_number (call $get_metric (local.get $h) (i32.const 32)))
             (call $say_number (call $get_metric (local.get $g) (i32.const 32)))
             (call $say_number (i32.load (i32.const 32)))
             (call $say_number (call $record_metric (i32.const 400) (i64.const 7)))
             (i32.const 0))"#,
    )
    .workers(2)
    .start()
    .unwrap();
    for worker in [0, 1] {
        host.request_on(worker, &Request::get("/"));
        let expected = ["02", "00", "02", "02", "00", "00", "02", "00", "02", "00", "05", "01"];
        assert_eq!(logged(&mut host), expected);
    }
    assert_eq!(host.metrics().counter("count"), 4);
    assert_eq!(host.metrics().gauge("gauge"), Some(5));
    assert_eq!(host.metrics().histogram("time").unwrap().values, [7, 7]);
    let names: Vec<_> = host.metrics().all().into_iter().map(|m| m.name).collect();
    assert_eq!(names, ["count", "gauge", "time"]);
    assert!(host.metrics().all().iter().any(|m| m.value == MetricValue::Counter(4)));
}

#[test]
fn functions_of_the_host_are_found_by_name() {
    let body = format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $say_number (call $foreign @"reverse" @"abc" {RESULT}))
             (call $say_result)
             (call $say_number (call $foreign @"refuse" @"" {RESULT}))
             (call $say_number (call $foreign @"unknown" @"" {RESULT}))
             (i32.const 0))"#
    );
    let mut host = builder(&body)
        .foreign_function("reverse", Arc::new(|bytes| Ok(bytes.iter().rev().copied().collect())))
        .foreign_function("refuse", Arc::new(|_| Err(Status::BadArgument)))
        .start()
        .unwrap();
    host.run(&Request::get("/"));
    assert_eq!(logged(&mut host), ["00", "cba", "02", "01"]);
}

#[test]
fn standard_output_is_logged() {
    let mut host = start(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (i32.store (i32.const 64) (i32.const 2048)) (i32.store (i32.const 68) (i32.const 6))
             (i32.store (i32.const 2048) (i32.const 0x6c6c6568)) (i32.store (i32.const 2052) (i32.const 0x0a6f))
             (call $say_number (call $fd_write (i32.const 2) (i32.const 64) (i32.const 1) (i32.const 24)))
             (call $say_number (i32.load (i32.const 24)))
             (call $say_number (call $fd_write (i32.const 3) (i32.const 64) (i32.const 1) (i32.const 24)))
             (call $say_number (call $fd_write (i32.const 1) (i32.const -8) (i32.const 1) (i32.const 24)))
             (i32.const 0))"#,
    );
    host.run(&Request::get("/"));
    assert_eq!(logged(&mut host), ["hello", "00", "06", "08", "21"]);
}
