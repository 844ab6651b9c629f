//! `countersign lint`: what is valid in a pack, and probably not meant.

use crate::configuration::{Configuration, load_pack};
use crate::console::{self, GOOD, HINT, count};
use crate::failure::{Exit, Failure};
use crate::findings::{self, Checked, Finding, Severity, write_data};
use crate::output::Format;
use crate::paths;
use crate::watch;
use countersign_compiler::Pack;
use countersign_compiler::lint::{LintOptions, Rule, entity_types, lint};
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
    /// Run again whenever something that was read has changed, until interrupted.
    #[arg(long)]
    watch: bool,
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
        let path = self.packs.first().cloned().unwrap_or_default();
        let run = || findings::told(self.format, &path, self.lint());
        if self.watch { watch::run(run) } else { run() }
    }

    fn lint(&self) -> Result<Exit, Failure> {
        let options = LintOptions {
            sensitive: self.sensitive.iter().cloned().collect(),
            unverified: self.config.as_deref().map(unverified).transpose()?.unwrap_or_default(),
        };
        let read = |path: &PathBuf| paths::expect_pack(path).and_then(|()| load_pack(path));
        let packs: Vec<_> = self.packs.iter().map(|path| (path, read(path))).collect();
        self.known(packs.iter().filter_map(|(_, pack)| pack.as_ref().ok()))?;
        let mut out = console::stdout();
        let mut exit = Exit::Good;
        let mut all = Vec::new();
        for (path, pack) in packs {
            let path = path.display().to_string();
            let mut checked = Checked { path, findings: Vec::new(), rules: Vec::new() };
            let found =
                pack.and_then(|pack| lint(&pack, &options).map_err(|errors| findings::failure(&errors)));
            match found {
                Ok(found) => {
                    checked.findings = found.iter().map(Finding::from).collect();
                    checked.rules = Rule::ALL.iter().map(|rule| rule.name()).collect();
                    if self.format == Format::Text {
                        text(&mut out, &checked)?;
                    }
                }
                Err(failure) => {
                    exit = exit.max(failure.exit());
                    checked.findings = failure.found();
                    if self.format == Format::Text {
                        out.flush()?;
                        failure.print();
                    }
                }
            }
            all.push(checked);
        }
        let least = match self.deny {
            None => Severity::Error,
            Some(Deny::Warnings) => Severity::Warning,
            Some(Deny::Notes) => Severity::Note,
        };
        if self.format != Format::Text {
            write_data(&mut out, self.format, &all, least)?;
        }
        out.flush()?;
        let denied = all.iter().flat_map(|checked| &checked.findings).any(|found| found.severity >= least);
        Ok(if denied { exit.max(Exit::Finding) } else { exit })
    }

    /// Refuses a sensitive type that no pack's schema has: misspelt, it would find nothing.
    fn known<'p>(&self, packs: impl Iterator<Item = &'p Pack>) -> Result<(), Failure> {
        if self.sensitive.is_empty() {
            return Ok(());
        }
        let mut types = BTreeSet::new();
        for pack in packs {
            match entity_types(pack) {
                Ok(more) => types.extend(more),
                // What is wrong with it is said in its turn.
                Err(_) => return Ok(()),
            }
        }
        let Some(strange) = self.sensitive.iter().find(|name| !types.contains(*name)) else { return Ok(()) };
        let near = countersign_compiler::nearest(strange, types.iter().map(String::as_str));
        let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        Err(Failure::usage(format!("`--sensitive {strange}`: expected an entity type of the schema{near}")))
    }
}

fn text(out: &mut dyn Write, checked: &Checked) -> Result<(), Failure> {
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
    Ok(())
}

/// The attributes that a configuration takes from headers and queries.
fn unverified(path: &Path) -> Result<BTreeSet<String>, Failure> {
    let config = Configuration::load(path)?.config;
    let free = |attributes: &Attributes, owner: &str| -> Vec<String> {
        let from_client = |source: &AttributeSource| match source {
            AttributeSource::Header(_) | AttributeSource::Query(_) => true,
            AttributeSource::Claim(_)
            | AttributeSource::Token(_)
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
