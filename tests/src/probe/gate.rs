//! What lets late answers go.

use std::sync::{Condvar, Mutex, PoisonError};

use super::log::PATIENCE;

/// Opens for whoever waits, and can be shut again.
#[derive(Default)]
pub(super) struct Gate(Mutex<bool>, Condvar);

impl Gate {
    pub(super) fn set(&self, open: bool) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = open;
        self.1.notify_all();
    }

    pub(super) fn wait(&self) {
        let shut = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.1.wait_timeout_while(shut, PATIENCE, |open| !*open));
    }
}
