//! The figures, as a table for people and as JSON for programs, and beside an earlier run's.

use std::fmt::Display;
use std::io::Write;
use std::path::Path;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::measure::Series;
use crate::console::{BAD, DIM, GOOD, HEADING};
use crate::failure::Failure;

/// The percentiles that are shown, with their names.
const PERCENTILES: [(&str, f64); 4] = [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9)];

/// Everything that was measured.
pub(crate) struct Report {
    /// Line by line.
    pub(crate) series: Vec<Series>,
    /// The module's size in bytes.
    pub(crate) module_bytes: usize,
    /// The VM's memory in bytes after start, and the most that any had later.
    pub(crate) memory: (usize, usize),
    /// The size of the configuration, image included.
    pub(crate) config_bytes: usize,
}

/// The figures of an earlier run.
pub(crate) struct Baseline(Vec<Value>);

impl Baseline {
    /// Reads what `--format json` printed.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let wrong = |error: &dyn Display| {
            Failure::at(path.display(), format!("expected an earlier run's figures: {error}"))
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
        let report: Value = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
        let series = report["series"].as_array().ok_or_else(|| wrong(&"no list `series`"));
        series
            .map(|series| Self(series.clone()))
            .map_err(|failure| failure.help("`--format json` prints them"))
    }

    /// Whether it holds figures of a case.
    pub(crate) fn has(&self, case: &str) -> bool {
        self.0.iter().any(|line| line["case"] == case && line["p50"].is_u64())
    }
}

/// A median that got worse.
pub(crate) struct Regression {
    what: String,
    before: u64,
    now: u64,
}

impl Report {
    /// The table.
    pub(crate) fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let width = self.series.iter().map(|line| line.case.len()).max().unwrap_or(4).max(4);
        writeln!(
            out,
            "{HEADING}{:width$}  {:9}  {:6} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>11} {:>10}  decision{HEADING:#}",
            "case", "state", "engine", "p50", "p90", "p99", "p99.9", "max", "mean", "per second", "in guest",
        )?;
        let mut last = "";
        for line in &self.series {
            let case = if line.case == last { "" } else { line.case.as_str() };
            last = &line.case;
            write!(out, "{case:width$}  {:9}  {:6}", line.mode.as_str(), line.engine)?;
            for (_, percentile) in PERCENTILES {
                write!(out, " {:>9}", time(line.total.value_at_percentile(percentile)))?;
            }
            write!(out, " {:>9} {:>9}", time(line.total.max()), time(mean(&line.total)))?;
            write!(out, " {:>11}", rate(&line.total))?;
            match line.engine {
                "wasm" => write!(out, " {:>10}", time(line.guest.value_at_percentile(50.0)))?,
                _ => write!(out, " {:>10}", "")?,
            }
            match line.expected {
                None => writeln!(out, "  {GOOD}allow{GOOD:#}")?,
                Some(reason) => writeln!(out, "  {DIM}{reason}{DIM:#}")?,
            }
        }
        writeln!(out)?;
        writeln!(
            out,
            "module {} KB, configuration {} KB, memory of a VM {:.2} MiB after start and at most {:.2} MiB later",
            self.module_bytes.div_ceil(1000),
            self.config_bytes.div_ceil(1000),
            mebibytes(self.memory.0),
            mebibytes(self.memory.1),
        )?;
        writeln!(
            out,
            "{DIM}every decision was checked; times are of this machine: compare within a run{DIM:#}"
        )
    }

    /// The same as JSON; times in nanoseconds.
    pub(crate) fn json(&self) -> Value {
        let series: Vec<Value> = self.series.iter().map(entry).collect();
        json!({
            "module_bytes": self.module_bytes,
            "config_bytes": self.config_bytes,
            "memory_bytes": { "after_start": self.memory.0, "largest": self.memory.1 },
            "series": series,
        })
    }

    /// The median of a line, in nanoseconds.
    pub(crate) fn median(&self, case: &str, mode: super::measure::Mode, engine: &str) -> Option<u64> {
        let found =
            self.series.iter().find(|line| line.case == case && line.mode == mode && line.engine == engine);
        found.map(|line| line.total.value_at_percentile(50.0))
    }

    /// The medians that are worse than an earlier report's by more than a share.
    pub(crate) fn against(&self, baseline: &Baseline, share: f64) -> Vec<Regression> {
        let mut worse = Vec::new();
        for line in &self.series {
            let now = entry(line);
            let same =
                |other: &&Value| ["case", "state", "engine"].iter().all(|name| other[name] == now[name]);
            let (Some(before), Some(now)) =
                (baseline.0.iter().find(same).and_then(|line| line["p50"].as_u64()), now["p50"].as_u64())
            else {
                continue;
            };
            if as_float(now) > as_float(before) * (1.0 + share) {
                let what = format!("{}, {}, {}", line.case, line.mode.as_str(), line.engine);
                worse.push(Regression { what, before, now });
            }
        }
        worse
    }
}

