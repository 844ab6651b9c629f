//! The VMs of one worker, all on its thread: streams in, log lines and calls out, ticks.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, Semaphore};

use super::calls;
use super::client::Client;
use super::generation::{Generation, Setup, StreamKey, Watch, after, clocks, find};
use super::grpc;
use super::handle::{Handle, Mark, is_settled};
use super::observe::Trace;
use super::options::{ExchangeSink, LogSink};
use super::thread::Command;
use crate::grpc::GrpcEvent;
use crate::log::{LogLevel, LogLine};
use crate::outcome::Request;
use crate::shared::Shared;
use crate::stream::Stream;
use crate::vm::{Answer, ROOT};
use crate::worker::Worker;

/// What a gateway's workers share.
pub(super) struct World {
    pub(super) shared: Arc<Shared>,
    pub(super) log: LogSink,
    pub(super) observe: Option<ExchangeSink>,
    /// Calls that the filter may have under way, gRPC among them, over all workers.
    pub(super) calls: Semaphore,
    /// Numbers exchanges.
    pub(super) exchanges: AtomicU64,
    /// Ways to reach every worker, by index.
    pub(super) peers: Vec<UnboundedSender<Command>>,
}

/// The VMs of one worker. New streams go to the newest; the older ones end with their streams.
pub(super) struct Driver {
    pub(super) world: Arc<World>,
    pub(super) client: Client,
    pub(super) index: usize,
    pub(super) generations: RefCell<Vec<Generation>>,
    /// Some VM's timer has changed.
    timer: Notify,
}

/// What a stream is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    /// For the filter to let go of it.
    Held,
    /// For the upstream, unless the filter does something about it meanwhile.
    Sent,
    No,
}

impl Driver {
    pub(super) fn new(
        world: Arc<World>,
        client: Client,
        index: usize,
        setup: Arc<Setup>,
        vm: Worker,
    ) -> Rc<Self> {
        let driver =
            Self { world, client, index, generations: RefCell::new(Vec::new()), timer: Notify::new() };
        let driver = Rc::new(driver);
        driver.adopt(setup, vm);
        driver
    }

    /// Opens a stream for a request on the newest VM. `None` while there is no VM.
    pub(super) fn open(self: &Rc<Self>, request: &Request, trial: bool) -> Option<Handle> {
        let number = self.newest();
        self.revive(number);
        let watched = trial || self.world.observe.is_some();
        let trace = watched.then(|| {
            let id = self.world.exchanges.fetch_add(1, Ordering::Relaxed) + 1;
            let at = crate::clock::system();
            let mut trace = Trace::new(request, id, self.index, at, trial);
            trace.exchange.generation = number;
            Box::new(trace)
        });
        let moved = Rc::new(Notify::new());
        let mut generations = self.generations.borrow_mut();
        let generation = generations.iter_mut().find(|one| one.setup.number == number)?;
        let vm = generation.vm.as_mut()?;
        let before = clocks(vm);
        let id = vm.open(request);
        let after = clocks(vm);
        let mut watch = Watch { moved: Rc::clone(&moved), trace };
        watch.spent(before, after);
        generation.streams.insert((generation.incarnation, id), watch);
        let key = StreamKey { generation: number, incarnation: generation.incarnation, id };
        drop(generations);
        self.settle(number, Some(id));
        Some(Handle::new(Rc::clone(self), key, moved))
    }

    /// Looks at a stream; `None` where it is gone with its VM.
    pub(super) fn look<T>(&self, key: StreamKey, look: impl FnOnce(&Stream) -> T) -> Option<T> {
        let mut generations = self.generations.borrow_mut();
        let vm = find(&mut generations, key)?.vm.as_ref()?;
        vm.stream(key.id).map(look)
    }

    /// Takes something out of a stream, with no callback.
    pub(super) fn take<T>(&self, key: StreamKey, take: impl FnOnce(&mut Stream) -> T) -> Option<T> {
        let mut generations = self.generations.borrow_mut();
        let vm = find(&mut generations, key)?.vm.as_mut()?;
        vm.instance.vm_mut().streams.get_mut(&key.id).map(|stream| take(stream))
    }

    /// Hands a stream's VM something, which calls its callbacks.
    pub(super) fn poke(self: &Rc<Self>, key: StreamKey, poke: impl FnOnce(&mut Worker, u32)) {
        let mut generations = self.generations.borrow_mut();
        let Some(generation) = find(&mut generations, key) else { return };
        let Some(vm) = generation.vm.as_mut() else { return };
        let before = clocks(vm);
        poke(vm, key.id);
        let after = clocks(vm);
        if let Some(watch) = generation.streams.get_mut(&key.local()) {
            watch.spent(before, after);
        }
        drop(generations);
        self.settle(key.generation, Some(key.id));
    }

