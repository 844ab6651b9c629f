//! `countersign fmt`: policies and schemas in the official layout.

use crate::console::{self, BAD, DIM, GOOD, HINT};
use crate::failure::{Exit, Failure};
use crate::findings::{self, Checked, Finding, Severity, write_data};
use crate::output::Format;
use crate::paths;
use countersign_compiler::{Source, format_policies, format_schema};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Lay out policies and schemas as the official formatter does.
///
/// Comments stay. Schemas that hold comments are left as they are, since the official crate would drop them. A file is written
/// only where it changes.
#[derive(clap::Args)]
pub(crate) struct Fmt {
    /// Files named `*.cedar` or `*.cedarschema`, and packs (folders).
    #[arg(required = true, value_name = "FILE | PACK")]
    paths: Vec<PathBuf>,
    /// Write nothing; list the files that would change, and end with 1 where there are any.
    #[arg(long)]
    check: bool,
    /// How to print what is found.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Fmt {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let path = self.paths.first().cloned().unwrap_or_default();
        findings::told(self.format, &path, self.lay_out())
    }

    fn lay_out(&self) -> Result<Exit, Failure> {
        let mut out = console::stdout();
        let text = self.format == Format::Text;
        let mut all = Vec::new();
        let mut changed = 0;
        let mut exit = Exit::Good;
        for path in files(&self.paths)? {
            let place = path.display().to_string();
            let mut found = Vec::new();
            match formatted(&path) {
                Ok(Formatted::Text { before, after }) if before != after => {
                    changed += 1;
                    found.extend(self.different(&path, &place, after)?);
                }
                Ok(Formatted::Text { .. }) => {}
                Ok(Formatted::Left) => {
                    let why = "left as it is: the official formatter would drop its comments";
                    found.push(Finding::at(&place, why, None).noted());
                }
                Err(failure) => {
                    exit = exit.max(failure.exit());
                    if text {
                        out.flush()?;
                        failure.print();
                    } else {
                        found.extend(failure.found());
                    }
                }
            }
            if text {
                found.iter().try_for_each(|finding| line(&mut out, finding, &place))?;
            }
            all.push(Checked { path: place, findings: found, rules: Vec::new() });
        }
        if self.check && changed > 0 {
            if text {
                writeln!(out, "{DIM}run `countersign fmt` without `--check` to change them{DIM:#}")?;
            }
            exit = exit.max(Exit::Finding);
        }
        if !text {
            write_data(&mut out, self.format, &all, Severity::Error)?;
        }
        out.flush()?;
        Ok(exit)
    }

    /// Tells of a file that is laid out otherwise, or writes it.
    fn different(&self, path: &Path, place: &str, after: String) -> Result<Option<Finding>, Failure> {
        if self.check {
            return Ok(Some(Finding::at(place, WOULD_CHANGE, Some("run `countersign fmt`"))));
        }
        fs::write(path, after).map_err(|error| {
            Failure::at(path.display(), format!("expected a file that can be written: {error}"))
        })?;
        Ok(Some(Finding::at(place, FORMATTED, None).noted()))
    }
}

/// What is said of a file that `--check` finds.
const WOULD_CHANGE: &str = "expected the official layout";
/// What is said of a file that is written.
const FORMATTED: &str = "formatted";

fn line(out: &mut dyn Write, finding: &Finding, place: &str) -> std::io::Result<()> {
    match finding.message() {
        WOULD_CHANGE => writeln!(out, "{BAD}would change{BAD:#} {place}"),
        FORMATTED => writeln!(out, "{GOOD}formatted{GOOD:#} {place}"),
        why => writeln!(out, "{HINT}note{HINT:#}: {place}: {why}"),
    }
}

/// What a file becomes.
enum Formatted {
    Text {
        before: String,
        after: String,
    },
    /// It can't be laid out without loss.
    Left,
}

fn formatted(path: &Path) -> Result<Formatted, Failure> {
    let before = fs::read_to_string(path)
        .map_err(|error| Failure::at(path.display(), format!("expected a readable text file: {error}")))?;
    let source = Source::new(path.display().to_string(), before.as_str());
    let after = match kind(path) {
        Some(Kind::Policies) => Some(format_policies(&source)),
        Some(Kind::Schema) => format_schema(&source).transpose(),
        None => {
            return Err(Failure::at(path.display(), "expected a file named `*.cedar` or `*.cedarschema`"));
        }
    };
    match after.transpose().map_err(|errors| findings::failure(&errors))? {
        Some(after) => Ok(Formatted::Text { before, after }),
        None => Ok(Formatted::Left),
    }
}

enum Kind {
    Policies,
    Schema,
}

fn kind(path: &Path) -> Option<Kind> {
    match path.extension()?.to_str()? {
        "cedar" => Some(Kind::Policies),
        "cedarschema" => Some(Kind::Schema),
        _ => None,
    }
}

/// The files named, and those of the folders named.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            if !path.exists() {
                paths::expect(path, "policies, a schema or a pack (folder)")?;
            }
            files.push(path.clone());
            continue;
        }
        let unreadable =
            |error| Failure::at(path.display(), format!("expected a folder that can be read: {error}"));
        let mut inside = Vec::new();
        for entry in fs::read_dir(path).map_err(unreadable)? {
            inside.push(entry.map_err(unreadable)?.path());
        }
        inside.retain(|path| path.is_file() && kind(path).is_some());
        if inside.is_empty() {
            return Err(Failure::at(path.display(), "expected files named `*.cedar` or `*.cedarschema`"));
        }
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}
