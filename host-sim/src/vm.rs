//! What a VM's host calls work on: the data of its store.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use wasmtime::{Memory, ResourceLimiter, TypedFunc};

use crate::abi::HostCall;
use crate::clock::Clock;
use crate::fail_policy::FailPolicy;
use crate::fault::Faults;
use crate::foreign::{Declared, Expressions};
use crate::grpc::GrpcState;
use crate::header_map::HeaderMap;
use crate::limits::Limits;
use crate::log::{LogLevel, LogLine, Logs};
use crate::module::AbiVersion;
use crate::outcome::HttpCall;
use crate::profile::Profile;
use crate::property::Properties;
use crate::rng::Rng;
use crate::sampling::Sampling;
use crate::shared::{Cell, Shared};
use crate::stream::Stream;
use crate::tcp::Connection;

/// The root context's id, as Envoy counts.
pub(crate) const ROOT: u32 = 1;

/// Settings of a plugin, the same for all its VMs.
pub(crate) struct Plugin {
    pub(crate) name: String,
    pub(crate) root_id: String,
    pub(crate) vm_id: String,
    /// The number of the first worker among those that share.
    pub(crate) first_worker: usize,
    pub(crate) configuration: Vec<u8>,
    pub(crate) vm_configuration: Vec<u8>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) log_level: LogLevel,
    pub(crate) clusters: Vec<Vec<u8>>,
    pub(crate) properties: Properties,
    pub(crate) foreign: BTreeMap<Vec<u8>, ForeignFunction>,
    pub(crate) profile: Profile,
    pub(crate) headers_stop_alone: bool,
    pub(crate) fail_policy: FailPolicy,
    pub(crate) faults: Faults,
    pub(crate) limits: Limits,
}

/// A function of the host that modules call by name: arguments in, result out, or a status.
pub type ForeignFunction = Arc<dyn Fn(&[u8]) -> Result<Vec<u8>, crate::Status> + Send + Sync>;

/// What the guest may call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// While its start section runs: nothing, since there is no VM yet that a call could be about. Envoy crashes.
    Instantiate,
    /// While it starts: logging and WASI, less what could wait.
    Start,
    /// While it allocates: logging and the clock.
    Allocate,
    Full,
}

/// An answer to an HTTP call, while it is being delivered.
#[derive(Default)]
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HeaderMap,
}

pub(crate) struct Vm {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: Clock,
    pub(crate) rng: Rng,
    pub(crate) abi: AbiVersion,
    pub(crate) worker: usize,

    pub(crate) memory: Option<Memory>,
    pub(crate) allocator: Option<TypedFunc<u32, u32>>,
    pub(crate) memory_total: usize,
    pub(crate) memory_peak: usize,
    table_elements: usize,

    pub(crate) scope: Scope,
    pub(crate) calls_left: u32,
    /// Whether the engine meters fuel, and how much of the callback's went to host calls.
    pub(crate) meters_fuel: bool,
    pub(crate) host_fuel: u64,
    /// Bytes that the callback has sent.
    pub(crate) sent_bytes: usize,
    pub(crate) counts: [u64; HostCall::COUNT],
    pub(crate) trap_at: Option<HostCall>,
    pub(crate) faults: Faults,
    pub(crate) host_time: Option<std::time::Duration>,
    pub(crate) sampling: Option<Sampling>,

    pub(crate) current: u32,
    pub(crate) effective: u32,
    pub(crate) configuring: bool,
    /// Whether the root context was told to end and has not said yet that it is done.
    pub(crate) root_pending: bool,
    pub(crate) streams: HashMap<u32, Box<Stream>, BuildHasherDefault<Identity>>,
    pub(crate) connections: HashMap<u32, Connection, BuildHasherDefault<Identity>>,
    pub(crate) touched: Vec<u32>,

