//! What a gateway is to run: Countersign by its configuration, or any proxy-wasm module with the text that it is configured by.

use std::path::{Path, PathBuf};

use countersign_core::config::Config;
use countersign_host_sim::{HostBuilder, Profile};

use crate::configuration::Configuration;
use crate::engine::Module;
use crate::failure::Failure;

/// The arguments that say what runs.
#[derive(clap::Args, Debug)]
pub(crate) struct PluginArgs {
    /// Countersign's configuration. Without it `--module` is any proxy-wasm module.
    #[arg(short, long, value_name = "FILE", required_unless_present = "module")]
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
    /// The gateway to copy where they differ.
    #[arg(long, value_name = "GATEWAY", value_enum, default_value_t)]
    profile: ProfileName,
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
}

impl PluginArgs {
    /// Reads and compiles what the arguments name.
    ///
    /// # Errors
    /// Where a file cannot be read, the configuration is wrong, or the module cannot be hosted.
    pub(crate) fn load(&self) -> Result<Plugin, Failure> {
        let configuration = self.config.as_deref().map(Configuration::load).transpose()?;
        let module = Module::load(self.module.as_deref())?;
        let host = module
            .host()
            .names(&self.plugin_name, &self.root_id, &self.vm_id)
            .vm_config(read(self.vm_config.as_deref())?)
            .profile(self.profile.into());
        Ok(match configuration {
            Some(configuration) => {
                let host = host.plugin_config(configuration.to_json()?);
                Plugin { config: Some(configuration.config), host }
            }
            None => Plugin { config: None, host: host.plugin_config(read(self.plugin_config.as_deref())?) },
        })
    }
}

fn read(path: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let Some(path) = path else { return Ok(Vec::new()) };
    std::fs::read(path).map_err(|error| {
        Failure::at(path.display(), format!("expected what the module is configured by: {error}"))
    })
}
