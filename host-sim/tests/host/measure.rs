//! Streams that are timed, and guests that are sampled. No time is asserted.

use std::time::Duration;

use countersign_host_sim::{
    Disposition, Engine, FailureKind, Limits, Outcome, Request, Response, Upstream, UpstreamReply,
};

use crate::common::{builder, pairs, start, wat};

/// A filter that spins a while in a function of its own, and then logs.
const SPINS: &str = r#"
  (func $spin (param $n i32)
    (loop $more
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $more (local.get $n))))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $spin (i32.const 3000000))
    (call $say @"spun")
    (i32.const 0))
"#;

#[test]
fn calls_and_callbacks_of_a_measured_exchange_are_counted() {
    let mut host = start(
        r#"
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $say @"one") (call $say @"two") (i32.const 0))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
    (call $say @"three") (i32.const 0))
  (func (export "proxy_on_delete") (param i32))
"#,
    );
    host.time_host_calls(true);
    let request = Request::get("/");
    let measured = host.measure(&request, None);
    assert_eq!((measured.callback_count, measured.host_call_count), (3, 2));
    let measured = host.measure(&request, Some(&Response::new(200)));
    assert_eq!(measured.disposition, Disposition::Forwarded);
    assert_eq!((measured.callback_count, measured.host_call_count), (4, 3));
    assert!(measured.host_calls <= measured.callbacks && measured.callbacks <= measured.total);
    // Of a stream that nothing arrives on, only its life.
    let stream = host.measure_stream();
    assert_eq!(
        (stream.disposition, stream.callback_count, stream.host_call_count),
        (Disposition::Held, 2, 0)
    );
    host.time_callbacks(false);
    assert_eq!(host.measure(&request, None).callbacks, Duration::ZERO);
}

#[test]
fn a_measured_request_that_waits_for_an_answer_gets_it() {
    let (headers, at) =
        crate::common::data(8192, &pairs(&[(":method", "GET"), (":path", "/check"), (":authority", "auth")]));
    let body = format!(
        r#"
  {headers}
  (global $stream (mut i32) (i32.const 0))
  (func (export "proxy_on_request_headers") (param $id i32) (param i32 i32) (result i32)
    (global.set $stream (local.get $id))
    (drop (call $call @"auth" {at} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 5000) (i32.const 16)))
    (i32.const 1))
  (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
    (drop (call $effective (global.get $stream)))
    (drop (call $continue (i32.const 0))))
"#
    );
    let late = UpstreamReply::ok("yes").after(Duration::from_millis(20));
    let mut host = builder(&body).cluster("auth", Upstream::always(late)).start().unwrap();
    for _ in 0..3 {
        assert_eq!(host.measure(&Request::get("/"), None).disposition, Disposition::Forwarded);
    }
    // One that is refused at once comes back as the gateway's own answer, and nobody waits.
    host.set_cluster("auth", Upstream::always(UpstreamReply::refused()));
    assert_eq!(host.measure(&Request::get("/"), None).disposition, Disposition::Forwarded);
}

#[test]
fn a_measured_request_that_waits_for_an_earlier_answer_gets_it() {
    let (headers, at) = crate::common::data(
        8192,
        &pairs(&[(":method", "GET"), (":path", "/keys"), (":authority", "issuer")]),
    );
    // What a new VM asks for first, and its first request needs.
    let body = format!(
        r#"
  {headers}
  (global $stream (mut i32) (i32.const 0))
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (drop (call $call @"issuer" {at} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 5000) (i32.const 16)))
    (i32.const 1))
  (func (export "proxy_on_request_headers") (param $id i32) (param i32 i32) (result i32)
    (global.set $stream (local.get $id))
    (i32.const 1))
  (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
    (drop (call $effective (global.get $stream)))
    (drop (call $continue (i32.const 0))))
"#
    );
    let late = UpstreamReply::ok("keys").after(Duration::from_millis(20));
    let mut host = builder(&body).cluster("issuer", Upstream::always(late)).start().unwrap();
    assert_eq!(host.measure(&Request::get("/"), None).disposition, Disposition::Forwarded);
    // No answer is on its way any more.
    assert_eq!(host.measure(&Request::get("/"), None).disposition, Disposition::Held);
}

#[test]
fn a_sampled_guest_shows_where_it_spends_its_time() {
    let engine =
        Engine::builder().cache_dir(None).sampling(Some(Duration::from_micros(200))).build().unwrap();
    let mut host = engine.load_module(wat(SPINS).as_bytes()).unwrap().host().start().unwrap();
    let mut spun = 0;
    // As long as it takes for ticks to come: how many there are in a time is the machine's affair.
    while spun == 0 {
        host.measure(&Request::get("/"), None);
        let samples = engine.take_samples().unwrap();
        let spin = samples.functions.iter().position(|function| function.name == "spin");
        for stack in &samples.stacks {
            assert!(stack.weight > 0 && stack.frames.iter().all(|frame| *frame < samples.functions.len()));
            if stack.frames.last().copied() == spin {
                assert_eq!(samples.functions[stack.frames[0]].name, "proxy_on_request_headers");
                spun += stack.weight;
            }
        }
    }
    assert!(Engine::builder().cache_dir(None).build().unwrap().take_samples().is_none());
}

#[test]
fn a_sampled_guest_that_never_returns_is_stopped_all_the_same() {
    let engine = Engine::builder().cache_dir(None).sampling(Some(Duration::from_millis(1))).build().unwrap();
    let spins_on = r#"
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (loop $ever (br $ever)) (i32.const 0))
"#;
    let limits = Limits { callback_deadline: Duration::from_millis(50), ..Limits::default() };
    let module = engine.load_module(wat(spins_on).as_bytes()).unwrap();
    let mut host = module.host().limits(limits).start().unwrap();
    match host.run(&Request::get("/")) {
        Outcome::Failed(failure) => assert_eq!(failure.kind, FailureKind::Deadline),
        other => panic!("expected a failure, found {other:?}"),
    }
}
