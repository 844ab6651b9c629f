//! What is looked at before a module is compiled, and before it is run: whether the bytes are a module, and whether it fits the
//! ABI. What Envoy refuses is refused here, for the same reason.

mod bytes;
mod cost;
mod hints;
mod shared;
mod signature;
mod text;

use wasmtime::{ExternType, Module};

use crate::error::LoadError;
use crate::module::AbiVersion;

pub(crate) use bytes::{binary, other, recognise};
pub(crate) use cost::bounded;
pub(crate) use hints::{of_imports, of_proposals};
pub(crate) use shared::unshare;
pub(crate) use signature::{check_exports, check_imports};
pub(crate) use text::of_text;

/// Where host calls find the module's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MemorySource {
    /// It exports it, under this name.
    Exported(String),
    /// It imports it, and the host makes it.
    Imported,
}

/// The version of the ABI: the first marker counts.
pub(crate) fn abi_version(wasm: &Module) -> Result<AbiVersion, LoadError> {
    let functions = wasm.exports().filter(|export| matches!(export.ty(), ExternType::Func(_)));
    let mut versions = functions.filter_map(|export| {
        AbiVersion::MARKERS.iter().find(|(_, marker)| *marker == export.name()).map(|(version, _)| *version)
    });
    if let Some(version) = versions.next() {
        return Ok(version);
    }
    let other = |name: &str| name.starts_with("proxy_abi_version_");
    let found = wasm.exports().map(|e| e.name()).find(|name| other(name));
    Err(LoadError::NotProxyWasm { found: found.map(|name| name.escape_debug().to_string()) })
}

/// The memory that host calls are about: the last one that is exported, under whatever name, else the one that is imported.
pub(crate) fn memory(wasm: &Module) -> Result<MemorySource, LoadError> {
    let exported = wasm.exports().filter(|export| matches!(export.ty(), ExternType::Memory(_))).last();
    if let Some(export) = exported {
        return Ok(MemorySource::Exported(export.name().to_owned()));
    }
    if wasm.imports().any(|import| matches!(import.ty(), ExternType::Memory(_))) {
        return Ok(MemorySource::Imported);
    }
    // Envoy loads it, and crashes at the first host call.
    Err(LoadError::MissingExport("`memory`"))
}

/// Whether the host has to make memories or tables for each instance.
pub(crate) fn imports_own(wasm: &Module) -> bool {
    wasm.imports().any(|import| matches!(import.ty(), ExternType::Memory(_) | ExternType::Table(_)))
}
