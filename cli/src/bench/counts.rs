//! What does not depend on the machine: fuel and host calls of a request.

use std::collections::BTreeMap;

use countersign_host_sim::{Engine as SimEngine, HostBuilder};

use super::budget::Budget;
use super::case::Case;
use super::engine::{Decisions, Engine, Wasm};
use crate::engine::Module;
use crate::failure::Failure;

/// Requests of each case that are counted.
const REQUESTS: u32 = 64;
/// Requests before them.
const WARM_UP: u32 = 2;

/// What a warm request of a case uses up.
pub(crate) struct Counts {
    /// The case.
    pub(crate) case: String,
    /// Executed instructions, as wasmtime counts them: the least, the mean and the most.
    pub(crate) fuel: (u64, u64, u64),
    /// Host calls by name, the mean of all requests counted.
    pub(crate) calls: BTreeMap<&'static str, f64>,
}

impl Counts {
    /// Host calls of a request altogether.
    pub(crate) fn all_calls(&self) -> f64 {
        self.calls.values().sum()
    }
}

/// Counts what warm requests of every case use up.
pub(crate) fn count(
    module: &Module,
    host: &HostBuilder,
    cases: &[Case],
    budget: Budget,
) -> Result<Vec<Counts>, Failure> {
    let metered = SimEngine::builder()
        .fuel(true)
        .build()
        .and_then(|engine| engine.load_module(module.bytes()))
        .map_err(|error| Failure::usage(format!("the module, with fuel: {error}")))?;
    let mut wasm = Wasm::start("wasm", host.clone().module(&metered), Decisions::Dispositions, budget)?;
    cases.iter().map(|case| count_one(&mut wasm, case)).collect()
}

fn count_one(wasm: &mut Wasm, case: &Case) -> Result<Counts, Failure> {
    wasm.load(&case.prepare(0)?);
    for _ in 0..WARM_UP {
        wasm.run()?;
    }
    let before = wasm.host().host_calls();
    let (mut least, mut sum, mut most) = (u64::MAX, 0, 0);
    for _ in 0..REQUESTS {
        let started = wasm.host().fuel_used();
        wasm.run()?;
        let used = wasm.host().fuel_used() - started;
        (least, sum, most) = (least.min(used), sum + used, most.max(used));
    }
    let calls = wasm
        .host()
        .host_calls()
        .into_iter()
        .filter_map(|(name, count)| {
            let made = count - before.get(name).copied().unwrap_or(0);
            let made = u32::try_from(made).unwrap_or(u32::MAX);
            (made > 0).then(|| (name, f64::from(made) / f64::from(REQUESTS)))
        })
        .collect();
    Ok(Counts { case: case.name.clone(), fuel: (least, sum / u64::from(REQUESTS), most), calls })
}
