//! An explanation for people.

use super::credentials::{Credentials, Parts};
use super::near::told;
use super::value::text;
use super::{Asked, Explanation, Finding, effect};
use crate::console::{BAD, DIM, GOOD, HEADING, HINT, count};
use countersign_core::policy::explain::Found;
use countersign_core::policy::{Effect, Record};
use serde_json::Value;
use std::io::{self, Write};

/// How many policies are shown that permit the same to somebody else, or on something else.
const MOST_SCOPES: usize = 8;

/// Tells the story of a decision; with `all`, also of policies that are about something else.
pub(crate) fn show(out: &mut dyn Write, explanation: &Explanation, all: bool) -> io::Result<()> {
    let member = |name: &str| explanation.record.get(name).and_then(Value::as_str);
    let line = |out: &mut dyn Write, name: &str, value: &str| {
        writeln!(out, "{HEADING}{name:<10}{HEADING:#} {value}")
    };
    line(out, "request", &format!("{} {}", member("method").unwrap_or("?"), member("path").unwrap_or("?")))?;
    line(out, "time", member("time").unwrap_or("?"))?;
    line(out, "route", member("route").unwrap_or("none"))?;
    match (member("workload"), member("peer")) {
        (None, Some(peer)) => line(out, "peer", peer)?,
        (workload, _) => line(out, "workload", workload.unwrap_or("none: no client certificate"))?,
    }
    credentials(out, &explanation.credentials)?;
    if let Some(asked) = &explanation.question {
        show_asked(out, asked, all)?;
    }
    match explanation.reason {
        None => line(out, "decision", &format!("{GOOD}allow{GOOD:#}"))?,
        Some(reason) => {
            let refused = format!(
                "{BAD}deny{BAD:#} {}: {} {DIM}({}){DIM:#}",
                reason.status(),
                reason.title(),
                reason.code()
            );
            line(out, "decision", &refused)?;
            line(out, "layer", reason.layer().as_str())?;
            if let Some(step_up) = &explanation.step_up {
                line(out, "login", &format!("{} by {}", step_up.demand, step_up.by.join(", ")))?;
                line(out, "challenge", &step_up.challenge)?;
            }
            writeln!(out, "{HINT}{:<10}{HINT:#} {}", "help", reason.help())?;
        }
    }
    line(out, "id", member("decision_id").unwrap_or("?"))
}

/// Tells what the policies were asked, and what they had to say.
pub(crate) fn show_asked(out: &mut dyn Write, asked: &Asked, all: bool) -> io::Result<()> {
    question(out, asked)?;
    policies(out, asked, all)
}

fn credentials(out: &mut dyn Write, brought: &Credentials) -> io::Result<()> {
    match &brought.token {
        None if brought.brought_key => writeln!(out, "{HEADING}{:<10}{HEADING:#} none", "token")?,
        None => writeln!(out, "{HEADING}{:<10}{HEADING:#} none that can be read", "token")?,
        Some(_) if brought.verified => writeln!(out, "{HEADING}{:<10}{HEADING:#} verified", "token")?,
        Some(_) => {
            let state = "not verified: what it claims is not to be trusted";
            writeln!(out, "{HEADING}{:<10}{HEADING:#} {state}", "token")?;
        }
    }
    parts(out, brought.token.as_ref())?;
    if brought.proof.is_some() {
        let state = if brought.proved { "accepted" } else { "not accepted" };
        writeln!(out, "{HEADING}{:<10}{HEADING:#} {state}", "proof")?;
        parts(out, brought.proof.as_ref())?;
    }
    if brought.brought_key {
        let name = brought.key.as_deref().unwrap_or("none that is known");
        writeln!(out, "{HEADING}{:<10}{HEADING:#} {name}", "api key")?;
    }
    Ok(())
}

/// The header and the claims of something signed, a member a line.
fn parts(out: &mut dyn Write, signed: Option<&Parts>) -> io::Result<()> {
    let Some((header, claims)) = signed else { return Ok(()) };
    for (kind, members) in [("header", header), ("claim", claims)] {
        for (name, value) in members.as_object().into_iter().flatten() {
            writeln!(out, "             {DIM}{kind}{DIM:#} {name}: {value}")?;
        }
    }
    Ok(())
}