    /// Notes something about a stream that is watched.
    pub(super) fn note(&self, key: StreamKey, note: impl FnOnce(&mut Trace)) {
        let mut generations = self.generations.borrow_mut();
        // Of a VM that failed its streams are still being told.
        let generation = generations.iter_mut().find(|one| one.setup.number == key.generation);
        let watch = generation.and_then(|generation| generation.streams.get_mut(&key.local()));
        if let Some(trace) = watch.and_then(|watch| watch.trace.as_mut()) {
            note(trace);
        }
    }

    /// Whether anybody watches.
    pub(super) fn is_watched(&self) -> bool {
        self.world.observe.is_some()
    }

    /// Whether the module of a stream can change bodies: of requests, or of responses.
    pub(super) fn sees_body(&self, key: StreamKey, request: bool) -> bool {
        let mut generations = self.generations.borrow_mut();
        let Some(vm) = find(&mut generations, key).and_then(|one| one.vm.as_ref()) else { return true };
        let exports = &vm.instance.exports;
        if request { exports.request_body.is_some() } else { exports.response_body.is_some() }
    }

    /// Bytes of a body that the module of a stream may hold back.
    pub(super) fn buffer_limit(&self, key: StreamKey) -> usize {
        let mut generations = self.generations.borrow_mut();
        find(&mut generations, key).map_or(0, |one| one.setup.plugin.limits.body_bytes)
    }

    /// Says what a stream is waited for.
    pub(super) fn waits(&self, key: StreamKey, waits: Waits) {
        let mut generations = self.generations.borrow_mut();
        let Some(generation) = find(&mut generations, key) else { return };
        match waits {
            Waits::Held => {
                if let Some(stream) = generation.vm.as_ref().and_then(|vm| vm.stream(key.id)) {
                    generation.held.insert(key.id, Mark::of(stream));
                }
            }
            Waits::Sent => drop(generation.sent.insert(key.id)),
            Waits::No => drop(generation.held.remove(&key.id)),
        }
    }

    /// Ends a stream, and tells who watches. `None` where it has ended already.
    pub(super) fn close(self: &Rc<Self>, key: StreamKey) -> Option<Trace> {
        self.poke(key, |vm, id| {
            if let Some(stream) = vm.close(id) {
                vm.recycle(stream);
            }
        });
        let mut generations = self.generations.borrow_mut();
        let generation = generations.iter_mut().find(|one| one.setup.number == key.generation)?;
        let watch = generation.streams.remove(&key.local());
        if generation.incarnation == key.incarnation {
            generation.held.remove(&key.id);
            generation.sent.remove(&key.id);
        }
        let idle = generation.streams.is_empty();
        drop(generations);
        if idle {
            self.end_idle();
        }
        let trace = watch?.trace?;
        if trace.trial {
            return Some(*trace);
        }
        if let Some(observe) = &self.world.observe {
            observe(trace.finish());
        }
        None
    }

    /// Delivers the answer to a call; one of a VM that is gone is lost.
    pub(super) fn answer(self: &Rc<Self>, key: (u64, u32), token: u32, answer: Option<Answer>) {
        let mut generations = self.generations.borrow_mut();
        let generation =
            generations.iter_mut().find(|one| one.setup.number == key.0 && one.incarnation == key.1);
        let Some(vm) = generation.and_then(|generation| generation.vm.as_mut()) else { return };
        // A VM that fails here is found failed when things are settled.
        let _ = vm.answer(token, answer);
        drop(generations);
        self.settle(key.0, None);
    }

    /// Delivers what came back on a gRPC call or stream; what is for a VM that is gone is lost.
    pub(super) fn grpc_event(self: &Rc<Self>, key: grpc::Key, event: GrpcEvent) {
        let mut generations = self.generations.borrow_mut();
        let (number, incarnation) = key.vm;
        let generation =
            generations.iter_mut().find(|one| one.setup.number == number && one.incarnation == incarnation);
        let Some(generation) = generation else { return };
        if event.is_last(key.token) {
            generation.links.remove(&key.token);
        }
        let Some(vm) = generation.vm.as_mut() else { return };
        // A VM that fails here is found failed when things are settled.
        let _ = vm.grpc_event(key.token, event);
        drop(generations);
        self.settle(number, None);
    }

    /// A shared queue of this worker's has a new value: the newest VM hears of it.
    pub(super) fn queue_ready(self: &Rc<Self>, token: u32) {
        let number = self.newest();
        self.with_vm(number, |vm| drop(vm.queue_ready(token)));
    }

    /// Has the timers of all VMs go off, until it is dropped.
    pub(super) async fn tick(self: Rc<Self>) {
        loop {
            let next = self.generations.borrow().iter().filter_map(|one| one.next_tick).min();
            match next {
                None => self.timer.notified().await,
                Some(at) => tokio::select! {
                    () = tokio::time::sleep_until(at.into()) => self.tick_due(),
                    () = self.timer.notified() => {}
                },
            }
        }
    }

