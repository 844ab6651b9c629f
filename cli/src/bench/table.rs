//! The figures as tables for people.

use std::io::{Result, Write};

use hdrhistogram::Histogram;

use super::case::Expected;
use super::costs::FILTER;
use super::measure::Series;
use super::report::{MOST_OVERHEAD, Report, Split};
use super::units::{PERCENTILES, as_float, grouped, mean, mebibytes, percentile, rate, time};
use crate::console::{BAD, DIM, GOOD, HEADING};

impl Report {
    /// Prints everything.
    pub(crate) fn print(&self, out: &mut dyn Write) -> Result<()> {
        self.print_series(out)?;
        self.print_costs(out)?;
        self.print_split(out)?;
        self.print_counts(out)?;
        self.print_open_loop(out)?;
        if let Some(v8) = &self.v8 {
            v8.print(out)?;
        }
        if let Some(hot) = &self.hot {
            hot.print(out)?;
        }
        if let Some(comparison) = &self.comparison {
            comparison.print(out)?;
        }
        writeln!(
            out,
            "\nmodule {} KB, configuration {} KB, memory of a VM {:.2} MiB after start and at most {:.2} MiB later",
            self.module_bytes.div_ceil(1000),
            self.config_bytes.div_ceil(1000),
            mebibytes(self.memory.0),
            mebibytes(self.memory.1),
        )?;
        let checked = self.series.iter().all(|line| line.expected != Expected::Anything);
        let checked = if checked { "every decision was checked; " } else { "" };
        writeln!(out, "{DIM}{checked}times are of this machine: compare within a run{DIM:#}")
    }

    fn print_series(&self, out: &mut dyn Write) -> Result<()> {
        let width = width("case", self.series.iter().map(|line| line.case.as_str()));
        let engine = width_of_engines(&self.series);
        writeln!(
            out,
            "{HEADING}{:width$}  {:9}  {:engine$}{} {:>9} {:>9} {:>11}  decision{HEADING:#}",
            "case",
            "state",
            "engine",
            percentile_names(),
            "max",
            "mean",
            "per second",
        )?;
        let mut last = "";
        for line in &self.series {
            let case = if line.case == last { "" } else { line.case.as_str() };
            last = &line.case;
            write!(out, "{case:width$}  {:9}  {:engine$}", line.mode.as_str(), line.engine)?;
            percentiles(out, &line.total)?;
            write!(out, " {:>9} {:>9}", time(line.total.max()), time(mean(&line.total)))?;
            write!(out, " {:>11}", rate(&line.total).map_or_else(|| "-".to_owned(), grouped))?;
            match line.decision() {
                "allow" | "forwarded" => writeln!(out, "  {GOOD}{}{GOOD:#}", decisions(line))?,
                _ => writeln!(out, "  {DIM}{}{DIM:#}", decisions(line))?,
            }
        }
        Ok(())
    }

    fn print_costs(&self, out: &mut dyn Write) -> Result<()> {
        if self.costs.is_empty() {
            return Ok(());
        }
        let width = width("cost", self.costs.iter().map(|line| line.cost.as_str()));
        let filters = width_of(self.costs.iter().map(|line| line.filter));
        writeln!(
            out,
            "\n{HEADING}{:width$}  {:filters$}{} {:>9} {:>9}{HEADING:#}",
            "cost",
            "",
            percentile_names(),
            "max",
            "count"
        )?;
        for line in &self.costs {
            let cost = if line.filter == FILTER { line.cost.as_str() } else { "" };
            write!(out, "{cost:width$}  {:filters$}", line.filter)?;
            percentiles(out, &line.times)?;
            writeln!(out, " {:>9} {:>9}", time(line.times.max()), grouped(line.times.len()))?;
        }
        Ok(())
    }

    fn print_split(&self, out: &mut dyn Write) -> Result<()> {
        let splits: Vec<(&Series, Split)> =
            self.warm().filter_map(|line| Split::of(line).map(|split| (line, split))).collect();
        if splits.is_empty() {
            return Ok(());
        }
        let width = width("a warm request's time", splits.iter().map(|(line, _)| line.case.as_str()));
        writeln!(
            out,
            "\n{HEADING}{:width$} {:>9} {:>10} {:>9} {:>22}{HEADING:#}",
            "a warm request's time", "guest", "host calls", "simulator", "whole to guest's own"
        )?;
        for (line, split) in splits {
            let style = if split.overhead > MOST_OVERHEAD { BAD } else { GOOD };
            writeln!(
                out,
                "{:width$} {:>9} {:>10} {:>9} {style}{:>16.2} times{style:#}",
                line.case,
                time(split.guest),
                time(split.host_calls),
                time(split.simulator),
                split.overhead
            )?;
        }
        Ok(())
    }

