//! `countersign bench`: how fast a filter is.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::bench::baseline::Baseline;
use crate::bench::measure::{Effort, Mode};
use crate::bench::page;
use crate::bench::report::Report;
use crate::bench::run::{Settings, Subject};
use crate::bench::units::{nanoseconds, share, time};
use crate::console::{BAD, say, stderr, stdout};
use crate::credentials::{Algorithm, algorithm};
use crate::failure::{Exit, Failure};
use crate::plugin::PluginArgs;

/// The case that `--target` is about.
const TARGETED: &str = "allow";

/// What one does with it.
const EXAMPLES: &str = "\
Examples:
  countersign bench
      Countersign by the example's configuration: allow, and each kind of refusal
  countersign bench --module filter.wasm --plugin-config filter.json --requests requests.yaml
      any proxy-wasm module
  countersign bench --requests scenarios.yaml --v8
      the requests of a scenario file, on V8 as well
  countersign bench --module filter.wasm --rate 5000,20000 --lasting 10s --html report.html
      latency under load, with a page of plots
  countersign bench --module new.wasm --baseline old.wasm
      two modules in turns: which is faster, beyond noise
  countersign bench --format json > before.json
  countersign bench --baseline before.json --max-regression 10%
      against an earlier run; exits with 3 where it is slower";

/// Measure a filter: what compiling it, starting it, a stream and a request cost, with percentiles, fuel and host calls.
///
/// With `--module` alone that is any proxy-wasm module, by the requests of a file. With `--config`, or neither, it is
/// Countersign: allow, and each kind of refusal that one request can meet, through the module in the simulator and
/// natively; the first issuer's keys are replaced by one made for the run, and every decision is checked.
///
/// Exits with 1 where a decision is not the expected one, or V8 decides otherwise; with 3 where a median is above its
/// target, or worse than the baseline's beyond noise.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Bench {
    #[command(flatten)]
    plugin: PluginArgs,
    /// The requests to measure: a scenario file, of which every case of one request is measured; named requests as
    /// `docs/benchmarks.md` describes them; or with `--config` a plan of decisions.
    #[arg(long, value_name = "FILE")]
    requests: Option<PathBuf>,
    /// Measure the cases whose names contain this text alone.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// The algorithm of the key that Countersign's first issuer is given: ES256, or another that issuers may use.
    #[arg(long, default_value = "ES256", value_parser = algorithm)]
    alg: Algorithm,
    /// Rounds in which every case has its turn.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Warm requests of each case in a round; a tenth with new tokens, a hundredth cold.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    decisions: u32,
    /// Rates of an open loop, in requests a second, such as `1000,5000`: requests are due at a fixed rate, and latency
    /// counts from when they were due.
    #[arg(long, value_name = "RATES", value_delimiter = ',', value_parser = rate)]
    rate: Vec<f64>,
    /// How long each rate lasts, and the taking of a profile.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    lasting: u64,
    /// How long the whole run may take; one that takes longer ends without figures.
    #[arg(long, value_name = "TIME", default_value = "600s", value_parser = nanoseconds)]
    at_most: u64,
    /// Run the same requests on V8 too, which needs Node; decisions that differ are a failure. The host that it has there
    /// knows no environment and no settings.
    #[arg(long, conflicts_with_all = ["env", "log_level", "allow_on_headers_stop_iteration"])]
    v8: bool,
    /// Where to write a profile of the guest: a `.cpuprofile`, as Chrome's developer tools, VS Code and speedscope open
    /// it, or for a name that ends in `.folded` stacks for flame graphs.
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// How to print the figures.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Where to write a page with plots.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// What to compare with: figures of an earlier run, as `--format json` printed them, or another module, which is then
    /// measured in the same rounds.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// How much worse than the baseline's a figure may be.
    #[arg(long, value_name = "SHARE", default_value = "20%", value_parser = share)]
    max_regression: f64,
    /// The most that the median of a warm allow may take through the module, such as `25us`.
    #[arg(long, value_name = "TIME", value_parser = nanoseconds)]
    target: Option<u64>,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum Format {
    /// A table.
    #[default]
    Table,
    /// JSON, with times in nanoseconds.
    Json,
}

