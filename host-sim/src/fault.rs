//! What no good host does, because a test says so: host calls that fail, callbacks out of order.

use crate::abi::HostCall;
use crate::error::Failure;
use crate::host::Host;

/// What is to fail in a VM. Nothing, unless told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    always: Vec<(HostCall, u32)>,
    /// How many calls are left up to the one that fails, itself included.
    countdown: Option<(u64, u32)>,
    last: Option<HostCall>,
}

impl Faults {
    /// The status that a call is to fail with, if it is to.
    pub(crate) fn of(&mut self, call: HostCall) -> Option<u32> {
        let mut status = self.always.iter().find(|(failing, _)| *failing == call).map(|(_, status)| *status);
        if let Some((left, once)) = &mut self.countdown {
            *left = left.saturating_sub(1);
            if *left == 0 {
                status = Some(*once);
                self.countdown = None;
            }
        }
        if status.is_some() {
            self.last = Some(call);
        }
        status
    }

    pub(crate) fn always(&mut self, call: HostCall, status: u32) {
        self.always.retain(|(failing, _)| *failing != call);
        self.always.push((call, status));
    }

    pub(crate) fn nth(&mut self, n: u64, status: u32) {
        self.countdown = Some((n.max(1), status));
    }
}

impl Host {
    /// Makes a host function do nothing and return this status, whenever a worker's VM calls it, until it is mended. The
    /// status may be one that the ABI does not know.
    pub fn fail_at(&mut self, worker: usize, call: HostCall, status: u32) {
        if let Some(faults) = self.faults(worker) {
            faults.always(call, status);
        }
    }

    /// The same for one call alone: the `n`th from now, counted from 1, whichever function that is.
    pub fn fail_nth(&mut self, worker: usize, n: u64, status: u32) {
        if let Some(faults) = self.faults(worker) {
            faults.nth(n, status);
        }
    }

    /// Lets all host functions of a worker work again; says which one failed last, if one did.
    pub fn mend(&mut self, worker: usize) -> Option<HostCall> {
        std::mem::take(self.faults(worker)?).last
    }

    /// Calls an export of a worker's VM with these numbers, the context first, as no gateway would: an answer to a call that was
    /// never made, a context that does not exist. Gives its result, if it has one.
    ///
    /// # Errors
    /// Where the VM fails.
    pub fn call_export(
        &mut self,
        worker: usize,
        name: &'static str,
        params: &[u32],
    ) -> Result<Option<u32>, Failure> {
        self.budget.begin();
        let Some(slot) = self.workers.get_mut(worker) else { return Ok(None) };
        let called = slot.worker.call_any(name, params);
        self.settle();
        called
    }

    fn faults(&mut self, worker: usize) -> Option<&mut Faults> {
        self.workers.get_mut(worker).map(|slot| &mut slot.worker.instance.vm_mut().faults)
    }
}
