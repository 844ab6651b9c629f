//! Finding and loading `countersign.wasm`.

use crate::failure::Failure;
use countersign_host_sim::Engine;
use std::ops::Deref;
use std::path::{Path, PathBuf};

const FILE: &str = "countersign.wasm";

/// The module, compiled once and started any number of times.
pub(crate) struct Module {
    loaded: countersign_host_sim::Module,
    size: usize,
}

impl Module {
    /// Loads the module from `path`, or from where it is usually found.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self, Failure> {
        let path = match path {
            Some(path) => path.to_owned(),
            None => find()?,
        };
        let bytes = std::fs::read(&path).map_err(|error| {
            Failure::at(path.display(), format!("expected the filter's module: {error}"))
                .help("`cargo xtask build-filter` builds it; `--module` or `COUNTERSIGN_WASM` names it")
        })?;
        Engine::new()
            .and_then(|engine| engine.load_module(&bytes))
            .map(|loaded| Self { loaded, size: bytes.len() })
            .map_err(|error| Failure::at(path.display(), error))
    }

    /// Its file's size in bytes.
    pub(crate) fn size(&self) -> usize {
        self.size
    }
}

impl Deref for Module {
    type Target = countersign_host_sim::Module;

    fn deref(&self) -> &Self::Target {
        &self.loaded
    }
}

fn find() -> Result<PathBuf, Failure> {
    if let Some(path) = std::env::var_os("COUNTERSIGN_WASM") {
        return Ok(path.into());
    }
    // Beside this command, beside its folder as cargo has it, and where the repository has it.
    let exe = std::env::current_exe().unwrap_or_default();
    let near = exe.ancestors().skip(1).take(2).map(|folder| folder.join(FILE));
    let usual: Vec<PathBuf> = near.chain([Path::new("target").join(FILE)]).collect();
    usual.iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        let tried: Vec<String> = usual.iter().map(|path| format!("  {}", path.display())).collect();
        Failure::usage(format!("expected the filter's module `{FILE}`, found none"))
            .help("build it by `cargo xtask build-filter`, name it by `--module` or `COUNTERSIGN_WASM`, or choose `--engine native`")
            .details(format!("looked at\n{}", tried.join("\n")))
    })
}