fn question(out: &mut dyn Write, asked: &Asked) -> io::Result<()> {
    let parents: Vec<String> = asked.principal.parents.iter().map(ToString::to_string).collect();
    let within = if parents.is_empty() { String::new() } else { format!(" in {}", parents.join(", ")) };
    writeln!(out, "{HEADING}{:<10}{HEADING:#} {}{within}", "principal", asked.principal.uid)?;
    attributes(out, &asked.principal.attributes)?;
    writeln!(out, "{HEADING}{:<10}{HEADING:#} {}", "action", asked.action)?;
    writeln!(out, "{HEADING}{:<10}{HEADING:#} {}", "resource", asked.resource.uid)?;
    attributes(out, &asked.resource.attributes)?;
    writeln!(out, "{HEADING}{:<10}{HEADING:#}", "context")?;
    attributes(out, &asked.context)
}

fn attributes(out: &mut dyn Write, record: &Record) -> io::Result<()> {
    record.iter().try_for_each(|(name, value)| writeln!(out, "             {name}: {}", text(value)))
}

fn policies(out: &mut dyn Write, asked: &Asked, all: bool) -> io::Result<()> {
    writeln!(out, "{HEADING}policies{HEADING:#}")?;
    // What accounts for the decision comes first, the nearest before those that are for somebody or something else.
    let (relevant, rest): (Vec<&Finding>, Vec<&Finding>) =
        asked.findings.iter().partition(|finding| finding.relevant);
    let (scopes, near): (Vec<&Finding>, Vec<&Finding>) =
        relevant.into_iter().partition(|finding| finding.elsewhere());
    let (others, here): (Vec<&Finding>, Vec<&Finding>) =
        rest.into_iter().partition(|finding| finding.elsewhere());
    near.into_iter().try_for_each(|finding| policy(out, finding))?;
    let shown = if all { scopes.len() } else { MOST_SCOPES };
    scopes.iter().take(shown).try_for_each(|finding| policy(out, finding))?;
    match scopes.len().saturating_sub(shown) {
        0 => {}
        more => {
            let more = count(more, "policy more permits", "policies more permit");
            writeln!(
                out,
                "  {DIM}{more} this to another principal or on another resource (`--all` shows them){DIM:#}"
            )?;
        }
    }
    here.into_iter().try_for_each(|finding| policy(out, finding))?;
    if all {
        others.into_iter().try_for_each(|finding| policy(out, finding))
    } else if others.is_empty() {
        Ok(())
    } else {
        let count = count(others.len(), "policy is", "policies are");
        writeln!(
            out,
            "  {DIM}{count} about another principal, action or resource (`--all` shows them){DIM:#}"
        )
    }
}

fn policy(out: &mut dyn Write, finding: &Finding) -> io::Result<()> {
    let (mark, style) = match (&finding.result, finding.effect) {
        (Found::Satisfied, Effect::Permit) => ("permits", GOOD),
        (Found::Satisfied, Effect::Forbid) => ("forbids", BAD),
        (Found::Failed(..), _) => ("fails", BAD),
        (Found::ConditionFalse(_), _) => ("does not apply", DIM),
        (Found::OtherPrincipal(_), _) => ("another principal", DIM),
        (Found::OtherAction, _) => ("another action", DIM),
        (Found::OtherResource(_), _) => ("another resource", DIM),
    };
    let severity = finding.severity.as_ref().map_or_else(String::new, |severity| format!(" [{severity}]"));
    writeln!(
        out,
        "  {HEADING}{}{HEADING:#} {} {style}{mark}{style:#} {DIM}{}{DIM:#}{severity}",
        finding.policy,
        effect(finding.effect),
        finding.source,
    )?;
    if let Some(note) = &finding.note {
        writeln!(out, "      {note}")?;
    }
    let Some(condition) = finding.result.condition() else { return Ok(()) };
    let because = match &finding.result {
        Found::Failed(..) => "because this could not be evaluated",
        // An `unless` stands in the way where what it says is so.
        _ if condition.text.starts_with("unless ") => "because this is so",
        _ => "because this is not so",
    };
    let place = finding.place.map_or_else(String::new, |place| {
        format!(" {DIM}{}:{}:{}{DIM:#}", finding.source, place.line, place.column)
    });
    writeln!(out, "      {style}{because}{style:#}: {}{place}", condition.text)?;
    for seen in &condition.values {
        writeln!(out, "          {}", told(seen))?;
    }
    match finding.parts() {
        (_, Some(error)) => writeln!(out, "      {BAD}error{BAD:#} {error}"),
        (_, None) => Ok(()),
    }
}