    fn print_counts(&self, out: &mut dyn Write) -> Result<()> {
        if self.counts.is_empty() {
            return Ok(());
        }
        let width = width("a warm request uses", self.counts.iter().map(|counts| counts.case.as_str()));
        writeln!(
            out,
            "\n{HEADING}{:width$} {:>11} {:>23} {:>10}  by name{HEADING:#}",
            "a warm request uses", "fuel", "least to most", "host calls"
        )?;
        for counts in &self.counts {
            let (least, mean, most) = counts.fuel;
            let mut calls: Vec<_> = counts.calls.iter().collect();
            calls.sort_by(|a, b| b.1.total_cmp(a.1));
            let calls: Vec<String> =
                calls.into_iter().map(|(name, count)| format!("{} {}", short(name), few(*count))).collect();
            writeln!(
                out,
                "{:width$} {:>11} {:>23} {:>10}  {DIM}{}{DIM:#}",
                counts.case,
                grouped(mean),
                format!("{} to {}", grouped(least), grouped(most)),
                few(counts.all_calls()),
                calls.join(", ")
            )?;
        }
        Ok(())
    }

    fn print_open_loop(&self, out: &mut dyn Write) -> Result<()> {
        if self.open_loop.is_empty() {
            return Ok(());
        }
        writeln!(
            out,
            "\n{HEADING}{:>10} {:>10}  {:9}{} {:>9}  from when it was due{HEADING:#}",
            "per second",
            "achieved",
            "open loop",
            percentile_names(),
            "max"
        )?;
        for run in &self.open_loop {
            let style = if run.kept_up() { GOOD } else { BAD };
            write!(out, "{:>10.0} {style}{:>10.0}{style:#}  {:9}", run.rate, run.achieved, "latency")?;
            percentiles(out, &run.latency)?;
            let what: Vec<String> =
                run.dispositions.iter().map(|(what, count)| format!("{what} {}", grouped(*count))).collect();
            writeln!(out, " {:>9}  {DIM}{}{DIM:#}", time(run.latency.max()), what.join(", "))?;
            write!(out, "{:>10} {:>10}  {:9}", "", "", "service")?;
            percentiles(out, &run.service)?;
            writeln!(out, " {:>9}", time(run.service.max()))?;
            if !run.kept_up() {
                writeln!(out, "{BAD}saturated{BAD:#}: the queue grew, and latencies with it")?;
            }
        }
        Ok(())
    }
}

fn decisions(line: &Series) -> String {
    let all = line.total.len();
    match line.decisions.len() {
        0 | 1 => line.decision().to_owned(),
        _ => {
            let share = |count: u64| as_float(count) / as_float(all) * 100.0;
            let each: Vec<String> =
                line.decisions.iter().map(|(what, count)| format!("{what} {:.0}%", share(*count))).collect();
            each.join(", ")
        }
    }
}

fn percentile_names() -> String {
    PERCENTILES.iter().map(|(name, _)| format!(" {name:>9}")).collect()
}

fn percentiles(out: &mut dyn Write, times: &Histogram<u64>) -> Result<()> {
    PERCENTILES.iter().try_for_each(|(_, at)| write!(out, " {:>9}", percentile(times, *at)))
}

fn width<'s>(heading: &str, names: impl Iterator<Item = &'s str>) -> usize {
    width_of(names).max(heading.len())
}

fn width_of<'s>(names: impl Iterator<Item = &'s str>) -> usize {
    names.map(|name| name.chars().count()).max().unwrap_or(0)
}

fn width_of_engines(series: &[Series]) -> usize {
    width("engine", series.iter().map(|line| line.engine))
}

/// A host function's name without what all have in common.
pub(crate) fn short(name: &str) -> &str {
    name.strip_prefix("proxy_").unwrap_or(name)
}

/// A mean of counts: whole where it is whole.
pub(crate) fn few(count: f64) -> String {
    if (count - count.round()).abs() < 1e-9 { format!("{count:.0}") } else { format!("{count:.2}") }
}
