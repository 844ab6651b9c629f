//! What clients and modules may take of the gateway: places, time, and calls under way.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use countersign_host_sim::HostBuilder;
use countersign_host_sim::serve::{ClientCertificate, ClientLimits, Gateway, GatewayOptions, Tls};
use rcgen::SanType;
use rustls::pki_types::ServerName;

use crate::common::{builder, data, pairs};
use crate::grpc::{AUTH, caller};
use crate::net::{Answer, Authority, ask, upstream};

/// Long enough for any machine, and short of a test that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

const REQUEST: &str = "GET /x HTTP/1.1\r\nhost: a\r\n\r\n";

/// A gateway before an upstream that answers; its log lines arrive in a channel.
fn gateway(
    builder: HostBuilder,
    limits: ClientLimits,
    change: impl FnOnce(GatewayOptions) -> GatewayOptions,
) -> (Gateway, Receiver<String>) {
    let (sender, lines) = channel();
    let (address, _) = upstream(|_, _| Some("here".to_owned()));
    let mut options = change(GatewayOptions::new(address.to_string()))
        .log(move |line| sender.send(line.message.clone()).unwrap_or_default());
    options.limits = limits;
    (Gateway::start(builder, options).unwrap(), lines)
}

fn short(connections: usize) -> ClientLimits {
    ClientLimits { connections, head_timeout: Duration::from_millis(200), ..ClientLimits::default() }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn get(address: SocketAddr) -> Answer {
    ask(connect(address), REQUEST)
}

/// Reads until the gateway ends the connection.
fn is_ended(mut stream: impl Read) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    let ended = stream.read_to_end(&mut Vec::new());
    !ended.is_err_and(|error| matches!(error.kind(), TimedOut | WouldBlock))
}

#[test]
fn who_says_nothing_gives_its_place_back() {
    let beginnings = ["", "P", "PRI * HTTP/2", "GET / HTTP/1.1\r\nho", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"];
    let (gateway, _) = gateway(builder(""), short(beginnings.len()), |options| options);
    let silent = beginnings.map(|beginning| {
        let mut stream = connect(gateway.address());
        stream.write_all(beginning.as_bytes()).unwrap();
        stream
    });
    // It waits until one of them has ended.
    assert_eq!(get(gateway.address()).status, 200);
    for (beginning, stream) in beginnings.iter().zip(silent) {
        assert!(is_ended(stream), "{beginning:?}");
    }
}

#[test]
fn who_says_nothing_over_tls_gives_its_place_back_too() {
    let authority = Authority::new();
    let (certificates, key) =
        authority.issue("gateway", vec![SanType::DnsName("localhost".try_into().unwrap())]);
    let tls = Tls { certificates, key, client: ClientCertificate::None };
    let (gateway, _) = gateway(builder(""), short(4), |options| options.tls(tls));
    let mut silent = vec![connect(gateway.address())];
    for agreed in [None, Some("h2"), Some("http/1.1")] {
        let mut config = authority.client();
        config.alpn_protocols = agreed.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        let mut connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let mut socket = connect(gateway.address());
        connection.complete_io(&mut socket).unwrap();
        silent.push(socket);
    }
    assert!(silent.into_iter().all(is_ended));
}

#[test]
fn first_bytes_may_come_one_by_one() {
    let (gateway, _) = gateway(builder(""), ClientLimits::default(), |options| options);
    let mut stream = connect(gateway.address());
    stream.set_nodelay(true).unwrap();
    for byte in b"PO" {
        stream.write_all(&[*byte]).unwrap();
        stream.flush().unwrap();
    }
    let answer = ask(stream, "ST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
    assert_eq!((answer.status, &*answer.body), (200, "here"));

    let mut stream = connect(gateway.address());
    stream.set_nodelay(true).unwrap();
    for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0" {
        stream.write_all(&[*byte]).unwrap();
        stream.flush().unwrap();
    }
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).unwrap();
    assert_eq!(frame[3], 4, "expected SETTINGS, found {frame:?}");
}

#[test]
fn calls_beyond_those_that_may_be_under_way_fail_as_an_overflow() {
    let (issuer, _) = upstream(|_, _| None);
    let (segment, headers) =
        data(4096, &pairs(&[(":method", "GET"), (":path", "/jwks"), (":authority", "issuer.test")]));
    let call = format!(
        r#"(drop (call $call @"issuer" {headers} (i32.const 0) (i32.const 0) (i32.const 0)
                             (i32.const 0) (i32.const 60000) (i32.const 24)))"#
    );
    let builder = builder(&format!(
        r#"{segment} (global $held (mut i32) (i32.const 0))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (global.set $held (local.get 0)) {call} {call} (i32.const 1))
           (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
             (drop (call $get_buffer (i32.const 4) (i32.const 0) (local.get 3) (i32.const 16) (i32.const 20)))
             (call $say_result)
             (drop (call $effective (global.get $held)))
             (drop (call $continue (i32.const 0))))"#
    ));
    let limits = ClientLimits { calls: 1, ..ClientLimits::default() };
    let (gateway, lines) = gateway(builder, limits, |options| options.cluster("issuer", issuer.to_string()));
    // The first call stays unanswered: what lets the request go on is the second.
    assert_eq!(get(gateway.address()).status, 200);
    let expected = "upstream connect error or disconnect/reset before headers. reset reason: overflow";
    assert_eq!(lines.recv().unwrap(), expected);
}

#[test]
fn grpc_calls_count_among_them() {
    let limits = ClientLimits { calls: 0, ..ClientLimits::default() };
    let (gateway, lines) =
        gateway(caller(AUTH, 5000), limits, |options| options.cluster("auth", "127.0.0.1:1".to_owned()));
    assert_eq!(get(gateway.address()).status, 200);
    assert!(lines.iter().any(|line| line.contains("reset reason: overflow")));
}

#[test]
fn clients_and_calls_have_their_shares_of_the_file_handles() {
    let within = |handles| {
        let limits = ClientLimits::default().within(handles);
        (limits.connections, limits.calls)
    };
    assert_eq!(within(u64::MAX), (1024, 256));
    assert_eq!(within(2048), (512, 256));
    assert_eq!(within(256), (64, 64));
    assert_eq!(within(0), (1, 1));
}
