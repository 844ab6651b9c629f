//! gRPC calls and streams, with scripted services.

use std::time::Duration;

use crate::common::{builder, data, logged, pairs};
use countersign_host_sim::{
    Allowance, FailureKind, GrpcReply, GrpcUpstream, Host, HostBuilder, Limits, Request,
};

/// Logs what comes back, and the status that `proxy_get_status` gives.
const SAY: &str = r#"
    (func $say_map (param i32)
      (if (i32.eqz (call $get (local.get 0) @"x-meta" (i32.const 16) (i32.const 20))) (then (call $say_result))))
    (func (export "proxy_on_grpc_receive_initial_metadata") (param i32 i32 i32)
      (call $say @"initial") (call $say_number (local.get 2)) (call $say_map (i32.const 4)))
    (func (export "proxy_on_grpc_receive") (param i32 i32 i32)
      (call $say_number (local.get 1))
      (drop (call $get_buffer (i32.const 5) (i32.const 0) (local.get 2) (i32.const 16) (i32.const 20)))
      (call $say_result))
    (func (export "proxy_on_grpc_receive_trailing_metadata") (param i32 i32 i32)
      (call $say @"trailing") (call $say_number (local.get 2)) (call $say_map (i32.const 5)))
    (func (export "proxy_on_grpc_close") (param i32 i32 i32)
      (call $say @"close") (call $say_number (local.get 1)) (call $say_number (local.get 2))
      (drop (call $get_status (i32.const 24) (i32.const 16) (i32.const 20)))
      (call $say_number (i32.load (i32.const 24))) (call $say_result))"#;

/// `envoy.config.core.v3.GrpcService` of the cluster `auth`.
pub(crate) const AUTH: &str = "\\0a\\06\\0a\\04auth";

/// A guest that makes a call for each request, and says what came of it.
pub(crate) fn caller(service: &str, timeout: u32) -> HostBuilder {
    let (metadata, headers) = data(4096, &pairs(&[("x-caller", "me")]));
    let (segment, service) = raw_data(4400, service);
    builder(&format!(
        r#"{metadata} {segment} {SAY}
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $say_number (call $grpc_call {service} @"bank.Auth" @"Check" {headers} @"question"
                                                (i32.const {timeout}) (i32.const 28)))
             (i32.const 0))"#
    ))
}

/// The same with a stream, and calls to make on it in each request.
pub(crate) fn streamer(on_headers: &str) -> HostBuilder {
    let (metadata, headers) = data(4096, &pairs(&[("x-caller", "me")]));
    let (segment, service) = raw_data(4400, AUTH);
    builder(&format!(
        r#"{metadata} {segment} {SAY}
           (func (export "proxy_on_configure") (param i32 i32) (result i32)
             (call $say_number (call $grpc_stream {service} @"bank.Auth" @"Watch" {headers} (i32.const 28)))
             (call $say_number (i32.load (i32.const 28)))
             (i32.const 1))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             {on_headers} (i32.const 0))"#
    ))
}

fn raw_data(at: usize, bytes: &str) -> (String, String) {
    let len = bytes.len() - 2 * bytes.matches('\\').count();
    (format!("(data (i32.const {at}) \"{bytes}\")"), format!("(i32.const {at}) (i32.const {len})"))
}

fn run(mut host: Host) -> (Vec<String>, Host) {
    host.run(&Request::get("/"));
    host.advance(Duration::from_secs(10));
    (logged(&mut host), host)
}

