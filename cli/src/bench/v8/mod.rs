//! The same requests on V8, the engine that Envoy runs modules by: a small host in JavaScript under Node, which must come to the same
//! decisions as the simulator, and whose times stand beside the simulator's.

mod node;
mod outcome;

use std::io::Write;
use std::time::Duration;

use countersign_host_sim::{Clock, HostBuilder, Lending};
use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::budget::Budget;
use super::case::{Case, Prepared};
use super::costs::EMPTY;
use super::engine::{Decisions, Engine, Wasm};
use super::measure::nanos;
use super::units::{PERCENTILES, as_float, histogram, percentile, time};
use crate::console::{DIM, HEADING};
use crate::engine::{Module, Script};
use crate::failure::Failure;

use node::Node;

/// What guests run in, on both sides.
pub(crate) struct World<'a> {
    /// The module.
    pub(crate) module: &'a Module,
    /// The host it is started in by the simulator.
    pub(crate) host: HostBuilder,
    /// The plugin's configuration and the VM's.
    pub(crate) config: (Vec<u8>, Vec<u8>),
    /// The properties `plugin_name`, `plugin_root_id` and `plugin_vm_id`.
    pub(crate) names: [String; 3],
    /// How clusters answer.
    pub(crate) clusters: std::collections::BTreeMap<String, Script>,
    /// What the clock shows, in nanoseconds since the Unix epoch.
    pub(crate) clock: u64,
    /// How long the whole run may take.
    pub(crate) budget: Budget,
}

/// How the two compare.
pub(crate) struct CrossCheck {
    /// Node's version and V8's.
    pub(crate) node: String,
    pub(crate) v8: String,
    /// Compiling and starting on V8, in nanoseconds. V8 compiles functions lazily, and again once they are hot.
    pub(crate) compile: u64,
    pub(crate) start: u64,
    /// Request by request.
    pub(crate) lines: Vec<Line>,
    /// A request through the filter that does nothing: what the host in JavaScript costs itself.
    pub(crate) empty: Histogram<u64>,
}

/// One request on both.
pub(crate) struct Line {
    /// The case.
    pub(crate) case: String,
    /// What both decided.
    pub(crate) decision: String,
    /// Nanoseconds in the simulator, and on V8.
    pub(crate) wasmtime: Histogram<u64>,
    pub(crate) v8: Histogram<u64>,
}

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Rounds in which every request has its turn on both.
    pub(crate) rounds: u32,
    /// Requests in a turn.
    pub(crate) requests: u32,
}

/// Requests by which V8 finds out what is hot, before any is timed.
const WARM_UP: u32 = 2000;
const FILTER: &str = "filter";
const NOTHING: &str = "empty";

