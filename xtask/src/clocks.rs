//! Where real time is looked at: a run of scenarios follows from its files and its seed, so that nothing on its way may ask what time it is.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The crates whose runs are the same byte for byte.
const CRATES: [&str; 2] = ["host-sim/src", "cli/src"];

/// What asks for real time.
const CALLS: [&str; 4] = ["Instant::now", "SystemTime::now", "Clock::real", "clock::system"];

/// Who may, and why. A folder ends in `/`.
const MAY: [(&str, &str); 15] = [
    ("cli/src/bench/", "measures"),
    ("cli/src/commands/bench.rs", "measures"),
    ("cli/src/commands/proof.rs", "a proof is made now"),
    ("cli/src/commands/serve.rs", "serves"),
    ("cli/src/commands/token.rs", "a token is minted now"),
    ("cli/src/scenario/walk/real.rs", "waits for gateways that really run"),
    ("cli/src/serve/", "serves"),
    ("cli/src/time.rs", "`now`, where a request of `eval` states no time, and gateways that really run"),
    ("host-sim/src/abi/mod.rs", "measures host calls, where that is asked for"),
    ("host-sim/src/clock.rs", "the clock of `serve`"),
    ("host-sim/src/instance.rs", "measures callbacks, where that is asked for"),
    ("host-sim/src/measure.rs", "measures"),
    ("host-sim/src/policy_module.rs", "measures, where the evaluator is timed"),
    ("host-sim/src/sampling.rs", "samples what guests execute, where that is asked for"),
    ("host-sim/src/serve/", "serves"),
];

/// Names every other place.
pub(crate) fn step() -> Result<String> {
    let mut found = Vec::new();
    let mut looked = 0;
    for folder in CRATES {
        let mut files = Vec::new();
        sources(&crate::root().join(folder), &mut files)?;
        for file in files {
            looked += 1;
            let name = file.strip_prefix(crate::root()).unwrap_or(&file).display().to_string();
            if may(&name) {
                continue;
            }
            let text = fs::read_to_string(&file).with_context(|| format!("reading {name}"))?;
            let lines = (1..).zip(text.lines());
            let wrong = lines.filter(|(_, line)| CALLS.iter().any(|call| line.contains(call)));
            found.extend(wrong.map(|(number, line)| format!("{name}:{number}: `{}`", line.trim())));
        }
    }
    if !found.is_empty() {
        bail!(
            "real time where runs must be the same byte for byte; take the virtual clock, or name the file in xtask/src/clocks.rs:\n  {}",
            found.join("\n  ")
        );
    }
    Ok(format!("{looked} files"))
}

fn may(name: &str) -> bool {
    let named = |one: &str| if one.ends_with('/') { name.starts_with(one) } else { name == one };
    MAY.iter().any(|(one, _)| named(one))
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, files)?;
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{may, step};

    #[test]
    fn nothing_on_the_way_of_a_run_asks_for_real_time() {
        step().unwrap();
        assert!(may("cli/src/bench/x.rs") && !may("cli/src/scenario/walk.rs") && !may("cli/src/benches.rs"));
    }
}
