//! What is found about policies and configurations, by the compiler or the linter, shown with the lines it is about.

use crate::console::{self, BAD, HINT};
use crate::failure::{Exit, Failure};
use crate::output::{Annotation, Case, Format, Suite, annotate};
use countersign_compiler::{CompileError, CompileErrors, lint};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::Path;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// Worth knowing.
    Note,
    /// Probably not what was meant.
    Warning,
    /// Wrong.
    Error,
}

impl Severity {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One finding.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// How grave it is.
    pub(crate) severity: Severity,
    /// The linter's rule.
    pub(crate) rule: Option<&'static str>,
    /// The policy it is about.
    pub(crate) policy: Option<String>,
    /// A path; empty where it has no place.
    source: String,
    start: (u32, u32),
    end: (u32, u32),
    message: String,
    help: Option<String>,
    /// The finding with its lines, for people.
    report: Option<String>,
}

/// What the linter found.
impl From<&lint::Finding> for Finding {
    fn from(found: &lint::Finding) -> Self {
        let severity = match found.rule.severity() {
            lint::Severity::Note => Severity::Note,
            lint::Severity::Warning => Severity::Warning,
        };
        Self {
            rule: Some(found.rule.name()),
            policy: found.policy.clone(),
            ..Self::new(severity, &found.what)
        }
    }
}

impl Finding {
    /// What the compiler or the linter found.
    pub(crate) fn new(severity: Severity, found: &CompileError) -> Self {
        Self {
            severity,
            rule: None,
            policy: found.policy.clone(),
            source: found.source.clone(),
            start: (found.line, found.column),
            end: found.end(),
            message: found.message.clone(),
            help: found.help.clone(),
            report: Some(report(found)),
        }
    }

    /// Something at a place such as `countersign.yaml:12:3`.
    pub(crate) fn at(place: &str, message: &str, help: Option<&str>) -> Self {
        let (source, start) = split_place(place);
        Self {
            severity: Severity::Error,
            rule: None,
            policy: None,
            source: source.to_owned(),
            start,
            end: start,
            message: message.to_owned(),
            help: help.map(str::to_owned),
            report: None,
        }
    }

    /// It as something worth knowing, and no more.
    pub(crate) fn noted(self) -> Self {
        Self { severity: Severity::Note, ..self }
    }

    /// What it says.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// `a.cedar:12:5: message`
    pub(crate) fn line(&self) -> String {
        let rule = self.rule.map_or_else(String::new, |rule| format!(" [{rule}]"));
        match (self.source.as_str(), self.start) {
            ("", _) => format!("{}{rule}", self.message),
            (source, (0, _)) => format!("{source}: {}{rule}", self.message),
            (source, (line, column)) => format!("{source}:{line}:{column}: {}{rule}", self.message),
        }
    }

    /// It as data.
    pub(crate) fn data(&self) -> Value {
        json!({
            "severity": self.severity.name(),
            "rule": self.rule,
            "policy": self.policy,
            "source": self.source,
            "line": self.start.0,
            "column": self.start.1,
            "end_line": self.end.0,
            "end_column": self.end.1,
            "message": self.message,
            "help": self.help,
        })
    }

    /// Writes it for people.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let style = if self.severity == Severity::Error { BAD } else { HINT };
        writeln!(out, "{style}{}{style:#}: {}", self.severity.name(), self.line())?;
        match (&self.report, &self.help) {
            (Some(report), _) if report.is_empty() => Ok(()),
            (Some(report), _) => writeln!(out, "{}", report.trim_end()),
            (None, Some(help)) => writeln!(out, "  {HINT}help{HINT:#}: {help}"),
            (None, None) => Ok(()),
        }
    }

    fn annotation(&self) -> String {
        let help = self.help.as_ref().map_or_else(String::new, |help| format!("\nhelp: {help}"));
        annotate(&Annotation {
            level: if self.severity == Severity::Note { "notice" } else { self.severity.name() },
            file: &self.source,
            start: self.start,
            end: self.end,
            title: self.rule.unwrap_or_default(),
            message: &format!("{}{help}", self.message),
        })
    }
}

/// The parts of a place such as `countersign.yaml:12:3`: file, then line and column, 0 where it has none.
pub(crate) fn split_place(place: &str) -> (&str, (u32, u32)) {
    let mut parts = place.rsplitn(3, ':');
    let (column, line) = (parts.next(), parts.next());
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<u32>().ok());
    match (parts.next(), number(line), number(column)) {
        (Some(source), Some(line), Some(column)) => (source, (line, column)),
        _ => (place, (0, 0)),
    }
}

/// What was found about one path.
pub(crate) struct Checked {
    /// The path.
    pub(crate) path: String,
    /// What was found.
    pub(crate) findings: Vec<Finding>,
    /// The rules that were tried: each is a case of JUnit's, whether anything was found or not.
    pub(crate) rules: Vec<&'static str>,
}

