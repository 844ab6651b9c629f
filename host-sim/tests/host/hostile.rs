//! Modules that mean harm: the host stays whole, and says what happened.

use std::time::Duration;

use crate::common::{builder, engine, logged, raw, start, wat};
use countersign_host_sim::{
    Allowance, Engine, FailureKind, HostCall, Limits, Outcome, Request, StartFailure,
};

fn on_headers(body: &str) -> String {
    format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {body} (i32.const 0))"#
    )
}

fn failure_of(body: &str, limits: Limits) -> FailureKind {
    let mut host = builder(&on_headers(body)).limits(limits).start().unwrap();
    let outcome = host.run(&Request::get("/"));
    let kind = outcome.failure().unwrap_or_else(|| panic!("{outcome:?}")).kind;
    assert!(host.has_failed(0));
    let next = host.run(&Request::get("/"));
    assert_eq!(next.failure().map(|f| f.kind), Some(FailureKind::Earlier), "a dead VM takes no more");
    kind
}

#[test]
fn traps_end_the_vm_and_a_restart_brings_it_back() {
    assert_eq!(failure_of("(unreachable)", Limits::default()), FailureKind::Trap);
    assert_eq!(failure_of("(drop (i32.load (i32.const -4)))", Limits::default()), FailureKind::Trap);
    assert_eq!(
        failure_of("(drop (i32.div_u (i32.const 1) (i32.const 0)))", Limits::default()),
        FailureKind::Trap
    );
    let mut host = start(&on_headers("(if (local.get 1) (then (unreachable)))"));
    host.run(&Request::get("/"));
    assert!(host.has_failed(0));
    host.restart(0).unwrap();
    assert!(!host.has_failed(0));
}

#[test]
fn recursion_without_end_is_a_trap() {
    let body = format!("(func $deep (call $deep)) {}", on_headers("(call $deep)"));
    let mut host = start(&body);
    assert_eq!(host.run(&Request::get("/")).failure().unwrap().kind, FailureKind::Trap);
}

