//! What tables cover: every policy satisfied at least once, and every condition both true and false.

use crate::console::{BAD, DIM, GOOD, HEADING};
use crate::sources::{Sources, Written};
use countersign_compiler::Place;
use countersign_core::policy::evaluate::coverage::{Condition, conditions, reach};
use countersign_core::policy::{Image, Policy, Request};
use serde_json::{Value, json};
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// How many gaps are shown, unless all are wanted.
const SHOWN: usize = 20;

/// What was covered of one pack.
pub(crate) struct Coverage {
    pack: PathBuf,
    image: Rc<Image>,
    sources: Rc<Sources>,
    policies: Vec<Covered>,
}

/// What was covered of one policy.
struct Covered {
    conditions: Vec<Condition>,
    /// How often each condition was true and false, and failed.
    seen: Vec<Seen>,
    in_scope: usize,
    satisfied: usize,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    yes: usize,
    no: usize,
    failed: usize,
}

impl Seen {
    /// Of the two ways that there are.
    fn ways(self) -> usize {
        usize::from(self.yes > 0) + usize::from(self.no > 0)
    }
}

/// Something that no case covers.
pub(crate) struct Gap {
    /// The source, as the image names it.
    source: String,
    /// Its line, from 1.
    pub(crate) line: u32,
    /// Its column, from 1; 0 where the line alone is known.
    pub(crate) column: u32,
    /// The policy and what is missing, in words.
    pub(crate) what: String,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            0 => write!(f, "{}:{} {}", self.source, self.line, self.what),
            column => write!(f, "{}:{}:{column} {}", self.source, self.line, self.what),
        }
    }
}

impl Coverage {
    /// Of a pack that nothing has covered yet.
    pub(crate) fn new(pack: PathBuf, image: Rc<Image>, sources: Rc<Sources>) -> Self {
        let covered = |(index, _)| {
            let conditions = conditions(&image, index);
            let seen = vec![Seen::default(); conditions.len()];
            Covered { conditions, seen, in_scope: 0, satisfied: 0 }
        };
        let policies = (0..).zip(image.policies()).map(covered).collect();
        Self { pack, image, sources, policies }
    }

    /// Which pack it is about.
    pub(crate) fn pack(&self) -> &PathBuf {
        &self.pack
    }

    /// Notes what a request covers.
    pub(crate) fn note(&mut self, request: &Request<'_>) {
        for (index, policy) in (0..).zip(&mut self.policies) {
            let reached = reach(&self.image, request, index, &policy.conditions);
            policy.in_scope += usize::from(reached.in_scope);
            policy.satisfied += usize::from(reached.satisfied);
            for (seen, result) in policy.seen.iter_mut().zip(reached.conditions) {
                match result {
                    Some(Ok(true)) => seen.yes += 1,
                    Some(Ok(false)) => seen.no += 1,
                    Some(Err(_)) => seen.failed += 1,
                    None => {}
                }
            }
        }
    }

    /// Policies satisfied, and all of them.
    fn policy_counts(&self) -> (usize, usize) {
        (self.policies.iter().filter(|policy| policy.satisfied > 0).count(), self.policies.len())
    }

    /// Ways that conditions went, and all of them: two each.
    fn condition_counts(&self) -> (usize, usize) {
        let seen = self.policies.iter().flat_map(|policy| &policy.seen);
        (seen.clone().map(|seen| seen.ways()).sum(), seen.count() * 2)
    }

    /// The smaller of the two percentages, rounded down.
    pub(crate) fn percent(&self) -> usize {
        percent(self.policy_counts()).min(percent(self.condition_counts()))
    }

    /// In one line.
    pub(crate) fn summary(&self) -> String {
        let (policies, conditions) = (self.policy_counts(), self.condition_counts());
        format!(
            "coverage of {}: policies {}/{} ({} %), conditions both ways {}/{} ({} %)",
            self.pack.display(),
            policies.0,
            policies.1,
            percent(policies),
            conditions.0,
            conditions.1,
            percent(conditions),
        )
    }

    fn pairs(&self) -> impl Iterator<Item = (Policy<'_>, &Covered)> {
        self.image.policies().zip(&self.policies)
    }

    /// The path of the file that a gap is in.
    pub(crate) fn file(&self, gap: &Gap) -> String {
        let folder = if self.pack.is_dir() { self.pack.as_path() } else { Path::new("") };
        folder.join(&gap.source).display().to_string()
    }