impl Checked {
    /// Whether nothing is an error.
    pub(crate) fn ok(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity < Severity::Error)
    }
}

/// Writes what was found, in any form but that for people. What is as grave as `least` counts as failed.
pub(crate) fn write_data(
    out: &mut dyn Write,
    format: Format,
    all: &[Checked],
    least: Severity,
) -> io::Result<()> {
    match format {
        Format::Text | Format::Json => all.iter().try_for_each(|checked| {
            let findings: Vec<Value> = checked.findings.iter().map(Finding::data).collect();
            writeln!(out, "{}", json!({ "path": checked.path, "ok": checked.ok(), "findings": findings }))
        }),
        Format::Github => {
            let mut findings = all.iter().flat_map(|checked| &checked.findings);
            findings.try_for_each(|finding| writeln!(out, "{}", finding.annotation()))
        }
        Format::Junit | Format::Tap => {
            let suites: Vec<Suite> = all.iter().map(|checked| suite(checked, least)).collect();
            out.write_all(format.suites(&suites).unwrap_or_default().as_bytes())
        }
    }
}

/// One case for each rule, and for each finding of none; a path without either is a case that passes. Names tell no lines, so that
/// they stay the same while a file grows.
fn suite(checked: &Checked, least: Severity) -> Suite {
    let mut cases = Vec::new();
    for rule in &checked.rules {
        let of: Vec<&Finding> =
            checked.findings.iter().filter(|finding| finding.rule == Some(rule)).collect();
        cases.push(case((*rule).to_owned(), &of, least));
    }
    for finding in checked.findings.iter().filter(|finding| finding.rule.is_none()) {
        let before = cases.iter().filter(|case| case.name.starts_with(&finding.message)).count();
        let again = if before > 0 { format!(" ({})", before + 1) } else { String::new() };
        cases.push(case(format!("{}{again}", finding.message), &[finding], least));
    }
    if cases.is_empty() {
        cases.push(Case::new(checked.path.clone(), None));
    }
    Suite { name: checked.path.clone(), cases }
}

fn case(name: String, findings: &[&Finding], least: Severity) -> Case {
    let told = |finding: &&Finding| {
        let help = finding.help.as_ref().map_or_else(String::new, |help| format!("\nhelp: {help}"));
        format!("{}: {}{help}", finding.severity.name(), finding.line())
    };
    let (failed, rest): (Vec<&Finding>, Vec<&Finding>) =
        findings.iter().partition(|finding| finding.severity >= least);
    let text = |findings: &[&Finding]| findings.iter().map(told).collect::<Vec<_>>().join("\n");
    let short = match failed.as_slice() {
        [] => None,
        [one] => Some(one.message.clone()),
        more => Some(format!("{} findings", more.len())),
    };
    Case { name, failure: short.map(|short| (short, text(&failed))), output: text(&rest) }
}

/// Has a failure told in the form that is wanted, as what was found about `path`.
pub(crate) fn told(format: Format, path: &Path, result: Result<Exit, Failure>) -> Result<Exit, Failure> {
    match result {
        Err(failure) if format != Format::Text => {
            let checked =
                Checked { path: path.display().to_string(), findings: failure.found(), rules: Vec::new() };
            let mut out = console::stdout();
            write_data(&mut out, format, &[checked], Severity::Error)?;
            out.flush()?;
            Ok(failure.exit())
        }
        result => result,
    }
}

/// All errors of a pack as one failure: each in a line, with its source.
pub(crate) fn failure(errors: &CompileErrors) -> Failure {
    let first = errors.0.first().map(ToString::to_string).unwrap_or_default();
    let more = match errors.0.len() {
        0 | 1 => String::new(),
        2 => String::from(" (and one more error)"),
        count => format!(" (and {} more errors)", count - 1),
    };
    let mut details = errors.0.first().map(report).unwrap_or_default();
    for error in errors.0.iter().skip(1) {
        details.push_str(&format!("\n{BAD}error{BAD:#}: {error}\n{}", report(error)));
    }
    Failure::usage(format!("{first}{more}"))
        .details(details)
        .findings(errors.0.iter().map(|error| Finding::new(Severity::Error, error)).collect())
}

/// The lines that a finding is about, and what to do about it.
pub(crate) fn report(finding: &CompileError) -> String {
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode()).with_width(100);
    match handler.render_report(&mut text, finding as &dyn Diagnostic) {
        // What is wrong stands in front already.
        Ok(()) => text.lines().skip_while(|line| !line.contains('╭') && !line.contains("help:")).fold(
            String::new(),
            |mut text, line| {
                text.push_str(line);
                text.push('\n');
                text
            },
        ),
        Err(_) => String::new(),
    }
}
