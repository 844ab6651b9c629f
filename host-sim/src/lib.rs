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
//! # The tests of a filter
//!
//! What goes in is built, what comes out is asserted; nothing waits, and each run is the same. This filter adds a header to every
//! request:
//!
//! ```
//! use countersign_host_sim::{Engine, FailPolicy, HostCall, Request, Response};
//!
//! const FILTER: &str = r#"(module
//!     (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
//!     (memory (export "memory") 2)
//!     (func (export "proxy_abi_version_0_2_1"))
//!     (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 65536))
//!     (data (i32.const 64) "x-seen") (data (i32.const 80) "yes")
//!     (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
//!       (drop (call $add (i32.const 0) (i32.const 64) (i32.const 6) (i32.const 80) (i32.const 3)))
//!       (i32.const 0)))"#;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let module = Engine::new()?.load_module(FILTER.as_bytes())?;
//! let mut host = module.host().fail_policy(FailPolicy::Reload).start()?;
//!
//! // Bodies come in chunks, and may end in trailers.
//! let request = Request::post("/accounts").chunks(["one", "two"]).trailers([("x-end", "1")]);
//! let (outcome, response) = host.exchange(&request, Response::new(201).body("made"));
//! let forwarded = outcome.forwarded().expect("a request that is forwarded");
//! assert_eq!(forwarded.headers.text("x-seen").as_deref(), Some("yes"));
//! assert_eq!(forwarded.text(), "onetwo");
//! assert_eq!(response.sent().expect("a response").status(), 201);
//!
//! // A VM that traps fails its stream; under this policy a fresh one takes later streams.
//! host.trap_at(0, HostCall::proxy_add_header_map_value);
//! assert!(host.run(&Request::get("/")).failure().is_some());
//! host.advance(std::time::Duration::from_secs(1));
//! assert!(host.run(&Request::get("/")).forwarded().is_some());
//! assert_eq!(host.host_calls()["proxy_add_header_map_value"], 1);
//! # Ok(())
//! # }
//! ```
//!
//! [`Host::request`] leaves a stream open, so that answers can come late ([`Host::advance`]), more body follow ([`Host::send_body`]) or
//! the client go away ([`Host::close`]). Clusters answer as [`Upstream`] says; [`Host::fail_at`], [`Host::restart`] and
//! [`Host::reconfigure`] have things go wrong, and [`Host::calls`], [`Host::metrics`] and [`Host::take_logs`] show what the filter did.
//!
//! What is an HTTP filter where a test sends a request ([`Host::request`]) is a network filter where it connects ([`Host::connect`]). Calls over
//! HTTP and gRPC are answered by scripts ([`Upstream`], [`GrpcUpstream`]). A [`Profile`] is the host to copy, and an [`Inspection`] says, without running it,
//! what a module needs of one.
//!
//! A [`Module`] is compiled once and hosted any number of times. A [`Host`] has one or more workers, each with a VM
//! of its own; they share data, queues and metrics. Time stands still until [`Host::advance`] moves it.

mod abi;
mod budget;
mod builder;
mod cel;
mod clock;
mod due;
mod engine;
mod error;
mod fail_policy;
mod fault;
mod foreign;
mod grpc;
mod header_map;
mod host;
mod inspect;
mod instance;
mod limits;
mod load;
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
mod remembered;
mod retired;
mod rng;
mod sampling;
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
pub use fail_policy::FailPolicy;
pub use foreign::{Lending, verify_signature};
pub use grpc::{GrpcCall, GrpcReply, GrpcUpstream};
pub use header_map::HeaderMap;
pub use host::{Host, StreamId};
pub use inspect::{Export, Fit, Import, InspectError, Inspection, Kind, MemoryShape, Origin};
pub use limits::{Allowance, Limits};
pub use log::{LogLevel, LogLine};
pub use measure::{Disposition, Measured};
pub use module::{AbiVersion, Module};
pub use outcome::{HttpCall, LocalReply, Message, Outcome, Request, Response, ResponseOutcome};
pub use policy_module::{PolicyAnswer, PolicyModule, PolicyModuleError};
pub use profile::{Profile, Support};
pub use property::{Properties, PropertyValue};
pub use rng::first_random_bytes;
pub use sampling::{SampledFunction, Samples, Stack};
pub use shared::{Histogram, Metric, MetricKind, MetricValue, Metrics};
pub use status::Status;
pub use tcp::{CloseType, Connect, ConnectionId, ConnectionOutcome, ConnectionState};
pub use upstream::{Upstream, UpstreamReply};
pub use vm::ForeignFunction;
