//! The README's two commands: the tests and the demo.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::process;
use crate::steps::{Steps, seconds};
use crate::{filter, foreign_modules, setup, wasm};

/// All tests: documentation examples, then suites, real Envoy and the real issuer among them.
pub(crate) fn all(args: &[String]) -> Result<()> {
    let since = std::time::Instant::now();
    let mut steps = Steps::new(8);
    steps.step("Envoy", setup::envoy)?;
    steps.step("OpenID provider", setup::oidc)?;
    steps.step("browser", setup::browser)?;
    steps.step("building countersign.wasm", filter::build_step)?;
    steps.step("checking the module's imports, exports and size", wasm::check_step)?;
    steps.step("building the sample filters", foreign_modules::build_step)?;
    steps.step("building the tests", || {
        process::logged("build-tests", cargo("test").args(["--no-run", "--all-targets"]))?;
        process::logged("build-command", cargo("build").args(["--bin", "countersign"]))?;
        Ok(String::new())
    })?;
    let mut count = Count::default();
    let mut good = true;
    steps.step("running the tests", || {
        if args.is_empty() {
            let status =
                process::read_through(cargo("test").args(["--quiet", "--doc"]), |line| count.add(line))?;
            good &= status.success();
            // Not a default member, since it links only as wasm; its unit tests need no host.
            let mut filter = cargo("test");
            filter.args(["--quiet", "--package", "countersign-filter", "--lib"]);
            good &= process::read_through(&mut filter, |line| count.add(line))?.success();
        }
        let mut runner = match nextest() {
            true => cargo("nextest"),
            false => cargo("test"),
        };
        if !nextest() {
            runner.args(["--all-targets", "--no-fail-fast"]);
        }
        good &= process::read_through(runner.args(args), |line| count.add(line))?.success();
        Ok(String::new())
    })?;
    for line in skipped(&vectors()) {
        println!("{line}");
    }
    println!("all tests in {}", seconds(since.elapsed()));
    println!("{} passed, {} failed", count.passed, count.failed);
    if !good || count.failed > 0 {
        bail!("a test failed");
    }
    if count.passed == 0 {
        bail!("no test was found");
    }
    Ok(())
}

/// The sets of published vectors, with the tests that read them. Without its set such a test says so and passes, and runners do not
/// show what a test says that passes.
const VECTORS: [(&str, &str); 11] = [
    ("cedar-corpora", "tests/tests/others/conformance.rs"),
    ("cedar-generated", "tests/tests/others/conformance.rs"),
    ("cedar-handwritten", "tests/tests/others/conformance.rs"),
    ("cedar-integration-tests", "tests/tests/others/conformance.rs"),
    ("jose-cookbook", "core/tests/jose_vectors.rs"),
    ("jsontestsuite", "core/tests/json_suite.rs"),
    ("jwt_verify_lib", "core/tests/jose_vectors.rs, tests/tests/others/vectors_credentials.rs"),
    (
        "rfc-vectors",
        "core/tests/jose_vectors.rs, core/src/dpop/tests.rs, tests/tests/others/vectors_credentials.rs",
    ),
    ("spiffe", "core/tests/spiffe_bundles.rs, core/tests/spiffe_ids.rs"),
    ("wycheproof", "core/tests/jose_vectors.rs"),
    ("xfcc", "core/tests/xfcc.rs"),
];

/// Where the vectors are, as the tests look for them.
fn vectors() -> PathBuf {
    std::env::var_os("COUNTERSIGN_VECTORS")
        .map_or_else(|| crate::root().join("../shared/vectors"), PathBuf::from)
}

/// A line for each set that is not there.
fn skipped(folder: &Path) -> Vec<String> {
    let missing = VECTORS.iter().filter(|(set, _)| !folder.join(set).is_dir());
    missing
        .map(|(set, tests)| format!("skipped: the vectors `{set}` of {tests}: not in {}", folder.display()))
        .collect()
}

/// The fraud-scoring flow with a table of what was expected and what came.
pub(crate) fn demo(args: &[String]) -> Result<()> {
    let envoy = match args {
        [] => false,
        [one] if one == "--envoy" => true,
        _ => bail!("unknown arguments `{}`, expected nothing or `--envoy`", args.join(" ")),
    };
    let mut steps = Steps::new(if envoy { 5 } else { 3 });
    if envoy {
        steps.step("Envoy", setup::envoy)?;
        steps.step("OpenID provider", setup::oidc)?;
    }
    steps.step("building countersign.wasm", filter::build_step)?;
    steps.step("building the demo", || {
        process::logged("build-demo", cargo("build").args(["--bin", "demo"]))?;
        Ok(String::new())
    })?;
    steps.step("the flow's requests", || {
        let mut demo = cargo("run");
        demo.args(["--quiet", "--bin", "demo", "--"]).args(args);
        process::shown_through(&mut demo)?;
        Ok(String::new())
    })
}

fn nextest() -> bool {
    process::on_path("cargo-nextest").is_some()
}

/// Cargo in the one native profile and for all default members, so that dependencies are built with one set
/// of features, once; the filter, which links only as wasm, is not among them.
fn cargo(verb: &str) -> Command {
    let mut command = process::cargo();
    command.arg(verb);
    if verb == "nextest" {
        command.args(["run", "--no-fail-fast"]);
    }
    command.arg("--release");
    command
}

/// How many tests ran, by the runners' closing lines.
#[derive(Default)]
struct Count {
    passed: u64,
    failed: u64,
}

impl Count {
    /// Reads "test result: ok. 3 passed; 0 failed; ..." and "Summary [ 1.2s] 3 tests run: 3 passed, 0 skipped".
    fn add(&mut self, line: &str) {
        let plain = without_colours(line);
        let line = plain.trim();
        if !line.starts_with("test result:") && !line.starts_with("Summary [") {
            return;
        }
        let words: Vec<&str> = line.split([' ', ',', ';']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            if let [number, what] = pair
                && let Ok(number) = number.parse::<u64>()
            {
                match *what {
                    "passed" => self.passed += number,
                    "failed" => self.failed += number,
                    _ => {}
                }
            }
        }
    }
}

/// The line without its terminal colours.
fn without_colours(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every set that a test of the list names is told where it is missing, and the list names tests that are there.
    #[test]
    fn missing_vectors_are_told() {
        let lines = skipped(Path::new("no/such"));
        assert_eq!(lines.len(), VECTORS.len());
        for (set, tests) in VECTORS {
            assert!(lines.iter().any(|line| line.contains(&format!("`{set}`"))));
            for file in tests.split(", ") {
                let text = std::fs::read_to_string(crate::root().join(file)).unwrap();
                assert!(
                    text.contains(&format!("{set}/")) || text.contains(&format!("\"{set}\"")),
                    "{file}: `{set}`"
                );
            }
        }
    }

    #[test]
    fn counts_what_the_runners_say() {
        let mut count = Count::default();
        count.add("test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out");
        count.add("\x1b[32;1m     Summary\x1b[0m [   0.012s] 5 tests run: 4 passed, 1 failed, 2 skipped");
        count.add("7 passed, 7 failed");
        assert_eq!((count.passed, count.failed), (7, 2));
    }
}
