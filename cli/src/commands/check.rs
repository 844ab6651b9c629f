//! `countersign check`: is this configuration, or this pack, good?

use crate::configuration::{Configuration, compile_pack};
use crate::console::{self, DIM, GOOD, HINT};
use crate::failure::{Exit, Failure};
use crate::findings;
use countersign_compiler::Warning;
use countersign_core::policy::Image;
use serde_json::json;
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
}

#[derive(Clone, Copy, Default, PartialEq, clap::ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Pretty,
    /// One JSON object for each path.
    Json,
}

/// What a good path holds, in short, and what the compiler noticed.
struct Good {
    summary: String,
    warnings: Vec<Warning>,
}

impl Check {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let mut exit = Exit::Good;
        for path in &self.paths {
            let found = match check(path) {
                Ok(good) if self.deny_warnings && !good.warnings.is_empty() => {
                    self.show(path, Ok(&good))?;
                    Exit::Finding
                }
                Ok(good) => {
                    self.show(path, Ok(&good))?;
                    Exit::Good
                }
                Err(failure) => {
                    self.show(path, Err(&failure))?;
                    failure.exit()
                }
            };
            exit = exit.max(found);
        }
        Ok(exit)
    }

    fn show(&self, path: &Path, result: Result<&Good, &Failure>) -> Result<(), Failure> {
        let mut out = console::stdout();
        if self.format == Format::Json {
            let found = match result {
                Ok(good) => good.warnings.iter().map(|warning| findings::data(warning, "warning")).collect(),
                Err(failure) => failure.data(),
            };
            writeln!(
                out,
                "{}",
                json!({ "path": path.display().to_string(), "ok": result.is_ok(), "findings": found })
            )?;
            return Ok(out.flush()?);
        }
        match result {
            Ok(good) => {
                for warning in &good.warnings {
                    writeln!(out, "{HINT}warning{HINT:#}: {warning}\n\n{}", findings::report(warning))?;
                }
                writeln!(out, "{GOOD}ok{GOOD:#} {} {DIM}({}){DIM:#}", path.display(), good.summary)?;
            }
            Err(failure) => failure.print(),
        }
        Ok(out.flush()?)
    }
}

fn check(path: &Path) -> Result<Good, Failure> {
    if path.is_dir() {
        let compiled = compile_pack(path)?;
        let image = Image::decode(&compiled.image)
            .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
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
