//! `countersign check`: is this configuration, or this pack, good?

use crate::configuration::{Configuration, compile_pack};
use crate::console::{self, DIM, GOOD};
use crate::failure::{Exit, Failure};
use crate::findings::{Checked, Finding, Severity, write_data};
use crate::images;
use crate::output::Format;
use crate::paths;
use crate::watch;
use countersign_compiler::Warning;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Check configurations and policy packs.
///
/// A file is read as a configuration, with the policies that it names; a folder is read as a policy pack. Policies are parsed and
/// strictly validated against their schema. Ends with 2 where anything is wrong.
#[derive(clap::Args)]
pub(crate) struct Check {
    /// Configurations (YAML or JSON) and policy packs (folders).
    #[arg(required = true, value_name = "CONFIG | PACK")]
    paths: Vec<PathBuf>,
    /// End with 1 where there are warnings.
    #[arg(long)]
    deny_warnings: bool,
    /// How to print what is found.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Run again whenever something that was read has changed, until interrupted.
    #[arg(long)]
    watch: bool,
}

/// What a good path holds, in short, and what the compiler noticed.
struct Good {
    summary: String,
    warnings: Vec<Warning>,
}

impl Check {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        if self.watch { watch::run(|| self.check()) } else { self.check() }
    }

    fn check(&self) -> Result<Exit, Failure> {
        let mut exit = Exit::Good;
        let mut all = Vec::new();
        let mut out = console::stdout();
        for path in &self.paths {
            let result = check(path);
            exit = exit.max(match &result {
                Ok(good) if self.deny_warnings && !good.warnings.is_empty() => Exit::Finding,
                Ok(_) => Exit::Good,
                Err(failure) => failure.exit(),
            });
            if self.format == Format::Text {
                show(&mut out, path, &result)?;
                continue;
            }
            let warning = |warning: &Warning| Finding::new(Severity::Warning, warning);
            let findings = match result {
                Ok(good) => good.warnings.iter().map(warning).collect(),
                Err(failure) => failure.found(),
            };
            all.push(Checked { path: path.display().to_string(), findings, rules: Vec::new() });
        }
        if self.format != Format::Text {
            let least = if self.deny_warnings { Severity::Warning } else { Severity::Error };
            write_data(&mut out, self.format, &all, least)?;
        }
        out.flush()?;
        Ok(exit)
    }
}

fn show(out: &mut dyn Write, path: &Path, result: &Result<Good, Failure>) -> Result<(), Failure> {
    match result {
        Ok(good) => {
            for warning in &good.warnings {
                Finding::new(Severity::Warning, warning).write(out)?;
            }
            writeln!(out, "{GOOD}ok{GOOD:#} {} {DIM}({}){DIM:#}", path.display(), good.summary)?;
        }
        Err(failure) => {
            out.flush()?;
            failure.print();
        }
    }
    Ok(())
}

fn check(path: &Path) -> Result<Good, Failure> {
    paths::expect(path, "a configuration (YAML or JSON) or a pack (folder)")?;
    if path.is_dir() {
        let compiled = compile_pack(path)?;
        let image = images::decode(path, &compiled.image)?;
        let summary = format!(
            "{}, {} bytes",
            console::count(image.policy_count(), "policy", "policies"),
            compiled.image.len()
        );
        return Ok(Good { summary, warnings: compiled.warnings });
    }
    let configuration = Configuration::load(path)?;
    let settings = &configuration.settings;
    let summary = format!(
        "{}, {}, {}, image {}",
        console::count(settings.issuers.len(), "issuer", "issuers"),
        console::count(settings.routes.len(), "route", "routes"),
        console::count(settings.image.policy_count(), "policy", "policies"),
        settings.image_digest.get(..19).unwrap_or(&settings.image_digest),
    );
    Ok(Good { summary, warnings: configuration.warnings })
}
