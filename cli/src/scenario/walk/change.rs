//! What a step does to the world around a module: issuers, clusters, configuration, VMs.

use super::{Walk, simulator};
use crate::engine::Engine;
use crate::scenario::faults;
use crate::scenario::format::{Fail, Step};
use crate::scenario::subject;
use countersign_host_sim::HostCall;
use std::path::Path;

impl Walk<'_> {
    /// What a step does to issuers, clusters, configuration and VMs.
    pub(super) fn change_world(&mut self, engine: &mut dyn Engine, step: &Step) -> Result<(), String> {
        let seconds = self.now.as_secs();
        if !step.issuers.is_empty() || !step.upstreams.is_empty() {
            self.sources.change(&step.issuers, &step.upstreams);
            for (cluster, script) in self.sources.scripts(&self.mint, &self.known, seconds)? {
                engine.set_cluster(&cluster, &script);
            }
        }
        if !step.grpc.is_empty() {
            self.sources.serve_grpc(&step.grpc);
            for (cluster, script) in self.sources.grpc()? {
                if step.grpc.contains_key(&cluster) {
                    engine.set_grpc_cluster(&cluster, &script).map_err(|error| error.to_string())?;
                }
            }
        }
        if !step.service.is_empty() {
            self.sources.serve(&step.service);
            self.service = self.sources.service(&self.mint, seconds)?;
        }
        if let Some(configure) = &step.configure {
            let (plan, text) = (self.plan, &configure.configuration);
            let bytes = if self.decides() && !configure.refused {
                subject::reconfiguration(&plan.path, text, &plan.file.issuers, &plan.keys)
            } else {
                // What is to be refused is handed over as it stands.
                text.read(plan.path.parent().unwrap_or(Path::new("")))
            };
            let bytes = bytes.map_err(|message| format!("`configure`: {message}"))?;
            let taken = simulator(engine, "configure")?.host().reconfigure(bytes);
            match (taken, configure.refused) {
                (Ok(()), false) | (Err(_), true) => {}
                (Ok(()), true) => {
                    return Err("`configure`: expected the module to refuse it, it did not".to_owned());
                }
                (Err(error), false) => {
                    return Err(format!("`configure`: expected the module to accept it: {error}"));
                }
            }
        }
        if let Some(which) = step.restart {
            let host = simulator(engine, "restart")?.host();
            for worker in which.of(self.workers) {
                host.restart(worker).map_err(|error| format!("`restart`: {error}"))?;
            }
        }
        if let Some(trap) = &step.trap {
            let call = faults::host_call(&trap.call)?;
            simulator(engine, "trap")?.host().trap_at(trap.worker, call);
            self.vms.traps(trap.worker);
        }
        if let Some(Fail { call, nth, status, worker }) = &step.fail {
            let host = simulator(engine, "fail")?.host();
            let call: Option<HostCall> = call.as_deref().map(faults::host_call).transpose()?;
            match (call, nth) {
                (Some(call), _) => host.fail_at(*worker, call, *status),
                (None, Some(nth)) => host.fail_nth(*worker, *nth, *status),
                (None, None) => {}
            }
        }
        if let Some(which) = step.mend {
            let host = simulator(engine, "mend")?.host();
            for worker in which.of(self.workers) {
                let _ = host.mend(worker);
            }
        }
        Ok(())
    }
}
