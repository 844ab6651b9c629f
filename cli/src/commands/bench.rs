//! `countersign bench`: how fast decisions are.

use std::io::Write;
use std::path::{Path, PathBuf};

use countersign_host_sim::Engine as Simulator;

use crate::bench::engine::{Native, Wasm};
use crate::bench::measure::{Effort, Mode, measure};
use crate::bench::plan::{NOW, Plan};
use crate::bench::report::{Report, nanoseconds, share, time};
use crate::configuration::Configuration;
use crate::console::{BAD, stdout};
use crate::credentials::{Algorithm, PrivateKey};
use crate::failure::{Exit, Failure};

/// The reference pack's own requests.
const PLAN: &str = include_str!("../bench/fraud-scoring.yaml");

/// Measure decisions: allow and each kind of refusal, through the module in the simulator and natively.
///
/// The first issuer's keys are replaced by one made for the run. Every decision is checked. Exits with 3 where
/// a median is above its target or worse than the baseline's.
#[derive(clap::Args)]
pub(crate) struct Bench {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "examples/envoy/countersign.yaml")]
    config: PathBuf,
    /// The requests to measure; by default those of the reference pack.
    #[arg(long, value_name = "FILE")]
    requests: Option<PathBuf>,
    /// The module.
    #[arg(long, value_name = "FILE", default_value = "target/countersign.wasm")]
    module: PathBuf,
    /// Measure the cases whose names contain this text alone.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// The algorithm of the issuer's key: ES256, EdDSA or RS256.
    #[arg(long, default_value = "ES256")]
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
        let report = self.measure()?;
        let mut out = stdout();
        match self.format {
            Format::Table => report.print(&mut out)?,
            Format::Json => writeln!(out, "{:#}", report.json())?,
        }
        out.flush()?;
        let mut errors = anstream::stderr();
        let mut exit = Exit::Good;
        if let (Some(target), Some(median)) = (self.target, report.median("allow", Mode::Warm, "wasm"))
            && median > target
        {
            let (target, median) = (time(target), time(median));
            writeln!(
                errors,
                "{BAD}slow{BAD:#} allow, warm, wasm: median {median}, expected at most {target}"
            )?;
            exit = Exit::Regression;
        }
        if let Some(path) = &self.baseline {
            let baseline = serde_json::from_str(&read(path)?)
                .map_err(|error| Failure::at(path.display(), format!("expected JSON: {error}")))?;
            for regression in report.against(&baseline, self.max_regression)? {
                regression.print(&mut errors)?;
                exit = Exit::Regression;
            }
        }
        Ok(exit)
    }

    fn measure(&self) -> Result<Report, Failure> {
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
            return Err(Failure::usage("no case to measure"));
        }
        let config = serde_json::to_vec(&config).map_err(|error| Failure::usage(error.to_string()))?;
        let module = std::fs::read(&self.module).map_err(|error| {
            Failure::usage(format!("cannot read {}: {error}", self.module.display()))
                .help("`cargo xtask build-filter` builds it")
        })?;
        let loaded = Simulator::new().and_then(|engine| engine.load_module(&module));
        let loaded = loaded.map_err(|error| Failure::usage(format!("{}: {error}", self.module.display())))?;
        let host = loaded.host().plugin_config(config.clone()).clock_at(NOW.unsigned_abs());
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
            module_bytes: module.len(),
            memory: (after_start, wasm.memory()),
            config_bytes: config.len(),
        })
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
}
