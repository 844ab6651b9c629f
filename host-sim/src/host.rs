//! A gateway on virtual time: workers, scripted clusters.

mod time;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use crate::abi::HostCall;
use crate::budget::Budget;
use crate::builder::HostBuilder;
use crate::clock::nanos;
use crate::due::{Due, Event};
use crate::error::{Failure, StartError};
use crate::grpc::GrpcCalls;
use crate::header_map::HeaderMap;
use crate::log::LogLine;
use crate::outcome::{HttpCall, Outcome, Request, Response, ResponseOutcome};
use crate::remembered::Remembered;
use crate::shared::{Metrics, Shared};
use crate::stream::Stream;
use crate::tcp::Connections;
use crate::upstream::{Upstream, UpstreamReply};
use crate::vm::Plugin;
use crate::worker::Worker;

/// What a call takes beside its bytes, about.
pub(crate) const CALL: usize = 512;

/// A stream of a [`Host`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId {
    pub(crate) worker: usize,
    incarnation: u32,
    id: u32,
}

impl StreamId {
    /// The stream's context, as log lines name it.
    pub fn context(self) -> u32 {
        self.id
    }

    /// The worker that has it.
    pub fn worker(self) -> usize {
        self.worker
    }
}

/// A gateway that hosts one plugin, on virtual time.
pub struct Host {
    pub(crate) builder: HostBuilder,
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) workers: Vec<Slot>,
    /// VMs that were replaced whose root context is not done yet.
    pub(crate) retired: Vec<Slot>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) due: BinaryHeap<Reverse<Due>>,
    sequence: u64,
    pub(crate) open: Vec<StreamId>,
    ended: Remembered<StreamId, (Outcome, ResponseOutcome)>,
    pub(crate) connections: Connections,
    pub(crate) grpc: GrpcCalls,
    calls: Vec<HttpCall>,
    call_bytes: usize,
    logs: Vec<LogLine>,
    pub(crate) times_callbacks: bool,
}

pub(crate) struct Slot {
    pub(crate) worker: Worker,
    pub(crate) incarnation: u32,
    pub(crate) next_tick: Option<u64>,
    /// When a VM was last started here.
    pub(crate) started: u64,
}

impl Host {
    pub(crate) fn new(mut builder: HostBuilder) -> Result<Self, StartError> {
        let shared = builder.shared.take().unwrap_or_default();
        builder.first_worker = shared.join(builder.workers);
        let mut host = Self {
            plugin: builder.plugin(),
            shared,
            workers: Vec::new(),
            retired: Vec::new(),
            budget: Budget::new(builder.module.engine(), &builder.limits),
            due: BinaryHeap::new(),
            sequence: 0,
            open: Vec::new(),
            ended: Remembered::default(),
            connections: Connections::default(),
            grpc: GrpcCalls::default(),
            calls: Vec::new(),
            call_bytes: 0,
            logs: Vec::new(),
            times_callbacks: true,
            builder,
        };
        for index in 0..host.builder.workers {
            let worker = host.start_worker(index)?;
            let started = host.now();
            host.workers.push(Slot { worker, incarnation: 0, next_tick: None, started });
        }
        host.settle();
        Ok(host)
    }

    pub(crate) fn start_worker(&self, index: usize) -> Result<Worker, StartError> {
        let HostBuilder { module, clock, .. } = &self.builder;
        let mut worker =
            Worker::start(module, &self.plugin, &self.shared, clock, self.builder.rng(index), index)?;
        self.budget.burn(worker.instance.fuel_used);
        worker.instance.budget = Some(Arc::clone(&self.budget));
        Ok(worker)
    }

    /// Sends a request through the first worker's filter, as far as it goes now.
    pub fn request(&mut self, request: &Request) -> StreamId {
        self.request_on(0, request)
    }

    /// Sends a request through one worker's filter, counted from 0; beyond the last, it is the last.
    pub fn request_on(&mut self, worker: usize, request: &Request) -> StreamId {
        self.budget.begin();
        let worker = worker.min(self.workers.len() - 1);
        self.reload(worker);
        let slot = &mut self.workers[worker];
        let id = slot.worker.open(request);
        let stream = StreamId { worker, incarnation: slot.incarnation, id };
        self.open.push(stream);
        self.settle();
        stream
    }

    /// Sends a request and says where it stands. A stream whose request was forwarded is closed without a response.
    pub fn run(&mut self, request: &Request) -> Outcome {
        let stream = self.request(request);
        let outcome = self.outcome(stream);
        self.close(stream);
        self.ended.remove(stream);
        outcome
    }

