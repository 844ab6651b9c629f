//! `countersign eval`: decisions for requests, one JSON object a line.

use crate::failure::{Exit, Failure};

/// Decide requests and print the decisions.
#[derive(clap::Args)]
pub(crate) struct Eval {}

impl Eval {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        Err(Failure::usage("`countersign eval` is not there yet"))
    }
}
