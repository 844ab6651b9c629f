//! What a WebAssembly module is, without running it: its parts, where it comes from, and which hosts can run it.

mod fit;
mod origin;
mod read;

use std::fmt;

use crate::load;
use crate::module::AbiVersion;

pub use fit::Fit;
pub use origin::Origin;

/// Bytes of a page of memory.
pub(crate) const PAGE: u64 = 65_536;

/// A module, taken apart.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// Its size in bytes, in binary form.
    pub bytes: usize,
    /// Its name, from the name section.
    pub name: Option<String>,
    /// The versions of the proxy-wasm ABI that it says it was built for; a good module has one.
    pub abi: Vec<AbiVersion>,
    /// Markers of versions that are not known.
    pub unknown_markers: Vec<String>,
    /// What it imports, in its order.
    pub imports: Vec<Import>,
    /// What it exports, in its order.
    pub exports: Vec<Export>,
    /// Its memory, own or imported; the first where there are several.
    pub memory: Option<MemoryShape>,
    /// Whether it has a start function, which runs when it is instantiated.
    pub start: bool,
    /// How many functions it has of its own.
    pub functions: usize,
    /// Bytes of code.
    pub code_bytes: usize,
    /// Bytes of data.
    pub data_bytes: usize,
    /// Custom sections with their bytes.
    pub custom: Vec<(String, usize)>,
    /// The producers section: field, name and version of each tool.
    pub producers: Vec<(String, String, String)>,
    /// Where it seems to come from.
    pub origin: Origin,
}

/// Something that a module imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The module it is to come from, such as `env`.
    pub module: String,
    /// Its name there.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// Something that a module exports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// What an import or an export is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A function of these parameters and results, as `i32`.
    Function(Vec<String>, Vec<String>),
    /// A memory.
    Memory,
    /// A table.
    Table,
    /// A global.
    Global,
    /// An exception's tag.
    Tag,
}

/// How big a memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryShape {
    /// Bytes at the start.
    pub initial: u64,
    /// Bytes that it may grow to, where that is bounded.
    pub maximum: Option<u64>,
    /// Whether it comes from the host.
    pub imported: bool,
    /// Whether threads could share it.
    pub shared: bool,
}

/// Why a file can't be taken apart.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// Neither of WebAssembly's forms.
    #[error("expected a WebAssembly module, found something else")]
    NotWasm,
    /// A component, which is another format around modules.
    #[error("expected a core module, found a component: hosts of proxy-wasm run core modules alone")]
    Component,
    /// A module that is broken.
    #[error("the module is malformed: {0}")]
    Malformed(String),
}

impl Inspection {
    /// Takes a module apart, in binary or in text form.
    ///
    /// # Errors
    /// Where it is no valid core module.
    pub fn read(bytes: &[u8]) -> Result<Self, InspectError> {
        read::read(bytes)
    }

    /// Whether something could be a module: by its first bytes.
    pub fn looks_like_wasm(bytes: &[u8]) -> bool {
        let start = bytes.trim_ascii_start();
        let text = [b"(module".as_slice(), b";;", b"(;"];
        bytes.starts_with(b"\0asm") || text.iter().any(|begin| start.starts_with(begin))
    }

    /// What something is that is no module, in a few words, and what to do about it. `None` where it may be one.
    pub fn found_instead(bytes: &[u8]) -> Option<String> {
        load::other(bytes)
    }

    /// The function that it exports under a name: parameters and results.
    pub(crate) fn function(&self, name: &str) -> Option<(&[String], &[String])> {
        self.exports.iter().find_map(|export| match &export.kind {
            Kind::Function(params, results) if export.name == name => {
                Some((params.as_slice(), results.as_slice()))
            }
            _ => None,
        })
    }

    /// Whether it asks the host for anything of WASI.
    pub fn uses_wasi(&self) -> bool {
        self.imports.iter().any(|import| import.module.starts_with("wasi_"))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(params, results) => {
                write!(f, "({}) -> ", params.join(", "))?;
                match results.as_slice() {
                    [] => f.write_str("()"),
                    [one] => f.write_str(one),
                    more => write!(f, "({})", more.join(", ")),
                }
            }
            Self::Memory => f.write_str("memory"),
            Self::Table => f.write_str("table"),
            Self::Global => f.write_str("global"),
            Self::Tag => f.write_str("tag"),
        }
    }
}

#[cfg(test)]
mod tests;
