//! gRPC: the calls and streams that modules open, and scripted services that answer them.

mod host;
mod script;
mod service;
mod worker;

use std::time::Duration;

use crate::header_map::HeaderMap;

pub(crate) use host::GrpcCalls;
pub use script::{GrpcReply, GrpcUpstream};
pub(crate) use script::{RESET_DETAILS, told};
pub(crate) use service::{Service, service};

/// gRPC's status codes, as far as hosts give them themselves.
pub(crate) mod code {
    pub(crate) const OK: u32 = 0;
    pub(crate) const UNKNOWN: u32 = 2;
    pub(crate) const DEADLINE_EXCEEDED: u32 = 4;
    pub(crate) const PERMISSION_DENIED: u32 = 7;
    pub(crate) const RESOURCE_EXHAUSTED: u32 = 8;
    pub(crate) const UNIMPLEMENTED: u32 = 12;
    pub(crate) const INTERNAL: u32 = 13;
    pub(crate) const UNAVAILABLE: u32 = 14;
    pub(crate) const UNAUTHENTICATED: u32 = 16;
    /// The last that gRPC has.
    pub(crate) const LAST: u32 = 16;
    /// What hosts tell of one that it does not have.
    pub(crate) const INVALID: u32 = u32::MAX;
}

/// A call or a stream that the module opened through `proxy_grpc_call` or `proxy_grpc_stream`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcCall {
    /// The VM that opened it.
    pub worker: usize,
    /// Its number within that VM.
    pub token: u32,
    /// The cluster or target that it goes to.
    pub cluster: Vec<u8>,
    /// The service's full name, such as `envoy.service.auth.v3.Authorization`.
    pub service: String,
    /// The method's name, such as `Check`.
    pub method: String,
    /// The initial metadata that the module gave.
    pub metadata: HeaderMap,
    /// The messages sent so far: one for a call, any number for a stream.
    pub messages: Vec<Vec<u8>>,
    /// How long a call waits for its answer; streams have none. Envoy tells the service, for which zero has passed already.
    pub timeout: Duration,
    /// Whether it is a stream.
    pub stream: bool,
    /// Whether the module has ended its side.
    pub ended: bool,
    /// Whether the module cancelled it.
    pub cancelled: bool,
    /// When it was opened, in nanoseconds since the Unix epoch.
    pub at: u64,
}

impl GrpcCall {
    /// Service and method: `SERVICE/METHOD`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.service, self.method)
    }
}

/// What a guest did with gRPC in a callback, for the host to carry out afterwards.
pub(crate) enum GrpcAction {
    Open(GrpcCall),
    /// The cluster is not there. The guest hears of it by a close, whatever its call returned.
    Unavailable(u32),
    Send {
        token: u32,
        message: Vec<u8>,
        end: bool,
    },
    End(u32),
    Cancel(u32),
}

/// What comes back on a call or a stream.
#[derive(Clone, Debug)]
pub(crate) enum GrpcEvent {
    Initial(HeaderMap),
    Message(Vec<u8>),
    Trailing(HeaderMap),
    Close(u32, String),
}

impl GrpcEvent {
    /// Whether nothing follows on what has this number.
    pub(crate) fn is_last(&self, token: u32) -> bool {
        matches!(self, Self::Close(..)) || (is_call(token) && matches!(self, Self::Message(_)))
    }
}

/// What a VM knows of an open call or stream.
#[derive(Default)]
pub(crate) struct GrpcLink {
    pub(crate) local_closed: bool,
    /// Whether the guest has ended its side, by closing it or with its last message.
    pub(crate) ended: bool,
    pub(crate) remote_closed: bool,
}

/// The gRPC state of a VM.
pub(crate) struct GrpcState {
    next_call: u32,
    next_stream: u32,
    pub(crate) links: std::collections::BTreeMap<u32, GrpcLink>,
    pub(crate) actions: Vec<GrpcAction>,
    /// What is being delivered now.
    pub(crate) initial: Option<HeaderMap>,
    pub(crate) message: Option<Vec<u8>>,
    pub(crate) trailing: Option<HeaderMap>,
}

/// Numbers of callouts carry their kind in the two low bits, as in Envoy.
pub(crate) const TOKEN_STEP: u32 = 4;
const CALL: u32 = 1;
const STREAM: u32 = 2;

impl Default for GrpcState {
    fn default() -> Self {
        Self {
            next_call: CALL,
            next_stream: STREAM,
            links: std::collections::BTreeMap::new(),
            actions: Vec::new(),
            initial: None,
            message: None,
            trailing: None,
        }
    }
}

impl GrpcState {
    /// A number for a new call or stream.
    pub(crate) fn take_token(&mut self, stream: bool) -> u32 {
        let (next, first) =
            if stream { (&mut self.next_stream, STREAM) } else { (&mut self.next_call, CALL) };
        *next = next.checked_add(TOKEN_STEP).unwrap_or(first + TOKEN_STEP);
        *next
    }
}

/// Whether a number is that of a call.
pub(crate) fn is_call(token: u32) -> bool {
    token % TOKEN_STEP == CALL
}

/// Whether a number is that of a stream.
pub(crate) fn is_stream(token: u32) -> bool {
    token % TOKEN_STEP == STREAM
}
