//! The end of root contexts in a gateway that runs: another configuration, another module, the gateway's own end.

use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use countersign_host_sim::HostBuilder;
use countersign_host_sim::serve::{Gateway, GatewayOptions};

use crate::common::builder;
use crate::net::{ask, read_message, upstream};

const REQUEST: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// Says what its root context hears at its end. It is done at once, unless the configuration begins with `o`; it then calls
/// `proxy_done` in a tick 10 ms later.
const GUEST: &str = r#"
    (global $mode (mut i32) (i32.const 0))
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
      (drop (call $get_buffer (i32.const 7) (i32.const 0) (i32.const 10) (i32.const 16) (i32.const 20)))
      (global.set $mode (i32.load8_u (i32.load (i32.const 16))))
      (i32.const 1))
    (func (export "proxy_on_done") (param i32) (result i32)
      (if (i32.ne (local.get 0) (i32.const 1)) (then (call $say @"stream") (return (i32.const 1))))
      (call $say @"done")
      (if (result i32) (i32.eq (global.get $mode) (i32.const 111))
        (then (drop (call $tick_period (i32.const 10))) (i32.const 0))
        (else (i32.const 1))))
    (func (export "proxy_on_delete") (param i32)
      (if (i32.eq (local.get 0) (i32.const 1)) (then (call $say @"delete"))))
    (func (export "proxy_on_tick") (param i32) (call $say @"tick") (drop (call $root_done)))"#;

fn guest(configuration: &str) -> HostBuilder {
    builder(GUEST).plugin_config(configuration)
}

/// Another module, which says when it has begun: what is logged before that is all of the old one's.
fn other() -> HostBuilder {
    builder(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (call $say @"other") (i32.const 0))"#,
    )
}

fn gateway(builder: HostBuilder) -> (Gateway, Receiver<String>) {
    let (sender, lines) = channel();
    let (address, _) = upstream(|_, _| Some("here".to_owned()));
    let options = GatewayOptions::new(address.to_string())
        .log(move |line| sender.send(line.message.clone()).unwrap_or_default());
    (Gateway::start(builder, options).unwrap(), lines)
}

fn reload(gateway: &Gateway, builder: HostBuilder) {
    gateway.reload(builder, &BTreeMap::new()).unwrap();
}

#[test]
fn another_configuration_ends_the_root_context_before_it() {
    let (gateway, lines) = gateway(guest("now"));
    reload(&gateway, guest("next"));
    assert_eq!(lines.iter().take(2).collect::<Vec<_>>(), ["done", "delete"]);
    reload(&gateway, guest("old"));
    reload(&gateway, guest("last"));
    let expected = ["done", "delete", "done", "tick", "delete"];
    assert_eq!(lines.iter().take(5).collect::<Vec<_>>(), expected, "one that is not done is waited for");
}

#[test]
fn another_module_does_not_wait_for_the_one_before_it() {
    let (gateway, lines) = gateway(guest("old"));
    reload(&gateway, other());
    assert_eq!(lines.recv().unwrap(), "done");
    std::thread::sleep(Duration::from_millis(50));
    ask(TcpStream::connect(gateway.address()).unwrap(), REQUEST);
    assert_eq!(lines.recv().unwrap(), "other");
}

#[test]
fn a_root_context_hears_of_its_end_once_its_streams_are_gone() {
    let (gateway, lines) = gateway(guest("now"));
    let mut held = TcpStream::connect(gateway.address()).unwrap();
    held.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n1").unwrap();
    // Both workers' commands come in order: once another connection was served, this one has begun.
    ask(TcpStream::connect(gateway.address()).unwrap(), REQUEST);
    assert_eq!(lines.recv().unwrap(), "stream");
    reload(&gateway, other());
    ask(TcpStream::connect(gateway.address()).unwrap(), REQUEST);
    assert_eq!(lines.recv().unwrap(), "other", "new requests do not wait");
    held.write_all(b"2").unwrap();
    let (head, _) = read_message(&mut BufReader::new(&held)).unwrap();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(lines.iter().take(3).collect::<Vec<_>>(), ["stream", "done", "delete"]);
}

#[test]
fn a_gateway_that_ends_tells_its_root_contexts() {
    for (configuration, expected) in [("now", &["done", "delete"][..]), ("old", &["done"])] {
        let (gateway, lines) = gateway(guest(configuration));
        gateway.stop(Duration::from_secs(5));
        assert_eq!(lines.iter().collect::<Vec<_>>(), expected, "{configuration}");
    }
}
