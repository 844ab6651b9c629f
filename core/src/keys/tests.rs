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

pub(crate) const FRESHNESS: Freshness = Freshness {
    refresh: Span::from_secs(100),
    min_refresh: Span::from_secs(20),
    cooldown: Span::from_secs(10),
    stale: Span::from_secs(1_000),
    timeout: Span::from_secs(2),
};

pub(crate) fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_000_000 + secs)
}

/// A store that has fetched nothing.
fn empty() -> KeyStore {
    KeyStore::fetched_by(FRESHNESS, 7)
}

/// A store whose set with the key `a` was fetched at 0.
fn fetched() -> KeyStore {
    let mut store = empty();
    store.schedule.fetch_started(at(0));
    assert!(renew(&mut store, set(&["a"]), 0));
    store
}

/// Asked for then, and come at once.
fn brought(said: Option<i64>, secs: i64) -> Brought {
    Brought { asked: at(secs), took: Span::ZERO, said: said.map(Span::from_secs) }
}

fn renew(store: &mut KeyStore, keys: JwkSet, secs: i64) -> bool {
    store.renewed(KeyDocument { keys, sequence: None, refresh_hint: None }, brought(None, secs))
}

/// When the next fetch is due, in seconds, asked at `secs`.
fn next(store: &KeyStore, secs: i64) -> Option<i64> {
    Some(store.schedule.next_fetch(at(secs))?.since(at(0)).as_secs())
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
    let mut store = empty();
    assert_eq!(store.schedule.next_fetch(at(0)), Some(at(0)));
    assert_eq!(find(&mut store, "a", 0), "wait");
    store.schedule.fetch_started(at(0));
    assert_eq!(store.schedule.next_fetch(at(1)), None, "one fetch at a time");
    assert_eq!(find(&mut store, "a", 1), "wait");
    assert!(renew(&mut store, set(&["a"]), 1));
    assert_eq!(find_after_waiting(&mut store, "a", 1), "found");
}

#[test]
fn keys_are_refreshed_ahead_of_their_expiry() {
    let mut store = fetched();
    let due = next(&store, 1).unwrap();
    assert!((80..95).contains(&due), "{due}");
    store.schedule.fetch_started(at(95));
    assert_eq!(find(&mut store, "a", 96), "found", "a refresh holds nobody up");
}

#[test]
fn an_unknown_kid_sets_off_one_fetch_in_a_cool_down() {
    let mut store = fetched();
    assert_eq!(find(&mut store, "b", 5), "wait");
    assert_eq!(store.schedule.next_fetch(at(5)), Some(at(5)));
    store.schedule.fetch_started(at(5));
    assert_eq!(find(&mut store, "c", 5), "wait", "others wait for the same fetch");
    assert!(renew(&mut store, set(&["a"]), 5));
    assert_eq!(find_after_waiting(&mut store, "b", 5), "unknown");
    assert_eq!(find(&mut store, "x", 14), "unknown", "within the cool-down nobody waits");
    assert!(next(&store, 14).unwrap() >= 85, "and nothing is fetched");
    assert_eq!(find(&mut store, "x", 15), "wait");
}

#[test]
fn a_key_published_with_the_fetch_is_found_by_those_who_waited() {
    let mut store = fetched();
    assert_eq!(find(&mut store, "b", 5), "wait");
    store.schedule.fetch_started(at(5));
    assert!(renew(&mut store, set(&["a", "b"]), 6));
    assert_eq!(find_after_waiting(&mut store, "b", 6), "found");
}

#[test]
fn keys_that_are_gone_are_gone_at_once() {
    let mut store = fetched();
    store.schedule.fetch_started(at(80));
    assert!(renew(&mut store, set(&["b"]).clone(), 80));
    // The set above reuses the first point; only the name is new, so the old name is no longer found.
    assert_eq!(find_after_waiting(&mut store, "a", 80), "unknown");
}

