//! What a gateway is to run: Countersign by its configuration, or any proxy-wasm module with the text that it is configured by.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use countersign_core::config::Config;
use countersign_host_sim::{HostBuilder, LogLevel, Profile};
use sha2::{Digest, Sha256};

use crate::configuration::Configuration;
use crate::engine::Module;
use crate::failure::Failure;

/// The arguments that say what runs.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct PluginArgs {
    /// Countersign's configuration. Without it `--module` is any proxy-wasm module.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The module. With `--config` Countersign's filter, by default from `COUNTERSIGN_WASM`, beside this command, or
    /// `target/countersign.wasm`.
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// What a module other than Countersign's is configured by, as its bytes are.
    #[arg(long, value_name = "FILE", conflicts_with = "config", help_heading = "Any module")]
    plugin_config: Option<PathBuf>,
    /// What its VM is configured by.
    #[arg(long, value_name = "FILE", conflicts_with = "config", help_heading = "Any module")]
    vm_config: Option<PathBuf>,
    /// The property `plugin_name`.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true,
        help_heading = "Any module"
    )]
    plugin_name: String,
    /// The property `plugin_root_id`, by which some modules choose among their filters.
    #[arg(
        long,
        value_name = "ID",
        default_value = "",
        hide_default_value = true,
        help_heading = "Any module"
    )]
    root_id: String,
    /// The property `plugin_vm_id`.
    #[arg(
        long,
        value_name = "ID",
        default_value = "",
        hide_default_value = true,
        help_heading = "Any module"
    )]
    vm_id: String,
    /// A variable of its environment. Of those of one name the last counts.
    #[arg(
        long,
        value_name = "NAME=VALUE",
        value_parser = variable,
        conflicts_with = "config",
        help_heading = "Any module"
    )]
    env: Vec<(String, String)>,
    /// The lowest level that the module logs; `info` unless it is said.
    #[arg(long, value_name = "LEVEL", value_parser = level())]
    log_level: Option<LogLevel>,
    /// The gateway to copy where they differ.
    #[arg(long, value_name = "GATEWAY", value_enum, default_value_t)]
    gateway: ProfileName,
    /// Have a filter that stops at headers see the body, as Envoy's setting of this name does.
    #[arg(long)]
    allow_on_headers_stop_iteration: bool,
}

/// A gateway by its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ProfileName {
    /// Envoy.
    #[default]
    Envoy,
    /// Plugins of Google Cloud's Service Extensions.
    Gcp,
    /// Kong Gateway, with ngx_wasm_module.
    Kong,
    /// The specification's wording.
    Spec,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Envoy => Self::Envoy,
            ProfileName::Gcp => Self::Gcp,
            ProfileName::Kong => Self::Kong,
            ProfileName::Spec => Self::Spec,
        }
    }
}

/// A module that is loaded, and all that it is started with.
pub(crate) struct Plugin {
    /// Countersign's configuration, where it is Countersign that runs.
    pub(crate) config: Option<Config>,
    /// A host to add the world to: clusters, workers, a clock.
    pub(crate) host: HostBuilder,
    /// The files and folders that it was read from.
    pub(crate) files: Vec<PathBuf>,
    /// SHA-256 of all that it is started with, the module's own bytes among it, in hexadecimal digits.
    pub(crate) digest: String,
    /// The module.
    pub(crate) module: Module,
    /// What the plugin is configured by, and its VM.
    pub(crate) configurations: (Vec<u8>, Vec<u8>),
    /// The properties `plugin_name`, `plugin_root_id` and `plugin_vm_id`.
    pub(crate) names: [String; 3],
}

impl PluginArgs {
    /// Countersign by this configuration, where the arguments name neither one nor a module.
    pub(crate) fn or_config(mut self, path: &Path) -> Self {
        if self.config.is_none() && self.module.is_none() {
            self.config = Some(path.to_owned());
        }
        self
    }

    /// The module, where nothing else is named, since `beside` says it.
    pub(crate) fn module_alone(&self, beside: &str) -> Result<Option<&Path>, Failure> {
        let given = [
            ("--config", self.config.is_some()),
            ("--plugin-config", self.plugin_config.is_some()),
            ("--vm-config", self.vm_config.is_some()),
        ];
        none_of(&given, beside)?;
        self.usual_host(beside)?;
        Ok(self.module.as_deref())
    }