    /// Properties that the root context declared.
    pub(crate) declared: BTreeMap<Vec<u8>, Declared>,
    pub(crate) expressions: Expressions,
    /// Work of expressions that the host call has done and not been charged for.
    pub(crate) expression_work: u64,
    pub(crate) tick_period: Option<u64>,
    pub(crate) tick_changed: bool,
    pub(crate) next_token: u32,
    pub(crate) outgoing: Vec<HttpCall>,
    pub(crate) in_flight: usize,
    pub(crate) answer: Option<Answer>,
    pub(crate) status: (u32, Cow<'static, str>),
    pub(crate) grpc: GrpcState,

    pub(crate) metrics: Vec<(u32, Arc<Cell>)>,
    pub(crate) logs: Logs,
    pub(crate) scratch: Vec<u8>,
}

impl Vm {
    pub(crate) fn new(
        plugin: Arc<Plugin>,
        shared: Arc<Shared>,
        clock: Clock,
        rng: Rng,
        abi: AbiVersion,
        worker: usize,
    ) -> Self {
        Self {
            shared,
            clock,
            rng,
            abi,
            worker,
            memory: None,
            allocator: None,
            memory_total: 0,
            memory_peak: 0,
            table_elements: 0,
            scope: Scope::Instantiate,
            calls_left: 0,
            meters_fuel: false,
            host_fuel: 0,
            sent_bytes: 0,
            counts: [0; HostCall::COUNT],
            trap_at: None,
            faults: plugin.faults.clone(),
            host_time: None,
            sampling: None,
            current: 0,
            effective: 0,
            configuring: false,
            root_pending: false,
            streams: HashMap::default(),
            connections: HashMap::default(),
            touched: Vec::new(),
            declared: BTreeMap::new(),
            expressions: Expressions::default(),
            expression_work: 0,
            tick_period: None,
            tick_changed: false,
            next_token: 0,
            outgoing: Vec::new(),
            in_flight: 0,
            answer: None,
            status: (0, Cow::Borrowed("")),
            grpc: GrpcState::default(),
            metrics: Vec::new(),
            logs: Logs::default(),
            scratch: Vec::new(),
            plugin,
        }
    }

    /// The context that host calls are about: the one set by the guest if it still exists, else the one called.
    pub(crate) fn context(&self) -> u32 {
        if self.effective != 0 && self.exists(self.effective) { self.effective } else { self.current }
    }

    pub(crate) fn exists(&self, context: u32) -> bool {
        // 0 is the VM itself, which takes an effective context back.
        context == 0
            || context == ROOT
            || self.streams.contains_key(&context)
            || self.connections.contains_key(&context)
    }

    pub(crate) fn stream(&self) -> Option<&Stream> {
        self.streams.get(&self.context()).map(|s| &**s)
    }

    pub(crate) fn stream_mut(&mut self) -> Option<&mut Stream> {
        let context = self.context();
        self.streams.get_mut(&context).map(|s| &mut **s)
    }

    pub(crate) fn connection(&self) -> Option<&Connection> {
        self.connections.get(&self.context())
    }

    pub(crate) fn connection_mut(&mut self) -> Option<&mut Connection> {
        let context = self.context();
        self.connections.get_mut(&context)
    }

    /// Counts what a callback sends, as long as it may.
    pub(crate) fn send(&mut self, bytes: usize) -> Result<(), crate::Status> {
        let sent = self.sent_bytes.saturating_add(bytes);
        if sent > self.plugin.limits.sent_bytes {
            return Err(crate::Status::InternalFailure);
        }
        self.sent_bytes = sent;
        Ok(())
    }

    /// A name that is to be kept.
    pub(crate) fn keepable(&self, name: &[u8]) -> Result<(), crate::Status> {
        if name.len() <= self.plugin.limits.name_bytes { Ok(()) } else { Err(crate::Status::InternalFailure) }
    }

    /// Notes that a stream or a connection has something to do once the callback has returned.
    pub(crate) fn touch(&mut self) {
        let context = self.context();
        if !self.touched.contains(&context) {
            self.touched.push(context);
        }
    }

    pub(crate) fn log(&mut self, level: LogLevel, message: &[u8]) {
        let limits = &self.plugin.limits;
        let message = message.get(..limits.log_line_bytes).unwrap_or(message);
        // The lines are taken as a whole, now and then.
        if self.logs.lines.is_empty() {
            self.logs.bytes = 0;
        }
        let bytes = self.logs.bytes + message.len();
        if self.logs.lines.len() >= limits.log_lines || bytes > limits.log_bytes {
            self.logs.dropped += 1;
            return;
        }
        self.logs.bytes = bytes;
        let message = String::from_utf8_lossy(message).into_owned();
        let line =
            LogLine { level, message, worker: self.worker, context: self.context(), at: self.clock.now() };
        self.logs.lines.push(line);
    }
}

impl ResourceLimiter for Vm {
    /// The limit is on all memories together. One that then fails to grow all the same stays counted.
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory_total.saturating_sub(current).saturating_add(desired);
        let fits = total <= self.plugin.limits.memory_bytes;
        if fits {
            self.memory_total = total;
            self.memory_peak = self.memory_peak.max(total);
        }
        Ok(fits)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let elements = self.table_elements.saturating_add(desired.saturating_sub(current));
        let fits = elements <= self.plugin.limits.table_elements;
        if fits {
            self.table_elements = elements;
        }
        Ok(fits)
    }
}

/// Context ids are the host's own small numbers: no need to hash them.
#[derive(Default)]
pub(crate) struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.0 = self.0.wrapping_mul(31).wrapping_add(u64::from(*b));
        }
    }

    fn write_u32(&mut self, n: u32) {
        // The table takes its tag from the top bits.
        self.0 = u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
