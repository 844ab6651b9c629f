//! `countersign serve`: a local gateway that runs the filter.

use crate::failure::{Exit, Failure};

/// Serve the filter as a local HTTP gateway.
#[derive(clap::Args)]
pub(crate) struct Serve {}

impl Serve {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        Err(Failure::usage("`countersign serve` is not there yet"))
    }
}
