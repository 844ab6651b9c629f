use super::*;
use crate::jose::JwksLimits;
use alloc::format;
use alloc::string::String;

/// RFC 8037 appendix A.2, under a chosen `kid`.
fn set(kids: &[&str]) -> JwkSet {
    let points =
        ["11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik"];
    let keys: alloc::vec::Vec<String> = kids
        .iter()
        .zip(points)
        .map(|(kid, x)| format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{x}"}}"#))
        .collect();
    JwkSet::parse(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes(), &JwksLimits::default()).unwrap()
}

const FRESHNESS: Freshness = Freshness {
    refresh: Span::from_secs(100),
    cooldown: Span::from_secs(10),
    stale: Span::from_secs(1_000),
    timeout: Span::from_secs(2),
};

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_000_000 + secs)
}

/// A store whose set with the key `a` was fetched at 0.
fn fetched() -> KeyStore {
    let mut store = KeyStore::fetched_by(FRESHNESS);
    store.fetch_started(at(0));
    store.fetched(Some(set(&["a"])), at(0));
    store
}

/// What a request that has not waited finds, in a word.
fn find(store: &mut KeyStore, kid: &str, secs: i64) -> &'static str {
    word(&store.find(Some(kid), Algorithm::EdDsa, false, at(secs)))
}

fn find_after_waiting(store: &mut KeyStore, kid: &str, secs: i64) -> &'static str {
    word(&store.find(Some(kid), Algorithm::EdDsa, true, at(secs)))
}

fn word(lookup: &KeyLookup<'_>) -> &'static str {
    match lookup {
        KeyLookup::Found(_) => "found",
        KeyLookup::Wait => "wait",
        KeyLookup::Ambiguous => "ambiguous",
        KeyLookup::WrongAlgorithm => "wrong algorithm",
        KeyLookup::Unknown => "unknown",
        KeyLookup::Unavailable => "unavailable",
    }
}

#[test]
fn the_first_fetch_is_due_at_once_and_requests_wait_for_it() {
    let mut store = KeyStore::fetched_by(FRESHNESS);
    assert_eq!(store.next_fetch(at(0)), Some(at(0)));
    assert_eq!(find(&mut store, "a", 0), "wait");
    store.fetch_started(at(0));
    assert_eq!(store.next_fetch(at(1)), None, "one fetch at a time");
    assert_eq!(find(&mut store, "a", 1), "wait");
    store.fetched(Some(set(&["a"])), at(1));
    assert_eq!(find_after_waiting(&mut store, "a", 1), "found");
}

#[test]
fn keys_are_refreshed_ahead_of_their_expiry() {
    let mut store = fetched();
    assert_eq!(store.next_fetch(at(1)), Some(at(80)));
    store.fetch_started(at(80));
    assert_eq!(find(&mut store, "a", 81), "found", "a refresh holds nobody up");
}

#[test]
fn an_unknown_kid_sets_off_one_fetch_in_a_cool_down() {
    let mut store = fetched();
    assert_eq!(find(&mut store, "b", 5), "wait");
    assert_eq!(store.next_fetch(at(5)), Some(at(5)));
    store.fetch_started(at(5));
    assert_eq!(find(&mut store, "c", 5), "wait", "others wait for the same fetch");
    store.fetched(Some(set(&["a"])), at(5));
    assert_eq!(find_after_waiting(&mut store, "b", 5), "unknown");
    assert_eq!(find(&mut store, "x", 14), "unknown", "within the cool-down nobody waits");
    assert_eq!(store.next_fetch(at(14)), Some(at(85)), "and nothing is fetched");
    assert_eq!(find(&mut store, "x", 15), "wait");
}

#[test]
fn a_key_published_with_the_fetch_is_found_by_those_who_waited() {
    let mut store = fetched();
    assert_eq!(find(&mut store, "b", 5), "wait");
    store.fetch_started(at(5));
    store.fetched(Some(set(&["a", "b"])), at(6));
    assert_eq!(find_after_waiting(&mut store, "b", 6), "found");
}

#[test]
fn keys_that_are_gone_are_gone_at_once() {
    let mut store = fetched();
    let thumbprint = *set(&["a"]).keys()[0].thumbprint();
    assert!(store.contains(&thumbprint));
    store.fetch_started(at(80));
    store.fetched(Some(set(&["b"]).clone()), at(80));
    // The set above reuses the first point; only the name is new, so the old name is no longer found.
    assert_eq!(find_after_waiting(&mut store, "a", 80), "unknown");
}

#[test]
fn a_failing_source_leaves_old_keys_in_use_within_their_budget_and_no_longer() {
    let mut store = fetched();
    store.fetch_started(at(80));
    store.fetched(None, at(82));
    assert_eq!(store.next_fetch(at(82)), Some(at(92)), "after a failure the cool-down holds");
    assert_eq!(find(&mut store, "a", 1_099), "found");
    assert!(store.usable(at(1_099)));
    assert!(!store.usable(at(1_100)));
    assert_ne!(find(&mut store, "a", 1_100), "found");
}

#[test]
fn whether_a_key_exists_is_not_known_while_the_source_is_down() {
    let mut store = fetched();
    store.fetch_started(at(80));
    store.fetched(None, at(82));
    assert_eq!(find(&mut store, "b", 83), "unavailable");
    assert_eq!(find(&mut store, "b", 92), "wait", "the source is asked again after the cool-down");
    store.fetch_started(at(92));
    store.fetched(None, at(93));
    assert_eq!(find_after_waiting(&mut store, "b", 93), "unavailable");
}

#[test]
fn without_keys_a_failed_fetch_refuses_until_the_cool_down_is_over() {
    let mut store = KeyStore::fetched_by(FRESHNESS);
    store.fetch_started(at(0));
    store.fetched(None, at(2));
    assert_eq!(find_after_waiting(&mut store, "a", 2), "unavailable");
    assert_eq!(find(&mut store, "a", 3), "unavailable");
    assert_eq!(store.next_fetch(at(3)), Some(at(12)));
    assert_eq!(find(&mut store, "a", 12), "wait");
}

#[test]
fn a_fetch_without_an_answer_is_overdue() {
    let mut store = KeyStore::fetched_by(FRESHNESS);
    assert!(!store.overdue(at(5)));
    store.fetch_started(at(5));
    assert!(!store.overdue(at(6)));
    assert!(store.overdue(at(7)));
}

#[test]
fn fixed_keys_are_never_fetched_and_never_stale() {
    let mut store = KeyStore::fixed(set(&["a"]));
    assert_eq!(find(&mut store, "a", 1_000_000), "found");
    assert_eq!(find(&mut store, "b", 1_000_000), "unknown");
    assert_eq!(store.next_fetch(at(0)), None);
    assert_eq!(word(&store.find(Some("a"), Algorithm::Es256, false, at(0))), "wrong algorithm");
}
