//! The local gateway, between real sockets.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::common::{builder, data, pairs};
use crate::net::{self, Authority, plain, upstream};
use countersign_host_sim::serve::{ClientCertificate, Gateway, GatewayOptions, Tls};
use rcgen::SanType;

const GRACE: Duration = Duration::from_secs(5);

/// A gateway whose log lines arrive in a channel.
fn gateway(body: &str, options: GatewayOptions) -> (Gateway, Receiver<String>) {
    let (sender, lines) = channel();
    let options = options.log(move |line| {
        // The test may not look at the log.
        let _ = sender.send(line.message.clone());
    });
    (Gateway::start(builder(body), options).unwrap_or_else(|e| panic!("{e}")), lines)
}

fn echo() -> (SocketAddr, Receiver<String>) {
    upstream(|head, body| Some(format!("{}|{body}", head.lines().next().unwrap_or_default())))
}

fn no_one() -> SocketAddr {
    // Bound and dropped: no one listens there now.
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn requests_go_upstream_and_responses_come_back_through_the_filter() {
    let (address, requests) = echo();
    let (gateway, _) = gateway(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (drop (call $add (i32.const 0) @"x-from-filter" @"yes"))
             (drop (call $remove (i32.const 0) @"x-secret")) (i32.const 0))
           (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
             (drop (call $add (i32.const 2) @"x-passed" @"back")) (i32.const 0))"#,
        GatewayOptions::new(address.to_string()),
    );
    let request = "POST /a?b=c HTTP/1.1\r\nhost: example.org\r\nx-secret: 1\r\ncontent-length: 4\r\nconnection: x\r\n\r\nbody";
    let answer = plain(gateway.address(), request);
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("x-passed: back"), "{}", answer.head);
    assert_eq!(answer.body, "post /a?b=c http/1.1|body");
    let seen = requests.recv().unwrap();
    assert!(seen.contains("x-from-filter: yes") && seen.contains("host: example.org"), "{seen}");
    assert!(!seen.contains("x-secret") && !seen.contains("connection: x"), "{seen}");
    gateway.stop(GRACE);
}

