//! What the compiler finds, shown with the lines it is about.

use crate::failure::Failure;
use countersign_compiler::{CompileError, CompileErrors};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use serde_json::{Value, json};

/// All errors of a pack as one failure: the first in short, then each with its source.
pub(crate) fn failure(errors: &CompileErrors) -> Failure {
    let first = errors.0.first().map(ToString::to_string).unwrap_or_default();
    let more = match errors.0.len() {
        0 | 1 => String::new(),
        2 => String::from(" (and one more error)"),
        count => format!(" (and {} more errors)", count - 1),
    };
    let details: Vec<String> = errors.0.iter().map(report).collect();
    Failure::usage(format!("{first}{more}"))
        .details(details.join("\n"))
        .findings(errors.0.iter().map(|error| data(error, "error")).collect())
}

/// A finding with the lines it is about.
pub(crate) fn report(finding: &CompileError) -> String {
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode()).with_width(100);
    match handler.render_report(&mut text, finding as &dyn Diagnostic) {
        Ok(()) => text,
        Err(_) => finding.to_string(),
    }
}

/// A finding as data.
pub(crate) fn data(finding: &CompileError, severity: &str) -> Value {
    json!({
        "severity": severity,
        "source": finding.source,
        "line": finding.line,
        "column": finding.column,
        "message": finding.message,
        "help": finding.help,
    })
}
