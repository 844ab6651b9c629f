//! Deciding the requests of cases, one JSON object a line.

use super::id;
use super::judge::{Judge, Judged, Loaded};
use crate::console::{self, BAD, DIM, GOOD, count};
use crate::decider::Engines;
use crate::failure::{Exit, Failure};
use crate::lines::Lines;
use crate::output::Format;
use crate::report::{CaseResult, Report};
use countersign_compiler::cases::{Answer, Case, requests};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

/// Decides every request of every case in `file`.
pub(crate) fn eval(
    file: &Path,
    engines: Engines,
    module: Option<&Path>,
    format: Format,
) -> Result<Exit, Failure> {
    let mut lines = Lines::open(file)?;
    let mut run = Run {
        judge: Judge::new(engines, module)?,
        out: console::stdout(),
        format,
        exit: Exit::Good,
        tally: Tally::default(),
        results: Vec::new(),
    };
    while let Some((number, text)) = lines.next()? {
        let case = match text {
            Ok(text) => super::read(text),
            Err(bad) => Err(bad.to_string()),
        };
        let place = lines.place(number);
        match case {
            Ok(case) => run.case(&place, number, &case)?,
            Err(message) => run.bad(&place, json!({ "line": number }), &message)?,
        }
    }
    if matches!(format, Format::Junit | Format::Github | Format::Tap) && !run.results.is_empty() {
        Report::of(file, std::mem::take(&mut run.results)).show(&mut run.out, format)?;
    }
    run.out.flush()?;
    if run.tally.requests == 0 && run.exit == Exit::Good {
        return Err(Failure::finding(format!(
            "{}: expected a case with requests, found none",
            file.display()
        )));
    }
    anstream::eprintln!("{}", run.tally.summary());
    Ok(run.exit)
}

#[derive(Default)]
struct Tally {
    cases: usize,
    requests: usize,
    agree: usize,
    disagree: usize,
    bad: usize,
}

impl Tally {
    fn summary(&self) -> String {
        let asked = count(self.requests, "request", "requests");
        let cases = count(self.cases, "case", "cases");
        let unstated = self.requests - self.agree - self.disagree;
        let (agree, disagree, bad) = (self.agree, self.disagree, self.bad);
        let style = if disagree + bad > 0 { BAD } else { GOOD };
        let mut text = format!("{asked} of {cases}: {style}{agree} as expected, {disagree} not{style:#}");
        if unstated > 0 {
            text.push_str(&format!(", {unstated} without expectation"));
        }
        if bad > 0 {
            text.push_str(&format!("; {BAD}{}{BAD:#}", count(bad, "could not be read", "could not be read")));
        }
        text
    }
}

struct Run<W: Write> {
    judge: Judge,
    out: W,
    format: Format,
    exit: Exit,
    tally: Tally,
    /// What came of each request, for reports that are written at the end.
    results: Vec<CaseResult>,
}

impl<W: Write> Run<W> {
    fn case(&mut self, place: &str, number: usize, json: &Value) -> Result<(), Failure> {
        let name = json!({ "id": id(json), "line": number });
        let loaded = match Case::read(json)
            .map_err(|error| error.to_string())
            .and_then(|case| self.judge.load(case))
        {
            Ok(loaded) => loaded,
            Err(message) => return self.bad(place, name, &message),
        };
        for note in &loaded.case.notes {
            self.remark(place, note)?;
        }
        if requests(json).is_empty() {
            return self.bad(place, name, "`requests`: expected at least one request, found none");
        }
        self.tally.cases += 1;
        for (at, request) in requests(json).iter().enumerate() {
            self.request(&format!("{place}: request {at}"), &loaded, name.clone(), at, request)?;
        }
        Ok(())
    }

    fn request(
        &mut self,
        place: &str,
        loaded: &Loaded,
        mut name: Value,
        at: usize,
        json: &Value,
    ) -> Result<(), Failure> {
        name["request"] = at.into();
        let request = match loaded.case.request(json) {
            Ok(request) => request,
            Err(error) => return self.bad(place, name, &error.to_string()),
        };
        for note in &request.notes {
            self.remark(place, note)?;
        }
        let Judged { answer, module } = match self.judge.ask(loaded, &request) {
            Ok(judged) => judged,
            Err(message) => return self.bad(place, name, &message),
        };
        self.tally.requests += 1;
        let agrees = request.expected.as_ref().map(|expected| *expected == answer);
        match agrees {
            Some(true) => self.tally.agree += 1,
            Some(false) => self.tally.disagree += 1,
            None => {}
        }
        self.print(&name, &answer, request.expected.as_ref(), agrees)?;
        let mut failures = Vec::new();
        if let Some(module) = &module {
            failures.push(format!(
                "the engines differ: natively {}, in wasm {}",
                written(&answer),
                written(module)
            ));
        }
        if let (Some(false), Some(expected)) = (agrees, &request.expected) {
            failures.push(format!("expected {}, found {}", written(expected), written(&answer)));
        }
        self.note(&name, place, failures);
        if let Some(module) = module {
            let told = format!("natively {}\nin wasm  {}", written(&answer), written(&module));
            self.complain(Exit::Finding, place, "expected the same of both engines, they differ", &told)?;
        }
        if let (Some(false), Some(expected)) = (agrees, &request.expected) {
            let told = format!("expected {}\nfound    {}", written(expected), written(&answer));
            self.complain(Exit::Finding, place, "the answer is not the expected one", &told)?;
        }
        Ok(())
    }

