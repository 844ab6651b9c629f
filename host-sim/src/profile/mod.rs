//! Where hosts differ, one of them is copied. What each has and lacks is said here once: the simulator, what is told of a
//! module, and the page `docs/host-sim.md` read it from these tables.

mod properties;
mod tables;

use std::fmt;

use crate::abi::{Callback, HostCall};
use crate::module::AbiVersion;

/// Which gateway's behaviour is copied where they differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// Envoy with proxy-wasm-cpp-host.
    #[default]
    Envoy,
    /// Plugins of Google Cloud's Service Extensions.
    Gcp,
    /// Kong Gateway with `ngx_wasm_module`.
    Kong,
    /// The specification's wording.
    Spec,
}

/// What becomes of a call to a host function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It works.
    Works,
    /// It does nothing and returns status 12, unimplemented.
    Unimplemented,
    /// It traps.
    Traps,
    /// There is no such function: a module that imports it is not loaded.
    Missing,
}

/// What is known of a host.
pub(crate) struct Table {
    name: &'static str,
    title: &'static str,
    unimplemented: &'static [HostCall],
    trapping: &'static [HostCall],
    missing: &'static [HostCall],
    /// Callbacks that it never makes.
    silent: &'static [&'static str],
    foreign: &'static [&'static str],
    /// Bytes of memory that a VM may have.
    memory: usize,
    /// What else is worth knowing, for people.
    notes: &'static [&'static str],
    malloc_first: bool,
    log_before_done: bool,
    router_answers_for_failures: bool,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 4] = [Self::Envoy, Self::Gcp, Self::Kong, Self::Spec];

    fn table(self) -> &'static Table {
        match self {
            Self::Envoy => &tables::ENVOY,
            Self::Gcp => &tables::GCP,
            Self::Kong => &tables::KONG,
            Self::Spec => &tables::SPEC,
        }
    }

    /// Its name, as it is written in commands: `envoy`, `gcp`, `kong`, `spec`.
    pub fn name(self) -> &'static str {
        self.table().name
    }

    /// The host that it stands for.
    pub fn title(self) -> &'static str {
        self.table().title
    }

    /// What becomes of a call to a host function.
    pub fn support(self, call: HostCall) -> Support {
        let table = self.table();
        if table.missing.contains(&call) {
            Support::Missing
        } else if table.trapping.contains(&call) {
            Support::Traps
        } else if table.unimplemented.contains(&call) {
            Support::Unimplemented
        } else {
            Support::Works
        }
    }

    /// Whether the host ever makes a callback.
    pub fn makes(self, callback: &Callback) -> bool {
        !self.table().silent.contains(&callback.name)
    }

    /// The versions of the ABI whose modules it loads.
    pub fn abi_versions(self) -> &'static [AbiVersion] {
        &AbiVersion::ALL
    }

    /// The functions that it lends by name, `proxy_call_foreign_function`.
    pub fn foreign_functions(self) -> &'static [&'static str] {
        self.table().foreign
    }

    /// Bytes of memory that it lets a VM have.
    pub fn memory_bytes(self) -> usize {
        self.table().memory
    }

    /// What else is worth knowing before a module runs there.
    pub fn notes(self) -> &'static [&'static str] {
        self.table().notes
    }

    /// The properties that it has, as their paths are written with dots; `None` where it has all that Envoy has.
    pub fn properties(self) -> Option<&'static [&'static str]> {
        properties::listed(self)
    }

    /// Whether everything works, so that calls need not be looked up.
    pub(crate) fn is_whole(self) -> bool {
        let table = self.table();
        table.missing.is_empty() && table.trapping.is_empty() && table.unimplemented.is_empty()
    }

    /// Whether `malloc` is tried before `proxy_on_memory_allocate`.
    pub(crate) fn malloc_first(self) -> bool {
        self.table().malloc_first
    }

    /// Whether `proxy_on_log` comes before `proxy_on_done`: Envoy writes access logs ahead of destroying its filters.
    pub(crate) fn log_before_done(self) -> bool {
        self.table().log_before_done
    }

    /// Whether a call that timed out or could not connect is answered by a made-up response (504, 503), as Envoy's
    /// router does, instead of by nothing.
    pub(crate) fn router_answers_for_failures(self) -> bool {
        self.table().router_answers_for_failures
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
