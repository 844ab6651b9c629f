//! The way of a stream through its filter: parts are offered, held, let go, and what the guest asked for is done.

use super::Worker;
use crate::error::{Failure, FailureKind};
use crate::fail_policy::FailPolicy;
use crate::local_reply::{reply_locally, request_too_large, response_too_large};
use crate::stream::{End, Step};

/// Which way a message goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Request,
    Response,
}

/// What a filter answers a part with, as Envoy takes it: SDKs have names up to 4 for headers and up to 3 for bodies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Pass,
    /// Holds the part.
    Hold,
    /// Holds headers and whatever follows them, whether headers may be held alone or not.
    HoldAll,
    /// Holds a piece of body out of the filter's reach: it sees the next one by itself (`StopIterationAndWatermark`).
    HoldApart,
    /// Holds a body of which this piece is no part any more (`StopIterationNoBuffer`), unless it was added to one that is held.
    Drop,
}

impl Answer {
    fn of(step: &Step, action: u32) -> Self {
        match (step, action) {
            // Ending a stream with its headers is no longer done: they go on.
            (_, 0) | (Step::Headers { .. }, 2) => Self::Pass,
            (Step::Headers { .. }, 1) | (Step::Body { .. }, 1) => Self::Hold,
            (Step::Headers { .. }, _) => Self::HoldAll,
            (Step::Body { .. }, 2) => Self::HoldApart,
            (Step::Body { .. }, _) => Self::Drop,
            _ => Self::Hold,
        }
    }
}

impl Worker {
    /// Does what guests asked of streams and connections other than the one being driven.
    pub(crate) fn follow_up(&mut self) {
        while let Some(id) = self.instance.vm_mut().touched.pop() {
            self.act_on_connection(id);
            self.act(id);
            self.progress(id);
        }
    }

    /// Offers the filter parts of the request and the response until it holds or there are no more.
    pub(crate) fn progress(&mut self, id: u32) {
        for side in [Side::Request, Side::Response] {
            self.pump(id, side);
        }
        self.follow_up();
    }

    fn pump(&mut self, id: u32, side: Side) {
        loop {
            let Some(stream) = self.stream_mut(id) else { return };
            if stream.end.is_some() || (side == Side::Request && stream.local.is_some()) {
                return;
            }
            let half = if side == Side::Request { &mut stream.request } else { &mut stream.response };
            let step = half.next();
            // What comes to a body that is held is added to it before the filter sees it.
            if half.buffering && self.holds_too_much(id, side) {
                return;
            }
            let called = match (&step, side) {
                (Step::Wait, _) => return,
                (Step::Headers { count, end }, Side::Request) => self.instance.call_headers(
                    "proxy_on_request_headers",
                    id,
                    |e| e.request_headers.as_ref(),
                    *count,
                    *end,
                ),
                (Step::Headers { count, end }, Side::Response) => self.instance.call_headers(
                    "proxy_on_response_headers",
                    id,
                    |e| e.response_headers.as_ref(),
                    *count,
                    *end,
                ),
                (Step::Metadata { count }, Side::Request) => self.instance.call(
                    "proxy_on_request_metadata",
                    id,
                    |e| e.request_metadata.as_ref(),
                    (id, *count),
                ),
                (Step::Metadata { count }, Side::Response) => self.instance.call(
                    "proxy_on_response_metadata",
                    id,
                    |e| e.response_metadata.as_ref(),
                    (id, *count),
                ),
                (Step::Body { size, end }, Side::Request) => self.instance.call(
                    "proxy_on_request_body",
                    id,
                    |e| e.request_body.as_ref(),
                    (id, *size, u32::from(*end)),
                ),
                (Step::Body { size, end }, Side::Response) => self.instance.call(
                    "proxy_on_response_body",
                    id,
                    |e| e.response_body.as_ref(),
                    (id, *size, u32::from(*end)),
                ),
                (Step::Trailers { count }, Side::Request) => self.instance.call(
                    "proxy_on_request_trailers",
                    id,
                    |e| e.request_trailers.as_ref(),
                    (id, *count),
                ),
                (Step::Trailers { count }, Side::Response) => self.instance.call(
                    "proxy_on_response_trailers",
                    id,
                    |e| e.response_trailers.as_ref(),
                    (id, *count),
                ),
            };
            match called {
                Ok(action) => self.settle(id, side, &step, Answer::of(&step, action.unwrap_or(0))),
                Err(failure) => return self.fail(id, failure),
            }
            if self.holds_too_much(id, side) {
                return;
            }
        }
    }

