//! New VMs and new configurations while a host runs.

use crate::error::StartError;
use crate::host::{Host, Slot};
use crate::worker::Worker;

impl Host {
    /// Puts a fresh VM in a worker's place. The old one's streams end, then its root context; answers to its calls are lost.
    ///
    /// # Errors
    /// As at the start; the old VM stays.
    pub fn restart(&mut self, worker: usize) -> Result<(), StartError> {
        self.budget.begin();
        let worker = worker.min(self.workers.len() - 1);
        let fresh = self.start_worker(worker)?;
        self.replace(worker, fresh, false);
        Ok(())
    }

    /// Changes the plugin's configuration: every worker gets a fresh VM with it. Streams end; an old root context for which
    /// `proxy_on_done` returns false goes on until it calls `proxy_done`.
    ///
    /// # Errors
    /// Where the module refuses it; the old VMs and the old configuration stay.
    pub fn reconfigure(&mut self, plugin_config: impl Into<Vec<u8>>) -> Result<(), StartError> {
        self.budget.begin();
        let old = std::mem::replace(&mut self.builder.configuration, plugin_config.into());
        let old_plugin = std::mem::replace(&mut self.plugin, self.builder.plugin());
        let started: Result<Vec<_>, _> =
            (0..self.workers.len()).map(|index| self.start_worker(index)).collect();
        match started {
            Ok(fresh) => {
                for (index, worker) in fresh.into_iter().enumerate() {
                    self.replace(index, worker, true);
                }
                Ok(())
            }
            Err(error) => {
                self.builder.configuration = old;
                self.plugin = old_plugin;
                Err(error)
            }
        }
    }

    /// Hands every worker's VM a new configuration while it runs, which the ABI allows and Envoy never does: the same VM, its
    /// streams open and its calls under way.
    ///
    /// # Errors
    /// Where a module traps or refuses it; the VMs before it have taken it up.
    pub fn reconfigure_in_place(&mut self, plugin_config: impl Into<Vec<u8>>) -> Result<(), StartError> {
        self.budget.begin();
        let old = std::mem::replace(&mut self.builder.configuration, plugin_config.into());
        let plugin = self.builder.plugin();
        for slot in &mut self.workers {
            if let Err(reason) = slot.worker.reconfigure(&plugin) {
                self.builder.configuration = old;
                return Err(StartError { reason, logs: self.take_logs() });
            }
        }
        self.plugin = plugin;
        self.settle();
        Ok(())
    }

    /// `waits` says whether the old root context may take its time.
    fn replace(&mut self, index: usize, fresh: Worker, waits: bool) {
        let ending: Vec<_> = self.open.extract_if(.., |s| s.worker == index).collect();
        for stream in ending {
            self.end(stream);
        }
        self.end_connections_of(index);
        let incarnation = self.workers[index].incarnation + 1;
        let started = fresh.instance.vm().clock.now();
        let fresh = Slot { worker: fresh, incarnation, next_tick: None, started };
        self.collect_logs();
        let old = std::mem::replace(&mut self.workers[index], fresh);
        self.retire(old, waits);
        self.forget_grpc();
        self.settle();
    }
}