#[test]
fn a_call_gets_one_message_or_a_status() {
    for (reply, expected) in [
        (GrpcReply::message("yes"), vec!["00", "05", "yes"]),
        (GrpcReply::messages(["no", "yes"]).initial("x-meta", "1"), vec!["00", "05", "yes"]),
        (GrpcReply::status(7, "not you"), vec!["00", "close", "05", "07", "07", "not you{via_upstream}"]),
        (
            GrpcReply::message("yes").ending(2, "but"),
            vec!["00", "close", "05", "02", "02", "but{via_upstream}"],
        ),
        (GrpcReply::messages::<&str>([]), vec!["00", "close", "05", "13", "13", ""]),
        (GrpcReply::message("yes").breaking(), vec!["00", "close", "05", "13", "13", BROKEN]),
        (
            GrpcReply::never(),
            vec!["00", "close", "05", "14", "14", "upstream request timeout{response_timeout}"],
        ),
    ] {
        let upstream = GrpcUpstream::new().on("bank.Auth/Check", [reply.clone()]);
        let (lines, host) = run(caller(AUTH, 500).grpc_cluster("auth", upstream).start().unwrap());
        assert_eq!(lines, expected, "{reply:?}");
        let [call] = host.grpc_calls() else { panic!("{:?}", host.grpc_calls()) };
        assert_eq!((call.path(), &*call.cluster), ("bank.Auth/Check".to_owned(), &b"auth"[..]));
        assert_eq!(call.messages, [b"question"]);
        assert_eq!(call.metadata.text("x-caller").as_deref(), Some("me"));
        assert!(call.ended && !call.stream);
    }
}

#[test]
fn a_service_that_cannot_be_reached_is_unavailable() {
    let refused = GrpcUpstream::always(GrpcReply::refused());
    let (lines, _) = run(caller(AUTH, 500).grpc_cluster("auth", refused).start().unwrap());
    assert_eq!(&lines[..5], ["00", "close", "05", "14", "14"]);
    assert!(lines[5].starts_with("upstream connect error"), "{lines:?}");
    let broken = GrpcUpstream::always(GrpcReply::reset());
    let (lines, _) = run(caller(AUTH, 500).grpc_cluster("auth", broken).start().unwrap());
    assert_eq!(&lines[..5], ["00", "close", "05", "14", "14"]);
    assert!(
        lines[5].ends_with("{upstream_reset_before_response_started{connection_termination}}"),
        "{lines:?}"
    );
    let (lines, _) = run(caller(AUTH, 500).grpc_cluster("auth", GrpcUpstream::new()).start().unwrap());
    assert_eq!(lines, ["00", "close", "05", "12", "12", "via_upstream"], "no rule names the method");
    let (lines, host) = run(caller(AUTH, 500).start().unwrap());
    assert_eq!(lines, ["10", "close", "05", "14", "14", "Cluster not available"]);
    assert!(host.grpc_calls().is_empty());
}

#[test]
fn a_service_is_a_message_or_a_clusters_name() {
    let yes = || GrpcUpstream::always(GrpcReply::message("yes"));
    for (service, name) in [("auth-cluster", "auth-cluster"), ("\\12\\07\\0a\\05[::1]", "[::1]")] {
        let (lines, _) = run(caller(service, 500).grpc_cluster(name, yes()).start().unwrap());
        assert_eq!(lines, ["00", "05", "yes"], "{service}");
    }
    for (service, status) in [("nowhere-else", "04"), ("", "02"), ("\\1a\\02\\08\\05", "02")] {
        let (lines, _) = run(caller(service, 500).grpc_cluster("auth", yes()).start().unwrap());
        assert_eq!(lines, [status], "{service}");
    }
}

#[test]
fn a_call_waits_no_longer_than_its_timeout() {
    let late = GrpcReply::message("yes").after(Duration::from_millis(300));
    let upstream = || GrpcUpstream::always(late.clone());
    let (lines, _) = run(caller(AUTH, 300).grpc_cluster("auth", upstream()).start().unwrap());
    assert_eq!(lines, ["00", "05", "yes"]);
    let (lines, _) = run(caller(AUTH, 299).grpc_cluster("auth", upstream()).start().unwrap());
    assert_eq!(lines, ["00", "close", "05", "14", "14", "upstream request timeout{response_timeout}"]);
    let (lines, _) = run(caller(AUTH, 0).grpc_cluster("auth", upstream()).start().unwrap());
    assert_eq!(
        lines,
        ["00", "close", "05", "04", "04", "Deadline Exceeded{via_upstream}"],
        "as services have it"
    );
}

