//! The module, run by the simulator.

use super::{Decision, Engine, EngineError, Module, Outcome, Request, Script, Ticket, World};
use countersign_core::time::Timestamp;
use countersign_host_sim::{self as sim, Clock, Host, StartError, StreamId};
use std::time::Duration;

/// Begins every audit line, and nothing else that the module logs.
pub(crate) const AUDIT: &str = "{\"countersign\":\"audit\"";

/// The module in the simulator.
pub(crate) struct Wasm {
    host: Host,
    streams: Vec<(StreamId, Vec<String>)>,
}

impl Wasm {
    /// A worker in a world.
    pub(crate) fn start(module: &Module, world: &World<'_>) -> Result<Self, EngineError> {
        let mut builder = module.host().plugin_config(world.json).clock(Clock::at_nanos(nanos(world.start)));
        for (name, script) in &world.clusters {
            builder = builder.cluster(name, script.to_upstream());
        }
        let host = builder.start().map_err(|error: StartError| EngineError::Start(error.to_string()))?;
        Ok(Self { host, streams: Vec::new() })
    }

    /// Hands audit lines to the streams that they are about.
    fn collect(&mut self) {
        for line in self.host.take_logs() {
            if !line.message.starts_with(AUDIT) {
                continue;
            }
            if let Some((_, audit)) = self.streams.iter_mut().find(|(id, _)| id.context() == line.context) {
                audit.push(line.message);
            }
        }
    }
}

impl Engine for Wasm {
    fn request(&mut self, request: &Request) -> Ticket {
        let mut sent = sim::Request { headers: request.headers.clone(), ..sim::Request::default() };
        if let Some(body) = &request.body {
            sent = sent.body(body.clone());
        }
        for (path, value) in &request.properties {
            sent = sent.property(path, value.clone());
        }
        let id = self.host.request(&sent);
        self.streams.push((id, Vec::new()));
        Ticket(self.streams.len() - 1)
    }

    fn close(&mut self, ticket: Ticket) {
        if let Some((id, _)) = self.streams.get(ticket.0) {
            self.host.close(*id);
        }
    }

    fn advance(&mut self, by: Duration) {
        self.host.advance(by);
    }

    fn set_cluster(&mut self, name: &str, script: &Script) {
        self.host.set_cluster(name, script.to_upstream());
    }

    fn decision(&mut self, ticket: Ticket) -> Result<Option<Decision>, EngineError> {
        self.collect();
        let Some((id, audit)) = self.streams.get(ticket.0) else { return Err(EngineError::Undecided) };
        let outcome = match self.host.outcome(*id) {
            sim::Outcome::Forwarded(message) => Outcome::Forwarded(message.headers),
            sim::Outcome::Reply(reply) => {
                Outcome::Replied { status: reply.status, headers: reply.headers, body: reply.body }
            }
            sim::Outcome::Failed(failure) => return Err(EngineError::Failed(failure.to_string())),
            sim::Outcome::Closed => Outcome::Dropped,
            sim::Outcome::Paused | sim::Outcome::Incomplete if !audit.is_empty() => Outcome::Dropped,
            sim::Outcome::Paused | sim::Outcome::Incomplete => return Ok(None),
        };
        Decision::new(audit, outcome).map(Some)
    }
}

fn nanos(time: Timestamp) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(0)
}
