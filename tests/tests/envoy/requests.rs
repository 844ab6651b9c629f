//! Odd requests, byte for byte, to real Envoy and to the local gateway: what the one refuses, the other does.

use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};
use countersign_host_sim::Engine;
use countersign_host_sim::serve::{Gateway, GatewayOptions};
use countersign_tests::bootstrap::{Bootstrap, to_cluster};
use countersign_tests::envoy::Envoy;
use countersign_tests::http::Response;
use countersign_tests::server::Server;

/// A module that lets everything pass.
const MODULE: &str = r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param i32) (result i32) (i32.const 1024)))"#;

/// Request lines.
const LINES: &[&str] = &[
    "GET /x HTTP/1.1",
    "GET /x#f HTTP/1.1",
    "GET /x?a#f HTTP/1.1",
    "GET http://a/x#f HTTP/1.1",
    "GET http://a#f/x HTTP/1.1",
    "GET #f HTTP/1.1",
    "GET /x%23f HTTP/1.1",
    "GET /x\u{1}y HTTP/1.1",
    "GET /x\u{7f}y HTTP/1.1",
    "GET /x\ty HTTP/1.1",
    "GET /x\0y HTTP/1.1",
    "GET /xéy HTTP/1.1",
    "GET /x y HTTP/1.1",
    "GET x HTTP/1.1",
    "GET  HTTP/1.1",
    "GET http://b/x HTTP/1.1",
    "GET https://b/x HTTP/1.1",
    "GET ftp://b/x HTTP/1.1",
    "GET http://b HTTP/1.1",
    "GET http://u:p@b/x HTTP/1.1",
    "GET http://u@v@b/x HTTP/1.1",
    "GET http:///x HTTP/1.1",
    "GET * HTTP/1.1",
    "PRI * HTTP/1.1",
    "GET //x/../y/%2e%2e/z%zz HTTP/1.1",
    "GET /%00 HTTP/1.1",
    "GET /x\\y HTTP/1.1",
    "get /x HTTP/1.1",
    "QUERY /x HTTP/1.1",
    "G!T /x HTTP/1.1",
    "PROPFIND /x HTTP/1.1",
    "M-SEARCH /x HTTP/1.1",
    "GET /x http/1.1",
];

/// Header fields, in place of `host` or behind it.
const FIELDS: &[&str] = &[
    "",
    "host: a/b",
    "host: a b",
    "host: a#b",
    "host: a?b",
    "host: é",
    "host: a\u{1}",
    "host: a\\b",
    "host: u@a",
    "host: a:x",
    "host: a%2eb",
    "host: [a",
    "host: a,b",
    "host: a\r\nx_a: 1",
    "host: a\r\nx-a: a\u{1}b",
    "host: a\r\nx-a: a\0b",
    "host: a\r\nx-a: a\u{7f}b",
    "host: a\r\nx-a: é",
    "host: a\r\nx-a : a",
    "host: a\r\n: a",
    "host: a\r\nx a: a",
    "host: a\r\nx(a): a",
    "host: a\r\nx\u{1}a: a",
    "host: a\r\nxa",
    "host: a\r\n:path: /y",
    "host: a\r\nconnection: host",
    "host: a\r\nconnection: close, host",
    "host: a\r\nconnection: :path",
    "host: a\r\nconnection: cookie, authorization",
    "host: a\r\nconnection: x-forwarded-for\r\nx-forwarded-for: 1",
    "host: a\r\nconnection: x-forwarded-host",
    "host: a\r\nconnection: x-forwarded-proto",
    "host: a\r\nconnection: x-forwarded-client-cert",
];

/// Fields that say what a body is, and the body.
const BODIES: &[(&str, &str)] = &[
    ("content-length: 1", "a"),
    ("content-length: 1\r\ncontent-length: 1", "a"),
    ("content-length: 1\r\ncontent-length: 2", "ab"),
    ("content-length: 1, 1", "a"),
    ("content-length: +1", "a"),
    ("content-length: -1", "a"),
    ("content-length: 0x1", "a"),
    ("content-length: ", "a"),
    ("content-length: 99999999999999999999999", "a"),
    ("transfer-encoding: chunked", "1\r\na\r\n0\r\n\r\n"),
    ("transfer-encoding: Chunked", "1;a=b\r\na\r\n0\r\n\r\n"),
    ("content-length: 1\r\ntransfer-encoding: chunked", "1\r\na\r\n0\r\n\r\n"),
    ("transfer-encoding: chunked\r\ncontent-length: 1", "1\r\na\r\n0\r\n\r\n"),
    ("transfer-encoding: gzip, chunked", "1\r\na\r\n0\r\n\r\n"),
    ("transfer-encoding: chunked\r\ntransfer-encoding: chunked", "1\r\na\r\n0\r\n\r\n"),
    ("transfer-encoding: chunked", "zz\r\na\r\n0\r\n\r\n"),
    ("transfer-encoding:\u{b}chunked", "1\r\na\r\n0\r\n\r\n"),
];

/// The status of the answer; 0 where the connection ends without one.
fn status(address: SocketAddr, request: &str) -> Result<u16> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(request.as_bytes())?;
    let mut head = [0; 12];
    match stream.read_exact(&mut head) {
        Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
            return Ok(0);
        }
        read => read?,
    }
    let text = std::str::from_utf8(&head)?;
    text.rsplit(' ').next().and_then(|status| status.parse().ok()).with_context(|| text.to_owned())
}

#[test]
fn odd_requests_are_refused_alike() -> Result<()> {
    let server = Server::start(|_| Response::new(200).into())?;
    let config = Bootstrap::default().cluster("service", server.address()).route(to_cluster("/", "service"));
    let envoy = Envoy::start(&config.to_json().to_string())?;
    let envoy = envoy.listener("gateway").map(|address| (envoy, address))?;
    let module = Engine::builder().cache_dir(None).build()?.load_module(MODULE.as_bytes())?;
    let gateway = Gateway::start(module.host(), GatewayOptions::new(server.address().to_string()))?;

    let lines = LINES.iter().map(|line| format!("{line}\r\nhost: a\r\n\r\n"));
    let fields = FIELDS.iter().map(|fields| format!("GET /x HTTP/1.1\r\n{fields}\r\n\r\n"));
    let bodies =
        BODIES.iter().map(|(fields, body)| format!("POST /x HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n{body}"));
    let (mut seen, mut different) = (HashSet::new(), Vec::new());
    for request in lines.chain(fields).chain(bodies) {
        let (real, ours) = (status(envoy.1, &request)?, status(gateway.address(), &request)?);
        seen.insert(real);
        if real != ours {
            different.push((request, real, ours));
        }
    }
    assert!(different.is_empty(), "{different:#?}");
    assert!(seen.contains(&200) && seen.contains(&400) && seen.contains(&501), "{seen:?}");
    Ok(())
}
