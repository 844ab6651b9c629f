//! Requests that Envoy refuses before a filter sees them, as they come over a connection.

use std::io::{Read, Write};
use std::net::TcpStream;

use countersign_host_sim::serve::{Gateway, GatewayOptions};

use crate::common::builder;
use crate::net::{ask, plain, upstream};

/// A gateway whose upstream says how it was asked.
fn gateway() -> Gateway {
    let (address, _) =
        upstream(|head, body| Some(format!("{}|{body}", head.lines().next().unwrap_or_default())));
    Gateway::start(builder(""), GatewayOptions::new(address.to_string())).unwrap()
}

fn refusal(gateway: &Gateway, request: &str) -> u16 {
    plain(gateway.address(), request).status
}

#[test]
fn targets_with_a_fragment_are_refused() {
    let gateway = gateway();
    for target in ["/x#f", "/x?a#f", "http://a/x#f", "http://a#f", "#f", "/x#"] {
        let request = format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(refusal(&gateway, &request), 400, "{target}");
    }
    let answer = plain(gateway.address(), "GET /x%23f HTTP/1.1\r\nhost: a\r\nreferer: /#f\r\n\r\n");
    assert_eq!((answer.status, &*answer.body), (200, "get /x%23f http/1.1|"));
}

#[test]
fn the_second_request_of_a_connection_is_looked_at_too() {
    let gateway = gateway();
    let refused = "GET /x#f HTTP/1.1\r\nhost: a\r\n\r\n";
    let body = "POST /y HTTP/1.1\r\nhost: a\r\ncontent-length: 30\r\n\r\n";
    // A body that reads like it is none of the gateway's business.
    let mut stream = TcpStream::connect(gateway.address()).unwrap();
    assert_eq!(refused.len(), 30);
    assert_eq!(ask(&mut stream, &format!("{body}{refused}")).body, format!("post /y http/1.1|{refused}"));
    assert_eq!(ask(&mut stream, refused).status, 400);
    let mut stream = TcpStream::connect(gateway.address()).unwrap();
    stream.write_all(format!("{body}{refused}{refused}").as_bytes()).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert!(answers.starts_with("HTTP/1.1 200") && answers.contains("HTTP/1.1 400"), "{answers}");
}

#[test]
fn what_the_gateway_has_answered_goes_no_further() {
    let (address, _) = upstream(|head, _| Some(head.contains("expect").to_string()));
    let gateway = Gateway::start(builder(""), GatewayOptions::new(address.to_string())).unwrap();
    let request = "GET /x HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n\r\n";
    assert_eq!(plain(gateway.address(), request).body, "false");
}

#[test]
fn bodies_whose_length_is_doubtful_are_refused() {
    let gateway = gateway();
    for fields in [
        "content-length: 1\r\ncontent-length: 1",
        "content-length: 1\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\nContent-Length: 1",
    ] {
        let request = format!("POST /x HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n1\r\na\r\n0\r\n\r\n");
        assert_eq!(refusal(&gateway, &request), 400, "{fields}");
    }
    for coding in ["gzip, chunked", "chunked\r\ntransfer-encoding: chunked"] {
        let request =
            format!("POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: {coding}\r\n\r\n1\r\na\r\n0\r\n\r\n");
        assert_eq!(refusal(&gateway, &request), 501, "{coding}");
    }
}

#[test]
fn authorities_methods_and_targets_are_those_that_envoy_takes() {
    let gateway = gateway();
    for (status, line, fields) in [
        (400, "GET /x", "host: a/b"),
        (400, "GET /x", "host: a?b"),
        (400, "GET /x", "host: é"),
        (400, "GET x", "host: a"),
        (400, "GET *", "host: a"),
        (400, "GET ftp://a/x", "host: a"),
        (403, "GET https://a/x", "host: a"),
        (400, "get /x", "host: a"),
        (400, "QUERY /x", "host: a"),
        (400, "GET /é", "host: a"),
        (400, "GET /x", "host: a\r\nconnection: x-forwarded-for"),
        (400, "GET /x", "host: a\r\nconnection: close, host"),
        (200, "GET http://b/x", "host: a"),
        (200, "PROPFIND /x", "host: a"),
    ] {
        let request = format!("{line} HTTP/1.1\r\n{fields}\r\n\r\n");
        assert_eq!(refusal(&gateway, &request), status, "{line} {fields}");
    }
}

#[test]
fn an_authority_goes_on_without_a_user() {
    let (address, requests) = upstream(|_, _| Some(String::new()));
    let gateway = Gateway::start(builder(""), GatewayOptions::new(address.to_string())).unwrap();
    assert_eq!(refusal(&gateway, "GET http://u:p@b/x HTTP/1.1\r\nhost: a\r\n\r\n"), 200);
    assert!(requests.recv().unwrap().contains("host: b\r\n"));
    assert_eq!(refusal(&gateway, "GET http://u@v@b/x HTTP/1.1\r\nhost: a\r\n\r\n"), 400);
}
