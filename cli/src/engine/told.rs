//! What of a module's gRPC calls is accounted for.

use countersign_host_sim::GrpcCall;

/// What was seen of each call, in the order in which they were made.
#[derive(Default)]
pub(crate) struct Told(Vec<Seen>);

/// What was seen of a call.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    messages: usize,
    ended: bool,
    cancelled: bool,
}

impl Told {
    /// What is new since the last account: whole calls, and of those made before the messages that were sent since.
    pub(crate) fn fresh(&self, made: &[GrpcCall]) -> Vec<GrpcCall> {
        // The host remembers so many bytes of them, and then begins anew.
        let known = if made.len() < self.0.len() { &[] } else { self.0.as_slice() };
        let mut fresh = Vec::new();
        for (index, call) in made.iter().enumerate() {
            let before = known.get(index).copied();
            if before != Some(Seen::of(call)) {
                let seen = before.unwrap_or_default().messages;
                let messages = call.messages.get(seen..).unwrap_or_default().to_vec();
                fresh.push(GrpcCall { messages, ..call.clone() });
            }
        }
        fresh
    }

    /// All of these are accounted for.
    pub(crate) fn account(&mut self, made: &[GrpcCall]) {
        self.0 = made.iter().map(Seen::of).collect();
    }
}

impl Seen {
    fn of(call: &GrpcCall) -> Self {
        Self { messages: call.messages.len(), ended: call.ended, cancelled: call.cancelled }
    }
}
