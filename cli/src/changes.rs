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
    /// The folders that it gives notice of.
    watched: BTreeMap<PathBuf, RecursiveMode>,
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
        let (seen, watched) = (Seen::new(), BTreeMap::new());
        let mut changes = Self { files: Vec::new(), seen, notices: notices.ok(), watched };
        changes.follow(files);
        changes
    }

    /// Looks after these from now on; true where they are others than before. What was read of others may have changed since: they
    /// count as changed once.
    pub(crate) fn follow(&mut self, files: Vec<PathBuf>) -> bool {
        if files == self.files {
            return false;
        }
        self.watch(&files);
        self.files = files;
        self.seen = Seen::new();
        true
    }

    /// Has notice given of what happens to these, and of nothing else.
    fn watch(&mut self, files: &[PathBuf]) {
        let Some(notices) = &mut self.notices else { return };
        let mut wanted = BTreeMap::new();
        for path in files {
            if path.is_dir() {
                wanted.insert(path.clone(), RecursiveMode::Recursive);
            } else {
                // A file that is replaced is another file: its folder is told of it.
                wanted.entry(folder(path).to_owned()).or_insert(RecursiveMode::NonRecursive);
            }
        }
        let gone: Vec<_> = self.watched.extract_if(.., |path, mode| wanted.get(path) != Some(mode)).collect();
        for (path, _) in gone {
            // A folder that was removed is no longer watched anyhow.
            let _ = notices.unwatch(&path);
        }
        for (path, mode) in wanted {
            // Again too: a folder in the place of another is another. Where that fails, looking from time to time is left.
            if notices.watch(&path, mode).is_ok() {
                self.watched.insert(path, mode);
            }
        }
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
    #[test]
    fn folders_that_are_no_longer_read_are_let_go_of() {
        let folder = std::env::temp_dir().join(format!("countersign-let-go-{}", std::process::id()));
        let [old, kept, new] = ["old", "kept", "new"].map(|name| folder.join(name));
        for path in [&old, &kept, &new] {
            fs::create_dir_all(path).unwrap();
        }
        let mut changes = Changes::new(vec![old.clone(), kept.clone()], || ());
        assert!(changes.follow(vec![kept.clone(), new.join("config.yaml")]));
        let mut is_watched = |path: &Path| changes.notices.as_mut().unwrap().unwatch(path).is_ok();
        assert!(!is_watched(&old));
        assert!(is_watched(&kept) && is_watched(&new));
        fs::remove_dir_all(&folder).unwrap();
    }
}
