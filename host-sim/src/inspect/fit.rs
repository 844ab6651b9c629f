//! Which hosts can run a module, and what it would miss there.

use super::{Inspection, Kind};
use crate::abi::{self, Callback, HostCall};
use crate::module::AbiVersion;
use crate::profile::{Profile, Support};

/// How a module fits a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fit {
    /// The host.
    pub profile: Profile,
    /// Why the host would not run it; none where it would.
    pub refusals: Vec<String>,
    /// What it asks for and would not get, though it runs.
    pub misses: Vec<String>,
}

impl Fit {
    /// Whether the host runs it.
    pub fn runs(&self) -> bool {
        self.refusals.is_empty()
    }
}

impl Inspection {
    /// How the module fits a host.
    pub fn fit(&self, profile: Profile) -> Fit {
        let mut fit = Fit { profile, refusals: Vec::new(), misses: Vec::new() };
        let Some(abi) = self.version(&mut fit) else { return fit };
        self.needs(&mut fit);
        self.imports_fit(&mut fit, abi);
        self.callbacks_fit(&mut fit, abi);
        fit
    }

    /// The version that hosts take it for: the first marker counts.
    fn version(&self, fit: &mut Fit) -> Option<AbiVersion> {
        let markers = AbiVersion::ALL.map(marker).join("`, `");
        let version = match (self.abi.as_slice(), self.unknown_markers.as_slice()) {
            ([], []) => {
                fit.refusals.push(format!("it is not a proxy-wasm module: expected an export `{markers}`"));
                return None;
            }
            ([], unknown) => {
                let found = unknown.join("`, `");
                fit.refusals.push(format!("expected an export `{markers}`, found `{found}`"));
                return None;
            }
            ([first, ..], _) => *first,
        };
        if !fit.profile.abi_versions().contains(&version) {
            fit.refusals.push(format!("it was built for the ABI {version}, which is not supported"));
            return None;
        }
        Some(version)
    }

    /// The exports that hosts cannot do without, and its memory.
    fn needs(&self, fit: &mut Fit) {
        if self.memory.is_none() {
            fit.refusals.push("it has no memory".to_owned());
        }
        if self.memory.is_some_and(|memory| memory.imported && memory.shared) {
            fit.refusals.push("it imports a shared memory, and hosts make plain ones".to_owned());
        }
        let allocators = ["proxy_on_memory_allocate", "malloc"];
        if allocators.iter().all(|name| self.function(name).is_none()) {
            let expected = allocators.join("` or `");
            fit.refusals.push(format!("it exports no allocator: expected `{expected}`"));
        }
        for name in allocators {
            if let Some((params, results)) = self.function(name)
                && (params != ["i32"] || results != ["i32"])
            {
                let found = Kind::Function(params.to_vec(), results.to_vec());
                fit.refusals.push(format!("it exports `{name}` as {found}, expected (i32) -> i32"));
            }
        }
        let limit = fit.profile.memory_bytes() as u64;
        if let Some(memory) = self.memory.filter(|memory| memory.initial > limit) {
            fit.refusals.push(format!(
                "it begins with {} of memory, and may have {}",
                mebibytes(memory.initial),
                mebibytes(limit)
            ));
        }
    }

    fn imports_fit(&self, fit: &mut Fit, abi: AbiVersion) {
        for import in &self.imports {
            let (module, name) = (&import.module, &import.name);
            let (params, results) = match &import.kind {
                Kind::Function(params, results) => (params, results),
                // Hosts make what they are asked for.
                Kind::Memory | Kind::Table => continue,
                kind => {
                    let message = format!("it imports the {kind} `{module}.{name}`, which hosts do not have");
                    fit.refusals.push(message);
                    continue;
                }
            };
            let Some((of, result)) = abi::signature(module, name, abi) else {
                let since = match HostCall::named(module, name) {
                    Some(_) => format!("in the ABI {abi}"),
                    None => "in any version of the ABI".to_owned(),
                };
                fit.refusals.push(format!("it imports `{module}.{name}`, which is not there {since}"));
                continue;
            };
            let call = HostCall::named(module, name);
            let expected = Kind::Function(
                of.iter().map(ToString::to_string).collect(),
                result.iter().map(ToString::to_string).collect(),
            );
            if expected != Kind::Function(params.clone(), results.clone()) {
                let found = &import.kind;
                fit.refusals.push(format!("it imports `{module}.{name}` as {found}, expected {expected}"));
                continue;
            }
            match call.map_or(Support::Works, |call| fit.profile.support(call)) {
                Support::Works => {}
                Support::Unimplemented => {
                    fit.misses.push(format!("`{name}` does nothing and returns 12 (unimplemented)"));
                }
                Support::Traps => fit.misses.push(format!("`{name}` traps")),
                Support::Missing => {
                    fit.refusals.push(format!("it imports `{module}.{name}`, which this host does not have"));
                }
            }
        }
    }

    fn callbacks_fit(&self, fit: &mut Fit, abi: AbiVersion) {
        for callback in Callback::ALL {
            let Some((params, results)) = self.function(callback.name) else { continue };
            if !fit.profile.makes(callback) {
                fit.misses.push(format!("`{}` is never called", callback.name));
                continue;
            }
            let expected = callback.params_in(abi);
            let same =
                |found: &[String], count: usize| found.len() == count && found.iter().all(|t| t == "i32");
            if !same(params, expected) || !same(results, usize::from(callback.result)) {
                let found = Kind::Function(params.to_vec(), results.to_vec());
                let of = |count: usize| vec!["i32".to_owned(); count];
                let expected = Kind::Function(of(expected), of(usize::from(callback.result)));
                fit.refusals.push(format!("it exports `{}` as {found}, expected {expected}", callback.name));
            }
        }
    }
}

fn marker(version: AbiVersion) -> &'static str {
    AbiVersion::MARKERS.iter().find(|(of, _)| *of == version).map_or("", |(_, marker)| marker)
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
