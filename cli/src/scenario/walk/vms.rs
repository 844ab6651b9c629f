//! VMs that fail where nothing says so: a test that looks at something else must not pass over that.

use super::{Walk, read};
use crate::engine::{Engine, Simulator};
use serde_json::Value;
use std::collections::BTreeSet;

/// What is known of the workers' VMs.
#[derive(Default)]
pub(super) struct Vms {
    /// Those that have failed, and were told of.
    failed: BTreeSet<usize>,
    /// Those that a step has trap.
    trapped: BTreeSet<usize>,
}

impl Vms {
    /// A step has the VM of this worker trap, sooner or later.
    pub(super) fn traps(&mut self, worker: usize) {
        self.trapped.insert(worker);
    }
}

impl Walk<'_> {
    /// Fails the case where a VM has failed that no step made fail, and that `expect` says nothing of.
    pub(super) fn look_at_vms(&mut self, engine: &mut dyn Engine, expect: Option<&Value>, label: &str) {
        let Some(simulator) = engine.simulator() else { return };
        let expect = expect.and_then(|value| read(value, self.decides()).ok());
        let foreseen = expect.is_some_and(|expect| expect.foresees_failure());
        for worker in 0..self.workers {
            let Some(failure) = simulator.host().failure(worker).map(ToString::to_string) else {
                self.vms.failed.remove(&worker);
                continue;
            };
            let trapped = self.vms.trapped.remove(&worker);
            if self.vms.failed.insert(worker) && !trapped && !foreseen {
                let told = format!(
                    "`failure`: expected no VM to fail, that of worker {worker} did: {failure}; where that is meant, `expect` says so"
                );
                self.fail(vec![told], label);
            }
        }
    }
}

/// Why the first VM failed that did.
pub(super) fn failure(simulator: &mut Simulator, workers: usize) -> Option<String> {
    (0..workers).find_map(|worker| simulator.host().failure(worker).map(ToString::to_string))
}
