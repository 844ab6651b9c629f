//! A module that never comes to rest is stopped, whatever it keeps the host busy with, and the same place on each run.

use std::sync::OnceLock;
use std::time::Duration;

use crate::common::{builder, data, pairs, wat};
use countersign_host_sim::{
    Allowance, Engine, FailPolicy, Failure, FailureKind, Host, Limits, Request, Upstream, UpstreamReply,
};

fn step(callbacks: u64) -> Limits {
    let step = Allowance { callbacks, ..Limits::default().step };
    Limits { step, ..Limits::default() }
}

fn metered(body: &str, limits: Limits) -> Host {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| Engine::builder().fuel(true).cache_dir(None).build().unwrap());
    engine.load_module(wat(body).as_bytes()).unwrap().host().limits(limits).start().unwrap()
}

fn on_headers(body: &str) -> String {
    format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {body} (i32.const 0))"#
    )
}

fn unrest(host: &Host) -> &Failure {
    host.unrest().expect("a module that did not come to rest")
}

/// Sets a period of 1 ms.
const TICKS: &str = r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
    (drop (call $tick_period (i32.const 1))) (i32.const 1))"#;
const TICK: &str = r#"(func (export "proxy_on_tick") (param i32))"#;

#[test]
fn an_answer_that_makes_the_next_call_is_stopped() {
    let (segment, headers) = data(4096, &pairs(&[(":method", "GET"), (":path", "/"), (":authority", "c")]));
    let body = format!(
        r#"{segment} {TICKS}
           (func $go (drop (call $call @"c" {headers} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                                  (i32.const 1000) (i32.const 24))))
           (func (export "proxy_on_tick") (param i32) (call $go))
           (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32) (call $go))"#
    );
    let upstream = Upstream::always(UpstreamReply::ok("x"));
    let mut host = builder(&body).cluster("c", upstream).limits(step(1000)).start().unwrap();
    host.advance(Duration::from_secs(5));
    let Failure { kind, message, .. } = unrest(&host);
    assert_eq!(*kind, FailureKind::Restless);
    assert!(message.contains("a step has 1000 callbacks"), "{message}");
    assert!(message.contains("of `proxy_on_http_call_response`"), "{message}");
    assert_eq!(host.calls().len(), 1000);
    assert!(host.has_failed(0));
}

#[test]
fn an_advance_over_more_ticks_than_a_step_has_is_no_success() {
    let mut host = builder(&[TICKS, TICK].concat()).limits(step(60)).start().unwrap();
    for _ in 0..3 {
        host.advance(Duration::from_millis(50));
        assert_eq!(host.unrest(), None, "each step has a budget of its own");
    }
    host.advance(Duration::from_millis(70));
    assert!(unrest(&host).message.ends_with("of `proxy_on_tick`"), "{}", unrest(&host));
}

#[test]
fn a_case_has_a_budget_for_all_its_steps() {
    let case = Allowance { callbacks: 120, ..Allowance::ALL };
    let mut host =
        builder(&[TICKS, TICK].concat()).limits(Limits { case, ..Limits::default() }).start().unwrap();
    host.advance(Duration::from_millis(50));
    host.advance(Duration::from_millis(50));
    assert_eq!(host.unrest(), None);
    host.advance(Duration::from_millis(50));
    assert!(unrest(&host).message.contains("a case has 120 callbacks"), "{}", unrest(&host));
}

#[test]
fn ticks_that_nobody_takes_count_too() {
    let mut host = builder(TICKS).limits(step(1000)).start().unwrap();
    host.advance(Duration::from_secs(1 << 40));
    assert!(host.unrest().is_some());
}

#[test]
fn a_module_that_was_stopped_is_not_started_again() {
    let mut host =
        builder(&[TICKS, TICK].concat()).limits(step(60)).fail_policy(FailPolicy::Reload).start().unwrap();
    host.advance(Duration::from_secs(5));
    let outcome = host.run(&Request::get("/"));
    assert_eq!(outcome.failure().map(|failure| failure.kind), Some(FailureKind::Earlier));
}

