//! SPIFFE IDs with the verdicts of the reference library.

mod support;

use countersign_core::spiffe::SpiffeId;
use support::{Tally, load};

#[test]
fn go_spiffe_cases() {
    let Some(set) = load("spiffe/spiffe_ids.json") else { return };
    let mut tally = Tally::new("spiffe ids");
    for (i, case) in set["from_go_spiffe_tests"].as_array().unwrap().iter().enumerate() {
        let text = case["id"].as_str().unwrap();
        let parsed = SpiffeId::parse(text.as_bytes());
        if let Ok(id) = &parsed {
            assert_eq!(Some(id.trust_domain()), case["trust_domain"].as_str(), "{i} {text}");
            assert_eq!(Some(id.path()), case["path"].as_str(), "{i} {text}");
        }
        tally.case(format!("{i} {text:?}"), case["valid"].as_bool().unwrap(), &parsed.map(drop));
    }
    tally.finish(108, 431);
}