    /// What is missing.
    pub(crate) fn gaps(&self) -> Vec<Gap> {
        let mut gaps = Vec::new();
        for (policy, covered) in self.pairs() {
            let span = policy.span();
            let gap = |what: String| Gap {
                source: policy.source().to_owned(),
                line: span.line,
                column: 0,
                what: format!("{}: {what}", policy.id()),
            };
            match covered {
                Covered { in_scope: 0, .. } => {
                    gaps.push(gap(String::from("no case is in its scope")));
                    continue;
                }
                Covered { satisfied: 0, .. } => gaps.push(gap(String::from("never satisfied"))),
                Covered { .. } => {}
            }
            for (condition, seen) in covered.conditions.iter().zip(&covered.seen) {
                let written = self.sources.written(policy, condition.offset, condition.len);
                let (at, clause) = match written {
                    Some(Written { place: Place { line, column }, text }) => {
                        (Gap { line, column, ..gap(String::new()) }, text)
                    }
                    None => (gap(String::new()), condition.text.clone()),
                };
                // The image may have it in another form than its author: `x > 1` is the negation of `x <= 1`.
                let clause =
                    if clause.contains(&condition.text) { String::new() } else { format!(", in: {clause}") };
                let never = match (seen.yes, seen.no, seen.failed) {
                    (0, 0, 0) => "never evaluated",
                    (0, 0, _) => "never without an error",
                    (0, _, _) => "never true",
                    (_, 0, _) => "never false",
                    (_, _, _) => continue,
                };
                gaps.push(Gap {
                    what: format!("{}: {never}: {}{clause}", policy.id(), condition.text),
                    ..at
                });
            }
        }
        gaps
    }

    /// Shows it: what is missing, and with `whole` every policy.
    pub(crate) fn text(&self, out: &mut dyn Write, whole: bool) -> io::Result<()> {
        if whole {
            let width = self.image.policies().map(|policy| policy.id().chars().count()).max().unwrap_or(0);
            let width = width.clamp(6, 60);
            writeln!(
                out,
                "\n{HEADING}{:width$}  in scope  satisfied  conditions{HEADING:#}    true   false  error",
                "policy"
            )?;
            for (policy, covered) in self.pairs() {
                let ways: usize = covered.seen.iter().map(|seen| seen.ways()).sum();
                let all = covered.seen.len() * 2;
                let style = if covered.satisfied > 0 && ways == all { GOOD } else { BAD };
                let id = policy.id();
                let (in_scope, satisfied) = (covered.in_scope, covered.satisfied);
                let ways = format!("{ways}/{all}");
                writeln!(out, "{style}{id:width$}{style:#}  {in_scope:>8}  {satisfied:>9}  {ways:>10}")?;
                for (condition, seen) in covered.conditions.iter().zip(&covered.seen) {
                    let indent = width + 33;
                    writeln!(
                        out,
                        "{:indent$}  {:>6}  {:>6}  {:>5}  {DIM}{}{DIM:#}",
                        "", seen.yes, seen.no, seen.failed, condition.text
                    )?;
                }
            }
            writeln!(out)?;
        }
        let gaps = self.gaps();
        let style = if gaps.is_empty() { GOOD } else { HEADING };
        writeln!(out, "{style}{}{style:#}", self.summary())?;
        let shown = if whole { gaps.len() } else { SHOWN };
        for gap in gaps.iter().take(shown) {
            writeln!(out, "  {gap}")?;
        }
        match gaps.len().saturating_sub(shown) {
            0 => Ok(()),
            more => writeln!(out, "  {DIM}and {more} more: `--coverage` shows all{DIM:#}"),
        }
    }

    /// It as data.
    pub(crate) fn data(&self) -> Value {
        let policies: Vec<Value> =
            self.pairs().map(|(policy, covered)| policy_data(&self.sources, policy, covered)).collect();
        let (satisfied, all) = self.policy_counts();
        let (ways, possible) = self.condition_counts();
        json!({
            "pack": self.pack.display().to_string(),
            "percent": self.percent(),
            "policies_satisfied": satisfied,
            "policy_count": all,
            "condition_ways_seen": ways,
            "condition_ways": possible,
            "gaps": self.gaps().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "policies": policies,
        })
    }
}

fn policy_data(sources: &Sources, policy: Policy<'_>, covered: &Covered) -> Value {
    let conditions = covered.conditions.iter().zip(&covered.seen).map(|(condition, seen)| {
        let written = sources.written(policy, condition.offset, condition.len);
        json!({
            "text": condition.text,
            "written": written.as_ref().map(|written| &written.text),
            "line": written.as_ref().map(|written| written.place.line),
            "column": written.as_ref().map(|written| written.place.column),
            "offset": condition.offset,
            "length": condition.len,
            "true": seen.yes,
            "false": seen.no,
            "errors": seen.failed,
        })
    });
    let span = policy.span();
    json!({
        "policy": policy.id(),
        "source": policy.source(),
        "line": span.line,
        "in_scope": covered.in_scope,
        "satisfied": covered.satisfied,
        "conditions": conditions.collect::<Vec<_>>(),
    })
}

/// Rounded down; all of nothing is all.
fn percent((part, whole): (usize, usize)) -> usize {
    (part * 100).checked_div(whole).unwrap_or(100)
}
