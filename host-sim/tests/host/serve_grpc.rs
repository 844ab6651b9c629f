//! gRPC calls and streams of modules in the gateway, to real services on HTTP/2.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};

use countersign_host_sim::serve::{Gateway, GatewayOptions};
use countersign_host_sim::{HostBuilder, Limits};
use http::request::Parts;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::grpc::{AUTH, caller, streamer};
use crate::http2::{Frames, frames, headers, runtime};
use crate::net::plain;

/// A service that answers requests so, on a thread of its own.
fn service<F>(window: u32, answer: impl Fn(Parts, Incoming) -> F + Send + Clone + 'static) -> SocketAddr
where
    F: Future<Output = Response<Frames>> + Send + 'static,
{
    let (told, address) = channel();
    std::thread::spawn(move || {
        runtime().block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answer.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let (parts, body) = request.into_parts();
                    let answered = answer(parts, body);
                    async move { Ok::<_, Infallible>(answered.await) }
                });
                let mut serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                serving.initial_stream_window_size(window).initial_connection_window_size(1 << 20);
                tokio::spawn(serving.serve_connection(TokioIo::new(stream), service));
            }
        });
    });
    address.recv().unwrap()
}

const WINDOW: u32 = 1 << 20;

fn framed(message: &str) -> Bytes {
    [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), message.as_bytes()].concat().into()
}

