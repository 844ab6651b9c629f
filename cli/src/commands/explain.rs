//! `countersign explain`: why a request is decided as it is.

use crate::cases;
use crate::configuration::Configuration;
use crate::console;
use crate::decider::{Decider, Engines};
use crate::explanation::{Explanation, show};
use crate::failure::{Exit, Failure};
use crate::findings;
use crate::output::TextOrJson;
use crate::request_args::{Lines, RequestArgs};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Explain the decision on one request.
///
/// Takes the request as `eval` does, by flags or from a JSON Lines file, and tells how the decision came about: route, workload,
/// token, what the policies were asked, and what each policy had to say. The token itself is never shown.
#[derive(clap::Args)]
pub(crate) struct Explain {
    /// The configuration, in YAML or JSON.
    #[arg(short, long, value_name = "FILE", required_unless_present = "cases")]
    config: Option<PathBuf>,
    /// Explain policies alone: a JSON Lines file whose lines each bring policies, schema, entities and requests; `-` for standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "jwks", "time"])]
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
}
