//! How many requests wait for a token service that is a while away, on real Envoy under a steady load.

use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use countersign_tests::bootstrap::{Bootstrap, countersign, direct};
use countersign_tests::client::Client;
use countersign_tests::envoy::Envoy;
use countersign_tests::http::Request;
use countersign_tests::simulated::Bank;
use serde_json::{Value, json};

use crate::load::{Connections, LIFETIME, RATE, USERS, Users};
use crate::service::{AUDIENCE, SCOPE, TokenService};

/// How far the token service is away.
const AWAY: Duration = Duration::from_millis(20);
/// How many requests of a thousand may wait for it.
const ASKED: f64 = 1.0;
/// How many workers Envoy has, and how many tokens each keeps at most, in turn: by default, and far more than there are users, so that
/// no two sets of tokens are in each other's way.
const GATEWAYS: [(usize, u32); 4] = [(1, 1_024), (2, 1_024), (1, 16_384), (2, 16_384)];
/// Workers tell what they have counted once a second.
const TOLD: Duration = Duration::from_secs(2);
/// The longest that everybody's first requests may take.
const WARM_UP: Duration = Duration::from_secs(30);

const CLUSTER: &str = "token-service";
const PATH: &str = "/tenants/acme/accounts/a1";

/// Prints the table, and gives its rows.
pub(crate) fn measure(seconds: u32) -> Result<Vec<Value>> {
    println!(
        "\non Envoy: {RATE} requests a second of {USERS} users for {seconds} s, all tokens living {LIFETIME} s, \
         the token service {} ms away",
        AWAY.as_millis()
    );
    let all = GATEWAYS.iter().map(|(workers, entries)| Figures::of(*workers, *entries, seconds));
    let all: Vec<_> = all.collect::<Result<_>>()?;
    println!(
        "{:<9}{:>8}{:>10}{:>12}{:>9}{:>7}{:>10}{:>7}{:>5}{:>7}{:>8}{:>8}{:>8}{:>8}",
        "workers",
        "entries",
        "requests",
        "new tokens",
        "evicted",
        "waits",
        "in 1,000",
        "asked",
        "met",
        "calls",
        "p50 ms",
        "p99 ms",
        "p99.9",
        "shared"
    );
    for figures in &all {
        let met = if figures.waits_in_1000() <= ASKED { "yes" } else { "NO" };
        println!(
            "{:<9}{:>8}{:>10}{:>12}{:>9}{:>7}{:>10.2}{ASKED:>7.1}{met:>5}{:>7}{:>8.2}{:>8.2}{:>8.2}{:>8}",
            figures.workers,
            figures.entries,
            figures.requests,
            figures.new_tokens,
            figures.evicted,
            figures.waits,
            figures.waits_in_1000(),
            figures.calls,
            figures.millis(500),
            figures.millis(990),
            figures.millis(999),
            figures.shared,
        );
    }
    println!(
        "new tokens: those of clients that came for the first time; evicted: exchanged tokens that \
         still lived and made room for others; shared: tokens that a worker had from another"
    );
    Ok(all.iter().map(Figures::to_json).collect())
}

struct Figures {
    workers: usize,
    /// Of the cache.
    entries: u32,
    requests: u64,
    new_tokens: u64,
    evicted: u64,
    waits: u64,
    /// Of the waits, those for what another request had asked for already.
    joined: u64,
    /// Tokens that a worker had from another.
    shared: u64,
    /// To the token service, renewals ahead of the end among them.
    calls: u64,
    times_us: Vec<u64>,
}

