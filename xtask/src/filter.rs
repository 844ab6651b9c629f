//! Building `target/countersign.wasm`, the policy evaluator alone as `target/countersign-policy.wasm`, and what tests ask hosts with as
//! `target/probe.wasm`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::setup;
use crate::steps::Steps;
use crate::toolchain::{Library, Toolchain, WASM};
use crate::wasm;

/// The profile that the policy evaluator alone is built by.
const POLICY_PROFILE: &str = "wasm-policy";

/// The filter that a build leaves behind.
pub(crate) fn module() -> PathBuf {
    crate::target("countersign.wasm")
}

/// The policy evaluator that a build leaves behind.
pub(crate) fn policy_module() -> PathBuf {
    crate::target("countersign-policy.wasm")
}

/// The module that asks hosts questions, for tests of the simulator, which is no part of what ships.
fn build_probe(toolchain: &Toolchain) -> Result<usize> {
    let mut cargo = toolchain.cargo("build", Library::Std);
    cargo.args(["--profile", "wasm", "--package", "countersign-probe"]);
    cargo.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", flags(true).join("\x1f"));
    process::logged("build-probe", &mut cargo)?;
    finish("wasm/probe.wasm", &crate::target("probe.wasm"), |export| {
        matches!(export, "memory" | "_initialize") || export.starts_with("proxy_")
    })
}

/// The module that `bench credentials` measures, which is no part of what ships.
pub(crate) fn bench_module_step() -> Result<String> {
    let toolchain = Toolchain::ready(Library::Std)?;
    let mut cargo = toolchain.cargo("build", Library::Std);
    cargo.args(["--profile", "wasm", "--package", "countersign-bench-wasm"]);
    cargo.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", flags(true).join("\x1f"));
    process::logged("build-bench-wasm", &mut cargo)?;
    let kib = finish("wasm/countersign_bench.wasm", &crate::target("countersign-bench.wasm"), |export| {
        export == "memory" || export.starts_with("countersign_bench_")
    })?;
    Ok(format!("countersign-bench.wasm {kib} KiB, by {}", toolchain.name()))
}

/// Builds all and says how.
pub(crate) fn build() -> Result<()> {
    let mut steps = Steps::new(1);
    steps.step("building countersign.wasm", build_step)
}

/// Builds all, and the filter once more with the names of its functions, for profiles of it.
pub(crate) fn build_named() -> Result<()> {
    let mut steps = Steps::new(2);
    steps.step("building countersign.wasm", build_step)?;
    steps.step("the same with names of functions", || {
        let built = crate::target("wasm").join(WASM).join("wasm/countersign.wasm");
        let bytes = fs::read(&built).with_context(|| format!("reading {}", built.display()))?;
        if !wasm::has_names(&bytes) {
            bail!("the compiler left no names: set `CARGO_PROFILE_WASM_STRIP=none` and try again");
        }
        let bytes = wasm::keep_exports(&bytes, wasm::is_wanted, true)?;
        let (unready, to) = (built.with_extension("named.wasm"), crate::target("countersign-names.wasm"));
        fs::write(&unready, &bytes)?;
        let mut optimise = Command::new(setup::binaryen()?);
        optimise.args(["-O2", "-g"]).args(FEATURES).arg(&unready).arg("-o").arg(&to);
        process::logged("wasm-opt-names", &mut optimise)?;
        Ok(to.display().to_string())
    })
}

/// Builds all; cargo skips what is up to date.
pub(crate) fn build_step() -> Result<String> {
    let toolchain = Toolchain::ready(Library::Std)?;
    for (profile, package) in [("wasm", "countersign-filter"), (POLICY_PROFILE, "countersign-policy-wasm")] {
        let mut cargo = toolchain.cargo("build", Library::Std);
        cargo.args(["--profile", profile, "--package", package]);
        // Flags replace rather than join those of the environment, so that every machine builds the same.
        let flags = flags(profile == "wasm").join("\x1f");
        cargo.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", flags);
        process::logged(&format!("build-{package}"), &mut cargo)?;
    }
    let filter = finish("wasm/countersign.wasm", &module(), wasm::is_wanted)?;
    let policy = finish("wasm-policy/countersign_policy.wasm", &policy_module(), wasm::is_policy_export)?;
    let probe = build_probe(&toolchain)?;
    Ok(format!(
        "countersign.wasm {filter} KiB, countersign-policy.wasm {policy} KiB, probe.wasm {probe} KiB, by {}",
        toolchain.name()
    ))
}

/// What gateways' engines have beyond the first version of WebAssembly, and rustc makes use of.
const FEATURES: [&str; 8] = [
    "--enable-bulk-memory",
    "--enable-bulk-memory-opt",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
    "--enable-simd",
];

/// Writes a built module, with the exports alone that are wanted and optimised once more as a whole, to where it is looked for. Its size in
/// KiB.
fn finish(built: &str, to: &Path, wanted: impl Fn(&str) -> bool) -> Result<usize> {
    let built = crate::target("wasm").join(WASM).join(built);
    let bytes = fs::read(&built).with_context(|| format!("reading {}", built.display()))?;
    let bytes = wasm::keep_exports(&bytes, wanted, false)
        .with_context(|| format!("rewriting {}", built.display()))?;
    // An unchanged module keeps its time stamp, since compiled forms of it are cached by that, and is not optimised again.
    let before = built.with_extension("before.wasm");
    if !to.exists() || fs::read(&before).ok().as_ref() != Some(&bytes) {
        let (unready, ready) = (built.with_extension("unready.wasm"), built.with_extension("ready.wasm"));
        fs::write(&unready, &bytes)?;
        let mut optimise = Command::new(setup::binaryen()?);
        optimise.arg("-O2").args(FEATURES).arg(&unready).arg("-o").arg(&ready);
        process::logged("wasm-opt", &mut optimise)?;
        fs::rename(&ready, to)?;
        fs::rename(&unready, &before)?;
    }
    let size = fs::metadata(to).with_context(|| format!("reading {}", to.display()))?.len();
    Ok(usize::try_from(size)?.div_ceil(1024))
}

/// Compiler flags: SIMD, which every gateway's engine has, less inlining than for machines that have room where the module's
/// size is bounded, and no path of this machine in panic messages.
fn flags(small: bool) -> Vec<String> {
    let mut flags = vec!["-Ctarget-feature=+simd128".to_owned()];
    if small {
        flags.push("-Cllvm-args=-inline-threshold=45".to_owned());
    }
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    for (from, to) in [(Some(crate::root()), "/countersign"), (home, "/cargo")] {
        if let Some(from) = from {
            flags.push(format!("--remap-path-prefix={}={to}", from.display()));
        }
    }
    flags
}
