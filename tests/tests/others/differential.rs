//! A short run of the differential fuzzer; `cargo xtask differential` makes long ones.

use countersign_tests::conformance::{Tally, policy_module};
use countersign_tests::differential;

const CASES: usize = 20_000;
const SEED: u64 = 2026;

#[test]
fn our_answer_is_the_official_one() {
    let mut tally = Tally::default();
    let mut module = policy_module().expect("the policy module");
    for number in 0.. {
        if tally.requests >= CASES || !tally.faults.is_empty() {
            break;
        }
        // One set in eight also in wasm.
        let module = (number % 8 == 0).then_some(&mut module);
        tally.run(&format!("{SEED}-{number}"), &differential::case(SEED, number), module);
    }
    println!("{}", tally.summary("made up"));
    assert!(tally.faults.is_empty(), "{}\n{}", tally.summary("made up"), tally.details());
    // A generator whose cases are all alike tries nothing.
    assert!(
        tally.allowed * 20 > tally.requests && tally.errors * 20 > tally.requests,
        "{}",
        tally.summary("made up")
    );
    let refused: usize = tally.refused.values().sum();
    assert!(refused * 50 < tally.cases, "{}", tally.details());
}

#[test]
fn a_case_follows_from_its_number() {
    assert_eq!(differential::case(1, 5), differential::case(1, 5));
    assert_ne!(differential::case(1, 5), differential::case(1, 6));
    assert_ne!(differential::case(1, 5), differential::case(2, 5));
}

#[test]
fn a_case_is_shrunk_to_what_shows_the_difference() {
    let case = (0..)
        .map(|number| differential::case(3, number))
        .find(|case| case["policy"].as_str().is_some_and(|policies| policies.lines().count() > 10));
    let case = case.expect("a large case");
    let wanted = case["policy"].as_str().expect("text").lines().nth(7).expect("a policy").to_owned();
    let shows = |case: &serde_json::Value| case.to_string().contains(&wanted.replace('"', "\\\""));
    let small = differential::shrink(&case, shows);
    assert_eq!(small["policy_parts"]["static"], serde_json::json!([["policy7", wanted]]));
    assert_eq!((&small["requests"], &small["entities"]), (&serde_json::json!([]), &serde_json::json!([])));
}
