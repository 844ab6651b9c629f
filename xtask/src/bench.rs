//! `bench` and `differential`: Countersign beside what others built.

use std::process::Command;

use anyhow::Result;

use crate::steps::Steps;
use crate::{filter, process, setup};

/// Envoy's own filters. `--seconds N` and `--rounds N` go on to the benchmark.
pub(crate) fn envoy(args: &[String]) -> Result<()> {
    let mut steps = Steps::new(5);
    steps.step("Envoy", setup::envoy)?;
    steps.step("load generator", setup::wrk)?;
    steps.step("building countersign.wasm", filter::build_step)?;
    steps.step("building the benchmark", || built("bench-envoy"))?;
    steps.step("measuring", || run("bench-envoy", args))
}

/// `countersign serve` beside Envoy with the same module. `--seconds N` and `--rounds N` go on to the benchmark.
pub(crate) fn serve(args: &[String]) -> Result<()> {
    let mut steps = Steps::new(5);
    steps.step("Envoy", setup::envoy)?;
    steps.step("load generator", setup::wrk)?;
    steps.step("building countersign.wasm", filter::build_step)?;
    steps.step("building the command and the benchmark", || {
        built("countersign")?;
        built("bench-serve")
    })?;
    steps.step("measuring", || run("bench-serve", args))
}

/// Cedar's own implementations. `--quick` goes on to the benchmark.
pub(crate) fn cedar(args: &[String]) -> Result<()> {
    let mut steps = Steps::new(4);
    steps.step("Cedar's WebAssembly build", setup::cedar_wasm)?;
    steps.step("building countersign-policy.wasm", filter::build_step)?;
    steps.step("building the benchmark", || built("bench-cedar"))?;
    steps.step("measuring", || run("bench-cedar", args))
}

/// Signatures: tables beside the crates' own verification under Node, and new tokens beside `jwt_authn` on Envoy. `--quick` makes
/// both short.
pub(crate) fn credentials(args: &[String]) -> Result<()> {
    let mut steps = Steps::new(7);
    steps.step("Envoy", setup::envoy)?;
    steps.step("load generator", setup::wrk)?;
    steps.step("building countersign.wasm", filter::build_step)?;
    steps.step("building countersign-bench.wasm", filter::bench_module_step)?;
    steps.step("building the benchmarks", || {
        built("bench-credentials")?;
        built("bench-envoy")
    })?;
    steps.step("signatures under Node", || run("bench-credentials", args))?;
    let quick = args.iter().any(|arg| arg == "--quick");
    let rounds = if quick { "1" } else { "5" };
    let envoy = ["--only", "fresh", "--rounds", rounds].map(str::to_owned);
    steps.step("new tokens on Envoy", || run("bench-envoy", &envoy))
}

/// Credentials that need a second party: once it has answered, in the simulator, and how many requests wait for it, on Envoy. `--quick`
/// makes both short; `--seconds N` and `--only WHAT` go on.
pub(crate) fn live_credentials(args: &[String]) -> Result<()> {
    let mut steps = Steps::new(4);
    steps.step("Envoy", setup::envoy)?;
    steps.step("building countersign.wasm", filter::build_step)?;
    steps.step("building the benchmark", || built("bench-live-credentials"))?;
    steps.step("measuring", || run("bench-live-credentials", args))
}

/// The official crate, on cases made up at random. `--cases N`, `--seed S`, `--first N` and `--jobs N` go on.
pub(crate) fn differential(args: &[String]) -> Result<()> {
    let mut steps = Steps::new(2);
    steps.step("building the fuzzer", || built("differential"))?;
    steps.step("our answers against the official ones", || run("differential", args))
}

/// Other libraries, on tokens made up at random. `--cases N`, `--seed S` and `--first N` go on.
pub(crate) fn differential_credentials(args: &[String]) -> Result<()> {
    let mut steps = Steps::new(3);
    steps.step("OpenID provider, whose `jose` is asked", setup::oidc)?;
    steps.step("building the fuzzer", || built("differential-credentials"))?;
    steps.step("our verdicts beside theirs", || run("differential-credentials", args))
}

fn built(binary: &str) -> Result<String> {
    process::logged(&format!("build-{binary}"), cargo("build").args(["--bin", binary]))
        .map(|()| String::new())
}

fn run(binary: &str, args: &[String]) -> Result<String> {
    process::shown_through(cargo("run").args(["--quiet", "--bin", binary, "--"]).args(args))?;
    Ok(String::new())
}

/// Without `--package`, so that dependencies are shared with all other builds.
fn cargo(verb: &str) -> Command {
    let mut command = process::cargo();
    command.args([verb, "--release"]);
    command
}
