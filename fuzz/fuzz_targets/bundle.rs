#![no_main]

use countersign_core::{
    crypto::Algorithm,
    jose::{Bundle, JwkSet, JwksLimits, KeyLookup},
};
use countersign_fuzz::accepted;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = JwksLimits::default();
    let Ok(bundle) = Bundle::parse(bytes, &limits) else { return };
    accepted();
    assert!(bundle.keys.keys().len() + bundle.x509_authorities <= limits.max_keys);
    assert!(bundle.sequence.is_none_or(|sequence| sequence >= 0));
    for key in bundle.keys.keys() {
        assert!(key.kid().is_some_and(|kid| !kid.is_empty()));
        for algorithm in Algorithm::ALL {
            if let KeyLookup::Candidates(candidates) = bundle.keys.find(key.kid(), algorithm) {
                assert!(candidates.count() <= JwkSet::MAX_CANDIDATES);
            }
        }
    }
});
