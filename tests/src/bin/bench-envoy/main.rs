//! `cargo xtask bench envoy`: what Countersign costs Envoy, beside Envoy's own filters, on one core.

mod floor;
mod report;
mod variants;

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use countersign_tests::client::Client;
use countersign_tests::envoy::Envoy;
use countersign_tests::load::{GATEWAY_CORE, Load};
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::scored::{METHOD, TARGET, refuses, tokens};
use variants::Tokens;

/// New tokens in a round of requests; far more than any cache holds.
const POOL: u32 = 20_000;
/// More than the tokens that a burst had sent without an answer when it ended.
const IN_FLIGHT: u64 = 64;

fn main() -> Result<()> {
    let Arguments { seconds, rounds, only } = arguments()?;
    let folder = countersign_tests::root().join("target/bench");
    fs::create_dir_all(&folder)?;
    let es256 = SigningKey::new("bench-1")?;
    let rs256 = SigningKey::of("bench-2", jsonwebtoken::Algorithm::RS256)?;
    let mut variants = variants::all(&mint::jwks([&es256, &rs256]), &folder)?;
    variants.retain(|variant| variant.name == "none" || variant.name.contains(&only));
    ensure!(variants.len() > 1, "no variant has `{only}` in its name");
    let mut kinds = Vec::new();
    for (kind, name, key, count) in [
        (Tokens::Repeated, "repeated", &es256, 1),
        (Tokens::NewEs256, "es256", &es256, POOL),
        (Tokens::NewRs256, "rs256", &rs256, POOL),
    ] {
        if variants.iter().any(|variant| variant.tokens == kind) {
            println!("minting {count} tokens: {name}");
            kinds.push((kind, key, tokens(&folder, name, key, count)?));
        }
    }
    let mut gateways = Vec::new();
    for variant in &variants {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", GATEWAY_CORE]).arg(Envoy::binary()?);
        command.args(["--log-level", variant.log_level()]);
        let envoy = Envoy::start_with(&variant.bootstrap().to_json().to_string(), &mut command)
            .with_context(|| format!("Envoy with {}", variant.what))?;
        let listener = envoy.listener("gateway")?;
        let (_, key, tokens) =
            kinds.iter().find(|(kind, ..)| *kind == variant.tokens).context("no such tokens")?;
        if variant.judges() {
            refuses(&Client::plain(listener), key).with_context(|| variant.what)?;
        }
        println!("warming up: {}", variant.what);
        let load = Load { method: METHOD, target: TARGET, tokens, first: 0, seconds: 1, refused: false };
        let sent = load.send(envoy.pid(), listener).with_context(|| variant.what)?.requests + IN_FLIGHT;
        gateways.push((envoy, listener, tokens, sent));
    }
    let mut all = Vec::new();
    for round in 1..=rounds {
        let mut bursts = Vec::new();
        for (variant, (envoy, listener, tokens, sent)) in variants.iter().zip(&mut gateways) {
            let hits = "wasmcustom.countersign.token_cache.hit";
            let before = envoy.stat(hits)?;
            let load = Load { method: METHOD, target: TARGET, tokens, first: *sent, seconds, refused: false };
            let burst = load.send(envoy.pid(), *listener).with_context(|| variant.what)?;
            println!(
                "round {round}/{rounds}  {:<44}{:>9.0} req/s{:>9.1} us",
                variant.what, burst.rate, burst.cpu_us
            );
            let new = variant.tokens != Tokens::Repeated;
            ensure!(!new || envoy.stat(hits)? == before, "a new token was found in the cache");
            *sent += burst.requests + IN_FLIGHT;
            bursts.push(burst);
        }
        all.push(bursts);
    }
    report::write(&variants, &all)
}

struct Arguments {
    seconds: u32,
    rounds: u32,
    /// A part of the names of the variants that are measured beside Envoy without a filter.
    only: String,
}

fn arguments() -> Result<Arguments> {
    let mut arguments = Arguments { seconds: 4, rounds: 5, only: String::new() };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().with_context(|| format!("`{name}` needs a value"))?;
        let number = || value.parse().with_context(|| format!("`{name} {value}`: expected a whole number"));
        match name.as_str() {
            "--seconds" => arguments.seconds = number()?,
            "--rounds" => arguments.rounds = number()?,
            "--only" => arguments.only = value,
            _ => {
                bail!("unknown argument `{name}`, expected `--seconds N`, `--rounds N` or `--only NAME`")
            }
        }
    }
    Ok(arguments)
}
