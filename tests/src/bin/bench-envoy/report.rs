//! Medians of the rounds, as a table and as JSON.

use std::fs;

use anyhow::{Context, Result};
use countersign_tests::load::{Burst, median};
use serde_json::{Value, json};

use crate::variants::{Asked, Variant};

/// Prints the table and writes `target/bench/envoy.json`. `rounds[i]` holds a burst for each variant.
pub(crate) fn write(variants: &[Variant], rounds: &[Vec<Burst>]) -> Result<()> {
    let column = |index: usize, of: &dyn Fn(&Burst) -> f64| -> Vec<f64> {
        rounds.iter().filter_map(|round| round.get(index)).map(of).collect()
    };
    // What a variant adds is taken within each round, where the machine was in the same mood for both.
    let adds = |index: usize| -> f64 {
        let of = column(index, &|burst| burst.cpu_us);
        let none = column(0, &|burst| burst.cpu_us);
        median(of.iter().zip(&none).map(|(with, without)| with - without).collect())
    };
    let place =
        |name: &str| variants.iter().position(|variant| variant.name == name).context("no such variant");
    println!(
        "\n{:<44}{:>9}{:>12}{:>10}{:>9}{:>14}{:>15}",
        "", "req/s", "CPU us/req", "adds us", "p99 us", "adds / native", "req/s / native"
    );
    let (mut rows, mut verdicts) = (Vec::<Value>::new(), Vec::new());
    for (index, variant) in variants.iter().enumerate() {
        let rate = median(column(index, &|burst| burst.rate));
        let cpu = median(column(index, &|burst| burst.cpu_us));
        #[expect(clippy::cast_precision_loss, reason = "microseconds of a percentile")]
        let p99 = median(column(index, &|burst| burst.p99_us as f64));
        let added = adds(index);
        let native = place(variant.native)?;
        let ratio = added / adds(native);
        // Within each round, too.
        let (ours, theirs) = (column(index, &|burst| burst.rate), column(native, &|burst| burst.rate));
        let rates = median(ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect());
        let shown = if index == 0 { String::new() } else { format!("{ratio:>14.2}{rates:>15.2}") };
        println!("{:<44}{rate:>9.0}{cpu:>12.1}{added:>10.1}{p99:>9.0}{shown}", variant.what);
        if let Some(asked) = variant.asked() {
            let (words, bound, measured, met) = match asked {
                Asked::AddsAtMost(bound) => ("adds / native at most", bound, ratio, ratio <= bound),
                Asked::RateAtLeast(bound) => ("req/s / native at least", bound, rates, rates >= bound),
            };
            let met = if met { "met" } else { "NOT met" };
            verdicts
                .push(format!("{:<44}asked: {words} {bound}, measured {measured:.2}, {met}", variant.what));
        }
        rows.push(json!({
            "variant": variant.name, "what": variant.what, "requests_per_second": rate, "cpu_us": cpu,
            "adds_us": added, "p99_us": p99, "adds_over_native": (index > 0).then_some(ratio),
            "rate_over_native": (index > 0).then_some(rates),
            "rounds": rounds.iter().filter_map(|round| round.get(index)).collect::<Vec<_>>(),
        }));
    }
    let file = countersign_tests::root().join("target/bench/envoy.json");
    fs::write(&file, serde_json::to_string_pretty(&json!({ "variants": rows }))?)?;
    println!("\nmedians of {} rounds; each row is held against the native row above it", rounds.len());
    for verdict in verdicts {
        println!("{verdict}");
    }
    println!("written to target/bench/envoy.json");
    Ok(())
}
