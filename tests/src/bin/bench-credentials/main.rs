//! The part of `cargo xtask bench credentials` that needs no gateway: verification by tables of a key's multiples, beside the
//! crates' own, both in the same WebAssembly module under Node; and what a DPoP proof adds in the simulator.

mod dpop;

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use countersign_tests::root;
use serde::Deserialize;
use serde_json::{Value, json};

/// The largest part of the crates' own time that tables may take.
const ASKED: [(&str, f64); 4] = [("ES256", 0.25), ("EdDSA", 0.55), ("ES384", 0.35), ("ES512", 0.35)];

/// Medians of one algorithm.
#[derive(Deserialize)]
struct Row {
    name: String,
    /// Microseconds a verification.
    #[serde(rename = "crate")]
    own: f64,
    table: f64,
    /// Of the tables of the key and of the generator.
    bytes: u64,
    /// Milliseconds to build them, in so many slices, and the longest of these.
    build: f64,
    slices: u64,
    slice: f64,
}

fn main() -> Result<()> {
    let mut rounds = 41;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--quick" => rounds = 7,
            other => bail!("unknown argument `{other}`, expected `--quick`"),
        }
    }
    let node = Command::new("node")
        // With inlined calls Node 20 can crash where it deoptimizes one that returns from wasm.
        .arg("--no-turbo-inline-js-wasm-calls")
        .arg(root().join("tests/credentials/measure.mjs"))
        .arg(root().join("target/countersign-bench.wasm"))
        .arg(rounds.to_string())
        .output()
        .context("starting `node`")?;
    let said = String::from_utf8_lossy(&node.stdout);
    ensure!(node.status.success(), "`node` failed: {}", String::from_utf8_lossy(&node.stderr));
    println!(
        "\n{:<8}{:>12}{:>12}{:>8}{:>8}{:>6}{:>12}{:>12}{:>8}{:>12}",
        "", "crate us", "tables us", "ratio", "asked", "met", "tables KB", "build ms", "slices", "longest ms"
    );
    let mut written = Vec::<Value>::new();
    for line in said.lines() {
        let row: Row = serde_json::from_str(line).with_context(|| format!("`node` said: {line}"))?;
        let asked = ASKED.iter().find(|(name, _)| *name == row.name).context("no such algorithm")?.1;
        let ratio = row.table / row.own;
        let met = if ratio <= asked { "yes" } else { "NO" };
        let Row { name, own, table, bytes, build, slices, slice } = row;
        println!(
            "{name:<8}{own:>12.0}{table:>12.0}{ratio:>8.3}{asked:>8.2}{met:>6}{:>12}{build:>12.1}{slices:>8}{slice:>12.1}",
            bytes / 1000
        );
        written.push(json!({
            "algorithm": name, "crate_us": own, "tables_us": table, "ratio": ratio, "asked": asked,
            "bytes": bytes, "build_ms": build, "slices": slices, "longest_slice_ms": slice,
        }));
    }
    ensure!(written.len() == ASKED.len(), "`node` measured {} algorithms", written.len());
    let dpop = dpop::measure(rounds * 100)?;
    let folder = root().join("target/bench");
    fs::create_dir_all(&folder)?;
    fs::write(
        folder.join("credentials.json"),
        serde_json::to_string_pretty(&json!({ "v8": written, "dpop": dpop }))?,
    )?;
    println!(
        "\nprocessor time under Node, medians of {rounds} interleaved rounds; written to target/bench/credentials.json"
    );
    Ok(())
}
