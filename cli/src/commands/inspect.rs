//! `countersign inspect`: what is in a policy image, or in a WebAssembly module.

mod module;

use crate::console::{self, DIM, HEADING, count};
use crate::failure::{Exit, Failure};
use crate::findings;
use crate::images;
use crate::output::TextOrJson;
use crate::paths;
use crate::plugin::ProfileName;
use countersign_core::policy::image::{Layout, is_action};
use countersign_core::policy::{Effect, Image, ImageError, Policy};
use countersign_host_sim::{InspectError, Inspection};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;

use module::Module;

/// Show what is in a policy image, or in a WebAssembly module.
///
/// Of an image: versions, digest, sections, what the schema declares, and every policy with its effect, scope and place in the
/// sources. An image that was altered or cut short, or comes from a newer version, is refused with the reason.
///
/// Of a module, in binary or text form: the version of the proxy-wasm ABI, language and tools, size, memory, what it imports and
/// exports, which hosts can run it, and what it would miss there. Nothing of it is run.
#[derive(clap::Args)]
pub(crate) struct Inspect {
    /// A policy image, as `countersign compile` writes it, or a WebAssembly module.
    #[arg(value_name = "FILE")]
    image: PathBuf,
    /// Look at a module for this host alone; exit with 1 where it can't run there.
    #[arg(long, value_name = "HOST", value_enum)]
    host: Option<ProfileName>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    format: TextOrJson,
}

/// An image with all that is shown of it.
struct Shown {
    image: Image,
    layout: Layout,
    bytes: usize,
}

impl Inspect {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        findings::told(self.format.into(), &self.image, self.show())
    }

    fn show(&self) -> Result<Exit, Failure> {
        let expected = "a policy image or a WebAssembly module";
        paths::expect(&self.image, expected)?;
        let bytes = images::read(&self.image)?;
        if Inspection::looks_like_wasm(&bytes) {
            return self.show_module(&bytes);
        }
        if self.host.is_some() {
            let message = "expected a WebAssembly module for `--host`, found something else";
            return Err(Failure::at(self.image.display(), message));
        }
        let layout = Layout::read(&bytes);
        // What is text, an archive or nothing at all was never an image, and compiling policies makes none of it.
        if let (Err(ImageError::NotAnImage), Some(found)) = (&layout, Inspection::found_instead(&bytes)) {
            return Err(Failure::at(self.image.display(), format!("expected {expected}, found {found}")));
        }
        let image = images::decode(&self.image, &bytes)?;
        let layout = layout.map_err(|error| Failure::at(self.image.display(), error))?;
        let shown = Shown { image, layout, bytes: bytes.len() };
        let mut out = console::stdout();
        match self.format {
            TextOrJson::Text => shown.text(&mut out)?,
            TextOrJson::Json => writeln!(out, "{:#}", shown.data())?,
        }
        out.flush()?;
        Ok(Exit::Good)
    }

    fn show_module(&self, bytes: &[u8]) -> Result<Exit, Failure> {
        let wrong =
            |error: InspectError| Failure::at(self.image.display(), console::shown(&error.to_string()));
        let read = Inspection::read(bytes).map_err(wrong)?;
        let module = Module::new(read, self.host.map(Into::into));
        let mut out = console::stdout();
        match self.format {
            TextOrJson::Text => module.text(&self.image, &mut out)?,
            TextOrJson::Json => writeln!(out, "{:#}", module.data())?,
        }
        out.flush()?;
        Ok(if self.host.is_none() || module.runs() { Exit::Good } else { Exit::Finding })
    }
}

impl Shown {
    /// Bytes of the whole image for each policy, rounded up.
    fn bytes_per_policy(&self) -> usize {
        self.bytes.div_ceil(self.image.policy_count().max(1))
    }