    fn tick_due(self: &Rc<Self>) {
        let now = Instant::now();
        let mut due = Vec::new();
        for generation in &mut *self.generations.borrow_mut() {
            if generation.next_tick.is_some_and(|at| at <= now) {
                generation.next_tick = None;
                due.push((generation.setup.number, generation.vm.is_some()));
            }
        }
        for (number, alive) in due {
            if !alive {
                self.revive(number);
                continue;
            }
            self.with_vm(number, |vm| drop(vm.tick()));
            for generation in &mut *self.generations.borrow_mut() {
                let period = generation.vm.as_ref().and_then(|vm| vm.instance.vm().tick_period);
                if generation.setup.number == number && generation.next_tick.is_none() {
                    generation.next_tick = period.map(after);
                }
            }
        }
    }

    pub(super) fn newest(&self) -> u64 {
        self.generations.borrow().last().map_or(0, |newest| newest.setup.number)
    }

    pub(super) fn with_vm(self: &Rc<Self>, number: u64, act: impl FnOnce(&mut Worker)) {
        let mut generations = self.generations.borrow_mut();
        let generation = generations.iter_mut().find(|one| one.setup.number == number);
        let Some(vm) = generation.and_then(|generation| generation.vm.as_mut()) else { return };
        act(vm);
        drop(generations);
        self.settle(number, None);
    }

    /// A line of the gateway's own about a VM, among those of its module.
    pub(super) fn of_vm(&self, stream: Option<u32>, message: String) -> LogLine {
        let (context, at) = (stream.unwrap_or(ROOT), crate::clock::system());
        LogLine { level: LogLevel::Critical, message, worker: self.index, context, at }
    }

    /// After every callback: log lines are passed on, calls go out, timers are set, and who waits hears of streams that moved.
    pub(super) fn settle(self: &Rc<Self>, number: u64, poked: Option<u32>) {
        let mut generations = self.generations.borrow_mut();
        let Some(generation) = generations.iter_mut().find(|one| one.setup.number == number) else { return };
        let Some(vm) = generation.vm.as_mut() else { return };
        for line in vm.take_logs() {
            let watch = generation.streams.get_mut(&(generation.incarnation, line.context));
            match watch.and_then(|watch| watch.trace.as_mut()) {
                Some(trace) => {
                    if !trace.trial {
                        (self.world.log)(&line);
                    }
                    trace.logged(line);
                }
                None => (self.world.log)(&line),
            }
        }
        for call in vm.take_calls() {
            let watch = poked.and_then(|id| generation.streams.get_mut(&(generation.incarnation, id)));
            if let Some(trace) = watch.and_then(|watch| watch.trace.as_mut()) {
                trace.called(call.cluster(), call.path());
            }
            let key = (number, generation.incarnation);
            tokio::task::spawn_local(calls::make(Rc::clone(self), Arc::clone(&generation.setup), key, call));
        }
        for action in std::mem::take(&mut vm.instance.vm_mut().grpc.actions) {
            let vm = (number, generation.incarnation);
            grpc::carry_out(self, &generation.setup, &mut generation.links, vm, action);
        }
        for (index, token) in self.world.shared.take_ready() {
            if let Some(peer) = self.world.peers.get(index) {
                // A worker that has stopped has no one left to tell.
                let _ = peer.send(Command::Queue(token));
            }
        }
        let state = vm.instance.vm_mut();
        if std::mem::take(&mut state.tick_changed) {
            generation.next_tick = state.tick_period.map(after);
            self.timer.notify_one();
        }
        let wake = |id: u32, moved: &dyn Fn(&Stream) -> bool| {
            let watch = generation.streams.get(&(generation.incarnation, id));
            if let (true, Some(watch)) = (vm.stream(id).is_none_or(moved), watch) {
                watch.moved.notify_waiters();
            }
        };
        for (id, mark) in &generation.held {
            wake(*id, &|stream| Mark::of(stream) != *mark);
        }
        match poked {
            // A callback of one stream hardly ever does anything about another that is on its way.
            Some(id) => generation.sent.get(&id).into_iter().for_each(|id| wake(*id, &is_settled)),
            None => generation.sent.iter().for_each(|id| wake(*id, &is_settled)),
        }
        let (failed, waits) = (vm.instance.failure().cloned(), generation.waits);
        let failed = failed.map(|failure| self.of_vm(poked, format!("the VM failed: {failure}")));
        let is_gone = failed.is_some();
        if let Some(line) = failed {
            // What is tried out ends the VM of real traffic too.
            (self.world.log)(&line);
            let watch = poked.and_then(|id| generation.streams.get_mut(&(generation.incarnation, id)));
            if let Some(trace) = watch.and_then(|watch| watch.trace.as_mut()) {
                trace.logged(line);
            }
            generation.bury();
        }
        drop(generations);
        if is_gone {
            self.revive(number);
            self.timer.notify_one();
        }
        if waits {
            self.end_told(number);
        }
    }
}
