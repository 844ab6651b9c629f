//! `countersign eval`: decisions for requests, one JSON object a line.

use crate::case::{Case, shortfalls};
use crate::cases;
use crate::configuration::Configuration;
use crate::console::{self, BAD, DIM, GOOD, say};
use crate::decider::{Decider, Engines};
use crate::engine::EngineError;
use crate::failure::{Exit, Failure};
use crate::findings;
use crate::output::Format;
use crate::report::{CaseResult, Report};
use crate::request_args::{Lines, RequestArgs};
use serde::Serializer as _;
use serde::ser::SerializeMap;
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Decide requests and print the decisions.
///
/// Takes one request by flags, or a JSON Lines file of them, and prints one decision record a line, in the same order. A line that
/// can't be read gives an error by file, line and field, and a line with `error` in place of a record; the others are decided all
/// the same.
#[derive(clap::Args)]
#[command(after_long_help = FORMAT)]
pub(crate) struct Eval {
    /// The configuration, in YAML or JSON.
    #[arg(short, long, value_name = "FILE", required_unless_present = "cases")]
    config: Option<PathBuf>,
    /// Ask policies alone: a JSON Lines file whose lines each bring policies, schema, entities and requests; `-` for standard input.
    #[arg(long, value_name = "FILE", group = "alone", conflicts_with_all = ["config", "keep_state", "jwks", "time"])]
    cases: Option<PathBuf>,
    /// How to print the decisions: as JSON one object a line; as `junit`, `tap` or `github` what was expected and is not so.
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    /// Which engine decides.
    #[arg(long, value_enum, default_value_t)]
    engine: Engines,
    /// The filter's module, else `COUNTERSIGN_WASM`, beside this command, or `target/countersign.wasm`. With `--cases` the policy
    /// evaluator's: `COUNTERSIGN_POLICY_WASM`, `countersign-policy.wasm`.
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// Keep the worker from line to line, with the keys it fetched and the tokens it verified. Times must not go back. A line with
    /// a `jwks` of its own is decided afresh, and leaves the worker as it is.
    #[arg(long)]
    keep_state: bool,
    #[command(flatten)]
    request: RequestArgs,
}

const FORMAT: &str = r#"A line of the file is an object with these members, all optional but `url`:

  id          any JSON value, given back with the decision
  method      the method; `GET` if absent
  url         `https://host/path?query`, or only the path; not normalised
  headers     pairs [["name", "value"], ...], repeats and pseudo-headers too; bytes as {"base64": "..."}
  peer        the URI name in the peer's certificate; without it there is no certificate
  properties  by path, such as {"connection.mtls": true, "connection.uri_san_peer_certificate": "spiffe://..."}
  body        a string, or {"base64": "..."}
  time        RFC 3339, or seconds since the Unix epoch with any fraction; now if absent
  jwks        what the issuers' key sources answer: a JWK Set, a map from issuer to JWK Set, or raw text
  expect      `allow`, `deny`, a reason code, or an object with members of the record

Each line is decided by a worker of its own that has fetched the keys just before. A key source that is not given by `jwks` or
`--jwks` does not answer.

A record is the audit line with `status`; `upstream_headers`, the headers of Countersign as forwarded; or for a refusal `headers`
and `body`.

A line of `--cases` is an object with `policy`, `schema`, `entities` and `requests`; see docs/testing.md. Each request gives a line with
`decision`, `reasons` and `errors`, and `agrees` where the case expects something of it.

Exit code 1: an expectation was not met, or the engines differ. 2: a line could not be read."#;

impl Eval {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let path = self.cases.clone().or(self.config.clone()).unwrap_or_default();
        match self.format {
            // Lines of JSON are decisions; what keeps all of them from being made is told apart.
            Format::Json => self.decide(),
            format => findings::told(format, &path, self.decide()),
        }
    }

    fn decide(&self) -> Result<Exit, Failure> {
        let config = match (&self.cases, &self.config) {
            (Some(file), _) => return cases::eval(file, self.engine, self.module.as_deref(), self.format),
            (None, config) => config.as_deref().unwrap_or(Path::new("")),
        };
        let configuration = Configuration::load(config)?;
        let mut decider = Decider::new(configuration, self.engine, self.module.as_deref())?;
        decider.keep_state(self.keep_state);
        self.request.publish(&mut decider)?;
        let format = self.format;
        let mut run = Run { decider, out: console::stdout(), exit: Exit::Good, format, results: Vec::new() };
        match &self.request.request {
            None => run.decide("request", &self.request.single()?)?,
            Some(path) => {
                let mut lines = Lines::open(path, self.request.now()?)?;
                let mut count = 0;
                while let Some(line) = lines.next()? {
                    count += 1;
                    let place = lines.place(line.number);
                    let id = line.case.as_ref().ok().and_then(|case| case.id.clone());
                    match line.case.and_then(|case| run.decider.in_turn(case)) {
                        Ok(case) => run.decide(&place, &case)?,
                        Err(bad) => {
                            run.complain(Exit::Usage, &place, &bad, "")?;
                            run.note(&place, id.as_ref(), vec![bad.to_string()]);
                            run.print_error(
                                id.as_ref(),
                                json!({ "line": line.number, "field": bad.field, "message": bad.message }),
                            )?;
                        }
                    }
                }
                if count == 0 {
                    return Err(Failure::at(lines.name(), "expected at least one request, found none"));
                }
            }
        }
        if matches!(format, Format::Junit | Format::Github | Format::Tap) {
            let file = self.request.request.as_deref().unwrap_or(Path::new("request"));
            Report::of(file, std::mem::take(&mut run.results)).show(&mut run.out, format)?;
        }
        run.out.flush()?;
        Ok(run.exit)
    }
}

