//! Finding and loading `countersign.wasm` and `countersign-policy.wasm`.

use crate::failure::Failure;
use crate::inputs;
use countersign_host_sim::{Engine, EngineBuilder, LoadError, PolicyModule};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Deref;
use std::path::{Path, PathBuf};

/// A module by its file's name, and the variable of the environment that names another file.
struct Wanted {
    what: &'static str,
    file: &'static str,
    variable: &'static str,
}

const FILTER: Wanted = Wanted { what: "filter's", file: "countersign.wasm", variable: "COUNTERSIGN_WASM" };
const POLICY: Wanted = Wanted {
    what: "policy evaluator's",
    file: "countersign-policy.wasm",
    variable: "COUNTERSIGN_POLICY_WASM",
};

/// The module, compiled once and started any number of times.
pub(crate) struct Module {
    loaded: countersign_host_sim::Module,
    name: String,
    bytes: Vec<u8>,
}

impl Module {
    /// Loads the module from `path`, or from where it is usually found.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self, Failure> {
        Self::load_metered(path, false)
    }

    /// The same, with fuel metered where that is asked for.
    pub(crate) fn load_metered(path: Option<&Path>, fuel: bool) -> Result<Self, Failure> {
        let (path, bytes) = read(&FILTER, path)?;
        Self::compiled(Engine::builder().fuel(fuel), &bytes, path.display().to_string())
    }

    /// Loads a module that need not be Countersign's.
    pub(crate) fn load_any(path: &Path) -> Result<Self, Failure> {
        Self::compile(&read_any(path)?, path.display().to_string())
    }

    /// Compiles a module, or takes it from the cache; `name` is what faults call it.
    pub(crate) fn compile(bytes: &[u8], name: impl Into<String>) -> Result<Self, Failure> {
        Self::compiled(Engine::builder(), bytes, name.into())
    }

    fn compiled(engine: EngineBuilder, bytes: &[u8], name: String) -> Result<Self, Failure> {
        match engine.build().and_then(|engine| engine.load_module(bytes)) {
            Ok(loaded) => Ok(Self { loaded, name, bytes: bytes.to_vec() }),
            Err(error) => Err(unloadable(&name, &error)),
        }
    }

    /// Its file.
    pub(crate) fn path(&self) -> &Path {
        Path::new(&self.name)
    }

    /// Its file, or what else it is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What was compiled.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Deref for Module {
    type Target = countersign_host_sim::Module;

    fn deref(&self) -> &Self::Target {
        &self.loaded
    }
}

/// Modules of any kind, by their files, each compiled once.
#[derive(Default)]
pub(crate) struct Modules {
    engines: BTreeMap<bool, Engine>,
    loaded: BTreeMap<(PathBuf, bool), countersign_host_sim::Module>,
}

impl Modules {
    /// The module in a file, with fuel metered where that is asked for.
    pub(crate) fn load(&mut self, path: &Path, fuel: bool) -> Result<countersign_host_sim::Module, Failure> {
        let at = (path.to_owned(), fuel);
        if let Some(module) = self.loaded.get(&at) {
            return Ok(module.clone());
        }
        let wrong = |error: LoadError| unloadable(path.display(), &error);
        let bytes = read_any(path)?;
        let engine = match self.engines.get(&fuel) {
            Some(engine) => engine.clone(),
            None => Engine::builder().fuel(fuel).build().map_err(wrong)?,
        };
        let module = engine.load_module(&bytes).map_err(wrong)?;
        self.engines.insert(fuel, engine);
        self.loaded.insert(at, module.clone());
        Ok(module)
    }
}

/// Starts the policy evaluator from `path`, or from where it is usually found.
pub(crate) fn policy_module(path: Option<&Path>) -> Result<PolicyModule, Failure> {
    let (path, bytes) = read(&POLICY, path)?;
    let engine = Engine::new().map_err(|error| Failure::at(path.display(), error))?;
    PolicyModule::start(&engine, &bytes).map_err(|error| Failure::at(path.display(), error))
}

/// Reads a module that may be anybody's.
fn read_any(path: &Path) -> Result<Vec<u8>, Failure> {
    inputs::note(path);
    std::fs::read(path)
        .map_err(|error| Failure::at(path.display(), format!("expected a proxy-wasm module: {error}")))
}

/// A module that cannot be hosted, with the place of a mistake in its text.
fn unloadable(name: impl Display, error: &LoadError) -> Failure {
    match error {
        LoadError::Text { message, line, column } => Failure::at(format!("{name}:{line}:{column}"), message),
        _ => Failure::at(name, error),
    }
}

fn read(wanted: &Wanted, path: Option<&Path>) -> Result<(PathBuf, Vec<u8>), Failure> {
    let path = match path {
        Some(path) => path.to_owned(),
        None => find(wanted)?,
    };
    inputs::note(&path);
    let bytes = std::fs::read(&path).map_err(|error| {
        Failure::at(path.display(), format!("expected the {} module: {error}", wanted.what)).help(format!(
            "`cargo xtask build-filter` builds it; `--module` or `{}` names it",
            wanted.variable
        ))
    })?;
    Ok((path, bytes))
}

fn find(wanted: &Wanted) -> Result<PathBuf, Failure> {
    if let Some(path) = std::env::var_os(wanted.variable) {
        return Ok(path.into());
    }
    // Beside this command, beside its folder as cargo has it, and where the repository has it.
    let exe = std::env::current_exe().unwrap_or_default();
    let near = exe.ancestors().skip(1).take(2).map(|folder| folder.join(wanted.file));
    let usual: Vec<PathBuf> = near.chain([Path::new("target").join(wanted.file)]).collect();
    usual.iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        let tried: Vec<String> = usual.iter().map(|path| format!("  {}", path.display())).collect();
        Failure::usage(format!("expected the {} module `{}`, found none", wanted.what, wanted.file))
            .help(format!(
                "build it by `cargo xtask build-filter`, name it by `--module` or `{}`, or choose `--engine native`",
                wanted.variable
            ))
            .details(format!("looked at\n{}", tried.join("\n")))
    })
}
