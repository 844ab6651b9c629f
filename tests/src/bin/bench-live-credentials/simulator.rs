//! What credentials that need a second party add to a request once its answer is there, in the simulator: a cached introspection, and
//! a cached exchange, each beside a cached signed token, in turn.

use std::time::Duration;

use anyhow::{Result, ensure};
use countersign_host_sim::{Disposition, Host, Outcome, Request, Response, Upstream, UpstreamReply};
use countersign_tests::mint;
use countersign_tests::simulated::{Bank, request};
use countersign_tests::world::{START, WORKLOAD};
use serde_json::{Value, json};

/// The most that either may add, in microseconds.
const ASKED: f64 = 10.0;

pub(super) const CLUSTER: &str = "issuer";

/// Prints the table, and gives its rows.
pub(crate) fn measure(rounds: u32) -> Result<Vec<Value>> {
    let plain = Bank::new()?;
    let mut columns = [
        Column::start("a known signed token", &plain, &plain.token()?, Upstream::new())?,
        introspected(&Bank::new()?)?,
        exchanged(&Bank::new()?)?,
    ];
    for _ in 0..rounds {
        for column in &mut columns {
            let time = column.timed()?;
            column.times.push(time);
        }
    }
    let medians: Vec<f64> = columns.iter_mut().map(Column::median).collect();
    let base = medians.first().copied().unwrap_or_default();
    println!("\n{:<44}{:>10}{:>10}{:>10}{:>6}", "in the simulator", "us", "adds us", "asked", "met");
    let mut rows = Vec::new();
    for (column, median) in columns.iter().zip(&medians) {
        let added = median - base;
        if column.name == "a known signed token" {
            println!("{:<44}{median:>10.1}", column.name);
        } else {
            let met = if added < ASKED { "yes" } else { "NO" };
            println!("{:<44}{median:>10.1}{added:>10.1}{ASKED:>10.1}{met:>6}", column.name);
        }
        rows.push(json!({ "name": column.name, "median_us": median, "added_us": added, "asked_us": ASKED }));
    }
    println!("medians of {rounds} interleaved rounds");
    Ok(rows)
}

/// A gateway, and a request that it knows all about.
pub(super) struct Column {
    pub(super) name: &'static str,
    host: Host,
    request: Request,
    pub(super) times: Vec<Duration>,
}

impl Column {
    pub(super) fn start(name: &'static str, bank: &Bank, token: &str, upstream: Upstream) -> Result<Self> {
        let mut host = bank.builder()?.cluster(CLUSTER, upstream).start()?;
        let request = request("GET", token);
        // The first one waits for the answer.
        let first = host.request(&request);
        host.advance(Duration::from_millis(50));
        ensure!(matches!(host.outcome(first), Outcome::Forwarded(_)), "{name}: {:?}", host.outcome(first));
        host.close(first);
        Ok(Self { name, host, request, times: Vec::new() })
    }

    pub(super) fn timed(&mut self) -> Result<Duration> {
        let measured = self.host.measure(&self.request, None);
        ensure!(measured.disposition == Disposition::Forwarded, "{}: {:?}", self.name, measured.disposition);
        Ok(measured.callbacks)
    }

    /// In microseconds.
    pub(super) fn median(&mut self) -> f64 {
        self.times.sort_unstable();
        self.times.get(self.times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    }
}

fn introspected(bank: &Bank) -> Result<Column> {
    let mut config = bank.config.clone();
    config["issuers"][0]["introspection"] = json!({
        "cluster": CLUSTER, "uri": "https://issuer.bank.example/introspect", "active_seconds": 300,
    });
    config["routes"][0]["credentials"] = json!(["token", "opaque_token"]);
    let bank = Bank { key: bank.key.clone(), config };
    let active = mint::with(&bank.claims(), json!({ "active": true, "token_type": "Bearer" }));
    let token = "2YotnFZFEjr1zCsicMWpAA.2YotnFZFEjr1zCsicMWpAA";
    Column::start("a known introspection of an opaque token", &bank, token, answers("/introspect", &active))
}

fn exchanged(bank: &Bank) -> Result<Column> {
    let mut config = bank.config.clone();
    config["upstream_tokens"] = json!([{
        "name": "model", "grant": "token_exchange", "cluster": CLUSTER, "audiences": ["model"],
        "uri": "https://issuer.bank.example/token", "scopes": ["score"], "actor": "workload",
    }]);
    config["routes"][0]["upstream_token"] = json!("model");
    let bank = Bank { key: bank.key.clone(), config };
    let narrow = bank.key.sign(&json!({
        "iss": "https://issuer.bank.example", "sub": "alice", "aud": "model", "iat": START, "exp": START + 300,
        "scope": "score", "act": { "sub": WORKLOAD },
    }))?;
    let given = json!({
        "access_token": narrow, "token_type": "Bearer", "expires_in": 300,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
    });
    let token = bank.token()?;
    Column::start("a known exchange of a signed token", &bank, &token, answers("/token", &given))
}

fn answers(path: &str, body: &Value) -> Upstream {
    let answer = Response::new(200).header("content-type", "application/json").body(body.to_string());
    Upstream::new().on(path, [UpstreamReply::response(answer)])
}
