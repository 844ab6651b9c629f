use super::*;
use crate::time::Span;
use alloc::format;
use alloc::string::String;

const NOW: Timestamp = Timestamp::from_secs(1_000);

fn later(secs: i64) -> Timestamp {
    NOW.plus(Span::from_secs(secs))
}

fn cache(entries: usize, bytes: usize) -> Cache<String> {
    Cache::new(entries, bytes, (1, 2))
}

#[test]
fn an_entry_is_found_until_it_expires_and_not_at_that_instant() {
    let mut cache = cache(16, 10_000);
    cache.insert(b"token", "value".into(), 5, later(10), NOW);
    assert_eq!(cache.find(b"token", later(9)).as_deref(), Some("value"));
    assert_eq!(cache.find(b"token", later(10)), None);
    assert_eq!(cache.bytes(), 0, "an expired entry gives its bytes back");
}

#[test]
fn equal_hashes_are_told_apart_by_the_whole_key() {
    let mut cache = cache(4, 10_000);
    cache.insert(b"victim", "victim".into(), 0, later(10), NOW);
    // Forge the collision that no attacker can compute: the stored hash becomes that of the other key.
    let hash = cache.hash(b"attacker");
    for entry in cache.slots.iter_mut().flatten() {
        entry.hash = hash;
    }
    assert_eq!(cache.find(b"attacker", NOW), None);
}

#[test]
fn bytes_and_count_stay_bounded_whatever_comes() {
    let mut cache = cache(64, 20_000);
    for i in 0..2_000 {
        let key = format!("{i}-{}", "k".repeat(i % 700));
        cache.insert(key.as_bytes(), key.clone(), i % 50, later(1 + i as i64), NOW);
        assert!(cache.bytes() <= 20_000);
        assert!(cache.len() <= 64);
        let sum: usize = cache.slots.iter().flatten().map(|entry| entry.weight).sum();
        assert_eq!(sum, cache.bytes());
        assert_eq!(cache.slots.iter().flatten().count(), cache.len());
    }
}

#[test]
fn what_is_too_large_already_over_or_unwanted_is_not_kept() {
    let mut small = cache(4, 200);
    assert_eq!(small.insert(b"k", String::new(), 500, later(1), NOW), Inserted::Refused);
    assert_eq!(small.insert(b"k", String::new(), 1, NOW, NOW), Inserted::Refused);
    let mut off = cache(0, 200);
    assert_eq!(off.insert(b"k", String::new(), 1, later(1), NOW), Inserted::Refused);
    assert_eq!(off.find(b"k", NOW), None);
}

#[test]
fn a_second_insertion_replaces_the_first() {
    let mut cache = cache(4, 10_000);
    cache.insert(b"k", "old".into(), 3, later(10), NOW);
    assert_eq!(cache.insert(b"k", "new".into(), 3, later(20), NOW), Inserted::Kept { evicted: 0 });
    assert_eq!(cache.bytes(), 3 + 1 + OVERHEAD);
    assert_eq!(cache.find(b"k", later(15)).as_deref(), Some("new"));
    assert_eq!(cache.len(), 1);
}

#[test]
fn retain_drops_and_gives_bytes_back() {
    let mut cache = cache(8, 10_000);
    cache.insert(b"a", "a".into(), 1, later(10), NOW);
    cache.insert(b"b", "b".into(), 1, later(10), NOW);
    cache.retain(|value| value == "b");
    assert_eq!(cache.find(b"a", NOW), None);
    assert_eq!(cache.find(b"b", NOW).as_deref(), Some("b"));
    cache.retain(|_| false);
    assert_eq!(cache.fill(), Fill::default());
}

#[test]
fn whoever_makes_room_is_counted() {
    let mut cache = cache(4, 10_000);
    let mut counted = 0;
    for key in [b"a", b"b", b"c", b"d", b"e", b"f"] {
        cache
            .insert(key, String::new(), 0, later(10), NOW)
            .count(Counter::CacheEvicted, &mut |_| counted += 1);
    }
    assert_eq!((counted, cache.len()), (2, 4));
    cache
        .insert(b"g", String::new(), 0, later(20), later(10))
        .count(Counter::CacheEvicted, &mut |_| counted += 1);
    assert_eq!(counted, 2, "what is over makes room for nothing");
    cache.remove(b"g");
    assert_eq!(cache.find(b"g", later(11)), None);
    assert_eq!(cache.len(), 3);
}
