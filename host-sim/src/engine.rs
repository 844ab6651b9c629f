//! The wasmtime engine: compiler settings, the cache of compiled modules, the ticker behind deadlines.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::error::LoadError;
use crate::module::Module;

/// How often deadlines are looked at.
pub(crate) const EPOCH: Duration = Duration::from_millis(10);

/// Bytes of a module, in either form: what is bigger is not compiled.
const MODULE_BYTES: usize = 64 << 20;

/// Compiles and runs modules. Clones share compiled code and settings.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    wasmtime: wasmtime::Engine,
    fuel: bool,
}

/// Settings of an [`Engine`].
#[derive(Clone, Debug)]
pub struct EngineBuilder {
    fuel: bool,
    cache: Option<PathBuf>,
}

impl Engine {
    /// An engine without fuel metering, with the cache in the user's cache folder.
    ///
    /// # Errors
    /// Where the engine cannot be set up on this machine.
    pub fn new() -> Result<Self, LoadError> {
        Self::builder().build()
    }

    /// Settings to choose.
    pub fn builder() -> EngineBuilder {
        EngineBuilder { fuel: false, cache: default_cache() }
    }

    /// Compiles a module, in binary or text form, or takes it from the cache, and checks that it can be hosted.
    ///
    /// # Errors
    /// Where it is not a proxy-wasm module that this host can run.
    pub fn load_module(&self, bytes: &[u8]) -> Result<Module, LoadError> {
        if bytes.len() > MODULE_BYTES {
            return Err(LoadError::Compile(format!(
                "expected at most {MODULE_BYTES} bytes, found {}",
                bytes.len()
            )));
        }
        Module::new(self, bytes)
    }

    /// Whether fuel is metered.
    pub fn meters_fuel(&self) -> bool {
        self.inner.fuel
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner.wasmtime
    }
}

impl EngineBuilder {
    /// Meter fuel: a count of executed instructions that is the same on each run. Costs some speed.
    pub fn fuel(mut self, on: bool) -> Self {
        self.fuel = on;
        self
    }

    /// Where compiled modules are kept between runs; `None` for nowhere. Whoever writes there runs code as this user.
    pub fn cache_dir(mut self, dir: Option<&Path>) -> Self {
        self.cache = dir.map(Path::to_path_buf);
        self
    }

    /// The engine.
    ///
    /// # Errors
    /// Where the engine cannot be set up on this machine. A cache folder that cannot be used is done without.
    pub fn build(self) -> Result<Engine, LoadError> {
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(true);
        config.consume_fuel(self.fuel);
        config.wasm_multi_memory(false);
        config.wasm_memory64(false);
        config.max_wasm_stack(512 << 10);
        if let Some(dir) = &self.cache {
            let mut cache = wasmtime::CacheConfig::new();
            cache.with_directory(dir);
            config.cache(wasmtime::Cache::new(cache).ok());
        }
        let wasmtime = wasmtime::Engine::new(&config).map_err(|e| LoadError::Engine(format!("{e:#}")))?;
        let inner = Arc::new(Inner { wasmtime, fuel: self.fuel });
        tick(Arc::downgrade(&inner))?;
        Ok(Engine { inner })
    }
}

/// Moves the epoch on until the engine is gone.
fn tick(engine: Weak<Inner>) -> Result<(), LoadError> {
    let run = move || {
        while let Some(engine) = engine.upgrade() {
            engine.wasmtime.increment_epoch();
            drop(engine);
            std::thread::sleep(EPOCH);
        }
    };
    let thread = std::thread::Builder::new().name("wasm-epoch".into()).spawn(run);
    thread.map(drop).map_err(|e| LoadError::Engine(format!("no thread for deadlines: {e}")))
}

fn default_cache() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(base.join("proxy-wasm-host-sim"))
}
