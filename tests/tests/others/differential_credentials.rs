//! A short run of tokens made up at random; `cargo xtask differential credentials` makes long ones.

use countersign_tests::mutation::{Keys, RULES, Tally, case};

const CASES: usize = 5_000;
const SEED: u64 = 2026;

#[test]
fn every_difference_is_in_the_table() {
    let tally = Tally::run(SEED, 0, CASES, |_| {}).expect("three verifiers");
    println!("{}", tally.summary());
    assert!(tally.unexplained.is_empty(), "{}\n{}", tally.summary(), tally.unexplained.join("\n"));
    // A generator whose cases are all alike tries nothing.
    let [accepted, refused] = tally.unanimous;
    assert!(
        accepted * 10 > CASES && refused * 10 > CASES && tally.controls * 50 > CASES,
        "{}",
        tally.summary()
    );
    for (at, rule) in RULES.iter().enumerate() {
        let seen = tally.explained.keys().any(|(explained, _)| *explained == at);
        assert!(seen, "`{}` explains nothing: take it out of the table", rule.name);
    }
}

#[test]
fn what_is_changed_follows_from_seed_and_number() {
    let keys = Keys::new().expect("keys");
    let changes = |seed, number| case(&keys, seed, number, 1_790_000_000).expect("a case").changes;
    let all = |seed| (0..50).map(|number| changes(seed, number)).collect::<Vec<_>>();
    assert_eq!(all(1), all(1));
    assert_ne!(all(1), all(2));
}
