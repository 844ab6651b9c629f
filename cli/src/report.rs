//! Showing how tests ended: scenarios and tables of cases, file by file.

use crate::commands::in_order;
use crate::console::{BAD, DIM, GOOD, HEADING, count};
use crate::findings::split_place;
use crate::output::{self, Annotation, Format, Suite, annotate};
use crate::table::Coverage;
use serde_json::{Map, Value, json};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How a case ended.
#[derive(Default)]
pub(crate) struct CaseResult {
    /// The case's name.
    pub(crate) name: String,
    /// Where it stands: `file:line:column`.
    pub(crate) place: String,
    /// What is wrong, step by step; empty where all is well.
    pub(crate) failures: Vec<String>,
    /// What was near to the expected decision of a table's case that failed.
    pub(crate) near: Vec<String>,
    /// The decision records, of the first engine.
    pub(crate) records: Vec<Map<String, Value>>,
    /// What came of it, in a word, where no decision says it.
    pub(crate) outcome: Option<&'static str>,
    /// The request of a case that failed, defaults filled in.
    pub(crate) input: Option<Value>,
    /// Why its decision came about, as `explain` tells it.
    pub(crate) explanation: Option<String>,
    /// The command that runs it again; empty where there is none.
    pub(crate) again: String,
}

/// How the cases of one file ended.
pub(crate) struct FileResult {
    /// Its path.
    pub(crate) path: PathBuf,
    /// Where the randomness of its cases starts from, where there is any.
    pub(crate) seed: Option<u64>,
    /// The cases that ran.
    pub(crate) cases: Vec<CaseResult>,
}

/// How everything ended.
pub(crate) struct Report {
    /// File by file.
    pub(crate) files: Vec<FileResult>,
    /// What the tables of cases covered, pack by pack.
    pub(crate) coverage: Vec<Coverage>,
    /// Whether every policy's coverage is shown, or only what is missing.
    pub(crate) whole_coverage: bool,
    /// The share of every pack that must be covered, in percent.
    pub(crate) least: Option<u8>,
}

/// What is demanded of a run as a whole.
const AT_LEAST_ONE: &str = "expected at least one test, found none";

impl Report {
    /// Of the cases of one file.
    pub(crate) fn of(path: &Path, cases: Vec<CaseResult>) -> Self {
        let files = vec![FileResult { path: path.to_owned(), seed: None, cases }];
        Self { files, coverage: Vec::new(), whole_coverage: false, least: None }
    }

    /// All cases.
    pub(crate) fn cases(&self) -> impl Iterator<Item = &CaseResult> {
        self.files.iter().flat_map(|file| &file.cases)
    }

    /// What is wrong with the run as a whole: no test at all, or too little covered.
    pub(crate) fn shortfalls(&self) -> Vec<String> {
        if self.cases().next().is_none() {
            return vec![AT_LEAST_ONE.to_owned()];
        }
        self.short()
            .map(|(coverage, least)| format!("expected at least {least} %: {}", coverage.summary()))
            .collect()
    }

    /// Packs of which too little is covered, with the share that is demanded.
    fn short(&self) -> impl Iterator<Item = (&Coverage, u8)> {
        let least = self.least.into_iter();
        let pairs = least.flat_map(|least| self.coverage.iter().map(move |coverage| (coverage, least)));
        pairs.filter(|(coverage, least)| coverage.percent() < usize::from(*least))
    }

    /// How many passed and failed.
    fn counts(&self) -> (usize, usize) {
        let failed = self.cases().filter(|case| !case.failures.is_empty()).count();
        (self.cases().count() - failed, failed)
    }

