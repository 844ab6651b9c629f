//! `countersign token`: tokens for tests.

use crate::failure::{Exit, Failure};

/// Mint tokens for tests.
#[derive(clap::Args)]
pub(crate) struct Token {}

impl Token {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        Err(Failure::usage("`countersign token` is not there yet"))
    }
}
