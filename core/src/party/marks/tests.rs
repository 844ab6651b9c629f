use super::*;
use crate::shared::{Alone, Entry, NotWritten, Unavailable};
use proptest::prelude::*;

/// How long an answer may be on its way.
const LATE: Span = Span::from_secs(5);

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
fn what_is_struck_ends_what_was_asked_for_before_whoever_speaks_later() {
    let shared = Alone::default();
    let one = mark(1);
    assert!(one.leave(at(100), &shared, at(1)) && mark(2).leave(at(100), &shared, at(1)));
    assert!(!one.is_struck_since(at(0), &shared));
    assert!(one.strike(LATE, &shared, at(10)));
    assert!(one.is_struck_since(at(0), &shared));
    assert!(one.is_struck_since(at(10), &shared), "in the same moment, the refusal counts");
    assert!(!one.is_struck_since(at(11), &shared));
    assert!(!mark(2).is_struck_since(at(0), &shared), "another word stands");
    // A later word is another one: what another worker keeps of before the refusal counts no more for it.
    assert!(one.leave(at(100), &shared, at(13)));
    assert!(!one.is_struck_since(at(13), &shared));
    assert!(one.is_struck_since(at(9), &shared));
}

#[test]
fn a_refusal_ends_what_was_on_its_way_and_was_not_spoken_yet() {
    let shared = Alone::default();
    let one = mark(1);
    assert!(one.strike(LATE, &shared, at(1)));
    // Asked for before, heard after.
    assert!(one.leave(at(100), &shared, at(3)));
    assert!(one.is_struck_since(at(0), &shared));
    // It outlives what was kept of the refusal alone.
    assert!(mark(2).leave(at(200), &shared, at(50)));
    assert!(one.is_struck_since(at(0), &shared));
    // Without a word there is nothing left of a refusal.
    assert!(mark(3).strike(LATE, &shared, at(60)) && mark(4).leave(at(200), &shared, at(65)));
    assert!(!mark(3).is_struck_since(at(0), &shared));
}

#[test]
fn what_nobody_spoke_for_takes_no_room_of_words() {
    let shared = Alone::default();
    for number in 0..8 {
        assert!(mark(number).leave(at(100), &shared, at(0)));
    }
    assert!(!mark(9).strike(LATE, &shared, at(1)), "all others are words");
    for number in 0..8 {
        assert!(mark(number).strike(LATE, &shared, at(1)));
        assert!(mark(number).is_struck_since(at(0), &shared), "{number}");
    }
    // Where refusals have the room, a word takes it, and a later refusal the room of an earlier one.
    let shared = Alone::default();
    for number in 0..100 {
        assert!(mark(number).strike(LATE, &shared, at(1)));
    }
    for number in 100..108 {
        assert!(mark(number).leave(at(100), &shared, at(2)));
    }
    let entry = shared.get(&mark(0).name()).unwrap().unwrap();
    assert!(entry.bytes.len() <= 1 + MARKS * RECORD_BYTES);
    assert!((100..108).all(|number| mark(number).strike(LATE, &shared, at(3))));
    assert!((100..108).all(|number| mark(number).is_struck_since(at(0), &shared)));
}

#[test]
fn a_full_place_gives_up_what_ends_soonest_and_keeps_what_was_struck() {
    let shared = Alone::default();
    for number in 0..8 {
        assert!(mark(number).leave(at(100 + i64::from(number)), &shared, at(0)));
    }
    assert!(mark(0).strike(LATE, &shared, at(1)));
    assert!(mark(9).leave(at(200), &shared, at(2)));
    assert!(mark(0).is_struck_since(at(0), &shared), "it would have ended first");
    assert!(!mark(1).strike(LATE, &shared, at(3)), "it had to make room");
    assert!(mark(9).strike(LATE, &shared, at(3)));
    assert!(mark(9).is_struck_since(at(2), &shared));
    // What is over makes room first.
    assert!(mark(8).leave(at(300), &shared, at(101)));
    assert!(!mark(0).is_struck_since(at(0), &shared));
}

#[test]
fn where_all_are_struck_a_word_goes_unmarked() {
    let shared = Alone::default();
    for number in 0..8 {
        assert!(mark(number).leave(at(100), &shared, at(0)) && mark(number).strike(LATE, &shared, at(1)));
    }
    assert!(!mark(9).leave(at(200), &shared, at(2)));
    assert!((0..8).all(|number| mark(number).is_struck_since(at(0), &shared)));
}

#[test]
fn marks_of_a_clock_that_was_set_back_neither_stay_nor_end_what_is_new() {
    let shared = Alone::default();
    let one = mark(1);
    assert!(one.leave(at(900), &shared, at(500)) && one.strike(LATE, &shared, at(600)));
    // Back to the beginning: what is asked for now is new.
    assert!(one.leave(at(300), &shared, at(1)));
    assert!(!one.is_struck_since(at(0), &shared));
    for number in 2..9 {
        _ = mark(number).leave(at(200_100), &shared, at(200_000));
    }
    assert!(mark(9).leave(at(100), &shared, at(0)));
    let entry = shared.get(&one.name()).unwrap().unwrap();
    assert_eq!(read(&entry.bytes).count(), 1, "no word lives for days");
}

/// Shared data that others always write first.
struct Contended(Alone);

impl SharedData for Contended {
    fn get(&self, name: &str) -> Result<Option<Entry>, Unavailable> {
        self.0.get(name)
    }

    fn set(&self, _: &str, _: &[u8], _: Option<u32>) -> Result<(), NotWritten> {
        Err(NotWritten::Changed)
    }
}

#[test]
fn what_could_not_be_written_is_said() {
    let shared = Contended(Alone::default());
    assert!(!mark(1).leave(at(100), &shared, at(0)));
    assert!(!mark(1).strike(LATE, &shared, at(0)));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let shared = Alone::default();
        let marked = [&[FORM], &*bytes].concat();
        shared.set(&mark(1).name(), &marked, None).unwrap();
        prop_assert!(read(&marked).count() <= MARKS);
        _ = mark(1).is_struck_since(at(0), &shared);
        if mark(1).leave(at(10), &shared, at(0)) {
            prop_assert!(!mark(1).is_struck_since(at(1), &shared));
            prop_assert!(mark(1).strike(LATE, &shared, at(1)));
            prop_assert!(mark(1).is_struck_since(at(0), &shared));
        }
    }
}