#[test]
fn wake_ups_without_end_use_up_the_fuel_of_a_step() {
    let body = r#"
        (func (export "proxy_on_configure") (param i32 i32) (result i32) (local $i i32)
          (drop (call $register_queue @"q" (i32.const 24)))
          (loop $l (drop (call $enqueue (i32.load (i32.const 24)) (i32.const 0) (i32.const 0)))
            (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))
          (i32.const 1))
        (func (export "proxy_on_queue_ready") (param i32 i32) (local $i i32)
          (loop $l (drop (call $time (i32.const 16)))
            (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000)))))"#;
    let step = Allowance { fuel: 10_000_000, ..Limits::default().step };
    let host = metered(body, Limits { step, ..Limits::default() });
    let Failure { kind, message, .. } = unrest(&host);
    assert_eq!(*kind, FailureKind::Restless);
    assert!(message.contains("a step has 10000000 of fuel"), "{message}");
    let calls = host.host_calls()["proxy_get_current_time_nanoseconds"];
    assert!(calls < 100_000, "{calls}");
}

#[test]
fn where_fuel_is_metered_it_is_fuel_that_stops_a_callback() {
    let limits =
        Limits { callback_deadline: Duration::ZERO, callback_fuel: 300_000_000, ..Limits::default() };
    let mut host = metered(&on_headers("(loop (br 0))"), limits);
    assert_eq!(host.run(&Request::get("/")).failure().map(|f| f.kind), Some(FailureKind::Fuel));
    assert_eq!(host.unrest(), None, "that is the callback's own limit");
}

#[test]
fn a_machine_that_is_too_slow_is_told_from_a_module_that_does_not_end() {
    let step = Allowance { time: Duration::ZERO, ..Allowance::ALL };
    let limits = Limits { step, callback_fuel: u64::MAX, ..Limits::default() };
    let mut host = metered(&on_headers("(loop (br 0))"), limits);
    let failure = host.run(&Request::get("/")).failure().cloned();
    assert_eq!(failure.as_ref().map(|f| f.kind), Some(FailureKind::TooSlow));
    assert_eq!(host.unrest(), failure.as_ref());
}

#[test]
fn host_calls_take_fuel_by_what_they_handle() {
    let log = |bytes: u32| {
        let call = format!("(drop (call $proxy_log (i32.const 2) (i32.const 0) (i32.const {bytes})))");
        let limits = Limits { callback_fuel: 1_000_000, ..Limits::default() };
        metered(&on_headers(&call.repeat(10)), limits)
    };
    let (mut small, mut large) = (log(0), log(200_000));
    assert!(small.run(&Request::get("/")).forwarded().is_some());
    assert_eq!(large.run(&Request::get("/")).failure().map(|f| f.kind), Some(FailureKind::Fuel));
    let mut one = metered(
        &on_headers("(drop (call $proxy_log (i32.const 2) (i32.const 0) (i32.const 200000)))"),
        Limits::default(),
    );
    assert!(one.run(&Request::get("/")).forwarded().is_some());
    assert!(one.fuel_used() < 1000, "what is told is the guest's own: {}", one.fuel_used());
}

#[test]
fn a_callback_has_no_more_than_is_left_of_its_step() {
    let limits = |fuel, time| {
        let step = Allowance { fuel, time, ..Allowance::ALL };
        Limits { step, callback_fuel: 300_000_000, ..Limits::default() }
    };
    let body = on_headers("(loop (br 0))");
    let mut host = metered(&body, limits(1_000_000, Duration::MAX));
    let failure = host.run(&Request::get("/")).failure().cloned().unwrap();
    assert_eq!(failure.kind, FailureKind::Restless);
    assert!(failure.message.contains("a step has 1000000 of fuel"), "{failure:?}");
    assert!(host.fuel_used() < 2_000_000, "{}", host.fuel_used());
    let limits = Limits { callback_deadline: Duration::MAX, ..limits(u64::MAX, Duration::from_millis(50)) };
    let mut host = builder(&body).limits(limits).start().unwrap();
    let failure = host.run(&Request::get("/")).failure().cloned().unwrap();
    assert_eq!(failure.kind, FailureKind::Restless);
    assert!(failure.message.contains("a step has 0.05 s"), "{failure:?}");
}

#[test]
fn a_host_whose_module_was_stopped_calls_none_of_its_vms_again() {
    let body = [&on_headers("(drop (call $tick_period (i32.const 1)))"), TICK].concat();
    let mut host = builder(&body).workers(2).limits(step(60)).start().unwrap();
    host.request_on(0, &Request::get("/"));
    host.advance(Duration::from_secs(1));
    let unrest = unrest(&host).clone();
    assert!(!host.has_failed(1), "it had nothing to do with it");
    let stream = host.request_on(1, &Request::get("/"));
    assert_eq!(host.outcome(stream).failure(), Some(&unrest));
}
