//! `cargo xtask bench cedar`: what a decision costs, beside Cedar's own implementations, in one run.

mod allocations;
mod engines;
mod node;
mod plot;
mod published;
mod report;
mod sets;

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
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
    let (mut quick, mut only) = (false, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), &only) {
            ("--quick", _) => quick = true,
            ("--only", None) => {
                only = Some(arguments.next().context("`--only` takes a part of a set's name")?)
            }
            _ => bail!("unknown argument `{argument}`, expected `--quick` or `--only NAME`"),
        }
    }
    let effort = match quick {
        true => Effort { burst: Duration::from_millis(2), rounds: 3 },
        false => Effort { burst: Duration::from_millis(10), rounds: 11 },
    };
    let mut module = policy_module()?;
    let mut node = Node::start()?;
    let versions = node.ask(&json!({ "command": "version" }))?;
    let mut rows = Vec::new();
    let mut sets: Vec<Set> = sets::families(&SIZES).into_iter().flatten().chain(published::sets()?).collect();
    if let Some(only) = &only {
        sets.retain(|set| set.family.contains(only));
        ensure!(!sets.is_empty(), "no set has `{only}` in its name");
    }
    if let Some(set) = sets.first() {
        println!("warming up: V8 compiles the peers beside what is measured first");
        measure(set, Bench::new(set, &mut module, &mut node)?, &effort)?;
    }
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
        let mut count = 0;
        if !bench.can(engine) {
            times.push(0);
            continue;
        }
        // Until a burst is long enough, and once more: the first passes pay for what gets warm and compiled on the way.
        for _ in 0..2 {
            count = bench.requests();
            while bench.run(engine, count)? < effort.burst && count < 1 << 24 {
                count *= 2;
            }
        }
        times.push(count);
    }
    let mut rounds = vec![Vec::new(); Engine::ALL.len()];
    for _ in 0..effort.rounds {
        for ((engine, count), taken) in Engine::ALL.iter().zip(&times).zip(&mut rounds) {
            if *count == 0 {
                continue;
            }
            taken.push(bench.run(*engine, *count)?.as_secs_f64() * 1e9 / *count as f64);
        }
    }
    let medians = rounds.into_iter().map(report::median).collect();
    Ok(Row { family: set.family.clone(), size: set.size, grown: set.grown, medians, facts: bench.facts })
}