#[test]
fn a_loop_without_end_is_stopped_by_the_deadline() {
    let limits = || Limits { callback_deadline: Duration::from_millis(50), ..Limits::default() };
    assert_eq!(failure_of("(loop (br 0))", limits()), FailureKind::Deadline);
    let looping = r#"(func (export "_initialize") (loop (br 0)))"#;
    let error = builder(looping).limits(limits()).start().err().unwrap();
    assert!(matches!(error.reason, StartFailure::Trap(f) if f.kind == FailureKind::Deadline));
    let allocating = format!(
        r#"(func (export "proxy_abi_version_0_2_0")) (func (export "malloc") (param i32) (result i32) (loop (br 0)) (i32.const 0)) {}"#,
        on_headers(r#"(drop (call $get (i32.const 0) @":path" (i32.const 16) (i32.const 20)))"#)
    );
    let module = crate::common::load(&raw(&allocating)).unwrap();
    let mut host = module.host().limits(limits()).start().unwrap();
    assert_eq!(host.run(&Request::get("/")).failure().unwrap().kind, FailureKind::Deadline);
}

#[test]
fn fuel_runs_out_where_it_is_metered() {
    let metered = Engine::builder().fuel(true).cache_dir(None).build().unwrap();
    let module = metered.load_module(wat(&on_headers("(loop (br 0))")).as_bytes()).unwrap();
    let mut host =
        module.host().limits(Limits { callback_fuel: 10_000, ..Limits::default() }).start().unwrap();
    assert_eq!(host.run(&Request::get("/")).failure().unwrap().kind, FailureKind::Fuel);
    let module = metered.load_module(wat(&on_headers("")).as_bytes()).unwrap();
    let used = || {
        let mut host = module.host().start().unwrap();
        host.run(&Request::get("/"));
        host.fuel_used()
    };
    assert!(used() > 0);
    assert_eq!(used(), used());
}

#[test]
fn host_calls_are_counted_and_bounded() {
    let limits = Limits { host_calls: 100, ..Limits::default() };
    assert_eq!(
        failure_of("(loop (drop (call $time (i32.const 16))) (br 0))", limits),
        FailureKind::HostCalls
    );
    let mut host =
        start(&on_headers("(drop (call $time (i32.const 16))) (drop (call $time (i32.const 16)))"));
    host.run(&Request::get("/"));
    assert_eq!(host.host_calls().get("proxy_get_current_time_nanoseconds"), Some(&2));
}

#[test]
fn memory_grows_to_its_limit_and_no_further() {
    let limits = Limits { memory_bytes: 10 << 16, ..Limits::default() };
    let body = on_headers(
        "(call $say_number (memory.grow (i32.const 6)))
         (call $say_number (i32.add (memory.grow (i32.const 1)) (i32.const 1)))",
    );
    let mut host = builder(&body).limits(limits).start().unwrap();
    host.run(&Request::get("/"));
    assert_eq!(logged(&mut host), ["04", "00"]);
    assert_eq!(host.memory_size(0), 10 << 16);
    let limits = Limits { memory_bytes: 1 << 16, ..Limits::default() };
    assert!(builder("").limits(limits).start().is_err(), "a module that starts beyond the limit");
}

#[test]
fn an_allocator_that_lies_is_no_way_out_of_the_memory() {
    let body =
        on_headers(r#"(call $say_number (call $get (i32.const 0) @":path" (i32.const 16) (i32.const 20)))"#);
    for place in ["0", "-1", "262143", "-16"] {
        let lying = format!(
            r#"(func (export "proxy_abi_version_0_2_0"))
               (func (export "malloc") (param i32) (result i32) (i32.const {place})) {body}"#
        );
        let mut host = crate::common::load(&raw(&lying)).unwrap().host().start().unwrap();
        let outcome = host.run(&Request::get("/long-enough"));
        assert!(outcome.forwarded().is_some(), "{place}: {outcome:?}");
        assert_eq!(logged(&mut host), ["06"], "{place}");
    }
}

#[test]
fn an_allocator_that_traps_or_calls_the_host_ends_the_vm() {
    let body = on_headers(r#"(drop (call $get (i32.const 0) @":path" (i32.const 16) (i32.const 20)))"#);
    for (allocate, kind) in [
        ("(unreachable)", FailureKind::Trap),
        (
            "(drop (call $get (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 16) (i32.const 20)))",
            FailureKind::Restricted,
        ),
    ] {
        let bad = format!(
            r#"(func (export "proxy_abi_version_0_2_0"))
               (func (export "malloc") (param i32) (result i32) {allocate} (i32.const 0)) {body}"#
        );
        let mut host = crate::common::load(&raw(&bad)).unwrap().host().start().unwrap();
        assert_eq!(host.run(&Request::get("/")).failure().unwrap().kind, kind);
    }
}

#[test]
fn one_worker_that_dies_leaves_the_others() {
    let body = on_headers(
        r#"(if (i32.eqz (call $get (i32.const 0) @"x-die" (i32.const 16) (i32.const 20))) (then (unreachable)))"#,
    );
    let mut host = builder(&body).workers(2).start().unwrap();
    let dead = host.request_on(0, &Request::get("/").header("x-die", "1"));
    assert!(host.outcome(dead).failure().is_some());
    let alive = host.request_on(1, &Request::get("/"));
    assert!(matches!(host.outcome(alive), Outcome::Forwarded(_)));
}

#[test]
fn a_trap_can_be_asked_for() {
    let mut host = start(&on_headers("(drop (call $time (i32.const 16)))"));
    assert!(host.run(&Request::get("/")).forwarded().is_some());
    host.trap_at(0, HostCall::proxy_get_current_time_nanoseconds);
    assert_eq!(host.run(&Request::get("/")).failure().unwrap().kind, FailureKind::Injected);
}

#[test]
fn floods_are_bounded() {
    let limits =
        Limits { log_lines: 3, log_line_bytes: 4, shared_bytes: 64, metrics: 2, ..Limits::default() };
    let body = on_headers(
        r#"(call $say @"a long line") (call $say @"b") (call $say @"c") (call $say @"d")
           (call $say_number (call $set_shared @"k" (i32.const 0) (i32.const 1000) (i32.const 0)))
           (i32.store (i32.const 32) (call $set_shared @"k" (i32.const 0) (i32.const 1000) (i32.const 0)))
           (i32.store (i32.const 36) (call $define_metric (i32.const 0) @"a" (i32.const 24)))
           (i32.store (i32.const 40) (call $define_metric (i32.const 0) @"b" (i32.const 24)))
           (i32.store (i32.const 44) (call $define_metric (i32.const 0) @"c" (i32.const 24)))
           (drop (call $add (i32.const 0) @"x-statuses" (i32.const 32) (i32.const 16)))"#,
    );
    let mut host = builder(&body).limits(limits).start().unwrap();
    let outcome = host.run(&Request::get("/"));
    let statuses = outcome.forwarded().unwrap().headers.get("x-statuses").unwrap().to_vec();
    assert_eq!(statuses, [10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0]);
    assert_eq!(logged(&mut host), ["a lo", "b", "c"]);
}

#[test]
fn a_body_beyond_the_limit_is_refused() {
    // Held where the filter sees it, and where it does not.
    for answer in [1, 2] {
        let body = format!(
            r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const {answer}))"#
        );
        let mut host = builder(&body).limits(Limits { body_bytes: 10, ..Limits::default() }).start().unwrap();
        let outcome = host.run(&Request::post("/").body("12345678").body("9abc"));
        assert_eq!(outcome.reply().unwrap().status, 413);
    }
}

#[test]
fn a_guest_that_asks_for_ever_does_not_keep_the_host() {
    let (segment, headers) = crate::common::data(
        4096,
        &crate::common::pairs(&[(":method", "GET"), (":path", "/"), (":authority", "a")]),
    );
    let body = format!(
        r#"{segment}
           (func $again (drop (call $call @"c" {headers} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                                     (i32.const 0) (i32.const 24))))
           (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32) (call $again))
           {}"#,
        on_headers("(call $again)")
    );
    let upstream = countersign_host_sim::Upstream::always(countersign_host_sim::UpstreamReply::ok(""));
    let step = Allowance { callbacks: 1000, ..Limits::default().step };
    let limits = Limits { step, ..Limits::default() };
    let mut host = builder(&body).cluster("c", upstream).limits(limits).start().unwrap();
    host.run(&Request::get("/"));
    assert!(host.calls().len() > 100 && host.unrest().is_some());
    assert!(!engine().meters_fuel());
}
