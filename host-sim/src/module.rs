//! A compiled module, known to be hostable.

use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use wasmtime::{ExternType, Instance, InstancePre, Linker, Memory, Ref, Store, Table};

use crate::abi::{self, HostCall};
use crate::builder::HostBuilder;
use crate::engine::Engine;
use crate::error::LoadError;
use crate::load::{self, MemorySource};
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
    linked: Linked,
    memory: MemorySource,
    abi: AbiVersion,
    /// Tells its text from others.
    text: u64,
}

enum Linked {
    Ready(Box<InstancePre<Vm>>),
    /// It imports memory or a table, which are made for each instance.
    WithOwn(Box<Linker<Vm>>),
}

impl Module {
    pub(crate) fn new(engine: &Engine, bytes: &[u8]) -> Result<Self, LoadError> {
        load::recognise(bytes, engine.module_bytes())?;
        let binary = load::binary(bytes)?;
        load::bounded(&binary)?;
        let wasm = engine.compile(load::unshare(binary.into_owned()))?;
        let abi = load::abi_version(&wasm)?;
        load::check_imports(&wasm, abi)?;
        load::check_exports(&wasm, abi)?;
        let memory = load::memory(&wasm)?;
        let mut linker = Linker::new(engine.wasmtime());
        abi::link(&mut linker).map_err(|e| LoadError::Engine(format!("{e:#}")))?;
        let linked = if load::imports_own(&wasm) {
            Linked::WithOwn(Box::new(linker))
        } else {
            let pre = linker.instantiate_pre(&wasm).map_err(|e| LoadError::Signature(format!("{e:#}")))?;
            Linked::Ready(Box::new(pre))
        };
        let mut text = DefaultHasher::new();
        text.write(bytes);
        let (engine, text) = (engine.clone(), text.finish());
        Ok(Self { inner: Arc::new(Inner { engine, wasm, linked, memory, abi, text }) })
    }

    /// A host to set up for this module.
    pub fn host(&self) -> HostBuilder {
        HostBuilder::new(self.clone())
    }

    /// The ABI version it was built for.
    pub fn abi_version(&self) -> AbiVersion {
        self.inner.abi
    }

    /// Whether it was made of the same bytes.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.inner.text == other.inner.text
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

    /// Makes an instance, and finds its memory.
    pub(crate) fn instantiate(&self, store: &mut Store<Vm>) -> wasmtime::Result<(Instance, Memory)> {
        let (instance, imported) = match &self.inner.linked {
            Linked::Ready(pre) => (pre.instantiate(&mut *store)?, None),
            Linked::WithOwn(linker) => {
                let (linker, imported) = self.with_own(linker, store)?;
                (linker.instantiate(&mut *store, &self.inner.wasm)?, imported)
            }
        };
        let memory = match &self.inner.memory {
            MemorySource::Exported(name) => instance.get_memory(&mut *store, name),
            MemorySource::Imported => imported,
        };
        memory.map(|memory| (instance, memory)).ok_or_else(|| wasmtime::Error::msg("there is no memory"))
    }

    /// The linker with the memories and tables that the module imports, made for this store.
    fn with_own(
        &self,
        linker: &Linker<Vm>,
        store: &mut Store<Vm>,
    ) -> wasmtime::Result<(Linker<Vm>, Option<Memory>)> {
        let (mut linker, mut last) = (linker.clone(), None);
        for import in self.inner.wasm.imports() {
            match import.ty() {
                ExternType::Memory(ty) => {
                    if ty.is_shared() {
                        let name = format!("{}.{}", import.module(), import.name());
                        return Err(wasmtime::Error::msg(format!(
                            "it imports `{name}` as a shared memory, and hosts make plain ones: link without `--shared-memory`, or \
                             without `--import-memory`"
                        )));
                    }
                    let memory = Memory::new(&mut *store, ty)?;
                    linker.define(&mut *store, import.module(), import.name(), memory)?;
                    last = Some(memory);
                }
                ExternType::Table(ty) => {
                    let empty = Ref::null(ty.element().heap_type());
                    let table = Table::new(&mut *store, ty, empty)?;
                    linker.define(&mut *store, import.module(), import.name(), table)?;
                }
                _ => {}
            }
        }
        Ok((linker, last))
    }
}
