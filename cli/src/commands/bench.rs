//! `countersign bench`: how fast decisions are.

use crate::failure::{Exit, Failure};

/// Measure decisions in the simulator.
#[derive(clap::Args)]
pub(crate) struct Bench {}

impl Bench {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        Err(Failure::usage("`countersign bench` is not there yet"))
    }
}
