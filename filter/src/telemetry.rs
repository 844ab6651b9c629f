//! Counters, gauges and stage histograms, defined once when the worker is configured.

use crate::host::{self, MetricKind};
use countersign_core::cache::Fill;
use countersign_core::crypto::Algorithm;
use countersign_core::gateway::KeyHealth;
use countersign_core::metrics::{self, CacheGauge, CacheName, Counter, IssuerGauge, RevocationGauge, Stage};
use countersign_core::revocation::DocumentHealth;
use countersign_core::settings::Settings;

/// The host's ids of our metrics. A metric that the host refuses is not kept and not counted.
#[derive(Default)]
pub(crate) struct Telemetry {
    counters: Vec<Tally>,
    /// By [`Algorithm::index`].
    by_host: [Option<u32>; Algorithm::ALL.len()],
    tables: Option<u32>,
    stages: [Option<u32>; Stage::ALL.len()],
    /// By issuer.
    issuers: Vec<[Gauge; IssuerGauge::ALL.len()]>,
    /// By issuer; nothing of those that publish nothing about tokens that they took back.
    revocations: Vec<Option<[Gauge; RevocationGauge::ALL.len()]>>,
    /// By [`CacheName`].
    caches: Vec<[Gauge; CacheGauge::ALL.len()]>,
}

impl Telemetry {
    /// Defines every metric.
    pub(crate) fn define(settings: &Settings) -> Self {
        let slugs = metrics::issuer_slugs(settings.issuers.iter().map(|issuer| &*issuer.name));
        Self {
            counters: Counter::all()
                .into_iter()
                .map(|counter| Tally {
                    id: host::define_metric(MetricKind::Counter, &counter.name()).ok(),
                    pending: 0,
                })
                .collect(),
            by_host: Algorithm::ALL.map(|algorithm| {
                host::define_metric(MetricKind::Gauge, &metrics::by_host_name(algorithm)).ok()
            }),
            tables: host::define_metric(MetricKind::Gauge, metrics::TABLES_NAME).ok(),
            stages: Stage::ALL
                .map(|stage| host::define_metric(MetricKind::Histogram, &metrics::stage_name(stage)).ok()),
            revocations: settings
                .issuers
                .iter()
                .zip(&slugs)
                .map(|(issuer, slug)| {
                    issuer.revocation.as_ref()?;
                    Some(RevocationGauge::ALL.map(|gauge| Gauge::define(&gauge.name(slug))))
                })
                .collect(),
            issuers: slugs
                .iter()
                .map(|slug| IssuerGauge::ALL.map(|gauge| Gauge::define(&gauge.name(slug))))
                .collect(),
            caches: CacheName::ALL
                .map(|cache| CacheGauge::ALL.map(|gauge| Gauge::define(&gauge.name(cache))))
                .into(),
        }
    }

    /// Adds to a counter. The host hears of it with the next [`Telemetry::flush`]: a host call for each count would be
    /// a good part of what a warm request costs.
    pub(crate) fn add(&mut self, counter: Counter, times: u32) {
        if let Some(tally) = self.counters.get_mut(counter.index()) {
            tally.pending = tally.pending.saturating_add(times.into());
        }
    }

    /// Adds one to a counter.
    pub(crate) fn count(&mut self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Says whether the host verifies signatures of an algorithm.
    pub(crate) fn set_by_host(&self, algorithm: Algorithm, by_host: bool) {
        if let Some(Some(id)) = self.by_host.get(algorithm.index()) {
            host::record(*id, by_host.into());
        }
    }

    /// Says how the keys of each issuer are.
    pub(crate) fn set_key_health(&mut self, health: impl Iterator<Item = KeyHealth>) {
        for (gauges, health) in self.issuers.iter_mut().zip(health) {
            for (gauge, what) in gauges.iter_mut().zip(IssuerGauge::ALL) {
                if let Some(value) = what.value(&health) {
                    gauge.set(value);
                }
            }
        }
    }

    /// Says how what each issuer publishes about its tokens is.
    pub(crate) fn set_revocation_health(&mut self, health: impl Iterator<Item = Option<DocumentHealth>>) {
        for (gauges, health) in self.revocations.iter_mut().zip(health) {
            let (Some(gauges), Some(health)) = (gauges, health) else { continue };
            for (gauge, what) in gauges.iter_mut().zip(RevocationGauge::ALL) {
                if let Some(value) = what.value(&health) {
                    gauge.set(value);
                }
            }
        }
    }

    /// Says how full each cache is.
    pub(crate) fn set_fills(&mut self, fills: [Fill; CacheName::ALL.len()]) {
        for (gauges, fill) in self.caches.iter_mut().zip(fills) {
            for (gauge, what) in gauges.iter_mut().zip(CacheGauge::ALL) {
                gauge.set(what.value(fill));
            }
        }
    }

    /// Says for how many keys there are tables.
    pub(crate) fn set_tables(&self, tables: usize) {
        if let Some(id) = self.tables {
            host::record(id, tables as u64);
        }
    }

    /// Tells the host what was counted since the last time.
    pub(crate) fn flush(&mut self) {
        for tally in self.counters.iter_mut().filter(|tally| tally.pending > 0) {
            if let Some(id) = tally.id {
                host::increment(id, tally.pending);
            }
            tally.pending = 0;
        }
    }
}

/// A counter of the host's, and what it has not heard of yet.
struct Tally {
    id: Option<u32>,
    pending: i64,
}

/// A gauge of the host's, and what it was told last. All workers set the same one, so that what changes is told and what
/// stays is not; of what each worker has for itself, it shows the one in which it changed last.
struct Gauge {
    id: Option<u32>,
    told: Option<u64>,
}

impl Gauge {
    fn define(name: &str) -> Self {
        Self { id: host::define_metric(MetricKind::Gauge, name).ok(), told: None }
    }

    fn set(&mut self, value: u64) {
        if let Some(id) = self.id
            && self.told.replace(value) != Some(value)
        {
            host::record(id, value);
        }
    }
}

/// Measures the stages of one exchange by the host's clock.
pub(crate) struct Stopwatch {
    stages: [Option<u32>; Stage::ALL.len()],
    last: u64,
}

impl Stopwatch {
    /// Starts at `now`, in nanoseconds.
    pub(crate) fn start(telemetry: &Telemetry, now: u64) -> Self {
        Self { stages: telemetry.stages, last: now }
    }
}

impl metrics::Observer for Stopwatch {
    fn stage_done(&mut self, stage: Stage) {
        let Some(Some(id)) = self.stages.get(stage as usize) else { return };
        let now = host::now();
        host::record(*id, now.saturating_sub(self.last));
        self.last = now;
    }
}