impl Bench {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let baseline = self.baseline.as_deref().map(Baseline::read).transpose()?;
        let subject = self.subject(baseline.as_ref())?;
        let mut report = subject.measure(&self.settings(), baseline.as_ref())?;
        if let (Some(baseline), Some(path)) = (&baseline, &self.baseline) {
            report.comparison = Some(baseline.compare(path, &report, self.max_regression));
        }
        let mut out = stdout();
        match self.format {
            Format::Table => report.print(&mut out)?,
            Format::Json => writeln!(out, "{:#}", report.json())?,
        }
        out.flush()?;
        if let Some(path) = &self.html {
            write_page(path, &report)?;
        }
        self.judge(&report)
    }

    /// What is measured; whatever makes no sense is said before anything is.
    fn subject(&self, baseline: Option<&Baseline>) -> Result<Subject, Failure> {
        let mut subject = Subject::load(self.plugin.clone(), self.requests.as_deref(), self.alg)?;
        if let Some(text) = &self.only {
            subject.cases.retain(|case| case.name.contains(text.as_str()));
        }
        if subject.cases.is_empty() {
            let failure = Failure::usage("expected a case to measure, found none");
            return Err(match &self.only {
                Some(text) => failure.help(format!("no case's name contains `{text}`")),
                None => failure,
            });
        }
        if self.target.is_some() && !subject.cases.iter().any(|case| case.name == TARGETED) {
            return Err(Failure::usage(format!(
                "`--target`: expected the case `{TARGETED}` among those measured, found none"
            ))
            .help("it is about the allowed request; leave `--only` out"));
        }
        if let (Some(baseline), Some(path)) = (baseline, &self.baseline)
            && !subject.cases.iter().any(|case| baseline.has(&case.name))
        {
            return Err(Failure::at(
                path.display(),
                "expected a case in common with those measured, found none",
            ));
        }
        Ok(subject)
    }

    fn settings(&self) -> Settings {
        Settings {
            effort: Effort {
                rounds: self.rounds,
                warm: self.decisions,
                new: (self.decisions / 10).max(1),
                cold: (self.decisions / 100).max(1),
            },
            rates: self.rate.clone(),
            lasting: Duration::from_nanos(self.lasting),
            at_most: Duration::from_nanos(self.at_most),
            v8: self.v8,
            profile: self.profile.clone(),
        }
    }

    /// Says what is too slow.
    fn judge(&self, report: &Report) -> Result<Exit, Failure> {
        let mut errors = stderr();
        let mut exit = Exit::Good;
        if let (Some(target), Some(median)) = (self.target, report.median(TARGETED, Mode::Warm, "wasm"))
            && median > target
        {
            let (target, median) = (time(target), time(median));
            writeln!(
                errors,
                "{BAD}slow{BAD:#} {TARGETED}, warm, wasm: median {median}, expected at most {target}"
            )?;
            exit = Exit::Regression;
        }
        if let Some(comparison) = &report.comparison
            && comparison.complain(&mut errors)?
        {
            exit = Exit::Regression;
        }
        Ok(exit)
    }
}

fn write_page(path: &Path, report: &Report) -> Result<(), Failure> {
    std::fs::write(path, page::html(report)).map_err(|error| {
        Failure::at(path.display(), format!("expected a file that can be written: {error}"))
    })?;
    say!("the page is {}", path.display());
    Ok(())
}

fn duration(text: &str) -> Result<u64, String> {
    match nanoseconds(text)? {
        0 => Err("expected a time above 0, such as `5s`".to_owned()),
        lasting => Ok(lasting),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(rate) if (0.1..=10_000_000.0).contains(&rate) => Ok(rate),
        _ => Err("expected requests a second, such as `5000`".to_owned()),
    }
}
