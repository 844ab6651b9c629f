//! Explaining the requests of one case.

use super::id;
use super::judge::{Judge, owned};
use crate::console::{self, BAD, GOOD, HEADING};
use crate::decider::Engines;
use crate::explanation::{Asked, show_asked};
use crate::failure::{Exit, Failure};
use crate::lines::Lines;
use countersign_compiler::cases::{Case, answer, requests};
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
        let asked = owned.ask(|request| Asked::of(&loaded.image, request));
        let answer = answer::ours(&loaded.image, &owned);
        if as_json {
            writeln!(
                out,
                "{}",
                json!({
                    "id": id(&json), "line": line, "request": at, "decision": answer.decision(),
                    "reasons": answer.reasons, "errors": answer.errors, "question": asked.data(),
                })
            )?;
        } else {
            writeln!(out, "{HEADING}{:<10}{HEADING:#} {place}", "request")?;
            show_asked(&mut out, &asked, all)?;
            let style = if answer.allow { GOOD } else { BAD };
            writeln!(out, "{HEADING}{:<10}{HEADING:#} {style}{}{style:#}", "decision", answer.decision())?;
        }
    }
    out.flush()?;
    Ok(Exit::Good)
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
        let json = serde_json::from_str(&text).map_err(|error| Failure::at(&place, error))?;
        return Ok((place, json));
    }
}
