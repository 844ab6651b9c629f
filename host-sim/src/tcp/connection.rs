//! One connection as a gateway's chain of network filters holds it.

use std::collections::BTreeMap;

use crate::error::Failure;
use crate::foreign::{Declared, Object};
use crate::property::{Properties, PropertyValue};

/// A client that connects.
#[derive(Clone, Debug, Default)]
pub struct Connect {
    /// Properties of the connection; they win over those the host derives. Those of the client's certificate are there once the handshake
    /// is over, which follows `proxy_on_new_connection`.
    pub properties: Properties,
}

impl Connect {
    /// A client from `127.0.0.1:40000` without TLS.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a property, its path written with dots: `connection.mtls`.
    pub fn property(mut self, path: &str, value: impl Into<PropertyValue>) -> Self {
        self.properties.set(path, value);
        self
    }
}

/// Who closed a connection, by the ABI's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum CloseType {
    /// It is not known.
    Unknown = 0,
    /// The gateway or the filter.
    Local = 1,
    /// The peer.
    Remote = 2,
}

/// How a connection stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// It is open.
    Open,
    /// It was closed.
    Closed(CloseType),
    /// The VM failed, and the connection was closed for it.
    Failed(Failure),
}

/// Where a connection stands, or stood when it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionOutcome {
    /// Whether the filter let the connection on, so that the gateway connects to the upstream.
    pub connected: bool,
    /// Bytes that went to the upstream.
    pub upstream: Vec<u8>,
    /// Whether the client's end went to the upstream.
    pub upstream_ended: bool,
    /// Bytes that went to the client.
    pub downstream: Vec<u8>,
    /// Whether the upstream's end went to the client.
    pub downstream_ended: bool,
    /// Bytes from the client that the filter holds.
    pub held_downstream: Vec<u8>,
    /// Bytes from the upstream that the filter holds.
    pub held_upstream: Vec<u8>,
    /// Whether it is open, and how it ended.
    pub state: ConnectionState,
    /// Whether it was the filter that closed it.
    pub closed_by_filter: bool,
}

impl ConnectionOutcome {
    /// Bytes that it holds.
    pub(super) fn bytes(&self) -> usize {
        [&self.upstream, &self.downstream, &self.held_downstream, &self.held_upstream]
            .map(Vec::len)
            .iter()
            .sum()
    }
}

/// One direction: what arrived and was not let pass, and what was.
#[derive(Default)]
pub(crate) struct Flow {
    /// What the filter sees: bytes it held back and those that just came.
    pub(crate) buffer: Vec<u8>,
    pub(crate) passed: Vec<u8>,
    /// Bytes that came from the sender.
    pub(crate) arrived: usize,
    /// Whether the sender has ended.
    pub(crate) ended: bool,
    pub(crate) end_passed: bool,
    /// Whether the guest may touch the buffer now.
    live: bool,
}

impl Flow {
    pub(crate) fn readable(&self) -> Option<&[u8]> {
        self.live.then_some(self.buffer.as_slice())
    }

    pub(crate) fn writable(&mut self) -> Option<&mut Vec<u8>> {
        self.live.then_some(&mut self.buffer)
    }

    pub(super) fn arrive(&mut self, bytes: &[u8], end: bool) {
        self.buffer.extend_from_slice(bytes);
        self.arrived += bytes.len();
        self.ended |= end;
        self.live = true;
    }

    /// Takes the buffer from the guest until more arrives.
    pub(super) fn hide(&mut self) {
        self.live = false;
    }

    /// Lets pass all that is there.
    pub(super) fn pass(&mut self) {
        self.passed.append(&mut self.buffer);
        self.end_passed = self.ended;
        self.live = false;
    }
}

/// What a guest asked for, to be done once its callback has returned.
#[derive(Default)]
pub(crate) struct TcpActions {
    pub(crate) resume: bool,
    pub(crate) close: bool,
}

/// How far the TLS handshake of a connection is, which comes after the filter has heard of the connection.
#[derive(Default)]
pub(crate) struct Handshake {
    pub(crate) is_over: bool,
    /// Whether the guest asked for the version before. Envoy keeps what it answered then.
    asked_version: bool,
}

impl Handshake {
    /// What a property is, by its path as guests write it, before the handshake is over: nothing where it is as it stays, `None` in it
    /// where it is not there yet.
    pub(crate) fn early(&self, path: &[u8]) -> Option<Option<PropertyValue>> {
        let part = path.strip_prefix(b"connection\0")?;
        match part {
            b"tls_version" if !self.is_over || self.asked_version => Some(Some("TLSv1.2".into())),
            _ if self.is_over => None,
            b"mtls" => Some(Some(false.into())),
            b"subject_peer_certificate" => Some(Some("".into())),
            b"uri_san_peer_certificate" | b"dns_san_peer_certificate" | b"sha256_peer_certificate_digest" => {
                Some(None)
            }
            _ => None,
        }
    }

    /// The guest has asked for a property.
    pub(crate) fn asked(&mut self, path: &[u8]) {
        self.asked_version |= !self.is_over && path == b"connection\0tls_version";
    }
}

/// One connection.
#[derive(Default)]
pub(crate) struct Connection {
    pub(crate) id: u32,
    /// When it was made, in nanoseconds since the Unix epoch.
    pub(crate) started: u64,
    pub(crate) properties: Properties,
    pub(crate) handshake: Handshake,
    pub(crate) state: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Objects of the gateway's own that the guest set.
    pub(crate) filter_state: BTreeMap<String, Object>,
    /// Properties that its own context declared.
    pub(crate) declared: BTreeMap<Vec<u8>, Declared>,
    /// From the client.
    pub(crate) downstream: Flow,
    /// From the upstream.
    pub(crate) upstream: Flow,
    pub(crate) connected: bool,
    pub(crate) actions: TcpActions,
    pub(crate) end: Option<ConnectionState>,
    pub(crate) closed_by_filter: bool,
    /// Whether the guest has heard of its end.
    pub(crate) told: bool,
}

impl Connection {
    pub(crate) fn outcome(&self) -> ConnectionOutcome {
        ConnectionOutcome {
            connected: self.connected,
            upstream: self.downstream.passed.clone(),
            upstream_ended: self.downstream.end_passed,
            downstream: self.upstream.passed.clone(),
            downstream_ended: self.upstream.end_passed,
            held_downstream: self.downstream.buffer.clone(),
            held_upstream: self.upstream.buffer.clone(),
            state: self.end.clone().unwrap_or(ConnectionState::Open),
            closed_by_filter: self.closed_by_filter,
        }
    }
}
