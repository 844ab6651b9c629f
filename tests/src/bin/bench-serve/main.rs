//! `cargo xtask bench serve`: how many requests `countersign serve` carries on one core, beside Envoy with the same module, the same
//! configuration, the same upstream and the same load.

mod gateways;
mod report;
mod upstream;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use countersign_tests::client::Client;
use countersign_tests::load::{LOAD_CORE, Load};
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::scored::{METHOD, TARGET, configuration, refuses, tokens};
use gateways::{Gateway, Kind};

/// What requests carry, and whether they are refused for it.
const REQUESTS: [(&str, bool); 2] = [("allowed", false), ("refused", true)];

fn main() -> Result<()> {
    let Arguments { seconds, rounds, serve } = arguments()?;
    ensure!(serve.exists(), "there is no {}, run `cargo build --release --bin countersign`", serve.display());
    let folder = countersign_tests::root().join("target/bench");
    fs::create_dir_all(&folder)?;
    // The upstream's threads run beside the load, not beside the gateways.
    let own = std::process::id().to_string();
    let pinned = Command::new("taskset").args(["--cpu-list", "--pid", LOAD_CORE, &own]).output();
    ensure!(pinned.context("starting `taskset`")?.status.success(), "`taskset` cannot set a core");
    let upstream = upstream::start()?;

    let key = SigningKey::new("bench-1")?;
    let configuration = configuration(&mint::jwks([&key]))?.to_string();
    let files = [tokens(&folder, "serve", &key, 1)?, no_token(&folder)?];
    let loads = REQUESTS.iter().zip(&files).map(|(&(what, refused), tokens)| {
        (what, Load { method: METHOD, target: TARGET, tokens, first: 0, seconds, refused })
    });
    let loads: Vec<(&str, Load<'_>)> = loads.collect();
    let mut gateways = Vec::new();
    for kind in Kind::ALL {
        let gateway = Gateway::start(kind, &serve, &configuration, upstream, &folder)
            .with_context(|| kind.what().to_owned())?;
        refuses(&Client::plain(gateway.address()), &key).with_context(|| kind.what().to_owned())?;
        println!("warming up: {}", kind.what());
        for (_, load) in &loads {
            Load { seconds: 1, ..*load }.send(gateway.pid(), gateway.address())?;
        }
        gateways.push(gateway);
    }
    let mut all = Vec::new();
    for round in 1..=rounds {
        let mut bursts = Vec::new();
        for (what, load) in &loads {
            for gateway in &gateways {
                let burst = load.send(gateway.pid(), gateway.address())?;
                println!(
                    "round {round}/{rounds}  {what:<8}  {:<40}{:>9.0} req/s{:>9.1} us",
                    gateway.kind().what(),
                    burst.rate,
                    burst.cpu_us
                );
                bursts.push(burst);
            }
        }
        all.push(bursts);
    }
    report::write(&all)
}

/// A file for requests that carry no token.
fn no_token(folder: &Path) -> Result<PathBuf> {
    let file = folder.join("tokens-none");
    fs::write(&file, "\n")?;
    Ok(file)
}

struct Arguments {
    seconds: u32,
    rounds: u32,
    /// The command that serves.
    serve: PathBuf,
}

fn arguments() -> Result<Arguments> {
    let serve = countersign_tests::root().join("target/release/countersign");
    let mut arguments = Arguments { seconds: 3, rounds: 7, serve };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().with_context(|| format!("`{name}` needs a value"))?;
        let number = || value.parse().with_context(|| format!("`{name} {value}`: expected a whole number"));
        match name.as_str() {
            "--seconds" => arguments.seconds = number()?,
            "--rounds" => arguments.rounds = number()?,
            "--serve" => arguments.serve = PathBuf::from(value),
            _ => bail!("unknown argument `{name}`, expected `--seconds N`, `--rounds N` or `--serve FILE`"),
        }
    }
    Ok(arguments)
}