#[test]
fn the_filter_answers_by_itself() {
    let (segment, headers) = data(4096, &pairs(&[("www-authenticate", "Bearer")]));
    let (gateway, _) = gateway(
        &format!(
            r#"{segment} (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                 (drop (call $reply (i32.const 401) @"" @"who are you" {headers} (i32.const -1))) (i32.const 1))"#
        ),
        GatewayOptions::new(no_one().to_string()),
    );
    let answer = plain(gateway.address(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!((answer.status, &*answer.body), (401, "who are you"));
    assert!(answer.head.contains("www-authenticate: bearer"), "{}", answer.head);
}

#[test]
fn an_upstream_that_is_not_there_is_503() {
    let (gateway, _) = gateway("", GatewayOptions::new(no_one().to_string()));
    let answer = plain(gateway.address(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(answer.status, 503);
}

#[test]
fn requests_without_one_authority_are_refused() {
    let (gateway, _) = gateway("", GatewayOptions::new(no_one().to_string()));
    for request in ["GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"] {
        assert_eq!(plain(gateway.address(), request).status, 400);
    }
}

#[test]
fn a_held_request_goes_on_when_the_cluster_has_answered() {
    let (issuer, calls) = upstream(|_, _| Some("keys".to_owned()));
    let (address, _) = echo();
    let (segment, headers) =
        data(4096, &pairs(&[(":method", "GET"), (":path", "/jwks"), (":authority", "issuer.test")]));
    let (gateway, lines) = gateway(
        &format!(
            r#"{segment} (global $held (mut i32) (i32.const 0))
               (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                 (global.set $held (local.get 0))
                 (call $say_number (call $call @"issuer" {headers} (i32.const 0) (i32.const 0) (i32.const 0)
                                              (i32.const 0) (i32.const 5000) (i32.const 24)))
                 (i32.const 1))
               (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
                 (drop (call $get_buffer (i32.const 4) (i32.const 0) (local.get 3) (i32.const 16) (i32.const 20)))
                 (call $say_result)
                 (drop (call $effective (global.get $held)))
                 (drop (call $continue (i32.const 0))))"#
        ),
        GatewayOptions::new(address.to_string()).cluster("issuer", issuer.to_string()),
    );
    let answer = plain(gateway.address(), "GET /x HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!((answer.status, &*answer.body), (200, "get /x http/1.1|"));
    assert_eq!(lines.iter().take(2).collect::<Vec<_>>(), ["00", "keys"]);
    assert!(calls.recv().unwrap().contains("host: issuer.test"));
}

#[test]
fn ticks_come_while_nothing_happens() {
    let (_gateway, lines) = gateway(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $tick_period (i32.const 5))) (i32.const 1))
           (func (export "proxy_on_tick") (param i32) (call $say @"tick"))"#,
        GatewayOptions::new(no_one().to_string()),
    );
    assert_eq!(lines.iter().take(3).count(), 3);
}

#[test]
fn a_vm_that_traps_is_503_and_a_fresh_one_takes_over() {
    let (address, _) = echo();
    let (gateway, _) = gateway(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (if (i32.eqz (call $get (i32.const 0) @"x-die" (i32.const 16) (i32.const 20))) (then (unreachable)))
             (i32.const 0))"#,
        GatewayOptions::new(address.to_string()),
    );
    let answer = plain(gateway.address(), "GET / HTTP/1.1\r\nhost: a\r\nx-die: 1\r\n\r\n");
    assert_eq!(answer.status, 503);
    let answer = plain(gateway.address(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(answer.status, 200);
}

#[test]
fn a_client_that_goes_away_ends_its_stream() {
    let (gateway, lines) = gateway(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $say @"held") (i32.const 1))
           (func (export "proxy_on_delete") (param i32) (call $say @"gone"))"#,
        GatewayOptions::new(no_one().to_string()),
    );
    let mut stream = TcpStream::connect(gateway.address()).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    assert_eq!(lines.recv().unwrap(), "held");
    drop(stream);
    assert_eq!(lines.recv().unwrap(), "gone");
}

/// Answers with the property named by a header.
const TELL: &str = r#"
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (local $at i32) (local $len i32)
      (drop (call $get (i32.const 0) @"x-property" (i32.const 16) (i32.const 20)))
      (i32.store8 (i32.add (i32.load (i32.const 16)) (i32.const 10)) (i32.const 0))
      (if (call $get_property (i32.load (i32.const 16)) (i32.load (i32.const 20)) (i32.const 32) (i32.const 36))
        (then (drop (call $reply (i32.const 404) @"" (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1))))
        (else (drop (call $reply (i32.const 200) @"" (i32.load (i32.const 32)) (i32.load (i32.const 36))
                               (i32.const 0) (i32.const 0) (i32.const -1)))))
      (i32.const 1))"#;

#[test]
fn the_peers_certificate_is_told_by_properties() {
    let authority = Authority::new();
    let (certificates, key) =
        authority.issue("gateway", vec![SanType::DnsName("localhost".try_into().unwrap())]);
    let spiffe = SanType::URI("spiffe://bank.example/edge".try_into().unwrap());
    let dns = SanType::DnsName("edge.bank.example".try_into().unwrap());
    let (certificate, own_key) = authority.issue("edge, inc", vec![spiffe, dns]);
    let tls = Tls { certificates, key, client: ClientCertificate::Optional(authority.pem()) };
    let (gateway, _) = gateway(TELL, GatewayOptions::new(no_one().to_string()).tls(tls));
    let ask = |property: &str, shown: bool| {
        let request = format!("GET / HTTP/1.1\r\nhost: a\r\nx-property: connection.{property}\r\n\r\n");
        let shown = shown.then_some((&*certificate, &*own_key));
        authority.secure(gateway.address(), shown, &request).unwrap()
    };
    for (property, expected) in [
        ("mtls", "\u{1}"),
        ("uri_san_peer_certificate", "spiffe://bank.example/edge"),
        ("dns_san_peer_certificate", "edge.bank.example"),
        ("subject_peer_certificate", "CN=edge\\, inc"),
        ("tls_version", "TLSv1.3"),
        ("requested_server_name", "localhost"),
    ] {
        let answer = ask(property, true);
        assert_eq!((answer.status, &*answer.body), (200, expected), "{property}");
    }
    assert_eq!(ask("sha256_peer_certificate_digest", true).body.len(), 64);
    assert_eq!(ask("mtls", false).body, "\0");
    assert_eq!(ask("uri_san_peer_certificate", false).status, 404);
}

