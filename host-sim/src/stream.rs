//! One HTTP exchange as a gateway's filter chain holds it.

use std::collections::{BTreeMap, VecDeque};

use crate::error::Failure;
use crate::foreign::{Declared, Object};
use crate::header_map::HeaderMap;
use crate::outcome::{LocalReply, Message};
use crate::property::Properties;

/// What a half offers the filter next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing has arrived.
    Empty,
    Headers,
    Body,
    Trailers,
    /// All of it has passed.
    Done,
}

/// What to offer the filter next.
pub(crate) enum Step {
    Wait,
    Headers { count: u32, end: bool },
    Metadata { count: u32 },
    Body { size: u32, end: bool },
    Trailers { count: u32 },
}

/// The request or the response: what arrived, what the filter holds, what it let pass.
pub(crate) struct Half {
    pub(crate) headers: HeaderMap,
    pub(crate) trailers: HeaderMap,
    pub(crate) has_trailers: bool,
    /// How many names each map of HTTP/2 metadata has that the filter was not told of.
    pub(crate) metadata: VecDeque<u32>,
    /// Chunks that the filter has not seen.
    pub(crate) waiting: VecDeque<Vec<u8>>,
    /// What the filter sees as the body: chunks it held back and the current one.
    pub(crate) buffer: Vec<u8>,
    /// What is held of the body in front of that, out of the filter's reach.
    pub(crate) apart: Vec<u8>,
    /// What it let pass.
    pub(crate) passed: Vec<u8>,
    /// Whether no more is to arrive.
    pub(crate) ended: bool,
    /// Bytes of body that arrived.
    pub(crate) seen: usize,
    pub(crate) stage: Stage,
    /// Stopped at headers: nothing further is offered until the guest continues.
    pub(crate) stopped: bool,
    /// Stopped at body or trailers: chunks are still offered, none passes.
    pub(crate) holding: bool,
    /// Whether the headers have gone on.
    pub(crate) headers_passed: bool,
    /// Which parts the guest may touch now.
    pub(crate) live_headers: bool,
    pub(crate) live_body: bool,
    pub(crate) live_trailers: bool,
    /// Read-only again for the access log, headers and trailers by themselves.
    pub(crate) logged: bool,
    pub(crate) logs_trailers: bool,
    /// Whether a body is held, which the guest may touch in any callback.
    pub(crate) buffering: bool,
    /// Whether the piece of body that is offered is the last part.
    pub(crate) last: bool,
    /// The headers as they went on, where the guest can still touch its own.
    pub(crate) sent: Option<HeaderMap>,
}

impl Default for Half {
    fn default() -> Self {
        Self {
            headers: HeaderMap::new(),
            trailers: HeaderMap::new(),
            has_trailers: false,
            metadata: VecDeque::new(),
            waiting: VecDeque::new(),
            buffer: Vec::new(),
            apart: Vec::new(),
            passed: Vec::new(),
            ended: false,
            seen: 0,
            stage: Stage::Empty,
            stopped: false,
            holding: false,
            headers_passed: false,
            live_headers: false,
            live_body: false,
            live_trailers: false,
            logged: false,
            logs_trailers: false,
            buffering: false,
            last: false,
            sent: None,
        }
    }
}

impl Half {
    pub(crate) fn readable_headers(&self) -> Option<&HeaderMap> {
        if self.logged {
            return Some(self.sent.as_ref().unwrap_or(&self.headers));
        }
        self.live_headers.then_some(&self.headers)
    }

    pub(crate) fn writable_headers(&mut self) -> Option<&mut HeaderMap> {
        self.live_headers.then_some(&mut self.headers)
    }

    pub(crate) fn readable_trailers(&self) -> Option<&HeaderMap> {
        (self.live_trailers || self.logs_trailers).then_some(&self.trailers)
    }

    pub(crate) fn writable_trailers(&mut self) -> Option<&mut HeaderMap> {
        if self.live_body && self.last && !self.has_trailers {
            // With the last piece of a body, trailers can be added that never came.
            self.live_trailers = true;
        }
        self.live_trailers.then_some(&mut self.trailers)
    }

    pub(crate) fn readable_body(&self) -> Option<&[u8]> {
        (self.live_body || self.buffering).then_some(self.buffer.as_slice())
    }

    pub(crate) fn writable_body(&mut self) -> Option<&mut Vec<u8>> {
        (self.live_body || self.buffering).then_some(&mut self.buffer)
    }

    /// Takes every part out of the guest's reach.
    pub(crate) fn release(&mut self) {
        self.live_headers = false;
        self.live_body = false;
        self.live_trailers = false;
    }

    /// Whether anything has arrived.
    pub(crate) fn began(&self) -> bool {
        self.stage != Stage::Empty
    }

    /// Whether all of it has passed.
    pub(crate) fn is_done(&self) -> bool {
        self.stage == Stage::Done && !self.holding && !self.stopped
    }

    pub(crate) fn arrive(&mut self, chunk: Vec<u8>) {
        self.seen += chunk.len();
        self.waiting.push_back(chunk);
    }

    /// Takes a map of metadata.
    pub(crate) fn arrive_metadata(&mut self, map: &HeaderMap) {
        let names: std::collections::BTreeSet<&[u8]> = map.iter().map(|(name, _)| name).collect();
        self.metadata.push_back(names.len() as u32);
    }

    /// No frame of metadata ends a message: where nothing follows, an empty piece of body does.
    pub(crate) fn end_after_metadata(&mut self, has_trailers: bool) {
        if self.ended && !self.metadata.is_empty() && self.waiting.is_empty() && !has_trailers {
            self.arrive(Vec::new());
        }
    }