#[test]
fn a_key_is_known_again_by_its_name_and_algorithm() {
    let signer = |kid: Option<&str>| Signer {
        thumbprint: *set(&["a"]).keys()[0].thumbprint(),
        kid: kid.map(Into::into),
        algorithm: Algorithm::EdDsa,
    };
    let mut store = fetched();
    assert!(store.contains(&signer(Some("a"))));
    assert!(store.contains(&signer(None)));
    assert!(!store.contains(&signer(Some("b"))));
    assert!(!store.contains(&Signer { thumbprint: [0; 32], ..signer(Some("a")) }), "another key");
    assert!(!store.contains(&Signer { algorithm: Algorithm::Es256, ..signer(Some("a")) }));
    // The same key under another name.
    assert!(renew(&mut store, set(&["b"]), 80));
    assert!(!store.contains(&signer(Some("a"))));
    assert!(store.contains(&signer(Some("b"))));
    assert!(store.contains(&signer(None)));
    assert!(!empty().contains(&signer(None)));
}

#[test]
fn a_failing_source_leaves_old_keys_in_use_within_their_budget_and_no_longer() {
    let mut store = fetched();
    store.schedule.fetch_started(at(80));
    store.schedule.failed(1, at(82));
    assert!((92..=95).contains(&next(&store, 82).unwrap()), "after a failure the cool-down holds");
    assert_eq!(find(&mut store, "a", 1_099), "found");
    assert!(store.usable(at(1_099)));
    assert!(!store.usable(at(1_100)));
    assert_ne!(find(&mut store, "a", 1_100), "found");
}

#[test]
fn whether_a_key_exists_is_not_known_while_the_source_is_down() {
    let mut store = fetched();
    store.schedule.fetch_started(at(80));
    store.schedule.failed(1, at(82));
    assert_eq!(find(&mut store, "b", 83), "unavailable");
    assert_eq!(find(&mut store, "b", 92), "wait", "the source is asked again after the cool-down");
    store.schedule.fetch_started(at(92));
    store.schedule.failed(1, at(93));
    assert_eq!(find_after_waiting(&mut store, "b", 93), "unavailable");
}

#[test]
fn without_keys_a_failed_fetch_refuses_until_the_cool_down_is_over() {
    let mut store = empty();
    store.schedule.fetch_started(at(0));
    store.schedule.failed(1, at(2));
    assert_eq!(find_after_waiting(&mut store, "a", 2), "unavailable");
    assert_eq!(find(&mut store, "a", 3), "unavailable");
    assert!((12..=15).contains(&next(&store, 3).unwrap()));
    assert_eq!(find(&mut store, "a", 12), "wait");
}

#[test]
fn a_fetch_without_an_answer_is_overdue() {
    let mut store = empty();
    assert!(!store.schedule.overdue(at(5)));
    store.schedule.fetch_started(at(5));
    assert!(!store.schedule.overdue(at(6)));
    assert!(store.schedule.overdue(at(7)));
}

#[test]
fn fixed_keys_are_never_fetched_and_never_stale() {
    let mut store = KeyStore::fixed(set(&["a"]));
    assert_eq!(find(&mut store, "a", 1_000_000), "found");
    assert_eq!(find(&mut store, "b", 1_000_000), "unknown");
    assert_eq!(store.schedule.next_fetch(at(0)), None);
    assert_eq!(word(&store.find(Some("a"), Algorithm::Es256, false, at(0))), "wrong algorithm");
}

#[test]
fn workers_do_not_refresh_all_at_once() {
    let dues: alloc::collections::BTreeSet<_> = (0..32)
        .map(|seed| {
            let mut store = KeyStore::fetched_by(FRESHNESS, seed);
            renew(&mut store, set(&["a"]), 0);
            let due = store.schedule.next_fetch(at(0)).unwrap();
            assert!(due >= at(80) && due < at(95));
            due
        })
        .collect();
    assert!(dues.len() > 16, "{dues:?}");
}

