//! `countersign reference`: reference pages, generated from the types.

use crate::failure::{Exit, Failure};

/// Print the reference pages.
#[derive(clap::Args)]
pub(crate) struct Reference {}

impl Reference {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        Err(Failure::usage("`countersign reference` is not there yet"))
    }
}
