//! HTTP/2 metadata, which no library sends: frames of 0x4d by hand, to a module in real Envoy and in the simulator. It hears the same.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use countersign_host_sim::{Engine, HeaderMap, Host, Request, Response, StreamId};
use countersign_tests::bootstrap::{Bootstrap, to_cluster};
use countersign_tests::envoy::Envoy;
use countersign_tests::samples;
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(20);

/// Types of frames, and the flag of `HEADERS` and `DATA` that ends a stream, of which `METADATA` has none.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const METADATA: u8 = 0x4d;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACKNOWLEDGE: u8 = 1;

/// What is sent behind the headers.
#[derive(Clone, Copy)]
enum Part {
    Metadata(&'static [(&'static str, &'static str)]),
    Body(&'static str),
    Trailers,
}
use Part::{Body, Metadata, Trailers};

/// Requests and responses of which the headers leave the end to what follows. The last part ends them.
const EXCHANGES: [(&[Part], &[Part]); 4] = [
    (&[Metadata(&[("a", "1"), ("b", "2"), ("a", "3")]), Body("x")], &[Metadata(&[("d", "5")]), Body("y")]),
    (&[Metadata(&[("a", "1")]), Metadata(&[("b", "2"), ("c", "3")]), Body("")], &[Body("y")]),
    (&[Metadata(&[("a", "1")]), Trailers], &[Metadata(&[("d", "5")]), Body("")]),
    (&[Body("x")], &[Metadata(&[("d", "5"), ("e", "6")]), Metadata(&[("f", "7")]), Trailers]),
];

/// A module that says each callback by a letter, with the count or the end that it is told and what a map says in a callback of metadata. It
/// wants metadata held, which no host does.
const MODULE: &str = r#"(module
    (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
    (import "env" "proxy_get_header_map_size" (func $size (param i32 i32) (result i32)))
    (memory (export "memory") 2)
    (data (i32.const 1024) "heard: ? ?")
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 65536))
    (func $say (param i32 i32)
      (i32.store8 (i32.const 1031) (local.get 0))
      (i32.store8 (i32.const 1033) (i32.add (i32.const 48) (local.get 1)))
      (drop (call $log (i32.const 2) (i32.const 1024) (i32.const 10))))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (call $say (i32.const 72) (local.get 2)) (i32.const 0))
    (func (export "proxy_on_request_metadata") (param i32 i32) (result i32)
      (call $say (i32.const 77) (local.get 1))
      (call $say (i32.const 63) (call $size (i32.const 0) (i32.const 16)))
      (i32.const 1))
    (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
      (call $say (i32.const 66) (local.get 2)) (i32.const 0))
    (func (export "proxy_on_request_trailers") (param i32 i32) (result i32)
      (call $say (i32.const 84) (local.get 1)) (i32.const 0))
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
      (call $say (i32.const 104) (local.get 2)) (i32.const 0))
    (func (export "proxy_on_response_metadata") (param i32 i32) (result i32)
      (call $say (i32.const 109) (local.get 1)) (i32.const 1))
    (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
      (call $say (i32.const 98) (local.get 2)) (i32.const 0))
    (func (export "proxy_on_response_trailers") (param i32 i32) (result i32)
      (call $say (i32.const 116) (local.get 1)) (i32.const 0)))"#;

/// Headers as HPACK writes them that are in no table (RFC 7541 §6.2.2).
fn literals(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in pairs {
        out.push(0);
        for text in [name, value] {
            out.push(text.len() as u8);
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Settings that say that metadata is understood.
fn settings() -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[0x4d, 0x44, 0, 0, 0, 1])
}

fn message(stream: u32, headers: &[(&str, &str)], parts: &[Part]) -> Vec<u8> {
    let mut out = frame(HEADERS, END_HEADERS, stream, &literals(headers));
    for (nth, part) in parts.iter().enumerate() {
        let end = if nth + 1 == parts.len() { END_STREAM } else { 0 };
        out.extend(match part {
            Metadata(pairs) => frame(METADATA, END_HEADERS, stream, &literals(pairs)),
            Body(text) => frame(DATA, end, stream, text.as_bytes()),
            Trailers => frame(HEADERS, end | END_HEADERS, stream, &literals(&[("t", "1")])),
        });
    }
    out
}

/// Reads frames until one ends a stream, and says which.
fn read_to_end(from: &mut TcpStream) -> Result<u32> {
    loop {
        let mut head = [0; 9];
        from.read_exact(&mut head)?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        from.read_exact(&mut payload)?;
        if kind == SETTINGS && flags & ACKNOWLEDGE == 0 {
            from.write_all(&frame(SETTINGS, ACKNOWLEDGE, 0, &[]))?;
        }
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            return Ok(u32::from_be_bytes(stream));
        }
    }
}

