//! Decides cases, each in a world of its own: fresh engines, the case's time, its key documents.

use crate::case::{BadCase, Case, Jwks};
use crate::configuration::Configuration;
use crate::engine::{self, Decision, Engine, EngineError, Module, Native, Script, Wasm, World, differences};
use crate::failure::Failure;
use crate::sources::Sources;
use crate::time;
use countersign_core::config::{Config, KeySource, RemoteKeys};
use countersign_core::settings::{KeySettings, Settings};
use countersign_core::time::{Span, Timestamp};
use serde_json::Value;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// Which engine decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Engines {
    /// The core, natively.
    #[default]
    Native,
    /// The filter's module, in the simulator.
    Wasm,
    /// Both; any difference is a failure.
    Both,
}

impl Engines {
    /// Whether the module is needed.
    pub(crate) fn need_module(self) -> bool {
        self != Self::Native
    }
}

/// How long before a request its worker starts: time for one tick, on which keys are fetched.
const AHEAD: Duration = Duration::from_millis(2);

/// Decides cases.
pub(crate) struct Decider {
    config: Config,
    prefix: String,
    sources: Sources,
    engines: Engines,
    module: Option<Module>,
    /// Key documents for cases that bring none, by issuer.
    documents: BTreeMap<usize, Vec<u8>>,
    /// The settings, by which issuers' keys come from the case.
    variants: BTreeMap<Vec<usize>, Rc<Variant>>,
    /// Engines that go on from case to case, where that is asked for.
    kept: Option<Kept>,
    keep: bool,
}

struct Variant {
    settings: Rc<Settings>,
    config: Option<Config>,
    json: OnceCell<Vec<u8>>,
}

struct Kept {
    native: Native,
    wasm: Option<Wasm>,
    now: Timestamp,
}

/// A decision, and in what the engines differ.
pub(crate) struct Decided {
    /// The decision.
    pub(crate) decision: Decision,
    /// One line for each difference; empty where there is none.
    pub(crate) differences: String,
}

impl Decider {
    /// A decider under a configuration.
    pub(crate) fn new(
        configuration: Configuration,
        engines: Engines,
        module: Option<&Path>,
    ) -> Result<Self, Failure> {
        let module = engines.need_module().then(|| Module::load(module)).transpose()?;
        let prefix = configuration.config.forward.prefix.clone();
        let base = Variant { settings: configuration.settings, config: None, json: OnceCell::new() };
        let decider = Self {
            config: configuration.config,
            prefix,
            sources: configuration.sources,
            engines,
            module,
            documents: BTreeMap::new(),
            variants: BTreeMap::from([(Vec::new(), Rc::new(base))]),
            kept: None,
            keep: false,
        };
        decider.try_module()?;
        Ok(decider)
    }

    /// Starts the module once: one of another release may refuse the configuration.
    fn try_module(&self) -> Result<(), Failure> {
        let (Some(module), Some(base)) = (&self.module, self.variants.get(&Vec::new())) else {
            return Ok(());
        };
        let world = World {
            settings: &base.settings,
            json: self.json(base),
            seed: 0,
            start: Timestamp::from_secs(1),
            clusters: BTreeMap::new(),
        };
        Wasm::start(module.host(), &world).map(drop).map_err(|error| {
            Failure::usage(error.to_string())
                .help("is the module of this release? `cargo xtask build-filter` builds it anew")
        })
    }

    /// Has engines go on from case to case, with their keys and cached tokens.
    pub(crate) fn keep_state(&mut self, keep: bool) {
        self.keep = keep;
    }

    /// Gives key documents to cases that bring none.
    pub(crate) fn publish(&mut self, jwks: &Jwks) {
        self.documents.extend(jwks.of(self.issuers()));
    }

    /// The names of the configured issuers.
    pub(crate) fn issuers(&self) -> Vec<&str> {
        self.config.issuers.iter().map(|issuer| issuer.issuer.as_str()).collect()
    }

    /// The prefix of the headers that go upstream.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What the policies stand in, as far as it is at hand.
    pub(crate) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// What requests are judged by, where no case says otherwise.
    pub(crate) fn settings(&self) -> Rc<Settings> {
        self.variants
            .get(&Vec::new())
            .map(|variant| Rc::clone(&variant.settings))
            .unwrap_or_else(|| unreachable!())
    }

    /// The case, unless a kept worker is past its time.
    pub(crate) fn in_turn(&self, case: Case) -> Result<Case, BadCase> {
        match &self.kept {
            Some(kept) if case.jwks.is_none() && case.time < kept.now => {
                let (now, time) = (time::show(kept.now), time::show(case.time));
                let message = format!("expected `{now}` or later, where the worker is kept, found `{time}`");
                Err(BadCase::at("time", message))
            }
            _ => Ok(case),
        }
    }

    /// Decides a case.
    pub(crate) fn decide(&mut self, case: &Case) -> Result<Decided, EngineError> {
        if self.keep && case.jwks.is_none() {
            return self.decide_on(case);
        }
        let (variant, clusters, start) = self.world(case)?;
        let world = || World {
            settings: &variant.settings,
            json: self.json(&variant),
            seed: 0,
            start,
            clusters: clusters.clone(),
        };
        let ahead = ahead(case.time, start);
        let native = |request| {
            let mut engine = Native::start(world());
            engine.advance(ahead);
            engine::decide(&mut engine, request)
        };
        let wasm = |request| {
            let module =
                self.module.as_ref().ok_or_else(|| EngineError::Start("no module".into(), Vec::new()))?;
            let mut engine = Wasm::start(module.host(), &world())?;
            engine.advance(ahead);
            engine::decide(&mut engine, request)
        };
        match self.engines {
            Engines::Native => native(&case.request).map(Decided::alone),
            Engines::Wasm => wasm(&case.request).map(Decided::alone),
            Engines::Both => Ok(Decided::of(native(&case.request)?, &wasm(&case.request)?)),
        }
    }

