//! Modules of each version of the ABI: what they import, how they are called.

use crate::common::{engine, logged};
use countersign_host_sim::{AbiVersion, LoadError, Request};

/// A module of a version that says what it gets, with its own imports and callbacks.
fn module(marker: &str, imports: &str, body: &str) -> String {
    format!(
        r#"(module
             (import "env" "proxy_log" (func $proxy_log (param i32 i32 i32) (result i32)))
             (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
             {imports}
             (memory (export "memory") 2)
             (global $heap (mut i32) (i32.const 4096))
             (func (export "malloc") (param i32) (result i32)
               (global.get $heap)
               (global.set $heap (i32.add (global.get $heap) (i32.and (i32.add (local.get 0) (i32.const 15)) (i32.const -16)))))
             (func (export "{marker}"))
             (func $say (param i32 i32) (drop (call $proxy_log (i32.const 2) (local.get 0) (local.get 1))))
             (func $digit (param i32)
               (i32.store8 (i32.const 8) (i32.add (i32.const 48) (local.get 0)))
               (call $say (i32.const 8) (i32.const 1)))
             {body}
             (data (i32.const 1024) "x-absent"))"#
    )
}

const CONFIGURATION: &str =
    r#"(import "env" "proxy_get_configuration" (func $configuration (param i32 i32) (result i32)))"#;
const CONTINUE: &str = r#"(import "env" "proxy_continue_request" (func $continue_request (result i32)))
    (import "env" "proxy_continue_response" (func $continue_response (result i32)))
    (import "env" "proxy_clear_route_cache" (func $clear (result i32)))"#;

#[test]
fn the_first_version_has_functions_and_callbacks_of_its_own() {
    let say_configuration = r#"(call $digit (call $configuration (i32.const 16) (i32.const 20)))
        (call $say (i32.load (i32.const 16)) (i32.load (i32.const 20)))"#;
    let source = module(
        "proxy_abi_version_0_1_0",
        &format!("{CONFIGURATION} {CONTINUE}"),
        &format!(
            r#"(func (export "proxy_on_vm_start") (param i32 i32) (result i32) {say_configuration} (i32.const 1))
               (func (export "proxy_on_configure") (param i32 i32) (result i32) {say_configuration} (i32.const 1))
               (func (export "proxy_on_request_headers") (param i32 i32) (result i32)
                 ;; A missing header is an empty one.
                 (call $digit (call $get (i32.const 0) (i32.const 1024) (i32.const 8) (i32.const 16) (i32.const 20)))
                 (call $digit (i32.load (i32.const 20)))
                 (call $digit (call $clear))
                 (i32.const 1))
               (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (call $digit (i32.const 9)) (i32.const 0))
               (func (export "proxy_on_response_headers") (param i32 i32) (result i32) (call $digit (local.get 1)) (i32.const 0))
               (func (export "proxy_on_tick") (param i32) (drop (call $continue_request)) (drop (call $continue_response)))"#
        ),
    );
    let module = engine().load_module(source.as_bytes()).unwrap();
    assert_eq!(module.abi_version(), AbiVersion::V0_1_0);
    let mut host = module.host().vm_config("vm").plugin_config("plugin").start().unwrap();
    assert_eq!(logged(&mut host), ["0", "vm", "0", "plugin"]);
    let stream = host.request(&Request::post("/").body("b"));
    assert!(host.outcome(stream).is_paused(), "headers are held, and with them the body");
    assert_eq!(logged(&mut host), ["0", "0", "0"]);
}

#[test]
fn the_first_version_continues_by_its_own_names() {
    let source = module(
        "proxy_abi_version_0_1_0",
        &format!(
            r#"{CONTINUE}
               (import "env" "proxy_set_effective_context" (func $effective (param i32) (result i32)))
               (import "env" "proxy_set_tick_period_milliseconds" (func $tick (param i32) (result i32)))"#
        ),
        r#"(func (export "proxy_on_request_headers") (param i32 i32) (result i32)
             (drop (call $tick (i32.const 10))) (i32.const 1))
           (func (export "proxy_on_response_headers") (param i32 i32) (result i32) (i32.const 1))
           (func (export "proxy_on_tick") (param i32)
             (drop (call $effective (i32.const 2)))
             (call $digit (call $continue_request)) (call $digit (call $continue_response)))"#,
    );
    let mut host = engine().load_module(source.as_bytes()).unwrap().host().start().unwrap();
    let stream = host.request(&Request::get("/"));
    assert!(host.outcome(stream).is_paused());
    host.advance(std::time::Duration::from_millis(10));
    assert!(host.outcome(stream).forwarded().is_some());
    assert_eq!(logged(&mut host), ["0", "0"]);
}

#[test]
fn later_versions_lack_what_was_taken_out_and_have_what_came() {
    let import = |name: &str, params: &str| {
        format!(r#"(import "env" "{name}" (func $imported (param {params}) (result i32)))"#)
    };
    let versions = ["0_1_0", "0_2_0", "0_2_1"];
    for (name, params, in_version) in [
        ("proxy_get_configuration", "i32 i32", [true, false, false]),
        ("proxy_continue_request", "", [true, false, false]),
        ("proxy_continue_response", "", [true, false, false]),
        ("proxy_clear_route_cache", "", [true, false, false]),
        ("proxy_continue_stream", "i32", [false, true, true]),
        ("proxy_close_stream", "i32", [false, true, true]),
        ("proxy_get_log_level", "i32", [false, false, true]),
        ("proxy_grpc_close", "i32", [true, true, true]),
    ] {
        for (version, there) in versions.iter().zip(in_version) {
            let source = module(&format!("proxy_abi_version_{version}"), &import(name, params), "");
            match engine().load_module(source.as_bytes()) {
                Ok(_) => assert!(there, "{name} in {version}"),
                Err(LoadError::MissingImports(_)) => assert!(!there, "{name} in {version}"),
                Err(other) => panic!("{name} in {version}: {other}"),
            }
        }
    }
}

#[test]
fn callbacks_of_headers_have_the_types_of_their_version() {
    for (version, params, good) in [
        ("0_1_0", "i32 i32", true),
        ("0_1_0", "i32 i32 i32", false),
        ("0_2_0", "i32 i32", false),
        ("0_2_1", "i32 i32 i32", true),
    ] {
        let body = format!(
            r#"(func (export "proxy_on_request_headers") (param {params}) (result i32) (i32.const 0))"#
        );
        let source = module(&format!("proxy_abi_version_{version}"), "", &body);
        match engine().load_module(source.as_bytes()) {
            Ok(_) => assert!(good, "{version} ({params})"),
            Err(error) => {
                assert!(!good, "{version} ({params}): {error}");
                assert!(matches!(error, LoadError::Signature(_)), "{error}");
            }
        }
    }
}
