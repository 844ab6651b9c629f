//! What a module has under way at once, and what it sends at once, over its callbacks; and what a host remembers of it.

use crate::common::{builder, data, logged, pairs};
use countersign_host_sim::{GrpcReply, GrpcUpstream, Host, Limits, Request, Upstream, UpstreamReply};

fn on_headers(body: &str) -> String {
    format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (local $i i32) {body} (i32.const 0))"#
    )
}

/// A host before a service that never answers, whose module does this with each request. `$service` names the service.
fn silent(globals: &str, body: &str, limits: Limits) -> Host {
    let (segment, service) = data(4400, r"\0a\06\0a\04\61\75\74\68");
    let body = format!("{segment} {globals} {}", on_headers(&body.replace("$service", &service)));
    let upstream = GrpcUpstream::always(GrpcReply::never());
    builder(&body).grpc_cluster("auth", upstream).limits(limits).start().unwrap()
}

const STREAM: &str = r#"(call $grpc_stream $service @"s" @"m" (i32.const 0) (i32.const 0) (i32.const 28))"#;

/// A call with a message of so many bytes.
fn call(bytes: u32) -> String {
    format!(
        r#"(call $grpc_call $service @"s" @"m" (i32.const 0) (i32.const 0) (i32.const 131072) (i32.const {bytes}) (i32.const 5000) (i32.const 28))"#
    )
}

fn say(call: &str) -> String {
    format!("(call $say_number {call})")
}

/// Sends so many bytes on the stream that was opened last.
fn send(bytes: u32) -> String {
    format!(
        "(call $grpc_send (i32.load (i32.const 28)) (i32.const 131072) (i32.const {bytes}) (i32.const 0))"
    )
}

#[test]
fn grpc_calls_and_streams_are_bounded_together() {
    let limits = Limits { http_calls: 3, ..Limits::default() };
    let mut host = silent("", &[say(STREAM), say(&call(1))].concat(), limits);
    host.request(&Request::get("/"));
    host.request(&Request::get("/"));
    assert_eq!(logged(&mut host), ["00", "00", "00", "10"]);
}

#[test]
fn http_calls_are_bounded() {
    let (segment, headers) = data(4096, &pairs(&[(":method", "GET"), (":path", "/"), (":authority", "c")]));
    let call = say(&format!(
        r#"(call $call @"c" {headers} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 24))"#
    ));
    let limits = Limits { http_calls: 2, ..Limits::default() };
    let mut host = builder(&format!("{segment} {}", on_headers(&call.repeat(3))))
        .cluster("c", Upstream::always(UpstreamReply::ok("")))
        .limits(limits)
        .start()
        .unwrap();
    for _ in 0..2 {
        host.run(&Request::get("/"));
        assert_eq!(logged(&mut host), ["00", "00", "10"], "what was answered makes room");
    }
}

#[test]
fn messages_are_no_larger_than_bodies() {
    let limits = Limits { body_bytes: 1000, ..Limits::default() };
    let body = [say(&call(1000)), say(&call(1001)), say(STREAM), say(&send(1000)), say(&send(1001))].concat();
    let mut host = silent("", &body, limits);
    host.request(&Request::get("/"));
    assert_eq!(logged(&mut host), ["00", "10", "00", "00", "10"]);
}

#[test]
fn queues_are_bounded() {
    let register = |name: &str| say(&format!(r#"(call $register_queue @"{name}" (i32.const 24))"#));
    let body = on_headers(&["a", "b", "c", "a"].map(register).concat());
    let limits = Limits { metrics: 2, ..Limits::default() };
    let mut host = builder(&body).limits(limits).start().unwrap();
    host.run(&Request::get("/"));
    assert_eq!(logged(&mut host), ["00", "00", "10", "00"]);
}

#[test]
fn properties_that_are_declared_are_bounded() {
    // Messages whose first field is the name.
    let segment = r#"(data (i32.const 8192) "\0a\01a\0a\01b\0a\01c")"#;
    let declare = |at: u32| {
        say(&format!(
            r#"(call $foreign @"declare_property" (i32.const {at}) (i32.const 3) (i32.const 16) (i32.const 20))"#
        ))
    };
    let body = format!("{segment} {}", on_headers(&[8192, 8195, 8198].map(declare).concat()));
    let limits = Limits { metrics: 2, ..Limits::default() };
    let mut host = builder(&body).limits(limits).start().unwrap();
    host.run(&Request::get("/"));
    assert_eq!(logged(&mut host), ["00", "00", "02"]);
}

#[test]
fn a_histogram_keeps_its_latest_values() {
    let body = on_headers(
        r#"(drop (call $define_metric (i32.const 2) @"h" (i32.const 24)))
           (loop $l
             (drop (call $record_metric (i32.load (i32.const 24)) (i64.extend_i32_u (local.get $i))))
             (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 65538))))"#,
    );
    let mut host = builder(&body).start().unwrap();
    host.run(&Request::get("/"));
    let histogram = host.metrics().histogram("h").unwrap();
    assert_eq!(histogram.count, 65_538);
    assert!(histogram.values.iter().copied().eq(2..65_538));
}

#[test]
fn grpc_calls_are_remembered_up_to_their_bytes() {
    let limits = Limits { remembered_bytes: 6000, ..Limits::default() };
    let mut host = silent("", &format!("(drop {})", call(500)), limits);
    let mut most = 0;
    for _ in 0..30 {
        host.request(&Request::get("/"));
        most = most.max(host.grpc_calls().len());
    }
    assert!((2..7).contains(&most), "{most}");
}

#[test]
fn messages_of_a_stream_are_remembered_up_to_their_bytes() {
    let limits = Limits { remembered_bytes: 6000, ..Limits::default() };
    let open = format!(
        "(if (i32.eqz (global.get $open)) (then (global.set $open (i32.const 1)) (drop {STREAM}))) (drop {})",
        send(1000)
    );
    let mut host = silent("(global $open (mut i32) (i32.const 0))", &open, limits);
    for _ in 0..30 {
        host.request(&Request::get("/"));
    }
    let bytes: usize = host.grpc_calls()[0].messages.iter().map(Vec::len).sum();
    assert!((4000..=6000).contains(&bytes), "{bytes}");
}