    /// Sends a request and, where it is forwarded, a response back.
    pub fn exchange(&mut self, request: &Request, response: Response) -> (Outcome, ResponseOutcome) {
        let stream = self.request(request);
        let outcome = self.outcome(stream);
        if outcome.forwarded().is_some() {
            self.respond(stream, response);
        }
        let response = self.response(stream);
        self.close(stream);
        self.ended.remove(stream);
        (outcome, response)
    }

    /// More body of a request that was left open; `end` says that it is the last.
    pub fn send_body(&mut self, stream: StreamId, chunk: impl Into<Vec<u8>>, end: bool) {
        self.budget.begin();
        if let Some(worker) = self.worker_of(stream) {
            worker.request_body(stream.id, chunk.into(), end);
        }
        self.settle();
    }

    /// Trailers of a request that was left open; they end it.
    pub fn send_trailers(&mut self, stream: StreamId, trailers: HeaderMap) {
        self.budget.begin();
        if let Some(worker) = self.worker_of(stream) {
            worker.request_trailers(stream.id, trailers);
        }
        self.settle();
    }

    /// HTTP/2 metadata of a request that was left open.
    pub fn send_metadata(&mut self, stream: StreamId, metadata: &HeaderMap) {
        self.budget.begin();
        if let Some(worker) = self.worker_of(stream) {
            worker.request_metadata(stream.id, metadata);
        }
        self.settle();
    }

    /// HTTP/2 metadata of a response that was left open.
    pub fn send_response_metadata(&mut self, stream: StreamId, metadata: &HeaderMap) {
        self.budget.begin();
        if let Some(worker) = self.worker_of(stream) {
            worker.response_metadata(stream.id, metadata);
        }
        self.settle();
    }

    /// Sends the upstream's response back through the filter. The stream ends once it has passed.
    pub fn respond(&mut self, stream: StreamId, response: Response) {
        self.budget.begin();
        if let Some(worker) = self.worker_of(stream) {
            worker.respond(stream.id, response);
        }
        self.settle();
    }

    /// More body of a response that was left open; `end` says that it is the last.
    pub fn send_response_body(&mut self, stream: StreamId, chunk: impl Into<Vec<u8>>, end: bool) {
        self.budget.begin();
        if let Some(worker) = self.worker_of(stream) {
            worker.response_body(stream.id, chunk.into(), end);
        }
        self.settle();
    }

    /// Ends a stream, as when the client goes away. A stream that has ended stays as it was.
    pub fn close(&mut self, stream: StreamId) {
        self.budget.begin();
        if let Some(at) = self.open.iter().position(|s| *s == stream) {
            self.open.swap_remove(at);
            self.end(stream);
        }
        self.settle();
    }

    /// Where a stream stands, or stood when it ended. The last 65,536 that ended are remembered, up to
    /// [`remembered_bytes`](crate::Limits::remembered_bytes).
    pub fn outcome(&self, stream: StreamId) -> Outcome {
        match self.stream(stream) {
            Some(open) => Worker::outcome(open),
            None => self.ended.get(stream).map_or(Outcome::Closed, |(outcome, _)| outcome.clone()),
        }
    }

    /// Where a stream's response stands, or stood when it ended.
    pub fn response(&self, stream: StreamId) -> ResponseOutcome {
        match self.stream(stream) {
            Some(open) => Worker::response_outcome(open),
            None => self.ended.get(stream).map_or(ResponseOutcome::None, |(_, response)| response.clone()),
        }
    }

    /// Takes the lines logged since the last time, by all workers.
    pub fn take_logs(&mut self) -> Vec<LogLine> {
        self.collect_logs();
        std::mem::take(&mut self.logs)
    }

    /// The HTTP calls made so far. Once they have [`remembered_bytes`](crate::Limits::remembered_bytes) they are forgotten, and it begins
    /// anew.
    pub fn calls(&self) -> &[HttpCall] {
        &self.calls
    }

    /// Takes the HTTP calls made since the last time.
    pub fn take_calls(&mut self) -> Vec<HttpCall> {
        self.call_bytes = 0;
        std::mem::take(&mut self.calls)
    }

