use super::*;
use crate::policy::EntityUid;
use alloc::{format, string::String, vec};
use proptest::prelude::*;

const TEXT: &[u8] = b"csk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

fn workload(path: &str) -> SpiffeId {
    SpiffeId::parse(format!("spiffe://bank.example/{path}").as_bytes()).unwrap()
}

fn key(id: &str, text: &[u8], not_after: Option<i64>) -> Rc<ApiKey> {
    Rc::new(ApiKey {
        id: id.into(),
        sha256: crypto::digest::sha256(text),
        workload: workload("batch"),
        not_after: not_after.map(Timestamp::from_secs),
        principal: Entity::new(EntityUid::new("User", id)),
    })
}

fn verify(
    keys: Vec<Rc<ApiKey>>,
    presented: &[u8],
    from: Option<&SpiffeId>,
    now: i64,
) -> Result<String, Reason> {
    let keys = ApiKeys { header: "x-api-key".into(), keys };
    keys.verify(presented, from, Timestamp::from_secs(now))
        .map(|presented| presented.key().id.as_ref().into())
        .map_err(|refused| refused.reason)
}

#[test]
fn a_known_key_of_its_workload_is_accepted() {
    let batch = workload("batch");
    let keys =
        || vec![key("a", &TEXT.repeat(2), None), key("b", TEXT, Some(100)), key("c", &TEXT[1..], None)];
    assert_eq!(verify(keys(), TEXT, Some(&batch), 99), Ok("b".into()));
    assert_eq!(verify(keys(), &TEXT[1..], Some(&batch), 99), Ok("c".into()));
    for (presented, from, now, reason) in [
        (TEXT, Some(&batch), 100, Reason::TokenApiKeyExpired),
        (TEXT, Some(&workload("batch2")), 99, Reason::BindingWorkload),
        (TEXT, None, 99, Reason::BindingWorkload),
        (TEXT, None, 100, Reason::BindingWorkload),
        (&TEXT[2..], Some(&batch), 99, Reason::TokenApiKeyUnknown),
        (&TEXT[..31], Some(&batch), 99, Reason::TokenApiKeyMalformed),
        (b"", Some(&batch), 99, Reason::TokenApiKeyMalformed),
    ] {
        assert_eq!(verify(keys(), presented, from, now), Err(reason), "{presented:?}");
    }
    assert_eq!(verify(vec![], TEXT, Some(&batch), 99), Err(Reason::TokenApiKeyUnknown));
}

/// Neither the hash of a key, nor a text with the hash of nothing, is a key.
#[test]
fn what_the_configuration_tells_is_no_key() {
    let batch = workload("batch");
    let hex: String = crypto::digest::sha256(TEXT).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        verify(vec![key("a", TEXT, None)], hex.as_bytes(), Some(&batch), 0),
        Err(Reason::TokenApiKeyUnknown)
    );
    assert_eq!(verify(vec![key("a", b"", None)], b"", Some(&batch), 0), Err(Reason::TokenApiKeyMalformed));
}

#[test]
fn keys_have_one_spelling() {
    for length in [MIN_BYTES, MAX_BYTES] {
        assert!(is_well_formed(&vec![b'a'; length]));
    }
    for length in [0, MIN_BYTES - 1, MAX_BYTES + 1] {
        assert!(!is_well_formed(&vec![b'a'; length]));
    }
    for byte in 0..=u8::MAX {
        let mut text = vec![b'a'; 40];
        text[20] = byte;
        let fits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-".contains(&byte);
        assert_eq!(is_well_formed(&text), fits, "{byte}");
    }
}

#[test]
fn nothing_that_is_kept_tells_the_key() {
    let kept = format!("{:?}", key("a", TEXT, None));
    assert!(!kept.contains(str::from_utf8(TEXT).unwrap()));
}

proptest! {
    #[test]
    fn no_other_text_is_the_key(presented in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assume!(presented != TEXT);
        let batch = workload("batch");
        prop_assert!(verify(vec![key("a", TEXT, None)], &presented, Some(&batch), 0).is_err());
    }

    /// One byte off is as far off as any.
    #[test]
    fn near_keys_are_unknown(at in 0..TEXT.len(), byte in "[A-Za-z0-9._~-]") {
        let mut presented = TEXT.to_vec();
        presented[at] = byte.as_bytes()[0];
        prop_assume!(presented != TEXT);
        let batch = workload("batch");
        prop_assert_eq!(
            verify(vec![key("a", TEXT, None)], &presented, Some(&batch), 0),
            Err(Reason::TokenApiKeyUnknown)
        );
    }
}
