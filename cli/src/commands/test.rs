//! `countersign test`: scenarios with expected decisions.

use crate::console;
use crate::decider::Engines;
use crate::engine::Module;
use crate::failure::{Exit, Failure};
use crate::scenario::{Format, Plan, show};
use std::io::Write;
use std::path::PathBuf;

/// Run scenario files.
///
/// A scenario file makes keys and tokens, scripts what key sources answer, sends requests and says what must be decided. By
/// default every case runs natively and through the module, and both must agree. No test found is a failure.
#[derive(clap::Args)]
#[command(after_long_help = FORMAT)]
pub(crate) struct Test {
    /// Scenario files, in YAML or JSON.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only cases whose name, or whose file's name, contains this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Which engine decides; by default what the file says, else both.
    #[arg(long, value_enum)]
    engine: Option<Engines>,
    /// The filter's module; else `COUNTERSIGN_WASM`, beside this command, or `target/countersign.wasm`.
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// How to print the results.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
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
cluster, answer by answer. `cold: true` starts a case before any keys are fetched."#;

impl Test {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let plans = self.files.iter().map(|path| Plan::load(path)).collect::<Result<Vec<_>, _>>()?;
        let engines = |plan: &Plan| self.engine.unwrap_or(plan.engine());
        let needed = plans.iter().any(|plan| engines(plan).need_module());
        let module = needed.then(|| Module::load(self.module.as_deref())).transpose()?;
        let mut files = Vec::new();
        for plan in &plans {
            let file =
                plan.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let wanted = |name: &str| {
                self.filter.as_ref().is_none_or(|text| name.contains(text) || file.contains(text))
            };
            let chosen: Vec<usize> =
                plan.names().enumerate().filter(|(_, name)| wanted(name)).map(|(index, _)| index).collect();
            let results =
                chosen.into_iter().map(|index| plan.run(index, engines(plan), module.as_ref())).collect();
            files.push((plan.path.clone(), results));
        }
        let mut out = console::stdout();
        show(&mut out, self.format, &files)?;
        out.flush()?;
        let mut all = files.iter().flat_map(|(_, cases)| cases).peekable();
        if all.peek().is_none() {
            let failure = Failure::finding("expected at least one test, found none");
            return Err(match &self.filter {
                Some(text) => failure.help(format!("no case's or file's name contains `{text}`")),
                None => failure,
            });
        }
        Ok(if all.all(|case| case.failures.is_empty()) { Exit::Good } else { Exit::Finding })
    }
}
