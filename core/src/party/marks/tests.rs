use super::*;
use crate::shared::Alone;
use proptest::prelude::*;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_000_000 + secs)
}

/// A mark of its own in a place that all of these share.
fn mark(number: u8) -> Mark {
    Mark::of(&[
        0, 0, number, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0,
    ])
}

#[test]
fn what_is_struck_ends_what_was_asked_for_before() {
    let shared = Alone::default();
    let one = mark(1);
    one.leave(at(0), at(100), &shared, at(1));
    mark(2).leave(at(0), at(100), &shared, at(1));
    assert!(!one.is_struck_since(at(0), &shared));
    one.strike(&shared, at(10));
    assert!(one.is_struck_since(at(0), &shared));
    assert!(one.is_struck_since(at(10), &shared), "in the same moment, the refusal counts");
    assert!(!one.is_struck_since(at(11), &shared));
    assert!(!mark(2).is_struck_since(at(0), &shared), "another word stands");
    // What was asked for before and came later takes nothing back.
    one.leave(at(9), at(100), &shared, at(12));
    assert!(one.is_struck_since(at(9), &shared));
    one.leave(at(13), at(100), &shared, at(13));
    assert!(!one.is_struck_since(at(13), &shared));
}

#[test]
fn what_nobody_spoke_for_takes_no_room() {
    let shared = Alone::default();
    mark(1).strike(&shared, at(0));
    assert_eq!(shared.get(&mark(1).name()), Ok(None));
    assert!(!mark(1).is_struck_since(at(0), &shared));
}

#[test]
fn a_full_place_gives_up_what_ends_soonest_and_keeps_what_was_struck() {
    let shared = Alone::default();
    for number in 0..8 {
        mark(number).leave(at(0), at(100 + i64::from(number)), &shared, at(0));
    }
    mark(0).strike(&shared, at(1));
    mark(9).leave(at(2), at(200), &shared, at(2));
    assert!(mark(0).is_struck_since(at(0), &shared), "it would have ended first");
    mark(1).strike(&shared, at(3));
    assert!(!mark(1).is_struck_since(at(0), &shared), "it had to make room");
    mark(9).strike(&shared, at(3));
    assert!(mark(9).is_struck_since(at(2), &shared));
    // What is over makes room first.
    mark(8).leave(at(101), at(300), &shared, at(101));
    assert!(!mark(0).is_struck_since(at(0), &shared));
}

#[test]
fn marks_of_a_clock_that_was_set_back_neither_stay_nor_end_what_is_new() {
    let shared = Alone::default();
    let one = mark(1);
    one.leave(at(500), at(900), &shared, at(500));
    one.strike(&shared, at(600));
    // Back to the beginning: what is asked for now is new.
    one.leave(at(0), at(300), &shared, at(1));
    assert!(!one.is_struck_since(at(0), &shared));
    for number in 2..9 {
        mark(number).leave(at(200_000), at(200_100), &shared, at(200_000));
    }
    mark(9).leave(at(0), at(100), &shared, at(0));
    let entry = shared.get(&one.name()).unwrap().unwrap();
    assert_eq!(read(&entry.bytes).count(), 1, "no word lives for days");
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let shared = Alone::default();
        let marked = [&[FORM], &*bytes].concat();
        shared.set(&mark(1).name(), &marked, None).unwrap();
        prop_assert!(read(&marked).count() <= MARKS);
        _ = mark(1).is_struck_since(at(0), &shared);
        mark(1).leave(at(0), at(10), &shared, at(0));
        prop_assert!(!mark(1).is_struck_since(at(1), &shared));
        mark(1).strike(&shared, at(1));
        prop_assert!(mark(1).is_struck_since(at(0), &shared));
    }
}
