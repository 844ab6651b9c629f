//! The JSON parsing test suite: `y_` must pass, `n_` must fail, `i_` is free but must not crash.

mod support;

use countersign_core::json::{self, JsonErrorKind, Limits};
use std::fs;
use support::{Tally, vectors};

#[test]
fn json_test_suite() {
    let Ok(files) = fs::read_dir(vectors().join("jsontestsuite/test_parsing")) else {
        println!("skipped: jsontestsuite is not there");
        return;
    };
    let limits = Limits { max_bytes: 1 << 20, max_depth: 128, max_nodes: 100_000 };
    let mut tally = Tally::new("jsontestsuite");
    let mut free = 0;
    for file in files.map(Result::unwrap) {
        let name = file.file_name().into_string().unwrap();
        let verdict = json::parse(&fs::read(file.path()).unwrap(), &limits).map(drop);
        match name.as_bytes() {
            // RFC 8259 §4 only says that names SHOULD be unique; here they must be.
            _ if name.starts_with("y_object_duplicated_key") => {
                assert_eq!(verdict.unwrap_err().kind, JsonErrorKind::DuplicateMember, "{name}");
            }
            [b'y', ..] => tally.case(&name, true, &verdict),
            [b'n', ..] => tally.case(&name, false, &verdict),
            _ => free += 1,
        }
    }
    println!("jsontestsuite: {free} left free");
    tally.finish(93, 188);
}

/// The documents whose meaning is disputed: none is read as something else than it says.
#[test]
fn json_transformations() {
    let Ok(files) = fs::read_dir(vectors().join("jsontestsuite/test_transform")) else {
        println!("skipped: jsontestsuite is not there");
        return;
    };
    for file in files.map(Result::unwrap) {
        let name = file.file_name().into_string().unwrap();
        let bytes = fs::read(file.path()).unwrap();
        let verdict = json::parse(&bytes, &Limits::DOCUMENT);
        let refused = name.contains("same_key")
            || name.contains("invalid_codepoint")
            || name.contains("escaped_invalid");
        assert_eq!(verdict.is_err(), refused, "{name}: {verdict:?}");
    }
}
