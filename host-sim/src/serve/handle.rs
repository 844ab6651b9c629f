//! One stream as the exchange that drives it sees it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use tokio::sync::Notify;

use super::client::Client;
use super::driver::{Driver, Waits};
use super::generation::StreamKey;
use super::observe::Trace;
use crate::header_map::HeaderMap;
use crate::stream::{End, Half, Stream};

/// What the gateway is to do next about one half of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Wait: the filter holds it.
    Wait,
    /// Give the filter more of it.
    More,
    /// Its head has gone on; its body goes on piece by piece.
    Pass,
    /// The filter has answered in its place.
    Reply,
    /// The filter closed the stream.
    Reset,
    /// The VM failed.
    Failed,
}

/// A stream. It ends by [`Handle::close`], and at the latest when the last reference is gone.
pub(super) struct Handle {
    driver: Rc<Driver>,
    key: StreamKey,
    moved: Rc<Notify>,
    closed: Cell<bool>,
    /// When something last went on, in either direction.
    progress: Cell<Instant>,
}

impl Handle {
    pub(super) fn new(driver: Rc<Driver>, key: StreamKey, moved: Rc<Notify>) -> Self {
        Self { driver, key, moved, closed: Cell::new(false), progress: Cell::new(Instant::now()) }
    }

    /// What to do about the request.
    pub(super) fn request(&self) -> Next {
        self.driver.look(self.key, request_side).unwrap_or(Next::Failed)
    }

    /// What to do about the response.
    pub(super) fn response(&self) -> Next {
        self.driver.look(self.key, response_side).unwrap_or(Next::Failed)
    }

    /// Waits until the stream has moved.
    pub(super) async fn moved(&self) {
        let began = Instant::now();
        self.driver.waits(self.key, Waits::Held);
        self.moved.notified().await;
        self.driver.waits(self.key, Waits::No);
        if self.driver.is_watched() {
            self.note(|trace| trace.exchange.times.held += began.elapsed());
        }
    }

    /// Waits until the filter has done something about a request that is on its way upstream.
    pub(super) async fn settled(&self) {
        self.driver.waits(self.key, Waits::Sent);
        while self.driver.look(self.key, is_settled) == Some(false) {
            self.moved.notified().await;
        }
    }

    /// More of the request's body; `end` says that it is the last.
    pub(super) fn request_body(&self, chunk: Vec<u8>, end: bool) {
        self.went_on();
        self.note(|trace| trace.received(&chunk));
        self.driver.poke(self.key, |vm, id| vm.request_body(id, chunk, end));
    }

    /// The request's trailers, which end it.
    pub(super) fn request_trailers(&self, trailers: HeaderMap) {
        self.driver.poke(self.key, |vm, id| vm.request_trailers(id, trailers));
    }

    /// The head of the upstream's response; `end` says that there is no more.
    pub(super) fn respond(&self, head: HeaderMap, end: bool) {
        self.went_on();
        self.driver.poke(self.key, |vm, id| vm.respond_head(id, head, end));
    }

    /// More of the response's body.
    pub(super) fn response_body(&self, chunk: Vec<u8>, end: bool) {
        self.went_on();
        self.driver.poke(self.key, |vm, id| vm.response_body(id, chunk, end));
    }

    /// The response's trailers, which end it.
    pub(super) fn response_trailers(&self, trailers: HeaderMap) {
        self.driver.poke(self.key, |vm, id| vm.response_trailers(id, trailers));
    }

    /// The head of a half as the filter let it pass, which need not be the one that the filter sees.
    pub(super) fn head(&self, side: Side) -> HeaderMap {
        let head = |stream: &Stream| {
            let half = side.of(stream);
            half.sent.as_ref().unwrap_or(&half.headers).clone()
        };
        self.driver.look(self.key, head).unwrap_or_default()
    }

    /// What the filter has let pass of a half's body since the last time.
    pub(super) fn passed(&self, side: Side) -> Vec<u8> {
        self.driver
            .take(self.key, |stream| std::mem::take(&mut side.of_mut(stream).passed))
            .unwrap_or_default()
    }

