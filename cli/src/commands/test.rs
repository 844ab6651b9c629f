//! `countersign test`: scenarios with expected decisions.

use crate::failure::{Exit, Failure};

/// Run scenario files.
#[derive(clap::Args)]
pub(crate) struct Test {}

impl Test {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        Err(Failure::usage("`countersign test` is not there yet"))
    }
}
