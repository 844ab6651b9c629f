//! The closed loop: one request after the other, in rounds in which every case has its turn, so that what disturbs the machine
//! disturbs all of them alike.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use indicatif::ProgressBar;

use super::case::{Case, Expected, Prepared};
use super::engine::{Engine, How, decide};
use super::units::{histogram, median};
use crate::failure::Failure;

/// In which state the engine meets a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// Running, and it has seen the request before.
    Warm,
    /// Running, and the token is new.
    New,
    /// Not started yet: its start counts.
    Cold,
}

impl Mode {
    /// Its name in reports.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::New => "new token",
            Self::Cold => "cold",
        }
    }
}

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Rounds.
    pub(crate) rounds: u32,
    /// Warm requests of each case in a round.
    pub(crate) warm: u32,
    /// Requests with a new token of each case in a round.
    pub(crate) new: u32,
    /// Cold requests of each case in a round.
    pub(crate) cold: u32,
}

impl Effort {
    fn of(self, mode: Mode) -> u32 {
        match mode {
            Mode::Warm => self.warm,
            Mode::New => self.new,
            Mode::Cold => self.cold,
        }
    }

    /// Requests of which the parts are timed too, of each case in a round.
    fn in_parts(self) -> u32 {
        (self.warm / 4).max(1)
    }
}

/// One line of the report.
pub(crate) struct Series {
    /// The case.
    pub(crate) case: String,
    /// What is expected of it.
    pub(crate) expected: Expected,
    /// The state of the engine.
    pub(crate) mode: Mode,
    /// The engine.
    pub(crate) engine: &'static str,
    /// What was decided, how often.
    pub(crate) decisions: BTreeMap<String, u64>,
    /// Nanoseconds from the request's headers to having closed its stream.
    pub(crate) total: Histogram<u64>,
    /// The median of each round, in nanoseconds.
    pub(crate) rounds: Vec<u64>,
    /// Of warm requests in the simulator, what their parts took.
    pub(crate) parts: Option<PartTimes>,
}

/// What the parts of requests took, in nanoseconds.
pub(crate) struct PartTimes {
    /// The whole of them.
    pub(crate) whole: Histogram<u64>,
    /// The guest's own code.
    pub(crate) guest: Histogram<u64>,
    /// Host calls.
    pub(crate) host_calls: Histogram<u64>,
}

impl Series {
    fn new(case: &Case, mode: Mode, engine: &'static str) -> Result<Self, Failure> {
        Ok(Self {
            case: case.name.clone(),
            expected: case.expected.clone(),
            mode,
            engine,
            decisions: BTreeMap::new(),
            total: histogram()?,
            rounds: Vec::new(),
            parts: None,
        })
    }

    /// What was decided most often.
    pub(crate) fn decision(&self) -> &str {
        self.decisions.iter().max_by_key(|(_, count)| **count).map_or("", |(decision, _)| decision)
    }
}

/// What there is to measure: every case in each state that makes a difference to it, on every engine.
pub(crate) fn plan(cases: &[Case], engines: &[&'static str]) -> Result<Vec<Series>, Failure> {
    let mut series = Vec::new();
    for case in cases {
        for mode in [Mode::Warm, Mode::New, Mode::Cold] {
            if mode == Mode::New && !case.verifies_token() {
                continue;
            }
            for engine in engines {
                series.push(Series::new(case, mode, engine)?);
            }
        }
    }
    Ok(series)
}

/// One round. One that does not count warms caches and clocks up.
pub(crate) fn round(
    cases: &[Case],
    engines: &mut [&mut dyn Engine],
    series: &mut [Series],
    effort: Effort,
    counts: bool,
    progress: &ProgressBar,
) -> Result<(), Failure> {
    let mut nonce = series.iter().map(|line| line.total.len()).sum();
    for case in cases {
        progress.set_message(case.name.clone());
        for engine in engines.iter_mut() {
            let name = engine.name();
            for line in series.iter_mut().filter(|line| line.case == case.name && line.engine == name) {
                let requests = requests(case, line.mode, effort, counts, &mut nonce)?;
                turn(*engine, case, line, &requests, effort, counts)?;
            }
            engine.rest();
        }
        progress.inc(1);
    }
    Ok(())
}

/// The requests of one turn: one for all, or each with a token of its own.
fn requests(
    case: &Case,
    mode: Mode,
    effort: Effort,
    counts: bool,
    nonce: &mut u64,
) -> Result<Vec<Prepared>, Failure> {
    if mode != Mode::New {
        return Ok(vec![case.prepare(0)?]);
    }
    // Tokens of the round that does not count are no others'.
    let first = if counts { 1 } else { 1 << 40 };
    (0..effort.of(mode))
        .map(|_| {
            *nonce += 1;
            case.prepare(first + *nonce)
        })
        .collect()
}

fn turn(
    engine: &mut dyn Engine,
    case: &Case,
    line: &mut Series,
    requests: &[Prepared],
    effort: Effort,
    counts: bool,
) -> Result<(), Failure> {
    if line.mode == Mode::Warm
        && let Some(request) = requests.first()
    {
        // Puts the token into the cache, where it belongs there.
        engine.load(request);
        decide(engine, How::Running, case)?;
    }
    let how = if line.mode == Mode::Cold { How::Fresh } else { How::Running };
    let mut times = Vec::new();
    for turn in 0..effort.of(line.mode) as usize {
        if let Some(request) = requests.get(turn) {
            engine.load(request);
        }
        let (decision, taken) = decide(engine, how, case)?;
        if counts {
            let time = nanos(taken.total);
            line.total.saturating_record(time);
            times.push(time);
            match line.decisions.get_mut(&decision) {
                Some(count) => *count += 1,
                None => _ = line.decisions.insert(decision, 1),
            }
        }
    }
    if !counts {
        return Ok(());
    }
    line.rounds.push(median(&mut times));
    if line.mode == Mode::Warm {
        for _ in 0..effort.in_parts() {
            let (_, taken) = decide(engine, How::InParts, case)?;
            let Some(parts) = taken.parts else { break };
            if line.parts.is_none() {
                line.parts =
                    Some(PartTimes { whole: histogram()?, guest: histogram()?, host_calls: histogram()? });
            }
            if let Some(times) = &mut line.parts {
                times.whole.saturating_record(nanos(parts.whole));
                times.guest.saturating_record(nanos(parts.guest));
                times.host_calls.saturating_record(nanos(parts.host_calls));
            }
        }
    }
    Ok(())
}

/// At least one, which is the least that a histogram holds.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1)
}
