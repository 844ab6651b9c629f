//! Bodies on their way through the filter: a piece in, what the filter lets pass of it out. Nothing is asked for before somebody wants
//! it, so that a slow reader slows the writer down.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes, Frame, Incoming};

use super::body::{Body, Broken, Source};
use super::client::Lease;
use super::convert::{trailers_in, trailers_out};
use super::exchange::Closing;
use super::handle::{Handle, Next, Side};
use super::options::ClientLimits;
use crate::header_map::HeaderMap;

/// What came of asking a sender for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// The filter has been given what there was.
    Fed,
    /// The sender broke off.
    Broken,
    /// It is more than the gateway takes.
    TooLarge,
    /// The sender stood still for too long.
    Idle,
}

/// What a sender sends, within the gateway's bounds.
struct Inflow {
    incoming: Option<Incoming>,
    left: u64,
    idle: Duration,
}

/// What came of it.
enum Piece {
    Data(Bytes, bool),
    Trailers(http::HeaderMap),
    Failed(Taken),
}

impl Inflow {
    fn new(incoming: Incoming, limits: &ClientLimits) -> Self {
        let incoming = (!incoming.is_end_stream()).then_some(incoming);
        Self { incoming, left: limits.body_bytes, idle: limits.idle_timeout }
    }

    async fn next(&mut self) -> Piece {
        let Some(incoming) = &mut self.incoming else { return Piece::Data(Bytes::new(), true) };
        let frame = match tokio::time::timeout(self.idle, incoming.frame()).await {
            Err(_) => return Piece::Failed(Taken::Idle),
            Ok(Some(Err(_))) => return Piece::Failed(Taken::Broken),
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => {
                self.incoming = None;
                return Piece::Data(Bytes::new(), true);
            }
        };
        match frame.into_data() {
            Ok(data) => {
                let Some(left) = self.left.checked_sub(data.len() as u64) else {
                    return Piece::Failed(Taken::TooLarge);
                };
                self.left = left;
                let end = incoming.is_end_stream();
                if end {
                    self.incoming = None;
                }
                Piece::Data(data, end)
            }
            Err(frame) => {
                self.incoming = None;
                Piece::Trailers(frame.into_trailers().unwrap_or_default())
            }
        }
    }
}

fn whole(bytes: Vec<u8>, trailers: &HeaderMap) -> Body {
    let trailers = (!trailers.is_empty()).then(|| trailers_out(trailers));
    Body::Whole(bytes.into(), trailers)
}

/// The request's body on its way upstream.
pub(super) struct RequestBody {
    handle: Rc<Handle>,
    inflow: Inflow,
    /// What has passed and was not asked for yet.
    first: Vec<u8>,
    done: bool,
    /// How the client failed it on its way upstream.
    failed: Rc<Cell<Option<Taken>>>,
}

impl RequestBody {
    pub(super) fn new(handle: Rc<Handle>, incoming: Incoming, limits: &ClientLimits) -> Self {
        let inflow = Inflow::new(incoming, limits);
        Self { handle, inflow, first: Vec::new(), done: false, failed: Rc::default() }
    }

    /// Tells, once it is on its way, whether the client has failed it.
    pub(super) fn failure(&self) -> Rc<Cell<Option<Taken>>> {
        Rc::clone(&self.failed)
    }

    /// Gives the filter the next piece.
    pub(super) async fn feed(&mut self) -> Taken {
        match self.inflow.next().await {
            Piece::Data(data, end) => self.handle.request_body(data.into(), end),
            Piece::Trailers(trailers) => self.handle.request_trailers(trailers_in(&trailers)),
            Piece::Failed(why) => return why,
        }
        Taken::Fed
    }

    /// The body as it goes on: whole where all of it is there; `length` where it is known.
    pub(super) fn into_body(mut self, length: Option<u64>) -> Body {
        self.first = self.handle.passed(Side::Request);
        match self.handle.finished(Side::Request) {
            Some(trailers) => whole(self.first, &trailers),
            None => Body::pieces(self, length),
        }
    }
}

