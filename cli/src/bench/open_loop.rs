//! The open loop: requests fall due at a fixed rate, whether those before them were answered or not. A request's latency counts from
//! when it was due, so that what one slow request makes others wait is counted too (no coordinated omission).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use indicatif::ProgressBar;

use super::case::disposition_name;
use super::engine::Wasm;
use super::measure::nanos;
use super::units::histogram;
use crate::bench::case::Prepared;
use crate::bench::clock::wait_until;
use crate::failure::Failure;

/// How often progress is shown.
const SHOWN: Duration = Duration::from_millis(100);
/// By what factor a run may last longer than planned, where the filter can't keep up.
const OVERRUN: u32 = 2;
/// The share of a rate that is kept up with, at least.
const KEPT_UP: f64 = 0.99;
/// Requests that warm up.
const WARM_UP: usize = 1000;

/// What became of a rate.
pub(crate) struct OpenLoop {
    /// Requests a second that fell due.
    pub(crate) rate: f64,
    /// Requests a second that were answered.
    pub(crate) achieved: f64,
    /// Nanoseconds from when a request was due until its stream was closed.
    pub(crate) latency: Histogram<u64>,
    /// Of that, from when it was begun.
    pub(crate) service: Histogram<u64>,
    /// The most that a request was begun too late, in nanoseconds.
    pub(crate) latest: u64,
    /// What became of the requests, how often.
    pub(crate) dispositions: BTreeMap<String, u64>,
}

impl OpenLoop {
    /// Whether the filter kept up with the rate. Where it didn't, latencies say how long the queue grew.
    pub(crate) fn kept_up(&self) -> bool {
        self.achieved >= self.rate * KEPT_UP
    }
}

/// Sends requests in turn at a rate, for some time.
pub(crate) fn run(
    wasm: &mut Wasm,
    requests: &[Prepared],
    rate: f64,
    lasting: Duration,
    progress: &ProgressBar,
) -> Result<OpenLoop, Failure> {
    let mut next = requests.iter().cycle();
    let mut load = |wasm: &mut Wasm| {
        if let Some(request) = next.next() {
            super::engine::Engine::load(wasm, request);
        }
    };
    wasm.host().time_callbacks(false);
    wasm.host().time_host_calls(false);
    for _ in 0..WARM_UP.max(requests.len()) {
        load(wasm);
        wasm.run()?;
    }
    let (mut latency, mut service, mut latest) = (histogram()?, histogram()?, 0);
    let mut counts = BTreeMap::new();
    let began = Instant::now();
    let mut shown = began;
    let mut sent = 0_u32;
    loop {
        let due = began + Duration::from_secs_f64(f64::from(sent) / rate);
        if due.saturating_duration_since(began) >= lasting {
            break;
        }
        load(wasm);
        wait_until(due);
        let begun = Instant::now();
        let measured = wasm.run()?;
        let ended = Instant::now();
        latency.saturating_record(nanos(ended - due));
        service.saturating_record(nanos(ended - begun));
        latest = latest.max(nanos(begun - due));
        *counts.entry(measured.disposition).or_insert(0) += 1;
        sent += 1;
        if ended - shown > SHOWN {
            shown = ended;
            progress.set_position(u64::try_from((ended - began).min(lasting).as_millis()).unwrap_or(0));
        }
        if ended - began > lasting * OVERRUN {
            break;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let dispositions = counts.into_iter().map(|(what, count)| (disposition_name(&what), count)).collect();
    Ok(OpenLoop { rate, achieved: f64::from(sent) / seconds, latency, service, latest, dispositions })
}
