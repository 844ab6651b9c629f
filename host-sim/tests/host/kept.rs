//! What the host keeps for a module, and makes for one call of its, is bounded by what it takes in the host.

use crate::common::{builder, data, logged, pairs};
use countersign_host_sim::{
    Connect, GrpcUpstream, Limits, Outcome, Request, ResponseOutcome, Status, Upstream, UpstreamReply,
    verify_signature,
};

fn on_headers(body: &str) -> String {
    format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (local $i i32) {body} (i32.const 0))"#
    )
}

#[test]
fn arguments_of_foreign_functions_are_no_larger_than_bodies() {
    for name in [
        "clear_route_cache",
        "compress",
        "declare_property",
        "mine",
        "set_envoy_filter_state",
        "sign",
        "uncompress",
        "verify_signature",
    ] {
        let call = |size: u32| {
            format!(
                r#"(call $say_number (call $foreign @"{name}" (i32.const 131072) (i32.const {size}) (i32.const 16) (i32.const 20)))"#
            )
        };
        let limits = Limits { body_bytes: 1000, ..Limits::default() };
        let mut host = builder(&on_headers(&[call(1000), call(1001)].concat()))
            .foreign_function("mine", std::sync::Arc::new(|_: &[u8]| Ok(Vec::new())))
            .limits(limits)
            .start()
            .unwrap();
        host.run(&Request::get("/"));
        let [within, beyond] = &logged(&mut host)[..] else { panic!("{name}") };
        assert!(within != "10" && beyond == "10", "{name}: {within}, {beyond}");
    }
}

#[test]
fn a_hash_function_has_a_short_name() {
    assert!(verify_signature(&question(256)).is_ok_and(|said| said.len() < 300));
    assert_eq!(verify_signature(&question(257)), Err(Status::BadArgument));
}

/// Asks for a signature by a hash function with a name of so many letters.
fn question(letters: usize) -> Vec<u8> {
    let mut bytes = vec![0x0a, (letters % 128) as u8 | 0x80, (letters / 128) as u8];
    bytes.extend(vec![b'x'; letters]);
    // The smallest key there is: an algorithm and no bits.
    bytes.extend(b"\x12\x0e\x30\x0c\x30\x06\x06\x04\x2b\x81\x04\x00\x03\x02\x00\x04");
    bytes
}

#[test]
fn groups_in_groups_are_bounded() {
    let nested = |depth: usize| [question(256), vec![0x53; depth], vec![0x54; depth]].concat();
    assert!(verify_signature(&nested(100)).is_ok());
    assert_eq!(verify_signature(&nested(101)), Err(Status::BadArgument));
}

#[test]
fn what_a_callback_does_with_grpc_is_bounded() {
    let (segment, service) = data(4400, r"\0a\06\0a\04\61\75\74\68");
    // Opens calls and cancels them, ten times.
    let body = format!(
        r#"{segment} {}"#,
        on_headers(&format!(
            r#"(loop $l
                 (call $say_number (call $grpc_call {service} @"s" @"m" (i32.const 0) (i32.const 0) @"q" (i32.const 5000) (i32.const 28)))
                 (drop (call $grpc_cancel (i32.load (i32.const 28))))
                 (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10))))"#
        ))
    );
    let limits = Limits { http_calls: 4, ..Limits::default() };
    let mut host = builder(&body).grpc_cluster("auth", GrpcUpstream::new()).limits(limits).start().unwrap();
    host.run(&Request::get("/"));
    let said = logged(&mut host);
    assert_eq!(said, [["00"; 4].as_slice(), &["10"; 6]].concat());
    assert_eq!(host.grpc_calls().len(), 4);
    assert!(host.grpc_calls().iter().all(|call| call.cancelled));
    host.run(&Request::get("/"));
    assert_eq!(host.grpc_calls().len(), 8, "the next callback begins anew");
}

#[test]
fn streams_that_are_closed_and_cancelled_over_and_over_are_bounded() {
    let (segment, service) = data(4400, r"\0a\06\0a\04\61\75\74\68");
    let open = format!(
        r#"(drop (call $grpc_stream {service} @"s" @"m" (i32.const 0) (i32.const 0) (i32.const 28)))"#
    );
    let close = "(call $say_number (call $grpc_close (i32.load (i32.const 28))))";
    let cancel = "(call $say_number (call $grpc_cancel (i32.load (i32.const 28))))";
    let body = format!("{segment} {}", on_headers(&[&*open, close, &*open, close, cancel].concat()));
    let limits = Limits { http_calls: 3, ..Limits::default() };
    let mut host = builder(&body).grpc_cluster("auth", GrpcUpstream::new()).limits(limits).start().unwrap();
    host.run(&Request::get("/"));
    assert_eq!(logged(&mut host), ["00", "10", "00"], "a cancel of what was opened here takes no room");
}

#[test]
fn names_of_grpc_calls_count_as_sent() {
    let (segment, service) = data(4400, r"\0a\06\0a\04\61\75\74\68");
    let call = format!(
        r#"(call $say_number (call $grpc_call {service} (i32.const 131072) (i32.const 1000) (i32.const 131072) (i32.const 1000)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 5000) (i32.const 28)))"#
    );
    let limits = Limits { sent_bytes: 3000, ..Limits::default() };
    let mut host = builder(&format!("{segment} {}", on_headers(&[&*call, &*call].concat())))
        .grpc_cluster("auth", GrpcUpstream::new())
        .limits(limits)
        .start()
        .unwrap();
    host.run(&Request::get("/"));
    assert_eq!(logged(&mut host), ["00", "10"]);
}

