//! Explaining the requests of one case.

use super::id;
use super::judge::{Judge, owned};
use crate::console::{self, BAD, GOOD, HEADING};
use crate::decider::Engines;
use crate::explanation::{Asked, ruling, ruling_words, show_asked};
use crate::failure::{Exit, Failure};
use crate::lines::Lines;
use countersign_compiler::cases::{Answer, Case, requests};
use countersign_core::policy::{Image, Outcome, Ruling, evaluate};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

/// Tells what each policy has to say to the requests on `line` of `file`, or to one of them.
pub(crate) fn explain(
    file: &Path,
    line: usize,
    item: Option<usize>,
    all: bool,
    as_json: bool,
) -> Result<Exit, Failure> {
    let (place, json) = case(file, line)?;
    let wrong = |message: String| Failure::at(&place, message);
    let case = Case::read(&json).map_err(|error| wrong(error.to_string()))?;
    let loaded = Judge::new(Engines::Native, None)?.load(case).map_err(wrong)?;
    let requests = requests(&json);
    if item.is_some_and(|item| item >= requests.len()) || requests.is_empty() {
        let wanted = item.map_or_else(|| "a request".to_owned(), |item| format!("a request {item}"));
        return Err(Failure::at(&place, format!("expected {wanted}, found {} of them", requests.len())));
    }
    let mut out = console::stdout();
    for (at, request) in requests.iter().enumerate().filter(|(at, _)| item.is_none_or(|item| item == *at)) {
        let place = format!("{place}: request {at}");
        let wrong = |message: String| Failure::at(&place, message);
        let request = loaded.case.request(request).map_err(|error| wrong(error.to_string()))?;
        // The principal and the resource come along, so that the explanation can show what is known of them.
        let mut owned = owned(&request).map_err(wrong)?;
        let brought = loaded.case.brought().unwrap_or_default();
        owned.entities =
            brought.into_iter().filter(|e| e.uid == owned.principal || e.uid == owned.resource).collect();
        let (asked, outcome) = owned.ask(|request| {
            (Asked::of(&loaded.image, &loaded.sources, request), evaluate(&loaded.image, request))
        });
        let answer = Answer::ours(&loaded.image, &outcome);
        if as_json {
            let head = json!({ "id": id(&json), "line": line, "request": at });
            writeln!(out, "{}", data(head, &answer, &outcome, &asked))?;
        } else {
            writeln!(out, "{HEADING}{:<10}{HEADING:#} {place}", "request")?;
            show(&mut out, &loaded.image, &outcome, &asked, all)?;
        }
    }
    out.flush()?;
    Ok(Exit::Good)
}

/// An explained answer as data, after the members of `head`.
pub(crate) fn data(mut head: Value, answer: &Answer, outcome: &Outcome, asked: &Asked) -> Value {
    head["decision"] = answer.decision().into();
    head["ruling"] = ruling(outcome.ruling()).into();
    head["reasons"] = json!(answer.reasons);
    head["errors"] = json!(answer.errors);
    head["question"] = asked.data();
    head
}

/// An explained answer for people: Cedar's decision, then what the gateway makes of it.
pub(crate) fn show(
    out: &mut dyn Write,
    image: &Image,
    outcome: &Outcome,
    asked: &Asked,
    all: bool,
) -> std::io::Result<()> {
    show_asked(out, asked, all)?;
    let line = |out: &mut dyn Write, name: &str, good: bool, text: &str| {
        let style = if good { GOOD } else { BAD };
        writeln!(out, "{HEADING}{name:<10}{HEADING:#} {style}{text}{style:#}")
    };
    let answer = Answer::ours(image, outcome);
    line(out, "decision", answer.allow, answer.decision())?;
    line(out, "ruling", outcome.ruling() == Ruling::Permitted, &ruling_words(image, outcome))
}

/// The case on a line.
fn case(file: &Path, wanted: usize) -> Result<(String, Value), Failure> {
    let mut lines = Lines::open(file)?;
    loop {
        let Some((number, text)) = lines.next()? else {
            return Err(Failure::at(file.display(), format!("expected a case on line {wanted}, found none")));
        };
        if number < wanted {
            continue;
        }
        let text = text.map(str::to_owned);
        let place = lines.place(number);
        let text = text.map_err(|bad| Failure::at(&place, bad))?;
        let json = super::read(&text).map_err(|error| Failure::at(&place, error))?;
        return Ok((place, json));
    }
}
