//! A whole run: what is measured, by what, in which order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use countersign_host_sim::{Clock, HostBuilder};
use indicatif::{ProgressBar, ProgressStyle};

use super::baseline::{Baseline, OTHER};
use super::budget::Budget;
use super::case::{Case, Prepared};
use super::costs::{Costs, FILTER};
use super::engine::{Decisions, Engine, Native, Wasm};
use super::plan::{NOW, Plan};
use super::profile::{self, Hot};
use super::report::Report;
use super::requests::{MEMBER, Requests};
use super::v8::{self, cross_check};
use super::{counts, measure, open_loop};
use crate::console::{self, say};
use crate::credentials::{Algorithm, PrivateKey};
use crate::document::Document;
use crate::engine::{Module, Modules, Script};
use crate::failure::Failure;
use crate::plugin::{Plugin, PluginArgs};
use crate::scenario::{self, Singles};
use crate::time;

/// The member that tells a scenario file.
const SCENARIOS: &str = "cases";

/// The one that tells a plan of Countersign's decisions.
const PLANNED: &str = "request";

/// The reference pack's own requests.
const PLAN: &str = include_str!("fraud-scoring.yaml");

/// What to measure, and how much of it.
pub(crate) struct Settings {
    /// Rounds of the closed loop, and how many requests each has.
    pub(crate) effort: measure::Effort,
    /// Rates of the open loop, in requests a second.
    pub(crate) rates: Vec<f64>,
    /// How long each rate and the profile last.
    pub(crate) lasting: Duration,
    /// How long the whole may take.
    pub(crate) at_most: Duration,
    /// Whether V8 is asked too.
    pub(crate) v8: bool,
    /// Where a profile goes.
    pub(crate) profile: Option<PathBuf>,
}

/// A plugin with its requests, ready to be measured.
pub(crate) struct Subject {
    module: Module,
    host: HostBuilder,
    /// What it and its VM are configured by.
    configurations: (Vec<u8>, Vec<u8>),
    names: [String; 3],
    clusters: BTreeMap<String, Script>,
    /// The time of every request, where it stands still.
    clock: Option<u64>,
    /// The requests.
    pub(crate) cases: Vec<Case>,
    decisions: Decisions,
}

impl Subject {
    /// Reads what the arguments name: Countersign's decisions by a plan, any module's by a file of requests, or what a scenario
    /// file is about.
    pub(crate) fn load(
        plugin: PluginArgs,
        requests: Option<&Path>,
        algorithm: Algorithm,
    ) -> Result<Self, Failure> {
        let document = requests.map(Document::open).transpose()?;
        if let (Some(path), Some(document)) = (requests, &document)
            && document.has(SCENARIOS)
        {
            return Self::scenarios(&plugin, path);
        }
        if let Some(document) = &document
            && !document.has(MEMBER)
            && !document.has(PLANNED)
        {
            let expected =
                format!("expected `{MEMBER}`, `{SCENARIOS}` (scenarios) or `{PLANNED}` (a plan), found none");
            return Err(document.fault("", expected).help("see docs/benchmarks.md"));
        }
        let plugin = plugin.or_config(Path::new("examples/envoy/countersign.yaml")).load()?;
        let countersign = plugin.config.is_some();
        match document {
            None if countersign => Self::decisions(plugin, &Plan::parse(PLAN)?, algorithm),
            None => Ok(Self::exchanges(plugin, Requests::usual())),
            Some(document) if countersign && !document.has(MEMBER) => {
                Self::decisions(plugin, &document.read()?, algorithm)
            }
            Some(document) => Ok(Self::exchanges(plugin, Requests::read(&document)?)),
        }
    }

    /// Countersign, by requests with credentials that are made for the run.
    fn decisions(plugin: Plugin, plan: &Plan, algorithm: Algorithm) -> Result<Self, Failure> {
        let mut config =
            plugin.config.ok_or_else(|| Failure::usage("expected `--config` for a plan of decisions"))?;
        let key = Rc::new(PrivateKey::generate(algorithm)?);
        let cases = plan.cases(&mut config, &key)?;
        let config = serde_json::to_vec(&config).map_err(|error| Failure::usage(error.to_string()))?;
        let clock = NOW.unsigned_abs().saturating_mul(1_000_000_000);
        Ok(Self {
            host: plugin.host.plugin_config(config.clone()).clock(Clock::at_nanos(clock)),
            module: plugin.module,
            configurations: (config, plugin.configurations.1),
            names: plugin.names,
            clusters: BTreeMap::new(),
            clock: Some(clock),
            cases,
            decisions: Decisions::Audited,
        })
    }

    /// Any module, by requests as they stand.
    fn exchanges(plugin: Plugin, requests: Requests) -> Self {
        let clock = requests.time.map(|time| u64::try_from(time.as_nanos()).unwrap_or(0));
        let mut host = plugin.host.clock(clock.map_or_else(Clock::real, Clock::at_nanos));
        for (name, script) in &requests.clusters {
            host = host.cluster(name, script.to_upstream());
        }
        Self {
            host,
            module: plugin.module,
            configurations: plugin.configurations,
            names: plugin.names,
            clusters: requests.clusters,
            clock,
            cases: requests.cases,
            decisions: Decisions::Dispositions,
        }
    }

