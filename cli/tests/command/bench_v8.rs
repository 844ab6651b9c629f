//! `countersign bench --v8`: the same requests on V8, by the host in JavaScript.

use crate::bench::{bench, file, filter, report, requests};

#[test]
fn v8_decides_as_wasmtime_does() {
    let report = report(&["--module", &filter(1), "--requests", &requests(), "--v8"]);
    let lines = report["v8"]["requests"].as_array().unwrap();
    let decisions: Vec<_> = lines.iter().map(|line| line["decision"].as_str().unwrap()).collect();
    assert_eq!(decisions, ["forwarded", "reply 403"]);
    assert!(lines.iter().all(|line| line["v8"]["p50"].as_u64().unwrap() > 0));
}

#[test]
fn v8_makes_countersigns_decisions() {
    let report = report(&["--v8"]);
    let lines = report["v8"]["requests"].as_array().unwrap();
    assert!(lines.len() >= 29, "{}", lines.len());
    assert!(lines.iter().any(|line| line["decision"] == "forwarded"));
    assert!(lines.iter().any(|line| line["decision"] == "reply 401"));
}

#[test]
fn a_module_of_the_first_abi_that_waits_for_a_queue_is_measured_on_both() {
    let module = file(
        "queue.wat",
        r#"(module
  (import "env" "proxy_get_configuration" (func $configuration (param i32 i32) (result i32)))
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_register_shared_queue" (func $register (param i32 i32 i32) (result i32)))
  (import "env" "proxy_enqueue_shared_queue" (func $put (param i32 i32 i32) (result i32)))
  (import "env" "proxy_dequeue_shared_queue" (func $take (param i32 i32 i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $act_for (param i32) (result i32)))
  (import "env" "proxy_continue_request" (func $go_on (result i32)))
  (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_increment_metric" (func $count (param i32 i64) (result i32)))
  (import "env" "proxy_get_metric" (func $read (param i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "queue")
  (data (i32.const 80) "Hostuser-agentx-none")
  (global $stream (mut i32) (i32.const 0))
  (func (export "proxy_abi_version_0_1_0"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
  (func $say_got (drop (call $log (i32.const 2) (i32.load (i32.const 16)) (i32.load (i32.const 20)))))
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (drop (call $register (i32.const 64) (i32.const 5) (i32.const 24)))
    (drop (call $define (i32.const 0) (i32.const 64) (i32.const 5) (i32.const 28)))
    (drop (call $define (i32.const 0) (i32.const 64) (i32.const 5) (i32.const 32)))
    (i32.const 1))
  (func (export "proxy_on_request_headers") (param $id i32) (param i32) (result i32)
    (global.set $stream (local.get $id))
    (drop (call $configuration (i32.const 16) (i32.const 20)))
    (call $say_got)
    (drop (call $get (i32.const 0) (i32.const 80) (i32.const 4) (i32.const 16) (i32.const 20)))
    (call $say_got)
    ;; A header that is not there is an empty one, and one that is there stays one.
    (if (call $get (i32.const 0) (i32.const 94) (i32.const 6) (i32.const 16) (i32.const 20)) (then unreachable))
    (drop (call $add (i32.const 0) (i32.const 84) (i32.const 10) (i32.const 64) (i32.const 5)))
    (drop (call $count (i32.load (i32.const 28)) (i64.const 3)))
    (drop (call $put (i32.load (i32.const 24)) (i32.const 64) (i32.const 5)))
    (i32.const 1))
  (func (export "proxy_on_queue_ready") (param i32 i32)
    (drop (call $take (i32.load (i32.const 24)) (i32.const 16) (i32.const 20)))
    (call $say_got)
    ;; The one metric of two definitions, as a digit where it is one.
    (drop (call $read (i32.load (i32.const 32)) (i32.const 40)))
    (i32.store8 (i32.const 48) (i32.add (i32.const 48) (i32.and (i32.load (i32.const 40)) (i32.const 7))))
    (drop (call $log (i32.const 2) (i32.const 48) (i32.const 1)))
    (drop (call $act_for (global.get $stream)))
    (drop (call $go_on))))"#,
    );
    let report = report(&["--module", &module, "--v8"]);
    assert_eq!(report["series"][0]["decision"], "forwarded");
    assert_eq!(report["v8"]["requests"][0]["decision"], "forwarded");
}

#[test]
fn every_answer_of_a_filter_is_taken_alike_on_v8() {
    // Headers go on by 2; of three pieces of body one is held apart, one is dropped, and the last goes on.
    let module = file(
        "answers.wat",
        r#"(module
  (import "env" "proxy_send_local_response" (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "\01\00\00\00\0c\00\00\00\01\00\00\00content-type\00a\00")
  (global $pieces (mut i32) (i32.const 0))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_request_headers") (param i32 i32) (param $end i32) (result i32)
    (global.set $pieces (i32.const 0))
    (if (local.get $end) (then (drop (call $reply (i32.const 201) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 64) (i32.const 27) (i32.const -1)))))
    (i32.const 2))
  (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
    (global.set $pieces (i32.add (global.get $pieces) (i32.const 1)))
    (i32.rem_u (i32.add (global.get $pieces) (i32.const 1)) (i32.const 4))))"#,
    );
    let requests = file(
        "answers.yaml",
        "requests: [{ name: a, method: POST, body: [ab, cd, e], expect: forwarded }, { name: b, expect: 201 }]",
    );
    let report = report(&["--module", &module, "--requests", &requests, "--v8"]);
    assert_eq!(report["v8"]["requests"].as_array().unwrap().len(), 2);
}

#[test]
fn a_decision_that_differs_on_v8_is_a_failure() {
    // It asks for a function that one host lends and the other doesn't.
    let differs = file(
        "differs.wat",
        r#"(module
  (import "env" "proxy_call_foreign_function" (func $foreign (param i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "clear_route_cache")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $foreign (i32.const 64) (i32.const 17) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))))"#,
    );
    let output = bench(&["--module", &differs, "--v8"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("`GET /`: `disposition`: wasmtime \"forwarded\", V8 \"held\""), "{said}");
}
