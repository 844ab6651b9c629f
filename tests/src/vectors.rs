//! Published vectors, and verdicts on them by case.

use std::path::PathBuf;

use serde_json::Value;

/// A JSON file among the vectors (`COUNTERSIGN_VECTORS`, or `../shared/vectors` beside the repository); says so where it is missing.
pub fn load(name: &str) -> Option<Value> {
    let folder = std::env::var_os("COUNTERSIGN_VECTORS").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| crate::root().join("../shared/vectors"));
    let Ok(text) = std::fs::read_to_string(folder.join(name)) else {
        println!("skipped: {name} is not there");
        return None;
    };
    serde_json::from_str(&text).ok()
}

/// Verdicts by case, beside those that are expected.
#[derive(Debug, Default)]
pub struct Verdicts {
    accepted: usize,
    refused: usize,
    wrong: Vec<String>,
}

impl Verdicts {
    /// Notes what a case came to: `allow`, or the reason for its refusal.
    pub fn case(&mut self, id: impl std::fmt::Display, expected: &str, found: &str) {
        match expected {
            "allow" => self.accepted += 1,
            _ => self.refused += 1,
        }
        if found != expected {
            self.wrong.push(format!("{id}: expected `{expected}`, found `{found}`"));
        }
    }

    /// Prints how many controls were accepted and cases refused; fails on wrong verdicts, and where there were others in number.
    pub fn finish(self, set: &str, accepted: usize, refused: usize) {
        println!("{set}: {} accepted, {} refused", self.accepted, self.refused);
        assert!(self.wrong.is_empty(), "{set}:\n{}", self.wrong.join("\n"));
        assert_eq!((self.accepted, self.refused), (accepted, refused), "{set}: cases are missing");
    }
}
