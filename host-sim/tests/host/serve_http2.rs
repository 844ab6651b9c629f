//! The gateway in HTTP/2: agreed on or known before, on both sides, with bodies and trailers on their way.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::channel;

use countersign_host_sim::HostBuilder;
use countersign_host_sim::serve::{ClientCertificate, Gateway, GatewayOptions, Protocol, Tls};
use http_body_util::BodyExt;
use hyper::body::{Bytes, Frame};
use rcgen::SanType;

use crate::common::builder;
use crate::http2::{body, connect, connect_tls, echo, frames, request, runtime, whole};
use crate::net::{Authority, ask, plain, upstream};

/// Adds a header, and tells the protocol and the server name that the client asked for.
const TELL: &str = r#"
    (func $tell (param i32 i32)
      (if (i32.eqz (call $get_property (local.get 0) (local.get 1) (i32.const 16) (i32.const 20)))
        (then (call $say_result))))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (call $tell @"request\00protocol")
      (call $tell @"connection\00requested_server_name")
      (drop (call $add (i32.const 0) @"x-from-filter" @"yes")) (i32.const 0))
    (func (export "proxy_on_response_trailers") (param i32 i32) (result i32)
      (drop (call $add (i32.const 3) @"x-from-filter" @"too")) (i32.const 0))"#;

/// A gateway that starts and ends outside of the test's own runtime.
struct Outside(Option<Gateway>);

impl Outside {
    fn address(&self) -> std::net::SocketAddr {
        self.0.as_ref().unwrap().address()
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let gateway = self.0.take();
        std::thread::spawn(move || drop(gateway)).join().unwrap();
    }
}

fn outside(builder: HostBuilder, options: GatewayOptions) -> Outside {
    let start = move || Gateway::start(builder, options).unwrap();
    Outside(Some(std::thread::spawn(start).join().unwrap()))
}

fn http2_upstream(address: std::net::SocketAddr) -> GatewayOptions {
    GatewayOptions::new(address.to_string()).upstream_protocol(Protocol::Http2)
}

#[test]
fn http2_by_prior_knowledge_goes_on_with_trailers_on_both_sides() {
    let runtime = runtime();
    runtime.block_on(async {
        let (sender, lines) = channel();
        let options = http2_upstream(echo().await)
            .log(move |line| sender.send(line.message.clone()).unwrap_or_default());
        let gateway = outside(builder(TELL), options);
        let mut client = connect(gateway.address()).await;
        let mut sent = request("POST", "/a?b=c", body(&["one ", "two"], &[("x-sum", "7")]));
        sent.headers_mut().insert("te", "trailers".parse().unwrap());
        let answer = whole(client.send_request(sent).await.unwrap()).await;
        assert_eq!((answer.status, &*answer.body), (200, "one two"));
        assert_eq!(answer.headers["x-saw"], "HTTP/2.0 POST http://localhost/a?b=c");
        assert_eq!(answer.headers["x-saw-te"], "trailers");
        assert_eq!(answer.headers["x-saw-filter"], "yes");
        assert_eq!(answer.trailers["x-sum"], "7");
        assert_eq!(answer.trailers["x-from-filter"], "too");
        assert_eq!(lines.recv().unwrap(), "HTTP/2");
    });
}

#[test]
fn pieces_pass_before_the_next_is_there() {
    let runtime = runtime();
    runtime.block_on(async {
        // A filter that looks at bodies has every piece pass through it.
        let filter = r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const 0))
                        (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32) (i32.const 0))"#;
        let gateway = outside(builder(filter), http2_upstream(echo().await));
        let mut client = connect(gateway.address()).await;
        let (sender, sending) = frames();
        let response = client.send_request(request("POST", "/", sending)).await.unwrap();
        let mut back = response.into_body();
        for piece in ["first", "second", "third"] {
            sender.send(Frame::data(Bytes::from_static(piece.as_bytes()))).unwrap();
            // The next is not sent before this one has come back.
            let frame = back.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), piece);
        }
        drop(sender);
        assert!(back.frame().await.is_none_or(|frame| frame.unwrap().into_data().unwrap().is_empty()));
    });
}

#[test]
fn requests_share_a_connection_and_wait_for_none_of_each_other() {
    let runtime = runtime();
    runtime.block_on(async {
        let gateway = outside(builder(""), http2_upstream(echo().await));
        let mut client = connect(gateway.address()).await;
        let (first_sender, first) = frames();
        let first = client.send_request(request("POST", "/1", first)).await.unwrap();
        let second = client.send_request(request("POST", "/2", body(&["2"], &[]))).await.unwrap();
        assert_eq!(whole(second).await.body, "2");
        first_sender.send(Frame::data(Bytes::from_static(b"1"))).unwrap();
        drop(first_sender);
        assert_eq!(whole(first).await.body, "1");
    });
}

