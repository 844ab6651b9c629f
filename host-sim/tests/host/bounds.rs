//! What a module may take of the host: time in each callback, tables, names, bytes sent, kept and logged.

use std::time::Duration;

use crate::common::{MALLOC, MARKER, builder, data, load, logged, pairs, raw};
use countersign_host_sim::{
    Connect, ConnectionState, FailureKind, GrpcReply, GrpcUpstream, Host, HostBuilder, Limits, Request,
    Response, StartFailure, Upstream, UpstreamReply,
};

fn on_headers(body: &str) -> String {
    format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {body} (i32.const 0))"#
    )
}

fn short() -> Limits {
    Limits { callback_deadline: Duration::from_millis(20), ..Limits::default() }
}

fn pair_data() -> (String, String) {
    data(4096, &pairs(&[(":method", "GET"), (":path", "/"), (":authority", "a")]))
}

/// Statuses that a guest says of its calls.
fn statuses(body: &str, set: impl FnOnce(HostBuilder) -> HostBuilder) -> Vec<String> {
    let mut host = set(builder(&on_headers(body))).start().unwrap();
    let outcome = host.run(&Request::get("/"));
    assert!(outcome.forwarded().is_some(), "{outcome:?}");
    logged(&mut host)
}

#[test]
fn no_callback_of_the_start_runs_for_ever() {
    for (looping, callback) in [
        (r#"(func $s (loop (br 0))) (start $s)"#, "start"),
        (r#"(func (export "_start") (loop (br 0)))"#, "_start"),
        (
            r#"(func (export "_initialize")) (func (export "main") (param i32 i32) (result i32) (loop (br 0)) (i32.const 0))"#,
            "main",
        ),
        (
            r#"(func (export "proxy_on_context_create") (param i32 i32) (loop (br 0)))"#,
            "proxy_on_context_create",
        ),
        (
            r#"(func (export "proxy_on_vm_start") (param i32 i32) (result i32) (loop (br 0)) (i32.const 1))"#,
            "proxy_on_vm_start",
        ),
        (
            r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) (loop (br 0)) (i32.const 1))"#,
            "proxy_on_configure",
        ),
    ] {
        let error = builder(looping).limits(short()).start().err().unwrap();
        let StartFailure::Trap(failure) = error.reason else { panic!("{callback}: {error}") };
        assert_eq!((failure.kind, failure.callback), (FailureKind::Deadline, callback));
    }
}

