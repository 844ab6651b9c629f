//! Formatting, clippy, links, the places of mutants, and the proof that the core needs no standard library.

use anyhow::Result;

use crate::steps::Steps;
use crate::toolchain::{Library, Toolchain};
use crate::{clocks, docs, mutants, process};

/// Formatting, links between pages, the checks that mutants name, and clippy, warnings being errors.
pub(crate) fn all() -> Result<()> {
    let mut steps = Steps::new(5);
    steps.step("formatting", || {
        process::logged("fmt", process::cargo().args(["fmt", "--all", "--check"])).map(|()| String::new())
    })?;
    steps.step("links between pages", docs::links_step)?;
    steps.step("checks that mutants take out", mutants::stand)?;
    steps.step("real time", clocks::step)?;
    // The release profile, so that build scripts and macros are compiled once for everything.
    steps.step("clippy", || {
        let mut clippy = process::cargo();
        clippy.args(["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"]);
        process::logged("clippy", &mut clippy).map(|()| "no warnings".to_owned())
    })?;
    steps.finish("linted");
    Ok(())
}

/// Builds the core for a target that has no standard library.
pub(crate) fn no_std() -> Result<()> {
    let mut steps = Steps::new(1);
    steps.step("building the core without a standard library", || {
        let toolchain = Toolchain::ready(Library::Alloc)?;
        let mut cargo = toolchain.cargo("build", Library::Alloc);
        cargo.args(["--release", "--package", "countersign-core", "--no-default-features"]);
        process::logged("no-std", &mut cargo)?;
        Ok(format!("by {}", toolchain.name()))
    })
}
