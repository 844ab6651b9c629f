//! Showing how scenarios ended.

use super::run::CaseResult;
use crate::commands::in_order;
use crate::console::{BAD, DIM, GOOD, HEADING, count};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Pretty,
    /// One JSON object.
    Json,
    /// JUnit's XML.
    Junit,
}

/// Shows the results, file by file.
pub(crate) fn show(
    out: &mut dyn Write,
    format: Format,
    files: &[(PathBuf, Vec<CaseResult>)],
) -> io::Result<()> {
    match format {
        Format::Pretty => pretty(out, files),
        Format::Json => writeln!(out, "{}", data(files)),
        Format::Junit => out.write_all(junit(files).as_bytes()),
    }
}

fn counts(files: &[(PathBuf, Vec<CaseResult>)]) -> (usize, usize) {
    let all = files.iter().flat_map(|(_, cases)| cases);
    let failed = all.clone().filter(|case| !case.failures.is_empty()).count();
    (all.count() - failed, failed)
}

fn pretty(out: &mut dyn Write, files: &[(PathBuf, Vec<CaseResult>)]) -> io::Result<()> {
    for (path, cases) in files.iter().filter(|(_, cases)| !cases.is_empty()) {
        writeln!(out, "{HEADING}{}{HEADING:#}", path.display())?;
        for case in cases {
            if case.failures.is_empty() {
                let last = case.records.last();
                let text = |name: &str| last.and_then(|record| record.get(name)).and_then(Value::as_str);
                let outcome = text("reason").or(text("decision")).unwrap_or_default();
                writeln!(out, "  {GOOD}pass{GOOD:#} {} {DIM}{outcome}{DIM:#}", case.name)?;
                continue;
            }
            writeln!(out, "  {BAD}FAIL{BAD:#} {}", case.name)?;
            for failure in &case.failures {
                writeln!(out, "       {failure}")?;
            }
            for record in &case.records {
                writeln!(out, "       {DIM}record: {}{DIM:#}", in_order(record))?;
            }
        }
    }
    let (passed, failed) = counts(files);
    let style = if failed > 0 { BAD } else { GOOD };
    writeln!(
        out,
        "{style}{passed} passed, {failed} failed{style:#} in {}",
        count(files.iter().filter(|(_, cases)| !cases.is_empty()).count(), "file", "files")
    )
}

fn data(files: &[(PathBuf, Vec<CaseResult>)]) -> Value {
    let (passed, failed) = counts(files);
    let cases: Vec<Value> = files
        .iter()
        .flat_map(|(path, cases)| cases.iter().map(move |case| (path, case)))
        .map(|(path, case)| {
            json!({
                "file": path.display().to_string(),
                "name": case.name,
                "ok": case.failures.is_empty(),
                "failures": case.failures,
                "records": case.records,
            })
        })
        .collect();
    json!({ "passed": passed, "failed": failed, "cases": cases })
}

fn junit(files: &[(PathBuf, Vec<CaseResult>)]) -> String {
    let (passed, failed) = counts(files);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{}\" failures=\"{failed}\">\n",
        passed + failed
    );
    for (path, cases) in files {
        let name = escape(&path.display().to_string());
        let failed = cases.iter().filter(|case| !case.failures.is_empty()).count();
        _ = writeln!(xml, "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{failed}\">", cases.len());
        for case in cases {
            _ = write!(xml, "    <testcase classname=\"{name}\" name=\"{}\"", escape(&case.name));
            if case.failures.is_empty() {
                xml.push_str("/>\n");
                continue;
            }
            let records: Vec<String> = case.records.iter().map(in_order).collect();
            let text = format!("{}\n{}", case.failures.join("\n"), records.join("\n"));
            let first = case.failures.first().map(String::as_str).unwrap_or_default();
            _ = writeln!(
                xml,
                "><failure message=\"{}\">{}</failure></testcase>",
                escape(first),
                escape(&text)
            );
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// Text for XML 1.0: marks escaped, characters that it cannot hold replaced.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(letter),
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => {
                escaped.push('\u{fffd}')
            }
            letter => escaped.push(letter),
        }
    }
    escaped
}
