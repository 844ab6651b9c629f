//! The fuzz targets, built with coverage and the address sanitizer, each run for a while.

mod seeds;

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::steps::Steps;

/// Seconds that each target runs where nothing else is said.
const SECONDS: u32 = 60;

/// What targets judge requests by, in `fuzz/`.
const CONFIGURATIONS: [&str; 2] = ["gateway", "workers"];

/// What makes libFuzzer see which branches an input reaches. The flags that need it are unlocked by
/// `RUSTC_BOOTSTRAP`, so that the project's own compiler serves.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address -Ccodegen-units=1 \
    -Cdebug-assertions -Coverflow-checks";

/// `fuzz [TARGET ...] [--seconds N]`: all targets unless some are named.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let all = targets()?;
    let (wanted, seconds) = read(args, &all)?;
    let mut steps = Steps::new(2 + wanted.len());
    let host = host()?;
    let configurations = crate::target("fuzz").join("configurations");
    steps.step("compiling the configurations", || {
        std::fs::create_dir_all(&configurations)?;
        for name in CONFIGURATIONS {
            let mut cargo = process::cargo();
            cargo.args(["run", "--release", "--bin", "countersign", "--", "compile"]);
            cargo.arg(format!("fuzz/{name}.yaml"));
            cargo.arg("--output").arg(configurations.join(format!("{name}.json")));
            process::logged("compile-fuzz", &mut cargo)?;
        }
        Ok(String::new())
    })?;
    steps.step("building the fuzz targets", || {
        let mut cargo = process::cargo();
        cargo
            .args(["build", "--release", "--locked", "--manifest-path", "fuzz/Cargo.toml", "--target", &host])
            .arg("--target-dir")
            .arg(crate::target("fuzz"))
            .env("RUSTFLAGS", FLAGS)
            .env("RUSTC_BOOTSTRAP", "1");
        process::logged("build-fuzz", &mut cargo)?;
        Ok(String::new())
    })?;
    for target in &wanted {
        steps.step(&format!("{target} for {seconds} s"), || {
            let corpus = crate::target("fuzz").join("corpus").join(target);
            let artifacts = crate::target("fuzz").join("artifacts").join(target);
            std::fs::create_dir_all(&corpus)?;
            std::fs::create_dir_all(&artifacts)?;
            let program = || {
                let mut program =
                    Command::new(crate::target("fuzz").join(&host).join("release").join(target));
                program.env("COUNTERSIGN_FUZZ_CONFIGURATIONS", &configurations);
                program
            };
            seeds::check(target, program())?;
            let mut fuzzer = program();
            fuzzer
                .arg(&corpus)
                .args(seeds::folder(target))
                .arg(format!("-max_total_time={seconds}"))
                .arg(format!("-artifact_prefix={}/", artifacts.display()))
                .args(["-rss_limit_mb=2048", "-timeout=10", "-print_final_stats=1"]);
            let dictionary = crate::root().join("fuzz/dictionaries").join(format!("{target}.dict"));
            if dictionary.is_file() {
                fuzzer.arg(format!("-dict={}", dictionary.display()));
            }
            process::logged(&format!("fuzz-{target}"), &mut fuzzer)?;
            Ok(runs(target))
        })?;
    }
    steps.finish(&format!("{} targets without a finding", wanted.len()));
    Ok(())
}

/// The targets that there are, by their files.
fn targets() -> Result<Vec<String>> {
    let folder = crate::root().join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        if let Some(name) = entry?.file_name().to_str().and_then(|name| name.strip_suffix(".rs")) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn read(args: &[String], all: &[String]) -> Result<(Vec<String>, u32)> {
    let (mut wanted, mut seconds) = (Vec::new(), SECONDS);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--seconds" {
            let number = args.next().map(|number| number.parse());
            let Some(Ok(number @ 1..)) = number else {
                bail!("expected a number of seconds after `--seconds`")
            };
            seconds = number;
        } else if all.contains(arg) {
            wanted.push(arg.clone());
        } else {
            bail!("unknown target `{arg}`, expected one of: {}", all.join(", "));
        }
    }
    Ok((if wanted.is_empty() { all.to_vec() } else { wanted }, seconds))
}

/// The machine's own target triple: a sanitizer wants it named, or build scripts get it too.
fn host() -> Result<String> {
    let version = process::output(Command::new("rustc").arg("-vV")).context("`rustc -vV` failed")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` names no host")?.to_owned())
}

/// How many inputs the target's log counts.
fn runs(target: &str) -> String {
    let log =
        std::fs::read_to_string(crate::target("logs").join(format!("fuzz-{target}.log"))).unwrap_or_default();
    let count = log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    count.map_or_else(String::new, |count| format!("{} inputs", count.trim()))
}
