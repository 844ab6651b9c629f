//! What becomes of streams whose VM has failed.

use crate::clock::nanos;
use crate::host::Host;
use std::time::Duration;

/// What a gateway does with the streams of a VM that failed, as Envoy's `failure_policy` has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailPolicy {
    /// They are answered with 503, as are all that come after. Envoy: `FAIL_CLOSED`.
    #[default]
    Closed,
    /// They pass as if there were no filter. Envoy: `FAIL_OPEN`.
    Open,
    /// They are answered with 503 until a fresh VM is started for a stream that comes a second or more after the last start.
    /// Envoy: `FAIL_RELOAD`, without the jitter that it adds to its second.
    Reload,
}

/// How long after a start a VM that failed may be replaced.
const BACK_OFF: Duration = Duration::from_secs(1);

impl Host {
    /// Puts a fresh VM in the place of one that failed, where the policy wants it and enough time has passed.
    pub(crate) fn reload(&mut self, worker: usize) {
        let now = self.now();
        let reloads = self.builder.fail_policy == FailPolicy::Reload;
        let due = self.workers.get(worker).is_some_and(|slot| {
            slot.worker.instance.has_failed() && now >= slot.started.saturating_add(nanos(BACK_OFF))
        });
        if !reloads || !due || self.budget.spent().is_some() {
            return;
        }
        if let Some(slot) = self.workers.get_mut(worker) {
            slot.started = now;
        }
        // Where it doesn't start, the old one stays, and fails this stream too.
        let _ = self.restart(worker);
    }
}