    /// Decides a case with the engines of the case before.
    fn decide_on(&mut self, case: &Case) -> Result<Decided, EngineError> {
        let mut kept = match self.kept.take() {
            Some(kept) => kept,
            None => {
                let (variant, clusters, start) = self.world(case)?;
                let world = World {
                    settings: &variant.settings,
                    json: self.json(&variant),
                    seed: 0,
                    start,
                    clusters,
                };
                let wasm =
                    self.module.as_ref().map(|module| Wasm::start(module.host(), &world)).transpose()?;
                Kept { native: Native::start(world), wasm, now: start }
            }
        };
        let by = ahead(case.time, kept.now);
        kept.now = kept.now.max(case.time);
        let native = |kept: &mut Kept| {
            kept.native.advance(by);
            engine::decide(&mut kept.native, &case.request)
        };
        let wasm = |kept: &mut Kept| {
            let engine =
                kept.wasm.as_mut().ok_or_else(|| EngineError::Start("no module".into(), Vec::new()))?;
            engine.advance(by);
            engine::decide(engine, &case.request)
        };
        let decided = match self.engines {
            Engines::Native => Decided::alone(native(&mut kept)?),
            Engines::Wasm => Decided::alone(wasm(&mut kept)?),
            Engines::Both => Decided::of(native(&mut kept)?, &wasm(&mut kept)?),
        };
        self.kept = Some(kept);
        Ok(decided)
    }

    /// A native engine at the case's time, for someone who wants to look on.
    pub(crate) fn native(&mut self, case: &Case) -> Result<Native, EngineError> {
        let (variant, clusters, start) = self.world(case)?;
        let mut engine =
            Native::start(World { settings: &variant.settings, json: &[], seed: 0, start, clusters });
        engine.advance(ahead(case.time, start));
        Ok(engine)
    }

    /// Settings and clusters for a case, and when its worker starts.
    fn world(
        &mut self,
        case: &Case,
    ) -> Result<(Rc<Variant>, BTreeMap<String, Script>, Timestamp), EngineError> {
        let own = case.jwks.as_ref().map(|jwks| jwks.of(self.issuers())).unwrap_or_default();
        let mut documents = self.documents.clone();
        documents.extend(own);
        let switched: Vec<usize> = documents.keys().copied().collect();
        let clusters = documents
            .into_iter()
            .map(|(issuer, body)| (cluster(issuer), Script::always(Script::document(body))))
            .collect();
        let variant = self.variant(switched)?;
        let fetches =
            variant.settings.issuers.iter().any(|issuer| matches!(issuer.keys, KeySettings::Remote { .. }));
        let ahead = Span::from_nanos(i64::try_from(AHEAD.as_nanos()).unwrap_or(0));
        Ok((variant, clusters, if fetches { case.time.minus(ahead) } else { case.time }))
    }

    /// The settings with these issuers' keys fetched from clusters of ours.
    fn variant(&mut self, switched: Vec<usize>) -> Result<Rc<Variant>, EngineError> {
        if let Some(variant) = self.variants.get(&switched) {
            return Ok(Rc::clone(variant));
        }
        let mut config = self.config.clone();
        for &index in &switched {
            if let Some(issuer) = config.issuers.get_mut(index) {
                let uri = String::from("http://keys.invalid/jwks");
                issuer.keys = KeySource::Remote(match &issuer.keys {
                    KeySource::Remote(remote) => {
                        RemoteKeys { cluster: cluster(index), uri, ..remote.clone() }
                    }
                    KeySource::Inline(_) | KeySource::Discovery(_) | KeySource::None => {
                        RemoteKeys::new(cluster(index), uri)
                    }
                });
            }
        }
        let settings =
            Settings::prepare(&config).map_err(|error| EngineError::Start(error.to_string(), Vec::new()))?;
        let variant =
            Rc::new(Variant { settings: Rc::new(settings), config: Some(config), json: OnceCell::new() });
        self.variants.insert(switched, Rc::clone(&variant));
        Ok(variant)
    }

    fn json<'v>(&self, variant: &'v Variant) -> &'v [u8] {
        variant.json.get_or_init(|| {
            let config = variant.config.as_ref().unwrap_or(&self.config);
            serde_json::to_vec(config).unwrap_or_default()
        })
    }
}

impl Decided {
    fn alone(decision: Decision) -> Self {
        Self { decision, differences: String::new() }
    }

    fn of(native: Decision, wasm: &Decision) -> Self {
        let (left, right): (Value, Value) = (native.comparable(), wasm.comparable());
        let differences = differences(("native", &left), ("wasm", &right));
        Self { decision: native, differences }
    }
}

/// The cluster that stands in for an issuer's key source.
fn cluster(issuer: usize) -> String {
    format!("keys of issuer {issuer}")
}

fn ahead(time: Timestamp, start: Timestamp) -> Duration {
    Duration::from_nanos(u64::try_from(time.since(start).as_nanos()).unwrap_or(0))
}
