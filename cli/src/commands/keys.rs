//! `countersign keys`: keys for tests.

use crate::failure::{Exit, Failure};

/// Generate and publish keys for tests.
#[derive(clap::Args)]
pub(crate) struct Keys {}

impl Keys {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        Err(Failure::usage("`countersign keys` is not there yet"))
    }
}
