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

/// The name among `names` that `name` was probably meant to be.
pub(crate) fn nearest<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let near = names.into_iter().map(|known| (distance(name, known), known));
    let most = name.chars().count() / 3 + 1;
    near.filter(|(distance, _)| *distance <= most).min().map(|(_, known)| known)
}

/// How many letters must be put in, taken out or changed.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut before = at;
        let mut left = at + 1;
        for (slot, same) in row.iter_mut().skip(1).zip(&other) {
            let here = (before + usize::from(letter != *same)).min(left + 1).min(*slot + 1);
            before = *slot;
            *slot = here;
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = at + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_by_its_letters() {
        let names = ["Transfer", "Model", "Decision"];
        assert_eq!(nearest("Transfr", names), Some("Transfer"));
        assert_eq!(nearest("transfers", names), Some("Transfer"));
        assert_eq!(nearest("Account", names), None);
        assert_eq!((distance("", "ab"), distance("ab", ""), distance("kitten", "sitting")), (2, 2, 3));
    }
}
