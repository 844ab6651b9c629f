//! What a scenario file runs: Countersign under a configuration, or any module.

use super::format::{File, HostSpec, PluginSpec, Property, Publication, Text};
use super::keys::Keys;
use super::world::publish_inline;
use crate::configuration::Configuration;
use crate::document::Document;
use crate::engine::Modules;
use crate::failure::Failure;
use crate::plugin::{ProfileName, log_level};
use crate::sources::Sources;
use clap::ValueEnum as _;
use countersign_core::config::{Config, Issuer};
use countersign_host_sim::{Allowance, FailPolicy, HostBuilder, Limits, LogLevel, Module, PropertyValue};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// How many workers a gateway may have here.
const MAX_WORKERS: usize = 64;
/// What the callbacks of a case may use up together, where the file says nothing.
const CASE: Allowance =
    Allowance { callbacks: 5_000_000, fuel: 100_000_000_000, time: Duration::from_secs(600) };

/// What runs.
pub(super) enum Subject {
    /// Countersign.
    Countersign(Box<Countersign>),
    /// Any module, which is compiled once everything else is known to be good.
    Module,
}

/// Countersign under a configuration.
pub(super) struct Countersign {
    pub(super) config: Config,
    /// What the policies stand in.
    pub(super) sources: Sources,
}

impl Subject {
    /// Finds out what a file is about.
    pub(super) fn of(file: &File, path: &Path, document: &Document) -> Result<Self, Failure> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let configuration = match (&file.configuration, &file.module) {
            (None, Some(_)) => return Ok(Self::Module),
            (Some(configuration), None) => configuration,
            (Some(_), Some(_)) => {
                return Err(
                    document.fault("module", "expected either `configuration` or `module`, found both")
                );
            }
            (None, None) => {
                return Err(nothing(document));
            }
        };
        if !file.plugin.is_empty() {
            let message = "expected none beside `configuration`, which is what Countersign is started with";
            return Err(document.fault("plugin", message));
        }
        let configuration = match configuration {
            Value::String(name) => {
                Configuration::load(Path::new(name)).map_err(|failure| match Path::new(name).exists() {
                    true => failure,
                    false => {
                        let place = document.place("configuration");
                        failure.note(format!("the configuration is named at {place}"))
                    }
                })?
            }
            inline => inner(path, inline, folder)?,
        };
        let Configuration { config, sources, .. } = configuration;
        Ok(Self::Countersign(Box::new(Countersign { config, sources })))
    }

    /// Compiles the module, where it is not Countersign's.
    pub(super) fn compile(
        &self,
        file: &File,
        document: &Document,
        modules: &mut Modules,
    ) -> Result<Option<Module>, Failure> {
        let (Self::Module, Some(module)) = (self, &file.module) else { return Ok(None) };
        let module = modules.load(Path::new(module));
        let at =
            |failure: Failure| failure.note(format!("the module is named at {}", document.place("module")));
        module.map(Some).map_err(at)
    }

    /// The issuers that are configured.
    pub(super) fn issuers(&self) -> &[Issuer] {
        match self {
            Self::Countersign(countersign) => &countersign.config.issuers,
            Self::Module => &[],
        }
    }
}

/// Members that only scenario files have, and those that only their cases have.
const MEMBERS: [&str; 11] = [
    "plugin",
    "host",
    "time",
    "engine",
    "keys",
    "certificates",
    "issuers",
    "upstreams",
    "grpc",
    "service",
    "tokens",
];
const OF_CASES: [&str; 5] = ["request", "connect", "steps", "expect", "token"];

/// Whether a document that does not say what runs is meant to be a scenario file rather than a table.
pub(crate) fn is_meant(document: &Document) -> bool {
    let cases = if document.is_list() { "" } else { "cases" };
    MEMBERS.iter().any(|name| document.has(name)) || document.has_entry_with(cases, &OF_CASES)
}

/// A scenario file does not say what runs.
pub(crate) fn nothing(document: &Document) -> Failure {
    if document.is_list() {
        let message = "expected an object with `configuration` or `module` beside `cases`, found a list";
        return document.fault("", message).help(
            "put the cases under `cases:`, and add `module: filter.wasm` or `configuration: countersign.yaml`, relative to the file",
        );
    }
    let message = "expected `configuration` or `module`, what the scenarios are about, found neither";
    document.fault("", message).help(
        "add `module: filter.wasm` for any proxy-wasm module, or `configuration: countersign.yaml` for Countersign; paths are relative to the file",
    )
}

/// Demands a file that can be read.
pub(super) fn readable(path: &Path) -> Result<(), String> {
    let opened = std::fs::File::open(path).map(drop);
    opened.map_err(|error| format!("expected a readable file `{}`: {error}", path.display()))
}

/// A configuration that stands in a scenario file.
pub(super) fn inner(path: &Path, inline: &Value, folder: &Path) -> Result<Configuration, Failure> {
    let document = Document::parse(format!("{} (`configuration`)", path.display()), &inline.to_string())?;
    Configuration::from_document(&document, folder)
}