#[test]
fn a_filter_answers_in_the_midst_of_a_body() {
    let runtime = runtime();
    runtime.block_on(async {
        let filter = r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
            (if (i32.gt_u (local.get 1) (i32.const 4))
              (then (drop (call $reply (i32.const 422) @"" @"enough" (i32.const 0) (i32.const 0) (i32.const -1)))))
            (i32.const 1))"#;
        let gateway = outside(builder(filter), http2_upstream(echo().await));
        let mut client = connect(gateway.address()).await;
        // Once the upstream has answered there is no other answer any more: this one waits for what the filter holds.
        let (sender, sending) = frames();
        sender.send(Frame::data(Bytes::from_static(b"abc"))).unwrap();
        let waiting = client.send_request(request("POST", "/patient", sending));
        sender.send(Frame::data(Bytes::from_static(b"def"))).unwrap();
        let answer = whole(waiting.await.unwrap()).await;
        assert_eq!((answer.status, &*answer.body), (422, "enough"));
    });
}

#[test]
fn tls_agrees_on_what_the_client_prefers() {
    let authority = Authority::new();
    let (certificates, key) =
        authority.issue("gateway", vec![SanType::DnsName("localhost".try_into().unwrap())]);
    let tls = Tls { certificates, key, client: ClientCertificate::None };
    let runtime = runtime();
    runtime.block_on(async {
        let (sender, lines) = channel();
        let options = http2_upstream(echo().await).tls(tls);
        let options = options.log(move |line| sender.send(line.message.clone()).unwrap_or_default());
        let gateway = outside(builder(TELL), options);
        let (agreed, client) = connect_tls(gateway.address(), &authority, &["h2", "http/1.1"]).await;
        assert_eq!(agreed.as_deref(), Some(&b"h2"[..]));
        let answer = client.unwrap().send_request(request("GET", "/", body(&[], &[]))).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(lines.iter().take(2).collect::<Vec<_>>(), ["HTTP/2", "localhost"]);
        let (agreed, _) = connect_tls(gateway.address(), &authority, &["http/1.1"]).await;
        assert_eq!(agreed.as_deref(), Some(&b"http/1.1"[..]));
        let (agreed, _) = connect_tls(gateway.address(), &authority, &[]).await;
        assert_eq!(agreed, None);
    });
}

#[test]
fn an_http2_request_may_not_name_two_authorities() {
    let runtime = runtime();
    runtime.block_on(async {
        let gateway = outside(builder(""), http2_upstream(echo().await));
        let mut client = connect(gateway.address()).await;
        let mut sent = request("GET", "/", body(&[], &[]));
        sent.headers_mut().insert("host", "other.example".parse().unwrap());
        assert_eq!(client.send_request(sent).await.unwrap().status(), 400);
    });
}

#[test]
fn an_http2_request_has_no_more_headers_than_the_limit() {
    let runtime = runtime();
    runtime.block_on(async {
        let mut options = http2_upstream(echo().await);
        options.limits.headers = 4;
        let gateway = outside(builder(""), options);
        let mut client = connect(gateway.address()).await;
        for (count, status) in [(4, 200), (5, 431)] {
            let mut sent = request("GET", "/", body(&[], &[]));
            for number in 0..count {
                sent.headers_mut().append("x-more", number.into());
            }
            assert_eq!(client.send_request(sent).await.unwrap().status(), status, "{count}");
        }
    });
}

#[test]
fn heads_beyond_the_limits_are_refused() {
    let (address, _) = upstream(|_, _| Some("fine".to_owned()));
    let mut options = GatewayOptions::new(address.to_string());
    options.limits.headers = 4;
    let gateway = Gateway::start(builder(""), options).unwrap();
    let many = "x: y\r\n".repeat(5);
    assert_eq!(plain(gateway.address(), &format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n")).status, 431);
    let large = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(200_000));
    let mut stream = TcpStream::connect(gateway.address()).unwrap();
    // The gateway need not read what it refuses.
    let _ = stream.write_all(large.as_bytes());
    let mut answer = [0; 12];
    if stream.read_exact(&mut answer).is_ok() {
        assert_eq!(&answer, b"HTTP/1.1 431");
    }
    assert_eq!(plain(gateway.address(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n").status, 200);
}

#[test]
fn connections_beyond_the_limit_wait_for_their_turn() {
    let (address, requests) = upstream(|_, _| Some(String::new()));
    let mut options = GatewayOptions::new(address.to_string());
    options.limits.connections = 1;
    let gateway = Gateway::start(builder(""), options).unwrap();
    let mut first = TcpStream::connect(gateway.address()).unwrap();
    assert_eq!(ask(&mut first, "GET /1 HTTP/1.1\r\nhost: a\r\n\r\n").status, 200);
    let mut second = TcpStream::connect(gateway.address()).unwrap();
    second.write_all(b"GET /3 HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    assert_eq!(ask(&mut first, "GET /2 HTTP/1.1\r\nhost: a\r\n\r\n").status, 200);
    drop(first);
    let seen: Vec<String> =
        requests.iter().take(3).map(|head| head.lines().next().unwrap().to_owned()).collect();
    assert_eq!(seen, ["get /1 http/1.1", "get /2 http/1.1", "get /3 http/1.1"]);
}

#[test]
fn headers_that_the_connection_names_stay_behind() {
    let (address, requests) = upstream(|_, _| Some(String::new()));
    let gateway = Gateway::start(builder(""), GatewayOptions::new(address.to_string())).unwrap();
    let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: x-mine\r\nx-mine: 1\r\nx-other: 2\r\n\r\n";
    assert_eq!(plain(gateway.address(), request).status, 200);
    let seen = requests.recv().unwrap();
    assert!(seen.contains("x-other: 2") && !seen.contains("x-mine"), "{seen}");
}
