//! Every reason in the table is given somewhere: a code that nothing uses would promise what never happens.

use std::fs;
use std::path::Path;

use countersign_core::reason::Reason;

#[test]
fn every_reason_is_given_by_the_code() {
    let mut source = String::new();
    gather(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut source);
    let unused: Vec<&str> =
        Reason::ALL.iter().filter(|reason| !names(&source, reason)).map(|reason| reason.code()).collect();
    assert!(unused.is_empty(), "given by nothing: {unused:?}");
}

/// Whether the source names this reason, and not one whose name only begins like it.
fn names(source: &str, reason: &Reason) -> bool {
    let name = format!("Reason::{reason:?}");
    source
        .match_indices(&name)
        .any(|(at, _)| !source[at + name.len()..].starts_with(|next: char| next.is_ascii_alphanumeric()))
}

/// The sources of the core without its tests and without the table itself.
fn gather(folder: &Path, source: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            gather(&path, source);
        } else if name.ends_with(".rs") && name != "reason.rs" && name != "tests.rs" {
            let text = fs::read_to_string(&path).unwrap();
            source.push_str(text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default());
        }
    }
}