/// The other configuration of a step under Countersign: a file, or itself, with what issuers publish where keys stand in it.
pub(super) fn reconfiguration(
    path: &Path,
    text: &Text,
    publications: &BTreeMap<String, Publication>,
    keys: &Keys,
) -> Result<Vec<u8>, String> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let file = match &text.0 {
        Value::String(name) => Some(name.as_str()),
        _ => text.file(),
    };
    let configuration = match file {
        Some(name) => Configuration::load(&folder.join(name)),
        None => inner(path, &text.0, folder),
    };
    let mut config = configuration.map_err(|failure| failure.to_string())?.config;
    let names: Vec<&String> = config.issuers.iter().map(|issuer| &issuer.issuer).collect();
    let known = publications.iter().filter(|(issuer, _)| names.contains(issuer));
    let known = known.map(|(issuer, publication)| (issuer.clone(), publication.clone())).collect();
    publish_inline(&mut config, &known, keys)?;
    serde_json::to_vec(&config).map_err(|error| error.to_string())
}

/// The gateway around a module.
#[derive(Clone)]
pub(super) struct Gateway {
    pub(super) workers: usize,
    pub(super) seed: u64,
    profile: ProfileName,
    fail_policy: FailPolicy,
    headers_stop_alone: bool,
    properties: Vec<(String, PropertyValue)>,
    limits: Limits,
}

impl Gateway {
    /// Reads what a file says of it; an error comes with the field's name.
    pub(super) fn read(spec: &HostSpec) -> Result<Self, (&'static str, String)> {
        let profile = match &spec.profile {
            None => ProfileName::default(),
            Some(name) => ProfileName::from_str(name, true).map_err(|_| {
                let all = ProfileName::value_variants().iter().filter_map(ProfileName::to_possible_value);
                let names: Vec<String> = all.map(|one| format!("`{}`", one.get_name())).collect();
                ("profile", format!("expected {}, found `{name}`", names.join(", ")))
            })?,
        };
        let fail_policy = match spec.fail_policy.as_deref() {
            None | Some("closed") => FailPolicy::Closed,
            Some("open") => FailPolicy::Open,
            Some("reload") => FailPolicy::Reload,
            Some(other) => {
                let message = format!("expected `closed`, `open` or `reload`, found `{other}`");
                return Err(("fail_policy", message));
            }
        };
        let workers = match spec.workers.unwrap_or(1) {
            workers @ 1..=MAX_WORKERS => workers,
            other => {
                return Err(("workers", format!("expected a number from 1 to {MAX_WORKERS}, found {other}")));
            }
        };
        let mut limits = Limits::default();
        let wanted = spec.limits;
        for (limit, wanted) in [
            (&mut limits.memory_bytes, wanted.memory_bytes),
            (&mut limits.header_bytes, wanted.header_bytes),
            (&mut limits.header_pairs, wanted.header_pairs),
            (&mut limits.body_bytes, wanted.body_bytes),
            (&mut limits.shared_bytes, wanted.shared_bytes),
            (&mut limits.http_calls, wanted.http_calls),
            (&mut limits.streams, wanted.streams),
        ] {
            *limit = wanted.unwrap_or(*limit);
        }
        limits.callback_fuel = wanted.callback_fuel.unwrap_or(limits.callback_fuel);
        limits.step.callbacks = wanted.step_callbacks.unwrap_or(limits.step.callbacks);
        limits.step.fuel = wanted.step_fuel.unwrap_or(limits.step.fuel);
        limits.case = Allowance {
            callbacks: wanted.case_callbacks.unwrap_or(CASE.callbacks.max(limits.step.callbacks)),
            fuel: wanted.case_fuel.unwrap_or(CASE.fuel.max(limits.step.fuel)),
            ..CASE
        };
        limits.host_calls = wanted.host_calls.unwrap_or(limits.host_calls);
        let given =
            |(path, value): (&String, &Option<Property>)| Some((path.clone(), value.as_ref()?.0.clone()));
        Ok(Self {
            workers,
            seed: spec.seed.unwrap_or(0),
            profile,
            fail_policy,
            headers_stop_alone: spec.allow_on_headers_stop_iteration.unwrap_or(false),
            properties: spec.properties.iter().filter_map(given).collect(),
            limits,
        })
    }

    /// Puts it around a module.
    pub(super) fn around(&self, builder: HostBuilder) -> HostBuilder {
        let builder = builder
            .profile(self.profile.into())
            .workers(self.workers)
            .seed(self.seed)
            .fail_policy(self.fail_policy)
            .allow_on_headers_stop_iteration(self.headers_stop_alone)
            .limits(self.limits.clone());
        let with = |builder: HostBuilder, (path, value): &(String, PropertyValue)| {
            builder.property(path, value.clone())
        };
        self.properties.iter().fold(builder, with)
    }
}

/// What a module is started with.
pub(super) struct Start {
    configurations: (Vec<u8>, Vec<u8>),
    names: [String; 3],
    environment: BTreeMap<String, String>,
    log_level: Option<LogLevel>,
}

impl Start {
    /// Reads it; files are relative to `folder`, and an error comes with the field's name.
    pub(super) fn read(spec: &PluginSpec, folder: &Path) -> Result<Self, (&'static str, String)> {
        let level = spec.log_level.as_deref().map(log_level).transpose();
        Ok(Self {
            configurations: spec.configurations(folder)?,
            names: spec.names(),
            environment: spec.environment.clone(),
            log_level: level.map_err(|message| ("log_level", message))?,
        })
    }

    /// Gives it to a module.
    pub(super) fn of(self, builder: HostBuilder) -> HostBuilder {
        let (configuration, vm_configuration) = self.configurations;
        let [name, root_id, vm_id] = self.names;
        let mut builder =
            builder.plugin_config(configuration).vm_config(vm_configuration).names(&name, &root_id, &vm_id);
        for (name, value) in &self.environment {
            builder = builder.env(name, value);
        }
        match self.log_level {
            Some(level) => builder.log_level(level),
            None => builder,
        }
    }
}
