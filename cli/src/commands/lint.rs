//! `countersign lint`: what is valid in a pack, and probably not meant.

use crate::configuration::{Configuration, load_pack};
use crate::console::{self, GOOD, HINT, count};
use crate::failure::{Exit, Failure};
use crate::findings::{self, Checked, Finding, Severity, write_data};
use crate::output::Format;
use countersign_compiler::lint::{LintOptions, lint};
use countersign_core::config::{AttributeSource, Attributes};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Find what is probably not meant in policy packs.
///
/// Policies that can never match or are covered by another, permits without conditions on what is sensitive, negative matches on
/// attributes that may be absent, forbids that can fail, decisions on what clients write freely, and what nothing uses. Each rule
/// is described in docs/policies.md. `@allow("rule")` on a policy, an entity type or an attribute silences one.
#[derive(clap::Args)]
pub(crate) struct Lint {
    /// Policy packs (folders).
    #[arg(required = true, value_name = "PACK")]
    packs: Vec<PathBuf>,
    /// End with 1 where there are findings as grave as this.
    #[arg(long, value_enum, value_name = "WHAT")]
    deny: Option<Deny>,
    /// The configuration that the packs run under: it says which attributes come from headers and queries.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// An entity type that is sensitive; may be repeated. The schema says it with `@sensitive`.
    #[arg(long, value_name = "TYPE")]
    sensitive: Vec<String>,
    /// How to print what is found.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Deny {
    /// Warnings.
    Warnings,
    /// Warnings and notes.
    Notes,
}

impl Lint {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let options = LintOptions {
            sensitive: self.sensitive.iter().cloned().collect(),
            unverified: self.config.as_deref().map(unverified).transpose()?.unwrap_or_default(),
        };
        let mut all = Vec::new();
        for path in &self.packs {
            let pack = load_pack(path)?;
            let found = lint(&pack, &options).map_err(|errors| findings::failure(&errors))?;
            let findings = found.iter().map(Finding::from).collect();
            all.push(Checked { path: path.display().to_string(), findings });
        }
        let mut out = console::stdout();
        match self.format {
            Format::Text => text(&mut out, &all)?,
            format => write_data(&mut out, format, &all)?,
        }
        out.flush()?;
        let denied = |finding: &Finding| match self.deny {
            None => false,
            Some(Deny::Warnings) => finding.severity >= Severity::Warning,
            Some(Deny::Notes) => true,
        };
        let denied = all.iter().flat_map(|checked| &checked.findings).any(denied);
        Ok(if denied { Exit::Finding } else { Exit::Good })
    }
}

fn text(out: &mut dyn Write, all: &[Checked]) -> Result<(), Failure> {
    for checked in all {
        for finding in &checked.findings {
            finding.write(out)?;
            writeln!(out)?;
        }
        let of = |severity| checked.findings.iter().filter(|finding| finding.severity == severity).count();
        let (warnings, notes) = (of(Severity::Warning), of(Severity::Note));
        let style = if warnings > 0 { HINT } else { GOOD };
        writeln!(
            out,
            "{style}{}{style:#}: {}, {}",
            checked.path,
            count(warnings, "warning", "warnings"),
            count(notes, "note", "notes")
        )?;
    }
    Ok(())
}

/// The attributes that a configuration takes from headers and queries.
fn unverified(path: &Path) -> Result<BTreeSet<String>, Failure> {
    let config = Configuration::load(path)?.config;
    let free = |attributes: &Attributes, owner: &str| -> Vec<String> {
        let from_client = |source: &AttributeSource| match source {
            AttributeSource::Header(_) | AttributeSource::Query(_) => true,
            AttributeSource::Claim(_)
            | AttributeSource::Path(_)
            | AttributeSource::Request(_)
            | AttributeSource::Workload(_)
            | AttributeSource::Value(_) => false,
        };
        let names = attributes.iter().filter(|(_, source)| from_client(source));
        names.map(|(name, _)| format!("{owner}.{name}")).collect()
    };
    let mut paths = free(&config.context, "context");
    for route in &config.routes {
        paths.extend(free(&route.context, "context"));
        if let Some(resource) = &route.resource {
            paths.extend(free(&resource.attributes, &resource.entity_type));
        }
    }
    Ok(paths.into_iter().collect())
}
