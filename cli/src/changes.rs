//! Which files have changed. The system's notices say when to look; what counts is what is found there, so that editors which
//! replace files, links that are put elsewhere and file systems without notices are all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

/// How deep folders are looked into, and how many files are looked at.
const DEPTH: usize = 16;
const FILES: usize = 10_000;

/// How long files have to stand still before they are read, and how long that is waited for.
const STILL: Duration = Duration::from_millis(100);
const PATIENCE: u32 = 30;

/// Length and time of the last change of each file; nothing of one that cannot be looked at.
type Seen = BTreeMap<PathBuf, Option<(u64, SystemTime)>>;

/// Looks after files and folders.
pub(crate) struct Changes {
    files: Vec<PathBuf>,
    seen: Seen,
    /// None where the system has no notices to give.
    notices: Option<RecommendedWatcher>,
}

impl Changes {
    /// Looks after these, which count as changed at first; `noticed` is called when something may have changed.
    pub(crate) fn new(files: Vec<PathBuf>, noticed: impl Fn() + Send + 'static) -> Self {
        let notices = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading files is no change of them.
            if event.is_ok_and(|event| !event.kind.is_access()) {
                noticed();
            }
        });
        let mut changes = Self { files: Vec::new(), seen: Seen::new(), notices: notices.ok() };
        changes.follow(files);
        changes
    }

    /// Looks after these from now on; true where they are others than before. What was read of others may have changed since: they
    /// count as changed once.
    pub(crate) fn follow(&mut self, files: Vec<PathBuf>) -> bool {
        if files == self.files {
            return false;
        }
        if let Some(notices) = &mut self.notices {
            for path in &files {
                let (folder, mode) = match path.is_dir() {
                    true => (path.as_path(), RecursiveMode::Recursive),
                    // A file that is replaced is another file: its folder is told of it.
                    false => (folder(path), RecursiveMode::NonRecursive),
                };
                // Where that fails, looking from time to time is left.
                let _ = notices.watch(folder, mode);
            }
        }
        self.files = files;
        self.seen = Seen::new();
        true
    }

    /// What differs from the last time that it was looked at. Waits until files stand still.
    pub(crate) fn take(&mut self) -> Vec<PathBuf> {
        let mut now = look(&self.files);
        if now == self.seen {
            return Vec::new();
        }
        for _ in 0..PATIENCE {
            std::thread::sleep(STILL);
            let later = look(&self.files);
            if later == now {
                break;
            }
            now = later;
        }
        let before = std::mem::replace(&mut self.seen, now);
        let differs = |path: &&PathBuf| before.get(*path) != self.seen.get(*path);
        let paths: BTreeSet<&PathBuf> = before.keys().chain(self.seen.keys()).filter(differs).collect();
        paths.into_iter().cloned().collect()
    }
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn look(paths: &[PathBuf]) -> Seen {
    let mut seen = Seen::new();
    for path in paths {
        look_at(path, 0, &mut seen);
    }
    seen
}

fn look_at(path: &Path, depth: usize, seen: &mut Seen) {
    if seen.len() >= FILES || depth > DEPTH {
        return;
    }
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                look_at(&entry.path(), depth + 1, seen);
            }
        }
        found => {
            let found =
                found.ok().map(|found| (found.len(), found.modified().unwrap_or(SystemTime::UNIX_EPOCH)));
            seen.insert(path.to_owned(), found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn changes_are_seen_and_noticed() {
        let folder = std::env::temp_dir().join(format!("countersign-watch-{}", std::process::id()));
        let pack = folder.join("pack");
        fs::create_dir_all(&pack).unwrap();
        let config = folder.join("config.yaml");
        fs::write(&config, "one").unwrap();
        let (sender, noticed) = channel();
        let mut changes = Changes::new(vec![config.clone(), pack.clone()], move || {
            let _ = sender.send(());
        });
        assert_eq!(changes.take(), std::slice::from_ref(&config));
        assert!(changes.take().is_empty());
        let new = pack.join("new.cedar");
        for (path, change) in [
            (&config, &(|| fs::write(&config, "other").unwrap()) as &dyn Fn()),
            (&new, &|| fs::write(&new, "").unwrap()),
            (&config, &|| {
                fs::write(folder.join("next"), "replaced").unwrap();
                fs::rename(folder.join("next"), &config).unwrap();
            }),
            (&new, &|| fs::remove_file(&new).unwrap()),
            (&config, &|| fs::remove_file(&config).unwrap()),
        ] {
            while noticed.try_recv().is_ok() {}
            change();
            noticed.recv().unwrap();
            assert_eq!(changes.take(), std::slice::from_ref(path));
            assert!(changes.take().is_empty());
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