#[test]
fn a_required_certificate_must_be_shown_and_issued_by_the_right_authority() {
    let authority = Authority::new();
    let (certificates, key) =
        authority.issue("gateway", vec![SanType::DnsName("localhost".try_into().unwrap())]);
    let tls = Tls { certificates, key, client: ClientCertificate::Required(authority.pem()) };
    let (gateway, _) = gateway(TELL, GatewayOptions::new(no_one().to_string()).tls(tls));
    let request = "GET / HTTP/1.1\r\nhost: a\r\nx-property: connection.mtls\r\n\r\n";
    assert!(authority.secure(gateway.address(), None, request).is_none());
    let (stranger, stranger_key) = Authority::new().issue("stranger", Vec::new());
    assert!(authority.secure(gateway.address(), Some((&stranger, &stranger_key)), request).is_none());
    let (good, good_key) = authority.issue("good", Vec::new());
    let answer = authority.secure(gateway.address(), Some((&good, &good_key)), request).unwrap();
    assert_eq!((answer.status, &*answer.body), (200, "\u{1}"));
}

#[test]
fn an_orderly_stop_lets_the_last_request_finish() {
    let (arrived, arrival) = channel();
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    let (address, _) = upstream(move |_, _| {
        arrived.send(()).unwrap();
        released.lock().unwrap().recv().unwrap();
        Some("late".to_owned())
    });
    let (gateway, _) = gateway("", GatewayOptions::new(address.to_string()));
    let at = gateway.address();
    let client = std::thread::spawn(move || plain(at, "GET / HTTP/1.1\r\nhost: a\r\n\r\n"));
    arrival.recv().unwrap();
    let stopping = std::thread::spawn(move || gateway.stop(Duration::from_secs(60)));
    while TcpStream::connect(at).is_ok() {
        std::thread::yield_now();
    }
    release.send(()).unwrap();
    assert_eq!(client.join().unwrap().body, "late");
    stopping.join().unwrap();
}

#[test]
fn bodies_beyond_the_limit_are_refused() {
    let (address, _) = echo();
    let mut options = GatewayOptions::new(address.to_string());
    options.limits.body_bytes = 8;
    let (gateway, _) = gateway("", options);
    let request = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n123456789";
    assert_eq!(plain(gateway.address(), request).status, 413);
    let answer = plain(gateway.address(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(answer.status, 502, "the upstream's answer is longer than 8 bytes");
}

#[test]
fn connections_are_kept_and_spread_over_workers() {
    let (address, _) = echo();
    let (sender, lines) = channel();
    let options = GatewayOptions::new(address.to_string()).log(move |line| {
        let _ = sender.send(line.message.clone());
    });
    let builder = builder(
        r#"(global $count (mut i32) (i32.const 0))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (global.set $count (i32.add (global.get $count) (i32.const 1)))
             (call $say_number (global.get $count)) (i32.const 0))"#,
    );
    let gateway = Gateway::start(builder.workers(2), options).unwrap();
    let mut first = TcpStream::connect(gateway.address()).unwrap();
    for _ in 0..3 {
        assert_eq!(net::ask(&mut first, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").status, 200);
    }
    assert_eq!(plain(gateway.address(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n").status, 200);
    assert_eq!(lines.iter().take(4).collect::<Vec<_>>(), ["01", "02", "03", "01"]);
}

#[test]
fn queues_wake_the_worker_that_registered_them() {
    let (address, _) = echo();
    let (sender, lines) = channel();
    let options = GatewayOptions::new(address.to_string()).log(move |line| {
        let _ = sender.send(line.message.clone());
    });
    // The first worker alone registers; connections start with the second.
    let builder = builder(
        r#"(global $mine (mut i32) (i32.const 0))
           (func (export "proxy_on_configure") (param i32 i32) (result i32)
             (global.set $mine (call $resolve_queue @"" @"queue" (i32.const 24)))
             (if (global.get $mine) (then (drop (call $register_queue @"queue" (i32.const 24))))) (i32.const 1))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $say_number (global.get $mine))
             (drop (call $enqueue (i32.load (i32.const 24)) @"item")) (i32.const 0))
           (func (export "proxy_on_queue_ready") (param i32 i32)
             (drop (call $dequeue (local.get 1) (i32.const 16) (i32.const 20)))
             (call $say_result)
             (call $say_number (global.get $mine)))"#,
    );
    let gateway = Gateway::start(builder.workers(2), options).unwrap();
    assert_eq!(plain(gateway.address(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n").status, 200);
    assert_eq!(lines.iter().take(3).collect::<Vec<_>>(), ["00", "item", "01"]);
}