struct Run<W: Write> {
    decider: Decider,
    out: W,
    exit: Exit,
    format: Format,
    /// What came of each request, for reports that are written at the end.
    results: Vec<CaseResult>,
}

impl<W: Write> Run<W> {
    fn decide(&mut self, place: &str, case: &Case) -> Result<(), Failure> {
        let decided = match self.decider.decide(case) {
            Ok(decided) => decided,
            Err(error) => return self.engine_failed(place, case, &error),
        };
        let mut record = decided.decision.record(self.decider.prefix());
        if let Some(id) = &case.id {
            record.insert("id".into(), id.clone());
        }
        let expected = case.expect.as_ref().map(|expected| shortfalls(expected, &record));
        match self.format {
            Format::Text => self.say(place, case, &record, expected.as_deref())?,
            _ => self.print(&record)?,
        }
        let failures = [decided.differences.as_str(), expected.as_deref().unwrap_or_default()];
        let failures = failures.iter().flat_map(|text| text.lines()).map(str::to_owned).collect();
        self.note(place, case.id.as_ref(), failures);
        if !decided.differences.is_empty() {
            self.complain(
                Exit::Finding,
                place,
                "expected the same of both engines, they differ",
                &decided.differences,
            )?;
        }
        if let Some(short) = expected.filter(|short| !short.is_empty()) {
            self.complain(Exit::Finding, place, "the decision is not the expected one", &short)?;
        }
        Ok(())
    }

    /// A decision in a line for people; `short` is what is not as expected, where something is.
    fn say(
        &mut self,
        place: &str,
        case: &Case,
        record: &Map<String, Value>,
        short: Option<&str>,
    ) -> Result<(), Failure> {
        let (mark, style) = match short {
            Some("") => ("ok  ", GOOD),
            Some(_) => ("FAIL", BAD),
            None => ("    ", DIM),
        };
        let name = case
            .id
            .as_ref()
            .map_or_else(|| place.to_owned(), |id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
        let text = |member: &str| match record.get(member) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => format!(" {text}"),
            Some(Value::Array(names)) if names.is_empty() => String::new(),
            Some(Value::Array(names)) => {
                let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
                format!(" by {}", names.join(", "))
            }
            Some(other) => format!(" {other}"),
        };
        let told = ["decision", "status", "reason", "policies"].map(text).concat();
        writeln!(self.out, "{style}{mark}{style:#} {name} {told}")?;
        Ok(())
    }

    /// Keeps what came of a request for the report at the end.
    fn note(&mut self, place: &str, id: Option<&Value>, failures: Vec<String>) {
        if matches!(self.format, Format::Json | Format::Text) {
            return;
        }
        let name = id
            .map_or_else(|| place.to_owned(), |id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
        self.results.push(CaseResult {
            name,
            place: format!("{place}:1"),
            failures,
            near: Vec::new(),
            records: Vec::new(),
            ..CaseResult::default()
        });
    }

    fn engine_failed(&mut self, place: &str, case: &Case, error: &EngineError) -> Result<(), Failure> {
        self.complain(Exit::Finding, place, error, "")?;
        self.note(place, case.id.as_ref(), vec![error.to_string()]);
        self.print_error(case.id.as_ref(), json!({ "message": error.to_string() }))
    }

    fn print_error(&mut self, id: Option<&Value>, error: Value) -> Result<(), Failure> {
        let mut line = Map::from_iter([("error".to_owned(), error)]);
        if let Some(id) = id {
            line.insert("id".into(), id.clone());
        }
        self.print(&line)
    }

    fn print(&mut self, record: &Map<String, Value>) -> Result<(), Failure> {
        if self.format != Format::Json {
            return Ok(());
        }
        writeln!(self.out, "{}", in_order(record))?;
        Ok(())
    }

    /// Says on standard error what is wrong, after what went to standard output before it.
    fn complain(
        &mut self,
        exit: Exit,
        place: &str,
        message: impl std::fmt::Display,
        details: &str,
    ) -> Result<(), Failure> {
        self.exit = self.exit.max(exit);
        self.out.flush()?;
        say!("{BAD}error{BAD:#}: {place}: {message}");
        for line in details.lines() {
            say!("  {line}");
        }
        Ok(())
    }
}

/// The members that people look for first, in the order in which they are printed; others follow by name.
const FIRST: [&str; 26] = [
    "id",
    "decision",
    "layer",
    "reason",
    "status",
    "countersign",
    "time",
    "gateway",
    "decision_id",
    "method",
    "path",
    "route",
    "workload",
    "peer",
    "cut",
    "principal",
    "roles",
    "action",
    "resource",
    "issuer",
    "subject",
    "token_id",
    "token_cached",
    "policies",
    "policy_errors",
    "image",
];

/// A record as one line, its members in the order that reads best.
pub(crate) fn in_order(record: &Map<String, Value>) -> String {
    let mut line = Vec::new();
    let mut serializer = serde_json::Serializer::new(&mut line);
    let first = FIRST.iter().filter_map(|name| record.get_key_value(*name));
    let rest = record.iter().filter(|(name, _)| !FIRST.contains(&name.as_str()));
    let written = serializer.serialize_map(Some(record.len())).and_then(|mut map| {
        first.chain(rest).try_for_each(|(name, value)| map.serialize_entry(name, value))?;
        map.end()
    });
    debug_assert!(written.is_ok(), "a map of JSON values is JSON");
    String::from_utf8(line).unwrap_or_default()
}
