//! Counters and stage histograms, defined once when the worker is configured.

use crate::host::{self, MetricKind};
use countersign_core::metrics::{self, Counter, Stage};

/// The host's ids of our metrics. A metric that the host refuses is not kept and not counted.
#[derive(Default)]
pub(crate) struct Telemetry {
    counters: Vec<Option<u32>>,
    stages: [Option<u32>; Stage::ALL.len()],
}

impl Telemetry {
    /// Defines every metric.
    pub(crate) fn define() -> Self {
        Self {
            counters: Counter::all()
                .into_iter()
                .map(|counter| host::define_metric(MetricKind::Counter, &counter.name()).ok())
                .collect(),
            stages: Stage::ALL
                .map(|stage| host::define_metric(MetricKind::Histogram, &metrics::stage_name(stage)).ok()),
        }
    }

    /// Adds one to a counter.
    pub(crate) fn count(&self, counter: Counter) {
        if let Some(Some(id)) = self.counters.get(counter.index()) {
            host::increment(*id);
        }
    }
}

/// Measures the stages of one exchange by the host's clock.
pub(crate) struct Stopwatch<'a> {
    telemetry: &'a Telemetry,
    last: u64,
}

impl<'a> Stopwatch<'a> {
    /// Starts at `now`, in nanoseconds.
    pub(crate) fn start(telemetry: &'a Telemetry, now: u64) -> Self {
        Self { telemetry, last: now }
    }
}

impl metrics::Observer for Stopwatch<'_> {
    fn stage_done(&mut self, stage: Stage) {
        let Some(Some(id)) = self.telemetry.stages.get(stage as usize) else { return };
        let now = host::now();
        host::record(*id, now.saturating_sub(self.last));
        self.last = now;
    }
}