#[test]
fn a_cancelled_call_is_not_heard_of_again() {
    let (segment, service) = raw_data(4400, AUTH);
    let guest = format!(
        r#"{segment} {SAY}
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (drop (call $grpc_call {service} @"s" @"m" (i32.const 0) (i32.const 0) @"q" (i32.const 5000) (i32.const 28)))
             (call $say_number (call $grpc_send (i32.load (i32.const 28)) @"more" (i32.const 0)))
             (call $say_number (call $grpc_cancel (i32.load (i32.const 28))))
             (call $say_number (call $grpc_cancel (i32.load (i32.const 28))))
             (call $say_number (call $grpc_cancel (i32.const 4)))
             (call $say_number (call $grpc_close (i32.const 10)))
             (call $say_number (call $grpc_send (i32.const 10) @"more" (i32.const 0)))
             (i32.const 0))"#
    );
    let upstream = GrpcUpstream::always(GrpcReply::message("yes").after(Duration::from_secs(1)));
    let (lines, host) = run(builder(&guest).grpc_cluster("auth", upstream).start().unwrap());
    assert_eq!(lines, ["02", "00", "01", "02", "01", "01"]);
    assert!(host.grpc_calls()[0].cancelled);
}

#[test]
fn a_service_that_never_answers_gives_no_metadata_either() {
    let upstream = GrpcUpstream::always(GrpcReply::never());
    let mut host = streamer("").grpc_cluster("auth", upstream).start().unwrap();
    host.advance(Duration::from_secs(9));
    assert_eq!(logged(&mut host), ["00", "06"], "it was opened, and that is all");
}

#[test]
fn a_status_that_there_is_not_is_told_as_none() {
    let upstream = GrpcUpstream::always(GrpcReply::status(99, "odd%20one"));
    let mut host = streamer("").grpc_cluster("auth", upstream).start().unwrap();
    let lines = logged(&mut host);
    assert_eq!(lines.last().map(String::as_str), Some("odd%20one{via_upstream}"));
    assert!(!lines.contains(&"99".to_owned()), "{lines:?}");
}

#[test]
fn a_stream_delivers_metadata_messages_and_a_status() {
    let reply = GrpcReply::messages(["one", "two"])
        .initial("x-meta", "first")
        .trailing("x-meta", "last")
        .ending(5, "gone")
        .each(Duration::from_secs(1));
    let upstream = GrpcUpstream::always(reply);
    let mut host = streamer("").grpc_cluster("auth", upstream).start().unwrap();
    assert_eq!(logged(&mut host), ["00", "06", "initial", "03", "first", "06", "one"]);
    host.advance(Duration::from_secs(1));
    assert_eq!(logged(&mut host), ["06", "two"]);
    host.advance(Duration::from_secs(1));
    assert_eq!(
        logged(&mut host),
        ["trailing", "03", "last", "close", "06", "05", "05", "gone{via_upstream}"]
    );
}

#[test]
fn a_stream_is_sent_on_until_it_is_closed() {
    let token = "(i32.load (i32.const 28))";
    let sends = format!(
        r#"(call $say_number (call $grpc_send {token} @"ping" (i32.const 0)))
           (call $say_number (call $grpc_send {token} @"ping again" (i32.const 0)))
           (call $say_number (call $grpc_close {token}))
           (call $say_number (call $grpc_send {token} @"late" (i32.const 0)))"#
    );
    let upstream = GrpcUpstream::always(GrpcReply::in_turn(["pong", "pong again", "never"]));
    let mut host = streamer(&sends).grpc_cluster("auth", upstream).start().unwrap();
    assert_eq!(logged(&mut host), ["00", "06", "initial", "02"]);
    host.run(&Request::get("/"));
    let expected = [
        "00",
        "00",
        "00",
        "00",
        "06",
        "pong",
        "06",
        "pong again",
        "trailing",
        "01",
        "close",
        "06",
        "00",
        "00",
        "via_upstream",
    ];
    assert_eq!(logged(&mut host), expected);
    let [call] = host.grpc_calls() else { panic!() };
    assert_eq!(call.messages, [&b"ping"[..], b"ping again"]);
    assert!(call.ended && call.stream);
    host.run(&Request::get("/"));
    assert_eq!(logged(&mut host), ["01", "01", "01", "01"], "it is over");
}

