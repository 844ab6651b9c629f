//! What it adds to a request that a token is held against what its issuer took back, in the simulator: the same known token, where the
//! issuer publishes nothing, a status list of a million tokens, and a feed of a hundred thousand entries, in turn.

use anyhow::Result;
use countersign_host_sim::{Upstream, UpstreamReply};
use countersign_tests::mint;
use countersign_tests::revocation::{Feed, Publish as _, StatusList, status};
use countersign_tests::simulated::Bank;
use countersign_tests::world::{ISSUER, START};
use serde_json::{Value, json};

use super::simulator::{CLUSTER, Column};

/// The most that a status list may add, in microseconds.
const ASKED: f64 = 0.5;

const LIST: &str = "https://issuer.bank.example/statuses/1";
const FEED: &str = "https://issuer.bank.example/revocations";

/// How many tokens the list speaks of, and how many entries the feed has.
const TOKENS: usize = 1_000_000;
const ENTRIES: usize = 100_000;

/// Measures so many rounds, prints them, and gives each column for a file.
pub(super) fn measure(rounds: u32) -> Result<Vec<Value>> {
    let plain = Bank::new()?;
    let token = plain.key.sign(&mint::with(
        &plain.claims(),
        json!({ "jti": "t-good", "status": status(LIST, TOKENS as u64 / 2) }),
    ))?;
    let mut list = StatusList::new(LIST, 1, TOKENS);
    (0..TOKENS).step_by(3).try_for_each(|index| list.set(index, 1))?;
    let mut feed = Feed::new(ISSUER, FEED);
    (0..ENTRIES).for_each(|number| feed.revoke("jti", format!("t-{number}")));
    let bank = |published: Value| {
        let mut config = plain.config.clone();
        config["issuers"][0]["revocation"] = mint::with(
            &json!({ "cluster": CLUSTER, "max_entries": TOKENS, "refresh_seconds": 3_600 }),
            published,
        );
        Bank { key: plain.key.clone(), config }
    };
    let serving = |path: &str, document: String| Upstream::new().on(path, [UpstreamReply::ok(document)]);
    let listed = serving("/statuses/1", list.sign(&plain.key, START)?);
    let fed = serving("/revocations", feed.sign(&plain.key, START)?);
    let mut columns = [
        Column::start("a known token of an issuer that revokes none", &plain, &token, Upstream::new())?,
        Column::start(
            "a status list of 1,000,000",
            &bank(json!({ "status_lists": [LIST] })),
            &token,
            listed,
        )?,
        Column::start("a revocation feed of 100,000", &bank(json!({ "feed": FEED })), &token, fed)?,
    ];
    for _ in 0..rounds {
        for column in &mut columns {
            let time = column.timed()?;
            column.times.push(time);
        }
    }
    let medians: Vec<f64> = columns.iter_mut().map(Column::median).collect();
    let base = medians.first().copied().unwrap_or_default();
    println!("\n{:<46}{:>10}{:>10}{:>10}{:>6}", "", "us", "adds us", "asked", "met");
    let mut written = Vec::new();
    for (place, (column, median)) in columns.iter().zip(&medians).enumerate() {
        let added = median - base;
        let (met, asked) = (if added < ASKED { "yes" } else { "NO" }, json!(ASKED));
        match place {
            0 => println!("{:<46}{median:>10.2}", column.name),
            1 => println!("{:<46}{median:>10.2}{added:>10.2}{ASKED:>10.1}{met:>6}", column.name),
            _ => println!("{:<46}{median:>10.2}{added:>10.2}", column.name),
        }
        let asked = if place == 1 { asked } else { Value::Null };
        written
            .push(json!({ "name": column.name, "median_us": median, "added_us": added, "asked_us": asked }));
    }
    Ok(written)
}
