//! Which files a command has read, so that `--watch` knows what to watch, whoever read them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

static READ: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Notes a file, or a folder with all that is in it. Also one that cannot be read: it may come.
pub(crate) fn note(path: &Path) {
    READ.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
}

/// What was noted since this was asked last.
pub(crate) fn take() -> BTreeSet<PathBuf> {
    std::mem::take(&mut *READ.lock().unwrap_or_else(PoisonError::into_inner))
}
