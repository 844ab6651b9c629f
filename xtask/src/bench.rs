//! `bench envoy`: Countersign beside Envoy's own filters.

use std::process::Command;

use anyhow::Result;

use crate::steps::Steps;
use crate::{filter, process, setup};

/// Builds what is compared and runs it; `--seconds N` and `--rounds N` go on to the benchmark.
pub(crate) fn envoy(args: &[String]) -> Result<()> {
    let mut steps = Steps::new(5);
    steps.step("Envoy", setup::envoy)?;
    steps.step("load generator", setup::wrk)?;
    steps.step("building countersign.wasm", filter::build_step)?;
    steps.step("building the benchmark", || {
        process::logged("build-bench", cargo("build").args(["--bin", "bench-envoy"])).map(|()| String::new())
    })?;
    steps.step("measuring", || {
        process::shown_through(cargo("run").args(["--quiet", "--bin", "bench-envoy", "--"]).args(args))?;
        Ok(String::new())
    })
}

/// Without `--package`, so that dependencies are shared with all other builds.
fn cargo(verb: &str) -> Command {
    let mut command = process::cargo();
    command.args([verb, "--release"]);
    command
}
