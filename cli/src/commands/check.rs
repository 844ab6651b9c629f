//! `countersign check`: is this configuration, or this pack, good?

use crate::failure::{Exit, Failure};

/// Check configurations and policy packs.
#[derive(clap::Args)]
pub(crate) struct Check {}

impl Check {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        Err(Failure::usage("`countersign check` is not there yet"))
    }
}
