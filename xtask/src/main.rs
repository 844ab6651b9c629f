//! Chores of the repository: `cargo xtask help` lists them.
//!
//! Every chore does its own set-up, shows what it is doing and asks nothing.

mod bench;
mod clocks;
mod deps;
mod docs;
mod filter;
mod foreign_modules;
mod fuzz;
mod lint;
mod mutants;
mod process;
mod setup;
mod steps;
mod test;
mod toolchain;
mod wasm;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

const HELP: &str = "\
cargo xtask CHORE

  setup          fetch what the chores need: compilers for wasm32, Envoy, the test issuer
  build-filter   build target/countersign.wasm and target/countersign-policy.wasm; `--names` for profiles
                 countersign-names.wasm too
  foreign-modules
                 build the sample filters in other languages and with other SDKs, as target/modules/*.wasm
  check-wasm     what the module imports and exports, and its size
  check-deps     which crate may depend on which
  no-std         build the core where there is no standard library
  lint           formatting, clippy, and the links between pages
  docs           write the reference pages in docs/ anew
  test [ARGS]    all tests, real Envoy and the real issuer among them; ARGS go to the test runner
  fuzz [TARGET ...] [--seconds N]
                 the fuzz targets, each for a minute or N seconds
  mutants [NAME ...]
                 takes security checks out, one at a time, and sees tests go red
  demo [--envoy] the fraud-scoring flow, on the simulator or on real Envoy
  bench envoy    Countersign beside Envoy's own filters
  bench serve    `countersign serve` beside Envoy with the same module; `--seconds N`, `--rounds N`
  bench cedar    policies beside Cedar's own implementations; `--quick` for a short run
  bench credentials
                 signatures by tables beside the crates' own, and new tokens beside Envoy's own filter
  bench live-credentials
                 introspection and exchange once their answers are known, and revocation, in the simulator; how many requests wait
                 for a token service, on Envoy; `--quick`, `--seconds N`, `--only simulator|envoy`
  differential   policies made up at random, held against the official crate: `--cases N --seed S`
  differential credentials
                 tokens made up at random, held against other libraries: `--cases N --seed S`
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (chore, rest) = match args.split_first() {
        Some((chore, rest)) => (chore.as_str(), rest),
        None => ("help", [].as_slice()),
    };
    let done = match (chore, rest) {
        ("help" | "--help" | "-h", _) => {
            print!("{HELP}");
            Ok(())
        }
        ("setup", []) => setup::all(),
        ("build-filter", []) => filter::build(),
        ("foreign-modules", []) => foreign_modules::build(),
        ("build-filter", [names]) if names == "--names" => filter::build_named(),
        ("check-wasm", []) => filter::build().and_then(|()| wasm::check()),
        ("check-deps", []) => deps::check(),
        ("no-std", []) => lint::no_std(),
        ("lint", []) => lint::all(),
        ("docs", []) => docs::write(),
        ("test", args) => test::all(args),
        ("fuzz", args) => fuzz::run(args),
        ("mutants", args) => mutants::run(args),
        ("demo", args) => test::demo(args),
        ("bench", [what, args @ ..]) if what == "envoy" => bench::envoy(args),
        ("bench", [what, args @ ..]) if what == "serve" => bench::serve(args),
        ("bench", [what, args @ ..]) if what == "cedar" => bench::cedar(args),
        ("bench", [what, args @ ..]) if what == "credentials" => bench::credentials(args),
        ("bench", [what, args @ ..]) if what == "live-credentials" => bench::live_credentials(args),
        ("differential", [what, args @ ..]) if what == "credentials" => bench::differential_credentials(args),
        ("differential", args) => bench::differential(args),
        _ => {
            eprintln!("unknown chore `{}`, expected one of:\n\n{HELP}", args.join(" "));
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask {chore} failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// A path below the repository's `target`. The module, the tools and the logs stay there even where
/// `CARGO_TARGET_DIR` sends cargo's own output elsewhere: tests look for them in one place.
fn target(below: &str) -> PathBuf {
    root().join("target").join(below)
}

/// Creates the folder that is to hold `file`.
fn make_parent(file: &Path) -> Result<()> {
    if let Some(parent) = file.parent() {
        std::fs::create_dir_all(parent)?;
    }
    Ok(())
}
