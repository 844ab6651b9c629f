//! A gateway on virtual time: workers, scripted clusters, ticks.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use crate::abi::HostCall;
use crate::builder::HostBuilder;
use crate::clock::nanos;
use crate::due::{Due, Event};
use crate::error::{Failure, StartError};
use crate::grpc::GrpcCalls;
use crate::header_map::HeaderMap;
use crate::log::LogLine;
use crate::outcome::{HttpCall, Outcome, Request, Response, ResponseOutcome};
use crate::shared::{Metrics, Shared};
use crate::stream::Stream;
use crate::tcp::Connections;
use crate::upstream::{Upstream, UpstreamReply};
use crate::vm::Plugin;
use crate::worker::Worker;

/// Events that one step handles at most, so that a guest cannot keep the host busy for ever.
const EVENTS: usize = 1_000_000;
/// Streams that have ended whose outcome is remembered.
const ENDED: usize = 65_536;
/// Bytes of calls that are remembered.
const CALLS: usize = 256 << 20;
/// Answers without delay that are delivered within one step.
const AT_ONCE: usize = 10_000;

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
    pub(crate) due: BinaryHeap<Reverse<Due>>,
    sequence: u64,
    pub(crate) open: Vec<StreamId>,
    ended: BTreeMap<StreamId, (Outcome, ResponseOutcome)>,
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
            due: BinaryHeap::new(),
            sequence: 0,
            open: Vec::new(),
            ended: BTreeMap::new(),
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
        Worker::start(module, &self.plugin, &self.shared, clock, self.builder.rng(index), index)
    }

    /// Sends a request through the first worker's filter, as far as it goes now.
    pub fn request(&mut self, request: &Request) -> StreamId {
        self.request_on(0, request)
    }

    /// Sends a request through one worker's filter, counted from 0; beyond the last, it is the last.
    pub fn request_on(&mut self, worker: usize, request: &Request) -> StreamId {
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
        self.ended.remove(&stream);
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
        self.ended.remove(&stream);
        (outcome, response)
    }

    /// More body of a request that was left open; `end` says that it is the last.
    pub fn send_body(&mut self, stream: StreamId, chunk: impl Into<Vec<u8>>, end: bool) {
        if let Some(worker) = self.worker_of(stream) {
            worker.request_body(stream.id, chunk.into(), end);
        }
        self.settle();
    }

    /// Trailers of a request that was left open; they end it.
    pub fn send_trailers(&mut self, stream: StreamId, trailers: HeaderMap) {
        if let Some(worker) = self.worker_of(stream) {
            worker.request_trailers(stream.id, trailers);
        }
        self.settle();
    }

    /// Sends the upstream's response back through the filter. The stream ends once it has passed.
    pub fn respond(&mut self, stream: StreamId, response: Response) {
        if let Some(worker) = self.worker_of(stream) {
            worker.respond(stream.id, response);
        }
        self.settle();
    }

    /// More body of a response that was left open; `end` says that it is the last.
    pub fn send_response_body(&mut self, stream: StreamId, chunk: impl Into<Vec<u8>>, end: bool) {
        if let Some(worker) = self.worker_of(stream) {
            worker.response_body(stream.id, chunk.into(), end);
        }
        self.settle();
    }

    /// Ends a stream, as when the client goes away. A stream that has ended stays as it was.
    pub fn close(&mut self, stream: StreamId) {
        if let Some(at) = self.open.iter().position(|s| *s == stream) {
            self.open.swap_remove(at);
            self.end(stream);
        }
        self.settle();
    }

    /// Where a stream stands, or stood when it ended. The last 65,536 that ended are remembered.
    pub fn outcome(&self, stream: StreamId) -> Outcome {
        match self.stream(stream) {
            Some(open) => Worker::outcome(open),
            None => self.ended.get(&stream).map_or(Outcome::Closed, |(outcome, _)| outcome.clone()),
        }
    }

    /// Where a stream's response stands, or stood when it ended.
    pub fn response(&self, stream: StreamId) -> ResponseOutcome {
        match self.stream(stream) {
            Some(open) => Worker::response_outcome(open),
            None => self.ended.get(&stream).map_or(ResponseOutcome::None, |(_, response)| response.clone()),
        }
    }

    /// Moves the clock on. Ticks and answers that fall due on the way come in the order of time.
    pub fn advance(&mut self, by: Duration) {
        let until = self.now().saturating_add(nanos(by));
        for _ in 0..EVENTS {
            let tick = self.workers.iter().enumerate().filter_map(|(i, s)| Some((s.next_tick?, i))).min();
            let answer = self.due.peek().map(|Reverse(due)| due.at);
            match (tick, answer) {
                (Some((at, worker)), answer) if at <= until && answer.is_none_or(|a| at < a) => {
                    self.builder.clock.move_to(at);
                    self.tick(worker);
                }
                (_, Some(at)) if at <= until => {
                    self.builder.clock.move_to(at);
                    self.deliver();
                }
                _ => break,
            }
            self.settle();
        }
        self.builder.clock.move_to(until);
    }

    /// How long it is until the next tick or answer falls due; nothing where none is under way.
    pub fn next_event(&self) -> Option<Duration> {
        let ticks = self.workers.iter().filter_map(|slot| slot.next_tick);
        let next = ticks.chain(self.due.peek().map(|Reverse(due)| due.at)).min()?;
        Some(Duration::from_nanos(next.saturating_sub(self.now())))
    }

    /// Ticks a worker's VM now, whatever its timer says.
    pub fn fire_tick(&mut self, worker: usize) {
        self.tick(worker);
        self.settle();
    }

    /// Sets the clock that guests see, forth or back, as when the machine's is corrected: no time passes, and what is under way comes when
    /// it would have come.
    pub fn step_clock(&mut self, seconds: i64) {
        let step = |at: u64| at.saturating_add_signed(seconds.saturating_mul(1_000_000_000));
        self.builder.clock.set(step(self.now()));
        let due = std::mem::take(&mut self.due).into_iter();
        self.due = due.map(|Reverse(due)| Reverse(Due { at: step(due.at), ..due })).collect();
        for slot in &mut self.workers {
            slot.next_tick = slot.next_tick.map(step);
        }
    }

    /// Nanoseconds since the Unix epoch, as guests see them.
    pub fn now(&self) -> u64 {
        self.builder.clock.now()
    }

    /// Takes the lines logged since the last time, by all workers.
    pub fn take_logs(&mut self) -> Vec<LogLine> {
        self.collect_logs();
        std::mem::take(&mut self.logs)
    }

    /// The HTTP calls made so far. Once they have 256 MiB they are forgotten, and it begins anew.
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

    /// Bytes of a worker's linear memory. It never shrinks.
    pub fn memory_size(&self, worker: usize) -> usize {
        self.workers.get(worker).map_or(0, |s| s.worker.instance.memory_size())
    }

    /// Fuel used in callbacks by all workers; 0 where the engine does not meter it.
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
        self.ended.insert(stream, ended);
        if self.ended.len() > ENDED {
            self.ended.pop_first();
        }
        if let Some(worker) = self.worker_of(stream)
            && let Some(closed) = worker.close(stream.id)
        {
            worker.recycle(closed);
        }
    }

    fn tick(&mut self, worker: usize) {
        let Some(slot) = self.workers.get_mut(worker) else { return };
        let _: Result<(), Failure> = slot.worker.tick();
        let vm = slot.worker.instance.vm_mut();
        if !vm.tick_changed {
            slot.next_tick = vm.tick_period.map(|period| vm.clock.now().saturating_add(period));
        }
    }

    fn deliver(&mut self) {
        let Some(Reverse(due)) = self.due.pop() else { return };
        if let Some(slot) = self.workers.get_mut(due.worker).filter(|s| s.incarnation == due.incarnation) {
            // A VM that fails here answers its streams with the failure; there is no one else to tell.
            let _ = match due.event {
                Event::Http(token, answer) => slot.worker.answer(token, answer),
                Event::Grpc(token, event) => {
                    if event.is_last(token) {
                        self.grpc.close((due.worker, due.incarnation, token));
                    }
                    slot.worker.grpc_event(token, event)
                }
            };
        }
    }

    /// Brings the world up to date after guests have run: calls go out, answers without delay come in, timers are
    /// set, streams that have ended are closed.
    pub(crate) fn settle(&mut self) {
        for _ in 0..AT_ONCE {
            self.dispatch();
            self.close_ended();
            self.end_connections();
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
            } else if !self.workers.iter().any(|s| s.worker.has_work()) {
                break;
            }
        }
    }

    fn dispatch(&mut self) {
        for worker in 0..self.workers.len() {
            self.dispatch_grpc(worker);
        }
        for slot in &mut self.workers {
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
                self.call_bytes += call.body.len() + call.headers.byte_size() + call.trailers.byte_size();
                self.calls.push(call);
                if self.call_bytes > CALLS {
                    self.calls.clear();
                    self.call_bytes = 0;
                }
            }
        }
    }

    pub(crate) fn schedule_event(&mut self, at: u64, worker: usize, incarnation: u32, event: Event) {
        self.sequence += 1;
        self.due.push(Reverse(Due { at, sequence: self.sequence, worker, incarnation, event }));
    }

    fn set_timers(&mut self) {
        for slot in &mut self.workers {
            let vm = slot.worker.instance.vm_mut();
            if std::mem::take(&mut vm.tick_changed) {
                slot.next_tick = vm.tick_period.map(|period| vm.clock.now().saturating_add(period));
            }
            if slot.worker.instance.has_failed() {
                slot.next_tick = None;
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
        for slot in &mut self.workers {
            self.logs.append(&mut slot.worker.take_logs());
        }
        self.logs.sort_by_key(|line| line.at);
    }
}
