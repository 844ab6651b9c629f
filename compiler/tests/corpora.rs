//! Cedar's published tests and corpora: for every request the same decision, determining policies and errors
//! as the official crate and as recorded, with the entities in the image and with the entities brought along.

#[allow(dead_code, reason = "shared with the other tests")]
mod common;

use std::{collections::BTreeMap, path::Path};

use common::{Answer, lines, ours, read, recorded, vectors};
use serde_json::{Value, json};

#[derive(Default)]
struct Tally {
    cases: usize,
    requests: usize,
    errors: usize,
    /// Reasons why the official crate refuses cases or requests.
    refused: BTreeMap<String, usize>,
    not_lowered: BTreeMap<String, usize>,
    /// Requests for which the official crate of today differs from what is recorded.
    drifted: usize,
}

fn run(name: &str, cases: impl IntoIterator<Item = Value>) -> Tally {
    let mut tally = Tally::default();
    for case in cases {
        let id = case["id"].as_str().unwrap_or_default().to_owned();
        let loaded = match read(&case) {
            Ok(loaded) => loaded,
            Err(reason) => {
                *tally.refused.entry(reason.chars().take(60).collect()).or_default() += 1;
                continue;
            }
        };
        let [image, bare] = match loaded.images() {
            Ok(images) => images,
            Err(reason) => {
                *tally.not_lowered.entry(reason).or_default() += 1;
                continue;
            }
        };
        let brought = loaded.brought();
        tally.cases += 1;
        for (at, entry) in case["requests"].as_array().expect("requests").iter().enumerate() {
            let request = match loaded.request(entry) {
                Ok(request) => request,
                Err(reason) => {
                    *tally.refused.entry(reason.chars().take(60).collect()).or_default() += 1;
                    continue;
                }
            };
            let official = loaded.official(&request);
            let doubtful = case["oracle_bad"].as_u64().is_some_and(|bad| bad > 0);
            if !doubtful && official != recorded(entry) {
                tally.drifted += 1;
            }
            let agree = |answer: &Answer, how: &str| {
                assert_eq!(*answer, official, "{name} {id} request {at} ({how})\n{}", case["policy"]);
            };
            agree(&ours(&image, &request, &[]), "entities in the image");
            agree(&ours(&bare, &request, &brought), "entities brought along");
            agree(&ours(&image, &request, &brought), "entities in both");
            tally.requests += 1;
            tally.errors += usize::from(!official.errors.is_empty());
        }
    }
    println!(
        "{name}: {} policy sets, {} requests ({} with errors) agree; refused by the official crate: {:?}; \
         not lowered: {:?}; recorded otherwise: {}",
        tally.cases, tally.requests, tally.errors, tally.refused, tally.not_lowered, tally.drifted
    );
    assert!(tally.not_lowered.is_empty(), "{name}: constructs not lowered: {:?}", tally.not_lowered);
    assert_eq!(tally.drifted, 0, "{name}: the official crate differs from what is recorded");
    tally
}

fn suite(name: &str) -> Option<Vec<Value>> {
    let path = vectors().map(|folder| folder.join(name)).filter(|path| path.is_file());
    match path {
        Some(path) => Some(lines(&path)),
        None => {
            println!("{name}: skipped, the test material is not there");
            None
        }
    }
}

#[test]
fn handwritten() {
    let Some(cases) = suite("cedar-handwritten/authz.jsonl") else { return };
    assert!(run("cedar-handwritten", cases).requests > 150);
}

#[test]
fn generated() {
    let Some(cases) = suite("cedar-generated/A.jsonl.gz") else { return };
    assert!(run("cedar-generated", cases).requests > 7000);
}

#[test]
fn corpus_2025_03_28() {
    let Some(cases) = suite("cedar-corpora/2025-03-28_909e810.nontrivial.jsonl.gz") else { return };
    assert!(run("cedar-corpora 2025-03-28", cases).requests > 4000);
}

#[test]
fn corpus_4_8() {
    let Some(cases) = suite("cedar-corpora/v4.8_8b1b449.nontrivial.jsonl.gz") else { return };
    assert!(run("cedar-corpora 4.8", cases).requests > 4000);
}

#[test]
fn integration_tests() {
    let Some(root) = vectors().map(|folder| folder.join("cedar-integration-tests")) else {
        println!("cedar-integration-tests: skipped, the test material is not there");
        return;
    };
    let mut cases = Vec::new();
    collect(&root, &root.join("tests"), &mut cases);
    assert!(run("cedar-integration-tests", cases).requests >= 70);
}

fn collect(root: &Path, folder: &Path, cases: &mut Vec<Value>) {
    let mut entries: Vec<_> =
        std::fs::read_dir(folder).expect("folder").map(|e| e.expect("entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(root, &path, cases);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            let text = std::fs::read_to_string(&path).expect("readable");
            let test: Value = serde_json::from_str(&text).expect("JSON");
            let file = |name: &str| {
                let path = root.join(test[name].as_str().expect("path"));
                std::fs::read_to_string(path).expect("readable")
            };
            let entities: Value = serde_json::from_str(&file("entities")).expect("JSON");
            cases.push(json!({
                "id": path.display().to_string(),
                "policy": file("policies"),
                "schema": file("schema"),
                "entities": entities,
                "requests": test["requests"],
            }));
        }
    }
}
