//! Tables of cases: questions to a pack's policies, without a gateway, with the decision, reasons and errors that must come of
//! them.

mod coverage;
mod format;
mod run;

pub(crate) use coverage::Coverage;
pub(crate) use run::{Images, Table};

use crate::failure::Failure;
use std::path::{Path, PathBuf};

/// The tables of a pack: `tests.json` in it, and every YAML or JSON file in its folder `tests`.
pub(crate) fn of_pack(pack: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    let beside = pack.join("tests.json");
    if beside.is_file() {
        files.push(beside);
    }
    let folder = pack.join("tests");
    if folder.is_dir() {
        let unreadable =
            |error| Failure::at(folder.display(), format!("expected a folder that can be read: {error}"));
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            inside.push(entry.map_err(unreadable)?.path());
        }
        let wanted = ["yaml", "yml", "json"];
        inside.retain(|path| {
            let extension = path.extension().and_then(|extension| extension.to_str());
            path.is_file() && extension.is_some_and(|extension| wanted.contains(&extension))
        });
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}
