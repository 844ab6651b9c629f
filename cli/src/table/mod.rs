//! Tables of cases: questions to a pack's policies, without a gateway, with the decision, reasons and errors that must come of
//! them.

mod coverage;
mod format;
mod run;

pub(crate) use coverage::Coverage;
pub(crate) use run::{Images, Table};

use crate::failure::Failure;
use std::path::{Path, PathBuf};

/// How deep folders below `tests` are looked into.
const DEEPEST: usize = 16;

/// The tables of a pack: `tests.json` in it, and every YAML or JSON file in its folder `tests`, at any depth.
pub(crate) fn of_pack(pack: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    let beside = pack.join("tests.json");
    if beside.is_file() {
        files.push(beside);
    }
    let folder = pack.join("tests");
    if folder.is_dir() {
        below(&folder, 0, &mut files)?;
    }
    Ok(files)
}

fn below(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if depth > DEEPEST {
        let message = format!("expected folders at most {DEEPEST} deep below `tests`");
        return Err(Failure::at(folder.display(), message));
    }
    let unreadable =
        |error| Failure::at(folder.display(), format!("expected a folder that can be read: {error}"));
    let mut inside = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        inside.push(entry.map_err(unreadable)?.path());
    }
    inside.sort();
    for path in inside {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if path.is_dir() {
            below(&path, depth + 1, files)?;
        } else if ["yaml", "yml", "json"].iter().any(|wanted| extension.eq_ignore_ascii_case(wanted)) {
            files.push(path);
        }
    }
    Ok(())
}
