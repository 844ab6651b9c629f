//! Finding the published vectors, and counting verdicts by case.

#![allow(dead_code, unreachable_pub, reason = "each suite uses its part")]

use std::{fs, path::PathBuf};

/// Where the vectors are: `COUNTERSIGN_VECTORS`, or `../shared/vectors` beside the repository.
pub fn vectors() -> PathBuf {
    match std::env::var_os("COUNTERSIGN_VECTORS") {
        Some(path) => path.into(),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors")),
    }
}

/// A JSON file among the vectors; says so where it is missing.
pub fn load(name: &str) -> Option<serde_json::Value> {
    let text = fs::read_to_string(vectors().join(name));
    match text {
        Ok(text) => Some(serde_json::from_str(&text).unwrap()),
        Err(_) => {
            println!("skipped: {name} is not there");
            None
        }
    }
}

/// Verdicts of one set. Accepted controls are counted apart, so that refusing everything can't pass.
pub struct Tally {
    set: &'static str,
    accepted: usize,
    refused: usize,
    wrong: Vec<String>,
}

impl Tally {
    pub fn new(set: &'static str) -> Self {
        Self { set, accepted: 0, refused: 0, wrong: Vec::new() }
    }

    /// Notes the verdict on a case that should be accepted, or not.
    pub fn case<E: std::fmt::Debug>(
        &mut self,
        id: impl std::fmt::Display,
        accept: bool,
        verdict: &Result<(), E>,
    ) {
        match (accept, verdict) {
            (true, Ok(())) => self.accepted += 1,
            (false, Err(_)) => self.refused += 1,
            (true, Err(error)) => self.wrong.push(format!("{id}: refused with {error:?}")),
            (false, Ok(())) => self.wrong.push(format!("{id}: accepted")),
        }
    }

    /// Prints the counts; fails on any wrong verdict, or if fewer controls were accepted or refused than the set holds.
    pub fn finish(self, accepted: usize, refused: usize) {
        println!("{}: {} accepted, {} refused", self.set, self.accepted, self.refused);
        assert!(self.wrong.is_empty(), "{}:\n{}", self.set, self.wrong.join("\n"));
        assert!(self.accepted >= accepted && self.refused >= refused, "{}: cases are missing", self.set);
    }
}
