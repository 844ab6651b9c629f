//! The module, run by the simulator.

use super::{Decision, Engine, EngineError, Outcome, Request, Script, Simulator, Ticket, World};
use countersign_core::time::Timestamp;
use countersign_host_sim::{self as sim, Clock, HostBuilder};
use std::collections::BTreeMap;
use std::time::Duration;

/// Begins every audit line, and nothing else that the module logs.
pub(crate) const AUDIT: &str = "{\"countersign\":\"audit\"";

/// The module in the simulator.
pub(crate) struct Wasm {
    simulator: Simulator,
    /// Audit lines by worker and context.
    audit: BTreeMap<(usize, u32), Vec<String>>,
}

impl Wasm {
    /// A gateway in a world.
    pub(crate) fn start(host: HostBuilder, world: &World<'_>) -> Result<Self, EngineError> {
        let builder = host.plugin_config(world.json).clock(clock(world.start)).seed(world.seed);
        let simulator = Simulator::start(builder, &world.clusters)?;
        Ok(Self { simulator, audit: BTreeMap::new() })
    }

    /// Hands audit lines to the streams that they are about.
    fn collect(&mut self) {
        for line in self.simulator.new_logs() {
            if line.message.starts_with(AUDIT) {
                self.audit.entry((line.worker, line.context)).or_default().push(line.message.clone());
            }
        }
    }
}

impl Engine for Wasm {
    fn request(&mut self, request: &Request) -> Ticket {
        self.collect();
        let ticket = self.simulator.send(request);
        // A fresh VM counts its contexts anew.
        if let Some(id) = self.simulator.stream(ticket) {
            self.audit.remove(&(id.worker(), id.context()));
        }
        ticket
    }

    fn close(&mut self, ticket: Ticket) {
        self.simulator.close(ticket);
    }

    fn advance(&mut self, by: Duration) {
        self.simulator.host().advance(by);
    }

    fn set_cluster(&mut self, name: &str, script: &Script) {
        self.simulator.set_cluster(name, script);
    }

    fn simulator(&mut self) -> Option<&mut Simulator> {
        Some(&mut self.simulator)
    }

    fn decision(&mut self, ticket: Ticket) -> Result<Option<Decision>, EngineError> {
        self.collect();
        let Some(id) = self.simulator.stream(ticket) else { return Err(EngineError::Undecided) };
        let audit = self.audit.get(&(id.worker(), id.context())).map_or(&[][..], Vec::as_slice);
        let outcome = match self.simulator.outcome(ticket) {
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

/// A clock that stands at a time.
pub(super) fn clock(time: Timestamp) -> Clock {
    Clock::at_nanos(u64::try_from(time.as_nanos()).unwrap_or(0))
}
