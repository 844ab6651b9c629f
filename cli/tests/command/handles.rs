//! `countersign serve` and the file handles that the system allows.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::support::{folder, root};

/// The limits on file handles, soft and hard, of a gateway that is started under others.
fn limits(soft: &str, hard: &str) -> Vec<String> {
    let folder = folder("handles");
    let module = folder.join("pass.wat");
    let text = r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) (i32.const 1024)))"#;
    fs::write(&module, text).unwrap();
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -Sn $1 && ulimit -Hn $0 && shift && exec \"$@\"", hard, soft])
        .arg(env!("CARGO_BIN_EXE_countersign"))
        .args([
            "serve",
            "--no-admin",
            "--listen",
            "127.0.0.1:0",
            "--upstream",
            "http://127.0.0.1:1",
            "--module",
        ])
        .arg(&module)
        .current_dir(root())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("listening on ")));
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().skip(3).take(2).map(str::to_owned).collect()
}

#[test]
fn a_gateway_takes_all_handles_that_it_may_have() {
    assert_eq!(limits("100", "900"), ["900", "900"]);
}
