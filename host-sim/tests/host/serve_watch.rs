//! What somebody who looks on is told, and requests that are tried out.

use std::sync::mpsc::channel;

use countersign_host_sim::Request;
use countersign_host_sim::serve::{Ended, Exchange, Gateway, GatewayOptions};

use crate::common::builder;
use crate::net::{plain, upstream};

/// Logs, adds a header, and refuses what has `x-bad`.
const JUDGE: &str = r#"
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (call $say @"judged")
      (drop (call $add (i32.const 0) @"x-from-filter" @"yes"))
      (if (i32.eqz (call $get (i32.const 0) @"x-bad" (i32.const 16) (i32.const 20)))
        (then (drop (call $reply (i32.const 403) @"" @"no" (i32.const 0) (i32.const 0) (i32.const -1)))
              (return (i32.const 1))))
      (i32.const 0))
    (func (export "proxy_on_log") (param i32) (call $say @"over"))"#;

fn watched(
    upstream: String,
) -> (Gateway, std::sync::mpsc::Receiver<Exchange>, std::sync::mpsc::Receiver<String>) {
    let (seen, exchanges) = channel();
    let (said, lines) = channel();
    let options = GatewayOptions::new(upstream)
        .observe(move |exchange| seen.send(exchange).unwrap_or_default())
        .log(move |line| said.send(line.message.clone()).unwrap_or_default());
    (Gateway::start(builder(JUDGE), options).unwrap(), exchanges, lines)
}

fn messages(exchange: &Exchange) -> Vec<&str> {
    exchange.logs.iter().map(|line| line.message.as_str()).collect()
}

#[test]
fn exchanges_are_told_when_they_are_over() {
    let (address, _) = upstream(|_, _| Some("fine".to_owned()));
    let (gateway, exchanges, _) = watched(address.to_string());
    let request = "POST /a HTTP/1.1\r\nhost: b\r\ncontent-length: 3\r\n\r\nabc";
    assert_eq!(plain(gateway.address(), request).status, 200);
    let exchange = exchanges.recv().unwrap();
    assert_eq!((exchange.id, exchange.generation, exchange.request_bytes), (1, 1, 3));
    assert_eq!(exchange.ended, Ended::Forwarded(200));
    assert_eq!(exchange.request.text(":path").unwrap(), "/a");
    assert!(exchange.request.get("x-from-filter").is_none());
    assert_eq!(exchange.forwarded.as_ref().unwrap().text("x-from-filter").unwrap(), "yes");
    assert_eq!(messages(&exchange), ["judged", "over"]);
    assert!(exchange.times.guest > std::time::Duration::ZERO);
    assert!(exchange.times.total >= exchange.times.upstream);

    let refused = plain(gateway.address(), "GET /b HTTP/1.1\r\nhost: b\r\nx-bad: 1\r\n\r\n");
    assert_eq!(refused.status, 403);
    let exchange = exchanges.recv().unwrap();
    assert_eq!((&exchange.ended, &*exchange.reply), (&Ended::Replied(403), &b"no"[..]));
    assert_eq!(exchange.response.text(":status").unwrap(), "403");
    assert!(exchange.forwarded.is_none());
}

#[test]
fn an_upstream_that_is_not_there_is_told_too() {
    let (gateway, exchanges, _) = watched("127.0.0.1:1".to_owned());
    assert_eq!(plain(gateway.address(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n").status, 503);
    assert!(matches!(exchanges.recv().unwrap().ended, Ended::Gateway(503, _)));
}

#[test]
fn what_is_tried_out_goes_nowhere() {
    let (address, requests) = upstream(|_, _| Some("fine".to_owned()));
    let (gateway, exchanges, lines) = watched(address.to_string());
    let allowed = gateway.try_out(Request::get("/a")).unwrap();
    assert_eq!(allowed.ended, Ended::Forwarded(0));
    assert_eq!(allowed.forwarded.as_ref().unwrap().text("x-from-filter").unwrap(), "yes");
    assert_eq!(messages(&allowed), ["judged", "over"]);
    let refused = gateway.try_out(Request::post("/a").header("x-bad", "1").body("x")).unwrap();
    assert_eq!(refused.ended, Ended::Replied(403));
    gateway.stop(std::time::Duration::ZERO);
    assert!(requests.try_recv().is_err() && exchanges.try_recv().is_err() && lines.try_recv().is_err());
}
