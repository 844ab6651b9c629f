//! A compiled module, known to be hostable.

use std::fmt;
use std::sync::Arc;

use wasmtime::{ExternType, InstancePre, Linker};

use crate::abi::{self, HostCall};
use crate::builder::HostBuilder;
use crate::engine::Engine;
use crate::error::LoadError;
use crate::profile::{Profile, Support};
use crate::vm::Vm;

/// The version of the proxy-wasm ABI that a module was built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AbiVersion {
    /// 0.1.0
    V0_1_0,
    /// 0.2.0
    V0_2_0,
    /// 0.2.1
    V0_2_1,
}

impl AbiVersion {
    /// Every version, the oldest first.
    pub const ALL: [Self; 3] = [Self::V0_1_0, Self::V0_2_0, Self::V0_2_1];

    pub(crate) const MARKERS: [(Self, &'static str); 3] = [
        (Self::V0_2_1, "proxy_abi_version_0_2_1"),
        (Self::V0_2_0, "proxy_abi_version_0_2_0"),
        (Self::V0_1_0, "proxy_abi_version_0_1_0"),
    ];
}

impl fmt::Display for AbiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_2_1 => "0.2.1",
        })
    }
}

/// A module that is compiled and linked, ready to be instantiated any number of times.
#[derive(Clone)]
pub struct Module {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    wasm: wasmtime::Module,
    pre: InstancePre<Vm>,
    abi: AbiVersion,
}

impl Module {
    pub(crate) fn new(engine: &Engine, bytes: &[u8]) -> Result<Self, LoadError> {
        let wasm = wasmtime::Module::new(engine.wasmtime(), bytes)
            .map_err(|e| LoadError::Compile(format!("{e:#}")))?;
        let abi = abi_version(&wasm)?;
        if !matches!(wasm.get_export("memory"), Some(ExternType::Memory(_))) {
            return Err(LoadError::MissingExport("`memory`"));
        }
        let allocates = |name| matches!(wasm.get_export(name), Some(ExternType::Func(_)));
        if !allocates("malloc") && !allocates("proxy_on_memory_allocate") {
            return Err(LoadError::MissingExport("an allocator: `proxy_on_memory_allocate` or `malloc`"));
        }
        let mut linker = Linker::new(engine.wasmtime());
        abi::link(&mut linker).map_err(|e| LoadError::Engine(format!("{e:#}")))?;
        let missing = missing_imports(&wasm, abi);
        if !missing.is_empty() {
            return Err(LoadError::MissingImports(missing));
        }
        let pre = linker.instantiate_pre(&wasm).map_err(|e| LoadError::Signature(format!("{e:#}")))?;
        Ok(Self { inner: Arc::new(Inner { engine: engine.clone(), wasm, pre, abi }) })
    }

    /// A host to set up for this module.
    pub fn host(&self) -> HostBuilder {
        HostBuilder::new(self.clone())
    }

    /// The ABI version it was built for.
    pub fn abi_version(&self) -> AbiVersion {
        self.inner.abi
    }

    /// What it imports, as `module.name`.
    pub fn imports(&self) -> Vec<String> {
        self.inner.wasm.imports().map(|i| format!("{}.{}", i.module(), i.name())).collect()
    }

    /// What it exports.
    pub fn exports(&self) -> Vec<String> {
        self.inner.wasm.exports().map(|e| e.name().to_owned()).collect()
    }

    /// Checks that a host of a profile has all that the module imports.
    pub(crate) fn fits(&self, profile: Profile) -> Result<(), LoadError> {
        let missing: Vec<_> = self
            .inner
            .wasm
            .imports()
            .filter(|i| {
                HostCall::named(i.module(), i.name())
                    .is_some_and(|call| profile.support(call) == Support::Missing)
            })
            .map(|i| format!("`{}.{}`", i.module(), i.name()))
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(LoadError::MissingImports(missing)) }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(crate) fn pre(&self) -> &InstancePre<Vm> {
        &self.inner.pre
    }
}

fn abi_version(wasm: &wasmtime::Module) -> Result<AbiVersion, LoadError> {
    for (version, marker) in AbiVersion::MARKERS {
        if matches!(wasm.get_export(marker), Some(ExternType::Func(_))) {
            return Ok(version);
        }
    }
    let found =
        wasm.exports().map(|e| e.name().to_owned()).find(|name| name.starts_with("proxy_abi_version_"));
    Err(LoadError::NotProxyWasm { found })
}

fn missing_imports(wasm: &wasmtime::Module, abi: AbiVersion) -> Vec<String> {
    wasm.imports()
        .filter(|i| !abi::has(i.module(), i.name(), abi))
        .map(|i| format!("`{}.{}`", i.module(), i.name()))
        .collect()
}
