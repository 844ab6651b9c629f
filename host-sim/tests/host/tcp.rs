//! Network filters: connections, what passes each way, what is held, how they end.

use crate::common::{builder, logged, start};
use countersign_host_sim::{
    CloseType, Connect, ConnectionState, FailureKind, Limits, Request, Upstream, UpstreamReply,
};

/// Logs each callback by a letter.
const LETTERS: &str = r#"
    (func (export "proxy_on_downstream_connection_close") (param i32 i32)
      (call $say @"downstream closed") (call $say_number (local.get 1)))
    (func (export "proxy_on_upstream_connection_close") (param i32 i32)
      (call $say @"upstream closed") (call $say_number (local.get 1)))
    (func (export "proxy_on_done") (param i32) (result i32) (call $say @"done") (i32.const 1))
    (func (export "proxy_on_log") (param i32) (call $say @"log"))
    (func (export "proxy_on_delete") (param i32) (call $say @"delete"))"#;

#[test]
fn a_filter_without_callbacks_lets_everything_pass() {
    let mut host = start("");
    let connection = host.connect(&Connect::new());
    host.downstream_data(connection, "hello", false);
    host.upstream_data(connection, "world", false);
    let outcome = host.connection(connection).unwrap();
    assert!(outcome.connected);
    assert_eq!((&*outcome.upstream, &*outcome.downstream), (&b"hello"[..], &b"world"[..]));
    assert_eq!(outcome.state, ConnectionState::Open);
    host.disconnect(connection);
    let outcome = host.connection(connection).unwrap();
    assert_eq!(outcome.state, ConnectionState::Closed(CloseType::Remote));
    host.downstream_data(connection, "late", false);
    assert_eq!(host.connection(connection).unwrap(), outcome, "it stays as it was when it ended");
}

#[test]
fn callbacks_come_in_order_and_say_who_closed() {
    let mut host = start(&format!(
        r#"(func (export "proxy_on_context_create") (param i32 i32) (call $say_number (local.get 0)))
           (func (export "proxy_on_new_connection") (param i32) (result i32) (call $say @"new") (i32.const 0))
           {LETTERS}"#
    ));
    let connection = host.connect(&Connect::new());
    host.disconnect(connection);
    host.disconnect(connection);
    let remote = ["01", "02", "new", "downstream closed", "02", "done", "log", "delete"];
    assert_eq!(logged(&mut host), remote);
    let connection = host.connect(&Connect::new());
    host.disconnect_by(connection, CloseType::Local);
    assert_eq!(logged(&mut host), ["03", "new", "downstream closed", "01", "done", "log", "delete"]);
}

#[test]
fn data_is_held_together_until_the_filter_lets_go() {
    let hold = |name: &str, kind: u32| {
        format!(
            r#"(func (export "{name}") (param i32 i32 i32) (result i32)
                 (call $say_number (local.get 1)) (call $say_number (local.get 2))
                 (drop (call $get_buffer (i32.const {kind}) (i32.const 0) (local.get 1) (i32.const 16) (i32.const 20)))
                 (call $say_result)
                 (i32.lt_u (local.get 1) (i32.const 6)))"#
        )
    };
    let down = hold("proxy_on_downstream_data", 2);
    let up = hold("proxy_on_upstream_data", 3);
    let mut host = start(&format!("{down} {up}"));
    let connection = host.connect(&Connect::new());
    host.downstream_data(connection, "one", false);
    assert_eq!(host.connection(connection).unwrap().held_downstream, b"one");
    host.downstream_data(connection, "two", true);
    host.upstream_data(connection, "abc", false);
    host.upstream_data(connection, "def", false);
    let expected = ["03", "00", "one", "06", "01", "onetwo", "03", "00", "abc", "06", "00", "abcdef"];
    assert_eq!(logged(&mut host), expected);
    let outcome = host.connection(connection).unwrap();
    assert_eq!((&*outcome.upstream, &*outcome.downstream), (&b"onetwo"[..], &b"abcdef"[..]));
    assert_eq!((outcome.upstream_ended, outcome.downstream_ended), (true, false));
    assert!(outcome.held_downstream.is_empty() && outcome.held_upstream.is_empty());
}

#[test]
fn data_is_written_where_it_is_offered_and_nowhere_else() {
    let mut host = start(
        r#"(func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32)
             (call $say_number (call $set_buffer (i32.const 2) (i32.const 0) (i32.const 0) @"<"))
             (call $say_number (call $set_buffer (i32.const 2) (i32.const 99) (i32.const 0) @">"))
             (call $say_number (call $set_buffer (i32.const 3) (i32.const 0) (i32.const 0) @"!"))
             (i32.const 0))
           (func (export "proxy_on_upstream_data") (param i32 i32 i32) (result i32)
             (call $say_number (call $set_buffer (i32.const 3) (i32.const 0) (local.get 1) @"other"))
             (call $say_number (call $buffer_status (i32.const 3) (i32.const 16) (i32.const 20)))
             (call $say_number (i32.load (i32.const 16)))
             (call $say_number (call $buffer_status (i32.const 2) (i32.const 16) (i32.const 20)))
             (i32.const 0))"#,
    );
    let connection = host.connect(&Connect::new());
    host.downstream_data(connection, "in", false);
    host.upstream_data(connection, "out", false);
    let outcome = host.connection(connection).unwrap();
    assert_eq!((&*outcome.upstream, &*outcome.downstream), (&b"<in>"[..], &b"other"[..]));
    assert_eq!(logged(&mut host), ["00", "00", "02", "00", "00", "05", "00"]);
}

