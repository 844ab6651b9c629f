//! Time as the guest sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The clock of a host: virtual, moved by hand, or the system's.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    Virtual(Arc<AtomicU64>),
    /// How far it is ahead of the system's.
    Real(Arc<AtomicU64>),
}

impl Clock {
    /// A clock that stands at `unix_nanos` until it is advanced. Clones share it.
    pub fn at_nanos(unix_nanos: u64) -> Self {
        Self(Source::Virtual(Arc::new(AtomicU64::new(unix_nanos))))
    }

    /// A clock that stands at `unix_seconds` until it is advanced.
    pub fn at_secs(unix_seconds: u64) -> Self {
        Self::at_nanos(unix_seconds.saturating_mul(1_000_000_000))
    }

    /// The system's clock, which is ahead of the system once it has been advanced. Clones share it.
    pub fn real() -> Self {
        Self(Source::Real(Arc::default()))
    }

    /// Nanoseconds since the Unix epoch.
    pub fn now(&self) -> u64 {
        match &self.0 {
            Source::Virtual(nanos) => nanos.load(Ordering::Relaxed),
            Source::Real(ahead) => system().wrapping_add(ahead.load(Ordering::Relaxed)),
        }
    }

    /// Moves the clock to a time, never back.
    pub(crate) fn move_to(&self, unix_nanos: u64) {
        match &self.0 {
            Source::Virtual(nanos) => _ = nanos.fetch_max(unix_nanos, Ordering::Relaxed),
            Source::Real(_) if unix_nanos <= self.now() => {}
            Source::Real(_) => self.set(unix_nanos),
        }
    }

    /// Sets the clock, forth or back.
    pub(crate) fn set(&self, unix_nanos: u64) {
        match &self.0 {
            Source::Virtual(nanos) => nanos.store(unix_nanos, Ordering::Relaxed),
            Source::Real(ahead) => ahead.store(unix_nanos.wrapping_sub(system()), Ordering::Relaxed),
        }
    }
}

/// Nanoseconds since the Unix epoch by the system's clock.
pub(crate) fn system() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, nanos)
}

/// A duration in nanoseconds, capped at what 64 bits hold.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
