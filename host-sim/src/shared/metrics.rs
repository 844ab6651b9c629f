//! Counters, gauges and histograms, by name, for all workers.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::lock;
use crate::status::Status;

/// Recorded values a histogram keeps; older ones only count.
const KEPT: usize = 65_536;
/// Recorded values that all histograms keep together. One for which there is no room any more gives up its own oldest for each.
const KEPT_BY_ALL: usize = 1 << 20;

/// What a metric measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MetricKind {
    /// A number that grows.
    Counter,
    /// A number that goes up and down.
    Gauge,
    /// A distribution of values.
    Histogram,
}

impl MetricKind {
    pub(crate) fn from_abi(kind: u32) -> Option<Self> {
        match kind {
            0 => Some(Self::Counter),
            1 => Some(Self::Gauge),
            2 => Some(Self::Histogram),
            _ => None,
        }
    }
}

/// The values that a histogram was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// How many values were recorded.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
    /// The most recent of them, oldest first; at most 65,536, and 1,048,576 of all histograms together.
    pub values: Vec<u64>,
    next: usize,
}

impl Histogram {
    /// `kept` is how many values all histograms keep.
    fn record(&mut self, value: u64, kept: &AtomicUsize) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(value);
        // Once it has gone round it stays as large as it is, and in order.
        let grows = self.next == 0 && self.values.len() < KEPT;
        if grows && kept.fetch_add(1, Ordering::Relaxed) < KEPT_BY_ALL {
            self.values.push(value);
            return;
        }
        if grows {
            kept.fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(slot) = self.values.get_mut(self.next) {
            *slot = value;
            self.next = (self.next + 1) % self.values.len();
        }
    }

    fn totals(&self) -> Self {
        Self { count: self.count, sum: self.sum, ..Self::default() }
    }

    fn in_order(&self) -> Self {
        let mut copy = self.clone();
        copy.values.rotate_left(self.next);
        copy.next = 0;
        copy
    }
}

pub(crate) enum Cell {
    Counter(AtomicU64),
    Gauge(AtomicU64),
    /// With how many values all of them keep.
    Histogram(Mutex<Histogram>, Arc<AtomicUsize>),
}

impl Cell {
    fn new(kind: MetricKind, kept: &Arc<AtomicUsize>) -> Self {
        match kind {
            MetricKind::Counter => Self::Counter(AtomicU64::new(0)),
            MetricKind::Gauge => Self::Gauge(AtomicU64::new(0)),
            MetricKind::Histogram => Self::Histogram(Mutex::default(), Arc::clone(kept)),
        }
    }

    pub(crate) fn record(&self, value: u64) {
        match self {
            Self::Counter(cell) => {
                cell.fetch_add(value, Ordering::Relaxed);
            }
            Self::Gauge(cell) => cell.store(value, Ordering::Relaxed),
            Self::Histogram(cell, kept) => lock(cell).record(value, kept),
        }
    }
}

/// One metric and its value now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The name that the module gave it. Envoy shows it as `wasmcustom.NAME`.
    pub name: String,
    /// Its value.
    pub value: MetricValue,
}

/// The value of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricValue {
    /// Of a counter.
    Counter(u64),
    /// Of a gauge.
    Gauge(u64),
    /// Of a histogram.
    Histogram(Histogram),
}

type MetricName = (Vec<u8>, MetricKind);

/// The metrics that a module defined, over all workers.
#[derive(Default)]
pub struct Metrics {
    cells: Mutex<BTreeMap<MetricName, Arc<Cell>>>,
    /// Values that all histograms keep.
    kept: Arc<AtomicUsize>,
}

impl Metrics {
    /// The metric of a name, made where there is none and not so many yet: they outlive the VMs that define them.
    pub(crate) fn define(&self, kind: MetricKind, name: &[u8], most: usize) -> Result<Arc<Cell>, Status> {
        // Dots at the end are no part of a name.
        let end = name.iter().rposition(|byte| *byte != b'.').map_or(0, |last| last + 1);
        let name = name.get(..end).unwrap_or(name);
        let mut cells = lock(&self.cells);
        let count = cells.len();
        match cells.entry((name.to_vec(), kind)) {
            Entry::Occupied(known) => Ok(Arc::clone(known.get())),
            Entry::Vacant(_) if count >= most => Err(Status::InternalFailure),
            Entry::Vacant(new) => Ok(Arc::clone(new.insert(Arc::new(Cell::new(kind, &self.kept))))),
        }
    }

    /// Every metric, ordered by name.
    pub fn all(&self) -> Vec<Metric> {
        self.read(Histogram::in_order)
    }

    /// The same, of histograms count and sum alone, without their values.
    pub fn totals(&self) -> Vec<Metric> {
        self.read(Histogram::totals)
    }

    fn read(&self, histogram: fn(&Histogram) -> Histogram) -> Vec<Metric> {
        let cells = lock(&self.cells);
        let value = |cell: &Cell| match cell {
            Cell::Counter(cell) => MetricValue::Counter(cell.load(Ordering::Relaxed)),
            Cell::Gauge(cell) => MetricValue::Gauge(cell.load(Ordering::Relaxed)),
            Cell::Histogram(cell, _) => MetricValue::Histogram(histogram(&lock(cell))),
        };
        cells
            .iter()
            .map(|((name, _), cell)| Metric {
                name: String::from_utf8_lossy(name).into_owned(),
                value: value(cell),
            })
            .collect()
    }

    /// The value of the counter of a name; 0 where there is none.
    pub fn counter(&self, name: &str) -> u64 {
        match self.cell(name, MetricKind::Counter).as_deref() {
            Some(Cell::Counter(cell)) => cell.load(Ordering::Relaxed),
            _ => 0,
        }
    }

    /// The value of the gauge of a name.
    pub fn gauge(&self, name: &str) -> Option<u64> {
        match self.cell(name, MetricKind::Gauge).as_deref() {
            Some(Cell::Gauge(cell)) => Some(cell.load(Ordering::Relaxed)),
            _ => None,
        }
    }

    /// The histogram of a name.
    pub fn histogram(&self, name: &str) -> Option<Histogram> {
        match self.cell(name, MetricKind::Histogram).as_deref() {
            Some(Cell::Histogram(cell, _)) => Some(lock(cell).in_order()),
            _ => None,
        }
    }

    fn cell(&self, name: &str, kind: MetricKind) -> Option<Arc<Cell>> {
        lock(&self.cells).get(&(name.as_bytes().to_vec(), kind)).cloned()
    }
}
