//! `--watch`: a command runs again whenever something that it read has changed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecursiveMode, Watcher};

use crate::console::{DIM, HINT, say};
use crate::failure::{Exit, Failure};
use crate::inputs;

/// How long nothing must have changed before the command runs again: editors write in several steps.
const QUIET: Duration = Duration::from_millis(80);
/// How many changed files are named.
const NAMED: usize = 3;

/// Runs a command again and again, until it is interrupted. What it fails with is told, and does not end it.
///
/// # Errors
/// Where files cannot be watched on this machine.
pub(crate) fn run(mut command: impl FnMut() -> Result<Exit, Failure>) -> Result<Exit, Failure> {
    let mut watched = Watched::new()?;
    loop {
        inputs::take();
        if let Err(failure) = command() {
            failure.print();
        }
        let count = watched.watch(inputs::take())?;
        say!("{DIM}watching {}; Ctrl-C ends it{DIM:#}", crate::console::count(count, "path", "paths"));
        let changed = watched.wait()?;
        let names: Vec<String> =
            changed.iter().take(NAMED).map(|path| format!("`{}`", path.display())).collect();
        let more = if changed.len() > NAMED { ", …" } else { "" };
        say!("\n{HINT}changed{HINT:#} {}{more}", names.join(", "));
    }
}

/// Files and folders, and what the system says of them.
struct Watched {
    watcher: notify::RecommendedWatcher,
    events: Receiver<notify::Result<Event>>,
    /// As they were named, and where they really are.
    inputs: Vec<(PathBuf, PathBuf)>,
    folders: BTreeSet<PathBuf>,
}

impl Watched {
    fn new() -> Result<Self, Failure> {
        let (sender, events) = channel();
        // Nobody listens any longer only when the command ends.
        let watcher = notify::recommended_watcher(move |event| drop(sender.send(event))).map_err(failed)?;
        Ok(Self { watcher, events, inputs: Vec::new(), folders: BTreeSet::new() })
    }

    /// Watches these in the place of those before; how many.
    fn watch(&mut self, inputs: BTreeSet<PathBuf>) -> Result<usize, Failure> {
        self.inputs = inputs.into_iter().map(|path| (path.clone(), real(&path))).collect();
        let mut wanted = BTreeSet::new();
        for (_, path) in &self.inputs {
            // A file is replaced by another one of its name: its folder knows.
            let folder = if path.is_dir() { Some(path.as_path()) } else { path.parent() };
            wanted.extend(folder.filter(|folder| folder.is_dir()).map(Path::to_path_buf));
        }
        for gone in self.folders.difference(&wanted) {
            // It may be gone from the disk as well.
            let _ = self.watcher.unwatch(gone);
        }
        for new in wanted.difference(&self.folders) {
            let inside = self.inputs.iter().any(|(_, path)| path == new);
            let mode = if inside { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
            self.watcher.watch(new, mode).map_err(failed)?;
        }
        self.folders = wanted;
        Ok(self.inputs.len())
    }

    /// Waits until something that is watched has changed, and nothing more follows; what has.
    fn wait(&mut self) -> Result<Vec<PathBuf>, Failure> {
        let mut changed = BTreeSet::new();
        loop {
            let event = if changed.is_empty() {
                self.events.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                self.events.recv_timeout(QUIET)
            };
            match event {
                Ok(event) => changed.extend(self.named(&event.map_err(failed)?)),
                Err(RecvTimeoutError::Timeout) => return Ok(changed.into_iter().collect()),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::usage("expected to hear of changed files, the watcher has ended"));
                }
            }
        }
    }

    /// What of an event is about something that is watched, by the name that it was read by.
    fn named(&self, event: &Event) -> Vec<PathBuf> {
        match event.kind {
            // The command itself reads them.
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
            EventKind::Access(_) => return Vec::new(),
            EventKind::Any
            | EventKind::Create(_)
            | EventKind::Modify(_)
            | EventKind::Remove(_)
            | EventKind::Other => {}
        }
        let about = |path: &PathBuf| {
            let found = self.inputs.iter().find(|(_, input)| path.starts_with(input));
            found.map(|(name, input)| match path.strip_prefix(input) {
                Ok(inside) if !inside.as_os_str().is_empty() => name.join(inside),
                _ => name.clone(),
            })
        };
        event.paths.iter().filter_map(about).collect()
    }
}

/// Where something is, links followed as far as it exists.
fn real(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (parent.canonicalize(), path.file_name()) {
        (Ok(parent), Some(name)) => parent.join(name),
        _ => path.to_owned(),
    }
}

fn failed(error: notify::Error) -> Failure {
    Failure::usage(format!("`--watch`: expected to watch files: {error}"))
}
