//! `countersign test`: scenarios and tables of cases with expected decisions.

use crate::console::{self, BAD, say};
use crate::decider::Engines;
use crate::document::Document;
use crate::engine::{Module, Modules};
use crate::failure::{Exit, Failure};
use crate::findings;
use crate::inputs;
use crate::output::Format;
use crate::paths;
use crate::report::{FileResult, Report};
use crate::scenario::{self, Batch, Plan, quoted};
use crate::table::{self, Coverage, Images, Table};
use crate::watch;
use clap::ValueEnum as _;
use std::collections::HashSet;
use std::io::Write;
use std::path::PathBuf;

/// Run scenarios, and tables of cases.
///
/// A scenario file makes keys and tokens, scripts what key sources answer, sends requests and says what must be decided. By
/// default every case runs natively and through the module, and both must agree. With `module` in the place of `configuration` it is
/// about any proxy-wasm module: what goes upstream and back, and what the module calls, counts and logs. A table asks the policies of a pack alone:
/// who, what, to what, in which context, and what must come of it; conditions are counted both ways. A pack (folder) stands for
/// the tables in it: `tests.json`, and every file in its folder `tests`. No test found is a failure.
#[derive(clap::Args)]
#[command(after_long_help = FORMAT)]
pub(crate) struct Test {
    /// Scenario files and tables, in YAML or JSON, and packs (folders).
    #[arg(required = true, value_name = "FILE | PACK")]
    paths: Vec<PathBuf>,
    /// Only cases whose name, or whose file's name, contains this.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    filter: Option<String>,
    /// Only cases whose whole name is that of `--filter`.
    #[arg(long, requires = "filter")]
    exact: bool,
    /// Which engine decides; by default what the file says, else both.
    #[arg(long, value_enum)]
    engine: Option<Engines>,
    /// The filter's module; else `COUNTERSIGN_WASM`, beside this command, or `target/countersign.wasm`.
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// Show what tables cover of every policy, not only what is missing.
    #[arg(long)]
    coverage: bool,
    /// End with 3 where tables satisfy less than this share of a pack's policies, or see less than this share of the ways that
    /// its conditions can go.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    coverage_min: Option<u8>,
    /// How many cases of scenarios run at once; as many as there are cores if absent. Results are the same, in the same order.
    #[arg(long, value_name = "NUMBER")]
    jobs: Option<usize>,
    /// Where randomness and keys start from, in place of what the files say.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// How to print the results.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Run again whenever something that was read has changed, until interrupted.
    #[arg(long)]
    watch: bool,
}

/// A file of tests.
enum File {
    Scenarios(Box<Plan>),
    Table(Table),
}

