//! Child processes: long output goes to a log under `target/logs`, its tail is shown on failure.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::steps::Heartbeat;

/// How many of a log's last lines a failure shows.
const TAIL: usize = 40;

/// The cargo that runs this chore, at the repository's root. What it told this process about the package
/// `xtask` is taken out: build scripts that look at it would run anew, and all that depends on them.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    without_package(&mut command);
    command.current_dir(crate::root());
    command
}

/// Takes out what cargo tells a program about the package it comes from.
pub(crate) fn without_package(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let told = name.to_str().is_some_and(|name| {
            ["CARGO_BIN_", "CARGO_CRATE_", "CARGO_MANIFEST_", "CARGO_PKG_"]
                .iter()
                .any(|told| name.starts_with(told))
        });
        if told {
            command.env_remove(name);
        }
    }
}

/// Runs `command` with its output in `target/logs/NAME.log`; fails with the log's tail.
pub(crate) fn logged(name: &str, command: &mut Command) -> Result<()> {
    let (status, log) = run_logged(name, command, None)?;
    if status.success() {
        return Ok(());
    }
    bail!("`{}` ended with {status}; the end of {}:\n\n{}", shown(command), log.display(), tail(&log, TAIL));
}

/// Like [`logged`], but a failure is an answer, and so is running longer than `limit`.
pub(crate) fn succeeds(name: &str, command: &mut Command, limit: Duration) -> Result<bool> {
    Ok(run_logged(name, command, Some(limit))?.0.success())
}

fn run_logged(name: &str, command: &mut Command, limit: Option<Duration>) -> Result<(ExitStatus, PathBuf)> {
    let path = crate::target("logs").join(format!("{name}.log"));
    crate::make_parent(&path)?;
    let mut log = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    writeln!(log, "$ {}", shown(command))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("starting `{}`", shown(command)))?;
    let (since, mut heart) = (Instant::now(), Heartbeat::new());
    loop {
        if let Some(status) = child.try_wait()? {
            heart.clear();
            return Ok((status, path));
        }
        if limit.is_some_and(|limit| since.elapsed() > limit) {
            child.kill()?;
        }
        heart.beat(&tail(&path, 1));
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Runs `command` with its output passed through as it comes.
pub(crate) fn shown_through(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("starting `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs `command` with its output passed through, and hands each line to `line` as well.
pub(crate) fn read_through(command: &mut Command, mut line: impl FnMut(&str)) -> Result<ExitStatus> {
    let (reader, writer) = std::io::pipe()?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("starting `{}`", shown(command)))?;
    // The command still holds the pipe's writing end; only when that is gone does the reader see an end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut reader = BufReader::new(reader);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes)? > 0 {
        let text = String::from_utf8_lossy(&bytes);
        print!("{text}");
        line(text.trim_end());
        bytes.clear();
    }
    Ok(child.wait()?)
}

/// What `command` prints, or nothing where it can't be started or fails.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether a program of this name is on the path.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// A command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The last `lines` lines of a log; only its last 64 KiB are read.
fn tail(path: &Path, lines: usize) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(64 * 1024)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
}
