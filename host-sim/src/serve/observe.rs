//! One exchange, as somebody who looks on is told of it when it is over.

use std::time::{Duration, Instant};

use crate::header_map::HeaderMap;
use crate::log::LogLine;
use crate::outcome::Request;
use crate::property::Properties;

/// Log lines of one exchange that are kept.
const LINES: usize = 64;
/// Calls of one exchange that are kept.
const CALLS: usize = 64;
/// Bytes that are kept of the body of the filter's own answer.
const BODY: usize = 16 << 10;
/// Bytes that are kept of the body of a request.
const REQUEST_BODY: usize = 64 << 10;

/// How an exchange ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// The request went upstream, and this status came back to the client.
    Forwarded(u16),
    /// The filter answered by itself.
    Replied(u16),
    /// The gateway answered in the upstream's place, for this reason.
    Gateway(u16, &'static str),
    /// The filter closed the stream without an answer.
    Reset,
    /// The VM failed.
    Failed,
    /// The client went away, or sent something that is no HTTP.
    Gone,
}

/// Where an exchange's time went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// From the request's head to the end of the response.
    pub total: Duration,
    /// Inside the guest's callbacks, host calls not included.
    pub guest: Duration,
    /// Inside host calls that the guest made.
    pub host: Duration,
    /// While the filter held the request or the response.
    pub held: Duration,
    /// From sending the request upstream to the head of the response.
    pub upstream: Duration,
}

/// A call that the filter made while an exchange was its business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// The cluster.
    pub cluster: String,
    /// The path.
    pub path: String,
}

/// One exchange.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Its number within the gateway, from 1.
    pub id: u64,
    /// The worker it ran on.
    pub worker: usize,
    /// The generation of the plugin that saw it: 1 at the start, one more with each reload.
    pub generation: u64,
    /// When it began, in nanoseconds since the Unix epoch.
    pub at: u64,
    /// The request's head as it arrived, pseudo-headers among it.
    pub request: HeaderMap,
    /// The properties of its connection.
    pub properties: Properties,
    /// Bytes of body that arrived from the client.
    pub request_bytes: u64,
    /// The first 64 KiB of them.
    pub body: Vec<u8>,
    /// The head that went upstream, if one did.
    pub forwarded: Option<HeaderMap>,
    /// The head that went back to the client.
    pub response: HeaderMap,
    /// The beginning of the body of the filter's own answer.
    pub reply: Vec<u8>,
    /// How it ended.
    pub ended: Ended,
    /// What the filter logged about it; at most 64 lines.
    pub logs: Vec<LogLine>,
    /// What it called; at most 64 calls.
    pub calls: Vec<Called>,
    /// Where the time went.
    pub times: Times,
}

impl Exchange {
    /// About how many bytes it takes up.
    pub fn byte_size(&self) -> usize {
        let heads = [Some(&self.request), self.forwarded.as_ref(), Some(&self.response)];
        let heads: usize = heads.into_iter().flatten().map(HeaderMap::byte_size).sum();
        let lines: usize = self.logs.iter().map(|line| line.message.len()).sum();
        let calls: usize = self.calls.iter().map(|call| call.cluster.len() + call.path.len()).sum();
        size_of::<Self>() + heads + lines + calls + self.body.len() + self.reply.len()
    }
}

/// An exchange that is being watched.
pub(super) struct Trace {
    pub(super) exchange: Exchange,
    pub(super) began: Instant,
    /// What is tried out is no real traffic: its log lines go nowhere else.
    pub(super) trial: bool,
}

impl Trace {
    pub(super) fn new(request: &Request, id: u64, worker: usize, at: u64, trial: bool) -> Self {
        let exchange = Exchange {
            id,
            worker,
            generation: 0,
            at,
            request: request.headers.clone(),
            properties: request.properties.clone(),
            request_bytes: 0,
            body: Vec::new(),
            forwarded: None,
            response: HeaderMap::new(),
            reply: Vec::new(),
            ended: Ended::Gone,
            logs: Vec::new(),
            calls: Vec::new(),
            times: Times::default(),
        };
        let mut trace = Self { exchange, began: Instant::now(), trial };
        request.body.iter().for_each(|piece| trace.received(piece));
        trace
    }

    pub(super) fn logged(&mut self, line: LogLine) {
        if self.exchange.logs.len() < LINES {
            self.exchange.logs.push(line);
        }
    }

    /// Notes a piece of the request's body.
    pub(super) fn received(&mut self, piece: &[u8]) {
        let exchange = &mut self.exchange;
        exchange.request_bytes += piece.len() as u64;
        let room = REQUEST_BODY.saturating_sub(exchange.body.len());
        exchange.body.extend_from_slice(piece.get(..room).unwrap_or(piece));
    }

    pub(super) fn called(&mut self, cluster: String, path: String) {
        if self.exchange.calls.len() < CALLS {
            self.exchange.calls.push(Called { cluster, path });
        }
    }

    /// Notes what the client got, and why.
    pub(super) fn answered(&mut self, ended: Ended, head: &HeaderMap, body: &[u8]) {
        self.exchange.ended = ended;
        self.exchange.response.clone_from(head);
        self.exchange.reply = body.get(..BODY).unwrap_or(body).to_vec();
    }

    pub(super) fn finish(mut self) -> Exchange {
        self.exchange.times.total = self.began.elapsed();
        self.exchange
    }
}
