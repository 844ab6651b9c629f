//! What the guest executes: stacks taken while it answers warm requests, written down in a form that viewers open, and the functions
//! in which most of the time goes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use countersign_host_sim::{Engine as SimEngine, HostBuilder, Samples};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::budget::Budget;
use super::case::Prepared;
use super::engine::{Decisions, Engine, Wasm};
use super::units::as_float;
use crate::console::{DIM, HEADING};
use crate::engine::Module;
use crate::failure::Failure;

/// How often it is looked.
const INTERVAL: Duration = Duration::from_micros(500);
/// Functions that are shown.
const SHOWN: usize = 12;
/// Requests between looks at the clock.
const BURST: usize = 64;
/// The stem of a name that the engine gives to a function without one.
const NAMELESS: &str = "wasm-function[";

/// In which functions the time goes.
pub(crate) struct Hot {
    /// Intervals that the guest ran for.
    pub(crate) samples: u64,
    /// Functions with their share, the greatest own share first.
    pub(crate) functions: Vec<HotFunction>,
    /// Whether the module names its functions.
    pub(crate) named: bool,
    /// The stacks, folded together.
    pub(crate) tree: Node,
}

/// A function's share of the time.
pub(crate) struct HotFunction {
    /// Its name.
    pub(crate) name: String,
    /// Whether it is the host's.
    pub(crate) is_host: bool,
    /// Intervals in its own code, and in what it called too.
    pub(crate) own: u64,
    pub(crate) whole: u64,
}

/// A function on a stack, with what it called.
#[derive(Default)]
pub(crate) struct Node {
    /// Intervals in it and in what it called.
    pub(crate) weight: u64,
    /// Whether it is the host's.
    pub(crate) is_host: bool,
    /// What it called, by name.
    pub(crate) called: BTreeMap<String, Node>,
}

/// Takes stacks for some time while the requests are sent in turn.
pub(crate) fn run(
    module: &Module,
    host: &HostBuilder,
    requests: &[Prepared],
    lasting: Duration,
    progress: &ProgressBar,
    budget: Budget,
) -> Result<Samples, Failure> {
    let wrong = |error| Failure::usage(format!("the module, for a profile: {error}"));
    let engine = SimEngine::builder().sampling(Some(INTERVAL)).build().map_err(wrong)?;
    let sampled = engine.load_module(module.bytes()).map_err(wrong)?;
    let mut wasm = Wasm::start("wasm", host.clone().module(&sampled), Decisions::Dispositions, budget)?;
    wasm.host().time_callbacks(false);
    let mut next = requests.iter().cycle();
    let mut burst = |wasm: &mut Wasm| {
        for request in next.by_ref().take(BURST.max(requests.len())) {
            wasm.load(request);
            wasm.run()?;
        }
        Ok::<_, Failure>(())
    };
    burst(&mut wasm)?;
    // What was seen of the start is no part of it.
    engine.take_samples();
    let began = Instant::now();
    while began.elapsed() < lasting {
        burst(&mut wasm)?;
        progress.set_position(u64::try_from(began.elapsed().min(lasting).as_millis()).unwrap_or(0));
    }
    let mut samples = engine.take_samples().ok_or_else(|| Failure::finding("the engine took no samples"))?;
    for function in &mut samples.functions {
        function.name = format!("{:#}", rustc_demangle::demangle(&function.name));
    }
    if samples.stacks.is_empty() {
        return Err(Failure::finding("expected the guest to be seen running, it never was")
            .help("the requests take it too little time, or `--lasting` is too short"));
    }
    Ok(samples)
}

/// Writes a profile: for a file `….folded` one line for each stack, as flame graph tools read it, else the JSON of V8's CPU profiles
/// (`….cpuprofile`).
pub(crate) fn write(path: &Path, samples: &Samples) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::at(path.display(), format!("expected a file that can be written: {error}"))
    };
    let mut out = BufWriter::new(std::fs::File::create(path).map_err(|error| failed(&error))?);
    let written = if path.extension().is_some_and(|extension| extension == "folded") {
        out.write_all(folded(samples).as_bytes())
    } else {
        serde_json::to_writer(&mut out, &cpuprofile(samples)).map_err(std::io::Error::from)
    };
    written.and_then(|()| out.flush()).map_err(|error| failed(&error))
}

