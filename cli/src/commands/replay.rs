//! `countersign replay`: recorded requests under another configuration, other policies or another module.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use countersign_core::settings::Settings;
use countersign_host_sim::{Clock, Outcome, Request};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value, json};

use crate::configuration::{Configuration, compile_pack};
use crate::console::{self, BAD, DIM, GOOD, HEADING, HINT, count, say};
use crate::decider::{Decider, Engines};
use crate::failure::{Exit, Failure};
use crate::findings;
use crate::output::{self, Annotation, Format, Suite, annotate};
use crate::plugin::PluginArgs;
use crate::recording::{Difference, Entry, Kind, Mint, Origin, Read, difference, outcome, read};

/// Send recorded requests through another configuration, pack or module, and show what changes.
///
/// The file is a recording of `countersign serve --record`, or a log with the filter's audit lines. Credentials are not in it: tokens
/// that say what the recorded ones said are signed with throw-away keys, which take the place of every issuer's for the run. Time is
/// that of the recording. Nothing is sent anywhere.
#[derive(clap::Args)]
pub(crate) struct Replay {
    /// The recording, or a log with audit lines; `-` for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    plugin: PluginArgs,
    /// Policies in the place of the configuration's: a pack (folder).
    #[arg(long, value_name = "FOLDER", requires = "config")]
    pack: Option<PathBuf>,
    /// Compare with what this configuration decides now, not with what was recorded: for audit lines, which leave much out.
    #[arg(long, value_name = "FILE", requires = "config")]
    baseline: Option<PathBuf>,
    /// Which engine decides.
    #[arg(long, value_enum, default_value_t, requires = "config")]
    engine: Engines,
    /// End with 1 where a decision changes.
    #[arg(long)]
    fail_on_change: bool,
    /// How many changes are shown as text; all are counted.
    #[arg(long, default_value_t = 50, value_name = "NUMBER")]
    show: usize,
    /// How to print what changes.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What became of one request.
enum Verdict {
    Same,
    Changed(Difference),
    /// It cannot be sent again.
    Skipped(String),
}

impl Replay {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        findings::told(self.format, &self.file, self.replay())
    }

    fn replay(&self) -> Result<Exit, Failure> {
        let Read { entries, others, cut } = read(&self.file)?;
        if let Some(cut) = cut {
            say!("{HINT}warning{HINT:#}: {cut}; the file was cut short there, and its last line is left out");
        }
        let verdicts = match self.plugin.config() {
            Some(config) => {
                self.plugin.usual_host("`--config`")?;
                self.decide(config, &entries)?
            }
            None => self.judge(&entries)?,
        };
        let changed = verdicts.iter().any(|verdict| matches!(verdict, Verdict::Changed(_)));
        let mut out = console::stdout();
        match self.format {
            Format::Text => self.text(&mut out, &entries, &verdicts)?,
            Format::Json => writeln!(out, "{:#}", data(&entries, &verdicts))?,
            Format::Junit | Format::Tap => {
                let suites = self.format.suites(&[self.suite(&entries, &verdicts)]);
                out.write_all(suites.unwrap_or_default().as_bytes())?;
            }
            Format::Github => self.annotations(&mut out, &entries, &verdicts)?,
        }
        out.flush()?;
        if self.format == Format::Text {
            self.remarks(&entries, others);
        }
        Ok(if changed && self.fail_on_change { Exit::Finding } else { Exit::Good })
    }

    /// Has Countersign decide.
    fn decide(&self, config: &Path, entries: &[Entry]) -> Result<Vec<Verdict>, Failure> {
        let mut now = Side::new(config, self.pack.as_deref(), entries, self.engine, self.plugin.module())?;
        let baseline = self.baseline.as_deref();
        let mut before = baseline
            .map(|config| Side::new(config, None, entries, self.engine, self.plugin.module()))
            .transpose()?;
        let bar = progress(entries.len());
        let mut verdicts = Vec::new();
        for entry in entries {
            bar.inc(1);
            let record = match &mut before {
                Some(before) => before.record(entry)?,
                None => match &entry.recorded.decision {
                    Some(decision) => Ok(decision.clone()),
                    None => Ok(outcome(&entry.recorded.outcome, entry.recorded.status)),
                },
            };
            verdicts.push(match (record, now.record(entry)?) {
                (Err(why), _) | (_, Err(why)) => Verdict::Skipped(why),
                (Ok(record), Ok(decided)) => {
                    let decided =
                        if record.contains_key("countersign") { decided } else { as_outcome(&decided) };
                    difference(&record, &decided).map_or(Verdict::Same, Verdict::Changed)
                }
            });
        }
        bar.finish_and_clear();
        Ok(verdicts)
    }

