//! Small guests in WebAssembly text.

#![allow(dead_code, reason = "not every suite uses every helper")]

use std::fmt::Write;
use std::sync::OnceLock;

use countersign_host_sim::{Engine, Host, HostBuilder, LoadError, Module};

/// Imports that every guest gets, by short names.
const IMPORTS: &str = r#"
  (import "env" "proxy_log" (func $proxy_log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_current_time_nanoseconds" (func $time (param i32) (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $tick_period (param i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $effective (param i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
  (import "env" "proxy_send_local_response" (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $get_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_buffer_bytes" (func $set_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_status" (func $buffer_status (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_remove_header_map_value" (func $remove (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_pairs" (func $get_pairs (param i32 i32 i32) (result i32)))
  (import "env" "proxy_set_header_map_pairs" (func $set_pairs (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_size" (func $map_size (param i32 i32) (result i32)))
  (import "env" "proxy_get_property" (func $get_property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_property" (func $set_property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_http_call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_shared_data" (func $get_shared (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_shared_data" (func $set_shared (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_register_shared_queue" (func $register_queue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_resolve_shared_queue" (func $resolve_queue (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_enqueue_shared_queue" (func $enqueue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_dequeue_shared_queue" (func $dequeue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_define_metric" (func $define_metric (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_increment_metric" (func $increment_metric (param i32 i64) (result i32)))
  (import "env" "proxy_record_metric" (func $record_metric (param i32 i64) (result i32)))
  (import "env" "proxy_get_metric" (func $get_metric (param i32 i32) (result i32)))
  (import "env" "proxy_get_status" (func $get_status (param i32 i32 i32) (result i32)))
  (import "env" "proxy_done" (func $root_done (result i32)))
  (import "env" "proxy_call_foreign_function" (func $foreign (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_call" (func $grpc_call
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_stream" (func $grpc_stream (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_send" (func $grpc_send (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_cancel" (func $grpc_cancel (param i32) (result i32)))
  (import "env" "proxy_grpc_close" (func $grpc_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
"#;

/// Memory: texts from 1024, results of host calls at 16 (pointer) and 20 (length), the heap from 65536.
const BASE: &str = r#"
  (memory (export "memory") 4)
  (global $heap (mut i32) (i32.const 65536))
  (func $malloc (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $heap))
    (global.set $heap (i32.add (global.get $heap) (i32.and (i32.add (local.get $size) (i32.const 15)) (i32.const -16))))
    (local.get $at))
  ;; Logs text.
  (func $say (param i32 i32) (drop (call $proxy_log (i32.const 2) (local.get 0) (local.get 1))))
  ;; Logs what the last host call gave.
  (func $say_result (call $say (i32.load (i32.const 16)) (i32.load (i32.const 20))))
  ;; Logs a number of two digits.
  (func $say_number (param i32)
    (i32.store8 (i32.const 8) (i32.add (i32.const 48) (i32.div_u (local.get 0) (i32.const 10))))
    (i32.store8 (i32.const 9) (i32.add (i32.const 48) (i32.rem_u (local.get 0) (i32.const 10))))
    (call $say (i32.const 8) (i32.const 2)))
"#;

pub(crate) const MARKER: &str = r#"(func (export "proxy_abi_version_0_2_1"))"#;
pub(crate) const MALLOC: &str = r#"(export "proxy_on_memory_allocate" (func $malloc))"#;

/// A module of these functions; `@"text"` stands for the address and the length of a text.
pub(crate) fn wat(body: &str) -> String {
    raw(&format!("{MARKER} {MALLOC} {body}"))
}

/// The same, without marker and allocator.
pub(crate) fn raw(body: &str) -> String {
    let mut out = format!("(module {IMPORTS} {BASE} ");
    let mut data = String::new();
    let mut at = 1024;
    let mut rest = body;
    while let Some((before, after)) = rest.split_once("@\"") {
        let (text, after) = after.split_once('"').expect("a text that ends");
        let len = text.replace("\\00", "0").replace("\\ff", "f").len();
        write!(out, "{before}(i32.const {at}) (i32.const {len})").unwrap();
        write!(data, "(data (i32.const {at}) \"{text}\")").unwrap();
        at += len + 1;
        rest = after;
    }
    out.push_str(rest);
    out.push_str(&data);
    out.push(')');
    out
}

pub(crate) fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::builder().cache_dir(None).build().expect("an engine"))
}

pub(crate) fn load(source: &str) -> Result<Module, LoadError> {
    engine().load_module(source.as_bytes())
}

pub(crate) fn builder(body: &str) -> HostBuilder {
    load(&wat(body)).expect("a module that loads").host()
}

pub(crate) fn start(body: &str) -> Host {
    builder(body).start().expect("a module that starts")
}

/// The text of what was logged since the last look.
pub(crate) fn logged(host: &mut Host) -> Vec<String> {
    host.take_logs().into_iter().map(|line| line.message).collect()
}

/// Header pairs as a guest writes them, as a text of WebAssembly.
pub(crate) fn pairs(pairs: &[(&str, &str)]) -> String {
    let mut bytes = (pairs.len() as u32).to_le_bytes().to_vec();
    for (name, value) in pairs {
        bytes.extend((name.len() as u32).to_le_bytes());
        bytes.extend((value.len() as u32).to_le_bytes());
    }
    for (name, value) in pairs {
        bytes.extend([name.as_bytes(), &[0], value.as_bytes(), &[0]].concat());
    }
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "\\{byte:02x}").unwrap();
        text
    })
}

/// Data at an address of its own, with its length: `(segment, "(i32.const AT) (i32.const LEN)")`.
pub(crate) fn data(at: usize, bytes: &str) -> (String, String) {
    let len = bytes.len() / 3;
    (format!("(data (i32.const {at}) \"{bytes}\")"), format!("(i32.const {at}) (i32.const {len})"))
}
