//! What is on its way to a VM, in the order in which it arrives.

use std::cmp::Ordering;

use crate::grpc::GrpcEvent;
use crate::vm::Answer;

/// An event on its way. Ordered by time, then by the order of calls.
pub(crate) struct Due {
    pub(crate) at: u64,
    pub(crate) sequence: u64,
    pub(crate) worker: usize,
    pub(crate) incarnation: u32,
    pub(crate) event: Event,
}

/// What arrives at a VM.
pub(crate) enum Event {
    /// The answer to an HTTP call; `None` is a call that failed.
    Http(u32, Option<Answer>),
    /// Something on a gRPC call or stream.
    Grpc(u32, GrpcEvent),
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}