impl Source for RequestBody {
    async fn next(&mut self) -> Option<Result<Frame<Bytes>, Broken>> {
        loop {
            if self.done {
                return None;
            }
            if !self.first.is_empty() {
                return Some(Ok(Frame::data(std::mem::take(&mut self.first).into())));
            }
            if self.handle.request() != Next::Pass || self.handle.has_replied() {
                return Some(Err(Broken::Filter));
            }
            let passed = self.handle.passed(Side::Request);
            if !passed.is_empty() {
                return Some(Ok(Frame::data(Bytes::from(passed))));
            }
            if let Some(trailers) = self.handle.finished(Side::Request) {
                self.done = true;
                return (!trailers.is_empty()).then(|| Ok(Frame::trailers(trailers_out(&trailers))));
            }
            if self.inflow.incoming.is_none() || self.handle.stopped(Side::Request) {
                self.handle.moved().await;
                continue;
            }
            match self.feed().await {
                Taken::Fed => {}
                failed => {
                    self.failed.set(Some(failed));
                    return Some(Err(Broken::Source));
                }
            }
        }
    }
}

/// The response's body on its way to the client. The exchange ends with it.
pub(super) struct ResponseBody {
    closing: Closing,
    inflow: Inflow,
    lease: Option<Lease>,
    held_bytes: usize,
    first: Vec<u8>,
    done: bool,
}

impl ResponseBody {
    pub(super) fn new(closing: Closing, incoming: Incoming, lease: Lease, limits: &ClientLimits) -> Self {
        let held_bytes = closing.0.buffer_limit();
        let inflow = Inflow::new(incoming, limits);
        let mut body =
            Self { closing, inflow, lease: Some(lease), held_bytes, first: Vec::new(), done: false };
        body.give_back();
        body
    }

    /// A connection whose response has come to its end serves the next request.
    fn give_back(&mut self) {
        if self.inflow.incoming.is_none()
            && let Some(lease) = self.lease.take()
        {
            lease.keep();
        }
    }

    /// Gives the filter the next piece.
    pub(super) async fn feed(&mut self) -> Taken {
        let handle = &self.closing.0;
        match self.inflow.next().await {
            Piece::Data(data, end) => handle.response_body(data.into(), end),
            Piece::Trailers(trailers) => handle.response_trailers(trailers_in(&trailers)),
            Piece::Failed(why) => return why,
        }
        if handle.held_bytes(Side::Response) > self.held_bytes {
            return Taken::TooLarge;
        }
        self.give_back();
        Taken::Fed
    }

    /// The body as it goes on: whole where all of it is there; `length` where it is known.
    pub(super) fn into_body(mut self, length: Option<u64>) -> Body {
        self.first = self.closing.0.passed(Side::Response);
        match self.closing.0.finished(Side::Response) {
            Some(trailers) => whole(self.first, &trailers),
            None => Body::pieces(self, length),
        }
    }
}

impl Source for ResponseBody {
    async fn next(&mut self) -> Option<Result<Frame<Bytes>, Broken>> {
        loop {
            if self.done {
                return None;
            }
            if !self.first.is_empty() {
                return Some(Ok(Frame::data(std::mem::take(&mut self.first).into())));
            }
            let handle = &self.closing.0;
            // The head has gone: there is no other answer any more.
            if handle.response() != Next::Pass || handle.has_replied() {
                return Some(Err(Broken::Filter));
            }
            let passed = handle.passed(Side::Response);
            if !passed.is_empty() {
                return Some(Ok(Frame::data(Bytes::from(passed))));
            }
            if let Some(trailers) = handle.finished(Side::Response) {
                self.done = true;
                return (!trailers.is_empty()).then(|| Ok(Frame::trailers(trailers_out(&trailers))));
            }
            if self.inflow.incoming.is_none() || handle.stopped(Side::Response) {
                handle.moved().await;
            } else if self.feed().await != Taken::Fed {
                return Some(Err(Broken::Source));
            }
        }
    }
}
