//! `countersign diff`: which decisions a change of policies changes.

use crate::console::{self, BAD, DIM, GOOD, HEADING, count};
use crate::diff::{Change, Outcome, compare, cross, of_tests, recorded};
use crate::failure::{Exit, Failure};
use crate::images;
use crate::output::TextOrJson;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::Write;
use std::path::PathBuf;
use std::rc::Rc;

/// Show the decisions that differ between two versions of a pack.
///
/// Both are asked the requests of `--requests` and of the packs' own tables, and the cross product of all principals, actions,
/// resources and contexts in them and in the packs' entities, with every attribute at the values around which a policy changes
/// its mind. Ends with 1 where a decision changes.
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
    format: TextOrJson,
}

/// What was found.
struct Found {
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
        let mut possible = questions.len();
        if !self.recorded_only {
            let crossed = cross(&old, &new, &questions, self.limit);
            possible += crossed.possible;
            questions.extend(crossed.all);
        }
        if questions.is_empty() {
            return Err(Failure::usage("expected at least one request to ask, found none")
                .help("name a file of them with `--requests`"));
        }
        let mut found =
            Found { asked: questions.len(), possible, opened: 0, closed: 0, reasons: 0, shown: Vec::new() };
        let bar = progress(questions.len());
        for (origin, question) in &questions {
            bar.inc(1);
            match compare(&old, &new, question, origin) {
                Outcome::Same => {}
                Outcome::Reasons => found.reasons += 1,
                Outcome::Changed(change) => {
                    if change.new.allow {
                        found.opened += 1;
                    } else {
                        found.closed += 1;
                    }
                    if found.shown.len() < self.show {
                        found.shown.push(*change);
                    }
                }
            }
        }
        bar.finish_and_clear();
        let mut out = console::stdout();
        match self.format {
            TextOrJson::Text => found.text(&mut out)?,
            TextOrJson::Json => writeln!(out, "{:#}", found.data())?,
        }
        out.flush()?;
        let changed = found.opened + found.closed > 0 && !self.exit_zero;
        Ok(if changed { Exit::Finding } else { Exit::Good })
    }
}

/// On a terminal only, and on standard error.
fn progress(questions: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(questions as u64), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("asking {wide_bar} {pos}/{len}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

impl Found {
    fn text(&self, out: &mut dyn Write) -> std::io::Result<()> {
        for change in &self.shown {
            let question = &change.question;
            let style = if change.new.allow { GOOD } else { BAD };
            let word = if change.new.allow { "now allowed" } else { "now denied" };
            writeln!(
                out,
                "{style}{word}{style:#} {HEADING}{} {} {}{HEADING:#} {DIM}{}{DIM:#}",
                question.principal, question.action, question.resource, change.origin
            )?;
            writeln!(out, "  context {DIM}{}{DIM:#}", crate::explanation::record_json(&question.context))?;
            writeln!(out, "  old     {}", change.old.words())?;
            writeln!(out, "  new     {}", change.new.words())?;
        }
        match (self.opened + self.closed).saturating_sub(self.shown.len()) {
            0 => {}
            more => writeln!(out, "{DIM}and {more} more: `--show` shows them{DIM:#}")?,
        }
        let style = if self.opened + self.closed > 0 { BAD } else { GOOD };
        writeln!(
            out,
            "{style}{} now allowed, {} now denied{style:#}, {} by other policies, of {} asked",
            self.opened,
            self.closed,
            self.reasons,
            count(self.asked, "question", "questions")
        )?;
        if self.asked < self.possible {
            writeln!(out, "{} would be possible: `--limit` says how many are asked", self.possible)?;
        }
        Ok(())
    }

    fn data(&self) -> Value {
        json!({
            "asked": self.asked,
            "possible": self.possible,
            "now_allowed": self.opened,
            "now_denied": self.closed,
            "other_reasons": self.reasons,
            "changes": self.shown.iter().map(Change::data).collect::<Vec<_>>(),
        })
    }
}
