//! Connections of a [`Host`].

use super::connection::{CloseType, Connect, Connection, ConnectionOutcome};
use super::worker::From;
use crate::host::Host;
use crate::worker::Worker;

/// Connections that have ended whose outcome is remembered.
const ENDED: usize = 65_536;

/// A connection of a [`Host`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId {
    pub(crate) worker: usize,
    incarnation: u32,
    id: u32,
}

impl ConnectionId {
    /// The worker that has it.
    pub fn worker(self) -> usize {
        self.worker
    }

    /// The connection's context, as log lines name it.
    pub fn context(self) -> u32 {
        self.id
    }
}

impl Host {
    /// Connects a client through the first worker's filter, as a network filter.
    pub fn connect(&mut self, connect: &Connect) -> ConnectionId {
        self.connect_on(0, connect)
    }

    /// Connects a client through one worker's filter, counted from 0; beyond the last, it is the last.
    pub fn connect_on(&mut self, worker: usize, connect: &Connect) -> ConnectionId {
        let worker = worker.min(self.workers.len() - 1);
        let slot = &mut self.workers[worker];
        let id = slot.worker.connect(connect);
        let connection = ConnectionId { worker, incarnation: slot.incarnation, id };
        self.connections.open.push(connection);
        self.settle();
        connection
    }

    /// Bytes from the client; `end` says that it sends no more.
    pub fn downstream_data(&mut self, connection: ConnectionId, bytes: impl AsRef<[u8]>, end: bool) {
        self.on_connection(connection, |worker| {
            worker.data(connection.id, From::Downstream, bytes.as_ref(), end);
        });
    }

    /// Bytes from the upstream; `end` says that it sends no more.
    pub fn upstream_data(&mut self, connection: ConnectionId, bytes: impl AsRef<[u8]>, end: bool) {
        self.on_connection(connection, |worker| {
            worker.data(connection.id, From::Upstream, bytes.as_ref(), end);
        });
    }

    /// The client goes away. A connection that has ended stays as it was.
    pub fn disconnect(&mut self, connection: ConnectionId) {
        self.disconnect_by(connection, CloseType::Remote);
    }

    /// The connection is closed, by whom `how` says.
    pub fn disconnect_by(&mut self, connection: ConnectionId, how: CloseType) {
        self.on_connection(connection, |worker| worker.disconnect(connection.id, how));
    }

    /// Where a connection stands, or stood when it ended. The last 65,536 that ended are remembered; `None` for older ones.
    pub fn connection(&self, connection: ConnectionId) -> Option<ConnectionOutcome> {
        match self.open(connection) {
            Some(open) => Some(open.outcome()),
            None => self.connections.ended.get(&connection).cloned(),
        }
    }

    fn open(&self, connection: ConnectionId) -> Option<&Connection> {
        let slot = self.workers.get(connection.worker).filter(|s| s.incarnation == connection.incarnation)?;
        slot.worker.instance.vm().connections.get(&connection.id)
    }

    fn on_connection(&mut self, connection: ConnectionId, run: impl FnOnce(&mut Worker)) {
        let slot = self.workers.get_mut(connection.worker);
        if let Some(slot) = slot.filter(|s| s.incarnation == connection.incarnation) {
            run(&mut slot.worker);
        }
        self.settle();
    }

    /// Takes off the connections that have ended.
    pub(crate) fn end_connections(&mut self) {
        let has_ended = |host: &Self, id: &ConnectionId| host.open(*id).is_none_or(|open| open.end.is_some());
        let open = std::mem::take(&mut self.connections.open);
        let (over, open): (Vec<_>, Vec<_>) = open.into_iter().partition(|id| has_ended(self, id));
        self.connections.open = open;
        for connection in over {
            self.end_connection(connection);
        }
    }

    /// Ends the connections of a worker whose VM is replaced.
    pub(crate) fn end_connections_of(&mut self, worker: usize) {
        let ending: Vec<_> = self.connections.open.extract_if(.., |c| c.worker == worker).collect();
        for connection in ending {
            let slot = &mut self.workers[worker];
            slot.worker.disconnect(connection.id, CloseType::Local);
            self.end_connection(connection);
        }
    }

    fn end_connection(&mut self, connection: ConnectionId) {
        let slot = self.workers.get_mut(connection.worker);
        let Some(slot) = slot.filter(|s| s.incarnation == connection.incarnation) else { return };
        if let Some(ended) = slot.worker.end_connection(connection.id) {
            self.connections.ended.insert(connection, ended.outcome());
            if self.connections.ended.len() > ENDED {
                self.connections.ended.pop_first();
            }
        }
    }
}

/// The connections of a host: those open, and how the others ended.
#[derive(Default)]
pub(crate) struct Connections {
    open: Vec<ConnectionId>,
    ended: std::collections::BTreeMap<ConnectionId, ConnectionOutcome>,
}
