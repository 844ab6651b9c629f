//! Which crate may depend on which, read from cargo's own dependency tree.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::steps::Steps;

/// What a package may and may not have below it, tests and benchmarks aside.
struct Rule {
    package: &'static str,
    /// Packages of this workspace that it may use; all others are forbidden.
    ours: &'static [&'static str],
    /// Packages that may be nowhere below it.
    never: &'static [&'static str],
}

const RULES: &[Rule] = &[
    Rule {
        package: "countersign-core",
        ours: &[],
        never: &["cedar-policy", "jsonwebtoken", "proxy-wasm", "tokio", "wasm-bindgen", "wasmtime"],
    },
    Rule {
        package: "countersign-compiler",
        ours: &["countersign-core"],
        never: &["proxy-wasm", "tokio", "wasmtime"],
    },
    Rule {
        package: "countersign-filter",
        ours: &["countersign-core"],
        never: &["cedar-policy", "jsonwebtoken", "proxy-wasm", "tokio", "wasm-bindgen", "wasmtime"],
    },
    Rule {
        package: "countersign-host-sim",
        ours: &[],
        never: &["cedar-policy", "jsonwebtoken", "proxy-wasm"],
    },
    Rule {
        package: "countersign",
        ours: &["countersign-core", "countersign-compiler", "countersign-host-sim"],
        never: &["proxy-wasm"],
    },
    Rule {
        package: "countersign-policy-wasm",
        ours: &["countersign-core"],
        never: &["cedar-policy", "proxy-wasm", "tokio", "wasm-bindgen", "wasmtime"],
    },
    Rule {
        package: "countersign-bench-wasm",
        ours: &["countersign-core"],
        never: &["cedar-policy", "proxy-wasm", "tokio", "wasm-bindgen", "wasmtime"],
    },
    Rule { package: "countersign-probe", ours: &[], never: &["proxy-wasm"] },
    Rule { package: "xtask", ours: &[], never: &["cedar-policy", "tokio", "wasmtime"] },
];

/// Holds the workspace against the rules.
pub(crate) fn check() -> Result<()> {
    let mut steps = Steps::new(1);
    steps.step("checking which crate depends on which", check_step)
}

/// Names every dependency that breaks a rule.
pub(crate) fn check_step() -> Result<String> {
    let mut faults = Vec::new();
    for rule in RULES {
        let below = below(rule.package)?;
        for name in &below {
            let ours = name.starts_with("countersign") || name == "xtask";
            if (ours && !rule.ours.contains(&name.as_str())) || rule.never.contains(&name.as_str()) {
                faults.push(format!("`{}` must not depend on `{name}`", rule.package));
            }
        }
    }
    if !faults.is_empty() {
        bail!("{}", faults.join("\n  "));
    }
    Ok(format!("{} packages", RULES.len()))
}

/// Everything below a package on this machine, without what only its tests use.
fn below(package: &str) -> Result<BTreeSet<String>> {
    let mut cargo = process::cargo();
    cargo.args(["tree", "--package", package]);
    cargo.args(["--edges", "normal,build", "--prefix", "none", "--format", "{p}"]);
    let tree = process::output(&mut cargo).with_context(|| format!("`{}` failed", process::shown(&cargo)))?;
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    Ok(names.filter(|name| *name != package).map(str::to_owned).collect())
}