    fn print(
        &mut self,
        name: &Value,
        answer: &Answer,
        expected: Option<&Answer>,
        agrees: Option<bool>,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Json => {
                let data = |answer: &Answer| {
                    format!(
                        "\"decision\":\"{}\",\"reasons\":{},\"errors\":{}",
                        answer.decision(),
                        json!(answer.reasons),
                        json!(answer.errors)
                    )
                };
                write!(
                    self.out,
                    "{{\"id\":{},\"line\":{},\"request\":{},{}",
                    name["id"],
                    name["line"],
                    name["request"],
                    data(answer)
                )?;
                if let Some(agrees) = agrees {
                    write!(self.out, ",\"agrees\":{agrees}")?;
                }
                if let (Some(false), Some(expected)) = (agrees, expected) {
                    write!(self.out, ",\"expected\":{{{}}}", data(expected))?;
                }
                writeln!(self.out, "}}")?;
            }
            Format::Text => {
                let (mark, style) = match agrees {
                    Some(true) => ("ok  ", GOOD),
                    Some(false) => ("FAIL", BAD),
                    None => ("    ", DIM),
                };
                let id = name["id"].as_str().map_or_else(|| name["line"].to_string(), str::to_owned);
                writeln!(self.out, "{style}{mark}{style:#} {id} {}  {}", name["request"], written(answer))?;
            }
            Format::Junit | Format::Github | Format::Tap => {}
        }
        Ok(())
    }

    /// Keeps what came of a request for the report at the end.
    fn note(&mut self, name: &Value, place: &str, failures: Vec<String>) {
        if matches!(self.format, Format::Json | Format::Text) {
            return;
        }
        let id = name["id"].as_str().map_or_else(|| format!("line {}", name["line"]), str::to_owned);
        let request = name["request"].as_u64().map_or_else(String::new, |at| format!(" request {at}"));
        let line = place.split(": ").next().unwrap_or_default();
        self.results.push(CaseResult {
            name: format!("{id}{request}"),
            place: format!("{line}:1"),
            failures,
            near: Vec::new(),
            records: Vec::new(),
            ..CaseResult::default()
        });
    }

    /// A case or a request that can't be read.
    fn bad(&mut self, place: &str, mut name: Value, message: &str) -> Result<(), Failure> {
        self.tally.bad += 1;
        let first = message.lines().next().unwrap_or_default();
        name["error"] = message.into();
        match self.format {
            Format::Json => writeln!(self.out, "{name}")?,
            Format::Text => writeln!(self.out, "{BAD}bad {BAD:#} {place}  {first}")?,
            Format::Junit | Format::Github | Format::Tap => self.note(&name, place, vec![message.to_owned()]),
        }
        let rest = message.strip_prefix(first).unwrap_or_default().trim().to_owned();
        self.complain(Exit::Usage, place, first, &rest)
    }

    fn remark(&mut self, place: &str, note: &str) -> Result<(), Failure> {
        self.out.flush()?;
        anstream::eprintln!("note: {place}: {note}");
        Ok(())
    }

    /// Says on standard error what is wrong, after what went to standard output before it.
    fn complain(&mut self, exit: Exit, place: &str, message: &str, details: &str) -> Result<(), Failure> {
        self.exit = self.exit.max(exit);
        self.out.flush()?;
        anstream::eprintln!("{BAD}error{BAD:#}: {place}: {message}");
        for line in details.lines() {
            anstream::eprintln!("  {line}");
        }
        Ok(())
    }
}

/// An answer in words.
fn written(answer: &Answer) -> String {
    let names =
        |names: &std::collections::BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    let mut text = answer.decision().to_owned();
    if !answer.reasons.is_empty() {
        text.push_str(&format!(" by {}", names(&answer.reasons)));
    }
    if !answer.errors.is_empty() {
        text.push_str(&format!("; errors in {}", names(&answer.errors)));
    }
    text
}
