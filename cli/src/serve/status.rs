//! What runs, and how its last change went.

use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::time;

/// What runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    /// Where the gateway listens, as a URL.
    pub(crate) address: String,
    /// Where allowed requests go.
    pub(crate) upstream: String,
    /// SHA-256 of all that the module is started with, in hexadecimal digits.
    pub(crate) digest: String,
    /// 1 at the start, one more with each change.
    pub(crate) generation: u64,
    /// When this generation began, in RFC 3339.
    pub(crate) since: String,
    /// Why a later one did not come about.
    pub(crate) error: Option<String>,
}

/// Where it is written down for all who want to know.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<Status>);

impl Board {
    /// A board that begins with this.
    pub(crate) fn new(status: Status) -> Self {
        Self(Mutex::new(Status { since: time::show(time::now()), ..status }))
    }

    /// What stands there.
    pub(crate) fn status(&self) -> Status {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A new generation runs.
    pub(crate) fn runs(&self, generation: u64, digest: &str) {
        let mut status = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        status.generation = generation;
        digest.clone_into(&mut status.digest);
        status.since = time::show(time::now());
        status.error = None;
    }

    /// A change failed, or no longer does.
    pub(crate) fn failed(&self, error: Option<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).error = error;
    }

    /// The same for the page.
    pub(crate) fn data(&self) -> Value {
        let status = self.status();
        json!({
            "address": status.address,
            "upstream": status.upstream,
            "digest": status.digest.get(..16).unwrap_or(&status.digest),
            "generation": status.generation,
            "since": status.since,
            "error": status.error,
        })
    }
}
