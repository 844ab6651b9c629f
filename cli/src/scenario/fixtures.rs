//! Fixtures: what several scenario files share stands in files of its own.

use super::format::File;
use crate::document::Document;
use crate::failure::Failure;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// How deep fixtures may bring fixtures of their own.
const MAX_DEPTH: usize = 8;
/// How many files one scenario file may bring in all.
const MAX_FILES: usize = 64;

/// Reads a scenario file, and what it has from its fixtures. Paths in it are no longer relative to any file.
pub(super) fn load(path: &Path, document: &Document) -> Result<File, Failure> {
    let mut trail = vec![identity(path)];
    let mut left = MAX_FILES;
    whole(path, document, &mut trail, &mut left)
}

fn whole(
    path: &Path,
    document: &Document,
    trail: &mut Vec<PathBuf>,
    left: &mut usize,
) -> Result<File, Failure> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut file: File = document.read()?;
    let fixtures = std::mem::take(&mut file.fixtures);
    within(&mut file, folder);
    // What a later fixture says wins over what an earlier one does.
    for (index, name) in fixtures.iter().enumerate().rev() {
        let place = format!("fixtures[{index}]");
        let at = folder.join(name);
        if trail.contains(&identity(&at)) {
            return Err(document.fault(&place, format!("expected no circle, `{name}` brings itself")));
        }
        if trail.len() > MAX_DEPTH {
            return Err(document.fault(&place, format!("expected fixtures of at most {MAX_DEPTH} levels")));
        }
        *left = left
            .checked_sub(1)
            .ok_or_else(|| document.fault(&place, format!("expected at most {MAX_FILES} fixtures in all")))?;
        let inner = Document::open(&at)
            .map_err(|failure| failure.note(format!("the fixture is named at {}", document.place(&place))))?;
        if inner.has("cases") {
            return Err(inner.fault("cases", "expected none in a fixture; name the file on the command line"));
        }
        trail.push(identity(&at));
        let base = whole(&at, &inner, trail, left)?;
        trail.pop();
        file = file.over(base);
    }
    Ok(file)
}

/// A file by what it is, whatever it is called.
fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Takes the paths of a file relative to its folder.
fn within(file: &mut File, folder: &Path) {
    if let Some(Value::String(name)) = &mut file.configuration {
        *name = folder.join(&*name).display().to_string();
    }
    if let Some(name) = &mut file.module {
        *name = folder.join(&*name).display().to_string();
    }
    for name in file.certificates.values_mut().filter_map(|certificate| certificate.file.as_mut()) {
        let path = folder.join(&*name);
        *name = std::path::absolute(&path).unwrap_or(path).display().to_string();
    }
    for text in [&mut file.plugin.configuration, &mut file.plugin.vm_configuration].into_iter().flatten() {
        text.within(folder);
    }
}
