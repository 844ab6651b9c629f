//! Everything that a run found, and its form for programs.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::baseline::Comparison;
use super::case::Expected;
use super::costs::CostTimes;
use super::counts::Counts;
use super::measure::{Mode, Series};
use super::open_loop::OpenLoop;
use super::profile::Hot;
use super::units::{PERCENTILES, as_float, mean};
use super::v8::CrossCheck;
use crate::engine::Module;

/// What a warm request through the simulator is to take at most, in times the guest's own time.
pub(crate) const MOST_OVERHEAD: f64 = 1.5;

/// Everything that was measured.
pub(crate) struct Report {
    /// The module's file.
    pub(crate) module: String,
    /// Its size in bytes.
    pub(crate) module_bytes: usize,
    /// The size of the configuration, image included.
    pub(crate) config_bytes: usize,
    /// The VM's memory in bytes after start, and the most that any had later.
    pub(crate) memory: (usize, usize),
    /// The four costs.
    pub(crate) costs: Vec<CostTimes>,
    /// The closed loop, line by line.
    pub(crate) series: Vec<Series>,
    /// The open loop, rate by rate.
    pub(crate) open_loop: Vec<OpenLoop>,
    /// Fuel and host calls.
    pub(crate) counts: Vec<Counts>,
    /// The same on V8.
    pub(crate) v8: Option<CrossCheck>,
    /// What the guest was seen to execute.
    pub(crate) hot: Option<Hot>,
    /// Beside an earlier run or another module.
    pub(crate) comparison: Option<Comparison>,
}

/// Where a warm request's time goes, by medians, in nanoseconds.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(crate) struct Split {
    /// The guest's own code.
    pub(crate) guest: u64,
    /// Host calls.
    pub(crate) host_calls: u64,
    /// What the simulator does besides.
    pub(crate) simulator: u64,
    /// The whole in times the guest's own time.
    pub(crate) overhead: f64,
}

impl Split {
    /// Of a series whose parts were timed.
    pub(crate) fn of(series: &Series) -> Option<Self> {
        let parts = series.parts.as_ref()?;
        let median = |times: &Histogram<u64>| times.value_at_percentile(50.0);
        let (whole, guest) = (median(&parts.whole), median(&parts.guest));
        let host_calls = median(&parts.host_calls).min(whole.saturating_sub(guest));
        let simulator = whole.saturating_sub(guest + host_calls);
        Some(Self { guest, host_calls, simulator, overhead: as_float(whole) / as_float(guest) })
    }
}

impl Report {
    /// Of a module, before anything was measured.
    pub(crate) fn of(module: &Module, config_bytes: usize) -> Self {
        Self {
            module: module.name().to_owned(),
            module_bytes: module.bytes().len(),
            config_bytes,
            memory: (0, 0),
            costs: Vec::new(),
            series: Vec::new(),
            open_loop: Vec::new(),
            counts: Vec::new(),
            v8: None,
            hot: None,
            comparison: None,
        }
    }

    /// A line of the closed loop.
    pub(crate) fn line(&self, case: &str, mode: Mode, engine: &str) -> Option<&Series> {
        self.series.iter().find(|line| line.case == case && line.mode == mode && line.engine == engine)
    }

    /// The median of a line, in nanoseconds.
    pub(crate) fn median(&self, case: &str, mode: Mode, engine: &str) -> Option<u64> {
        self.line(case, mode, engine).map(|line| line.total.value_at_percentile(50.0))
    }

    /// Lines of warm requests through the module, in the order of cases.
    pub(crate) fn warm(&self) -> impl Iterator<Item = &Series> {
        self.series.iter().filter(|line| line.mode == Mode::Warm && line.engine == "wasm")
    }

    /// JSON; times in nanoseconds.
    pub(crate) fn json(&self) -> Value {
        json!({
            "countersign": env!("CARGO_PKG_VERSION"),
            "machine": machine(),
            "module": self.module,
            "module_bytes": self.module_bytes,
            "config_bytes": self.config_bytes,
            "memory_bytes": { "after_start": self.memory.0, "largest": self.memory.1 },
            "costs": self.costs.iter().map(cost).collect::<Vec<_>>(),
            "series": self.series.iter().map(series).collect::<Vec<_>>(),
            "open_loop": self.open_loop.iter().map(open_loop).collect::<Vec<_>>(),
            "counts": self.counts.iter().map(counts).collect::<Vec<_>>(),
            "v8": self.v8.as_ref().map(CrossCheck::json),
            "profile": self.hot.as_ref().map(Hot::json),
            "comparison": self.comparison.as_ref().map(Comparison::json),
        })
    }
}

/// What the figures were taken on.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = crate::console::count(cores, "core", "cores");
    format!("{} {}, {cores}", std::env::consts::OS, std::env::consts::ARCH)
}

fn times(into: &mut Map<String, Value>, times: &Histogram<u64>) {
    for (name, percentile) in PERCENTILES {
        into.insert(name.to_owned(), json!(times.value_at_percentile(percentile)));
    }
    into.insert("max".to_owned(), json!(times.max()));
    into.insert("mean".to_owned(), json!(mean(times)));
}

fn cost(line: &CostTimes) -> Value {
    let mut entry = Map::new();
    entry.insert("cost".to_owned(), json!(line.cost));
    entry.insert("filter".to_owned(), json!(line.filter));
    entry.insert("count".to_owned(), json!(line.times.len()));
    times(&mut entry, &line.times);
    entry.insert("rounds".to_owned(), json!(line.rounds));
    entry.into()
}

fn series(line: &Series) -> Value {
    let mut entry = Map::new();
    entry.insert("case".to_owned(), json!(line.case));
    entry.insert("state".to_owned(), json!(line.mode));
    entry.insert("engine".to_owned(), json!(line.engine));
    let decision = line.decision();
    if let Expected::Decision(reason) = &line.expected {
        entry.insert("decision".to_owned(), json!(if reason.is_none() { "allow" } else { "deny" }));
        entry.insert("reason".to_owned(), json!(reason.map(countersign_core::reason::Reason::code)));
    } else {
        entry.insert("decision".to_owned(), json!(decision));
    }
    entry.insert("decisions".to_owned(), json!(line.total.len()));
    entry.insert("outcomes".to_owned(), json!(line.decisions));
    times(&mut entry, &line.total);
    entry.insert("rounds".to_owned(), json!(line.rounds));
    entry.insert("split".to_owned(), json!(Split::of(line)));
    entry.into()
}

fn open_loop(run: &OpenLoop) -> Value {
    let (mut latency, mut service) = (Map::new(), Map::new());
    times(&mut latency, &run.latency);
    times(&mut service, &run.service);
    json!({
        "rate": run.rate,
        "achieved": run.achieved,
        "kept_up": run.kept_up(),
        "requests": run.latency.len(),
        "latency": latency,
        "service": service,
        "latest_start": run.latest,
        "outcomes": run.dispositions,
    })
}

fn counts(counts: &Counts) -> Value {
    let (least, mean, most) = counts.fuel;
    json!({
        "case": counts.case,
        "fuel": { "min": least, "mean": mean, "max": most },
        "host_calls": counts.calls,
        "host_calls_altogether": counts.all_calls(),
    })
}
