//! What guests execute, looked at now and then: their stacks, by the tick of the engine.
//!
//! A guest notices a tick where it enters a function or goes round a loop, and its stack is taken there. A tick that falls into a
//! host call is noticed when the call ends, and counts as the host function's.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use wasmtime::{StoreContextMut, UpdateDeadline, WasmBacktrace};

use crate::abi::HostCall;
use crate::shared::lock;
use crate::vm::Vm;

/// Stacks that are kept; later ones are dropped.
const STACKS: usize = 1_000_000;

/// What was seen of the guests of an engine that samples.
#[derive(Clone, Debug)]
pub struct Samples {
    /// How often it was looked.
    pub interval: Duration,
    /// The functions that were seen.
    pub functions: Vec<SampledFunction>,
    /// The stacks, in the order in which they were taken.
    pub stacks: Vec<Stack>,
    /// Stacks that there was no room for.
    pub dropped: u64,
}

/// A function that was seen on a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampledFunction {
    /// Its name as the module's name section has it, else the callback's, else `wasm-function[N]`.
    pub name: String,
    /// Whether it is one of the host's.
    pub is_host: bool,
}

/// A guest's stack at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// When, from the engine's start.
    pub at: Duration,
    /// How many intervals it stands for.
    pub weight: u64,
    /// Places in [`Samples::functions`], the callee last.
    pub frames: Vec<usize>,
}

/// What an engine that samples collects.
pub(crate) struct Recorder {
    interval: Duration,
    started: Instant,
    ticks: AtomicU64,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    functions: Vec<SampledFunction>,
    places: HashMap<Key, usize>,
    stacks: Vec<Stack>,
    dropped: u64,
}

#[derive(PartialEq, Eq, Hash)]
enum Key {
    Guest(u32),
    Host(&'static str),
}

/// What a VM knows of ticks.
pub(crate) struct Sampling {
    recorder: Arc<Recorder>,
    /// The tick that was counted last.
    counted: u64,
    /// Ticks until the callback has run for too long.
    left: u64,
    /// The export that was called.
    callback: &'static str,
}

impl Recorder {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, started: Instant::now(), ticks: AtomicU64::new(0), seen: Mutex::default() }
    }

    pub(crate) fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes what was seen since the last time.
    pub(crate) fn take(&self) -> Samples {
        let Seen { functions, stacks, dropped, .. } = std::mem::take(&mut *lock(&self.seen));
        Samples { interval: self.interval, functions, stacks, dropped }
    }

    fn record(&self, trace: &WasmBacktrace, callback: &str, called: Option<HostCall>, weight: u64) {
        let mut seen = lock(&self.seen);
        if seen.stacks.len() >= STACKS {
            seen.dropped += weight;
            return;
        }
        let mut frames: Vec<usize> = trace
            .frames()
            .iter()
            .rev()
            .enumerate()
            .map(|(depth, frame)| {
                let index = frame.func_index();
                let name = || match frame.func_name() {
                    Some(name) => name.to_owned(),
                    None if depth == 0 && !callback.is_empty() => callback.to_owned(),
                    None => format!("wasm-function[{index}]"),
                };
                seen.place(Key::Guest(index), name, false)
            })
            .collect();
        if let Some(call) = called {
            frames.push(seen.place(Key::Host(call.name()), || call.name().to_owned(), true));
        }
        seen.stacks.push(Stack { at: self.started.elapsed(), weight, frames });
    }
}

impl Seen {
    fn place(&mut self, key: Key, name: impl FnOnce() -> String, is_host: bool) -> usize {
        let functions = &mut self.functions;
        *self.places.entry(key).or_insert_with(|| {
            functions.push(SampledFunction { name: name(), is_host });
            functions.len() - 1
        })
    }
}

impl Sampling {
    pub(crate) fn new(recorder: Arc<Recorder>) -> Self {
        Self { recorder, counted: 0, left: 0, callback: "" }
    }

    pub(crate) fn interval(&self) -> Duration {
        self.recorder.interval
    }

    /// The export that is called from now on.
    pub(crate) fn call(&mut self, callback: &'static str) {
        self.callback = callback;
    }

    /// A callback begins, which may run for so many ticks.
    pub(crate) fn arm(&mut self, ticks: u64) {
        self.counted = self.recorder.ticks.load(Ordering::Relaxed);
        self.left = ticks;
    }

    /// How many ticks there were since they were counted last.
    fn count(&mut self) -> u64 {
        let now = self.recorder.ticks.load(Ordering::Relaxed);
        let passed = now.saturating_sub(std::mem::replace(&mut self.counted, now));
        self.left = self.left.saturating_sub(passed);
        passed
    }
}

/// Takes the stack of a guest that noticed a tick. A callback that ran for too long ends here.
pub(crate) fn at_tick(mut store: StoreContextMut<'_, Vm>) -> wasmtime::Result<UpdateDeadline> {
    let Some(sampling) = store.data_mut().sampling.as_mut() else { return Ok(UpdateDeadline::Interrupt) };
    let weight = sampling.count();
    if sampling.left == 0 {
        return Ok(UpdateDeadline::Interrupt);
    }
    if weight > 0 {
        let (recorder, callback) = (Arc::clone(&sampling.recorder), sampling.callback);
        recorder.record(&WasmBacktrace::force_capture(&store), callback, None, weight);
    }
    Ok(UpdateDeadline::Continue(1))
}

/// Takes the stack at the end of a host call, where there was a tick meanwhile.
pub(crate) fn after_host_call(mut store: StoreContextMut<'_, Vm>, call: HostCall) {
    let Some(sampling) = store.data_mut().sampling.as_mut() else { return };
    let weight = sampling.count();
    if weight > 0 && sampling.left > 0 {
        let (recorder, callback) = (Arc::clone(&sampling.recorder), sampling.callback);
        recorder.record(&WasmBacktrace::force_capture(&store), callback, Some(call), weight);
        store.set_epoch_deadline(1);
    }
}