    /// Refuses what changes the host around a module, which has no say in `beside`.
    pub(crate) fn usual_host(&self, beside: &str) -> Result<(), Failure> {
        let given = [
            ("--env", !self.env.is_empty()),
            ("--log-level", self.log_level.is_some()),
            ("--allow-on-headers-stop-iteration", self.allow_on_headers_stop_iteration),
        ];
        none_of(&given, beside)
    }

    /// Reads and compiles what the arguments name.
    ///
    /// # Errors
    /// Where a file cannot be read, the configuration is wrong, or the module cannot be hosted.
    pub(crate) fn load(&self) -> Result<Plugin, Failure> {
        if self.config.is_none() && self.module.is_none() {
            return Err(Failure::usage("expected `--config` or `--module`, found neither")
                .help("`--config` names Countersign's configuration, `--module` any proxy-wasm module"));
        }
        let configuration = self.config.as_deref().map(Configuration::load).transpose()?;
        let module = match &self.module {
            Some(path) if configuration.is_none() => Module::load_any(path)?,
            named => Module::load(named.as_deref())?,
        };
        let vm_config = read(self.vm_config.as_deref())?;
        let plugin_config = match &configuration {
            Some(configuration) => configuration.to_json()?,
            None => read(self.plugin_config.as_deref())?,
        };
        let mut host = module
            .host()
            .names(&self.plugin_name, &self.root_id, &self.vm_id)
            .plugin_config(plugin_config.clone())
            .vm_config(vm_config.clone())
            .profile(self.gateway.into())
            .allow_on_headers_stop_iteration(self.allow_on_headers_stop_iteration);
        let variables: BTreeMap<_, _> = self.env.iter().map(|(name, value)| (name, value)).collect();
        for (name, value) in variables {
            host = host.env(name, value);
        }
        if let Some(level) = self.log_level {
            host = host.log_level(level);
        }
        let mut files = self.files();
        files.push(module.path().to_owned());
        files.extend(configuration.as_ref().and_then(|configuration| configuration.pack.clone()));
        let digest = digest([module.bytes(), &plugin_config, &vm_config]);
        Ok(Plugin {
            config: configuration.map(|configuration| configuration.config),
            host,
            files,
            digest,
            module,
            configurations: (plugin_config, vm_config),
            names: [&self.plugin_name, &self.root_id, &self.vm_id].map(Clone::clone),
        })
    }

    /// Countersign's configuration, where it is Countersign that runs.
    pub(crate) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// The module, where one is named.
    pub(crate) fn module(&self) -> Option<&Path> {
        self.module.as_deref()
    }

    /// The files that the arguments name.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let named = [&self.config, &self.module, &self.plugin_config, &self.vm_config];
        named.into_iter().flatten().cloned().collect()
    }
}

fn none_of(given: &[(&str, bool)], beside: &str) -> Result<(), Failure> {
    match given.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(Failure::usage(format!("`{name}`: expected none beside {beside}"))),
        None => Ok(()),
    }
}

/// Log levels by their names, the lowest first.
const LEVELS: [(&str, LogLevel); 6] = [
    ("trace", LogLevel::Trace),
    ("debug", LogLevel::Debug),
    ("info", LogLevel::Info),
    ("warn", LogLevel::Warn),
    ("error", LogLevel::Error),
    ("critical", LogLevel::Critical),
];

/// A log level by its name.
pub(crate) fn log_level(name: &str) -> Result<LogLevel, String> {
    let known = LEVELS.iter().find(|(known, _)| *known == name);
    known.map(|(_, level)| *level).ok_or_else(|| {
        format!("expected `trace`, `debug`, `info`, `warn`, `error` or `critical`, found `{name}`")
    })
}

/// The same, of which help and completions tell the names.
fn level() -> impl TypedValueParser<Value = LogLevel> {
    PossibleValuesParser::new(LEVELS.map(|(name, _)| name)).try_map(|name| log_level(&name))
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected `NAME=VALUE`, such as `MODE=strict`".to_owned()),
    }
}

/// SHA-256 over the parts' own digests, so that none of them can be taken for another.
fn digest(parts: [&[u8]; 3]) -> String {
    let mut whole = Sha256::new();
    parts.iter().for_each(|part| whole.update(Sha256::digest(part)));
    whole.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(path: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let Some(path) = path else { return Ok(Vec::new()) };
    std::fs::read(path).map_err(|error| {
        Failure::at(path.display(), format!("expected what the module is configured by: {error}"))
    })
}
