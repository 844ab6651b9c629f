//! What the suites that cross crates share: real Envoy, a real OpenID provider, certificates, sample
//! services, and an HTTP client that sends exactly the bytes it is told to.
//!
//! Everything listens on a port of 127.0.0.1 that the system gives, and ends when it is dropped.

pub mod bootstrap;
pub mod bundle;
pub mod client;
pub mod conformance;
pub mod differential;
pub mod envoy;
pub mod flow;
pub(crate) mod grpc;
pub mod http;
pub mod issuer;
pub mod load;
pub mod mint;
pub mod moved;
pub mod mutation;
pub mod pki;
pub mod policies;
pub mod probe;
pub mod proof;
pub mod revocation;
pub mod samples;
pub mod scenarios;
pub mod scored;
pub mod server;
pub mod services;
pub mod simulated;
pub mod vectors;
pub mod workers;
pub mod world;

use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}