impl Figures {
    fn of(workers: usize, entries: u32, seconds: u32) -> Result<Self> {
        let bank = bank(entries)?;
        let service = TokenService::start(AWAY, LIFETIME)?;
        let filter = countersign(&Envoy::module()?.to_string_lossy(), &bank.config.to_string());
        let bootstrap = Bootstrap { filters: vec![filter], ..Bootstrap::default() };
        // Envoy answers by itself: nothing but the filter and the token service is in the way.
        let bootstrap = bootstrap.cluster(CLUSTER, service.address()).route(direct("/", 200));
        let mut command = Command::new(Envoy::binary()?);
        command.args(["--log-level", "warning"]);
        let envoy = Envoy::start_workers(&bootstrap.to_json().to_string(), &mut command, workers)?;
        let listener = envoy.listener("gateway")?;
        let forged = Client::plain(listener).send(&Request::get(PATH).bearer(&bank.forged()?))?;
        ensure!(forged.status == 401, "a forged token: expected 401, got {}", forged.status);

        let users =
            Users::new(&bank.key, &bank.claims(), PATH, WARM_UP + Duration::from_secs(seconds.into()))?;
        let mut connections = Connections::open(listener, &users).context("warming up")?;
        ensure!(users.elapsed() < WARM_UP, "warming up took {:?}", users.elapsed());
        let before = Stats::of(&envoy)?;
        // A worker gets a token itself, or has it from another.
        let (calls, expected) = (service.calls(), (USERS * workers) as u64);
        ensure!(
            calls + before.shared >= expected,
            "{calls} exchanges, {} tokens of other workers: not every worker knows every user, expected {expected}",
            before.shared
        );
        let sent = connections.send(&users, RATE * seconds)?;
        let stats = Stats::of(&envoy)?.since(&before);
        let requests = sent.times_us.len() as u64;
        ensure!(stats.requests == requests, "{requests} requests were sent, Envoy saw {}", stats.requests);
        ensure!(
            stats.found + stats.missed == requests && stats.missed == stats.held,
            "{requests} requests: {} tokens found, {} missed, {} held",
            stats.found,
            stats.missed,
            stats.held
        );
        Ok(Self {
            workers,
            entries,
            requests,
            new_tokens: sent.new_tokens,
            evicted: stats.evicted,
            waits: stats.held,
            joined: stats.joined,
            shared: stats.shared,
            calls: service.calls() - calls,
            times_us: sent.times_us,
        })
    }

    fn waits_in_1000(&self) -> f64 {
        in_1000(self.waits, self.requests)
    }

    /// A part of 1,000 of all requests took no longer.
    fn millis(&self, part: usize) -> f64 {
        let at = (self.times_us.len() * part / 1_000).min(self.times_us.len().saturating_sub(1));
        #[expect(clippy::cast_precision_loss, reason = "microseconds of a request")]
        self.times_us.get(at).map_or(f64::NAN, |us| *us as f64 / 1e3)
    }

    fn to_json(&self) -> Value {
        json!({
            "workers": self.workers, "entries": self.entries, "requests": self.requests, "new_tokens": self.new_tokens,
            "evicted": self.evicted, "waits": self.waits, "joined": self.joined, "waits_in_1000": self.waits_in_1000(), "asked_in_1000": ASKED,
            "shared": self.shared, "calls": self.calls, "p50_ms": self.millis(500),
            "p99_ms": self.millis(990), "p999_ms": self.millis(999),
        })
    }
}

fn in_1000(part: u64, whole: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let (part, whole) = (part as f64, whole as f64);
    part / whole * 1_000.0
}

/// What Envoy counted.
struct Stats {
    requests: u64,
    held: u64,
    found: u64,
    missed: u64,
    joined: u64,
    evicted: u64,
    shared: u64,
}

impl Stats {
    fn of(envoy: &Envoy) -> Result<Self> {
        thread::sleep(TOLD);
        let ours = |name: &str| envoy.stat(&format!("wasmcustom.countersign.{name}"));
        Ok(Self {
            requests: envoy.stat("http.gateway.downstream_rq_total")?,
            held: ours("held")?,
            found: ours("upstream_token.hit")?,
            missed: ours("upstream_token.miss")?,
            joined: ours("upstream_token.joined")?,
            evicted: ours("upstream_token.evicted")?,
            shared: ours("upstream_token.shared")?,
        })
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            requests: self.requests - before.requests,
            held: self.held - before.held,
            found: self.found - before.found,
            missed: self.missed - before.missed,
            joined: self.joined - before.joined,
            evicted: self.evicted - before.evicted,
            shared: self.shared - before.shared,
        }
    }
}

/// A bank whose users' tokens are exchanged.
fn bank(entries: u32) -> Result<Bank> {
    let mut bank = Bank::new()?;
    bank.config["token_cache"] = json!({ "entries": entries, "bytes": 1 << 22 });
    bank.config["upstream_tokens"] = json!([{
        "name": "model", "grant": "token_exchange", "cluster": CLUSTER, "audiences": [AUDIENCE],
        "uri": "https://issuer.bank.example/token", "scopes": [SCOPE], "actor": "client",
    }]);
    bank.config["routes"][0]["workload"] = json!("optional");
    bank.config["routes"][0]["upstream_token"] = json!("model");
    Ok(bank)
}