const BROKEN: &str = "upstream_reset_after_response_started{connection_termination}";

#[test]
fn a_stream_that_breaks_or_is_refused_is_closed() {
    let breaking = GrpcUpstream::always(GrpcReply::messages(["one"]).breaking());
    let mut host = streamer("").grpc_cluster("auth", breaking).start().unwrap();
    let expected =
        ["00", "06", "initial", "02", "06", "one", "trailing", "00", "close", "06", "13", "13", BROKEN];
    assert_eq!(logged(&mut host), expected);
    let refused = GrpcUpstream::always(GrpcReply::refused());
    let mut host = streamer("").grpc_cluster("auth", refused).start().unwrap();
    let lines = logged(&mut host);
    assert_eq!(&lines[..8], ["00", "06", "initial", "00", "trailing", "04", "close", "06"]);
}

#[test]
fn a_stream_can_be_reset() {
    let reset = r#"(call $say_number (call $grpc_cancel (i32.load (i32.const 28))))"#;
    let reply = GrpcReply::messages(["one"]).after(Duration::from_secs(1)).open();
    let mut host = streamer(reset).grpc_cluster("auth", GrpcUpstream::always(reply)).start().unwrap();
    host.run(&Request::get("/"));
    host.advance(Duration::from_secs(5));
    assert_eq!(logged(&mut host), ["00", "06", "00"]);
    assert!(host.grpc_calls()[0].cancelled);
}

#[test]
fn a_restart_forgets_what_was_under_way() {
    let reply = GrpcReply::messages(["one"]).after(Duration::from_secs(1));
    let mut host = streamer("").grpc_cluster("auth", GrpcUpstream::always(reply)).start().unwrap();
    host.restart(0).unwrap();
    assert_eq!(host.take_grpc_calls().len(), 2);
    logged(&mut host);
    host.advance(Duration::from_secs(1));
    let lines = logged(&mut host);
    assert_eq!(lines.iter().filter(|line| *line == "one").count(), 1, "{lines:?}");
}

#[test]
fn a_guest_that_calls_for_ever_does_not_keep_the_host() {
    let (segment, service) = raw_data(4400, AUTH);
    let again = format!(
        r#"(drop (call $grpc_call {service} @"s" @"m" (i32.const 0) (i32.const 0) @"q" (i32.const 5000) (i32.const 28)))"#
    );
    let guest = format!(
        r#"{segment}
           (func (export "proxy_on_grpc_receive") (param i32 i32 i32) {again})
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {again} (i32.const 0))"#
    );
    let upstream = GrpcUpstream::always(GrpcReply::message("yes"));
    let step = Allowance { callbacks: 1000, ..Limits::default().step };
    let limits = Limits { step, ..Limits::default() };
    let mut host = builder(&guest).grpc_cluster("auth", upstream).limits(limits).start().unwrap();
    host.run(&Request::get("/"));
    assert!(host.grpc_calls().len() > 100 && host.unrest().is_some());
}

#[test]
fn a_trap_in_a_callback_ends_the_vm() {
    let (segment, service) = raw_data(4400, AUTH);
    let guest = format!(
        r#"{segment}
           (func (export "proxy_on_grpc_close") (param i32 i32 i32) (unreachable))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (drop (call $grpc_call {service} @"s" @"m" (i32.const 0) (i32.const 0) @"q" (i32.const 5000) (i32.const 28)))
             (i32.const 1))"#
    );
    let upstream = GrpcUpstream::always(GrpcReply::status(7, ""));
    let mut host = builder(&guest).grpc_cluster("auth", upstream).start().unwrap();
    host.request(&Request::get("/"));
    assert!(host.has_failed(0));
    let next = host.run(&Request::get("/"));
    assert_eq!(next.failure().map(|f| f.kind), Some(FailureKind::Earlier));
}
