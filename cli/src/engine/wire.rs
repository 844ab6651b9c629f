//! What went over a gateway's wires around one request, and what its module did meanwhile.

use super::Outcome;
use countersign_host_sim::{GrpcCall, HeaderMap, HttpCall, LogLine, Message, MetricValue};
use std::collections::BTreeMap;

/// How a request ended, or where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It went upstream.
    Forwarded,
    /// The filter answered.
    Reply,
    /// The filter holds it.
    Paused,
    /// The filter waits for the rest of it.
    Incomplete,
    /// The filter closed it, or its client went away.
    Closed,
    /// The VM failed.
    Failed,
    /// It is open; of a connection.
    Open,
}

impl Ended {
    /// Every one, by the name that scenarios use.
    pub(crate) const ALL: [(&'static str, Self); 7] = [
        ("forwarded", Self::Forwarded),
        ("reply", Self::Reply),
        ("paused", Self::Paused),
        ("incomplete", Self::Incomplete),
        ("closed", Self::Closed),
        ("failed", Self::Failed),
        ("open", Self::Open),
    ];

    /// Whether a connection may stand so, and whether a request may.
    pub(crate) fn is_of(self, connection: bool) -> bool {
        match self {
            Self::Closed | Self::Failed => true,
            Self::Open => connection,
            Self::Forwarded | Self::Reply | Self::Paused | Self::Incomplete => !connection,
        }
    }

    /// Its name in scenarios.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, ended)| *ended == self).map_or("", |(name, _)| name)
    }
}

/// What went over the wires around one request.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    /// How it ended.
    pub(crate) ended: Ended,
    /// Why the VM failed, where it did, even where the request passed all the same.
    pub(crate) failure: Option<String>,
    /// What went upstream.
    pub(crate) upstream: Option<Message>,
    /// What the client got.
    pub(crate) downstream: Option<Message>,
}

impl Wire {
    /// What a decision tells of it: that the request went on, or what was answered in its place.
    pub(crate) fn of(outcome: &Outcome) -> Self {
        let (ended, downstream) = match outcome {
            Outcome::Forwarded(_) => (Ended::Forwarded, None),
            Outcome::Replied { status, headers, body } => {
                let status = [(b":status".to_vec(), status.to_string().into_bytes())];
                let others = headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec()));
                let headers = HeaderMap::from_pairs(status.into_iter().chain(others));
                (Ended::Reply, Some(Message { headers, body: body.clone(), ..Message::default() }))
            }
            Outcome::Dropped => (Ended::Closed, None),
        };
        Self { ended, failure: None, upstream: None, downstream }
    }

    /// The status that the client gets; 0 where it gets none.
    pub(crate) fn status(&self) -> u16 {
        self.downstream.as_ref().map_or(0, Message::status)
    }
}

/// What a gateway answers for a VM that failed.
pub(super) fn unavailable() -> Message {
    Message { headers: HeaderMap::from_pairs([(":status", "503")]), ..Message::default() }
}

/// What the module did in a step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity {
    /// The calls that it made.
    pub(crate) calls: Vec<HttpCall>,
    /// The gRPC calls and streams that it opened; of those opened before, what is new on them.
    pub(crate) grpc_calls: Vec<GrpcCall>,
    /// The lines that it logged.
    pub(crate) logs: Vec<LogLine>,
    /// Its metrics before and after, by name.
    pub(crate) metrics: BTreeMap<String, (Option<MetricValue>, MetricValue)>,
    /// The fuel that it used.
    pub(crate) fuel: u64,
    /// Bytes of the largest VM's memory.
    pub(crate) memory: usize,
    /// How often it called which host function.
    pub(crate) host_calls: BTreeMap<&'static str, u64>,
}
