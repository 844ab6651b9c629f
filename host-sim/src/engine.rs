//! The wasmtime engine: compiler settings, the cache of compiled modules, the ticker behind deadlines.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::error::LoadError;
use crate::load;
use crate::module::Module;
use crate::sampling::{Recorder, Samples};

/// How often deadlines are looked at, unless guests are sampled.
pub(crate) const EPOCH: Duration = Duration::from_millis(10);

/// Frames of a stack that a sample holds.
const FRAMES: usize = 256;

/// Compilations that may go on after they were given up, before another is begun.
const ABANDONED: usize = 2;

/// Compiles and runs modules. Clones share compiled code and settings.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    wasmtime: wasmtime::Engine,
    fuel: bool,
    module_bytes: usize,
    compile_deadline: Duration,
    /// Compilations that were given up, and go on all the same.
    abandoned: Arc<AtomicUsize>,
    epoch: Duration,
    recorder: Option<Arc<Recorder>>,
}

/// Settings of an [`Engine`].
#[derive(Clone, Debug)]
pub struct EngineBuilder {
    fuel: bool,
    module_bytes: usize,
    compile_deadline: Duration,
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
        EngineBuilder {
            fuel: false,
            module_bytes: 256 << 20,
            compile_deadline: Duration::from_secs(300),
            sampling: None,
            cache: default_cache(),
        }
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

    /// Compiles a module in binary form, on a thread that is left alone where it takes too long.
    pub(crate) fn compile(&self, binary: Vec<u8>) -> Result<wasmtime::Module, LoadError> {
        let abandoned = Arc::clone(&self.inner.abandoned);
        if abandoned.load(Ordering::Relaxed) >= ABANDONED {
            let message = "earlier modules are still being compiled, which took too long: try again later";
            return Err(LoadError::Engine(message.to_owned()));
        }
        let (wasmtime, (send, receive)) = (self.inner.wasmtime.clone(), sync_channel(0));
        let given_up = Arc::clone(&abandoned);
        let run = move || {
            let compiled = wasmtime::Module::new(&wasmtime, binary);
            // Nobody waits any more.
            if send.send(compiled).is_err() {
                given_up.fetch_sub(1, Ordering::Relaxed);
            }
        };
        let thread = std::thread::Builder::new().name("wasm-compile".into()).spawn(run);
        thread.map_err(|e| LoadError::Engine(format!("no thread to compile on: {e}")))?;
        match receive.recv_timeout(self.inner.compile_deadline) {
            Ok(compiled) => compiled.map_err(|e| {
                let error = format!("{e:#}");
                let hint = load::of_proposals(&error);
                LoadError::Compile(error + &hint)
            }),
            Err(RecvTimeoutError::Timeout) => {
                abandoned.fetch_add(1, Ordering::Relaxed);
                Err(LoadError::CompileDeadline(self.inner.compile_deadline))
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(LoadError::Compile("the compiler failed: please report the module".to_owned()))
            }
        }
    }

    /// Takes what was seen of guests since the last time; nothing where the engine does not sample.
    pub fn take_samples(&self) -> Option<Samples> {
        self.recorder().map(|recorder| recorder.take())
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

    /// How long a module may take to be compiled; 5 minutes unless set. What takes longer is refused, and its thread ends when it is done.
    pub fn compile_deadline(mut self, most: Duration) -> Self {
        self.compile_deadline = most;
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
        // Beyond the engine's defaults there is nothing that Envoy's engine takes, but for the older form of exceptions.
        config.relaxed_simd_deterministic(true);
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
            compile_deadline: self.compile_deadline,
            abandoned: Arc::default(),
            epoch,
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