    /// Refuses a body of which the filter holds more than it may.
    fn holds_too_much(&mut self, id: u32, side: Side) -> bool {
        let limit = self.instance.vm().plugin.limits.body_bytes;
        let Some(stream) = self.stream_mut(id) else { return false };
        let (half, reply) = match side {
            Side::Request => (&mut stream.request, request_too_large()),
            Side::Response => (&mut stream.response, response_too_large()),
        };
        let held = half.apart.len() + if half.buffering { half.buffer.len() } else { 0 };
        if stream.local.is_some() || held <= limit {
            return false;
        }
        half.buffering = false;
        half.apart.clear();
        if side == Side::Request {
            half.release();
        }
        stream.actions.local_reply = Some(reply);
        self.act(id);
        self.pump(id, Side::Response);
        true
    }

    /// Takes a callback's result: let the part pass, or hold it.
    fn settle(&mut self, id: u32, side: Side, step: &Step, answer: Answer) {
        let alone = self.instance.vm().plugin.headers_stop_alone && answer != Answer::HoldAll;
        if let Some(stream) = self.stream_mut(id) {
            let (replied, closed) = (stream.actions.local_reply.is_some(), stream.actions.close);
            let resumed = match (step, side) {
                (Step::Headers { .. }, Side::Request) => std::mem::take(&mut stream.actions.continue_request),
                (Step::Headers { .. }, Side::Response) => {
                    std::mem::take(&mut stream.actions.continue_response)
                }
                _ => false,
            };
            let half = if side == Side::Request { &mut stream.request } else { &mut stream.response };
            let pass = answer == Answer::Pass && !replied;
            match step {
                // Whatever is returned, it goes on.
                Step::Wait | Step::Metadata { .. } => {}
                Step::Headers { end, .. } => {
                    // One that goes on by itself and holds all the same has let the headers go, and nothing else ever.
                    let gone = !pass && !replied && resumed;
                    half.stopped = !(pass || alone || gone && *end);
                    half.holding = !pass && alone && !gone;
                    half.live_headers &= !pass || closed;
                    half.headers_passed |= pass || gone;
                    if half.headers_passed && side == Side::Response {
                        half.unframe();
                    }
                }
                Step::Body { .. } => {
                    half.holding = !pass;
                    half.live_body &= !pass;
                    let buffered = half.buffering;
                    half.buffering = answer == Answer::Hold || !pass && replied;
                    match answer {
                        _ if pass => half.flush(),
                        Answer::Hold => half.put_back(),
                        // What was added to a body that is held stays in it.
                        Answer::Drop if !buffered => half.buffer.clear(),
                        Answer::HoldApart | Answer::Drop => half.put_apart(),
                        Answer::Pass | Answer::HoldAll => {}
                    }
                }
                Step::Trailers { .. } => {
                    half.holding = !pass;
                    half.live_trailers &= !pass;
                    if pass {
                        half.flush();
                    }
                }
            }
        }
        let touched = &mut self.instance.vm_mut().touched;
        if touched.contains(&id) {
            touched.retain(|t| *t != id);
            self.act(id);
        }
    }

    /// Does what the guest asked of a stream.
    fn act(&mut self, id: u32) {
        let Some(stream) = self.stream_mut(id) else { return };
        let actions = std::mem::take(&mut stream.actions);
        if stream.end.is_some() {
            return;
        }
        if actions.close {
            stream.end = Some(End::Closed);
            return;
        }
        if let Some(reply) = actions.local_reply {
            reply_locally(stream, reply);
            return;
        }
        if actions.continue_request {
            stream.request.resume(false);
        }
        if actions.continue_response {
            stream.response.resume(true);
        }
    }

    pub(super) fn fail(&mut self, id: u32, failure: Failure) {
        let open = self.instance.vm().plugin.fail_policy == FailPolicy::Open;
        if let Some(stream) = self.stream_mut(id) {
            if open && failure.kind != FailureKind::Streams {
                stream.request.pass();
                stream.response.pass();
                return;
            }
            stream.end.get_or_insert(End::Failed(failure));
        }
    }
}
