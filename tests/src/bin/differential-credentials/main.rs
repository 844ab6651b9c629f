//! `cargo xtask differential credentials`: our verdict on tokens made up at random beside those of other libraries.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use countersign_tests::mutation::Tally;

/// A run that is not told otherwise.
const CASES: u64 = 20_000;

fn main() -> Result<()> {
    let (mut cases, mut seed, mut first) = (CASES, 1, 0);
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().with_context(|| format!("`{name}` needs a number"))?;
        let number: u64 =
            value.parse().with_context(|| format!("`{name} {value}`: expected a whole number"))?;
        match name.as_str() {
            "--cases" => cases = number,
            "--seed" => seed = number,
            "--first" => first = number,
            _ => bail!("unknown argument `{name}`, expected `--cases N`, `--seed N` or `--first N`"),
        }
    }
    let (since, mut told) = (Instant::now(), Instant::now());
    let terminal = std::io::stdout().is_terminal();
    let tally = Tally::run(seed, first, usize::try_from(cases)?, |done| {
        if told.elapsed() >= Duration::from_secs(if terminal { 1 } else { 30 }) {
            told = Instant::now();
            let rate = done as f64 / since.elapsed().as_secs_f64();
            print!("{done} of {cases} tokens, {rate:.0} a second {}", if terminal { "\r" } else { "\n" });
            let _ = std::io::stdout().flush();
        }
    })?;
    println!("{}", tally.summary());
    if !tally.unexplained.is_empty() {
        bail!("differences that the table does not explain:\n  {}", tally.unexplained.join("\n  "));
    }
    println!("every difference is in the table");
    Ok(())
}
