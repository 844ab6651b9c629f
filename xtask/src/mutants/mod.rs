//! Takes security checks out, one at a time, in a copy of the sources, and sees tests go red. What stays green is a check
//! that no test holds.

mod answers;
mod degrade;
mod expressions;
mod holders;
mod host;
mod keys;
mod parties;
mod recordings;
mod requests;
mod revocation;
mod revoked;
mod serving;
mod signatures;
mod words;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::steps::Steps;

/// One check taken out.
struct Mutant {
    name: &'static str,
    file: &'static str,
    /// Text that stands in the file once.
    check: &'static str,
    /// What stands there without the check.
    without: &'static str,
    /// Which tests ought to notice, as arguments of `cargo test`.
    tests: &'static [&'static str],
}

const CORE: &[&str] = &["--package", "countersign-core", "--lib"];
const PAGE: &[&str] = &["--package", "countersign", "--lib", "serve::"];
const SECRETS: &[&str] = &["--package", "countersign", "--lib", "serve::secrets::"];
const RECORDINGS: &[&str] = &["--package", "countersign", "--lib", "recording::"];
const GATEWAY: &[&str] = &["--test", "host", "serve"];
const BUDGETS: &[&str] = &["--test", "host", "budget::"];
const BOUNDS: &[&str] = &["--test", "host", "bounds::"];
const KEPT: &[&str] = &["--test", "host", "kept::"];
const UNDER_WAY: &[&str] = &["--test", "host", "under_way::"];
const ENDING: &[&str] = &["--test", "host", "ending::"];
const FOREIGN: &[&str] = &["--test", "host", "foreign::"];
const HOSTILE_MODULES: &[&str] = &["--test", "host", "hostile::"];
const COSTS: &[&str] = &["--test", "host", "costs::"];
const HEADS: &[&str] = &["--package", "countersign-host-sim", "--lib", "serve::heads::"];
const EXPRESSIONS: &[&str] = &["--package", "countersign-host-sim", "--lib", "cel::"];
const LENT_EXPRESSIONS: &[&str] = &["--test", "host", "expressions::"];
const ADVISORIES: &[&str] = &["--test", "attacks", "attacks_are_refused"];
const TOKENS: &[&str] = &["--test", "exchange", "token::"];
const FORWARDED: &[&str] = &["--test", "exchange", "forwarded::"];
const API_KEYS: &[&str] = &["--test", "exchange", "api_key::"];
const BUNDLES: &[&str] = &["--test", "spiffe_bundles"];
const KEYS: &[&str] = &["--test", "exchange", "keys::"];
const HOSTILE: &[&str] = &["--test", "exchange", "hostile::"];
const WORKERS: &[&str] = &["--test", "exchange", "workers::"];
const BINDING: &[&str] = &["--test", "exchange", "binding::"];
const PARTIES: &[&str] = &["--test", "exchange", "parties::"];
const OPAQUE: &[&str] = &["--test", "exchange", "opaque::"];
const UPSTREAM: &[&str] = &["--test", "exchange", "upstream::"];
const REVOCATION: &[&str] = &["--test", "exchange", "revocation::"];
const DEGRADE: &[&str] = &["--test", "exchange", "degrade::"];
const DELEGATION: &[&str] = &["--test", "exchange", "delegation::"];

impl Mutant {
    /// The text of its file, in which the check must stand once.
    fn text_in(&self, tree: &Path) -> Result<String> {
        let text =
            fs::read_to_string(tree.join(self.file)).with_context(|| format!("reading {}", self.file))?;
        match text.matches(self.check).count() {
            1 => Ok(text),
            times => bail!(
                "{}: expected the check \"{}\" once, found it {times} times: `{}`",
                self.file,
                self.name,
                self.check
            ),
        }
    }
}

