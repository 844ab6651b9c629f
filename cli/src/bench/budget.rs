//! The time that a whole run may take: figures of a filter that takes minutes for a request say nothing that one request does not.

use std::time::{Duration, Instant};

use crate::failure::Failure;

/// When a run is to end, finished or not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    most: Duration,
    until: Option<Instant>,
}

impl Budget {
    /// So much time from now on.
    pub(crate) fn of(most: Duration) -> Self {
        Self { most, until: Instant::now().checked_add(most) }
    }

    /// Refuses to go on where the time is used up.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.until.is_none_or(|until| Instant::now() < until) {
            return Ok(());
        }
        Err(Failure::finding(format!("the run takes longer than {} s", self.most.as_secs_f64()))
            .help("ask for fewer `--rounds` or `--decisions`, for some cases by `--only`, or for more time by `--at-most`"))
    }
}
