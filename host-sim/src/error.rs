//! What goes wrong while a module is loaded, started or run.

use std::fmt;
use std::time::Duration;

use crate::load;
use crate::log::LogLine;

/// A module that cannot be hosted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The engine could not be set up.
    #[error("engine not available: {0}")]
    Engine(String),
    /// Something else than a WebAssembly module.
    #[error("not a WebAssembly module, but {found}")]
    NotWasm {
        /// What it is, and what to do about it.
        found: String,
    },
    /// A module beyond what [`EngineBuilder::module_bytes`](crate::EngineBuilder::module_bytes) allows.
    #[error("module is too large: {bytes} bytes, expected {most} at most")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// WebAssembly's text form with a mistake in it.
    #[error("module does not compile: {message} at line {line}, column {column}")]
    Text {
        /// What is wrong.
        message: String,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// WebAssembly that does not compile.
    #[error("module does not compile: {0}")]
    Compile(String),
    /// A module that is small to read and big to compile.
    #[error("module would take too much to compile: {0}")]
    TooCostly(String),
    /// A module that was not compiled within [`EngineBuilder::compile_deadline`](crate::EngineBuilder::compile_deadline).
    #[error("module takes too long to compile: expected {} s at most", .0.as_secs_f64())]
    CompileDeadline(Duration),
    /// None of the exports that mark a proxy-wasm module.
    #[error(
        "not a proxy-wasm module: expected an export `proxy_abi_version_0_2_1`, `proxy_abi_version_0_2_0` or \
         `proxy_abi_version_0_1_0`{}", found.as_ref().map(|f| format!(", found `{f}`")).unwrap_or_default()
    )]
    NotProxyWasm {
        /// A marker of another version, if there is one.
        found: Option<String>,
    },
    /// Imports that no host function matches.
    #[error("module imports what this host does not have: {}{}", .0.join(", "), load::of_imports(.0))]
    MissingImports(Vec<String>),
    /// An export that hosts need.
    #[error("module does not export {0}")]
    MissingExport(&'static str),
    /// An export or import of another type than the ABI's.
    #[error("module does not fit the ABI: {0}")]
    Signature(String),
}

/// A module that loaded, and did not come up.
#[derive(Debug, thiserror::Error)]
#[error("{reason}{}", tail(.logs))]
pub struct StartError {
    /// What it failed at.
    pub reason: StartFailure,
    /// What the module logged until then.
    pub logs: Vec<LogLine>,
}

/// What a module failed at while it was started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartFailure {
    /// It cannot be hosted.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It trapped.
    #[error(transparent)]
    Trap(#[from] Failure),
    /// `proxy_on_vm_start` returned false.
    #[error("module refused its VM configuration")]
    VmConfiguration,
    /// `proxy_on_configure` returned false.
    #[error("module refused its configuration")]
    Configuration,
}

fn tail(logs: &[LogLine]) -> String {
    let last: Vec<String> = logs.iter().rev().take(8).map(|line| format!("\n  {line}")).collect();
    last.into_iter().rev().collect()
}

/// A VM that failed in a callback. It takes no further calls.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{callback}: {kind}{}", if message.is_empty() { String::new() } else { format!(": {message}") })]
pub struct Failure {
    /// Why.
    pub kind: FailureKind,
    /// The export that was being called.
    pub callback: &'static str,
    /// What the engine says of it.
    pub message: String,
}

/// Why a VM failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// It trapped: a panic, an access out of bounds, a stack that ran over.
    Trap,
    /// A callback ran longer than it may.
    Deadline,
    /// A callback used up its fuel.
    Fuel,
    /// A callback made more host calls than it may.
    HostCalls,
    /// It called a host function that is not allowed during start or allocation.
    Restricted,
    /// It called a host function that this host does not implement, and traps for.
    Unimplemented,
    /// The test asked for a trap at this host call.
    Injected,
    /// It had failed before this stream.
    Earlier,
    /// More streams than the host holds.
    Streams,
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trap => "trapped",
            Self::Deadline => "ran past its deadline",
            Self::Fuel => "used up its fuel",
            Self::HostCalls => "made too many host calls",
            Self::Restricted => "made a host call that is not allowed here",
            Self::Unimplemented => "made a host call that this host does not implement",
            Self::Injected => "trapped on request",
            Self::Earlier => "the VM had failed before",
            Self::Streams => "too many open streams",
        })
    }
}
