//! What a client gets in a response's place: the filter's own reply, nothing at all, or the gateway's word on a VM that failed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use countersign_host_sim::serve::{Ended, Exchange, Gateway, GatewayOptions};
use countersign_host_sim::{LogLevel, LogLine};

use crate::common::{builder, data, pairs};
use crate::http2::{body, connect, request, runtime};
use crate::net::{plain, upstream};

/// A gateway that is watched, before an upstream that answers `theirs`.
fn watched(filter: &str) -> (Gateway, Receiver<Exchange>, Receiver<LogLine>) {
    let (address, _) = upstream(|_, _| Some("theirs".to_owned()));
    let (seen, exchanges) = channel();
    let (said, lines) = channel();
    let options = GatewayOptions::new(address.to_string())
        .observe(move |exchange| seen.send(exchange).unwrap_or_default())
        .log(move |line| said.send(line.clone()).unwrap_or_default());
    (Gateway::start(builder(filter), options).unwrap(), exchanges, lines)
}

/// All that a client gets before its connection ends.
fn until_the_end(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_reply_at_the_responses_headers_takes_the_place_of_all_of_it() {
    let (segment, headers) = data(4096, &pairs(&[("x-mine", "yes")]));
    for action in [0, 1] {
        let (gateway, exchanges, _) = watched(&format!(
            r#"{segment} (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
                 (drop (call $add (i32.const 2) @"x-replaced" @"yes"))
                 (drop (call $reply (i32.const 418) @"" @"mine alone" {headers} (i32.const -1)))
                 (i32.const {action}))"#
        ));
        let answer = plain(gateway.address(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!((answer.status, &*answer.body), (418, "mine alone"), "{}", answer.head);
        assert!(
            answer.head.contains("x-mine: yes") && !answer.head.contains("x-replaced"),
            "{}",
            answer.head
        );
        let exchange = exchanges.recv().unwrap();
        assert_eq!(exchange.ended, Ended::Replied(418));
        assert_eq!(exchange.response.text(":status").unwrap(), "418");
    }
}

/// Closes the stream at the headers of the request (0) or the response (1), where the request has `x-close`.
fn closing(side: u32, action: u32) -> String {
    let at = |this: u32| match this == side {
        true => format!(
            "(if (global.get $close) (then (drop (call $close (i32.const {side}))) (return (i32.const {action}))))"
        ),
        false => String::new(),
    };
    format!(
        r#"(global $close (mut i32) (i32.const 0))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (global.set $close (i32.eqz (call $get (i32.const 0) @"x-close" (i32.const 16) (i32.const 20))))
             {} (i32.const 0))
           (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) {} (i32.const 0))"#,
        at(0),
        at(1)
    )
}

#[test]
fn a_stream_that_the_filter_closes_ends_its_connection_without_an_answer() {
    for (side, action) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let (gateway, exchanges, _) = watched(&closing(side, action));
        let answer = until_the_end(gateway.address(), "GET / HTTP/1.1\r\nhost: a\r\nx-close: 1\r\n\r\n");
        assert_eq!(answer, "", "{side} {action}");
        let exchange = exchanges.recv().unwrap();
        assert_eq!(exchange.ended, Ended::Reset);
        assert!(exchange.response.is_empty());
        assert_eq!(exchange.forwarded.is_some(), side == 1);
        assert_eq!(plain(gateway.address(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n").body, "theirs");
    }
}

#[test]
fn in_http2_it_resets_its_own_stream_alone() {
    for side in [0, 1] {
        let (gateway, exchanges, _) = watched(&closing(side, 1));
        let address = gateway.address();
        runtime().block_on(async {
            let mut client = connect(address).await;
            let mut closed = request("GET", "/", body(&[], &[]));
            closed.headers_mut().insert("x-close", "1".parse().unwrap());
            let error = client.send_request(closed).await.unwrap_err();
            assert!(!error.is_closed(), "the connection stays: {error:?}");
            let answer = client.send_request(request("GET", "/", body(&[], &[]))).await.unwrap();
            assert_eq!(answer.status(), 200);
        });
        assert_eq!(exchanges.recv().unwrap().ended, Ended::Reset);
    }
}

#[test]
fn a_vm_that_fails_is_told_with_its_callback_and_the_reason() {
    let (gateway, exchanges, lines) = watched(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (unreachable))"#,
    );
    assert_eq!(plain(gateway.address(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n").status, 503);
    let exchange = exchanges.recv().unwrap();
    gateway.stop(std::time::Duration::ZERO);
    let lines: Vec<LogLine> = lines.iter().collect();
    let [line] = &lines[..] else { panic!("expected one line, found {lines:?}") };
    assert_eq!((line.level, line.worker), (LogLevel::Critical, 0));
    let expected = "the VM failed: proxy_on_request_headers: trapped: wasm trap: wasm `unreachable`";
    assert!(line.message.starts_with(expected), "{line}");
    assert_eq!((exchange.ended, exchange.logs), (Ended::Failed, lines));
}

#[test]
fn so_is_one_that_fails_where_there_is_no_request() {
    let (_gateway, _, lines) = watched(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $tick_period (i32.const 5))) (i32.const 1))
           (func (export "proxy_on_tick") (param i32) (unreachable))"#,
    );
    let line = lines.recv().unwrap();
    assert!(line.message.starts_with("the VM failed: proxy_on_tick: trapped"), "{line}");
    assert_eq!(line.context, 1);
}
