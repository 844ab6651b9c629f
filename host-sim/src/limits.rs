//! What a module may use up before the host stops it.

use std::time::Duration;

/// Bounds on one VM. Those that Envoy has too carry its figures.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of linear memory; growing beyond fails as `memory.grow` does. Envoy: 1 GiB.
    pub memory_bytes: usize,
    /// Elements of all tables together.
    pub table_elements: usize,
    /// Wall-clock time of one callback; after it the VM traps. Rounded up to 10 ms.
    pub callback_deadline: Duration,
    /// Fuel of one callback, where the engine meters it.
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
    /// Bytes of shared data, and of all shared queues.
    pub shared_bytes: usize,
    /// Metrics a VM may define.
    pub metrics: usize,
    /// HTTP calls under way at once.
    pub http_calls: usize,
    /// Bytes of calls and messages that one callback may send.
    pub sent_bytes: usize,
    /// Bytes of a name that the host keeps: of a metric, a queue, a property, a service.
    pub name_bytes: usize,
    /// Streams and connections open at once.
    pub streams: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 1 << 30,
            table_elements: 1_000_000,
            callback_deadline: Duration::from_secs(10),
            callback_fuel: 20_000_000_000,
            host_calls: 1_000_000,
            header_bytes: 1 << 20,
            header_pairs: 1024,
            body_bytes: 16 << 20,
            log_lines: 100_000,
            log_line_bytes: 64 << 10,
            log_bytes: 64 << 20,
            shared_bytes: 64 << 20,
            metrics: 10_000,
            http_calls: 10_000,
            sent_bytes: 64 << 20,
            name_bytes: 4096,
            streams: 100_000,
        }
    }
}