/// A service that gives each request of a connection the next response.
fn serve(listener: &TcpListener) -> Result<()> {
    let mut responses = EXCHANGES.iter().map(|(_, response)| *response);
    loop {
        let (mut socket, _) = listener.accept()?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.read_exact(&mut [0; 24])?;
        socket.write_all(&settings())?;
        while let Ok(stream) = read_to_end(&mut socket) {
            let Some(parts) = responses.next() else { return Ok(()) };
            socket.write_all(&message(stream, &[(":status", "200")], parts))?;
        }
    }
}

/// What the module has said so far.
fn heard(log: &str) -> Vec<String> {
    log.lines().filter_map(|line| line.split_once("heard: ")).map(|(_, said)| said.to_owned()).collect()
}

fn in_envoy() -> Result<Vec<Vec<String>>> {
    let service = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let at = service.local_addr()?;
    thread::spawn(move || serve(&service));
    let file =
        countersign_tests::root().join("target/envoy").join(format!("metadata-{}.wasm", std::process::id()));
    std::fs::write(&file, wat::parse_str(MODULE)?)?;
    let mut config = Bootstrap::default()
        .filter(samples::filter(&file.to_string_lossy()))
        .cluster("service", at)
        .route(to_cluster("/", "service"))
        .to_json();
    let options = json!({ "allow_metadata": true });
    let resources = &mut config["static_resources"];
    let chain = &mut resources["listeners"][0]["filter_chains"][0];
    chain["filters"][0]["typed_config"]["http2_protocol_options"] = options.clone();
    resources["clusters"][0]["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": { "http2_protocol_options": options },
        },
    });
    let envoy = Envoy::start_with(
        &config.to_string(),
        Command::new(Envoy::binary()?).args(["--component-log-level", "wasm:info"]),
    )?;
    let mut client = connect(envoy.listener("gateway")?)?;
    let mut all = Vec::new();
    for (nth, (request, _)) in EXCHANGES.iter().enumerate() {
        let before = heard(&envoy.log()).len();
        let stream = 2 * nth as u32 + 1;
        let headers = [(":method", "POST"), (":path", "/"), (":scheme", "http"), (":authority", "a")];
        client.write_all(&message(stream, &headers, request))?;
        ensure!(read_to_end(&mut client).context("no answer")? == stream, "another stream ended");
        // The log may come after the answer.
        let ends = Instant::now() + PATIENCE;
        let wanted = in_simulator(&mut simulator()?, nth).len();
        while heard(&envoy.log()).len() < before + wanted && Instant::now() < ends {
            thread::sleep(Duration::from_millis(5));
        }
        all.push(heard(&envoy.log()).split_off(before));
    }
    std::fs::remove_file(file)?;
    Ok(all)
}

fn connect(to: SocketAddr) -> Result<TcpStream> {
    let mut client = match TcpStream::connect(to) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => anyhow::bail!("nobody listens on {to}"),
        connected => connected?,
    };
    client.set_read_timeout(Some(PATIENCE))?;
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
    client.write_all(&settings())?;
    Ok(client)
}

fn simulator() -> Result<Host> {
    Ok(Engine::builder().cache_dir(None).build()?.load_module(MODULE.as_bytes())?.host().start()?)
}

/// Sends the parts one after the other, as they come over the wire.
fn in_simulator(host: &mut Host, nth: usize) -> Vec<String> {
    let (request, response) = EXCHANGES[nth];
    let trailers = || HeaderMap::from_pairs([("t", "1")]);
    let stream: StreamId = host.request(&Request::post("/").unfinished());
    for (at, part) in request.iter().enumerate() {
        match part {
            Metadata(pairs) => host.send_metadata(stream, &HeaderMap::from_pairs(pairs.iter().copied())),
            Body(text) => host.send_body(stream, *text, at + 1 == request.len()),
            Trailers => host.send_trailers(stream, trailers()),
        }
    }
    let mut answer = Response::new(200);
    for part in response {
        match part {
            Metadata(pairs) => answer = answer.metadata(pairs.iter().copied()),
            Body(text) => answer = answer.body(*text),
            Trailers => answer.trailers = Some(trailers()),
        }
    }
    host.respond(stream, answer);
    let logs = host.take_logs();
    heard(&logs.into_iter().map(|line| line.message + "\n").collect::<String>())
}

#[test]
fn modules_hear_of_metadata_as_in_envoy() -> Result<()> {
    let real = in_envoy()?;
    for (nth, real) in real.iter().enumerate() {
        assert_eq!(&in_simulator(&mut simulator()?, nth), real, "exchange {nth}");
        assert!(real.iter().any(|line| line.to_lowercase().starts_with("m ")), "exchange {nth}: {real:?}");
    }
    Ok(())
}
