//! The configuration as people write it: YAML or JSON, with the policies in a folder beside it.

use crate::document::Document;
use crate::failure::Failure;
use crate::findings;
use crate::inputs;
use crate::sources::Sources;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use countersign_compiler::{CompileOptions, Compiled, LoadError, Pack, Warning, compile};
use countersign_core::config::Config;
use countersign_core::settings::Settings;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A configuration that the filter would accept.
pub(crate) struct Configuration {
    /// What was written, with the compiled policies in `policy.image`.
    pub(crate) config: Config,
    /// The same, prepared.
    pub(crate) settings: Rc<Settings>,
    /// What the compiler noticed about the policies.
    pub(crate) warnings: Vec<Warning>,
    /// What the policies stand in, where the configuration names a pack.
    pub(crate) sources: Sources,
    /// The pack's folder.
    pub(crate) pack: Option<PathBuf>,
}

impl Configuration {
    /// Reads and checks a file.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::from_document(&Document::open(path)?, folder)
    }

    /// Checks a document; paths in it are relative to `folder`.
    pub(crate) fn from_document(document: &Document, folder: &Path) -> Result<Self, Failure> {
        let mut config: Config = document.read()?;
        let mut warnings = Vec::new();
        let mut sources = Sources::default();
        let pack = config.policy.pack.take().map(|pack| folder.join(pack));
        if let Some(pack) = &pack {
            if config.policy.image.is_some() {
                return Err(document.fault("policy.image", "expected either `image` or `pack`, found both"));
            }
            let compiled = compile_pack(pack).map_err(|failure| {
                let place = document.place("policy.pack");
                failure.note(format!("the pack is named at {place}"))
            })?;
            config.policy.image = Some(BASE64_STANDARD.encode(&compiled.image));
            warnings = compiled.warnings;
            sources = Sources::new(compiled.sources);
        }
        let settings =
            Settings::prepare(&config).map_err(|error| document.fault(&error.path, &error.message))?;
        Ok(Self { config, settings: Rc::new(settings), warnings, sources, pack })
    }

    /// What the filter is given.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, Failure> {
        serde_json::to_vec(&self.config).map_err(|error| Failure::usage(format!("configuration: {error}")))
    }
}

/// Reads a folder of policies.
pub(crate) fn load_pack(folder: &Path) -> Result<Pack, Failure> {
    inputs::note(folder);
    countersign_compiler::load_pack(folder).map_err(|error| {
        let failure = Failure::usage(error.to_string());
        match error {
            LoadError::Unreadable { error, .. } if error.kind() == ErrorKind::InvalidData => {
                failure.help("policies and schemas are UTF-8 text")
            }
            LoadError::Unreadable { path, .. } if path != folder => failure,
            _ => failure.help("a pack is a folder with `*.cedar` and one `*.cedarschema`"),
        }
    })
}

/// Compiles a folder of policies.
pub(crate) fn compile_pack(folder: &Path) -> Result<Compiled, Failure> {
    compile(&load_pack(folder)?, &CompileOptions::default()).map_err(|errors| findings::failure(&errors))
}