    /// Lets pass what the filter held.
    pub(crate) fn flush(&mut self) {
        self.passed.append(&mut self.apart);
        if self.passed.is_empty() {
            std::mem::swap(&mut self.passed, &mut self.buffer);
        } else {
            self.passed.append(&mut self.buffer);
        }
        self.headers_passed = true;
    }

    /// Holds the body so far where the filter does not see it.
    pub(crate) fn put_apart(&mut self) {
        self.apart.append(&mut self.buffer);
    }

    /// Has the filter see all of the body so far again.
    pub(crate) fn put_back(&mut self) {
        if !self.apart.is_empty() {
            self.put_apart();
            std::mem::swap(&mut self.apart, &mut self.buffer);
        }
    }

    /// Forgets everything, keeping allocations.
    pub(crate) fn reset(&mut self) {
        let mut fresh = Self::default();
        for (old, new) in [(&mut self.headers, &mut fresh.headers), (&mut self.trailers, &mut fresh.trailers)]
        {
            old.clear();
            std::mem::swap(old, new);
        }
        for (old, new) in [(&mut self.buffer, &mut fresh.buffer), (&mut self.passed, &mut fresh.passed)] {
            old.clear();
            std::mem::swap(old, new);
        }
        *self = fresh;
    }

    /// Takes the next part to offer.
    pub(crate) fn next(&mut self) -> Step {
        loop {
            if self.stopped {
                return Step::Wait;
            }
            let last = self.ended && !self.has_trailers;
            match self.stage {
                Stage::Empty | Stage::Done => return Step::Wait,
                Stage::Headers => {
                    self.stage = Stage::Body;
                    self.live_headers = true;
                    return Step::Headers {
                        count: self.headers.len() as u32,
                        end: last && self.waiting.is_empty(),
                    };
                }
                // It goes ahead of what is held of a body, whenever it arrives.
                Stage::Body | Stage::Trailers if !self.metadata.is_empty() => {
                    return Step::Metadata { count: self.metadata.pop_front().unwrap_or_default() };
                }
                Stage::Body => match self.waiting.pop_front() {
                    Some(chunk) => {
                        if self.buffer.is_empty() {
                            self.buffer = chunk;
                        } else {
                            self.buffer.extend_from_slice(&chunk);
                        }
                        self.live_body = true;
                        self.last = last && self.waiting.is_empty();
                        return Step::Body { size: self.buffer.len() as u32, end: self.last };
                    }
                    None if !self.ended => return Step::Wait,
                    None if self.has_trailers => self.stage = Stage::Trailers,
                    None => self.stage = Stage::Done,
                },
                Stage::Trailers => {
                    self.stage = Stage::Done;
                    self.live_trailers = true;
                    return Step::Trailers { count: self.trailers.len() as u32 };
                }
            }
        }
    }

    /// Lets pass what was held, whatever it was held at. `keep` leaves the guest its headers, which have gone on.
    pub(crate) fn resume(&mut self, keep: bool) {
        self.stopped = false;
        self.holding = false;
        if keep {
            self.unframe();
        }
        if keep && self.live_headers {
            self.sent.get_or_insert_with(|| self.headers.clone());
            (self.live_body, self.live_trailers) = (false, false);
        } else {
            self.release();
        }
        self.flush();
    }

    /// Lets everything pass that has arrived, without a filter.
    pub(crate) fn pass(&mut self) {
        if !self.began() {
            return;
        }
        self.resume(false);
        self.metadata.clear();
        for chunk in std::mem::take(&mut self.waiting) {
            self.passed.extend_from_slice(&chunk);
        }
        self.stage = if self.ended { Stage::Done } else { Stage::Body };
    }

    /// Takes off what framed the message on the wire that it came by.
    pub(crate) fn unframe(&mut self) {
        self.headers.remove(b"transfer-encoding");
    }

    /// How many bytes of the body have been offered.
    pub(crate) fn offered(&self) -> usize {
        self.seen - self.waiting.iter().map(Vec::len).sum::<usize>()
    }

    pub(crate) fn message(&self) -> Message {
        let headers = self.sent.as_ref().unwrap_or(&self.headers).clone();
        Message { headers, body: self.passed.clone(), trailers: self.trailers.clone() }
    }
}

/// What a guest asked for, to be done once its callback has returned.
#[derive(Default)]
pub(crate) struct Actions {
    pub(crate) local_reply: Option<LocalReply>,
    pub(crate) continue_request: bool,
    pub(crate) continue_response: bool,
    pub(crate) close: bool,
}

/// How a stream ended, where it did not simply pass.
#[derive(Clone)]
pub(crate) enum End {
    Closed,
    Failed(Failure),
}

/// One exchange.
#[derive(Default)]
pub(crate) struct Stream {
    pub(crate) id: u32,
    pub(crate) started: u64,
    pub(crate) request: Half,
    pub(crate) response: Half,
    pub(crate) properties: Properties,
    pub(crate) state: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Objects of the gateway's own that the guest set.
    pub(crate) filter_state: BTreeMap<String, Object>,
    /// Properties that its own context declared.
    pub(crate) declared: BTreeMap<Vec<u8>, Declared>,
    pub(crate) actions: Actions,
    /// The filter's own reply. Its headers and body are in `response`.
    pub(crate) local: Option<LocalReply>,
    pub(crate) end: Option<End>,
    pub(crate) logging: bool,
    /// Whether it is over, and only what is called at the end is left.
    pub(crate) over: bool,
    /// Why it was broken off, for the gateway's log.
    pub(crate) details: Option<Vec<u8>>,
}