const FORMAT: &str = r#"A scenario file:

  configuration: countersign.yaml       # a file beside this one, or the configuration itself
  time: 2026-01-01T00:00:00Z            # when every case begins
  keys:
    current: ES256                      # or { alg: RS256, kid: another }; made anew on each run
  issuers:
    https://id.bank.example: [current]  # what the issuer publishes: keys, or raw text
  tokens:
    customer:                           # iss, aud, iat and exp are filled in
      key: current
      claims: { sub: alice, roles: [customer] }
  defaults: { peer: spiffe://bank.example/edge, token: customer }
  cases:
    - name: an expired token
      request: { method: POST, url: /v1/score, headers: { x-purpose: fraud } }
      token: { extends: customer, claims: { exp: -1m }, tamper: signature }
      expect: { reason: token.expired, status: 401, www-authenticate: '*error="invalid_token"*' }

`token` is a name, `none`, or a token with `extends`, `key`, `header`, `claims`, `tamper` (payload, signature, none, hmac,
truncate) or `raw`. `peer` is a SPIFFE ID or `none`. `expect` is `allow`, `deny`, a reason code, or an object with `decision`,
`layer`, `reason`, `status`, `route`, `principal`, `policies`, `upstream`, `headers`, `www-authenticate`, `record`.
`each: [{...}]` makes a case of each entry, with `${name}` replaced.

`steps` take the place of `request`. A step sends a `request` (with `hold: NAME` where it must wait), lets time pass
(`advance: 5s`), changes `issuers` or `upstreams`, or has a held request decided (`settle: NAME`) or its client go away
(`close: NAME`). `upstreams: {cluster: {/path: [{keys: [current]}, {status: 500}, {failure: silence, delay: 1s}]}}` scripts a
cluster, answer by answer; `status_list: {bits: 1, tokens: 8, set: {"3": 1}}` and `revocations: {sub: [alice]}` are answers too.
`cold: true` starts a case before any keys are fetched.

The filter of somebody else:

  module: filter.wasm
  plugin: { configuration: { header: x-user } }
  upstreams: { users: { /who: [{ body: ada }, { failure: reset }] } }
  cases:
    - name: "a ${method} is answered by ${peer}"
      matrix: { method: [GET, POST], peer: [spiffe://a/b, none] }
      request: { method: "${method}", url: /, headers: [[x, "1"], [x, "2"]], body: [one, two] }
      peer: "${peer}"
      response: { status: 200, body: hello, delay: 20ms }
      expect:
        outcome: forwarded
        upstream: { x-user: ada, body: onetwo }
        downstream: { status: 200, body: hello }
        calls: [{ cluster: users, path: /who }]
        metrics: { lookups: "+1" }
        logs: { present: [looked up], absent: ["[error]"] }

`docs/scenarios.md` has all of it, and `countersign reference scenarios` prints the JSON Schema.

A table:

  defaults: { context: { environment: production } }
  cases:
    - name: an amount of ${context.transaction.amount} for a customer
      principal: User::"alice"
      action: ScoreTransfer
      resource: Transfer::"t-1"
      entities:
        - { uid: 'User::"alice"', attrs: { tenant: acme, region: eu }, parents: ['Role::"customer"'] }
        - { uid: 'Transfer::"t-1"', attrs: { tenant: acme } }
      table:
        columns: [context.transaction.amount, decision, reasons]
        rows:
          - [1000000, allow, score-own-transfer]
          - [1000001, deny, []]

A column sets the member of the case that it names, or `${column}` anywhere in it. `matrix: { down, across, columns, rows }` makes a
case of each cell. `reasons` are the policies that determine the decision; `errors`, by default none, those that fail."#;

impl Test {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let path = self.paths.first().cloned().unwrap_or_default();
        let run = || findings::told(self.format, &path, self.decide());
        if self.watch { watch::run(run) } else { run() }
    }

    fn decide(&self) -> Result<Exit, Failure> {
        let (mut images, mut modules) = (Images::new(), Modules::default());
        let mut files = Vec::new();
        for path in self.files()? {
            let document = Document::open(&path)?;
            let about = ["configuration", "module", "fixtures"];
            files.push(if about.iter().any(|name| document.has(name)) {
                File::Scenarios(Box::new(Plan::load(&path, self.seed, &mut modules)?))
            } else if scenario::is_meant(&document) {
                return Err(scenario::nothing(&document));
            } else if document.is_list() || document.has("cases") {
                File::Table(Table::load(&path, &mut images)?)
            } else {
                let message = "expected `configuration` or `module` for scenarios, or `cases` for tables";
                return Err(document.fault("", message));
            });
        }
        if self.coverage_min.is_some() && !files.iter().any(|file| matches!(file, File::Table(_))) {
            return Err(Failure::usage("`--coverage-min`: expected a table of cases, found none"));
        }
        let report = self.report(&files)?;
        let mut out = console::stdout();
        report.show(&mut out, self.format)?;
        out.flush()?;
        self.verdict(&report)
    }

    /// The files named, and those of the packs named.
    fn files(&self) -> Result<Vec<PathBuf>, Failure> {
        let mut files = Vec::new();
        for path in &self.paths {
            paths::expect(path, "a file of tests or a pack (folder)")?;
            if !path.is_dir() {
                files.push(path.clone());
                continue;
            }
            inputs::note(path);
            let found = table::of_pack(path)?;
            if found.is_empty() {
                let message = "expected at least one test, found none";
                return Err(Failure::finding(format!("{}: {message}", path.display()))
                    .help("put a table into the pack's folder `tests`"));
            }
            files.extend(found);
        }
        // A file may be named twice, and be in a pack that is named as well.
        let mut seen = HashSet::new();
        files.retain(|path| seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())));
        Ok(files)
    }

    fn report(&self, files: &[File]) -> Result<Report, Failure> {
        let engines = |plan: &Plan| self.engine.unwrap_or(plan.engine());
        let plans = || {
            files.iter().filter_map(|file| match file {
                File::Scenarios(plan) => Some(&**plan),
                File::Table(_) => None,
            })
        };
        let elsewhere = self.engine.is_some_and(|engine| engine.need_module());
        if elsewhere && plans().next().is_none() {
            return Err(Failure::at("--engine", "expected scenario files, found tables alone").help(
                "tables ask the policies natively; `eval --cases --engine wasm` asks them in the module",
            ));
        }
        let needed = plans().any(|plan| plan.needs_filter(engines(plan)));
        let filter = needed.then(|| Module::load_metered(self.module.as_deref())).transpose()?;
        let mut report = Report {
            files: Vec::new(),
            coverage: Vec::new(),
            whole_coverage: self.coverage,
            least: self.coverage_min,
        };
        let mut batch = Batch::new(self.jobs()?);
        for file in files {
            let (path, names): (&PathBuf, Vec<&str>) = match file {
                File::Scenarios(plan) => (&plan.path, plan.names().collect()),
                File::Table(table) => (&table.path, table.names().collect()),
            };
            let title = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let wanted = |name: &str| match &self.filter {
                None => true,
                Some(text) if self.exact => name == text,
                Some(text) => name.contains(text) || title.contains(text),
            };
            let chosen: Vec<usize> =
                names.iter().enumerate().filter(|(_, name)| wanted(name)).map(|(index, _)| index).collect();
            let (mut cases, mut seed) = (Vec::new(), None);
            match file {
                File::Scenarios(plan) => {
                    seed = Some(plan.seed);
                    batch.add(report.files.len(), plan, engines(plan), chosen, self.again(plan));
                }
                File::Table(table) => {
                    let coverage = account(&mut report.coverage, table);
                    cases = chosen.into_iter().map(|index| table.run(index, coverage)).collect();
                }
            }
            report.files.push(FileResult { path: path.clone(), seed, cases });
        }
        for (file, cases) in batch.run(filter.as_deref()) {
            if let Some(file) = report.files.get_mut(file) {
                file.cases = cases;
            }
        }
        Ok(report)
    }

    /// How many cases run at once.
    fn jobs(&self) -> Result<usize, Failure> {
        match self.jobs {
            Some(0) => Err(Failure::at("--jobs", "expected a number from 1 on, found 0")),
            Some(jobs) => Ok(jobs),
            None => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
        }
    }

    /// The command that runs a case of a file again, but for its name.
    fn again(&self, plan: &Plan) -> String {
        let mut words = vec!["countersign test".to_owned(), quoted(&plan.path.display().to_string())];
        let engine = self.engine.and_then(|engine| engine.to_possible_value());
        words.extend(engine.map(|engine| format!("--engine {}", engine.get_name())));
        words.extend(
            self.module.as_ref().map(|path| format!("--module {}", quoted(&path.display().to_string()))),
        );
        words.extend(self.seed.map(|seed| format!("--seed {seed}")));
        words.join(" ")
    }

    fn verdict(&self, report: &Report) -> Result<Exit, Failure> {
        if report.cases().next().is_none() {
            if self.format != Format::Text {
                return Ok(Exit::Finding);
            }
            let failure = Failure::finding("expected at least one test, found none");
            return Err(match &self.filter {
                Some(text) if self.exact => failure.help(format!("no case has the name `{text}`")),
                Some(text) => failure.help(format!("no case's or file's name contains `{text}`")),
                None => failure,
            });
        }
        if report.cases().any(|case| !case.failures.is_empty()) {
            return Ok(Exit::Finding);
        }
        let short = report.shortfalls();
        for shortfall in &short {
            say!("{BAD}error{BAD:#}: {shortfall}");
        }
        Ok(if short.is_empty() { Exit::Good } else { Exit::Regression })
    }
}

/// The account of a table's pack, begun where this is its first table.
fn account<'a>(all: &'a mut Vec<Coverage>, table: &Table) -> &'a mut Coverage {
    let at = match all.iter().position(|coverage| *coverage.pack() == table.pack) {
        Some(at) => at,
        None => {
            all.push(table.coverage());
            all.len() - 1
        }
    };
    &mut all[at]
}
