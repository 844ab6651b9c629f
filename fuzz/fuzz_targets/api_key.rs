#![no_main]

use countersign_core::api_key::{self, ApiKey, ApiKeys};
use countersign_core::crypto::digest::sha256;
use countersign_core::policy::{Entity, EntityUid};
use countersign_core::spiffe::SpiffeId;
use countersign_core::time::Timestamp;
use countersign_fuzz::accepted;
use libfuzzer_sys::fuzz_target;
use std::rc::Rc;

/// The one key that is accepted.
const KEY: &[u8] = b"csk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

fuzz_target!(|bytes: &[u8]| {
    let workload = SpiffeId::parse(b"spiffe://bank.example/batch").unwrap();
    let key = |text: &[u8]| {
        Rc::new(ApiKey {
            id: "a".into(),
            sha256: sha256(text),
            workload: workload.clone(),
            not_after: None,
            principal: Entity::new(EntityUid::new("User", "a")),
        })
    };
    let verify = |keys: Vec<Rc<ApiKey>>| {
        let keys = ApiKeys { header: "x-api-key".into(), keys };
        keys.verify(bytes, Some(&workload), Timestamp::from_secs(1)).is_ok()
    };
    assert_eq!(verify(vec![key(KEY)]), bytes == KEY);
    if bytes == KEY {
        accepted();
    }
    // A malformed key is none, also where its hash is configured.
    assert_eq!(verify(vec![key(KEY), key(bytes)]), api_key::is_well_formed(bytes));
    if let Ok(text) = std::str::from_utf8(bytes) {
        assert!(!api_key::is_id(text) || text.len() <= 128);
        assert!(api_key::time(text).is_none() || text.ends_with('Z'));
    }
});
