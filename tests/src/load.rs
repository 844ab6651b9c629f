//! One burst of load on one gateway, and what it cost that gateway.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

/// The core that gateways run on.
pub const GATEWAY_CORE: &str = "0";
/// The one that makes the load, and runs what stands behind a gateway.
pub const LOAD_CORE: &str = "1";

/// A script for wrk: each request takes the next of the tokens in the file that `TOKENS` names, an empty line being none, and the
/// end is told in numbers.
const SCRIPT: &str = r#"
local requests = {}
local at = tonumber(os.getenv("FIRST"))
function init(args)
  for token in io.lines(os.getenv("TOKENS")) do
    local headers = { ["Host"] = "api.bank.example" }
    if token ~= "" then headers["authorization"] = "Bearer " .. token end
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
pub struct Burst {
    /// Requests answered.
    pub requests: u64,
    /// Requests answered per second.
    pub rate: f64,
    /// The gateway's own processor time a request, all threads, in microseconds.
    pub cpu_us: f64,
    /// The 99th percentile of the time to the answer under this load, in microseconds.
    pub p99_us: u64,
}

/// A request, and the tokens that it carries in turn.
#[derive(Clone, Copy)]
pub struct Load<'a> {
    /// The method.
    pub method: &'a str,
    /// The request target.
    pub target: &'a str,
    /// A file of tokens, one a line.
    pub tokens: &'a Path,
    /// How many tokens to pass over: those that were sent before.
    pub first: u64,
    /// How long it lasts.
    pub seconds: u32,
    /// Whether the answers are to be refusals.
    pub refused: bool,
}

impl Load<'_> {
    /// Sends it to a gateway of this process. Every answer must be the expected one: what fails is not measured.
    pub fn send(&self, pid: u32, listener: SocketAddr) -> Result<Burst> {
        let script = crate::root().join("target/bench/load.lua");
        fs::write(&script, SCRIPT)?;
        let mut wrk = Command::new("taskset");
        wrk.args(["--cpu-list", LOAD_CORE, "wrk", "--threads", "1", "--connections", "16"]);
        wrk.arg("--duration").arg(format!("{}s", self.seconds)).arg("--script").arg(&script);
        wrk.arg(format!("http://{listener}/"));
        wrk.env("TOKENS", self.tokens).env("METHOD", self.method).env("TARGET", self.target);
        wrk.env("FIRST", self.first.to_string());
        let before = cpu_nanos(pid)?;
        let output = wrk.output().context("starting `taskset` and `wrk`")?;
        let cpu = cpu_nanos(pid)? - before;
        let said = String::from_utf8_lossy(&output.stdout);
        let line = said.lines().find_map(|line| line.strip_prefix("figures "));
        let line =
            line.with_context(|| format!("`wrk` said: {said}{}", String::from_utf8_lossy(&output.stderr)))?;
        let figures: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [requests, duration, refused, broken, p99_us] = figures[..] else {
            anyhow::bail!("unexpected figures `{line}`")
        };
        let expected = if self.refused { requests } else { 0 };
        ensure!(
            requests > 0 && refused == expected && broken == 0,
            "expected {expected} of {requests} answers to be refusals, found {refused}; {broken} failed"
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

/// The middle of some figures.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    if values.len().is_multiple_of(2) { (at(middle.wrapping_sub(1)) + at(middle)) / 2.0 } else { at(middle) }
}
