//! The services' side of a [`Host`]: what modules send is recorded, and answered by the script.

use std::collections::BTreeMap;
use std::time::Duration;

use super::script::{GrpcReply, told};
use super::{GrpcAction, GrpcCall, GrpcEvent, GrpcUpstream, code};
use crate::clock::nanos;
use crate::due::Event;
use crate::host::Host;
use crate::upstream::TIMEOUT;

/// Bytes of calls that are remembered.
const RECORDED: usize = 256 << 20;

/// A call by its VM and its number in it: worker, incarnation, token.
pub(crate) type Key = (usize, u32, u32);

/// The calls of a host: all that were made, and the scripts of those that go on.
#[derive(Default)]
pub(crate) struct GrpcCalls {
    made: Vec<GrpcCall>,
    /// Bytes of what was sent on those.
    bytes: usize,
    open: BTreeMap<Key, Open>,
}

impl GrpcCalls {
    /// Remembers a call. Once they have as many bytes as may be, it begins anew.
    fn record(&mut self, call: GrpcCall) {
        self.bytes += call.messages.iter().map(Vec::len).sum::<usize>() + call.metadata.byte_size();
        self.bytes += call.service.len() + call.method.len() + call.cluster.len();
        if self.bytes > RECORDED {
            self.made.clear();
            self.bytes = 0;
            for open in self.open.values_mut() {
                open.place = None;
            }
        }
        self.made.push(call);
    }

    /// Forgets the script of a call that is over.
    pub(crate) fn close(&mut self, key: Key) {
        self.open.remove(&key);
    }
}

/// A call that goes on.
struct Open {
    /// Where it is in the list of those made; `None` once that was taken.
    place: Option<usize>,
    script: GrpcReply,
    answered: usize,
}

impl Host {
    /// The gRPC calls and streams that were opened so far, with what was sent on them.
    pub fn grpc_calls(&self) -> &[GrpcCall] {
        &self.grpc.made
    }

    /// Takes the calls and streams opened since the last time. What is sent on them later is not recorded.
    pub fn take_grpc_calls(&mut self) -> Vec<GrpcCall> {
        for open in self.grpc.open.values_mut() {
            open.place = None;
        }
        self.grpc.bytes = 0;
        std::mem::take(&mut self.grpc.made)
    }

    /// Changes how a cluster's services answer from now on. A cluster that was not there at the start stays unknown.
    pub fn set_grpc_cluster(&mut self, name: &str, upstream: GrpcUpstream) {
        if let Some(known) = self.builder.grpc_upstreams.get_mut(name.as_bytes()) {
            *known = upstream;
        }
    }

    /// Carries out what a worker's guest did with gRPC.
    pub(crate) fn dispatch_grpc(&mut self, worker: usize) {
        let Some(slot) = self.workers.get_mut(worker) else { return };
        let incarnation = slot.incarnation;
        let actions = std::mem::take(&mut slot.worker.instance.vm_mut().grpc.actions);
        for action in actions {
            match action {
                GrpcAction::Open(call) => self.open_grpc((worker, incarnation, call.token), call),
                GrpcAction::Unavailable(token) => {
                    let event = GrpcEvent::Close(code::UNAVAILABLE, "Cluster not available".to_owned());
                    self.schedule((worker, incarnation, token), Duration::ZERO, event);
                }
                GrpcAction::Send { token, message, end } => {
                    self.sent((worker, incarnation, token), Some(message), end);
                }
                GrpcAction::End(token) => self.sent((worker, incarnation, token), None, true),
                GrpcAction::Cancel(token) => {
                    let open = self.grpc.open.remove(&(worker, incarnation, token));
                    if let Some(call) = open.and_then(|open| self.grpc.made.get_mut(open.place?)) {
                        call.cancelled = true;
                    }
                }
            }
        }
    }