    /// Has any module judge.
    fn judge(&self, entries: &[Entry]) -> Result<Vec<Verdict>, Failure> {
        let plugin = self.plugin.load()?;
        let failed = |error: countersign_host_sim::StartError| Failure::usage(error.to_string());
        let bar = progress(entries.len());
        let mut verdicts = Vec::new();
        let mint = Mint::new(entries, None)?;
        for entry in entries {
            bar.inc(1);
            let case = match mint.case(entry) {
                Ok(case) => case,
                Err(why) => {
                    verdicts.push(Verdict::Skipped(why));
                    continue;
                }
            };
            let clock = Clock::at_nanos(u64::try_from(case.time.as_nanos()).unwrap_or(0));
            let mut host = plugin.host.clone().clock(clock).start().map_err(failed)?;
            let mut request = Request { headers: case.request.headers, ..Request::default() };
            for (path, value) in case.request.properties {
                request.properties.set(&path, value);
            }
            let now = match host.run(&request) {
                Outcome::Forwarded(_) => outcome("forwarded", 0),
                Outcome::Reply(reply) => outcome("answered", reply.status),
                Outcome::Failed(_) => outcome("failed", 503),
                Outcome::Paused | Outcome::Incomplete | Outcome::Closed => outcome("ended", 0),
            };
            let record = outcome(&entry.recorded.outcome, entry.recorded.status);
            verdicts.push(difference(&record, &now).map_or(Verdict::Same, Verdict::Changed));
        }
        bar.finish_and_clear();
        Ok(verdicts)
    }

    fn text(&self, out: &mut dyn Write, entries: &[Entry], verdicts: &[Verdict]) -> Result<(), Failure> {
        let mut shown = 0;
        for kind in Kind::ALL {
            let of_kind = changes(entries, verdicts).filter(|(_, difference)| difference.kind == kind);
            for (index, (entry, difference)) in of_kind.enumerate() {
                if shown >= self.show {
                    break;
                }
                if index == 0 {
                    writeln!(out, "{HEADING}{}{HEADING:#}", kind.word())?;
                }
                shown += 1;
                let style = if kind == Kind::Opened { BAD } else { HEADING };
                writeln!(out, "  {style}{}{style:#}  {}", title(entry), difference.text())?;
                writeln!(out, "      {DIM}{}, {}{DIM:#}", entry.place, who(entry))?;
            }
        }
        let all = changes(entries, verdicts).count();
        if shown < all {
            writeln!(out, "{DIM}… and {} more{DIM:#}", all - shown)?;
        }
        let mut reasons: Vec<(&str, usize)> = Vec::new();
        for verdict in verdicts {
            if let Verdict::Skipped(why) = verdict {
                match reasons.iter_mut().find(|(known, _)| known == why) {
                    Some((_, count)) => *count += 1,
                    None => reasons.push((why, 1)),
                }
            }
        }
        for (why, number) in reasons {
            writeln!(out, "{DIM}not sent again: {}: {why}{DIM:#}", count(number, "request", "requests"))?;
        }
        let style = if all > 0 { BAD } else { GOOD };
        let counts: Vec<String> =
            totals(verdicts).into_iter().map(|(word, number)| format!("{number} {word}")).collect();
        writeln!(
            out,
            "{style}{}{style:#}: {}",
            count(entries.len(), "request", "requests"),
            counts.join(", ")
        )?;
        Ok(())
    }

    /// What a reader should know of what was compared.
    fn remarks(&self, entries: &[Entry], others: usize) {
        if others > 0 {
            say!("{DIM}{} of the file are nothing of Countersign's{DIM:#}", count(others, "line", "lines"));
        }
        let lines = entries.iter().filter(|entry| entry.origin == Origin::Audit).count();
        if lines > 0 {
            say!(
                "{} known by audit lines alone: headers, query and claims beyond identifiers and roles are missing, \
                 and decisions that depend on them may differ for that",
                count(lines, "request is", "requests are"),
            );
            if self.baseline.is_none() {
                say!(
                    "  `--baseline FILE` compares with what another configuration decides on the same requests"
                );
            }
        }
    }

    fn suite(&self, entries: &[Entry], verdicts: &[Verdict]) -> Suite {
        let case = |(entry, verdict): (&Entry, &Verdict)| {
            let name = format!("{} {}", entry.recorded.id, title(entry));
            match verdict {
                Verdict::Same => output::Case::new(name, None),
                Verdict::Skipped(why) => {
                    output::Case { output: format!("not sent again: {why}"), ..output::Case::new(name, None) }
                }
                Verdict::Changed(difference) if self.fail_on_change => {
                    output::Case::new(name, Some((difference.kind.word().to_owned(), difference.text())))
                }
                Verdict::Changed(difference) => {
                    let output = format!("{}: {}", difference.kind.word(), difference.text());
                    output::Case { output, ..output::Case::new(name, None) }
                }
            }
        };
        Suite {
            name: self.file.display().to_string(),
            cases: entries.iter().zip(verdicts).map(case).collect(),
        }
    }

    fn annotations(
        &self,
        out: &mut dyn Write,
        entries: &[Entry],
        verdicts: &[Verdict],
    ) -> Result<(), Failure> {
        let level = if self.fail_on_change { "error" } else { "warning" };
        for (entry, difference) in changes(entries, verdicts) {
            let (file, start) = findings::split_place(&entry.place);
            let message = format!("{}: {}", title(entry), difference.text());
            let title = difference.kind.word();
            let annotation = Annotation { level, file, start, end: start, title, message: &message };
            writeln!(out, "{}", annotate(&annotation))?;
        }
        Ok(())
    }
}