    /// Shows it.
    pub(crate) fn show(&self, out: &mut dyn Write, format: Format) -> io::Result<()> {
        match format {
            Format::Text => self.text(out),
            Format::Json => writeln!(out, "{}", self.data()),
            Format::Junit | Format::Tap => {
                let mut suites: Vec<Suite> = self.files.iter().map(suite).collect();
                suites.extend(self.whole());
                out.write_all(format.suites(&suites).unwrap_or_default().as_bytes())
            }
            Format::Github => self.github(out),
        }
    }

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for file in self.files.iter().filter(|file| !file.cases.is_empty()) {
            let seed = file.seed.map(|seed| format!(" seed {seed}")).unwrap_or_default();
            writeln!(out, "{HEADING}{}{HEADING:#}{DIM}{seed}{DIM:#}", file.path.display())?;
            file.cases.iter().try_for_each(|case| case.text(out))?;
        }
        for coverage in &self.coverage {
            coverage.text(out, self.whole_coverage)?;
        }
        let (passed, failed) = self.counts();
        let style = if failed > 0 { BAD } else { GOOD };
        writeln!(
            out,
            "{style}{passed} passed, {failed} failed{style:#} in {}",
            count(self.files.iter().filter(|file| !file.cases.is_empty()).count(), "file", "files")
        )
    }

    fn data(&self) -> Value {
        let (passed, failed) = self.counts();
        let cases: Vec<Value> = self
            .files
            .iter()
            .flat_map(|file| file.cases.iter().map(move |case| (file, case)))
            .map(|(file, case)| {
                json!({
                    "file": file.path.display().to_string(),
                    "seed": file.seed,
                    "line": split_place(&case.place).1.0,
                    "name": case.name,
                    "ok": case.failures.is_empty(),
                    "failures": case.failures,
                    "near": case.near,
                    "records": case.records,
                    "input": case.input,
                    "explanation": case.explanation,
                    "again": case.again,
                })
            })
            .collect();
        let coverage: Vec<Value> = self.coverage.iter().map(Coverage::data).collect();
        json!({
            "ok": failed == 0 && self.shortfalls().is_empty(),
            "passed": passed,
            "failed": failed,
            "shortfalls": self.shortfalls(),
            "coverage_min": self.least,
            "cases": cases,
            "coverage": coverage,
        })
    }

    /// What is demanded of the run as a whole, as suites of their own.
    fn whole(&self) -> Vec<Suite> {
        if self.cases().next().is_none() {
            let failure = Some((AT_LEAST_ONE.to_owned(), AT_LEAST_ONE.to_owned()));
            let cases = vec![output::Case::new("at least one test", failure)];
            return vec![Suite { name: String::from("countersign test"), cases }];
        }
        let demanded =
            self.least.into_iter().flat_map(|least| self.coverage.iter().map(move |one| (one, least)));
        demanded
            .map(|(coverage, least)| {
                let failure = (coverage.percent() < usize::from(least)).then(|| {
                    let short = format!("expected at least {least} %: {}", coverage.summary());
                    let gaps: Vec<String> = coverage.gaps().iter().map(ToString::to_string).collect();
                    (short, gaps.join("\n"))
                });
                let name = coverage.pack().display().to_string();
                Suite { name, cases: vec![output::Case::new("coverage", failure)] }
            })
            .collect()
    }

    fn github(&self, out: &mut dyn Write) -> io::Result<()> {
        for case in self.cases() {
            if case.failures.is_empty() {
                continue;
            }
            let (file, start) = split_place(&case.place);
            let message = case.wrong().join("\n");
            let annotation =
                Annotation { level: "error", file, start, end: start, title: &case.name, message: &message };
            writeln!(out, "{}", annotate(&annotation))?;
        }
        for message in self.shortfalls() {
            let annotation = Annotation { level: "error", message: &message, ..Annotation::default() };
            writeln!(out, "{}", annotate(&annotation))?;
        }
        for (coverage, _) in self.short() {
            for gap in coverage.gaps() {
                let file = coverage.file(&gap);
                let annotation = Annotation {
                    level: "warning",
                    file: &file,
                    start: (gap.line, 0),
                    title: "coverage",
                    message: &gap.what,
                    ..Annotation::default()
                };
                writeln!(out, "{}", annotate(&annotation))?;
            }
        }
        let (passed, failed) = self.counts();
        let covered = self.coverage.iter().map(|coverage| format!("; {}", coverage.summary()));
        let message = format!("{passed} passed, {failed} failed{}", covered.collect::<String>());
        writeln!(
            out,
            "{}",
            annotate(&Annotation { level: "notice", message: &message, ..Annotation::default() })
        )
    }
}

impl CaseResult {
    /// What is wrong, then why it may be.
    fn wrong(&self) -> Vec<String> {
        let near = self.near.iter().map(|near| format!("not so: {near}"));
        self.failures.iter().cloned().chain(near).collect()
    }

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.failures.is_empty() {
            let last = self.records.last();
            let text = |name: &str| last.and_then(|record| record.get(name)).and_then(Value::as_str);
            let outcome = text("reason").or(text("decision")).or(self.outcome).unwrap_or_default();
            return writeln!(out, "  {GOOD}pass{GOOD:#} {} {DIM}{outcome}{DIM:#}", self.name);
        }
        writeln!(out, "  {BAD}FAIL{BAD:#} {} {DIM}{}{DIM:#}", self.name, self.place)?;
        for line in self.wrong().iter().flat_map(|wrong| wrong.lines()) {
            writeln!(out, "       {line}")?;
        }
        for record in &self.records {
            writeln!(out, "       {DIM}record: {}{DIM:#}", in_order(record))?;
        }
        if let Some(input) = &self.input {
            writeln!(out, "       {DIM}input:  {input}{DIM:#}")?;
        }
        for line in self.explanation.iter().flat_map(|text| text.lines()) {
            writeln!(out, "       {DIM}| {line}{DIM:#}")?;
        }
        if !self.again.is_empty() {
            writeln!(out, "       again:  {}", self.again)?;
        }
        Ok(())
    }
}

fn suite(file: &FileResult) -> Suite {
    let case = |case: &CaseResult| {
        let records: Vec<String> = case.records.iter().map(in_order).collect();
        let mut text = format!("{}\n{}\n{}", case.place, case.wrong().join("\n"), records.join("\n"));
        text.extend(case.input.iter().map(|input| format!("\ninput: {input}")));
        text.extend(case.explanation.iter().map(|told| format!("\n{told}")));
        if !case.again.is_empty() {
            text.push_str(&format!("\nagain: {}", case.again));
        }
        let first_line = |failure: &String| failure.lines().next().unwrap_or_default().to_owned();
        let failure = case.failures.first().map(|first| (first_line(first), text));
        output::Case::new(case.name.clone(), failure)
    };
    Suite { name: file.path.display().to_string(), cases: file.cases.iter().map(case).collect() }
}