    fn open_grpc(&mut self, key: Key, call: GrpcCall) {
        let script = match self.builder.grpc_upstreams.get_mut(&call.cluster) {
            Some(upstream) => upstream.reply(&call.path()),
            None if self.builder.upstreams.contains_key(&call.cluster) => {
                GrpcReply::status(code::UNIMPLEMENTED, "")
            }
            None => GrpcReply::refused(),
        };
        let (stream, timeout) = (call.stream, call.timeout);
        self.grpc.record(call);
        let place = self.grpc.made.len().checked_sub(1);
        if !stream {
            self.answer_call(key, &script, timeout);
            self.grpc.open.insert(key, Open { place, script, answered: 0 });
            return;
        }
        if !script.is_silent() {
            self.schedule(key, script.after, GrpcEvent::Initial(script.headers()));
        }
        if !script.in_turn {
            let mut at = script.after;
            for (nth, message) in script.messages.iter().enumerate() {
                at += if nth == 0 { Duration::ZERO } else { script.each };
                self.schedule(key, at, GrpcEvent::Message(message.clone()));
            }
            let pause = if script.messages.is_empty() { Duration::ZERO } else { script.each };
            self.finish(key, &script, at + pause);
        }
        self.grpc.open.insert(key, Open { place, script, answered: 0 });
    }

    /// A call gets its message or a status, never both.
    fn answer_call(&mut self, key: Key, script: &GrpcReply, timeout: Duration) {
        let count = u32::try_from(script.messages.len()).unwrap_or(u32::MAX);
        let at = script.after + script.each.saturating_mul(count);
        if timeout.is_zero() && !script.is_refused() {
            let event = GrpcEvent::Close(code::DEADLINE_EXCEEDED, told("Deadline Exceeded", "via_upstream"));
            return self.schedule(key, script.after, event);
        }
        let Some(end) = script.ending_of().filter(|_| timeout.is_zero() || at <= timeout) else {
            let event = GrpcEvent::Close(code::UNAVAILABLE, told(TIMEOUT, "response_timeout"));
            return self.schedule(key, timeout, event);
        };
        let event = match (end, script.messages.last()) {
            ((_, code::OK, _), Some(message)) => GrpcEvent::Message(message.clone()),
            ((_, code::OK, _), None) => GrpcEvent::Close(code::INTERNAL, String::new()),
            ((_, status, message), _) => GrpcEvent::Close(status, message),
        };
        self.schedule(key, at, event);
    }

    /// A message, or the end, of a stream's that goes on.
    fn sent(&mut self, key: Key, message: Option<Vec<u8>>, end: bool) {
        let Some(open) = self.grpc.open.get_mut(&key) else { return };
        let answer = match &message {
            Some(_) if open.script.in_turn => open.script.messages.get(open.answered).cloned(),
            _ => None,
        };
        open.answered += usize::from(answer.is_some());
        let (after, script) = (open.script.after, (end && open.script.in_turn).then(|| open.script.clone()));
        self.grpc.bytes += message.as_ref().map_or(0, Vec::len);
        if let Some(call) = open.place.and_then(|place| self.grpc.made.get_mut(place)) {
            if self.grpc.bytes <= RECORDED {
                call.messages.extend(message);
            }
            call.ended |= end;
        }
        if let Some(answer) = answer {
            self.schedule(key, after, GrpcEvent::Message(answer));
        }
        if let Some(script) = script {
            self.finish(key, &script, after);
        }
    }

    fn finish(&mut self, key: Key, script: &GrpcReply, at: Duration) {
        if let Some((trailers, status, message)) = script.ending_of() {
            self.schedule(key, at, GrpcEvent::Trailing(trailers));
            self.schedule(key, at, GrpcEvent::Close(status, message));
        }
    }

    fn schedule(&mut self, (worker, incarnation, token): Key, after: Duration, event: GrpcEvent) {
        let at = self.now().saturating_add(nanos(after));
        self.schedule_event(at, worker, incarnation, Event::Grpc(token, event));
    }

    /// What was under way in a VM that is gone.
    pub(crate) fn forget_grpc(&mut self, worker: usize) {
        self.grpc.open.retain(|key, _| key.0 != worker);
    }
}
