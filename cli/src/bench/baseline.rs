//! What a run is held against: figures of an earlier run, or another module measured in the same rounds.

use std::fmt::Display;
use std::io::Write;
use std::path::Path;

use countersign_host_sim::Inspection;
use serde_json::{Value, json};

use super::costs::{Cost, FILTER, NOTHING};
use super::measure::Series;
use super::report::Report;
use super::stats::{Factor, Verdict};
use super::units::time;
use crate::console::{BAD, DIM, GOOD, HEADING, count};
use crate::engine::Module;
use crate::failure::Failure;

/// The engine's name of a module that is measured beside the other.
pub(crate) const OTHER: &str = "baseline";

/// By how much the machine may have changed between runs before it is remarked.
const DRIFT: f64 = 0.15;

/// What to compare with.
pub(crate) enum Baseline {
    /// What `--format json` printed.
    Figures(Value),
    /// A module.
    Module(Box<Module>),
}

/// Two runs beside each other.
pub(crate) struct Comparison {
    /// What is compared with.
    pub(crate) with: String,
    /// The share that is tolerated.
    pub(crate) tolerated: f64,
    /// Line by line.
    pub(crate) rows: Vec<Row>,
    /// By what factor the empty filter's request differs between runs, which is the machine's doing.
    pub(crate) machine: Option<Factor>,
}

/// One figure of two runs.
pub(crate) struct Row {
    /// Of what.
    pub(crate) what: String,
    /// The medians, in nanoseconds.
    pub(crate) before: u64,
    pub(crate) now: u64,
    /// By what factor they differ.
    pub(crate) factor: Factor,
    /// What that comes to.
    pub(crate) verdict: Verdict,
}

impl Baseline {
    /// Reads a module, or what `--format json` printed.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let wrong = |error: &dyn Display| {
            Failure::at(path.display(), format!("expected an earlier run's figures or a module: {error}"))
        };
        let bytes = std::fs::read(path).map_err(|error| wrong(&error))?;
        if Inspection::looks_like_wasm(&bytes) {
            return Module::compile(&bytes, path.display().to_string())
                .map(|module| Self::Module(Box::new(module)));
        }
        if !bytes.trim_ascii_start().starts_with(b"{") {
            let found = Inspection::found_instead(&bytes).unwrap_or_else(|| String::from("something else"));
            let message = format!("expected an earlier run's figures or a module, found {found}");
            return Err(Failure::at(path.display(), message).help("`--format json` prints figures"));
        }
        let report: Value = serde_json::from_slice(&bytes).map_err(|error| wrong(&error))?;
        if report["series"].is_array() {
            Ok(Self::Figures(report))
        } else {
            Err(wrong(&"no list `series`").help("`--format json` prints them"))
        }
    }

    /// Whether it has something to compare with a case.
    pub(crate) fn has(&self, case: &str) -> bool {
        match self {
            Self::Module(_) => true,
            Self::Figures(report) => {
                lines(report, "series").any(|line| line["case"] == case && line["p50"].is_u64())
            }
        }
    }

    /// Compares a run with it.
    pub(crate) fn compare(&self, with: &Path, report: &Report, tolerated: f64) -> Comparison {
        let (rows, machine) = match self {
            Self::Figures(earlier) => (against_figures(report, earlier, tolerated), drift(report, earlier)),
            Self::Module(_) => (against_other(report, tolerated), None),
        };
        Comparison { with: with.display().to_string(), tolerated, rows, machine }
    }
}

fn lines<'v>(report: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    report[name].as_array().into_iter().flatten()
}

