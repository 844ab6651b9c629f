//! Which compiler makes wasm32 code: rustup's where its target is there, else Debian's, which carries
//! the standard library's sources and builds it along.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::process;
use crate::setup;

/// The target of the filter.
pub(crate) const WASM: &str = "wasm32-unknown-unknown";
/// A target that never has a standard library, for rustup's toolchain.
const BARE: &str = "thumbv7em-none-eabihf";
/// Debian's packages: compiler, cargo and the standard library's sources.
const DEBIAN: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
/// The first of Debian's versions that knows what the code uses.
const DEBIAN_LEAST: (u32, u32) = (1, 95);

/// A way to compile for a target without an operating system.
pub(crate) enum Toolchain {
    /// The compiler in use has the target's libraries.
    Rustup,
    /// Debian's compiler builds the libraries from source and links with the linker named.
    Debian { linker: PathBuf },
}

/// What of the standard library is wanted.
#[derive(Clone, Copy)]
pub(crate) enum Library {
    /// `std` for wasm32.
    Std,
    /// `core` and `alloc` only.
    Alloc,
}

impl Toolchain {
    /// Finds a toolchain, and installs one where there is none.
    pub(crate) fn ready(library: Library) -> Result<Self> {
        let target = match library {
            Library::Std => WASM,
            Library::Alloc => BARE,
        };
        if has_target(target) || add_target(target)? {
            return Ok(Self::Rustup);
        }
        if let Some(found) = Self::debian() {
            return found;
        }
        setup::apt(&DEBIAN, "a compiler with sources for wasm32")?;
        Self::debian().unwrap_or_else(|| {
            bail!(
                "no compiler for {target}: `rustup target add {target}` failed, and Debian's {} are older than {}.{}",
                DEBIAN.join(", "),
                DEBIAN_LEAST.0,
                DEBIAN_LEAST.1
            )
        })
    }

    /// Whether the compiler in use has libraries for a target, once rustup was asked for them.
    pub(crate) fn has(target: &str) -> Result<bool> {
        Ok(has_target(target) || add_target(target)?)
    }

    /// Debian's compiler, if it is installed with its sources; an error where it can't be used all the same.
    fn debian() -> Option<Result<Self>> {
        let version = process::output(Command::new("/usr/bin/rustc").arg("--version"))?;
        let mut numbers = version.split_whitespace().nth(1)?.split('.').map(|n| n.parse().ok());
        if (numbers.next()??, numbers.next()??) < DEBIAN_LEAST || !Path::new("/usr/bin/cargo").exists() {
            return None;
        }
        let sysroot = process::output(Command::new("/usr/bin/rustc").args(["--print", "sysroot"]))?;
        Path::new(&sysroot).join("lib/rustlib/src/rust/library/std").exists().then(|| {
            let linker = linker()?;
            Ok(Self::Debian { linker })
        })
    }

    /// What to tell people about the choice.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Rustup => "the toolchain's own target",
            Self::Debian { .. } => "Debian's compiler, with the standard library built from source",
        }
    }

    /// `cargo VERB` for the target, with its output in a folder of its own: two cargos sharing one would
    /// undo each other's work.
    pub(crate) fn cargo(&self, verb: &str, library: Library) -> Command {
        let mut command = match self {
            Self::Rustup => process::cargo(),
            Self::Debian { .. } => Command::new("/usr/bin/cargo"),
        };
        process::without_package(&mut command);
        command.current_dir(crate::root()).arg(verb).env("CARGO_TARGET_DIR", crate::target("wasm"));
        let target = match (self, library) {
            (Self::Rustup, Library::Alloc) => BARE,
            _ => WASM,
        };
        command.args(["--target", target]);
        if let Self::Debian { linker } = self {
            // What rustup's cargo told this process concerns rustup's compiler.
            for name in ["CARGO", "RUSTUP_TOOLCHAIN", "RUSTC_WRAPPER", "RUSTDOC", "LD_LIBRARY_PATH"] {
                command.env_remove(name);
            }
            let build = match library {
                Library::Std => "-Zbuild-std=std,panic_abort",
                Library::Alloc => "-Zbuild-std=core,alloc",
            };
            command
                .arg(build)
                .env("RUSTC", "/usr/bin/rustc")
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        command
    }
}

/// Whether the compiler in use has libraries for `target`.
fn has_target(target: &str) -> bool {
    sysroot().is_some_and(|root| root.join("lib/rustlib").join(target).join("lib").exists())
}

/// Asks rustup for the target's libraries. A refusal is remembered: asking again costs seconds each time.
fn add_target(target: &str) -> Result<bool> {
    let refused = crate::target("tools").join(format!("no-{target}"));
    if process::on_path("rustup").is_none() || refused.exists() {
        return Ok(false);
    }
    let mut add = Command::new("rustup");
    add.current_dir(crate::root()).args(["target", "add", target]);
    let added = process::succeeds("rustup-target", &mut add, Duration::from_secs(120))? && has_target(target);
    if !added {
        crate::make_parent(&refused)?;
        std::fs::write(refused, "rustup could not add it; delete this file to try again\n")?;
    }
    Ok(added)
}

fn sysroot() -> Option<PathBuf> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let mut command = Command::new(rustc);
    process::output(command.current_dir(crate::root()).args(["--print", "sysroot"])).map(PathBuf::from)
}

/// A linker for wasm: rustup's toolchain carries one, Debian's doesn't.
fn linker() -> Result<PathBuf> {
    let host = process::output(Command::new("/usr/bin/rustc").arg("-vV"))
        .and_then(|text| text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned));
    if let (Some(root), Some(host)) = (sysroot(), host) {
        let linker = root.join("lib/rustlib").join(host).join("bin/rust-lld");
        if linker.exists() {
            return Ok(linker);
        }
    }
    let installed = || ["rust-lld", "wasm-ld", "wasm-ld-22"].into_iter().find_map(process::on_path);
    if let Some(linker) = installed() {
        return Ok(linker);
    }
    setup::apt(&["lld-22"], "a linker for wasm32")?;
    match installed() {
        Some(linker) => Ok(linker),
        None => bail!("no linker for wasm32: neither `rust-lld` nor `wasm-ld` was found"),
    }
}
