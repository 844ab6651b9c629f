//! Medians of the rounds, as a table and as JSON.

use std::fs;

use anyhow::{Result, ensure};
use countersign_tests::load::{Burst, median};
use serde_json::{Value, json};

use crate::REQUESTS;
use crate::gateways::Kind;

/// The least part of Envoy's requests a second that is asked.
const ASKED: f64 = 0.5;

/// Prints the table and writes `target/bench/serve.json`. `rounds[i]` holds a burst for each request and gateway, Envoy's first.
pub(crate) fn write(rounds: &[Vec<Burst>]) -> Result<()> {
    println!(
        "\n{:<10}{:<28}{:>9}{:>12}{:>9}{:>15}{:>13}",
        "", "", "req/s", "CPU us/req", "p99 us", "req/s / Envoy", "CPU / Envoy"
    );
    let (mut rows, mut missed) = (Vec::<Value>::new(), Vec::new());
    for (place, (what, _)) in REQUESTS.iter().enumerate() {
        let envoy = place * Kind::ALL.len();
        for (index, kind) in Kind::ALL.iter().enumerate() {
            let column = |of: &dyn Fn(&Burst) -> f64| -> f64 {
                median(rounds.iter().filter_map(|round| round.get(envoy + index)).map(of).collect())
            };
            // Within each round, where the machine was in the same mood for both.
            let beside = |of: &dyn Fn(&Burst) -> f64| -> f64 {
                let ratios = rounds
                    .iter()
                    .filter_map(|round| Some(of(round.get(envoy + index)?) / of(round.get(envoy)?)));
                median(ratios.collect())
            };
            let (rate, cpu) = (column(&|burst| burst.rate), column(&|burst| burst.cpu_us));
            #[expect(clippy::cast_precision_loss, reason = "microseconds of a percentile")]
            let p99 = column(&|burst| burst.p99_us as f64);
            let (rates, times) = (beside(&|burst| burst.rate), beside(&|burst| burst.cpu_us));
            let ratios =
                if *kind == Kind::Envoy { String::new() } else { format!("{rates:>15.2}{times:>13.2}") };
            println!("{what:<10}{:<28}{rate:>9.0}{cpu:>12.1}{p99:>9.0}{ratios}", kind.what());
            if rates < ASKED {
                missed.push(format!("{what}, {}: {rates:.2}", kind.what()));
            }
            rows.push(json!({
                "request": what, "gateway": kind.what(), "requests_per_second": rate, "cpu_us": cpu,
                "p99_us": p99, "rate_over_envoy": rates, "cpu_over_envoy": times,
                "rounds": rounds.iter().filter_map(|round| round.get(envoy + index)).collect::<Vec<_>>(),
            }));
        }
    }
    let file = countersign_tests::root().join("target/bench/serve.json");
    fs::write(&file, serde_json::to_string_pretty(&json!({ "rows": rows }))?)?;
    println!("\nmedians of {} rounds, written to target/bench/serve.json", rounds.len());
    ensure!(missed.is_empty(), "asked for {ASKED} of Envoy's requests a second, found {}", missed.join("; "));
    println!("asked: at least {ASKED} of Envoy's requests a second, met");
    Ok(())
}
