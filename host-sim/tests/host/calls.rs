//! Calls to scripted clusters.

use std::time::Duration;

use crate::common::{builder, data, logged, pairs};
use countersign_host_sim::{Host, HostBuilder, Outcome, Profile, Request, Upstream, UpstreamReply};

/// Holds each request, calls `issuer`, logs what comes back, and lets the stream go.
fn caller(timeout: u32) -> HostBuilder {
    let headers = pairs(&[(":method", "GET"), (":path", "/keys?x"), (":authority", "issuer")]);
    let (segment, headers) = data(4096, &headers);
    let (short, incomplete) = data(5120, &pairs(&[(":method", "GET"), (":path", "/")]));
    builder(&format!(
        r#"{segment} {short}
           (func $issuer (param $name i32) (param $len i32) (param $headers i32) (param $headers_len i32) (result i32)
             (call $call (local.get $name) (local.get $len) (local.get $headers) (local.get $headers_len)
                         (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const {timeout}) (i32.const 24)))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $say_number (call $issuer @"nowhere" {headers}))
             (call $say_number (call $issuer @"issuer" {incomplete}))
             (call $say_number (call $issuer @"issuer" {headers}))
             (i32.const 1))
           (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
             (call $say_number (local.get 0))
             (call $say_number (local.get 2))
             (call $say_number (local.get 3))
             (if (local.get 2) (then
               (drop (call $get (i32.const 6) @":status" (i32.const 16) (i32.const 20)))
               (call $say_result))
             (else
               (drop (call $get_status (i32.const 12) (i32.const 16) (i32.const 20)))
               (call $say_number (i32.load (i32.const 12)))))
             (call $say_number (call $effective (i32.const 2)))
             (drop (call $continue (i32.const 0))))"#
    ))
}

fn answered(reply: UpstreamReply) -> Host {
    caller(5000).cluster("issuer", Upstream::new().on("/keys", [reply])).start().unwrap()
}

#[test]
fn an_answer_without_delay_comes_right_after_the_callback() {
    let mut host = answered(UpstreamReply::ok("{}"));
    let stream = host.request(&Request::get("/"));
    assert!(host.outcome(stream).forwarded().is_some());
    assert_eq!(logged(&mut host), ["02", "02", "00", "01", "02", "02", "200", "00"]);
    let call = &host.calls()[0];
    assert_eq!(
        (&*call.cluster(), &*call.path(), call.timeout),
        ("issuer", "/keys?x", Duration::from_secs(5))
    );
    assert_eq!(host.calls().len(), 1);
}

#[test]
fn a_late_answer_comes_when_time_has_moved() {
    let mut host = answered(UpstreamReply::ok("{}").after(Duration::from_millis(70)));
    let stream = host.request(&Request::get("/"));
    host.advance(Duration::from_millis(69));
    assert_eq!(host.outcome(stream), Outcome::Paused);
    host.advance(Duration::from_millis(1));
    assert!(host.outcome(stream).forwarded().is_some());
}

#[test]
fn silence_ends_in_a_time_out_as_envoy_answers_it() {
    let mut host = answered(UpstreamReply::never());
    let stream = host.request(&Request::get("/"));
    host.advance(Duration::from_secs(4));
    assert_eq!(host.outcome(stream), Outcome::Paused);
    host.advance(Duration::from_secs(1));
    assert!(host.outcome(stream).forwarded().is_some());
    assert_eq!(logged(&mut host)[3..], ["01", "03", "24", "504", "00"]);
}

#[test]
fn half_an_answer_is_nothing_and_none_at_all_is_what_envoy_makes_of_it() {
    for (reply, said) in [
        (UpstreamReply::half(), &["01", "00", "00", "11", "00"]),
        (UpstreamReply::reset(), &["01", "03", "95", "503", "00"]),
        (UpstreamReply::malformed(), &["01", "03", "87", "502", "00"]),
    ] {
        let mut host = answered(reply);
        host.request(&Request::get("/"));
        assert_eq!(logged(&mut host)[3..], *said);
    }
}

#[test]
fn a_refused_connection_is_503_on_envoy_and_nothing_by_the_specification() {
    let mut host = answered(UpstreamReply::refused());
    host.request(&Request::get("/"));
    assert_eq!(logged(&mut host)[6], "503");
    let upstream = Upstream::always(UpstreamReply::refused());
    let mut host = caller(0).profile(Profile::Spec).cluster("issuer", upstream).start().unwrap();
    host.request(&Request::get("/"));
    assert_eq!(logged(&mut host)[4], "00");
}

#[test]
fn without_a_time_out_silence_lasts() {
    let mut host = caller(0).cluster("issuer", Upstream::always(UpstreamReply::never())).start().unwrap();
    let stream = host.request(&Request::get("/"));
    host.advance(Duration::from_secs(100_000));
    assert_eq!(host.outcome(stream), Outcome::Paused);
}

#[test]
fn answers_come_in_sequence_and_the_last_stays() {
    let upstream = Upstream::new().on("/keys", [UpstreamReply::status(500), UpstreamReply::ok("x")]);
    let mut host = caller(0).cluster("issuer", upstream).start().unwrap();
    let mut statuses = Vec::new();
    for _ in 0..3 {
        host.run(&Request::get("/"));
        statuses.push(logged(&mut host)[6].clone());
    }
    assert_eq!(statuses, ["500", "200", "200"]);
    host.set_cluster("issuer", Upstream::new());
    host.run(&Request::get("/"));
    assert_eq!(logged(&mut host)[6], "404");
}

#[test]
fn an_answer_to_a_stream_that_is_gone_still_reaches_the_root_context() {
    let mut host = answered(UpstreamReply::ok("").after(Duration::from_secs(1)));
    let stream = host.request(&Request::get("/"));
    host.close(stream);
    logged(&mut host);
    host.advance(Duration::from_secs(1));
    assert_eq!(
        logged(&mut host),
        ["01", "02", "00", "200", "02"],
        "the stream can no longer be made effective"
    );
}
