#![no_main]

use countersign_core::{
    crypto::{Algorithm, SignatureProvider as _, Software},
    jose::{JwkSet, JwksLimits, KeyLookup},
};
use countersign_fuzz::accepted;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(set) = JwkSet::parse(bytes, &JwksLimits::default()) else { return };
    accepted();
    assert!(!set.keys().is_empty());
    for key in set.keys() {
        for algorithm in Algorithm::ALL {
            if let KeyLookup::Candidates(candidates) = set.find(key.kid(), algorithm) {
                assert!(candidates.clone().count() <= JwkSet::MAX_CANDIDATES);
                for candidate in candidates {
                    assert!(candidate.serves(algorithm));
                }
            }
            assert!(Software.verify(key.key(), algorithm, b"message", &[1; 64]).is_err());
        }
        assert!(!key.key().spki_der().is_empty());
    }
});
