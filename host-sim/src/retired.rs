//! The end of VMs: their root context is told, and one that is not done yet goes on until it says so.
//!
//! As Envoy 1.40 has it, a root context hears `proxy_on_done` once its streams are gone, then `proxy_on_delete`, and no `proxy_on_log`.
//! Where `proxy_on_done` returns false, ticks and answers come until `proxy_done` is called; `proxy_on_delete` follows that callback.
//! That is so for another configuration of a plugin; a VM that goes away as a whole is not waited for.

use crate::host::{Host, Slot};
use crate::log::LogLine;
use crate::vm::ROOT;
use crate::worker::Worker;

/// VMs that wait for their root contexts at once; the oldest is not waited for any longer.
const RETIRED: usize = 16;

impl Worker {
    /// Tells the root context that it is to end. Whether it has ended; one that has not will call `proxy_done`.
    pub(crate) fn end_root(&mut self) -> bool {
        let done = self.instance.call("proxy_on_done", ROOT, |e| e.done.as_ref(), ROOT);
        // A VM that failed has nobody left to tell.
        let Ok(done) = done else { return true };
        let is_done = done != Some(0);
        if is_done {
            self.delete_root();
        }
        self.instance.vm_mut().root_pending = !is_done;
        self.follow_up();
        is_done
    }

    /// Tells it that it is gone.
    pub(crate) fn delete_root(&mut self) {
        // A failure here ends a VM that is at its end.
        let _ = self.instance.call("proxy_on_delete", ROOT, |e| e.delete.as_ref(), ROOT);
    }
}

impl Host {
    /// Ends the gateway: its streams and connections, then the root context of every VM. What was logged to the end.
    pub fn shut_down(mut self) -> Vec<LogLine> {
        self.budget.begin();
        for stream in std::mem::take(&mut self.open) {
            self.end(stream);
        }
        for worker in 0..self.workers.len() {
            self.end_connections_of(worker);
        }
        for slot in &mut self.workers {
            slot.worker.end_root();
        }
        self.take_logs()
    }

    /// Tells the root context of a VM that was replaced; `waits` says whether it may take its time.
    pub(crate) fn retire(&mut self, mut old: Slot, waits: bool) {
        let stays = !old.worker.end_root() && waits;
        self.retired.push(old);
        self.collect_logs();
        if !stays {
            self.retired.pop();
        } else if self.retired.len() > RETIRED {
            self.retired.remove(0);
        }
    }

    /// Deletes the root contexts that have said that they are done.
    pub(crate) fn take_off_retired(&mut self) {
        if self.retired.is_empty() {
            return;
        }
        let is_over =
            |slot: &Slot| !slot.worker.instance.vm().root_pending || slot.worker.instance.has_failed();
        for slot in self.retired.iter_mut().filter(|slot| is_over(slot)) {
            slot.worker.delete_root();
        }
        self.collect_logs();
        self.retired.retain(|slot| !is_over(slot));
    }

    /// The VMs of all workers, in their order, and those that wait for their root contexts.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.workers.iter().chain(&self.retired)
    }

    /// The same, to change them.
    pub(crate) fn slots_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.workers.iter_mut().chain(&mut self.retired)
    }

    /// A worker's VM, as long as it is not gone.
    pub(crate) fn slot_mut(&mut self, worker: usize, incarnation: u32) -> Option<&mut Slot> {
        let is = |slot: &Slot| slot.incarnation == incarnation && slot.worker.instance.vm().worker == worker;
        self.slots_mut().find(|slot| is(slot))
    }
}