/// A configuration that decides on requests.
struct Side {
    decider: Decider,
    mint: Mint,
    prefix: String,
}

impl Side {
    fn new(
        config: &Path,
        pack: Option<&Path>,
        entries: &[Entry],
        engine: Engines,
        module: Option<&Path>,
    ) -> Result<Self, Failure> {
        let mut configuration = Configuration::load(config)?;
        if let Some(pack) = pack {
            let compiled = compile_pack(pack)?;
            configuration.config.policy.image = Some(BASE64_STANDARD.encode(&compiled.image));
        }
        let mint = Mint::new(entries, Some(&mut configuration.config))?;
        let settings = Settings::prepare(&configuration.config)
            .map_err(|error| Failure::at(config.display(), format!("`{}`: {}", error.path, error.message)))?;
        configuration.settings = Rc::new(settings);
        let prefix = configuration.config.forward.prefix.clone();
        Ok(Self { decider: Decider::new(configuration, engine, module)?, mint, prefix })
    }

    /// The decision on a request, or why it cannot be sent again.
    fn record(&mut self, entry: &Entry) -> Result<Result<Map<String, Value>, String>, Failure> {
        let case = match self.mint.case(entry) {
            Ok(case) => case,
            Err(why) => return Ok(Err(why)),
        };
        let failed = |fault: String| Failure::at(&entry.place, fault);
        let decided = self.decider.decide(&case).map_err(|error| failed(error.to_string()))?;
        if !decided.differences.is_empty() {
            return Err(failed(String::from("the engines differ")).details(decided.differences));
        }
        Ok(Ok(decided.decision.record(&self.prefix)))
    }
}

/// A record as what became of the request, to compare with a module that left none.
fn as_outcome(record: &Map<String, Value>) -> Map<String, Value> {
    let allowed = record.get("decision").is_some_and(|decision| decision == "allow");
    let status = record.get("status").and_then(Value::as_u64).and_then(|status| status.try_into().ok());
    outcome(if allowed { "forwarded" } else { "answered" }, status.unwrap_or(0))
}

fn changes<'a>(
    entries: &'a [Entry],
    verdicts: &'a [Verdict],
) -> impl Iterator<Item = (&'a Entry, &'a Difference)> {
    entries.iter().zip(verdicts).filter_map(|(entry, verdict)| match verdict {
        Verdict::Changed(difference) => Some((entry, difference)),
        Verdict::Same | Verdict::Skipped(_) => None,
    })
}

fn title(entry: &Entry) -> String {
    let url = &entry.recorded.url;
    let path = url.split_once("://").and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)));
    format!("{} {}", entry.recorded.method, path.unwrap_or(url))
}

fn who(entry: &Entry) -> String {
    let decision = entry.recorded.decision.as_ref();
    let principal = decision.and_then(|decision| decision.get("principal")).and_then(Value::as_str);
    principal.map_or_else(|| String::from("no principal"), str::to_owned)
}

/// How many of each kind there are; the same first.
fn totals(verdicts: &[Verdict]) -> Vec<(&'static str, usize)> {
    let number = |test: &dyn Fn(&Verdict) -> bool| verdicts.iter().filter(|verdict| test(verdict)).count();
    let mut totals = vec![("the same", number(&|verdict| matches!(verdict, Verdict::Same)))];
    for kind in Kind::ALL {
        let of_kind = |verdict: &Verdict| matches!(verdict, Verdict::Changed(change) if change.kind == kind);
        totals.push((kind.word(), number(&of_kind)));
    }
    totals.push(("not sent again", number(&|verdict| matches!(verdict, Verdict::Skipped(_)))));
    totals.retain(|(word, number)| *number > 0 || *word == "the same");
    totals
}

fn data(entries: &[Entry], verdicts: &[Verdict]) -> Value {
    let one = |(entry, verdict): (&Entry, &Verdict)| {
        let mut told = match verdict {
            Verdict::Same => return None,
            Verdict::Changed(difference) => difference.data(),
            Verdict::Skipped(why) => json!({ "skipped": why }),
        };
        told["id"] = json!(entry.recorded.id);
        told["place"] = json!(entry.place);
        told["method"] = json!(entry.recorded.method);
        told["url"] = json!(entry.recorded.url);
        told["source"] = json!(if entry.origin == Origin::Audit { "audit" } else { "recording" });
        Some(told)
    };
    let totals: Map<String, Value> =
        totals(verdicts).into_iter().map(|(word, number)| (word.to_owned(), json!(number))).collect();
    json!({
        "requests": entries.len(),
        "totals": totals,
        "changes": entries.iter().zip(verdicts).filter_map(one).collect::<Vec<_>>(),
    })
}

fn progress(length: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length as u64), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} requests, {eta} left");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
