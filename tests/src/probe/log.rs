//! Envoy's log, read as it grows: what the module wrote, VM by VM.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Transcript, quoted};
use crate::envoy::Envoy;

/// How long anything may take before the test fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// How often is looked.
pub(super) const PAUSE: Duration = Duration::from_millis(2);

/// A running Envoy and what it has logged.
pub(super) struct Logged {
    pub(super) envoy: Envoy,
    /// How much of the log has been read, what was found in it, and which VM each thread spoke of last.
    read: u64,
    lines: Vec<Line>,
    threads: BTreeMap<String, String>,
}

/// A line of the log: which VM wrote it, if the module did, and what.
struct Line {
    vm: String,
    text: String,
}

impl Logged {
    pub(super) fn new(envoy: Envoy) -> Self {
        Self { envoy, read: 0, lines: Vec::new(), threads: BTreeMap::new() }
    }

    /// Reads what was logged since the last time: what the module wrote, and what was logged of what it said. Returns how much there is.
    pub(super) fn read(&mut self) -> Result<usize> {
        let new = self.envoy.log_from(self.read)?;
        // A line may be half written.
        let Some(end) = new.rfind('\n') else { return Ok(self.lines.len()) };
        self.read += end as u64 + 1;
        for line in new.split_at(end).0.lines() {
            // [time][thread][level][wasm] [source] wasm log NAMES: TEXT
            let mut parts = line.split(['[', ']']).filter(|part| !part.is_empty());
            let (Some(_), Some(thread), Some(level)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            let Some((_, text)) = line.split_once("wasm log ").and_then(|(_, rest)| rest.split_once(": "))
            else {
                continue;
            };
            if let Some((vm, text)) = text.strip_prefix("probe ").and_then(|rest| rest.split_once(' ')) {
                self.threads.insert(thread.to_owned(), vm.to_owned());
                self.lines.push(Line { vm: vm.to_owned(), text: text.to_owned() });
            } else if text.starts_with("said") || text.is_empty() {
                let vm = self.threads.get(thread).cloned().unwrap_or_default();
                self.lines.push(Line { vm, text: format!("logged {level} {}", quoted(text.as_bytes())) });
            }
        }
        Ok(self.lines.len())
    }

    /// The lines of a VM from a place in the log on.
    pub(super) fn since(&mut self, from: usize, vm: Option<&str>) -> Result<Transcript> {
        self.read()?;
        let lines = self.lines.iter().skip(from).filter(|line| vm.is_none_or(|vm| vm == line.vm));
        Ok(lines.map(|line| line.text.clone()).collect())
    }

    /// The VM that wrote the first line that begins so.
    pub(super) fn vm(&self, from: usize, start: &str) -> Option<String> {
        let line = self.lines.iter().skip(from).find(|line| line.text.starts_with(start))?;
        Some(line.vm.clone())
    }

    /// How many lines begin so.
    pub(super) fn count(&mut self, from: usize, start: &str) -> Result<usize> {
        Ok(self.since(from, None)?.iter().filter(|line| line.starts_with(start)).count())
    }

    /// Waits until so many lines that begin so have been written.
    pub(super) fn await_lines(&mut self, from: usize, start: &str, count: usize) -> Result<()> {
        let since = Instant::now();
        while self.count(from, start)? < count {
            ensure!(!self.envoy.has_ended()?, "Envoy has ended");
            let lines = self.since(from, None)?;
            ensure!(since.elapsed() < PATIENCE, "no line `{start}` of {count}, in:\n{}", lines.join("\n"));
            thread::sleep(PAUSE);
        }
        Ok(())
    }
}
