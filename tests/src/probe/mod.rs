//! The module of `probe`, in real Envoy and in the simulator: the same requests through both, and what the module wrote down, compared
//! line by line.
//!
//! [`exchanges`] has the requests, [`differences`] what is known to differ and why, [`compare`] the rules by which lines are made
//! comparable.

pub mod compare;
pub mod differences;
pub mod envoy;
pub mod exchanges;
mod gate;
mod grpc;
mod log;
mod setup;
pub mod simulator;
pub mod tcp;
pub mod traps;

use std::path::PathBuf;

use anyhow::{Result, ensure};

/// Headers in order.
pub type Fields = &'static [(&'static str, &'static str)];

/// A request or a response, in the pieces that it is sent in.
#[derive(Clone, Copy)]
pub struct Sent {
    /// Headers beside those of the framing.
    pub headers: Fields,
    /// The body: each piece is sent once the module has been called for the one before it.
    pub pieces: &'static [&'static str],
    /// Trailers.
    pub trailers: Fields,
}

/// One request through a gateway, and the response to it.
#[derive(Clone, Copy)]
pub struct Exchange {
    /// What the module does with it.
    pub script: &'static str,
    /// The listener, or worker, that gets it.
    pub at: usize,
    /// The request.
    pub request: Sent,
    /// What the service answers, if the request reaches it.
    pub response: Sent,
    /// When the client goes away unanswered: once the transcript has a line that begins so.
    pub abandoned: Option<&'static str>,
    /// What is waited for beyond the stream's end: a line that begins so.
    pub until: Option<&'static str>,
}

/// What a gateway said and did, line by line.
pub type Transcript = Vec<String>;

/// A gateway with the module in it.
pub trait Gateway {
    /// What the module wrote down before any request, at a listener or worker.
    fn beginning(&mut self, at: usize) -> Result<Transcript>;

    /// Sends a request through it.
    fn exchange(&mut self, exchange: &Exchange) -> Result<Transcript>;

    /// The metrics that the module made, by name, with kind and value.
    fn metrics(&mut self) -> Result<Transcript>;
}

/// The module.
pub fn module() -> Result<PathBuf> {
    let built = crate::root().join("target/probe.wasm");
    ensure!(built.exists(), "there is no {}, run `cargo xtask build-filter`", built.display());
    Ok(built)
}

/// The configuration of the VM, and of the plugin.
pub const CONFIGURATION: (&str, &str) = ("vm-calls", "plugin configuration");
/// The names of the plugin, its root and its VM.
pub const NAMES: (&str, &str, &str) = ("probe-plugin", "probe-root", "probe");
/// The environment.
pub const ENVIRONMENT: (&str, &str) = ("PROBE", "environment");

/// Fields as the module writes pairs.
fn pairs<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: impl IntoIterator<Item = (N, V)>) -> String {
    let pairs: Vec<String> = fields
        .into_iter()
        .map(|(name, value)| format!("{}: {}", quoted(name.as_ref()), quoted(value.as_ref())))
        .collect();
    format!("{{{}}}", pairs.join(", "))
}

/// Bytes as the module writes them.
fn quoted(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(*byte)]),
            0x20..=0x7e => out.push(char::from(*byte)),
            other => out.push_str(&format!("\\x{other:02x}")),
        }
    }
    out + "\""
}
