//! `inspect` of WebAssembly modules, as people run it.

use crate::support::{countersign, folder};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

const FILTER: &str = r#"(module
    (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
    (import "env" "proxy_http_call" (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_get_buffer_status" (func (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))
    (memory (export "memory") 2)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 0))
    (func (export "_initialize"))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0)))"#;

fn file(name: &str, content: &[u8]) -> PathBuf {
    let path = folder(&format!("inspect-{name}")).join("module.wasm");
    fs::write(&path, content).unwrap();
    path
}

#[test]
fn a_module_is_shown_with_the_hosts_that_can_run_it() {
    let path = file("good", FILTER.as_bytes());
    let path = path.to_str().unwrap();
    let shown = countersign(&["inspect", path]).exits(0).out();
    for part in [
        "abi       0.2.1",
        "memory    128 KiB at first, as much as the host gives",
        "starts by `_initialize`",
        "wasi      random_get",
        "  envoy  runs (Envoy)",
        "  gcp    runs, without 1 thing",
        "         `proxy_http_call` does nothing and returns 12 (unimplemented)",
        "  kong   does not run",
        "         it imports `env.proxy_get_buffer_status`, which this host does not have",
        "  HTTP calls             proxy_http_call",
        "  HTTP                   proxy_on_request_headers",
        "other exports\n  memory, proxy_abi_version_0_2_1",
    ] {
        assert!(shown.contains(part), "`{part}` is not in:\n{shown}");
    }
    let kong = countersign(&["inspect", path, "--host", "kong"]).exits(1).out();
    assert!(kong.contains("does not run") && !kong.contains("  envoy"), "{kong}");
    countersign(&["inspect", path, "--host", "gcp"]).exits(0);
    countersign(&["inspect", path, "--host", "nginx"]).exits(2);
    let data: Value =
        serde_json::from_str(&countersign(&["inspect", path, "--format", "json"]).exits(0).out()).unwrap();
    assert_eq!((data["abi"][0].as_str(), data["wasi"][0].as_str()), (Some("0.2.1"), Some("random_get")));
    let hosts = data["hosts"].as_array().unwrap();
    let runs = hosts.iter().map(|host| (host["host"].as_str().unwrap(), host["runs"].as_bool().unwrap()));
    assert_eq!(runs.collect::<Vec<_>>(), [("envoy", true), ("gcp", true), ("kong", false), ("spec", true)]);
    assert_eq!(data["imports"][1]["family"], "HTTP calls");
    assert_eq!(data["exports"][0]["type"], "memory");
}

#[test]
fn any_module_gets_an_answer_that_helps() {
    let plain = file("plain", b"(module (func (export \"add\") (param i32 i32) (result i32) (i32.const 0)))");
    let plain = plain.to_str().unwrap();
    let shown = countersign(&["inspect", plain]).exits(0).out();
    for part in [
        "abi       none: not a proxy-wasm module",
        "memory    none",
        "envoy  does not run",
        "other exports\n  add",
    ] {
        assert!(shown.contains(part), "`{part}` is not in:\n{shown}");
    }
    countersign(&["inspect", plain, "--host", "spec"]).exits(1);
    for (name, content, reason) in [
        ("component", &b"\0asm\x0d\0\x01\0"[..], "expected a core module, found a component"),
        ("cut", b"\0asm\x01\0\0\0\x01\x7f", "the module is malformed: "),
        ("text", b"(module (func", "the module is malformed: "),
    ] {
        let path = file(name, content);
        let run = countersign(&["inspect", path.to_str().unwrap()]).exits(2);
        let first = run.err().lines().next().unwrap().to_owned();
        assert!(first.contains(reason), "{first}");
    }
    let other = file("other", b"permit(principal, action, resource);");
    let run = countersign(&["inspect", other.to_str().unwrap(), "--host", "envoy"]).exits(2);
    assert!(run.err().contains("expected a WebAssembly module for `--host`"), "{}", run.err());
}

#[test]
fn names_of_a_module_stand_in_their_lines() {
    let named = FILTER.replace("_initialize", "x\\1b[2J\\0d\\0ahosts\\c2\\9b");
    let path = file("named", named.as_bytes());
    let shown = countersign(&["inspect", "--color", "always", path.to_str().unwrap()]).exits(0).out();
    assert!(shown.contains("x\\u001b[2J\\r\\nhosts\\u009b"), "{shown}");
    assert!(!shown.contains("\u{1b}[2J") && !shown.contains('\u{9b}'), "{shown}");
}
