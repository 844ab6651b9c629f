//! What a module is started with by `countersign serve`, `bench` and `replay`: its environment, log level, and the gateway's settings.

use std::fs;
use std::process::Stdio;

use crate::serving::{Serving, http};
use crate::support::{countersign, folder};

/// Holds requests at their headers, lets them go at their body, and logs its environment there, at level `debug`.
const TELLER: &str = r#"(module
    (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param i32) (result i32) (i32.const 4096))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))
    (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
        (drop (call $sizes (i32.const 16) (i32.const 20)))
        (drop (call $environ (i32.const 64) (i32.const 512)))
        (drop (call $log (i32.const 1) (i32.const 512) (i32.sub (i32.load (i32.const 20)) (i32.const 1))))
        (i32.const 0)))"#;

const POST: &str = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 3\r\n\r\nabc";

#[test]
fn a_module_is_served_with_its_environment_level_and_settings() {
    let module = folder("serve-options").join("teller.wat");
    fs::write(&module, TELLER).unwrap();
    let options = [
        "--no-admin",
        "--env",
        "MODE=loose",
        "--env",
        "MODE=a=b",
        "--env",
        "EMPTY=",
        "--log-level",
        "debug",
        "--allow-on-headers-stop-iteration",
    ];
    let mut serving = Serving::run("--module", &module, &options, Stdio::null());
    assert!(http(&serving.address, POST).starts_with("HTTP/1.1 200"));
    assert_eq!(serving.says("filter [debug] "), "EMPTY=\\u{0}MODE=a=b");
}

#[test]
fn options_of_a_module_that_say_nothing_are_refused() {
    let folder = folder("serve-options-bad");
    let module = folder.join("teller.wat");
    fs::write(&module, TELLER).unwrap();
    let module = module.to_str().unwrap();
    let serve = ["serve", "--module", module, "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0"];
    let refused = |more: &[&str]| countersign(&[&serve, more].concat()).exits(2).err();
    for variable in ["MODE", "=x"] {
        assert!(refused(&["--env", variable]).contains("expected `NAME=VALUE`"), "{variable}");
    }
    let level = refused(&["--log-level", "loud"]);
    assert!(level.contains("possible values: trace, debug, info, warn, error, critical"), "{level}");

    let scenarios = folder.join("scenarios.yaml");
    fs::write(&scenarios, "module: teller.wat\ncases: []\n").unwrap();
    let settings: [&[&str]; 3] =
        [&["--env", "A=1"], &["--log-level", "debug"], &["--allow-on-headers-stop-iteration"]];
    for setting in settings {
        let bench = ["bench", "--requests", scenarios.to_str().unwrap()];
        let said = countersign(&[&bench, setting].concat()).exits(2).err();
        assert!(said.contains(&format!("`{}`: expected none beside ", setting[0])), "{said}");
        let v8 = countersign(&[&["bench", "--v8", "--module", module], setting].concat()).exits(2).err();
        assert!(v8.contains("cannot be used with"), "{v8}");
    }
}
