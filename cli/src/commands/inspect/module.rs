//! What is shown of a WebAssembly module: where it comes from, what it imports and exports, and which hosts can run it.

use crate::console::{BAD, DIM, GOOD, HEADING, count, shown};
use countersign_host_sim::{Callback, Fit, HostCall, Inspection, Kind, Profile};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::Path;

/// Names of a family, in the module's order.
type Families<'a> = Vec<(&'static str, Vec<&'a str>)>;

/// A module with what is shown of it.
pub(super) struct Module {
    module: Inspection,
    fits: Vec<Fit>,
}

impl Module {
    /// How a module fits each host, or the one that is asked about.
    pub(super) fn new(module: Inspection, host: Option<Profile>) -> Self {
        let hosts = host.map_or_else(|| Profile::ALL.to_vec(), |host| vec![host]);
        let fits = hosts.into_iter().map(|host| module.fit(host)).collect();
        Self { module, fits }
    }

    /// Whether every host that is shown can run it.
    pub(super) fn runs(&self) -> bool {
        self.fits.iter().all(Fit::runs)
    }

    /// Shows it. Its names are anybody's texts: each stands in its line.
    pub(super) fn text(&self, path: &Path, out: &mut dyn Write) -> io::Result<()> {
        let module = &self.module;
        let mut line =
            |name: &str, text: &str| writeln!(out, "{HEADING}{name:<9}{HEADING:#} {}", shown(text));
        let name = module.name.as_ref().map_or_else(String::new, |name| format!(", named `{name}`"));
        line("module", &format!("{}{name}", path.display()))?;
        line("abi", &self.abi())?;
        line("origin", &self.origin())?;
        line(
            "size",
            &format!(
                "{} bytes: {} of code in {}, {} of data",
                module.bytes,
                module.code_bytes,
                count(module.functions, "function", "functions"),
                module.data_bytes
            ),
        )?;
        line("memory", &self.memory())?;
        line("starts by", &self.start())?;
        let wasi = names(self.wasi());
        line("wasi", if wasi.is_empty() { "none" } else { &wasi })?;
        self.hosts(out)?;
        for (heading, families) in [("imports", self.imports()), ("callbacks", self.callbacks())] {
            writeln!(out, "\n{HEADING}{heading}{HEADING:#}")?;
            if families.is_empty() {
                writeln!(out, "  none")?;
            }
            for (family, names) in families {
                writeln!(out, "  {family:<22} {}", shown(&names.join(", ")))?;
            }
        }
        let others = self.other_exports();
        if !others.is_empty() {
            writeln!(out, "\n{HEADING}other exports{HEADING:#}\n  {}", shown(&others.join(", ")))?;
        }
        Ok(())
    }