/// The form of V8's own CPU profiles: a tree of calls, and for each sample the place in it and the microseconds since the last one.
fn cpuprofile(samples: &Samples) -> Value {
    let mut nodes = vec![json!({ "id": 1, "callFrame": frame("(root)", false), "children": [] })];
    let mut children: Vec<BTreeMap<usize, usize>> = vec![BTreeMap::new()];
    let mut hits = vec![0_u64];
    let (mut ids, mut deltas) = (Vec::new(), Vec::new());
    let interval = u64::try_from(samples.interval.as_micros()).unwrap_or(u64::MAX);
    for stack in &samples.stacks {
        let mut at = 0;
        for place in &stack.frames {
            let Some(function) = samples.functions.get(*place) else { continue };
            at = match children[at].get(place) {
                Some(child) => *child,
                None => {
                    let child = nodes.len();
                    nodes.push(json!({
                        "id": child + 1, "callFrame": frame(&function.name, function.is_host), "children": [],
                    }));
                    children.push(BTreeMap::new());
                    hits.push(0);
                    children[at].insert(*place, child);
                    child
                }
            };
        }
        hits[at] += stack.weight;
        // Time between callbacks is no part of it.
        ids.push(at + 1);
        deltas.push(stack.weight.saturating_mul(interval));
    }
    for ((node, called), hits) in nodes.iter_mut().zip(&children).zip(hits) {
        node["hitCount"] = hits.into();
        node["children"] = called.values().map(|child| child + 1).collect();
    }
    let end: u64 = deltas.iter().sum();
    json!({ "nodes": nodes, "startTime": 0, "endTime": end, "samples": ids, "timeDeltas": deltas })
}

fn frame(name: &str, is_host: bool) -> Value {
    let url = if is_host { "host" } else { "" };
    json!({ "functionName": name, "scriptId": "0", "url": url, "lineNumber": -1, "columnNumber": -1 })
}

fn folded(samples: &Samples) -> String {
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    for stack in &samples.stacks {
        let names = stack.frames.iter().filter_map(|frame| samples.functions.get(*frame));
        let names: Vec<String> = names.map(|function| function.name.replace([';', '\n'], ":")).collect();
        *lines.entry(names.join(";")).or_default() += stack.weight;
    }
    lines.into_iter().map(|(stack, weight)| format!("{stack} {weight}\n")).collect()
}

impl Hot {
    /// Adds up what was seen.
    pub(crate) fn of(samples: &Samples) -> Self {
        let mut shares = vec![(0, 0); samples.functions.len()];
        let mut tree = Node::default();
        for stack in &samples.stacks {
            if let Some((own, _)) = stack.frames.last().and_then(|frame| shares.get_mut(*frame)) {
                *own += stack.weight;
            }
            // A function that called itself counts once.
            for frame in stack.frames.iter().collect::<BTreeSet<_>>() {
                if let Some((_, whole)) = shares.get_mut(*frame) {
                    *whole += stack.weight;
                }
            }
            tree.add(stack.frames.iter().filter_map(|frame| samples.functions.get(*frame)), stack.weight);
        }
        let named = samples.functions.iter().any(|function| {
            !function.is_host && !function.name.starts_with(NAMELESS) && !is_export(&function.name)
        });
        let mut functions: Vec<HotFunction> = samples
            .functions
            .iter()
            .zip(shares)
            .map(|(function, (own, whole))| HotFunction {
                name: function.name.clone(),
                is_host: function.is_host,
                own,
                whole,
            })
            .collect();
        functions.sort_by(|a, b| b.own.cmp(&a.own).then_with(|| a.name.cmp(&b.name)));
        Self { samples: tree.weight, functions, named, tree }
    }

