//! Any module in the simulator, of which nothing is known but what it does.

use super::wasm::clock;
use super::{Decision, Engine, EngineError, Request, Script, Simulator, Ticket};
use countersign_core::time::Timestamp;
use countersign_host_sim::HostBuilder;
use std::collections::BTreeMap;
use std::time::Duration;

/// A module in the simulator.
pub(crate) struct Plain(Simulator);

impl Plain {
    /// A gateway that starts at a time, with clusters that answer in this way.
    pub(crate) fn start(
        host: HostBuilder,
        start: Timestamp,
        clusters: &BTreeMap<String, Script>,
    ) -> Result<Self, EngineError> {
        Simulator::start(host.clock(clock(start)), clusters).map(Self)
    }
}

impl Engine for Plain {
    fn request(&mut self, request: &Request) -> Ticket {
        self.0.send(request)
    }

    fn close(&mut self, ticket: Ticket) {
        self.0.close(ticket);
    }

    fn advance(&mut self, by: Duration) {
        self.0.host().advance(by);
    }

    fn set_cluster(&mut self, name: &str, script: &Script) {
        self.0.set_cluster(name, script);
    }

    fn clock(&self) -> Option<Timestamp> {
        Some(Timestamp::from_nanos(i64::try_from(self.0.now()).unwrap_or(i64::MAX)))
    }

    fn simulator(&mut self) -> Option<&mut Simulator> {
        Some(&mut self.0)
    }

    /// It decides nothing that could be told apart from what it does.
    fn decision(&mut self, _: Ticket) -> Result<Option<Decision>, EngineError> {
        Err(EngineError::Undecided)
    }
}
