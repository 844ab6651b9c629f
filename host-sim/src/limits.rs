//! What a module may use up before the host stops it.

use std::time::Duration;

/// Bounds on one VM. Those that Envoy has too carry its figures.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of linear memory; growing beyond fails as `memory.grow` does. Envoy: 1 GiB.
    pub memory_bytes: usize,
    /// Elements of all tables together.
    pub table_elements: usize,
    /// Wall-clock time of one callback; after it the VM traps. Rounded up to 10 ms. Where the engine meters fuel, that is what stops a
    /// callback, on each run at the same place, and only the time of a step is looked at besides.
    pub callback_deadline: Duration,
    /// Fuel of one callback, where the engine meters it. A host call takes some too, by what it does and how many bytes it handles.
    pub callback_fuel: u64,
    /// Host calls in one callback; the next one traps.
    pub host_calls: u32,
    /// Bytes of a serialized header map; a bigger one reads as empty. Envoy: 1 MiB.
    pub header_bytes: usize,
    /// Pairs of a header map; more reads as empty. Envoy: 1,024.
    pub header_pairs: usize,
    /// Bytes of a buffered body.
    pub body_bytes: usize,
    /// Log lines kept; later ones are counted and dropped.
    pub log_lines: usize,
    /// Bytes of one log line; the rest is cut off.
    pub log_line_bytes: usize,
    /// Bytes of all log lines kept.
    pub log_bytes: usize,
    /// Bytes of shared data, and of all shared queues, with what each entry takes besides.
    pub shared_bytes: usize,
    /// Metrics a VM may define, and those of all VMs that share, by name.
    pub metrics: usize,
    /// Bytes of the texts of CEL expressions that a VM keeps, of each 64 at least.
    pub expression_bytes: usize,
    /// What evaluating an expression may take: about one for each of its parts, and for each eight bytes that are looked at or made.
    pub expression_work: u64,
    /// HTTP and gRPC calls under way at once, and what one callback may do on gRPC calls.
    pub http_calls: usize,
    /// Bytes of calls and messages that one callback may send.
    pub sent_bytes: usize,
    /// Bytes of a name that the host keeps: of a metric, a queue, a property, a service.
    pub name_bytes: usize,
    /// Streams and connections open at once.
    pub streams: usize,
    /// Bytes of what a host remembers, with what each entry takes besides: of streams that have ended, of connections that have, of HTTP
    /// calls and of gRPC calls.
    pub remembered_bytes: usize,
    /// What a host's callbacks may use up together in one step: a request, a response, an advance of the clock, or another call of the
    /// host's. A module that uses up more has not come to rest, and its VMs fail.
    pub step: Allowance,
    /// The same over the life of a host: no bound unless set.
    pub case: Allowance,
}

/// What callbacks may use up together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// How many are called; those that the module does not export count too.
    pub callbacks: u64,
    /// Their fuel, where the engine meters it.
    pub fuel: u64,
    /// Wall-clock time, rounded up to 10 ms. Where fuel is metered, it says that the machine is too slow.
    pub time: Duration,
}

impl Allowance {
    /// No bound.
    pub const ALL: Self = Self { callbacks: u64::MAX, fuel: u64::MAX, time: Duration::MAX };
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 1 << 30,
            table_elements: 1_000_000,
            callback_deadline: Duration::from_secs(10),
            callback_fuel: 10_000_000_000,
            host_calls: 1_000_000,
            header_bytes: 1 << 20,
            header_pairs: 1024,
            body_bytes: 16 << 20,
            log_lines: 100_000,
            log_line_bytes: 64 << 10,
            log_bytes: 64 << 20,
            shared_bytes: 64 << 20,
            metrics: 10_000,
            expression_bytes: 1 << 20,
            expression_work: 1_000_000,
            http_calls: 10_000,
            sent_bytes: 64 << 20,
            name_bytes: 4096,
            streams: 100_000,
            remembered_bytes: 256 << 20,
            step: Allowance { callbacks: 1_000_000, fuel: 20_000_000_000, time: Duration::from_secs(60) },
            case: Allowance::ALL,
        }
    }
}
