//! Building the sample filter in other languages and with other SDKs, as others build theirs: `tests/modules/README.md`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process;
use crate::setup;
use crate::steps::Steps;
use crate::toolchain::{Library, Toolchain, WASM};

/// The target of Rust that has WASI below its library.
const WASI: &str = "wasm32-wasip1";
const ASSEMBLYSCRIPT: &str = "tests/modules/assemblyscript";
const ASSEMBLYSCRIPT_SDK: &str = "tests/modules/assemblyscript-sdk";

/// Builds all that this machine can, and says which it can't.
pub(crate) fn build() -> Result<()> {
    let mut steps = Steps::new(2);
    steps.step("compilers of the sample filters", compilers)?;
    steps.step("building the sample filters", build_step)
}

/// Fetches the compilers that are not there.
pub(crate) fn compilers() -> Result<String> {
    Toolchain::ready(Library::Std)?;
    Toolchain::has(WASI)?;
    setup::clang()?;
    setup::go()?;
    setup::assemblyscript(ASSEMBLYSCRIPT)?;
    setup::assemblyscript(ASSEMBLYSCRIPT_SDK)?;
    Ok("Rust, C++, Go, AssemblyScript".to_owned())
}

/// Builds them; what is up to date is left alone.
pub(crate) fn build_step() -> Result<String> {
    fs::create_dir_all(crate::target("modules"))?;
    rust("rust", WASM, &[])?;
    rust("rust-old-sdk", WASM, &["--no-default-features", "--features", "old-sdk"])?;
    let mut left_out = Vec::new();
    // Debian's compiler, which stands in where rustup cannot fetch a target, has no library for this one.
    if Toolchain::has(WASI)? {
        rust("rust-wasi", WASI, &[])?;
    } else {
        left_out.push("rust-wasi");
    }
    go()?;
    cpp()?;
    // Emscripten is too large to be installed for one module.
    if !emscripten()? {
        left_out.push("cpp-emscripten");
    }
    assemblyscript()?;
    let left_out = left_out.join(", ");
    Ok(if left_out.is_empty() { String::new() } else { format!("without {left_out}: no compiler") })
}

/// Where a module is put.
fn module(name: &str) -> PathBuf {
    crate::target("modules").join(format!("{name}.wasm"))
}

fn rust(name: &str, target: &str, features: &[&str]) -> Result<()> {
    let mut cargo = match target {
        WASM => Toolchain::ready(Library::Std)?.cargo("build", Library::Std),
        _ => {
            let mut cargo = process::cargo();
            cargo.args(["build", "--target", target]);
            cargo
        }
    };
    let output = crate::target("modules/rust");
    cargo
        .current_dir(crate::root().join("tests/modules/rust"))
        .args(["--release", "--locked"])
        .args(features);
    cargo.env("CARGO_TARGET_DIR", &output).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    process::logged(&format!("build-{name}"), &mut cargo)?;
    copy(&output.join(target).join("release/sample_filter.wasm"), &module(name))
}

fn go() -> Result<()> {
    let home = setup::go()?;
    let sources = crate::root().join("tests/modules/go");
    let to = module("go");
    if is_fresh(&to, &sources)? {
        return Ok(());
    }
    let mut go = Command::new(home.join("bin/go"));
    go.current_dir(&sources)
        .args(["build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o"])
        .arg(&to);
    go.env("GOOS", "wasip1").env("GOARCH", "wasm").env("GOROOT", &home);
    // Nothing is fetched, and nothing is left in the home folder.
    go.env("GOTOOLCHAIN", "local").env("GOPROXY", "off").env("GOFLAGS", "-mod=mod").env("GOTELEMETRY", "off");
    go.env("GOCACHE", crate::target("modules/go-cache")).env("GOPATH", crate::target("modules/go-path"));
    process::logged("build-go", &mut go)
}

/// What both compilers of C++ are told.
const CPP: [&str; 5] = ["-std=c++17", "-O2", "-fno-exceptions", "-Wall", "-Wextra"];

fn cpp() -> Result<()> {
    let sources = crate::root().join("tests/modules/cpp");
    let to = module("cpp");
    if is_fresh(&to, &sources)? {
        return Ok(());
    }
    let mut clang = Command::new(setup::clang()?);
    clang.current_dir(&sources).args(["--target=wasm32-wasi", "-mexec-model=reactor"]).args(CPP);
    clang.args(["-Wl,--export=malloc", "-Wl,--strip-all", "filter.cc", "-o"]).arg(&to);
    process::logged("build-cpp", &mut clang)
}

/// As the C++ SDK builds. Whether the compiler is there.
fn emscripten() -> Result<bool> {
    let sources = crate::root().join("tests/modules/cpp");
    let to = module("cpp-emscripten");
    let Some(compiler) = process::on_path("em++") else { return Ok(false) };
    if !is_fresh(&to, &sources)? {
        let mut compile = Command::new(compiler);
        compile.current_dir(&sources).args(CPP).args(["--no-entry", "-sSTANDALONE_WASM"]);
        compile.args(["-sEXPORTED_FUNCTIONS=_malloc", "-sALLOW_MEMORY_GROWTH=1"]);
        // The host functions are nowhere in its own libraries.
        compile.args(["-sERROR_ON_UNDEFINED_SYMBOLS=0", "filter.cc", "-o"]).arg(&to);
        process::logged("build-cpp-emscripten", &mut compile)?;
    }
    Ok(true)
}

fn assemblyscript() -> Result<()> {
    let shim = ["--config", "node_modules/@assemblyscript/wasi-shim/asconfig.json", "--outFile"];
    let sdk = ["--use", "abort=abort_proc_exit", "--binaryFile"];
    for (name, folder, arguments) in
        [("assemblyscript", ASSEMBLYSCRIPT, shim), ("assemblyscript-sdk", ASSEMBLYSCRIPT_SDK, sdk)]
    {
        let compiler = setup::assemblyscript(folder)?;
        let (sources, to) = (crate::root().join(folder), module(name));
        if !is_fresh(&to, &sources)? {
            let mut compile = Command::new(compiler);
            compile.current_dir(&sources).args(["filter.ts", "-O2"]).args(arguments).arg(&to);
            process::logged(&format!("build-{name}"), &mut compile)?;
            ensure!(to.exists(), "`asc` wrote no {}", to.display());
        }
    }
    Ok(())
}

/// Whether a module is newer than every file beside its sources.
fn is_fresh(module: &Path, sources: &Path) -> Result<bool> {
    let Ok(built) = fs::metadata(module).and_then(|module| module.modified()) else { return Ok(false) };
    for file in fs::read_dir(sources)? {
        let file = file?.metadata()?;
        if file.is_file() && file.modified()? > built {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Copies a module that has changed; one that has not keeps its time.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let new = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
    if fs::read(to).ok().as_ref() != Some(&new) {
        fs::write(to, new)?;
    }
    Ok(())
}
