//! Two engines that give the same decisions: the core, run natively, and the module, run by the simulator.
//!
//! Both live in a world of virtual time and scripted clusters, take the same requests, and draw the same randomness, so
//! that one can be held against the other line by line.

mod connections;
mod decision;
mod difference;
mod grpc;
mod module;
mod native;
mod plain;
mod script;
mod simulator;
mod told;
mod wasm;
mod wire;

pub(crate) use connections::Connections;
pub(crate) use decision::{Decision, Outcome};
pub(crate) use difference::differences;
pub use grpc::{GrpcAnswer, GrpcEnd, GrpcScript};
pub(crate) use module::{Module, Modules, policy_module};
pub(crate) use native::Native;
pub(crate) use plain::Plain;
pub use script::{Answer, Document, Reply};
pub(crate) use script::{Condition, Script};
pub(crate) use simulator::Simulator;
pub(crate) use told::Told;
pub(crate) use wasm::{AUDIT, Wasm};
pub(crate) use wire::{Activity, Ended, Wire};

use countersign_core::settings::Settings;
use countersign_core::time::Timestamp;
use countersign_host_sim::{HeaderMap, LogLine, Message, PropertyValue};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// A request to decide.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// Headers with their pseudo-headers, repeats and all.
    pub(crate) headers: HeaderMap,
    /// Properties of the connection and the request, by path with dots.
    pub(crate) properties: BTreeMap<String, PropertyValue>,
    /// The body in the chunks that it comes in.
    pub(crate) body: Vec<Vec<u8>>,
    /// Trailers, if there are any.
    pub(crate) trailers: Option<HeaderMap>,
    /// Maps of HTTP/2 metadata.
    pub(crate) metadata: Vec<HeaderMap>,
    /// Whether more of it follows.
    pub(crate) unfinished: bool,
    /// The worker that takes it.
    pub(crate) worker: usize,
}

/// The world before the first request.
pub(crate) struct World<'a> {
    /// What requests are judged by.
    pub(crate) settings: &'a Rc<Settings>,
    /// The same, as the module is given it.
    pub(crate) json: &'a [u8],
    /// Where randomness starts from.
    pub(crate) seed: u64,
    /// The time; from here on it moves by [`Engine::advance`] alone.
    pub(crate) start: Timestamp,
    /// How clusters answer, by name. A cluster that is not here does not exist.
    pub(crate) clusters: BTreeMap<String, Script>,
}

/// The property with the SHA-256 of the peer's certificate, in hexadecimal digits.
pub(crate) const CERTIFICATE_DIGEST: &str = "connection.sha256_peer_certificate_digest";

/// A request on its way through an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(pub(crate) usize);

/// An engine that could not decide; always a fault of the engine, never of the request.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum EngineError {
    /// The module did not start.
    #[error("the module did not start: {0}")]
    Start(String, Vec<LogLine>),
    /// A gateway that really runs could not be asked.
    #[error("the gateway: {0}")]
    Gateway(String),
    /// The module failed on a request.
    #[error("the module failed: {0}")]
    Failed(String),
    /// There must be one audit line for a request.
    #[error("expected one audit line for the request, found {0}")]
    AuditLines(usize),
    /// The audit line is not what it should be.
    #[error("expected a JSON object as the audit line, found `{0}`")]
    AuditForm(String),
    /// The request was neither decided nor in wait of anything.
    #[error("the request was never decided")]
    Undecided,
}

/// What the service answers to a request that was forwarded.
pub(crate) type Answering<'a> = &'a mut dyn FnMut(&Message) -> Result<Answer, String>;

/// Something that decides.
pub(crate) trait Engine {
    /// Sends a request, as far as it goes now.
    fn request(&mut self, request: &Request) -> Ticket;

    /// The client of a request goes away.
    fn close(&mut self, ticket: Ticket);

    /// Moves the time on; answers, ticks and deadlines on the way come in their order.
    fn advance(&mut self, by: Duration);

    /// Changes how a cluster answers from now on.
    fn set_cluster(&mut self, name: &str, script: &Script);

    /// Changes how a cluster's gRPC services answer from now on.
    fn set_grpc_cluster(&mut self, name: &str, script: &GrpcScript) -> Result<(), EngineError> {
        if let Some(simulator) = self.simulator() {
            simulator.host().set_grpc_cluster(name, script.to_upstream());
        }
        Ok(())
    }

    /// The time, where it passes by itself.
    fn clock(&self) -> Option<Timestamp> {
        None
    }

    /// The thumbprint (`x5t#S256`) of the certificate that stands for one that a scenario makes up for a request, where the engine
    /// has certificates of its own.
    fn thumbprint(&mut self, made_up: &str, request: &Request) -> Result<Option<String>, EngineError> {
        let _ = (made_up, request);
        Ok(None)
    }

    /// The simulated gateway, where there is one: what goes over its wires can be looked at, and it can be made to fail.
    fn simulator(&mut self) -> Option<&mut Simulator> {
        None
    }

    /// Connections through the gateway, where one really runs with a network filter.
    fn connections(&mut self) -> Option<&mut dyn Connections> {
        None
    }

    /// Sends a request of [`Engine::request`] on its way, where a gateway really runs with any module: the service answers as `answer`
    /// says. What went over the wires, and what the module did meanwhile.
    fn exchange(&mut self, ticket: Ticket, answer: Answering<'_>) -> Result<(Wire, Activity), EngineError> {
        let _ = (ticket, answer);
        Err(EngineError::Undecided)
    }

    /// Whether the outcome of a decision is what really went over the wires of a gateway.
    fn is_real(&self) -> bool {
        false
    }

    /// The decision on a request; nothing while the request is held.
    fn decision(&mut self, ticket: Ticket) -> Result<Option<Decision>, EngineError>;
}

/// The longest that a request is given: well beyond the longest timeout that a configuration may set.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends a request and lets time pass until it is decided.
pub(crate) fn decide(engine: &mut dyn Engine, request: &Request) -> Result<Decision, EngineError> {
    let ticket = engine.request(request);
    settle(engine, ticket)
}

/// Lets time pass until a request is decided.
pub(crate) fn settle(engine: &mut dyn Engine, ticket: Ticket) -> Result<Decision, EngineError> {
    const STEP: Duration = Duration::from_millis(1);
    let mut waited = Duration::ZERO;
    loop {
        if let Some(decision) = engine.decision(ticket)? {
            return Ok(decision);
        }
        if waited >= PATIENCE {
            return Err(EngineError::Undecided);
        }
        engine.advance(STEP);
        waited += STEP;
    }
}
