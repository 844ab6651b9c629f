//! `cargo xtask bench cedar`: what a decision costs, beside Cedar's own implementations, in one run.

mod allocations;
mod engines;
mod node;
mod plot;
mod published;
mod report;
mod sets;

use std::time::Duration;

use anyhow::{Result, bail};
use countersign_tests::conformance::policy_module;
use engines::{Bench, Engine};
use node::Node;
use report::Row;
use serde_json::json;
use sets::{SIZES, Set};

/// How long one engine is measured at a time, and how often.
struct Effort {
    burst: Duration,
    rounds: usize,
}

fn main() -> Result<()> {
    // The official parser recurses, and its sets are freed by recursion too.
    let run = std::thread::Builder::new().stack_size(256 << 20).spawn(run)?;
    match run.join() {
        Ok(done) => done,
        Err(_) => bail!("the benchmark panicked"),
    }
}

fn run() -> Result<()> {
    let quick = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [one] if one == "--quick" => true,
        other => bail!("unknown arguments `{}`, expected nothing or `--quick`", other.join(" ")),
    };
    let effort = match quick {
        true => Effort { burst: Duration::from_millis(2), rounds: 3 },
        false => Effort { burst: Duration::from_millis(10), rounds: 11 },
    };
    let mut module = policy_module()?;
    let mut node = Node::start()?;
    let versions = node.ask(&json!({ "command": "version" }))?;
    let mut rows = Vec::new();
    let sets: Vec<Set> = sets::families(&SIZES).into_iter().flatten().chain(published::sets()?).collect();
    for (at, set) in sets.iter().enumerate() {
        println!("[{}/{}] {}, {} policies", at + 1, sets.len(), set.family, set.size);
        let bench = Bench::new(set, &mut module, &mut node)?;
        rows.push(measure(set, bench, &effort)?);
    }
    report::write(&rows, &versions, quick)
}

/// Medians of interleaved bursts.
fn measure(set: &Set, mut bench: Bench<'_>, effort: &Effort) -> Result<Row> {
    let mut times = Vec::new();
    for engine in Engine::ALL {
        let mut count = bench.requests();
        // Until a burst is long enough; what is compiled on the way is warm then.
        while bench.run(engine, count)? < effort.burst && count < 1 << 24 {
            count *= 2;
        }
        times.push(count);
    }
    let mut rounds = vec![Vec::new(); Engine::ALL.len()];
    for _ in 0..effort.rounds {
        for ((engine, count), taken) in Engine::ALL.iter().zip(&times).zip(&mut rounds) {
            taken.push(bench.run(*engine, *count)?.as_secs_f64() * 1e9 / *count as f64);
        }
    }
    let medians = rounds.into_iter().map(report::median).collect();
    Ok(Row { family: set.family.clone(), size: set.size, grown: set.grown, medians, facts: bench.facts })
}