#[test]
fn no_callback_of_a_stream_runs_for_ever() {
    let result = |name: &str, params: &str| {
        format!(r#"(func (export "{name}") (param {params}) (result i32) (loop (br 0)) (i32.const 0))"#)
    };
    let none =
        |name: &str, params: &str| format!(r#"(func (export "{name}") (param {params}) (loop (br 0)))"#);
    for body in [
        result("proxy_on_request_body", "i32 i32 i32"),
        result("proxy_on_request_trailers", "i32 i32"),
        result("proxy_on_response_headers", "i32 i32 i32"),
        result("proxy_on_response_body", "i32 i32 i32"),
        result("proxy_on_done", "i32"),
        none("proxy_on_log", "i32"),
        none("proxy_on_delete", "i32"),
        result("proxy_on_new_connection", "i32"),
        result("proxy_on_downstream_data", "i32 i32 i32"),
        result("proxy_on_upstream_data", "i32 i32 i32"),
        none("proxy_on_downstream_connection_close", "i32 i32"),
        none("proxy_on_upstream_connection_close", "i32 i32"),
    ] {
        let mut host = builder(&body).limits(short()).start().unwrap();
        let mut request = Request::post("/").body("b");
        request.trailers = Some(countersign_host_sim::HeaderMap::from_pairs([("x-t", "1")]));
        host.exchange(&request, Response::new(200).body("b"));
        tcp(&mut host);
        assert!(host.has_failed(0), "{body}");
    }
}

fn tcp(host: &mut Host) {
    let connection = host.connect(&Connect::new());
    host.downstream_data(connection, "b", false);
    host.upstream_data(connection, "b", true);
    host.disconnect(connection);
    assert_ne!(host.connection(connection).unwrap().state, ConnectionState::Open);
}

#[test]
fn no_callback_of_the_root_runs_for_ever() {
    let (segment, headers) = pair_data();
    let call = format!(
        r#"(drop (call $call @"c" {headers} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 24)))"#
    );
    let grpc =
        r#"(drop (call $grpc_stream @"g-cluster" @"s" @"m" (i32.const 0) (i32.const 0) (i32.const 24)))"#;
    let queue = r#"(drop (call $register_queue @"q" (i32.const 24))) (drop (call $enqueue (i32.load (i32.const 24)) @"v"))"#;
    let tick = "(drop (call $tick_period (i32.const 1)))";
    for (name, params, cause) in [
        ("proxy_on_tick", "i32", tick),
        ("proxy_on_queue_ready", "i32 i32", queue),
        ("proxy_on_http_call_response", "i32 i32 i32 i32 i32", &call),
        ("proxy_on_grpc_receive_initial_metadata", "i32 i32 i32", grpc),
        ("proxy_on_grpc_receive", "i32 i32 i32", grpc),
        ("proxy_on_grpc_receive_trailing_metadata", "i32 i32 i32", grpc),
        ("proxy_on_grpc_close", "i32 i32 i32", grpc),
    ] {
        let body = format!(
            r#"{segment} (func (export "{name}") (param {params}) (loop (br 0))) {}"#,
            on_headers(cause)
        );
        let mut host = builder(&body)
            .cluster("c", Upstream::always(UpstreamReply::ok("")))
            .grpc_cluster("g-cluster", GrpcUpstream::always(GrpcReply::message("m")))
            .limits(short())
            .start()
            .unwrap();
        host.request(&Request::get("/"));
        host.advance(Duration::from_millis(1));
        assert!(host.has_failed(0), "{name}");
    }
}

#[test]
fn tables_are_bounded_together() {
    let limits = || Limits { table_elements: 10, ..Limits::default() };
    let body = "(table $a 4 funcref) (table $b 4 funcref)";
    let grow = |table: &str, by: u32| {
        format!(
            "(call $say_number (i32.add (table.grow {table} (ref.null func) (i32.const {by})) (i32.const 1)))"
        )
    };
    let mut host = builder(&format!("{body} {}", on_headers(&[grow("$a", 2), grow("$b", 1)].concat())))
        .limits(limits())
        .start()
        .unwrap();
    host.run(&Request::get("/"));
    assert_eq!(logged(&mut host), ["05", "00"]);
    assert!(builder("(table 6 funcref) (table 6 funcref)").limits(limits()).start().is_err());
}

#[test]
fn names_that_are_kept_are_bounded() {
    let limits = Limits { name_bytes: 4, ..Limits::default() };
    let body = r#"
        (call $say_number (call $define_metric (i32.const 0) @"four" (i32.const 24)))
        (call $say_number (call $define_metric (i32.const 0) @"fives" (i32.const 24)))
        (call $say_number (call $define_metric (i32.const 0) (i32.const 0) (i32.const 262144) (i32.const 24)))
        (call $say_number (call $register_queue @"four" (i32.const 24)))
        (call $say_number (call $register_queue @"fives" (i32.const 24)))
        (call $say_number (call $grpc_stream @"g-cluster" @"fives" @"m" (i32.const 0) (i32.const 0) (i32.const 24)))"#;
    let said = statuses(body, |b| b.limits(limits).grpc_cluster("g-cluster", GrpcUpstream::new()));
    assert_eq!(said, ["00", "10", "10", "00", "10", "10"]);
}

#[test]
fn what_a_callback_sends_is_bounded() {
    let (segment, headers) = pair_data();
    let call = format!(
        r#"(call $say_number (call $call @"c" {headers} (i32.const 0) (i32.const 1000) (i32.const 0) (i32.const 0)
                                          (i32.const 0) (i32.const 24)))"#
    );
    let grpc = r#"(call $say_number (call $grpc_call @"g-cluster" @"s" @"m" (i32.const 0) (i32.const 0)
                                                     (i32.const 0) (i32.const 1000) (i32.const 0) (i32.const 24)))"#;
    let body = format!("{segment} {}", on_headers(&[&*call, &*call, grpc].concat()));
    let limits = Limits { sent_bytes: 1500, ..Limits::default() };
    let mut host = builder(&body)
        .cluster("c", Upstream::always(UpstreamReply::ok("")))
        .grpc_cluster("g-cluster", GrpcUpstream::new())
        .limits(limits)
        .start()
        .unwrap();
    for _ in 0..2 {
        host.run(&Request::get("/"));
        assert_eq!(logged(&mut host), ["00", "10", "10"], "each callback begins anew");
    }
}

#[test]
fn all_queues_together_are_bounded() {
    let queue = |name: &str| {
        format!(
            r#"(drop (call $register_queue @"{name}" (i32.const 24)))
               (call $say_number (call $enqueue (i32.load (i32.const 24)) (i32.const 0) (i32.const 1000)))"#
        )
    };
    let dequeue =
        "(call $say_number (call $dequeue (i32.load (i32.const 24)) (i32.const 16) (i32.const 20)))";
    let body =
        [queue("a"), queue("b"), queue("c"), dequeue.to_owned(), queue("b"), dequeue.to_owned(), queue("c")];
    let limits = Limits { shared_bytes: 2200, ..Limits::default() };
    let said = statuses(&body.concat(), |b| b.limits(limits));
    assert_eq!(said, ["00", "00", "10", "07", "10", "00", "00"], "what is taken out makes room");
}

