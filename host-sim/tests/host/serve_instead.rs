//! What a client gets in a response's place.

use std::sync::mpsc::{Receiver, channel};

use countersign_host_sim::serve::{Ended, Exchange, Gateway, GatewayOptions};
use countersign_host_sim::LogLine;

use crate::common::{builder, data, pairs};
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
