//! The four costs of a filter, apart: compiling it, starting it, the life of a stream, a request. Each beside that of a filter
//! that does nothing, which is what the host itself costs.

use std::time::{Duration, Instant};

use countersign_host_sim::{Disposition, Engine as SimEngine, HostBuilder};
use hdrhistogram::Histogram;

use super::budget::Budget;
use super::case::Prepared;
use super::engine::{Decisions, Engine, Wasm, told_why};
use super::measure::nanos;
use super::units::{histogram, median};
use crate::engine::Module;
use crate::failure::Failure;

/// A filter that does nothing.
pub(crate) const EMPTY: &[u8] = include_bytes!("empty.wat");

/// Compilations are measured until there are so many, or they have taken so long.
const COMPILATIONS: u64 = 10;
const COMPILING: Duration = Duration::from_secs(5);
/// Starts in a round.
const STARTS: u32 = 5;

/// What a cost is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cost {
    /// Bytes to machine code, without any cache.
    Compile,
    /// Instantiating, `proxy_on_vm_start`, `proxy_on_configure`.
    Start,
    /// A stream of which nothing arrives: `proxy_on_context_create` to `proxy_on_delete`.
    Stream,
    /// A warm request, its stream's life included.
    Request,
}

impl Cost {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Compile, Self::Start, Self::Stream, Self::Request];

    /// Its name in reports.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Compile => "compile",
            Self::Start => "instantiate and configure",
            Self::Stream => "stream life cycle",
            Self::Request => "request",
        }
    }
}

/// One cost of one filter.
pub(crate) struct CostTimes {
    /// Which.
    pub(crate) cost: Cost,
    /// Of the filter, or of the empty one.
    pub(crate) filter: &'static str,
    /// Nanoseconds.
    pub(crate) times: Histogram<u64>,
    /// The median of each round.
    pub(crate) rounds: Vec<u64>,
}

/// A filter whose costs are measured.
struct Subject {
    name: &'static str,
    module: Vec<u8>,
    wasm: Wasm,
}

/// The costs of a filter and of the empty one.
pub(crate) struct Costs {
    subjects: Vec<Subject>,
    times: Vec<CostTimes>,
    streams: u32,
    /// An engine that takes nothing from a cache.
    uncached: SimEngine,
}

/// The filter's name in the list of costs, and that of the one that does nothing.
pub(crate) const FILTER: &str = "filter";
pub(crate) const NOTHING: &str = "empty filter";

impl Costs {
    /// For modules, by name, in one world, and a request; `streams` of them are measured in a round, and as many requests.
    pub(crate) fn new(
        modules: &[(&'static str, &Module)],
        host: &HostBuilder,
        request: &Prepared,
        streams: u32,
        budget: Budget,
    ) -> Result<Self, Failure> {
        let empty = Module::compile(EMPTY, "the empty filter")?;
        let mut subjects = Vec::new();
        for (name, module) in modules.iter().copied().chain([(NOTHING, &empty)]) {
            let builder = host.clone().module(module);
            let mut wasm = Wasm::start(name, builder, Decisions::Dispositions, budget)?;
            wasm.load(request);
            wasm.host().time_callbacks(false);
            subjects.push(Subject { name, module: module.bytes().to_vec(), wasm });
        }
        let mut times = Vec::new();
        for cost in Cost::ALL {
            for subject in &subjects {
                times.push(CostTimes { cost, filter: subject.name, times: histogram()?, rounds: Vec::new() });
            }
        }
        let uncached = SimEngine::builder()
            .cache_dir(None)
            .build()
            .map_err(|error| Failure::usage(format!("an engine without a cache: {error}")))?;
        Ok(Self { subjects, times, streams, uncached })
    }

    /// One round of all costs. One that does not count warms up.
    pub(crate) fn round(&mut self, counts: bool) -> Result<(), Failure> {
        let (subjects, streams, uncached) = (&mut self.subjects, self.streams, &self.uncached);
        for line in &mut self.times {
            let Some(subject) = subjects.iter_mut().find(|subject| subject.name == line.filter) else {
                continue;
            };
            if line.cost == Cost::Compile && !(counts && line.compiles()) {
                continue;
            }
            let mut times = subject.measure(line.cost, streams, uncached)?;
            if counts {
                times.iter().for_each(|time| line.times.saturating_record(*time));
                line.rounds.push(median(&mut times));
            }
        }
        Ok(())
    }

    /// What was measured.
    pub(crate) fn into_times(self) -> Vec<CostTimes> {
        self.times
    }
}

impl CostTimes {
    /// Whether to compile once more.
    fn compiles(&self) -> bool {
        let spent: u64 = self.rounds.iter().sum();
        self.times.len() < COMPILATIONS && u128::from(spent) < COMPILING.as_nanos()
    }
}

impl Subject {
    fn measure(&mut self, cost: Cost, streams: u32, uncached: &SimEngine) -> Result<Vec<u64>, Failure> {
        match cost {
            Cost::Compile => {
                let since = Instant::now();
                let compiled = uncached.load_module(&self.module);
                let time = nanos(since.elapsed());
                compiled.map_err(|error| Failure::at(self.name, error))?;
                Ok(vec![time])
            }
            Cost::Start => {
                let times: Result<Vec<u64>, Failure> =
                    (0..STARTS).map(|_| self.wasm.start_again().map(nanos)).collect();
                self.wasm.host().time_callbacks(false);
                times
            }
            Cost::Stream => (0..streams)
                .map(|_| {
                    let measured = self.wasm.run_stream()?;
                    self.alive(&measured.disposition).map(|()| nanos(measured.total))
                })
                .collect(),
            Cost::Request => {
                // What was started just before has not seen the request.
                self.wasm.run()?;
                (0..streams)
                    .map(|_| {
                        let measured = self.wasm.run()?;
                        self.alive(&measured.disposition).map(|()| nanos(measured.total))
                    })
                    .collect()
            }
        }
    }

    fn alive(&self, disposition: &Disposition) -> Result<(), Failure> {
        match disposition {
            Disposition::Failed => {
                let failure =
                    Failure::finding(format!("{}: expected a stream that ends well, it failed", self.name));
                Err(told_why(failure, &self.wasm))
            }
            Disposition::Forwarded | Disposition::Reply(_) | Disposition::Held => Ok(()),
        }
    }
}