#[test]
fn entries_of_shared_data_count_with_what_they_take() {
    let body = on_headers(
        r#"(loop $l
             (i32.store (i32.const 32) (local.get $i))
             (call $say_number (call $set_shared (i32.const 32) (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 0)))
             (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10))))
           (i32.store (i32.const 32) (i32.const 0))
           (call $say_number (call $set_shared (i32.const 32) (i32.const 4) (i32.const 0) (i32.const 1) (i32.const 0)))"#,
    );
    let limits = Limits { shared_bytes: 1001, ..Limits::default() };
    let mut host = builder(&body).names("", "", "four").limits(limits).start().unwrap();
    host.run(&Request::get("/"));
    let said = logged(&mut host);
    // Five entries of 4 + 4 + 160 bytes and more fit in, and one byte more.
    assert_eq!(said, [["00"; 5].as_slice(), &["10"; 5], &["00"]].concat());
}

#[test]
fn names_of_metrics_are_bounded_over_the_vms_that_define_them() {
    let body = r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
        (drop (call $get_buffer (i32.const 7) (i32.const 0) (i32.const 10) (i32.const 16) (i32.const 20)))
        (call $say_number (call $define_metric (i32.const 0) (i32.load (i32.const 16)) (i32.load (i32.const 20)) (i32.const 24)))
        (i32.const 1))"#;
    let limits = Limits { metrics: 2, ..Limits::default() };
    let mut host = builder(body).plugin_config("a").limits(limits).start().unwrap();
    for name in ["b", "c", "a"] {
        host.reconfigure(name).unwrap();
    }
    assert_eq!(logged(&mut host), ["00", "00", "10", "00"]);
    assert_eq!(host.metrics().all().len(), 2);
}

#[test]
fn values_of_all_histograms_together_are_bounded() {
    // A new histogram with each request, and 65,536 values in it.
    let body = [
        "(global $name (mut i32) (i32.const 65))",
        &on_headers(
            r#"(i32.store8 (i32.const 32) (global.get $name))
               (global.set $name (i32.add (global.get $name) (i32.const 1)))
               (drop (call $define_metric (i32.const 2) (i32.const 32) (i32.const 1) (i32.const 24)))
               (loop $l
                 (drop (call $record_metric (i32.load (i32.const 24)) (i64.extend_i32_u (local.get $i))))
                 (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 65536))))"#,
        ),
    ]
    .concat();
    let mut host = builder(&body).start().unwrap();
    for _ in 0..18 {
        assert!(host.run(&Request::get("/")).forwarded().is_some());
    }
    let all: Vec<_> = (b'A'..b'A' + 18)
        .map(|name| host.metrics().histogram(&char::from(name).to_string()).expect("a histogram"))
        .collect();
    assert!(all.iter().all(|one| one.count == 65_536 && one.sum == 65_535 * 65_536 / 2));
    assert_eq!(all.iter().map(|one| one.values.len()).sum::<usize>(), 1 << 20);
    assert!(all[0].values.iter().copied().eq(0..65_536));
    // Totals have no values.
    for metric in host.metrics().totals() {
        let countersign_host_sim::MetricValue::Histogram(one) = metric.value else { panic!() };
        assert!(one.count == 65_536 && one.values.is_empty());
    }
}

#[test]
fn what_has_ended_is_remembered_up_to_its_bytes() {
    let limits = Limits { remembered_bytes: 10_000, ..Limits::default() };
    let mut host = builder("").workers(2).limits(limits).start().unwrap();
    let streams: Vec<_> = (0..8)
        .map(|nth| {
            // The first are the second worker's, so that the oldest is not the one of the least number.
            let stream = host.request_on(usize::from(nth < 4), &Request::post("/").body(vec![0; 2000]));
            host.close(stream);
            stream
        })
        .collect();
    let outcomes = streams.iter().map(|stream| host.outcome(*stream).forwarded().is_some());
    assert!(outcomes.eq([false, false, false, false, false, true, true, true]));
    assert_eq!(host.outcome(streams[0]), Outcome::Closed);
    assert_eq!(host.response(streams[0]), ResponseOutcome::None);
    let connections: Vec<_> = (0..8)
        .map(|_| {
            let connection = host.connect(&Connect::new());
            host.downstream_data(connection, [0_u8; 2000], false);
            host.disconnect(connection);
            connection
        })
        .collect();
    let known = connections.iter().map(|connection| host.connection(*connection).is_some());
    assert!(known.eq([false, false, false, false, false, true, true, true]));
}

#[test]
fn calls_are_remembered_with_what_an_entry_takes() {
    let (segment, headers) = data(4096, &pairs(&[(":method", "GET"), (":path", "/"), (":authority", "c")]));
    let call = format!(
        r#"(drop (call $call @"c" {headers} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 24)))"#
    );
    let limits = Limits { remembered_bytes: 6000, ..Limits::default() };
    let mut host = builder(&format!("{segment} {}", on_headers(&call)))
        .cluster("c", Upstream::always(UpstreamReply::ok("")))
        .limits(limits)
        .start()
        .unwrap();
    let mut most = 0;
    for _ in 0..30 {
        host.run(&Request::get("/"));
        most = most.max(host.calls().len());
    }
    assert!((2..12).contains(&most), "{most}");
}