/// An answer of these messages, and of a status where there is one.
fn answer(messages: &[&str], trailers: &[(&'static str, &str)]) -> Response<Frames> {
    let (sender, frames) = frames();
    for message in messages {
        sender.send(Frame::data(framed(message))).unwrap();
    }
    if !trailers.is_empty() {
        sender.send(Frame::trailers(headers(trailers))).unwrap();
    }
    Response::builder().header("content-type", "application/grpc").body(frames).unwrap()
}

/// Nothing but a status.
fn status(pairs: &[(&'static str, &str)]) -> Response<Frames> {
    let (_, frames) = frames();
    let mut response = Response::new(frames);
    *response.headers_mut() = headers(pairs);
    response
}

struct Running {
    gateway: Gateway,
    lines: Receiver<String>,
}

fn gateway(builder: HostBuilder, cluster: Option<SocketAddr>) -> Running {
    let (said, lines) = channel();
    // Requests themselves go nowhere.
    let mut options = GatewayOptions::new("127.0.0.1:1")
        .log(move |line| said.send(line.message.clone()).unwrap_or_default());
    if let Some(address) = cluster {
        options = options.cluster("auth", address.to_string());
    }
    Running { gateway: Gateway::start(builder, options).unwrap(), lines }
}

impl Running {
    fn ask(&self) {
        plain(self.gateway.address(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    }

    fn say(&self, lines: &[&str]) {
        let said: Vec<String> = self.lines.iter().take(lines.len()).collect();
        assert_eq!(said, lines);
    }
}

#[test]
fn a_call_is_answered_by_a_message() {
    let address = service(WINDOW, |parts, body| async move {
        let text = |name: &str| parts.headers.get(name).map_or("", |value| value.to_str().unwrap());
        let seen = ["te", "content-type", "grpc-timeout", "x-caller"].map(text).join(" ");
        let body = body.collect().await.unwrap().to_bytes();
        assert_eq!(body, framed("question"));
        answer(&[&format!("{} {} {seen}", parts.method, parts.uri)], &[("grpc-status", "0")])
    });
    let running = gateway(caller(AUTH, 5000), Some(address));
    running.ask();
    running.say(&["00", "05", "POST http://auth/bank.Auth/Check trailers application/grpc 5000m me"]);
}

#[test]
fn a_call_that_fails_has_a_status() {
    for (address, expected) in [
        (
            service(WINDOW, |_, _| async { status(&[("grpc-status", "7"), ("grpc-message", "not you")]) }),
            ["07", "07", "not you{via_upstream}"],
        ),
        (
            service(WINDOW, |_, _| async {
                answer(&["yes"], &[("grpc-status", "2"), ("grpc-message", "but")])
            }),
            ["02", "02", "but{via_upstream}"],
        ),
        (service(WINDOW, |_, _| async { answer(&[], &[("grpc-status", "0")]) }), ["13", "13", ""]),
        (service(WINDOW, |_, _| async { answer(&["yes"], &[]) }), ["02", "02", "via_upstream"]),
        (
            service(WINDOW, |_, _| async {
                let mut response = status(&[]);
                *response.status_mut() = http::StatusCode::NOT_FOUND;
                response
            }),
            ["12", "12", "via_upstream"],
        ),
        (
            service(WINDOW, |_, _| async {
                let (sender, frames) = frames();
                sender.send(Frame::data(Bytes::from_static(&[1, 0, 0, 0, 0]))).unwrap();
                Response::new(frames)
            }),
            ["13", "13", "the message is compressed"],
        ),
    ] {
        let running = gateway(caller(AUTH, 5000), Some(address));
        running.ask();
        running.say(&["00", "close", "05"]);
        running.say(&expected);
    }
}

#[test]
fn a_service_that_is_not_there_is_unavailable() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let running = gateway(caller(AUTH, 5000), Some(nobody));
    running.ask();
    running.say(&["00", "close", "05", "14", "14"]);
    let running = gateway(caller(AUTH, 5000), None);
    running.ask();
    running.say(&["10", "close", "05", "14", "14", "Cluster not available"]);
    // What no cluster is called is not connected to.
    let running = gateway(caller("\\12\\07\\0a\\05[::1]", 5000), Some(nobody));
    running.ask();
    running.say(&["00", "close", "05", "14", "14"]);
}

#[test]
fn what_a_service_sends_is_bounded() {
    let address = service(WINDOW, |_, _| async { answer(&["nine byte"], &[("grpc-status", "0")]) });
    let limits = Limits { body_bytes: 8, ..Limits::default() };
    let running = gateway(caller(AUTH, 5000).limits(limits), Some(address));
    running.ask();
    running.say(&["00", "close", "05", "08", "08", "the message is larger than 8 bytes"]);
}

/// Says that a request is over, whichever way it ends.
struct Over(Sender<()>);

impl Drop for Over {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// A service that never answers and takes nothing in, and says when a request is over.
fn silent(window: u32) -> (SocketAddr, Receiver<()>) {
    let (sender, over) = channel();
    let address = service(window, move |_, body| {
        let held = (Over(sender.clone()), body);
        async move {
            let _held = held;
            std::future::pending().await
        }
    });
    (address, over)
}

#[test]
fn a_call_has_its_deadline_and_the_service_hears_of_it() {
    let (address, over) = silent(WINDOW);
    let running = gateway(caller(AUTH, 50), Some(address));
    running.ask();
    running.say(&["00", "close", "05", "14", "14", "upstream request timeout{response_timeout}"]);
    over.recv().unwrap();
}

/// Sends each message back as it comes, and a status once there are no more.
async fn echo(mut body: Incoming) -> Response<Frames> {
    let (sender, frames) = frames();
    tokio::spawn(async move {
        while let Some(Ok(frame)) = body.frame().await {
            if sender.send(frame).is_err() {
                return;
            }
        }
        let trailers = headers(&[("grpc-status", "0"), ("x-meta", "last")]);
        // The test may be over.
        let _ = sender.send(Frame::trailers(trailers));
    });
    Response::builder()
        .header("content-type", "application/grpc")
        .header("x-meta", "first")
        .body(frames)
        .unwrap()
}

#[test]
fn a_stream_goes_both_ways_until_it_is_ended() {
    let address = service(WINDOW, |_, body| echo(body));
    let on_headers = r#"
        (call $say_number (call $grpc_send (i32.load (i32.const 28)) @"ping" (i32.const 0)))
        (call $say_number (call $grpc_send (i32.load (i32.const 28)) @"ping again" (i32.const 1)))"#;
    let running = gateway(streamer(on_headers), Some(address));
    // Status, type, date and its own.
    running.say(&["00", "06", "initial", "04", "first"]);
    running.ask();
    running.say(&["00", "00", "06", "ping", "06", "ping again"]);
    running.say(&["trailing", "02", "last", "close", "06", "00", "00", "via_upstream"]);
    running.ask();
    running.say(&["01", "01"]);
}

#[test]
fn a_stream_that_breaks_is_closed() {
    let address = service(WINDOW, |_, mut body| async move {
        let (sender, frames) = frames();
        sender.send(Frame::data(framed("one"))).unwrap();
        // Half a message, and then no more of anything.
        sender.send(Frame::data(Bytes::from_static(&[0, 0, 0]))).unwrap();
        tokio::spawn(async move {
            let _sender = sender;
            let _ = body.frame().await;
        });
        Response::new(frames)
    });
    let end = r#"(call $say_number (call $grpc_close (i32.load (i32.const 28))))"#;
    let running = gateway(streamer(end), Some(address));
    running.say(&["00", "06", "initial", "02", "06", "one"]);
    running.ask();
    running.say(&["00", "trailing", "00", "close", "06", "02", "02", "via_upstream"]);
}

#[test]
fn a_stream_that_is_cancelled_is_over_for_its_service_too() {
    let (address, over) = silent(WINDOW);
    let cancel = r#"(call $say_number (call $grpc_cancel (i32.load (i32.const 28))))
                    (call $say_number (call $grpc_cancel (i32.load (i32.const 28))))"#;
    let running = gateway(streamer(cancel), Some(address));
    running.say(&["00", "06"]);
    running.ask();
    running.say(&["00", "01"]);
    over.recv().unwrap();
}

#[test]
fn a_stream_of_a_generation_that_is_gone_is_over() {
    let (address, over) = silent(WINDOW);
    let running = gateway(streamer(""), Some(address));
    running.say(&["00", "06"]);
    running.gateway.reload(crate::common::builder(""), &std::collections::BTreeMap::new()).unwrap();
    over.recv().unwrap();
}

#[test]
fn messages_wait_within_bounds_for_a_service_that_takes_none() {
    let (address, over) = silent(1);
    let send = r#"(call $say_number (call $grpc_send (i32.load (i32.const 28)) @"question" (i32.const 0)))"#;
    let limits = Limits { body_bytes: 20, ..Limits::default() };
    let running = gateway(streamer(send).limits(limits), Some(address));
    running.say(&["00", "06"]);
    for _ in 0..8 {
        running.ask();
    }
    drop(running.gateway);
    let said: Vec<String> = running.lines.iter().collect();
    let close = said.iter().position(|line| line == "close").unwrap_or_else(|| panic!("{said:?}"));
    assert_eq!(said[close + 2..close + 5], ["08", "08", "the service takes in too little"]);
    over.recv().unwrap();
}
