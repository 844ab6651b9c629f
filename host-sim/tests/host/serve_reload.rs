//! Another module or configuration while the gateway runs.

use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use countersign_host_sim::serve::{Gateway, GatewayOptions};

use crate::common::{builder, data, pairs};
use crate::net::{plain, read_message, upstream};

/// Answers with a text.
fn says(text: &str) -> String {
    format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (drop (call $reply (i32.const 200) @"" @"{text}" (i32.const 0) (i32.const 0) (i32.const -1))) (i32.const 1))"#
    )
}

const REQUEST: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

#[test]
fn new_requests_go_to_the_new_module() {
    let gateway = Gateway::start(builder(&says("one")), GatewayOptions::new("127.0.0.1:1")).unwrap();
    assert_eq!(plain(gateway.address(), REQUEST).body, "one");
    assert_eq!(gateway.generation(), 1);
    // One connection outlives the change.
    let mut kept = TcpStream::connect(gateway.address()).unwrap();
    assert_eq!(crate::net::ask(&mut kept, REQUEST).body, "one");
    assert_eq!(gateway.reload(builder(&says("two")), &BTreeMap::new()).unwrap(), 2);
    assert_eq!(crate::net::ask(&mut kept, REQUEST).body, "two");
    assert_eq!(plain(gateway.address(), REQUEST).body, "two");
}

#[test]
fn what_does_not_come_up_changes_nothing() {
    let gateway =
        Gateway::start(builder(&says("one")).workers(2), GatewayOptions::new("127.0.0.1:1")).unwrap();
    let refuses = r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 0))"#;
    let traps = r#"(func (export "proxy_on_vm_start") (param i32 i32) (result i32) (unreachable))"#;
    for bad in [refuses, traps] {
        assert!(gateway.reload(builder(bad), &BTreeMap::new()).is_err());
        assert_eq!(gateway.generation(), 1);
        for _ in 0..2 {
            assert_eq!(plain(gateway.address(), REQUEST).body, "one");
        }
    }
}

#[test]
fn streams_end_on_the_vm_that_they_began_on() {
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    let (arrived, arrival) = channel();
    let (issuer, _) = upstream(move |_, _| {
        arrived.send(()).unwrap();
        released.lock().unwrap().recv().unwrap();
        Some("go".to_owned())
    });
    let (service, _) = upstream(|head, _| {
        Some(head.lines().find(|line| line.starts_with("x-generation")).unwrap_or("none").to_owned())
    });
    let (segment, headers) =
        data(4096, &pairs(&[(":method", "GET"), (":path", "/"), (":authority", "issuer.test")]));
    let holds = |name: &str| {
        format!(
            r#"{segment} (global $held (mut i32) (i32.const 0))
               (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                 (global.set $held (local.get 0))
                 (drop (call $add (i32.const 0) @"x-generation" @"{name}"))
                 (drop (call $call @"issuer" {headers} (i32.const 0) (i32.const 0) (i32.const 0)
                                   (i32.const 0) (i32.const 60000) (i32.const 24)))
                 (i32.const 1))
               (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
                 (drop (call $effective (global.get $held)))
                 (drop (call $continue (i32.const 0))))"#
        )
    };
    let options = GatewayOptions::new(service.to_string()).cluster("issuer", issuer.to_string());
    let clusters = options.clusters.clone();
    let gateway = Gateway::start(builder(&holds("old")), options).unwrap();
    let mut held = TcpStream::connect(gateway.address()).unwrap();
    held.write_all(REQUEST.as_bytes()).unwrap();
    arrival.recv().unwrap();
    gateway.reload(builder(&says("new")), &clusters).unwrap();
    assert_eq!(plain(gateway.address(), REQUEST).body, "new");
    release.send(()).unwrap();
    let (_, body) = read_message(&mut BufReader::new(&held)).unwrap();
    assert_eq!(body, "x-generation: old");
}