    /// Prints the functions in which most of the time goes.
    pub(crate) fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let share = |weight: u64| as_float(weight) / as_float(self.samples.max(1)) * 100.0;
        writeln!(
            out,
            "\n{HEADING}{:>6} {:>6}  function, of {} samples{HEADING:#}",
            "own",
            "whole",
            super::units::grouped(self.samples)
        )?;
        for function in self.functions.iter().take(SHOWN) {
            let whose = if function.is_host { " (host)" } else { "" };
            let (own, whole) = (share(function.own), share(function.whole));
            writeln!(out, "{own:>5.1}% {whole:>5.1}%  {}{whose}", function.name)?;
        }
        if !self.named {
            writeln!(out, "{DIM}{NAMES_MISSING}{DIM:#}")?;
        }
        Ok(())
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let functions: Vec<Value> = self
            .functions
            .iter()
            .map(|function| {
                json!({ "name": function.name, "host": function.is_host, "own": function.own, "whole": function.whole })
            })
            .collect();
        json!({ "samples": self.samples, "functions": functions })
    }
}

/// What to do about functions without names.
pub(crate) const NAMES_MISSING: &str = "the module has no names of functions: build it without stripping (the filter: \
                                        `cargo xtask build-filter --names`)";

/// Exports have names in any module.
fn is_export(name: &str) -> bool {
    name.starts_with("proxy_on_") || matches!(name, "malloc" | "_initialize" | "_start")
}

impl Node {
    fn add<'f>(
        &mut self,
        mut frames: impl Iterator<Item = &'f countersign_host_sim::SampledFunction>,
        weight: u64,
    ) {
        self.weight += weight;
        if let Some(function) = frames.next() {
            let node = self.called.entry(function.name.clone()).or_default();
            node.is_host = function.is_host;
            node.add(frames, weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_host_sim::{SampledFunction, Stack};

    fn samples() -> Samples {
        let function = |name: &str, is_host| SampledFunction { name: name.to_owned(), is_host };
        let stack = |weight, frames: &[usize]| Stack { at: Duration::ZERO, weight, frames: frames.to_vec() };
        Samples {
            interval: INTERVAL,
            functions: vec![function("outer;", false), function("inner", false), function("proxy_log", true)],
            stacks: vec![stack(3, &[0, 1, 1]), stack(1, &[0]), stack(2, &[0, 2])],
            dropped: 0,
        }
    }

    #[test]
    fn shares_add_up_and_recursion_counts_once() {
        let hot = Hot::of(&samples());
        let shares: Vec<_> = hot.functions.iter().map(|f| (f.name.as_str(), f.own, f.whole)).collect();
        assert_eq!(shares, [("inner", 3, 3), ("proxy_log", 2, 2), ("outer;", 1, 6)]);
        assert_eq!((hot.samples, hot.named), (6, true));
        assert_eq!(hot.tree.called["outer;"].called["inner"].called["inner"].weight, 3);
    }

    #[test]
    fn both_forms_hold_every_stack() {
        assert_eq!(folded(&samples()), "outer: 1\nouter:;inner;inner 3\nouter:;proxy_log 2\n");
        let profile = cpuprofile(&samples());
        assert_eq!(profile["timeDeltas"], json!([1500, 500, 1000]));
        let node = |id: &Value| &profile["nodes"][id.as_u64().unwrap() as usize - 1];
        let names: Vec<_> = profile["samples"].as_array().unwrap().iter().map(node).collect();
        assert_eq!(names[0]["callFrame"]["functionName"], "inner");
        assert_eq!(names[0]["hitCount"], 3);
        assert_eq!(names[2]["callFrame"]["url"], "host");
        // Every node but the root is called by one other.
        let called: usize = profile["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n["children"].as_array().unwrap().len())
            .sum();
        assert_eq!(called, profile["nodes"].as_array().unwrap().len() - 1);
    }
}
