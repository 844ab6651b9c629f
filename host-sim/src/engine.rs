//! The wasmtime engine: compiler settings, the cache of compiled modules, the ticker behind deadlines.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::error::LoadError;
use crate::module::Module;
use crate::sampling::{Recorder, Samples};

/// How often deadlines are looked at, unless guests are sampled.
pub(crate) const EPOCH: Duration = Duration::from_millis(10);

/// Frames of a stack that a sample holds.
const FRAMES: usize = 256;

/// Compiles and runs modules. Clones share compiled code and settings.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    wasmtime: wasmtime::Engine,
    fuel: bool,
    module_bytes: usize,
    epoch: Duration,
    /// Epochs that have passed.
    epochs: AtomicU64,
    recorder: Option<Arc<Recorder>>,
}

/// Settings of an [`Engine`].
#[derive(Clone, Debug)]
pub struct EngineBuilder {
    fuel: bool,
    module_bytes: usize,
    sampling: Option<Duration>,
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
        EngineBuilder { fuel: false, module_bytes: 256 << 20, sampling: None, cache: default_cache() }
    }

    /// Compiles a module, in binary or text form, or takes it from the cache, and checks that it can be hosted.
    ///
    /// # Errors
    /// Where it is not a proxy-wasm module that this host can run.
    pub fn load_module(&self, bytes: &[u8]) -> Result<Module, LoadError> {
        Module::new(self, bytes)
    }

    /// Whether fuel is metered.
    pub fn meters_fuel(&self) -> bool {
        self.inner.fuel
    }

    pub(crate) fn module_bytes(&self) -> usize {
        self.inner.module_bytes
    }

    /// Takes what was seen of guests since the last time; nothing where the engine does not sample.
    pub fn take_samples(&self) -> Option<Samples> {
        self.recorder().map(|recorder| recorder.take())
    }

    /// Epochs that have passed: time as deadlines are measured, at the cost of a look at a number.
    pub(crate) fn epochs(&self) -> u64 {
        self.inner.epochs.load(Ordering::Relaxed)
    }

    /// How long an epoch is.
    pub(crate) fn epoch(&self) -> Duration {
        self.inner.epoch
    }

    pub(crate) fn recorder(&self) -> Option<&Arc<Recorder>> {
        self.inner.recorder.as_ref()
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

    /// Bytes of the largest module that is compiled; 256 MiB unless set.
    pub fn module_bytes(mut self, most: usize) -> Self {
        self.module_bytes = most;
        self
    }

    /// Look so often at what guests execute, for [`Engine::take_samples`]. Costs some speed.
    pub fn sampling(mut self, interval: Option<Duration>) -> Self {
        self.sampling = interval.map(|interval| interval.max(Duration::from_micros(10)));
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
        // As Envoy's engine; exceptions, garbage collection and threads, which it has too, are not built in here.
        config.wasm_multi_memory(true);
        config.wasm_memory64(true);
        config.max_wasm_stack(512 << 10);
        if self.sampling.is_some() {
            config.wasm_backtrace_max_frames(NonZeroUsize::new(FRAMES));
        }
        if let Some(dir) = &self.cache {
            let mut cache = wasmtime::CacheConfig::new();
            cache.with_directory(dir);
            config.cache(wasmtime::Cache::new(cache).ok());
        }
        let wasmtime = wasmtime::Engine::new(&config).map_err(|e| LoadError::Engine(format!("{e:#}")))?;
        let recorder = self.sampling.map(|interval| Arc::new(Recorder::new(interval)));
        let epoch = self.sampling.unwrap_or(EPOCH);
        let inner = Arc::new(Inner {
            wasmtime,
            fuel: self.fuel,
            module_bytes: self.module_bytes,
            epoch,
            epochs: AtomicU64::new(0),
            recorder,
        });
        tick(Arc::downgrade(&inner))?;
        Ok(Engine { inner })
    }
}

/// Moves the epoch on until the engine is gone.
fn tick(engine: Weak<Inner>) -> Result<(), LoadError> {
    let run = move || {
        while let Some(engine) = engine.upgrade() {
            if let Some(recorder) = &engine.recorder {
                recorder.tick();
            }
            engine.epochs.fetch_add(1, Ordering::Relaxed);
            engine.wasmtime.increment_epoch();
            let epoch = engine.epoch;
            drop(engine);
            std::thread::sleep(epoch);
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
