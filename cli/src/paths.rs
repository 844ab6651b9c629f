//! What people name on the command line, looked at before it is read: what is not there has many readers, and each would say
//! that it is not what that reader reads.

use crate::failure::Failure;
use std::path::Path;

/// Refuses a path that leads nowhere, or to a single file of a pack; `expected` says what is wanted.
pub(crate) fn expect(path: &Path, expected: &str) -> Result<(), Failure> {
    if !path.exists() {
        return Err(Failure::at(path.display(), format!("expected {expected}, found nothing of that name")));
    }
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if path.is_file() && ["cedar", "cedarschema"].contains(&extension) {
        return Err(in_pack(path, expected));
    }
    Ok(())
}

/// The same where only a folder will do.
pub(crate) fn expect_pack(path: &Path) -> Result<(), Failure> {
    let expected = "a pack (folder)";
    expect(path, expected)?;
    if path.is_dir() { Ok(()) } else { Err(in_pack(path, expected)) }
}

fn in_pack(path: &Path, expected: &str) -> Failure {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    Failure::at(path.display(), format!("expected {expected}, found a file"))
        .help(format!("a pack is the folder with all its files: is it `{}`?", folder.display()))
}
