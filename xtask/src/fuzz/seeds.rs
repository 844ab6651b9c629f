//! The inputs that a target begins with. Each is accepted, unless its name begins with `refused-`: a target whose inputs are all
//! refused holds nothing of what it says of accepted ones.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// What a target calls when it accepts an input.
const ACCEPTED: &str = "accepted();";

/// The folder of a target's seeds, where it has one.
pub(super) fn folder(target: &str) -> Option<PathBuf> {
    Some(crate::root().join("fuzz/seeds").join(target)).filter(|folder| folder.is_dir())
}

/// Runs each seed once, and looks at what became of it.
pub(super) fn check(target: &str, mut program: Command) -> Result<()> {
    let source = crate::root().join("fuzz/fuzz_targets").join(format!("{target}.rs"));
    let source = std::fs::read_to_string(&source).with_context(|| format!("reading {}", source.display()))?;
    if !source.contains(ACCEPTED) {
        return Ok(());
    }
    let folder = folder(target).with_context(|| format!("no seeds in fuzz/seeds/{target}/"))?;
    let mut seeds = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        seeds.push(entry?.path());
    }
    seeds.sort();
    let name = format!("fuzz-{target}-seeds");
    process::logged(&name, program.env("COUNTERSIGN_FUZZ_SEEDS", "1").args(&seeds))?;
    let log = std::fs::read_to_string(crate::target("logs").join(format!("{name}.log")))?;
    verdict(&log).with_context(|| format!("the seeds in {}", folder.display()))
}

/// Reads the log of a run over seeds: libFuzzer names each before it runs it.
fn verdict(log: &str) -> Result<()> {
    let (mut accepted, mut wrong) = (0, Vec::new());
    for run in log.split("\nRunning: ").skip(1) {
        let mut lines = run.lines();
        let name = lines.next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        let was = lines.any(|line| line == "accepted");
        accepted += u32::from(was);
        if was == name.starts_with("refused-") {
            wrong.push(format!("`{name}` was {}", if was { "accepted" } else { "refused" }));
        }
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join(", "));
    }
    if accepted == 0 {
        bail!("none was accepted");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::verdict;

    #[test]
    fn a_seed_is_what_its_name_says() {
        let run =
            |name: &str, said: &str| format!("\nRunning: fuzz/seeds/a/{name}\n{said}Executed in 0 ms\n");
        let good = run("one", "accepted\naccepted\n") + &run("refused-two", "");
        verdict(&good).unwrap();
        for bad in [
            String::new(),
            run("refused-two", ""),
            run("one", ""),
            good + &run("refused-three", "accepted\n"),
        ] {
            assert!(verdict(&bad).is_err(), "{bad}");
        }
    }
}
