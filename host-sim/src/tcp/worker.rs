//! A worker's connections, driven as Envoy drives a network filter that reads and writes.

use super::connection::{CloseType, Connect, Connection, ConnectionState};
use crate::error::{Failure, FailureKind};
use crate::vm::ROOT;
use crate::worker::Worker;

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    Downstream,
    Upstream,
}

impl Worker {
    /// Opens a connection and offers it to the filter. One that it stops is not connected to the upstream until bytes pass or the
    /// filter continues it.
    pub(super) fn connect(&mut self, connect: &Connect) -> u32 {
        let id = self.take_id();
        let vm = self.instance.vm_mut();
        let mut connection = Connection {
            id,
            started: vm.clock.now(),
            properties: connect.properties.clone(),
            ..Connection::default()
        };
        if vm.streams.len() + vm.connections.len() >= vm.plugin.limits.streams {
            let failure = Failure { kind: FailureKind::Streams, callback: "", message: String::new() };
            connection.end = Some(ConnectionState::Failed(failure));
        }
        vm.connections.insert(id, connection);
        let created =
            self.instance.call("proxy_on_context_create", id, |e| e.context_create.as_ref(), (id, ROOT));
        let opened = created.and_then(|_| {
            self.instance.call("proxy_on_new_connection", id, |e| e.new_connection.as_ref(), id)
        });
        if let Some(connection) = self.connection_mut(id) {
            connection.handshake.is_over = true;
        }
        match opened {
            Ok(action) => {
                // One that is closed is so at once.
                if action.unwrap_or(0) == 0
                    && let Some(connection) = self.connection_mut(id).filter(|one| !one.actions.close)
                {
                    connection.connected = true;
                }
                self.after_tcp(id);
            }
            Err(failure) => self.fail_connection(id, failure),
        }
        id
    }

    /// Bytes that came from one side; `end` says that no more will.
    pub(super) fn data(&mut self, id: u32, from: From, bytes: &[u8], end: bool) {
        let limit = self.instance.vm().plugin.limits.body_bytes;
        let Some(connection) = self.connection_mut(id) else { return };
        if connection.end.is_some() {
            return;
        }
        let flow = match from {
            From::Downstream => &mut connection.downstream,
            From::Upstream => &mut connection.upstream,
        };
        if flow.ended {
            return;
        }
        flow.arrive(bytes, end);
        let size = flow.buffer.len() as u32;
        if flow.buffer.len() > limit {
            // A gateway stops reading here, and nobody would let it go on.
            connection.end = Some(ConnectionState::Closed(CloseType::Local));
            return;
        }
        let params = (id, size, u32::from(end));
        let called = match from {
            From::Downstream => {
                self.instance.call("proxy_on_downstream_data", id, |e| e.downstream_data.as_ref(), params)
            }
            From::Upstream => {
                self.instance.call("proxy_on_upstream_data", id, |e| e.upstream_data.as_ref(), params)
            }
        };
        // Envoy tells of the upstream's end by the last bytes, before these go on, and not by an event of the connection.
        let called = match called {
            Ok(action) if from == From::Upstream && end => self.tell_upstream_close(id).map(|()| action),
            other => other,
        };
        match called {
            Ok(action) => {
                let pass = action.unwrap_or(0) == 0;
                if let Some(connection) = self.connection_mut(id).filter(|one| !one.actions.close) {
                    if pass {
                        connection.pass(from);
                    }
                    connection.end_by(from);
                }
                self.after_tcp(id);
            }
            Err(failure) => self.fail_connection(id, failure),
        }
    }

    /// The client goes away, or the gateway closes the connection.
    pub(super) fn disconnect(&mut self, id: u32, how: CloseType) {
        if let Some(connection) = self.connection_mut(id) {
            connection.end.get_or_insert(ConnectionState::Closed(how));
        }
    }

    /// Tells the guest of a connection's end, and takes it off: close, done, log, delete.
    pub(super) fn end_connection(&mut self, id: u32) -> Option<Connection> {
        let connection = self.connection_mut(id)?;
        if !std::mem::replace(&mut connection.told, true) {
            let how = match &connection.end {
                Some(ConnectionState::Closed(how)) => *how,
                _ => CloseType::Local,
            };
            let name = "proxy_on_downstream_connection_close";
            let params = (id, how as u32);
            // A failure here ends the VM, not the connection, which has ended.
            let _ = self
                .instance
                .call(name, id, |e| e.downstream_connection_close.as_ref(), params)
                .and_then(|_| self.instance.call("proxy_on_done", id, |e| e.done.as_ref(), id))
                .and_then(|_| self.instance.call("proxy_on_log", id, |e| e.log.as_ref(), id))
                .and_then(|_| self.instance.call("proxy_on_delete", id, |e| e.delete.as_ref(), id));
        }
        let connection = self.instance.vm_mut().connections.remove(&id);
        self.follow_up();
        connection
    }

    /// Does what the guest asked of a connection.
    pub(crate) fn act_on_connection(&mut self, id: u32) {
        let Some(connection) = self.connection_mut(id) else { return };
        let actions = std::mem::take(&mut connection.actions);
        if connection.end.is_some() {
            return;
        }
        if actions.resume {
            connection.pass(From::Downstream);
            connection.end_by(From::Downstream);
        }
        if actions.close {
            connection.end = Some(ConnectionState::Closed(CloseType::Local));
            connection.closed_by_filter = true;
        }
    }

    fn after_tcp(&mut self, id: u32) {
        self.act_on_connection(id);
        self.follow_up();
    }

    fn tell_upstream_close(&mut self, id: u32) -> Result<(), Failure> {
        if let Some(connection) = self.connection_mut(id) {
            connection.upstream.hide();
        }
        let name = "proxy_on_upstream_connection_close";
        let params = (id, CloseType::Unknown as u32);
        self.instance.call(name, id, |e| e.upstream_connection_close.as_ref(), params).map(drop)
    }

    fn fail_connection(&mut self, id: u32, failure: Failure) {
        if let Some(connection) = self.connection_mut(id) {
            connection.end.get_or_insert(ConnectionState::Failed(failure));
        }
        self.follow_up();
    }

    fn connection_mut(&mut self, id: u32) -> Option<&mut Connection> {
        self.instance.vm_mut().connections.get_mut(&id)
    }
}

impl Connection {
    /// Lets pass what one side sent. The first bytes of the client's, or its being continued, have the gateway connect.
    fn pass(&mut self, from: From) {
        match from {
            From::Downstream => {
                self.connected = true;
                self.downstream.pass();
            }
            From::Upstream => self.upstream.pass(),
        }
    }

    /// Ends it where one side has ended, held by the filter or not, and has been sent the other's end: its socket is then closed
    /// both ways.
    fn end_by(&mut self, from: From) {
        let client = self.downstream.ended && self.upstream.end_passed;
        let upstream = self.upstream.ended && self.downstream.end_passed;
        if client || upstream {
            // The client's end may close its own socket. Else the upstream's is closed, and the gateway follows.
            let how = if from == From::Downstream && client { CloseType::Remote } else { CloseType::Local };
            self.end.get_or_insert(ConnectionState::Closed(how));
        }
    }
}
