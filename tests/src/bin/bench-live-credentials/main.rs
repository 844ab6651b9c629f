//! `cargo xtask bench live-credentials`: what credentials that need a second party add to a request once its answer is there, in the
//! simulator; what revocation adds; and how many requests wait for a token service, on real Envoy.

mod envoy;
mod load;
mod revocation;
mod service;
mod simulator;

use std::fs;

use anyhow::{Context, Result, bail};
use countersign_tests::root;
use serde_json::json;

fn main() -> Result<()> {
    let Arguments { rounds, seconds, simulator, envoy } = arguments()?;
    let mut written = json!({});
    if simulator {
        let mut rows = simulator::measure(rounds)?;
        rows.extend(revocation::measure(rounds)?);
        written["simulator"] = rows.into();
    }
    if envoy {
        written["envoy"] = envoy::measure(seconds)?.into();
    }
    let folder = root().join("target/bench");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("live-credentials.json"), serde_json::to_string_pretty(&written)?)?;
    println!("\nwritten to target/bench/live-credentials.json");
    Ok(())
}

struct Arguments {
    /// In the simulator.
    rounds: u32,
    /// Of load on each Envoy.
    seconds: u32,
    simulator: bool,
    envoy: bool,
}

fn arguments() -> Result<Arguments> {
    let mut arguments = Arguments { rounds: 4_000, seconds: 60, simulator: true, envoy: true };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let mut value = || args.next().with_context(|| format!("`{name}` needs a value"));
        match name.as_str() {
            "--quick" => (arguments.rounds, arguments.seconds) = (400, 15),
            "--seconds" => {
                let value = value()?;
                arguments.seconds = value
                    .parse()
                    .ok()
                    .filter(|seconds| (1..=3_600).contains(seconds))
                    .with_context(|| format!("`--seconds {value}`: expected a number from 1 to 3600"))?;
            }
            "--only" => {
                let value = value()?;
                (arguments.simulator, arguments.envoy) = match value.as_str() {
                    "simulator" => (true, false),
                    "envoy" => (false, true),
                    _ => bail!("`--only {value}`: expected `simulator` or `envoy`"),
                };
            }
            other => {
                bail!("unknown argument `{other}`, expected `--quick`, `--seconds N` or `--only WHAT`")
            }
        }
    }
    Ok(arguments)
}