    /// What a scenario file is about, by its cases of one request.
    fn scenarios(plugin: &PluginArgs, path: &Path) -> Result<Self, Failure> {
        let named =
            plugin.module_alone(&format!("{}, a file of scenarios, which says it", path.display()))?;
        let plan = scenario::Plan::load(path, None, &mut Modules::default())?;
        let module = match named.or_else(|| plan.module()) {
            Some(path) if plan.module().is_some() => Module::load_any(path)?,
            named => Module::load(named)?,
        };
        let Singles { cases, left_out, clusters, time, configurations, names } = plan.singles()?;
        for (what, count) in left_out {
            say!("left out: {} {what}", console::count(count, "case", "cases"));
        }
        let clock = u64::try_from(time.as_nanos()).unwrap_or(0);
        let clusters = clusters.into_iter().map(|(name, script)| (name, script.at_once()));
        let clusters: BTreeMap<String, Script> = clusters.collect();
        let mut host = plan.around(module.host())?.clock(Clock::at_nanos(clock));
        for (name, script) in &clusters {
            host = host.cluster(name, script.to_upstream());
        }
        let cases = cases.into_iter().map(Case::from).collect();
        let (clock, decisions) = (Some(clock), Decisions::Dispositions);
        Ok(Self { module, host, configurations, names, clusters, clock, cases, decisions })
    }

    fn prepared(&self) -> Result<Vec<Prepared>, Failure> {
        self.cases.iter().map(|case| case.prepare(0)).collect()
    }

    /// Measures everything that is asked for.
    pub(crate) fn measure(
        &self,
        settings: &Settings,
        baseline: Option<&Baseline>,
    ) -> Result<Report, Failure> {
        let budget = Budget::of(settings.at_most);
        let mut report = Report::of(&self.module, self.configurations.0.len());
        let other = match baseline {
            Some(Baseline::Module(module)) => Some(&**module),
            Some(Baseline::Figures(_)) | None => None,
        };
        self.closed_loop(settings.effort, other, budget, &mut report)?;
        report.counts = counts::count(&self.module, &self.host, &self.cases, budget)?;
        let requests = self.prepared()?;
        for rate in &settings.rates {
            let mut wasm = Wasm::start("wasm", self.host.clone(), Decisions::Dispositions, budget)?;
            let progress = timed(settings.lasting, format!("{rate} requests a second"));
            let run = open_loop::run(&mut wasm, &requests, *rate, settings.lasting, &progress);
            progress.finish_and_clear();
            report.open_loop.push(run?);
        }
        if settings.v8 {
            report.v8 = Some(self.on_v8(settings.effort, budget)?);
        }
        if let Some(path) = &settings.profile {
            let progress = timed(settings.lasting, "profile".to_owned());
            let samples =
                profile::run(&self.module, &self.host, &requests, settings.lasting, &progress, budget);
            progress.finish_and_clear();
            let samples = samples?;
            profile::write(path, &samples)?;
            report.hot = Some(Hot::of(&samples));
        }
        Ok(report)
    }

    fn closed_loop(
        &self,
        effort: measure::Effort,
        other: Option<&Module>,
        budget: Budget,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let mut wasm = Wasm::start("wasm", self.host.clone(), self.decisions, budget)?;
        let mut native = match self.decisions {
            Decisions::Audited => Some(Native::start(&self.configurations.0)?),
            Decisions::Dispositions => None,
        };
        let mut beside = other
            .map(|module| Wasm::start(OTHER, self.host.clone().module(module), self.decisions, budget))
            .transpose()?;
        let after_start = wasm.memory();
        let modules: Vec<(&'static str, &Module)> =
            [(FILTER, &self.module)].into_iter().chain(other.map(|module| (OTHER, module))).collect();
        let first = self.prepared()?.into_iter().next().unwrap_or_default();
        let mut costs = Costs::new(&modules, &self.host, &first, effort.warm, budget)?;
        let mut engines: Vec<&mut dyn Engine> = vec![&mut wasm];
        engines.extend(beside.as_mut().map(|beside| beside as &mut dyn Engine));
        engines.extend(native.as_mut().map(|native| native as &mut dyn Engine));
        let names: Vec<&'static str> = engines.iter().map(|engine| engine.name()).collect();
        let mut series = measure::plan(&self.cases, &names)?;
        let progress = counted((u64::from(effort.rounds) + 1) * self.cases.len() as u64);
        for round in 0..=effort.rounds {
            // The round before the first warms caches and clocks up, and does not count.
            let counts = round > 0;
            // The cases first: where a stream fails, they say which.
            measure::round(&self.cases, &mut engines, &mut series, effort, counts, &progress)?;
            costs.round(counts)?;
        }
        progress.finish_and_clear();
        report.series = series;
        report.costs = costs.into_times();
        report.memory = (after_start, wasm.memory());
        Ok(())
    }

    fn on_v8(&self, effort: measure::Effort, budget: Budget) -> Result<v8::CrossCheck, Failure> {
        let clock = self.clock.unwrap_or_else(|| u64::try_from(time::now().as_nanos()).unwrap_or(0));
        let world = v8::World {
            module: &self.module,
            host: self.host.clone(),
            config: self.configurations.clone(),
            names: self.names.clone(),
            clusters: self.clusters.clone(),
            clock,
            budget,
        };
        let effort = v8::Effort { rounds: effort.rounds, requests: effort.warm };
        let progress = counted(u64::from(effort.rounds) * self.cases.len() as u64);
        let checked = cross_check(&world, &self.cases, effort, &progress);
        progress.finish_and_clear();
        checked
    }
}

/// A bar on a terminal that counts turns; nothing elsewhere.
fn counted(turns: u64) -> ProgressBar {
    styled(ProgressBar::new(turns), "{bar:30} {percent}% {elapsed}, {eta} left  {msg}")
}

/// The same for something that lasts so long.
fn timed(lasting: Duration, what: String) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(lasting.as_millis()).unwrap_or(u64::MAX));
    styled(bar, "{bar:30} {percent}% {elapsed}  {msg}").with_message(what)
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
