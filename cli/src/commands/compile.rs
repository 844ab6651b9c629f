//! `countersign compile`: from Cedar to a policy image.

use crate::failure::{Exit, Failure};

/// Compile a policy pack or a configuration.
#[derive(clap::Args)]
pub(crate) struct Compile {}

impl Compile {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        Err(Failure::usage("`countersign compile` is not there yet"))
    }
}