impl Regression {
    /// Says what got worse.
    pub(crate) fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let percent = (as_float(self.now) / as_float(self.before) - 1.0) * 100.0;
        let (what, before, now) = (&self.what, time(self.before), time(self.now));
        writeln!(out, "{BAD}slower{BAD:#} {what}: median {before} before, {now} now ({percent:+.0}%)")
    }
}

fn entry(line: &Series) -> Value {
    let mut entry = json!({
        "case": line.case,
        "state": line.mode,
        "engine": line.engine,
        "decision": if line.expected.is_none() { "allow" } else { "deny" },
        "reason": line.expected,
        "decisions": line.total.len(),
        "max": line.total.max(),
        "mean": mean(&line.total),
        "guest_p50": line.guest.value_at_percentile(50.0),
    });
    for (name, percentile) in PERCENTILES {
        entry[name] = json!(line.total.value_at_percentile(percentile));
    }
    entry
}

/// A share such as `20%` or `0.2`.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = match text.strip_suffix('%') {
        Some(percent) => (percent, 100.0),
        None => (text, 1.0),
    };
    match number.trim().parse::<f64>() {
        Ok(number) if number >= 0.0 && number.is_finite() => Ok(number / scale),
        _ => Err("expected a share such as `20%`".to_owned()),
    }
}

/// A time such as `25us`, in nanoseconds.
pub(crate) fn nanoseconds(text: &str) -> Result<u64, String> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let factor = match unit {
        "ns" => 1,
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        _ => return Err("expected a time such as `25us`".to_owned()),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| "expected a time such as `25us`".to_owned())
}

/// Nanoseconds in three significant digits.
pub(crate) fn time(nanos: u64) -> String {
    let nanos = as_float(nanos);
    let (number, unit) = match nanos {
        _ if nanos < 1e3 => (nanos, "ns"),
        _ if nanos < 1e6 => (nanos / 1e3, "µs"),
        _ if nanos < 1e9 => (nanos / 1e6, "ms"),
        _ => (nanos / 1e9, "s"),
    };
    let decimals = if number < 10.0 { 2 } else { usize::from(number < 100.0) };
    format!("{number:.decimals$} {unit}")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a mean of recorded values lies among them"
)]
fn mean(histogram: &Histogram<u64>) -> u64 {
    histogram.mean() as u64
}

fn rate(histogram: &Histogram<u64>) -> String {
    let mean = histogram.mean();
    if mean > 0.0 { format!("{:.0}", 1e9 / mean) } else { "-".to_owned() }
}

#[expect(clippy::cast_precision_loss, reason = "for display, and far below 2^52")]
fn as_float(number: u64) -> f64 {
    number as f64
}

fn mebibytes(bytes: usize) -> f64 {
    as_float(bytes as u64) / 1_048_576.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_shares_and_times() {
        assert!((share("20%").unwrap() - 0.2).abs() < 1e-9);
        assert!((share("0.5").unwrap() - 0.5).abs() < 1e-9);
        assert!(share("-1").is_err() && share("much").is_err());
        assert_eq!(nanoseconds("25us").unwrap(), 25_000);
        assert_eq!(nanoseconds("3ms").unwrap(), 3_000_000);
        assert!(nanoseconds("25").is_err() && nanoseconds("us").is_err());
    }

    #[test]
    fn shows_three_digits() {
        assert_eq!(
            [time(999), time(1_234), time(45_678), time(456_789), time(1_500_000)],
            ["999 ns", "1.23 µs", "45.7 µs", "457 µs", "1.50 ms"]
        );
    }
}
