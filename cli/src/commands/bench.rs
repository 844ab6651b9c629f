//! `countersign bench`: how fast decisions are.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::bench::engine::{Native, Wasm};
use crate::bench::measure::{Effort, Mode, measure};
use crate::bench::plan::{NOW, Plan};
use crate::bench::report::{Baseline, Report, nanoseconds, share, time};
use crate::configuration::Configuration;
use crate::console::{BAD, stdout};
use crate::credentials::{Algorithm, PrivateKey, algorithm};
use crate::engine::Module;
use crate::failure::{Exit, Failure};

/// The reference pack's own requests.
const PLAN: &str = include_str!("../bench/fraud-scoring.yaml");

/// The case that `--target` is about.
const TARGETED: &str = "allow";

/// Measure decisions: allow, and each kind of refusal that one request can meet, through the module in the simulator and natively.
///
/// The first issuer's keys are replaced by one made for the run. Every decision is checked. Exits with 3 where
/// a median is above its target or worse than the baseline's.
#[derive(clap::Args)]
pub(crate) struct Bench {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", default_value = "examples/envoy/countersign.yaml")]
    config: PathBuf,
    /// The requests to measure; by default those of the reference pack.
    #[arg(long, value_name = "FILE")]
    requests: Option<PathBuf>,
    /// The filter's module; else `COUNTERSIGN_WASM`, beside this command, or `target/countersign.wasm`.
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// Measure the cases whose names contain this text alone.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// The algorithm of the issuer's key: ES256, or another that issuers may use.
    #[arg(long, default_value = "ES256", value_parser = algorithm)]
    alg: Algorithm,
    /// Rounds in which every case has its turn.
    #[arg(long, default_value_t = 10)]
    rounds: u32,
    /// Warm decisions of each case in a round; a tenth with new tokens, a hundredth cold.
    #[arg(long, default_value_t = 300)]
    decisions: u32,
    /// How to print the figures.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Figures of an earlier run, as `--format json` printed them.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// How much worse than the baseline's a median may be.
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
        let report = self.measure(baseline.as_ref())?;
        let mut out = stdout();
        match self.format {
            Format::Table => report.print(&mut out)?,
            Format::Json => writeln!(out, "{:#}", report.json())?,
        }
        out.flush()?;
        let mut errors = anstream::stderr();
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
        if let Some(baseline) = &baseline {
            for regression in report.against(baseline, self.max_regression) {
                regression.print(&mut errors)?;
                exit = Exit::Regression;
            }
        }
        Ok(exit)
    }

    fn measure(&self, baseline: Option<&Baseline>) -> Result<Report, Failure> {
        let mut config = Configuration::load(&self.config)?.config;
        let plan = match &self.requests {
            None => Plan::parse(PLAN)?,
            Some(path) => Plan::parse(&read(path)?)?,
        };
        let key = PrivateKey::generate(self.alg)?;
        let mut cases = plan.cases(&mut config, &key)?;
        if let Some(text) = &self.only {
            cases.retain(|case| case.name.contains(text.as_str()));
        }
        if cases.is_empty() {
            let failure = Failure::usage("expected a case to measure, found none");
            return Err(match &self.only {
                Some(text) => failure.help(format!("no case's name contains `{text}`")),
                None => failure,
            });
        }
        if self.target.is_some() && !cases.iter().any(|case| case.name == TARGETED) {
            return Err(Failure::usage(format!(
                "`--target`: expected the case `{TARGETED}` among those measured, found none"
            ))
            .help("it is about the allowed request; leave `--only` out"));
        }
        if let (Some(baseline), Some(path)) = (baseline, &self.baseline)
            && !cases.iter().any(|case| baseline.has(&case.name))
        {
            return Err(Failure::at(
                path.display(),
                "expected a case in common with those measured, found none",
            ));
        }
        let config = serde_json::to_vec(&config).map_err(|error| Failure::usage(error.to_string()))?;
        let module = Module::load(self.module.as_deref())?;
        let host = module.host().plugin_config(config.clone()).clock_at(NOW.unsigned_abs());
        let mut wasm = Wasm::start(host)?;
        let mut native = Native::start(&config)?;
        let after_start = wasm.memory();
        let effort = Effort {
            rounds: self.rounds.max(1),
            warm: self.decisions.max(1),
            new: (self.decisions / 10).max(1),
            cold: (self.decisions / 100).max(1),
        };
        let series = measure(&cases, &mut [&mut wasm, &mut native], &key, effort)?;
        Ok(Report {
            series,
            module_bytes: module.size(),
            memory: (after_start, wasm.memory()),
            config_bytes: config.len(),
        })
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::at(path.display(), format!("expected requests to measure: {error}")))
}