    /// Bytes of a half's body that the filter holds back.
    pub(super) fn held_bytes(&self, side: Side) -> usize {
        let held = |half: &Half| {
            half.apart.len() + half.buffer.len() + half.waiting.iter().map(Vec::len).sum::<usize>()
        };
        self.driver.look(self.key, |stream| held(side.of(stream))).unwrap_or(0)
    }

    /// The trailers of a half of which all has passed; `None` while there is more to come.
    pub(super) fn finished(&self, side: Side) -> Option<HeaderMap> {
        let finished = |stream: &Stream| {
            let half = side.of(stream);
            (half.is_done() && half.passed.is_empty()).then(|| half.trailers.clone())
        };
        self.driver.look(self.key, finished).flatten()
    }

    /// Whether the filter takes no more of a half before it lets go of it.
    pub(super) fn stopped(&self, side: Side) -> bool {
        self.driver.look(self.key, |stream| side.of(stream).stopped).unwrap_or(false)
    }

    /// Whether the filter answered by itself.
    pub(super) fn has_replied(&self) -> bool {
        self.driver.look(self.key, |stream| stream.local.is_some()).unwrap_or(false)
    }

    /// Whether the module may change the body of requests, or else of responses.
    pub(super) fn sees_body(&self, side: Side) -> bool {
        self.driver.sees_body(self.key, side == Side::Request)
    }

    /// Bytes of a response's body that the filter may hold back.
    pub(super) fn buffer_limit(&self) -> usize {
        self.driver.buffer_limit(self.key)
    }

    /// The worker's own connections.
    pub(super) fn client(&self) -> &Client {
        &self.driver.client
    }

    /// Whether exchanges are watched.
    pub(super) fn is_watched(&self) -> bool {
        self.driver.is_watched()
    }

    /// Notes something about the exchange, if it is watched.
    pub(super) fn note(&self, note: impl FnOnce(&mut Trace)) {
        self.driver.note(self.key, note);
    }

    /// When something last went on.
    pub(super) fn progress(&self) -> Instant {
        self.progress.get()
    }

    fn went_on(&self) {
        self.progress.set(Instant::now());
    }

    /// Ends the stream; what it was, where it was tried out.
    pub(super) fn close(&self) -> Option<Trace> {
        if self.closed.replace(true) { None } else { self.driver.close(self.key) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}

/// Which half.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Request,
    Response,
}

impl Side {
    fn of(self, stream: &Stream) -> &Half {
        if self == Self::Request { &stream.request } else { &stream.response }
    }

    fn of_mut(self, stream: &mut Stream) -> &mut Half {
        if self == Self::Request { &mut stream.request } else { &mut stream.response }
    }
}

/// Where a stream stands: what differs from an earlier mark may be something to go on with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    halves: [(bool, bool, bool, bool, usize); 2],
    settled: bool,
}

impl Mark {
    pub(super) fn of(stream: &Stream) -> Self {
        let half = |half: &Half| {
            (half.stopped, half.holding, half.headers_passed, half.is_done(), half.passed.len())
        };
        Self { halves: [half(&stream.request), half(&stream.response)], settled: is_settled(stream) }
    }
}

/// Whether a stream has its answer, or none to come.
pub(super) fn is_settled(stream: &Stream) -> bool {
    stream.local.is_some() || stream.end.is_some()
}

fn request_side(stream: &Stream) -> Next {
    match &stream.end {
        Some(End::Failed(_)) => return Next::Failed,
        Some(End::Closed) => return Next::Reset,
        None => {}
    }
    let half = &stream.request;
    if stream.local.is_some() {
        // The filter's own answer passes the response callbacks, which may hold it.
        return if stream.response.is_done() { Next::Reply } else { Next::Wait };
    }
    if half.headers_passed {
        Next::Pass
    } else if half.stopped || half.ended {
        Next::Wait
    } else {
        Next::More
    }
}

fn response_side(stream: &Stream) -> Next {
    match &stream.end {
        Some(End::Failed(_)) => return Next::Failed,
        Some(End::Closed) => return Next::Reset,
        None => {}
    }
    let half = &stream.response;
    if stream.local.is_some() {
        return if half.is_done() { Next::Reply } else { Next::Wait };
    }
    if half.headers_passed {
        Next::Pass
    } else if half.began() && (half.stopped || half.ended) {
        Next::Wait
    } else {
        Next::More
    }
}
