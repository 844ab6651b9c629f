#![no_main]

use countersign_core::spiffe::SpiffeId;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Half of the inputs get past the scheme.
    for text in [bytes.to_vec(), [b"spiffe://", bytes].concat()] {
        let Ok(id) = SpiffeId::parse(&text) else { continue };
        assert_eq!(id.as_str().as_bytes(), text);
        assert_eq!(format!("spiffe://{}{}", id.trust_domain(), id.path()).as_bytes(), text);
        assert!(!id.trust_domain().is_empty() && !id.trust_domain().contains('/'));
        assert!(id.path().is_empty() || id.path().split('/').skip(1).all(|s| !matches!(s, "" | "." | "..")));
    }
});