/// Whether every check stands where its mutant looks for it.
pub(crate) fn stand() -> Result<String> {
    let faults: Vec<String> = all()
        .filter_map(|mutant| mutant.text_in(&crate::root()).err())
        .map(|error| format!("{error:#}"))
        .collect();
    match faults.is_empty() {
        true => Ok(format!("{} checks", all().count())),
        false => bail!("{}", faults.join("\n")),
    }
}

/// Every check, by subject.
fn all() -> impl Iterator<Item = &'static Mutant> {
    [
        answers::MUTANTS,
        degrade::MUTANTS,
        expressions::MUTANTS,
        holders::MUTANTS,
        host::MUTANTS,
        keys::MUTANTS,
        parties::MUTANTS,
        recordings::MUTANTS,
        requests::MUTANTS,
        revocation::MUTANTS,
        revoked::MUTANTS,
        serving::MUTANTS,
        signatures::MUTANTS,
        words::MUTANTS,
    ]
    .into_iter()
    .flatten()
}

/// `mutants [NAME ...]`: all, or those whose names contain one of the words.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let wanted: Vec<&Mutant> = all()
        .filter(|mutant| words.is_empty() || words.iter().any(|word| mutant.name.contains(word.as_str())))
        .collect();
    if wanted.is_empty() {
        let names: Vec<&str> = all().map(|mutant| mutant.name).collect();
        bail!("no mutant is called `{}`, expected one of: {}", words.join(" "), names.join(", "));
    }
    let tree = crate::target("mutants");
    copy_sources(&tree)?;
    let suites: BTreeSet<&[&str]> = wanted.iter().map(|mutant| mutant.tests).collect();
    let mut steps = Steps::new(suites.len() + wanted.len());
    for tests in suites {
        // What is red anyhow would seem to miss every check.
        steps.step(&format!("with every check: {}", tests.join(" ")), || {
            process::logged("mutant-none", &mut cargo(&tree, tests)).map(|()| "green".to_owned())
        })?;
    }
    let mut green = Vec::new();
    for mutant in wanted {
        steps.step(&format!("without \"{}\"", mutant.name), || {
            let red = goes_red(&tree, mutant)?;
            if !red {
                green.push(mutant.name);
            }
            Ok(if red { "red" } else { "STILL GREEN" }.to_owned())
        })?;
    }
    if !green.is_empty() {
        bail!("no test noticed that these were gone: {}", green.join(", "));
    }
    steps.finish("every check was missed by a test");
    Ok(())
}

/// Whether the mutant builds and a test fails with it.
fn goes_red(tree: &Path, mutant: &Mutant) -> Result<bool> {
    let file = tree.join(mutant.file);
    let text = mutant.text_in(tree)?;
    fs::write(&file, text.replace(mutant.check, mutant.without))?;
    let mut build = cargo(tree, mutant.tests);
    build.arg("--no-run");
    let log = format!("mutant-{}", mutant.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
    let red = process::logged(&log, &mut build).and_then(|()| {
        let green = process::succeeds(&log, &mut cargo(tree, mutant.tests), Duration::from_secs(300))?;
        Ok(!green)
    });
    fs::write(&file, text)?;
    red
}

fn cargo(tree: &Path, tests: &[&str]) -> Command {
    let mut cargo = process::cargo();
    cargo.current_dir(tree).args(["test", "--profile", "mutant", "--locked"]).args(tests);
    // A profile of their own: it builds faster, and no program without a check stands where people look for ours.
    cargo.env("CARGO_TARGET_DIR", crate::target(""));
    cargo
}

/// The sources as they are now, without what git ignores.
fn copy_sources(tree: &Path) -> Result<()> {
    let listed = process::output(Command::new("git").current_dir(crate::root()).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))
    .context("`git ls-files` failed, expected a checkout")?;
    if tree.exists() {
        fs::remove_dir_all(tree)?;
    }
    for name in listed.lines() {
        let from = crate::root().join(name);
        let to = tree.join(name);
        crate::make_parent(&to)?;
        if from.is_file() {
            fs::copy(&from, &to).with_context(|| format!("copying {name}"))?;
        }
    }
    Ok(())
}
