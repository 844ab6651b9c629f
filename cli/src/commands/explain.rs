//! `countersign explain`: why a request is decided as it is.

use crate::failure::{Exit, Failure};

/// Explain the decision on one request.
#[derive(clap::Args)]
pub(crate) struct Explain {}

impl Explain {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        Err(Failure::usage("`countersign explain` is not there yet"))
    }
}
