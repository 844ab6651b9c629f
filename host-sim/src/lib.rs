//! A proxy-wasm host on wasmtime: runs any proxy-wasm module without a gateway, on virtual time, for tests,
//! explanations and benchmarks.
//!
//! ```no_run
//! use countersign_host_sim::{Engine, Request, Upstream, UpstreamReply};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let module = Engine::new()?.load_module(&std::fs::read("filter.wasm")?)?;
//! let mut host = module
//!     .host()
//!     .plugin_config(std::fs::read("filter.json")?)
//!     .clock_at(1_700_000_000)
//!     .cluster("issuer", Upstream::new().on("/jwks", [UpstreamReply::ok("{}")]))
//!     .start()?;
//! let stream = host.request(&Request::get("/accounts").header("authorization", "Bearer x"));
//! host.advance(std::time::Duration::from_secs(1));
//! println!("{:?}", host.outcome(stream));
//! # Ok(())
//! # }
//! ```
//!
//! What is an HTTP filter where a test sends a request ([`Host::request`]) is a network filter where it connects ([`Host::connect`]). Calls over
//! HTTP and gRPC are answered by scripts ([`Upstream`], [`GrpcUpstream`]). A [`Profile`] is the host to copy, and an [`Inspection`] says, without running it,
//! what a module needs of one.
//!
//! A [`Module`] is compiled once and hosted any number of times. A [`Host`] has one or more workers, each with a VM
//! of its own; they share data, queues and metrics. Time stands still until [`Host::advance`] moves it.

mod abi;
mod builder;
mod clock;
mod engine;
mod error;
mod fault;
mod foreign;
mod grpc;
mod header_map;
mod host;
mod inspect;
mod instance;
mod limits;
mod local_reply;
mod log;
mod measure;
mod module;
mod outcome;
mod policy_module;
mod profile;
mod property;
mod protobuf;
mod reconfigure;
mod rng;
pub mod serve;
mod shared;
mod status;
mod stream;
mod tcp;
mod upstream;
mod vm;
mod worker;

pub use abi::{Callback, HostCall};
pub use builder::HostBuilder;
pub use clock::Clock;
pub use engine::{Engine, EngineBuilder};
pub use error::{Failure, FailureKind, LoadError, StartError, StartFailure};
pub use foreign::{Lending, verify_signature};
pub use grpc::{GrpcCall, GrpcReply, GrpcUpstream};
pub use header_map::HeaderMap;
pub use host::{Host, StreamId};
pub use inspect::{Export, Fit, Import, InspectError, Inspection, Kind, MemoryShape, Origin};
pub use limits::Limits;
pub use log::{LogLevel, LogLine};
pub use measure::{Disposition, Measured};
pub use module::{AbiVersion, Module};
pub use outcome::{HttpCall, LocalReply, Message, Outcome, Request, Response, ResponseOutcome};
pub use policy_module::{PolicyAnswer, PolicyModule, PolicyModuleError};
pub use profile::{Profile, Support};
pub use property::{Properties, PropertyValue};
pub use shared::{Histogram, Metric, MetricKind, MetricValue, Metrics};
pub use status::Status;
pub use tcp::{CloseType, Connect, ConnectionId, ConnectionOutcome, ConnectionState};
pub use upstream::{Upstream, UpstreamReply};
pub use vm::ForeignFunction;