#[test]
fn a_stopped_connection_goes_on_with_its_first_bytes_or_when_it_is_continued() {
    let stop = r#"(func (export "proxy_on_new_connection") (param i32) (result i32) (i32.const 1))"#;
    let mut host = start(stop);
    let connection = host.connect(&Connect::new());
    assert!(!host.connection(connection).unwrap().connected);
    host.downstream_data(connection, "x", false);
    assert!(host.connection(connection).unwrap().connected, "the filter let the bytes pass");
    let (segment, headers) = crate::common::data(
        4096,
        &crate::common::pairs(&[(":method", "GET"), (":path", "/"), (":authority", "a")]),
    );
    let asking = format!(
        r#"{segment} (global $connection (mut i32) (i32.const 0))
           (func (export "proxy_on_new_connection") (param i32) (result i32)
             (global.set $connection (local.get 0))
             (drop (call $call @"authority" {headers} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                               (i32.const 0) (i32.const 24)))
             (i32.const 1))
           (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32) (i32.const 1))
           (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
             (drop (call $effective (global.get $connection)))
             (call $say_number (call $get_buffer (i32.const 2) (i32.const 0) (i32.const 9) (i32.const 16) (i32.const 20)))
             (call $say_result)
             (call $say_number (call $continue (i32.const 2)))
             (call $say_number (call $continue (i32.const 3)))
             (call $say_number (call $continue (i32.const 4))))"#
    );
    let later = std::time::Duration::from_secs(1);
    let upstream = Upstream::always(UpstreamReply::ok("").after(later));
    let mut host = builder(&asking).cluster("authority", upstream).start().unwrap();
    let connection = host.connect(&Connect::new());
    host.downstream_data(connection, "early", false);
    assert_eq!(host.connection(connection).unwrap().held_downstream, b"early");
    host.advance(later);
    let outcome = host.connection(connection).unwrap();
    assert_eq!((&*outcome.upstream, outcome.connected), (&b"early"[..], true));
    assert_eq!(logged(&mut host), ["00", "early", "00", "12", "02"]);
}

#[test]
fn the_ends_of_both_sides_close_the_connection() {
    let mut host = start(LETTERS);
    let connection = host.connect(&Connect::new());
    host.downstream_data(connection, "bye", true);
    assert!(logged(&mut host).is_empty());
    host.upstream_data(connection, "bye", true);
    let outcome = host.connection(connection).unwrap();
    assert!(outcome.upstream_ended && outcome.downstream_ended);
    assert_eq!(outcome.state, ConnectionState::Closed(CloseType::Local), "the upstream's end was the last");
    let end = |how| ["downstream closed", how, "done", "log", "delete"];
    assert_eq!(logged(&mut host), [&["upstream closed", "00"][..], &end("01")].concat());
    let connection = host.connect(&Connect::new());
    host.upstream_data(connection, "bye", true);
    assert_eq!(logged(&mut host), ["upstream closed", "00"]);
    host.downstream_data(connection, "bye", true);
    assert_eq!(host.connection(connection).unwrap().state, ConnectionState::Closed(CloseType::Remote));
    assert_eq!(logged(&mut host), end("02"));
}

#[test]
fn a_filter_can_close_the_connection() {
    for kind in [2, 3] {
        let mut host = start(&format!(
            r#"(func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32)
                 (call $say_number (call $close (i32.const {kind}))) (i32.const 1))
               {LETTERS}"#
        ));
        let connection = host.connect(&Connect::new());
        host.downstream_data(connection, "x", false);
        let outcome = host.connection(connection).unwrap();
        assert_eq!(outcome.state, ConnectionState::Closed(CloseType::Local));
        assert!(outcome.closed_by_filter && outcome.upstream.is_empty());
        assert_eq!(logged(&mut host), ["00", "downstream closed", "01", "done", "log", "delete"]);
    }
}

#[test]
fn what_a_filter_closes_is_closed_before_its_bytes_pass() {
    let mut host = start(
        r#"(func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32)
             (drop (call $close (i32.const 2))) (i32.const 0))"#,
    );
    let connection = host.connect(&Connect::new());
    host.downstream_data(connection, "x", false);
    let outcome = host.connection(connection).unwrap();
    assert_eq!(outcome.state, ConnectionState::Closed(CloseType::Local));
    assert!(outcome.upstream.is_empty());
}