/// Compares decisions, then times.
///
/// # Errors
/// Where Node is missing, the module needs what the host in JavaScript lacks, or a decision differs.
pub(crate) fn cross_check(
    world: &World<'_>,
    cases: &[Case],
    effort: Effort,
    progress: &ProgressBar,
) -> Result<CrossCheck, Failure> {
    // Signatures are the module's own affair on both sides: nothing is lent.
    let host = world.host.clone().clock(Clock::at_nanos(world.clock)).lending(Lending::Absent);
    let requests: Result<Vec<Prepared>, Failure> = cases.iter().map(|case| case.prepare(0)).collect();
    let requests = requests?;
    let mut node = Node::start()?;
    let version = node.ask(&json!({ "command": "version" }))?;
    let loaded = node.ask(&world.load(FILTER, world.module.bytes())?)?;
    node.ask(&world.load(NOTHING, EMPTY)?)?;
    let decisions = decisions(&mut node, &host, cases, &requests)?;
    let mut lines = Vec::new();
    for (case, decision) in cases.iter().zip(decisions) {
        let (wasmtime, v8) = (histogram()?, histogram()?);
        lines.push(Line { case: case.name.clone(), decision, wasmtime, v8 });
    }
    let mut wasm = Wasm::start("wasm", host, Decisions::Dispositions, world.budget)?;
    wasm.host().time_callbacks(false);
    let mut empty = histogram()?;
    if let Some(request) = requests.first() {
        node.time(NOTHING, request, WARM_UP)?;
    }
    for request in &requests {
        node.time(FILTER, request, (WARM_UP / requests.len() as u32).max(20))?;
    }
    for _ in 0..effort.rounds {
        for (line, request) in lines.iter_mut().zip(&requests) {
            progress.set_message(format!("{}, on V8", line.case));
            wasm.load(request);
            wasm.run()?;
            for _ in 0..effort.requests {
                line.wasmtime.saturating_record(nanos(wasm.run()?.total));
            }
            for time in node.time(FILTER, request, effort.requests)? {
                line.v8.saturating_record(nanos(Duration::from_nanos(time)));
            }
            progress.inc(1);
        }
        if let Some(request) = requests.first() {
            for time in node.time(NOTHING, request, effort.requests)? {
                empty.saturating_record(nanos(Duration::from_nanos(time)));
            }
        }
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    Ok(CrossCheck {
        node: text(&version["node"]),
        v8: text(&version["v8"]),
        compile: number(&loaded["compile"]),
        start: number(&loaded["start"]),
        lines,
        empty,
    })
}

/// What both decide on each request, in turn, by fresh VMs.
fn decisions(
    node: &mut Node,
    host: &HostBuilder,
    cases: &[Case],
    requests: &[Prepared],
) -> Result<Vec<String>, Failure> {
    let sent: Vec<Value> = requests.iter().map(outcome::request).collect();
    let said = node.ask(&json!({ "command": "decide", "name": FILTER, "requests": sent }))?;
    let theirs = said["outcomes"].as_array().cloned().unwrap_or_default();
    let mut started = host
        .clone()
        .start()
        .map_err(|error| Failure::usage(format!("the module does not start: {error}")))?;
    started.take_logs();
    let mut decisions = Vec::new();
    let mut differing = Vec::new();
    for ((case, request), mut theirs) in cases.iter().zip(requests).zip(theirs) {
        let mut ours = outcome::of(&mut started, request);
        outcome::sort_headers(&mut ours);
        outcome::sort_headers(&mut theirs);
        decisions.push(ours["disposition"].as_str().unwrap_or_default().to_owned());
        if let Some(difference) = outcome::difference(&ours, &theirs) {
            differing.push(format!("`{}`: {difference}", case.name));
        }
    }
    if differing.is_empty() {
        return Ok(decisions);
    }
    let count = crate::console::count(differing.len(), "request", "requests");
    Err(Failure::finding(format!("expected V8 to decide as wasmtime does, on {count} it does not"))
        .details(differing.join("\n")))
}

impl World<'_> {
    fn load(&self, name: &str, module: &[u8]) -> Result<Value, Failure> {
        use base64::Engine as _;
        let binary =
            wat::parse_bytes(module).map_err(|error| Failure::at(self.module.name(), format!("{error}")))?;
        if let Some((cluster, _)) = self.clusters.iter().find(|(_, script)| script.has_conditions()) {
            return Err(Failure::usage(format!(
                "`--v8`: expected answers without `when`, which the host in JavaScript does not know, found one of `{cluster}`"
            )));
        }
        let [plugin, root, vm] = &self.names;
        let clusters: serde_json::Map<String, Value> =
            self.clusters.iter().map(|(name, script)| (name.clone(), outcome::script(script))).collect();
        Ok(json!({
            "command": "load",
            "name": name,
            "wasm": base64::prelude::BASE64_STANDARD.encode(binary),
            "world": {
                "config": outcome::latin1(&self.config.0),
                "vm_config": outcome::latin1(&self.config.1),
                "names": { "plugin_name": plugin, "plugin_root_id": root, "plugin_vm_id": vm },
                "clusters": clusters,
                "properties": {},
                "clock": self.clock.to_string(),
                "seed": "0",
            },
        }))
    }
}

impl CrossCheck {
    /// The table.
    pub(crate) fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let width = self.lines.iter().map(|line| line.case.chars().count()).max().unwrap_or(0).max(12);
        let names: String = PERCENTILES.iter().map(|(name, _)| format!(" {name:>9}")).collect();
        writeln!(
            out,
            "\n{HEADING}{:width$}  {:9}{names} {:>9}  V8 {} of Node {}{HEADING:#}",
            "on V8", "engine", "ratio", self.v8, self.node
        )?;
        let row = |out: &mut dyn Write, name: &str, engine: &str, times: &Histogram<u64>| {
            write!(out, "{name:width$}  {engine:9}")?;
            PERCENTILES.iter().try_for_each(|(_, at)| write!(out, " {:>9}", percentile(times, *at)))
        };
        for line in &self.lines {
            row(out, &line.case, "wasmtime", &line.wasmtime)?;
            writeln!(out, " {:>9}  {DIM}{}{DIM:#}", "", line.decision)?;
            row(out, "", "V8", &line.v8)?;
            writeln!(out, " {:>9.2}", line.ratio())?;
        }
        row(out, "empty filter", "V8", &self.empty)?;
        writeln!(out)?;
        writeln!(
            out,
            "{DIM}both decided the same; V8 compiled it in {} and started it in {}; its times are those of a host in JavaScript{DIM:#}",
            time(self.compile),
            time(self.start)
        )
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let times = |times: &Histogram<u64>| -> Value {
            PERCENTILES
                .iter()
                .map(|(name, percentile)| ((*name).to_owned(), json!(times.value_at_percentile(*percentile))))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let lines: Vec<Value> = self
            .lines
            .iter()
            .map(|line| {
                json!({
                    "case": line.case, "decision": line.decision,
                    "wasmtime": times(&line.wasmtime), "v8": times(&line.v8), "ratio": line.ratio(),
                })
            })
            .collect();
        json!({
            "node": self.node, "v8": self.v8, "compile": self.compile, "start": self.start, "requests": lines,
            "empty": times(&self.empty),
        })
    }
}

impl Line {
    /// V8's median in times wasmtime's.
    pub(crate) fn ratio(&self) -> f64 {
        let median = |times: &Histogram<u64>| as_float(times.value_at_percentile(50.0));
        median(&self.v8) / median(&self.wasmtime).max(1.0)
    }
}