    fn hosts(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "\n{HEADING}hosts{HEADING:#}")?;
        for fit in &self.fits {
            let verdict = match (fit.runs(), fit.misses.len()) {
                (false, _) => format!("{BAD}does not run{BAD:#}"),
                (true, 0) => format!("{GOOD}runs{GOOD:#}"),
                (true, misses) => format!("{GOOD}runs{GOOD:#}, without {}", count(misses, "thing", "things")),
            };
            writeln!(out, "  {:<6} {verdict} {DIM}({}){DIM:#}", fit.profile.name(), fit.profile.title())?;
            for reason in fit.refusals.iter().chain(fit.misses.iter().filter(|_| fit.runs())) {
                writeln!(out, "         {}", shown(&reason.to_string()))?;
            }
        }
        Ok(())
    }

    fn abi(&self) -> String {
        let known = self.module.abi.iter().map(ToString::to_string);
        let all: Vec<String> = known.chain(self.module.unknown_markers.iter().cloned()).collect();
        if all.is_empty() { "none: not a proxy-wasm module".to_owned() } else { all.join(", ") }
    }

    fn origin(&self) -> String {
        let origin = &self.module.origin;
        let guess = match (&origin.language, origin.sdk) {
            (Some(language), Some(sdk)) => format!("{language}, probably by {sdk}"),
            (Some(language), None) => language.clone(),
            (None, _) => "not said".to_owned(),
        };
        if origin.tools.is_empty() { guess } else { format!("{guess}; {}", origin.tools.join(", ")) }
    }

    fn memory(&self) -> String {
        let Some(memory) = self.module.memory else { return "none".to_owned() };
        let own = match (memory.imported, memory.shared) {
            (true, true) => ", imported, shared",
            (true, false) => ", imported",
            (false, true) => ", shared",
            (false, false) => "",
        };
        match memory.maximum {
            Some(maximum) => format!("{} at first, {} at most{own}", kib(memory.initial), kib(maximum)),
            None => format!("{} at first, as much as the host gives{own}", kib(memory.initial)),
        }
    }

    fn start(&self) -> String {
        let exported = ["_initialize", "_start"].into_iter().find(|name| self.has(name));
        match (self.module.start, exported) {
            (true, Some(name)) => format!("a start function, then `{name}`"),
            (true, None) => "a start function".to_owned(),
            (false, Some(name)) => format!("`{name}`"),
            (false, None) => "nothing".to_owned(),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.module.exports.iter().any(|export| export.name == name)
    }

    fn wasi(&self) -> impl Iterator<Item = &str> {
        let imports = self.module.imports.iter().filter(|import| import.module.starts_with("wasi_"));
        imports.map(|import| import.name.as_str())
    }

    fn imports(&self) -> Families<'_> {
        grouped(
            self.module
                .imports
                .iter()
                .map(|import| (import_family(&import.module, &import.name), &*import.name)),
        )
    }

    fn callbacks(&self) -> Families<'_> {
        let exports = self.module.exports.iter();
        grouped(exports.filter_map(|e| Some((Callback::named(&e.name)?.family, &*e.name))))
    }

    fn other_exports(&self) -> Vec<&str> {
        let exports = self.module.exports.iter().map(|export| export.name.as_str());
        exports.filter(|name| Callback::named(name).is_none()).collect()
    }

    pub(super) fn data(&self) -> Value {
        let module = &self.module;
        let memory = module.memory.map(|memory| {
            json!({
                "initial": memory.initial,
                "maximum": memory.maximum,
                "imported": memory.imported,
                "shared": memory.shared,
            })
        });
        let imports = module.imports.iter().map(|import| {
            let family = import_family(&import.module, &import.name);
            json!({ "module": import.module, "name": import.name, "family": family, "type": kind(&import.kind) })
        });
        let exports = module.exports.iter().map(|export| {
            let family = Callback::named(&export.name).map(|callback| callback.family);
            json!({ "name": export.name, "family": family, "type": kind(&export.kind) })
        });
        let hosts = self.fits.iter().map(|fit| {
            json!({
                "host": fit.profile.name(),
                "title": fit.profile.title(),
                "runs": fit.runs(),
                "refusals": fit.refusals,
                "misses": fit.misses,
                "notes": fit.profile.notes(),
            })
        });
        let custom = module.custom.iter().map(|(name, bytes)| json!({ "name": name, "bytes": bytes }));
        json!({
            "bytes": module.bytes,
            "name": module.name,
            "abi": module.abi.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "unknown_markers": module.unknown_markers,
            "origin": {
                "language": module.origin.language,
                "sdk": module.origin.sdk,
                "tools": module.origin.tools,
            },
            "functions": module.functions,
            "code_bytes": module.code_bytes,
            "data_bytes": module.data_bytes,
            "memory": memory,
            "start": module.start,
            "wasi": self.wasi().collect::<Vec<_>>(),
            "custom": custom.collect::<Vec<_>>(),
            "hosts": hosts.collect::<Vec<_>>(),
            "imports": imports.collect::<Vec<_>>(),
            "exports": exports.collect::<Vec<_>>(),
        })
    }
}

/// What an import is about, where any host knows it.
fn import_family(module: &str, name: &str) -> &'static str {
    match HostCall::named(module, name) {
        Some(call) => call.family(),
        None if module.starts_with("wasi_") => "WASI",
        None => "not of the ABI",
    }
}

/// Families in the order of their first members.
fn grouped<'a>(members: impl Iterator<Item = (&'static str, &'a str)>) -> Families<'a> {
    let mut families: Families<'a> = Vec::new();
    for (family, name) in members {
        match families.iter_mut().find(|(known, _)| *known == family) {
            Some((_, names)) => names.push(name),
            None => families.push((family, vec![name])),
        }
    }
    families
}

fn kind(kind: &Kind) -> String {
    kind.to_string()
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn kib(bytes: u64) -> String {
    format!("{} KiB", bytes / 1024)
}