#[test]
fn what_a_source_says_of_its_freshness_counts_within_bounds() {
    let due = |hint: Option<i64>, said: Option<i64>| {
        let mut store = empty();
        let refresh_hint = hint.map(Span::from_secs);
        let document = KeyDocument { keys: set(&["a"]), sequence: None, refresh_hint };
        assert!(store.renewed(document, brought(said, 0)));
        next(&store, 0).unwrap()
    };
    for (hint, said, lifetime) in [
        (None, None, 100),
        (None, Some(50), 50),
        (None, Some(0), 20),
        (None, Some(1 << 31), 100),
        (Some(40), Some(90), 40),
        (Some(1), None, 20),
        (Some(i64::MAX), None, 100),
    ] {
        let due = due(hint, said);
        let window = lifetime * 16 / 20..=lifetime * 19 / 20;
        assert!(window.contains(&due), "hint {hint:?}, said {said:?}: due at {due}, expected {window:?}");
    }
}

#[test]
fn a_source_that_keeps_failing_is_left_alone_ever_longer_while_there_are_keys() {
    let mut store = fetched();
    for (failures, least) in [(1, 10), (2, 20), (3, 40), (4, 80), (5, 100), (40, 100)] {
        store.schedule.failed(failures, at(200));
        let due = next(&store, 200).unwrap() - 200;
        assert!((least..=least + least / 4).contains(&due), "{failures} failures: due in {due}");
        assert_eq!(find(&mut store, "b", 199 + least), "unavailable", "nor does a request change that");
        assert_eq!(find(&mut store, "b", 200 + least), "wait");
    }
    store.schedule.failed(40, at(2_000));
    assert_eq!(find(&mut store, "a", 2_009), "unavailable");
    assert_eq!(find(&mut store, "a", 2_010), "wait", "without keys a request may ask after the cool-down");
}

#[test]
fn an_older_bundle_does_not_replace_a_newer_one() {
    let mut store = empty();
    let mut take = |kid, sequence, secs| {
        store.renewed(KeyDocument { keys: set(&[kid]), sequence, refresh_hint: None }, brought(None, secs))
    };
    assert!(take("a", Some(5), 0));
    assert!(!take("b", Some(4), 1));
    assert!(take("b", Some(5), 2));
    assert!(take("c", Some(6), 3));
    assert!(!take("a", Some(5), 4));
    assert!(!take("d", None, 5), "one without a number says nothing of its age");
    // The keys that are held serve until their budget is over, 1,100 s after they were fetched.
    assert!(!take("b", Some(4), 1_102));
    assert!(take("b", Some(4), 1_103), "what is past its budget keeps nothing out");
    assert!(!take("a", Some(3), 1_104));
    assert!(!take("d", None, 2_202));
    assert!(take("d", None, 2_203));
    assert!(take("e", None, 2_204), "a bundle need not be numbered");
    assert!(take("f", Some(1), 2_205));
    assert_eq!(find(&mut store, "f", 2_205), "found");
}

#[test]
fn a_clock_that_is_set_back_neither_ages_keys_nor_makes_them_younger() {
    let mut store = fetched();
    store.schedule.set_back(Span::from_secs(500));
    assert!(store.usable(at(599)));
    assert!(!store.usable(at(600)), "1,100 s after the fetch, as ever");
    let due = next(&store, -500).unwrap() + 500;
    assert!((80..95).contains(&due), "{due}");
    let mut store = fetched();
    store.schedule.fetch_started(at(90));
    store.schedule.set_back(Span::from_secs(500));
    assert!(!store.schedule.overdue(at(-409)));
    assert!(store.schedule.overdue(at(-408)));
}

#[test]
fn health() {
    let mut store = empty();
    let health = |store: &KeyStore, secs| {
        let KeyHealth { keys, age, failures, healthy } = store.health(at(secs));
        (keys, age.map(Span::as_secs), failures, healthy)
    };
    assert_eq!(health(&store, 0), (0, None, 0, false));
    renew(&mut store, set(&["a", "b"]), 0);
    assert_eq!(health(&store, 30), (2, Some(30), 0, true));
    store.schedule.failed(2, at(40));
    assert_eq!(health(&store, 50), (2, Some(50), 2, false));
    assert_eq!(health(&store, 1_100), (0, Some(1_100), 2, false));
    renew(&mut store, set(&["a"]), 1_200);
    assert_eq!(health(&store, 1_200), (1, Some(0), 0, true));
    assert_eq!(health(&KeyStore::fixed(set(&["a"])), 9), (1, None, 0, true));
}