#[test]
fn logs_are_bounded_in_bytes() {
    let limits = Limits { log_bytes: 10, ..Limits::default() };
    let flood = r#"(call $say @"12345") (call $say @"67890") (call $say @"lost")"#;
    let mut host = builder(&on_headers(flood)).limits(limits).start().unwrap();
    for _ in 0..2 {
        host.run(&Request::get("/"));
        assert_eq!(logged(&mut host), ["12345", "67890"]);
    }
    // One vector as big as the memory, a thousand times over: little of it is kept.
    let vectors: String = (0..1000).map(|_| r"\00\00\00\00\00\00\04\00").collect();
    let body = format!(
        r#"(data (i32.const 8192) "{vectors}")
           {}"#,
        on_headers(
            "(call $say_number (call $fd_write (i32.const 1) (i32.const 8192) (i32.const 1000) (i32.const 24)))"
        )
    );
    let limits = Limits { log_line_bytes: 100, ..Limits::default() };
    let mut host = builder(&body).limits(limits).start().unwrap();
    host.run(&Request::get("/"));
    assert_eq!(logged(&mut host).last().map(String::as_str), Some("00"));
}

#[test]
fn an_allocator_cannot_call_back_into_what_allocates() {
    // Each function that gives bytes, from within the allocator that it calls.
    for inner in [
        "(drop (call $get_pairs (i32.const 0) (i32.const 16) (i32.const 20)))",
        "(drop (call $dequeue (i32.const 1) (i32.const 16) (i32.const 20)))",
        "(drop (call $set_shared (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0)))",
        "(drop (call $foreign (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 16) (i32.const 20)))",
        "(drop (call $time (i32.const 16)))",
        "(drop (call $random (i32.const 16) (i32.const 4)))",
    ] {
        let source = raw(&format!(
            r#"{MARKER} (func (export "malloc") (param i32) (result i32) {inner} (i32.const 4096))
               {}"#,
            on_headers(r#"(drop (call $get (i32.const 0) @":path" (i32.const 16) (i32.const 20)))"#)
        ));
        let mut host = load(&source).unwrap().host().start().unwrap();
        let outcome = host.run(&Request::get("/"));
        assert_eq!(outcome.failure().map(|f| f.kind), Some(FailureKind::Restricted), "{inner}");
    }
}

#[test]
fn an_allocator_that_grows_the_memory_gets_its_bytes() {
    let source = raw(&format!(
        r#"{MARKER}
           (func (export "malloc") (param i32) (result i32)
             (i32.mul (memory.grow (i32.const 1)) (i32.const 65536)))
           {}"#,
        on_headers(
            r#"(drop (call $get (i32.const 0) @":path" (i32.const 16) (i32.const 20))) (call $say_result)"#
        )
    ));
    let mut host = load(&source).unwrap().host().start().unwrap();
    host.run(&Request::get("/grown"));
    assert_eq!(logged(&mut host), ["/grown"]);
}

#[test]
fn bad_pointers_are_statuses() {
    // The last words of the memory, one byte short, and beyond the end of 32 bits.
    for at in ["262141", "-1", "262144"] {
        let at = format!("(i32.const {at})");
        let body = format!(
            r#"(call $say_number (call $time {at}))
               (call $say_number (call $get_pairs (i32.const 0) {at} {at}))
               (call $say_number (call $get (i32.const 0) {at} (i32.const 9) (i32.const 16) (i32.const 20)))
               (call $say_number (call $add (i32.const 0) @"x-a" {at} (i32.const -1)))
               (call $say_number (call $set_pairs (i32.const 0) {at} (i32.const 9)))
               (call $say_number (call $get_property {at} (i32.const 9) (i32.const 16) (i32.const 20)))
               (call $say_number (call $proxy_log (i32.const 2) {at} (i32.const 9)))
               (call $say_number (call $grpc_call {at} (i32.const 9) {at} (i32.const 9) {at} (i32.const 9) {at} (i32.const 9)
                                                  {at} (i32.const 9) (i32.const 0) {at}))"#
        );
        assert_eq!(statuses(&body, |b| b), ["06"; 8], "{at}");
    }
}

#[test]
fn modules_without_an_allocator_of_the_right_type_are_refused() {
    let source = raw(&format!(r#"{MARKER} (func (export "malloc") (param i64) (result i32) (i32.const 0))"#));
    let error = load(&source).err().unwrap();
    assert!(error.to_string().contains("export `malloc`"), "{error}");
    assert!(load(&raw(&format!("{MARKER} {MALLOC}"))).unwrap().host().start().is_ok());
}

#[test]
fn streams_are_bounded() {
    let limits = Limits { streams: 2, ..Limits::default() };
    let mut host = builder("").limits(limits).start().unwrap();
    let open = [0; 3].map(|_| host.request(&Request::post("/").unfinished()));
    let kinds = open.map(|stream| host.outcome(stream).failure().map(|failure| failure.kind));
    assert_eq!(kinds, [None, None, Some(FailureKind::Streams)]);
    host.close(open[0]);
    let next = host.request(&Request::post("/").unfinished());
    assert_eq!(host.outcome(next).failure(), None);
}
