//! Building `target/countersign.wasm`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::process;
use crate::steps::Steps;
use crate::toolchain::{Library, Toolchain, WASM};
use crate::wasm;

/// The module that a build leaves behind.
pub(crate) fn module() -> PathBuf {
    crate::target("countersign.wasm")
}

/// Builds the filter and says how.
pub(crate) fn build() -> Result<()> {
    let mut steps = Steps::new(1);
    steps.step("building countersign.wasm", build_step)
}

/// Builds the filter; cargo skips what is up to date.
pub(crate) fn build_step() -> Result<String> {
    let toolchain = Toolchain::ready(Library::Std)?;
    let mut cargo = toolchain.cargo("build", Library::Std);
    cargo.args(["--profile", "wasm", "--package", "countersign-filter"]);
    // Flags replace rather than join those of the environment, so that every machine builds the same.
    cargo.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", flags().join("\x1f"));
    process::logged("build-filter", &mut cargo)?;
    let built = crate::target("wasm").join(WASM).join("wasm/countersign.wasm");
    let bytes = fs::read(&built).with_context(|| format!("reading {}", built.display()))?;
    let bytes =
        wasm::keep_wanted_exports(&bytes).with_context(|| format!("rewriting {}", built.display()))?;
    // An unchanged module keeps its time stamp: compiled forms of it are cached by that.
    if fs::read(module()).ok().as_ref() != Some(&bytes) {
        fs::write(module(), &bytes)?;
    }
    let size = bytes.len().div_ceil(1024);
    Ok(format!("target/countersign.wasm, {size} KiB, by {}", toolchain.name()))
}

/// Compiler flags: SIMD, which every gateway's engine has, and no path of this machine in panic messages.
fn flags() -> Vec<String> {
    let mut flags = vec!["-Ctarget-feature=+simd128".to_owned()];
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
