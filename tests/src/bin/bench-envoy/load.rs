//! One burst of load on one Envoy, and what it cost that Envoy.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use countersign_tests::envoy::Envoy;
use serde::Serialize;

/// The core that Envoy runs on, and the one that makes the load.
pub(crate) const ENVOY_CORE: &str = "0";
const LOAD_CORE: &str = "1";

/// A script for wrk: each request takes the next of the tokens in the file that `TOKENS` names, and the end
/// is told in numbers.
const SCRIPT: &str = r#"
local requests = {}
local at = tonumber(os.getenv("FIRST"))
function init(args)
  for token in io.lines(os.getenv("TOKENS")) do
    local headers = { ["authorization"] = "Bearer " .. token, ["Host"] = "api.bank.example" }
    requests[#requests + 1] = wrk.format(os.getenv("METHOD"), os.getenv("TARGET"), headers)
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("figures %d %d %d %d %d\n", summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(99)))
end
"#;

/// What one burst showed.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Burst {
    /// Requests answered.
    pub(crate) requests: u64,
    /// Requests answered per second.
    pub(crate) rate: f64,
    /// Envoy's own processor time a request, all threads, in microseconds.
    pub(crate) cpu_us: f64,
    /// The 99th percentile of the time to the answer under this load, in microseconds.
    pub(crate) p99_us: u64,
}

/// A request, and the tokens that it carries in turn.
pub(crate) struct Load<'a> {
    /// The method.
    pub(crate) method: &'a str,
    /// The request target.
    pub(crate) target: &'a str,
    /// A file of tokens, one a line.
    pub(crate) tokens: &'a Path,
    /// How many tokens to pass over: those that were sent before.
    pub(crate) first: u64,
    /// How long it lasts.
    pub(crate) seconds: u32,
}

impl Load<'_> {
    /// Sends it. Every answer must be a 200: a filter that refuses is not measured.
    pub(crate) fn send(&self, envoy: &Envoy, listener: SocketAddr) -> Result<Burst> {
        let script = countersign_tests::root().join("target/bench/load.lua");
        fs::write(&script, SCRIPT)?;
        let mut wrk = Command::new("taskset");
        wrk.args(["--cpu-list", LOAD_CORE, "wrk", "--threads", "1", "--connections", "16"]);
        wrk.arg("--duration").arg(format!("{}s", self.seconds)).arg("--script").arg(&script);
        wrk.arg(format!("http://{listener}/"));
        wrk.env("TOKENS", self.tokens).env("METHOD", self.method).env("TARGET", self.target);
        wrk.env("FIRST", self.first.to_string());
        let before = cpu_nanos(envoy.pid())?;
        let output = wrk.output().context("starting `taskset` and `wrk`")?;
        let cpu = cpu_nanos(envoy.pid())? - before;
        let said = String::from_utf8_lossy(&output.stdout);
        let line = said.lines().find_map(|line| line.strip_prefix("figures "));
        let line =
            line.with_context(|| format!("`wrk` said: {said}{}", String::from_utf8_lossy(&output.stderr)))?;
        let figures: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [requests, duration, refused, broken, p99_us] = figures[..] else {
            anyhow::bail!("unexpected figures `{line}`")
        };
        ensure!(
            requests > 0 && refused == 0 && broken == 0,
            "of {requests} answers {refused} were no 200, {broken} failed"
        );
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let (count, cpu, micros) = (requests as f64, cpu as f64, duration as f64);
        Ok(Burst { requests, rate: count / micros * 1e6, cpu_us: cpu / count / 1e3, p99_us })
    }
}

/// The processor time that all threads of a process have had, in nanoseconds.
fn cpu_nanos(pid: u32) -> Result<u64> {
    let mut total = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let stat = fs::read_to_string(thread?.path().join("schedstat"))?;
        let first = stat.split(' ').next().context("an empty `schedstat`")?;
        total += first.parse::<u64>()?;
    }
    Ok(total)
}
