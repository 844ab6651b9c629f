//! Rounds in which every case has its turn, so that what disturbs the machine disturbs all of them alike.

use std::time::Duration;

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};

use super::engine::{Engine, decide};
use super::plan::{Case, Prepared};
use crate::credentials::PrivateKey;
use crate::failure::Failure;

/// In which state the engine meets a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// Running, and it has seen the token before.
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
    /// Warm decisions of each case in a round.
    pub(crate) warm: u32,
    /// Decisions with a new token of each case in a round.
    pub(crate) new: u32,
    /// Cold decisions of each case in a round.
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
}

/// One line of the report.
pub(crate) struct Series {
    /// The case.
    pub(crate) case: String,
    /// Its expected reason; nothing where it is allowed.
    pub(crate) expected: Option<&'static str>,
    /// The state of the engine.
    pub(crate) mode: Mode,
    /// The engine.
    pub(crate) engine: &'static str,
    /// Nanoseconds from the request's headers to having closed its stream.
    pub(crate) total: Histogram<u64>,
    /// Of that, within the module.
    pub(crate) guest: Histogram<u64>,
}

/// Measures every case on every engine.
pub(crate) fn measure(
    cases: &[Case],
    engines: &mut [&mut dyn Engine],
    key: &PrivateKey,
    effort: Effort,
) -> Result<Vec<Series>, Failure> {
    let mut series = Vec::new();
    for case in cases {
        for mode in [Mode::Warm, Mode::New, Mode::Cold] {
            if mode == Mode::New && !case.verifies_token() {
                continue;
            }
            for engine in engines.iter() {
                series.push(Series {
                    case: case.name.clone(),
                    expected: case.expected.map(countersign_core::reason::Reason::code),
                    mode,
                    engine: engine.name(),
                    total: histogram()?,
                    guest: histogram()?,
                });
            }
        }
    }
    let progress = progress(effort.rounds, cases.len());
    let mut nonce = 0;
    for round in 0..=effort.rounds {
        for case in cases {
            progress.set_message(case.name.clone());
            for engine in engines.iter_mut() {
                let name = engine.name();
                for line in series.iter_mut().filter(|line| line.case == case.name && line.engine == name) {
                    let requests = requests(case, line.mode, effort, key, &mut nonce)?;
                    // The round before the first warms caches and clocks up, and does not count.
                    run(*engine, case, line, &requests, effort.of(line.mode), round > 0)?;
                }
            }
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    Ok(series)
}

/// The requests of one turn: one for all, or each with a token of its own.
fn requests(
    case: &Case,
    mode: Mode,
    effort: Effort,
    key: &PrivateKey,
    nonce: &mut u64,
) -> Result<Vec<Prepared>, Failure> {
    let count = if mode == Mode::New { effort.of(mode) } else { 1 };
    (0..count)
        .map(|_| {
            *nonce += u64::from(mode == Mode::New);
            case.prepare(key, if mode == Mode::New { *nonce } else { 0 })
        })
        .collect()
}

fn run(
    engine: &mut dyn Engine,
    case: &Case,
    line: &mut Series,
    requests: &[Prepared],
    count: u32,
    counts: bool,
) -> Result<(), Failure> {
    if line.mode == Mode::Warm
        && let Some(request) = requests.first()
    {
        // Puts the token into the cache, where it belongs there.
        engine.load(request);
        decide(engine, false, case.expected, &case.name)?;
    }
    for turn in 0..count as usize {
        if let Some(request) = requests.get(turn) {
            engine.load(request);
        }
        let taken = decide(engine, line.mode == Mode::Cold, case.expected, &case.name)?;
        if counts {
            line.total.saturating_record(nanos(taken.total));
            line.guest.saturating_record(nanos(taken.guest));
        }
    }
    Ok(())
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1)
}

/// From a nanosecond to a minute, in three significant digits.
fn histogram() -> Result<Histogram<u64>, Failure> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).map_err(|error| Failure::usage(error.to_string()))
}

/// A bar on a terminal; nothing elsewhere.
fn progress(rounds: u32, cases: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {percent}% {elapsed} {msg}");
    let bar = ProgressBar::new((u64::from(rounds) + 1) * cases as u64);
    style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style))
}