/// The medians of an earlier line's rounds; of one without rounds, its median.
fn rounds(line: &Value) -> Vec<u64> {
    let rounds: Vec<u64> =
        line["rounds"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    if rounds.is_empty() { line["p50"].as_u64().into_iter().collect() } else { rounds }
}

fn row(what: String, now: (u64, &[u64]), before: (u64, &[u64]), tolerated: f64) -> Option<Row> {
    let factor = Factor::between(now.1, before.1)?;
    Some(Row { what, before: before.0, now: now.0, factor, verdict: factor.verdict(tolerated) })
}

fn name(line: &Series) -> String {
    format!("{}, {}, {}", line.case, line.mode.as_str(), line.engine)
}

fn against_figures(report: &Report, earlier: &Value, tolerated: f64) -> Vec<Row> {
    let mut rows = Vec::new();
    for line in report.costs.iter().filter(|line| line.filter == FILTER && line.cost != Cost::Request) {
        let same = |other: &&Value| other["cost"] == json!(line.cost) && other["filter"] == FILTER;
        if let Some(other) = lines(earlier, "costs").find(same) {
            let now = (line.times.value_at_percentile(50.0), &*line.rounds);
            let earlier = rounds(other);
            let before = (other["p50"].as_u64().unwrap_or(0), &*earlier);
            rows.extend(row(line.cost.as_str().to_owned(), now, before, tolerated));
        }
    }
    for line in &report.series {
        let same = |other: &&Value| {
            other["case"] == line.case.as_str()
                && other["state"] == json!(line.mode)
                && other["engine"] == line.engine
        };
        if let Some(other) = lines(earlier, "series").find(same) {
            let now = (line.total.value_at_percentile(50.0), &*line.rounds);
            let earlier = rounds(other);
            let before = (other["p50"].as_u64().unwrap_or(0), &*earlier);
            rows.extend(row(name(line), now, before, tolerated));
        }
    }
    rows
}

fn against_other(report: &Report, tolerated: f64) -> Vec<Row> {
    let mut rows = Vec::new();
    for line in report.costs.iter().filter(|line| line.filter == FILTER && line.cost != Cost::Request) {
        if let Some(other) =
            report.costs.iter().find(|other| other.filter == OTHER && other.cost == line.cost)
        {
            let now = (line.times.value_at_percentile(50.0), &*line.rounds);
            let before = (other.times.value_at_percentile(50.0), &*other.rounds);
            rows.extend(row(line.cost.as_str().to_owned(), now, before, tolerated));
        }
    }
    for line in report.series.iter().filter(|line| line.engine == "wasm") {
        if let Some(other) = report.line(&line.case, line.mode, OTHER) {
            let now = (line.total.value_at_percentile(50.0), &*line.rounds);
            let before = (other.total.value_at_percentile(50.0), &*other.rounds);
            rows.extend(row(name(line), now, before, tolerated));
        }
    }
    rows
}

/// How the empty filter's request differs, which no module had a part in.
fn drift(report: &Report, earlier: &Value) -> Option<Factor> {
    let now = report.costs.iter().find(|line| line.filter == NOTHING && line.cost == Cost::Request)?;
    let before = lines(earlier, "costs")
        .find(|line| line["filter"] == NOTHING && line["cost"] == json!(Cost::Request))?;
    Factor::between(&now.rounds, &rounds(before))
}

impl Comparison {
    /// The worst verdict there is: worse before better before same.
    pub(crate) fn verdict(&self) -> Verdict {
        let has = |verdict| self.rows.iter().any(|row| row.verdict == verdict);
        match (has(Verdict::Worse), has(Verdict::Better)) {
            (true, _) => Verdict::Worse,
            (false, true) => Verdict::Better,
            (false, false) => Verdict::Same,
        }
    }

    /// What the machine's own change is worth a remark for.
    pub(crate) fn remark(&self) -> Option<String> {
        let Factor { estimate, interval } = self.machine?;
        let differs = interval.0 > 1.0 + DRIFT || interval.1 < 1.0 / (1.0 + DRIFT);
        differs.then(|| {
            format!(
                "the empty filter's request takes {estimate:.2} times what it took then: the machine has changed, or is busier; \
                 `--baseline MODULE` measures both in one run"
            )
        })
    }

    /// Says what changed.
    pub(crate) fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let changed: Vec<&Row> = self.rows.iter().filter(|row| row.verdict != Verdict::Same).collect();
        writeln!(out, "\n{HEADING}beside {}{HEADING:#}", self.with)?;
        for row in &changed {
            row.print(out)?;
        }
        let same = self.rows.len() - changed.len();
        writeln!(
            out,
            "{} the same within noise and the {:.0}% that are tolerated",
            count(same, "figure is", "figures are"),
            self.tolerated * 100.0
        )?;
        match self.remark() {
            Some(remark) => writeln!(out, "{DIM}{remark}{DIM:#}"),
            None => Ok(()),
        }
    }

    /// Says what got worse, on few lines. Whether anything did.
    pub(crate) fn complain(&self, errors: &mut dyn Write) -> std::io::Result<bool> {
        const SHOWN: usize = 10;
        let worse: Vec<&Row> = self.rows.iter().filter(|row| row.verdict == Verdict::Worse).collect();
        for row in worse.iter().take(SHOWN) {
            row.print(errors)?;
        }
        if worse.len() > SHOWN {
            writeln!(
                errors,
                "{BAD}slower{BAD:#} {} besides",
                count(worse.len() - SHOWN, "figure", "figures")
            )?;
        }
        Ok(!worse.is_empty())
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "what": row.what, "before": row.before, "now": row.now, "factor": row.factor.estimate,
                    "least": row.factor.interval.0, "most": row.factor.interval.1, "verdict": row.verdict,
                })
            })
            .collect();
        json!({
            "with": self.with, "tolerated": self.tolerated, "verdict": self.verdict(), "rows": rows,
            "machine": self.machine.map(|factor| factor.estimate),
        })
    }
}

impl Row {
    /// Says how it differs.
    fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let (word, style) = match self.verdict {
            Verdict::Worse => ("slower", BAD),
            Verdict::Better => ("faster", GOOD),
            Verdict::Same => ("same", DIM),
        };
        let percent = |factor: f64| (factor - 1.0) * 100.0;
        let (what, before, now) = (&self.what, time(self.before), time(self.now));
        let (least, most) = self.factor.interval;
        writeln!(
            out,
            "{style}{word}{style:#} {what}: median {before} before, {now} now ({:+.0}%, between {:+.0}% and {:+.0}%)",
            percent(self.factor.estimate),
            percent(least),
            percent(most)
        )
    }
}
