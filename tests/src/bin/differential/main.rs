//! `cargo xtask differential`: our answers against the official crate's, on cases made up at random.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use countersign_tests::conformance::Tally;
use countersign_tests::differential;

/// A run that is not told otherwise.
const CASES: usize = 20_000;
/// The parser recurses.
const STACK: usize = 64 << 20;

struct Arguments {
    cases: usize,
    seed: u64,
    jobs: usize,
    first: u64,
}

fn main() -> Result<()> {
    let arguments = arguments()?;
    let (next, asked, stop) = (AtomicU64::new(arguments.first), AtomicU64::new(0), AtomicBool::new(false));
    let since = Instant::now();
    let tallies = std::thread::scope(|scope| -> Result<Vec<Tally>> {
        let work = || {
            let mut tally = Tally::default();
            while !stop.load(Ordering::Relaxed) && asked.load(Ordering::Relaxed) < arguments.cases as u64 {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let before = tally.requests;
                let case = differential::case(arguments.seed, number);
                tally.run(&format!("{}-{number}", arguments.seed), &case, None);
                asked.fetch_add((tally.requests - before) as u64, Ordering::Relaxed);
                if !tally.faults.is_empty() {
                    stop.store(true, Ordering::Relaxed);
                    print(&case);
                }
            }
            tally
        };
        let threads: Vec<_> = (0..arguments.jobs)
            .map(|_| std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work))
            .collect::<Result<_, _>>()?;
        let mut told = Instant::now();
        while !threads.iter().all(|thread| thread.is_finished()) {
            std::thread::sleep(Duration::from_millis(100));
            let every = if std::io::stdout().is_terminal() { 1 } else { 30 };
            if told.elapsed() >= Duration::from_secs(every) {
                told = Instant::now();
                progress(asked.load(Ordering::Relaxed), arguments.cases, since.elapsed());
            }
        }
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow::anyhow!("a thread panicked")))
            .collect()
    })?;
    let sum = |of: fn(&Tally) -> usize| tallies.iter().map(of).sum::<usize>();
    let (requests, sets) = (sum(|tally| tally.requests), sum(|tally| tally.cases));
    let seconds = since.elapsed().as_secs_f64();
    println!(
        "{requests} cases (seed {}): {sets} sets of {:.1} policies on average, {} allowed, {} with errors; {:.0} cases a second",
        arguments.seed,
        sum(|tally| tally.policies) as f64 / sets.max(1) as f64,
        sum(|tally| tally.allowed),
        sum(|tally| tally.errors),
        requests as f64 / seconds
    );
    let refused: usize = tallies.iter().flat_map(|tally| tally.refused.values()).sum();
    if refused > 0 {
        println!("{refused} sets were refused by the official crate:");
        tallies
            .iter()
            .flat_map(|tally| tally.refused.keys())
            .take(5)
            .for_each(|reason| println!("  {reason}"));
    }
    let faults: Vec<&String> = tallies.iter().flat_map(|tally| &tally.faults).collect();
    if !faults.is_empty() {
        bail!(
            "our answer is not the official one:\n  {}",
            faults.into_iter().take(3).cloned().collect::<Vec<_>>().join("\n  ")
        );
    }
    println!("no disagreement with the official crate");
    Ok(())
}

/// A case that shows a difference, made small, as a line for `countersign eval --cases -`.
fn print(case: &serde_json::Value) {
    let shows = |case: &serde_json::Value| {
        let mut tally = Tally::default();
        tally.run("", case, None);
        !tally.faults.is_empty()
    };
    println!("\n{}", differential::shrink(case, shows));
}

fn progress(asked: u64, of: usize, elapsed: Duration) {
    let rate = asked as f64 / elapsed.as_secs_f64();
    let left = (of as f64 - asked as f64).max(0.0) / rate.max(1.0);
    let end = if std::io::stdout().is_terminal() { "\r" } else { "\n" };
    print!("{asked} of {of} cases, {rate:.0} a second, {left:.0} s left {end}");
    let _ = std::io::stdout().flush();
}

fn arguments() -> Result<Arguments> {
    let mut arguments = Arguments { cases: CASES, seed: 1, jobs: 1, first: 0 };
    arguments.jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().with_context(|| format!("`{name}` needs a number"))?;
        let number: u64 =
            value.parse().with_context(|| format!("`{name} {value}`: expected a whole number"))?;
        match name.as_str() {
            "--cases" => arguments.cases = usize::try_from(number)?,
            "--seed" => arguments.seed = number,
            "--jobs" => arguments.jobs = usize::try_from(number)?.clamp(1, 64),
            "--first" => arguments.first = number,
            _ => bail!(
                "unknown argument `{name}`, expected `--cases N`, `--seed N`, `--first N` or `--jobs N`"
            ),
        }
    }
    Ok(arguments)
}
