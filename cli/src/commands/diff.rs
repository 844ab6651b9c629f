//! `countersign diff`: which decisions a change of policies changes.

use crate::console::{self, BAD, DIM, GOOD, HEADING, count};
use crate::diff::{Change, Outcome, compare, cross, of_tests, recorded};
use crate::failure::{Exit, Failure};
use crate::findings;
use crate::images;
use crate::literal::Question;
use crate::output::{Annotation, Case, Format, Suite, annotate};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::Write;
use std::path::PathBuf;
use std::rc::Rc;

/// Show the decisions that differ between two versions of a pack.
///
/// Both are asked the requests of `--requests` and of the packs' own tables, and the cross product of all principals, actions,
/// resources and contexts in them and in the packs' entities; each of these with attributes at the values around which a policy
/// changes its mind, first those of the policies that differ. Ends with 1 where a decision changes.
#[derive(clap::Args)]
pub(crate) struct Diff {
    /// The old version: a pack (folder) or an image.
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The new version: a pack (folder) or an image.
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Requests to ask: JSON Lines (`*.jsonl`) with the members of a table's case, or a table; may be repeated.
    #[arg(short, long, value_name = "FILE")]
    requests: Vec<PathBuf>,
    /// Ask only what is recorded, and no cross product.
    #[arg(long)]
    recorded_only: bool,
    /// How many questions the cross product may have.
    #[arg(long, default_value_t = 200_000, value_name = "NUMBER")]
    limit: usize,
    /// How many changes are shown; all are counted.
    #[arg(long, default_value_t = 50, value_name = "NUMBER")]
    show: usize,
    /// End with 0 even where decisions change.
    #[arg(long)]
    exit_zero: bool,
    /// How to print what is found.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What was found.
struct Found {
    /// How many changes are shown.
    show: usize,
    asked: usize,
    possible: usize,
    /// From deny to allow, and the other way.
    opened: usize,
    closed: usize,
    /// The same decision by other policies.
    reasons: usize,
    shown: Vec<Change>,
}

impl Diff {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        findings::told(self.format, &self.new, self.compare())
    }

    fn compare(&self) -> Result<Exit, Failure> {
        let (old, new) = (Rc::new(images::open(&self.old)?), Rc::new(images::open(&self.new)?));
        let mut questions = Vec::new();
        for path in &self.requests {
            questions.extend(recorded(path, &new)?);
        }
        for pack in [&self.old, &self.new] {
            questions.extend(of_tests(pack)?);
        }
        // Both packs usually have the same tables.
        let mut seen = HashSet::new();
        questions.retain(|(_, question)| seen.insert(format!("{question:?}")));
        let most = questions.len() + if self.recorded_only { 0 } else { self.limit };
        let mut found = Found {
            show: self.show,
            asked: 0,
            possible: 0,
            opened: 0,
            closed: 0,
            reasons: 0,
            shown: Vec::new(),
        };
        let bar = progress(most);
        let mut ask = |origin: &str, question: &Question| {
            bar.inc(1);
            found.note(compare(&old, &new, question, origin))
        };
        for (origin, question) in &questions {
            ask(origin, question);
        }
        let (mut asked, mut possible) = (questions.len(), questions.len());
        if !self.recorded_only {
            let crossed = cross([&old, &new], &questions, self.limit, &mut ask);
            asked += crossed.asked;
            possible += crossed.possible;
        }
        bar.finish_and_clear();
        if asked == 0 {
            return Err(Failure::usage("expected at least one request to ask, found none")
                .help("name a file of them with `--requests`"));
        }
        (found.asked, found.possible) = (asked, possible);
        let mut out = console::stdout();
        match self.format {
            Format::Text => found.text(&mut out)?,
            Format::Json => writeln!(out, "{:#}", found.data())?,
            Format::Junit | Format::Tap => {
                out.write_all(self.format.suites(&[self.suite(&found)]).unwrap_or_default().as_bytes())?;
            }
            Format::Github => self.annotations(&found, &mut out)?,
        }
        out.flush()?;
        let changed = found.opened + found.closed > 0 && !self.exit_zero;
        Ok(if changed { Exit::Finding } else { Exit::Good })
    }

