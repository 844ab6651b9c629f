//! `countersign explain`: why a request is decided as it is.

use crate::cases;
use crate::configuration::Configuration;
use crate::console::{self, DIM, HEADING};
use crate::decider::{Decider, Engines};
use crate::explanation::{Explanation, show};
use crate::failure::{Exit, Failure};
use crate::findings;
use crate::output::TextOrJson;
use crate::request_args::{Lines, RequestArgs};
use crate::table::{self, Images, Table};
use countersign_compiler::cases::Answer;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// How many names of cases are listed where none is the one that was meant.
const MOST_NAMES: usize = 10;

/// Explain the decision on one request.
///
/// Takes the request as `eval` does, by flags or from a JSON Lines file, and tells how the decision came about: route, workload,
/// token, what the policies were asked, and what each policy had to say. The token itself is never shown. With `--cases`, or a pack
/// and `--case`, the policies alone are asked; `decision` is Cedar's then, and `ruling` what the gateway makes of it.
#[derive(clap::Args)]
pub(crate) struct Explain {
    /// Explain a case of a pack's tables, which `--case` names: the pack (folder), or one table.
    #[arg(value_name = "PACK | TABLE", group = "alone", requires = "case", conflicts_with_all = ["config", "cases", "jwks", "time"])]
    pack: Option<PathBuf>,
    /// The case's name, or a part that no other case's name has.
    #[arg(long, value_name = "NAME", requires = "pack")]
    case: Option<String>,
    /// The configuration, in YAML or JSON.
    #[arg(short, long, value_name = "FILE", required_unless_present = "alone")]
    config: Option<PathBuf>,
    /// Explain policies alone: a JSON Lines file whose lines each bring policies, schema, entities and requests; `-` for standard input.
    #[arg(long, value_name = "FILE", group = "alone", conflicts_with_all = ["config", "jwks", "time"])]
    cases: Option<PathBuf>,
    /// Which line of the file, from 1.
    #[arg(long, default_value_t = 1)]
    line: usize,
    /// Which of the line's requests, from 0; all if absent.
    #[arg(long, value_name = "NUMBER", requires = "cases")]
    item: Option<usize>,
    /// Show policies that are about something else, too.
    #[arg(long)]
    all: bool,
    /// How to print the explanation.
    #[arg(long, value_enum, default_value_t)]
    format: TextOrJson,
    #[command(flatten)]
    request: RequestArgs,
}

impl Explain {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let path = self.cases.clone().or(self.config.clone()).unwrap_or_default();
        findings::told(self.format.into(), &path, self.tell())
    }

    fn tell(&self) -> Result<Exit, Failure> {
        if let Some(file) = &self.cases {
            return cases::explain(file, self.line, self.item, self.all, self.format == TextOrJson::Json);
        }
        if let (Some(pack), Some(name)) = (&self.pack, &self.case) {
            return self.of_table(pack, name);
        }
        let configuration = Configuration::load(self.config.as_deref().unwrap_or(Path::new("")))?;
        let mut decider = Decider::new(configuration, Engines::Native, None)?;
        self.request.publish(&mut decider)?;
        let case = match &self.request.request {
            None => self.request.single()?,
            Some(path) => {
                let mut lines = Lines::open(path, self.request.now()?)?;
                loop {
                    let Some(line) = lines.next()? else {
                        return Err(Failure::at(
                            path.display(),
                            format!("expected a request on line {}, found none", self.line),
                        ));
                    };
                    if line.number >= self.line {
                        break line.case.map_err(|bad| Failure::at(lines.place(line.number), bad))?;
                    }
                }
            }
        };
        let explanation =
            Explanation::of(&mut decider, &case).map_err(|error| Failure::finding(error.to_string()))?;
        let mut out = console::stdout();
        match self.format {
            TextOrJson::Text => show(&mut out, &explanation, self.all)?,
            TextOrJson::Json => writeln!(out, "{:#}", explanation.data())?,
        }
        out.flush()?;
        Ok(Exit::Good)
    }

    /// Explains a case of a table.
    fn of_table(&self, path: &Path, name: &str) -> Result<Exit, Failure> {
        let files = if path.is_dir() { table::of_pack(path)? } else { vec![path.to_owned()] };
        let mut images = Images::new();
        let tables =
            files.iter().map(|file| Table::load(file, &mut images)).collect::<Result<Vec<_>, _>>()?;
        let all = || tables.iter().flat_map(|table| table.names().enumerate().map(move |at| (table, at)));
        let mut found: Vec<_> = all().filter(|(_, (_, have))| *have == name).collect();
        if found.is_empty() {
            found = all().filter(|(_, (_, have))| have.contains(name)).collect();
        }
        let &[(table, (index, name))] = &found[..] else {
            let names = if found.is_empty() { all().collect() } else { found.clone() };
            let mut names: Vec<&str> = names.into_iter().map(|(_, (_, have))| have).collect();
            let more = names.len().saturating_sub(MOST_NAMES);
            names.truncate(MOST_NAMES);
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            let message =
                format!("`--case`: expected the name of one case, found `{name}` in {} of them", found.len());
            return Err(
                Failure::at(path.display(), message).help(format!("cases: `{}`{more}", names.join("`, `")))
            );
        };
        let Some((place, outcome, asked)) = table.explained(index) else {
            return Err(Failure::at(path.display(), format!("expected a case number {index}, found none")));
        };
        let mut out = console::stdout();
        if matches!(self.format, TextOrJson::Json) {
            let answer = Answer::ours(table.image(), &outcome);
            let head = json!({ "name": name, "place": place });
            writeln!(out, "{}", cases::data(head, &answer, &outcome, &asked))?;
        } else {
            writeln!(out, "{HEADING}{:<10}{HEADING:#} {name} {DIM}{place}{DIM:#}", "case")?;
            cases::show(&mut out, table.image(), &outcome, &asked, self.all)?;
        }
        out.flush()?;
        Ok(Exit::Good)
    }
}