#[test]
fn a_connection_that_is_held_ends_with_its_sockets() {
    let mut host =
        start(r#"(func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32) (i32.const 1))"#);
    let connection = host.connect(&Connect::new());
    host.downstream_data(connection, "x", false);
    host.upstream_data(connection, "", true);
    host.downstream_data(connection, "", true);
    let outcome = host.connection(connection).unwrap();
    assert_eq!(outcome.state, ConnectionState::Closed(CloseType::Remote));
    assert!(outcome.upstream.is_empty() && outcome.downstream_ended);
}

#[test]
fn a_connection_has_properties_and_keeps_state() {
    let ask = |path: &str| {
        format!(
            "(call $say_number (call $get_property @\"{path}\" (i32.const 16) (i32.const 20))) (call $say_result)"
        )
    };
    let asks: String =
        ["source\\00address", "connection\\00requested_server_name", "my_state"].map(ask).concat();
    let mut host = start(&format!(
        r#"(func (export "proxy_on_new_connection") (param i32) (result i32)
             (call $say_number (call $set_property @"my_state" @"kept"))
             {asks}
             (call $say_number (call $get_property @"request\00path" (i32.const 16) (i32.const 20)))
             (call $say_number (call $get (i32.const 0) @":path" (i32.const 16) (i32.const 20)))
             (i32.const 0))"#
    ));
    host.connect(&Connect::new().property("connection.requested_server_name", "bank.example"));
    let expected = ["00", "00", "127.0.0.1:40000", "00", "bank.example", "00", "kept", "01", "02"];
    assert_eq!(logged(&mut host), expected);
}

#[test]
fn a_certificate_comes_with_the_handshake_after_the_connection() {
    let ask = |part: &str| {
        format!(
            "(if (i32.eqz (call $get_property @\"connection\\00{part}\" (i32.const 16) (i32.const 20)))
               (then (call $say_result)) (else (call $say @\"none\")))"
        )
    };
    let certificate = ["uri_san_peer_certificate", "subject_peer_certificate", "mtls"].map(ask).concat();
    let (server, version) = (ask("requested_server_name"), ask("tls_version"));
    let filter = |early: &str| {
        format!(
            r#"(func (export "proxy_on_new_connection") (param i32) (result i32)
                 {certificate} {server} {early} (i32.const 0))
               (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32)
                 {certificate} {server} {version} (i32.const 0))"#
        )
    };
    let connect = Connect::new()
        .property("connection.requested_server_name", "bank.example")
        .property("connection.tls_version", "TLSv1.3")
        .property("connection.mtls", true)
        .property("connection.uri_san_peer_certificate", "spiffe://bank.example/edge")
        .property("connection.subject_peer_certificate", "CN=edge");
    // Who asks for the version too early is told the same for ever.
    for (early, told, version) in [("", &[][..], "TLSv1.3"), (&*version, &["TLSv1.2"][..], "TLSv1.2")] {
        let mut host = start(&filter(early));
        let connection = host.connect(&connect);
        let expected = [&["none", "", "\0", "bank.example"][..], told].concat();
        assert_eq!(logged(&mut host), expected);
        host.downstream_data(connection, "x", false);
        let expected = ["spiffe://bank.example/edge", "CN=edge", "\u{1}", "bank.example", version];
        assert_eq!(logged(&mut host), expected);
    }
}

#[test]
fn a_trap_closes_the_connection_with_nothing_passed() {
    let body = r#"(func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32) (unreachable))"#;
    let mut host = start(body);
    let connection = host.connect(&Connect::new());
    host.downstream_data(connection, "x", false);
    let outcome = host.connection(connection).unwrap();
    let ConnectionState::Failed(failure) = &outcome.state else { panic!("{outcome:?}") };
    assert_eq!(failure.kind, FailureKind::Trap);
    assert!(outcome.upstream.is_empty());
    let next = host.connect(&Connect::new());
    let outcome = host.connection(next).unwrap();
    assert!(matches!(outcome.state, ConnectionState::Failed(f) if f.kind == FailureKind::Earlier));
}

#[test]
fn connections_are_bounded() {
    let hold = r#"(func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32) (i32.const 1))"#;
    let limits = Limits { body_bytes: 10, streams: 2, ..Limits::default() };
    let mut host = builder(hold).limits(limits).start().unwrap();
    let connection = host.connect(&Connect::new());
    host.downstream_data(connection, "12345678", false);
    host.downstream_data(connection, "9abc", false);
    let state = host.connection(connection).unwrap().state;
    assert_eq!(state, ConnectionState::Closed(CloseType::Local), "more is held than may be");
    assert!(!host.connection(connection).unwrap().closed_by_filter);
    let open = [host.connect(&Connect::new()), host.connect(&Connect::new())];
    assert!(open.iter().all(|c| host.connection(*c).unwrap().state == ConnectionState::Open));
    let third = host.connect(&Connect::new());
    let state = host.connection(third).unwrap().state;
    assert!(matches!(state, ConnectionState::Failed(f) if f.kind == FailureKind::Streams));
}

#[test]
fn a_restart_ends_the_connections_of_the_old_vm() {
    let mut host = start(LETTERS);
    let connection = host.connect(&Connect::new());
    host.restart(0).unwrap();
    assert_eq!(host.connection(connection).unwrap().state, ConnectionState::Closed(CloseType::Local));
    assert!(host.run(&Request::get("/")).forwarded().is_some());
}