    fn counts(&self) -> [(&'static str, usize); 5] {
        let schema = self.image.schema();
        let policies = self.image.policies();
        let forbids = policies.filter(|policy| policy.effect() == Effect::Forbid).count();
        [
            ("permit policies", self.image.policy_count() - forbids),
            ("forbid policies", forbids),
            ("static entities", self.image.entities().filter(|(ty, _)| !is_action(ty)).count()),
            ("actions", schema.actions().count()),
            ("entity types", schema.entity_types().count()),
        ]
    }

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let (major, minor) = self.layout.language;
        writeln!(out, "{HEADING}image{HEADING:#}      {}", images::digest(&self.image))?;
        writeln!(out, "{HEADING}format{HEADING:#}     {}", self.layout.format)?;
        writeln!(out, "{HEADING}language{HEADING:#}   Cedar {major}.{minor}")?;
        writeln!(
            out,
            "{HEADING}size{HEADING:#}       {} bytes, {} a policy",
            self.bytes,
            self.bytes_per_policy()
        )?;
        let sources: Vec<&str> = self.image.sources().collect();
        writeln!(out, "{HEADING}sources{HEADING:#}    {}", sources.join(", "))?;
        writeln!(out, "\n{HEADING}contents{HEADING:#}")?;
        for (name, number) in self.counts() {
            writeln!(out, "  {name:<16} {number:>7}")?;
        }
        writeln!(out, "\n{HEADING}sections{HEADING:#}          bytes")?;
        writeln!(out, "  {:<16} {:>7}", "header", self.layout.header)?;
        for (section, bytes) in &self.layout.sections {
            writeln!(out, "  {:<16} {bytes:>7}", section.name())?;
        }
        writeln!(out, "\n{HEADING}policies{HEADING:#}")?;
        for policy in self.image.policies() {
            let (effect, place) = (effect(&policy), place(&policy));
            let [principal, action, resource] = policy.scope();
            writeln!(out, "  {effect} {HEADING}{}{HEADING:#} {DIM}{place}{DIM:#}", policy.id())?;
            let conditions = match policy.conditions() {
                0 => String::from("no conditions"),
                number => count(number, "condition", "conditions"),
            };
            writeln!(out, "    ({principal}, {action}, {resource}) {DIM}{conditions}{DIM:#}")?;
        }
        Ok(())
    }

    fn data(&self) -> Value {
        let schema = self.image.schema();
        let sections: Vec<Value> = self
            .layout
            .sections
            .iter()
            .map(|(section, bytes)| json!({ "name": section.name(), "bytes": bytes }))
            .collect();
        let counts = self.counts().into_iter();
        let counts = counts.map(|(name, number)| (name.replace(' ', "_"), number.into()));
        json!({
            "digest": images::digest(&self.image),
            "format": self.layout.format,
            "language": format!("{}.{}", self.layout.language.0, self.layout.language.1),
            "bytes": self.bytes,
            "bytes_per_policy": self.bytes_per_policy(),
            "header_bytes": self.layout.header,
            "sections": sections,
            "counts": counts.collect::<serde_json::Map<_, _>>(),
            "sources": self.image.sources().collect::<Vec<_>>(),
            "actions": schema.actions().map(|action| format!("{}::{:?}", action.ty(), action.id())).collect::<Vec<_>>(),
            "entity_types": schema.entity_types().map(|ty| ty.name()).collect::<Vec<_>>(),
            "policies": self.image.policies().map(|policy| data(&policy)).collect::<Vec<_>>(),
        })
    }
}

fn effect(policy: &Policy<'_>) -> &'static str {
    match policy.effect() {
        Effect::Permit => "permit",
        Effect::Forbid => "forbid",
    }
}

fn place(policy: &Policy<'_>) -> String {
    let span = policy.span();
    format!("{}:{}:{}", policy.source(), span.line, span.column)
}

fn data(policy: &Policy<'_>) -> Value {
    let span = policy.span();
    let [principal, action, resource] = policy.scope();
    let annotations = policy.annotations().map(|(name, text)| (name.to_owned(), text.into()));
    json!({
        "id": policy.id(),
        "effect": effect(policy),
        "scope": { "principal": principal, "action": action, "resource": resource },
        "conditions": policy.conditions(),
        "annotations": annotations.collect::<serde_json::Map<_, _>>(),
        "source": policy.source(),
        "line": span.line,
        "column": span.column,
        "offset": span.offset,
        "length": span.len,
    })
}
