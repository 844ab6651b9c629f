//! A profile of `countersign bench --profile`, in a viewer that others wrote, in a real browser.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// A filter that spends its time in `spin`, which it calls for each request.
const FILTER: &str = r#"(module
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
  (func $spin (param $left i32)
    (loop $again
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $again (local.get $left))))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $spin (i32.const 200000))
    (i32.const 0)))"#;

#[test]
fn speedscope_opens_a_profile_and_names_the_busy_function() -> Result<()> {
    let root = countersign_tests::root();
    let scripts = root.join("tests/browser");
    ensure!(scripts.join("node_modules/speedscope").is_dir(), "a viewer is missing, run `cargo xtask setup`");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("profile");
    fs::create_dir_all(&folder)?;
    let (module, profile) = (folder.join("spins.wat"), folder.join("spins.cpuprofile"));
    fs::write(&module, FILTER)?;
    let mut bench = Command::new(root.join("target/release/countersign"));
    bench.args(["bench", "--rounds", "1", "--decisions", "10", "--lasting", "300ms", "--module"]);
    let measured = bench.arg(&module).arg("--profile").arg(&profile).output()?;
    ensure!(measured.status.success(), "{}", String::from_utf8_lossy(&measured.stderr));

    let mut node = Command::new("node");
    node.current_dir(&scripts).arg("profile.mjs").arg(&profile).arg(folder.join("speedscope.png"));
    let seen = node.output().context("`node` was not found")?;
    ensure!(seen.status.success(), "{}", String::from_utf8_lossy(&seen.stderr));
    let seen: Value = serde_json::from_slice(&seen.stdout)?;

    assert_eq!(seen["faults"], serde_json::json!([]), "{seen:#}");
    assert_eq!(seen["title"], "spins.cpuprofile - speedscope");
    // Beneath the heading the function with the most time of its own.
    let busiest = seen["functions"][1].as_str().unwrap_or_default();
    assert!(busiest.contains("spin"), "{seen:#}");
    Ok(())
}