    /// The metrics, over all workers.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Changes how a cluster answers from now on. A cluster that was not there at the start stays unknown.
    pub fn set_cluster(&mut self, name: &str, upstream: Upstream) {
        if let Some(known) = self.builder.upstreams.get_mut(name.as_bytes()) {
            *known = upstream;
        }
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Whether a worker's VM has failed.
    pub fn has_failed(&self, worker: usize) -> bool {
        self.workers.get(worker).is_some_and(|s| s.worker.instance.has_failed())
    }

    /// Why a worker's VM failed, where it did.
    pub fn failure(&self, worker: usize) -> Option<&Failure> {
        self.workers.get(worker)?.worker.instance.failure()
    }

    /// Why the module did not come to rest, where its callbacks used up together what a step has, or the case ([`Limits`](crate::Limits)).
    /// Its VMs have failed then.
    pub fn unrest(&self) -> Option<&Failure> {
        self.budget.spent()
    }

    /// Bytes of a worker's linear memory. It never shrinks.
    pub fn memory_size(&self, worker: usize) -> usize {
        self.workers.get(worker).map_or(0, |s| s.worker.instance.memory_size())
    }

    /// Fuel that the instructions of all workers' callbacks used; 0 where the engine does not meter it. What host calls take is not in it.
    pub fn fuel_used(&self) -> u64 {
        self.workers.iter().map(|s| s.worker.instance.fuel_used).sum()
    }

    /// How often each host function was called, by all workers.
    pub fn host_calls(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for slot in &self.workers {
            for (call, count) in HostCall::ALL.iter().zip(slot.worker.instance.vm().counts) {
                if count > 0 {
                    *counts.entry(call.name()).or_default() += count;
                }
            }
        }
        counts
    }

    /// Makes a worker's VM trap the next time it calls this host function.
    pub fn trap_at(&mut self, worker: usize, call: HostCall) {
        if let Some(slot) = self.workers.get_mut(worker) {
            slot.worker.instance.vm_mut().trap_at = Some(call);
        }
    }

    fn stream(&self, stream: StreamId) -> Option<&Stream> {
        let slot = self.workers.get(stream.worker).filter(|s| s.incarnation == stream.incarnation)?;
        slot.worker.stream(stream.id)
    }

    fn worker_of(&mut self, stream: StreamId) -> Option<&mut Worker> {
        let slot = self.workers.get_mut(stream.worker).filter(|s| s.incarnation == stream.incarnation)?;
        Some(&mut slot.worker)
    }

    pub(crate) fn end(&mut self, stream: StreamId) {
        let Some(open) = self.stream(stream) else { return };
        let ended = (Worker::outcome(open), Worker::response_outcome(open));
        let bytes = ended.0.bytes() + ended.1.bytes();
        self.ended.insert(stream, ended, bytes, self.plugin.limits.remembered_bytes);
        if let Some(worker) = self.worker_of(stream)
            && let Some(closed) = worker.close(stream.id)
        {
            worker.recycle(closed);
        }
    }

    /// Brings the world up to date after guests have run: calls go out, answers without delay come in, timers are
    /// set, streams that have ended are closed.
    pub(crate) fn settle(&mut self) {
        loop {
            self.dispatch();
            self.close_ended();
            self.end_connections();
            self.take_off_retired();
            // What is called at an end may set a timer too.
            self.set_timers();
            let first = self.builder.first_worker;
            for (worker, token) in self.shared.take_ready_of(first..first + self.workers.len()) {
                if let Some(slot) = self.workers.get_mut(worker) {
                    let _ = slot.worker.queue_ready(token);
                }
            }
            let now = self.now();
            if self.due.peek().is_some_and(|Reverse(due)| due.at <= now) {
                self.deliver();
            } else if !self.slots().any(|s| s.worker.has_work()) {
                break;
            }
        }
    }

    fn dispatch(&mut self) {
        for at in 0..self.workers.len() + self.retired.len() {
            self.dispatch_grpc(at);
        }
        for slot in self.workers.iter_mut().chain(&mut self.retired) {
            for call in slot.worker.take_calls() {
                let reply = match self.builder.upstreams.get_mut(&call.cluster) {
                    Some(upstream) => upstream.reply(&call),
                    None => UpstreamReply::refused(),
                };
                if let Some((after, answer)) = reply.answer(&call, self.plugin.profile) {
                    self.sequence += 1;
                    self.due.push(Reverse(Due {
                        at: call.at.saturating_add(nanos(after)),
                        sequence: self.sequence,
                        worker: call.worker,
                        incarnation: slot.incarnation,
                        event: Event::Http(call.token, answer),
                    }));
                }
                self.call_bytes +=
                    call.body.len() + call.headers.byte_size() + call.trailers.byte_size() + CALL;
                self.calls.push(call);
                if self.call_bytes > self.plugin.limits.remembered_bytes {
                    self.calls.clear();
                    self.call_bytes = 0;
                }
            }
        }
    }

    fn close_ended(&mut self) {
        let is_over =
            |stream: &Stream| stream.end.is_some() || (stream.response.began() && stream.response.is_done());
        let over: Vec<_> =
            self.open.iter().copied().filter(|s| self.stream(*s).is_none_or(is_over)).collect();
        for stream in over {
            self.open.retain(|s| *s != stream);
            self.end(stream);
        }
    }

    pub(crate) fn collect_logs(&mut self) {
        for slot in self.workers.iter_mut().chain(&mut self.retired) {
            self.logs.append(&mut slot.worker.take_logs());
        }
        self.logs.sort_by_key(|line| line.at);
    }
}