    /// A case for each decision that changes.
    fn suite(&self, found: &Found) -> Suite {
        let case = |change: &Change| {
            let (name, text) = (format!("{}: {}", change.title(), change.origin), change.text());
            match self.exit_zero {
                true => Case { output: text, ..Case::new(name, None) },
                false => Case::new(name, Some((change.word().to_owned(), text))),
            }
        };
        let mut cases: Vec<Case> = found.shown.iter().map(case).collect();
        let summary = found.summary();
        let more = found.opened + found.closed > found.shown.len() && !self.exit_zero;
        let failure = more.then(|| (summary.clone(), summary.clone()));
        cases.push(Case { output: summary, ..Case::new("every change is shown", failure) });
        Suite { name: format!("{} to {}", self.old.display(), self.new.display()), cases }
    }

    fn annotations(&self, found: &Found, out: &mut dyn Write) -> std::io::Result<()> {
        let level = if self.exit_zero { "warning" } else { "error" };
        for change in &found.shown {
            let message = format!("{}\n{}", change.title(), change.text());
            let annotation =
                Annotation { level, title: change.word(), message: &message, ..Annotation::default() };
            writeln!(out, "{}", annotate(&annotation))?;
        }
        let summary = found.summary();
        let annotation = Annotation { level: "notice", message: &summary, ..Annotation::default() };
        writeln!(out, "{}", annotate(&annotation))
    }
}

/// On a terminal only, and on standard error.
fn progress(questions: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(questions as u64), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("asking {wide_bar} {pos}/{len}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

impl Found {
    /// Counts an outcome; says whether the decision changes.
    fn note(&mut self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Same => false,
            Outcome::Reasons => {
                self.reasons += 1;
                false
            }
            Outcome::Changed(change) => {
                if change.new.allow {
                    self.opened += 1;
                } else {
                    self.closed += 1;
                }
                if self.shown.len() < self.show {
                    self.shown.push(*change);
                }
                true
            }
        }
    }

    fn text(&self, out: &mut dyn Write) -> std::io::Result<()> {
        for change in &self.shown {
            let style = if change.new.allow { GOOD } else { BAD };
            let (word, title) = (change.word(), change.title());
            writeln!(
                out,
                "{style}{word}{style:#} {HEADING}{title}{HEADING:#} {DIM}{}{DIM:#}",
                change.origin
            )?;
            writeln!(out, "{}", change.text())?;
        }
        match (self.opened + self.closed).saturating_sub(self.shown.len()) {
            0 => {}
            more => writeln!(out, "{DIM}and {more} more: `--show` shows them{DIM:#}")?,
        }
        let style = if self.opened + self.closed > 0 { BAD } else { GOOD };
        writeln!(out, "{style}{}{style:#}", self.summary())
    }

    fn summary(&self) -> String {
        let Self { opened, closed, reasons, asked, possible, .. } = self;
        let cut = possible - asked;
        let cut = match cut {
            0 => String::new(),
            cut => format!("; about {cut} more are possible: `--limit` says how many are asked"),
        };
        let asked = count(*asked, "question", "questions");
        format!(
            "{opened} now allowed, {closed} now denied, {reasons} by other policies, of {asked} asked{cut}"
        )
    }

    fn data(&self) -> Value {
        json!({
            "asked": self.asked,
            "possible": self.possible,
            "cut": self.possible - self.asked,
            "now_allowed": self.opened,
            "now_denied": self.closed,
            "other_reasons": self.reasons,
            "not_shown": (self.opened + self.closed).saturating_sub(self.shown.len()),
            "changes": self.shown.iter().map(Change::data).collect::<Vec<_>>(),
        })
    }
}
