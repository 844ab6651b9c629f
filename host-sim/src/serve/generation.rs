//! A generation: a VM, what it is run with, and what the gateway knows of the streams on it.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::calls;
use super::grpc::Link;
use super::handle::Mark;
use super::observe::Trace;
use crate::builder::HostBuilder;
use crate::error::StartError;
use crate::shared::Shared;
use crate::vm::Plugin;
use crate::worker::Worker;

/// What a plugin is run with: the same for all workers of a generation.
pub(super) struct Setup {
    pub(super) number: u64,
    pub(super) builder: HostBuilder,
    pub(super) plugin: Arc<Plugin>,
    pub(super) clusters: HashMap<Vec<u8>, calls::Cluster>,
}

impl Setup {
    /// Whether it is the same VM in a gateway's eyes, configured anew.
    pub(super) fn has_vm_of(&self, other: &Self) -> bool {
        let vm = |plugin: &Plugin| (plugin.vm_id.clone(), plugin.vm_configuration.clone());
        self.builder.module.is_same(&other.builder.module) && vm(&self.plugin) == vm(&other.plugin)
    }

    /// Starts a VM for the worker of this index.
    pub(super) fn start(&self, shared: &Arc<Shared>, index: usize) -> Result<Worker, StartError> {
        let HostBuilder { module, clock, .. } = &self.builder;
        Worker::start(module, &self.plugin, shared, clock, self.builder.rng(index), index)
    }
}

/// A VM and what is under way on it. Its number is that of its setup.
pub(super) struct Generation {
    pub(super) setup: Arc<Setup>,
    /// `None` from a failure until a fresh VM has been started.
    pub(super) vm: Option<Worker>,
    pub(super) incarnation: u32,
    pub(super) restarted: Option<Instant>,
    pub(super) next_tick: Option<Instant>,
    /// By the VM's incarnation and the stream's number in it.
    pub(super) streams: HashMap<(u32, u32), Watch>,
    /// Streams that the filter holds and where they stood when it began to, and those that wait for the upstream alone.
    pub(super) held: HashMap<u32, Mark>,
    pub(super) sent: HashSet<u32>,
    /// The VM's gRPC calls and streams that are under way, by their numbers.
    pub(super) links: HashMap<u32, Link>,
    /// Whether its root context has been told to end.
    pub(super) told: bool,
    /// Whether it is there for nothing but its root context, which is not done yet.
    pub(super) waits: bool,
}

/// What the gateway knows of a stream beside what the VM does.
pub(super) struct Watch {
    pub(super) moved: Rc<Notify>,
    pub(super) trace: Option<Box<Trace>>,
}

/// Which stream of which VM.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct StreamKey {
    pub(super) generation: u64,
    pub(super) incarnation: u32,
    pub(super) id: u32,
}

impl StreamKey {
    /// The same within its generation.
    pub(super) fn local(self) -> (u32, u32) {
        (self.incarnation, self.id)
    }
}

impl Generation {
    pub(super) fn new(setup: Arc<Setup>, vm: Worker) -> Self {
        Self {
            setup,
            vm: Some(vm),
            incarnation: 0,
            restarted: None,
            next_tick: None,
            streams: HashMap::new(),
            held: HashMap::new(),
            sent: HashSet::new(),
            links: HashMap::new(),
            told: false,
            waits: false,
        }
    }

    /// A failed VM is gone, and whoever waits for its streams finds that out.
    pub(super) fn bury(&mut self) {
        self.vm = None;
        self.incarnation += 1;
        self.next_tick = None;
        self.held.clear();
        self.sent.clear();
        self.links.clear();
        for watch in self.streams.values() {
            watch.moved.notify_waiters();
        }
    }
}

impl Watch {
    /// Adds what a callback took, by the VM's clocks before and after.
    pub(super) fn spent(&mut self, before: (Duration, Duration), after: (Duration, Duration)) {
        if let Some(trace) = &mut self.trace {
            let host = after.1.saturating_sub(before.1);
            let times = &mut trace.exchange.times;
            times.host += host;
            times.guest += after.0.saturating_sub(before.0).saturating_sub(host);
        }
    }
}

/// The VM of a stream, unless it was replaced meanwhile.
pub(super) fn find(generations: &mut [Generation], key: StreamKey) -> Option<&mut Generation> {
    generations
        .iter_mut()
        .find(|one| one.setup.number == key.generation && one.incarnation == key.incarnation)
}

/// Time spent in callbacks, and of that in host calls.
pub(super) fn clocks(vm: &Worker) -> (Duration, Duration) {
    let callbacks = vm.instance.callback_time.unwrap_or_default();
    (callbacks, vm.instance.vm().host_time.unwrap_or_default())
}

/// When so many nanoseconds have passed.
pub(super) fn after(nanos: u64) -> Instant {
    Instant::now() + Duration::from_nanos(nanos)
}
