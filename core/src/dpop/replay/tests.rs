use super::*;
use crate::shared::Alone;
use proptest::prelude::*;

const START: i64 = 1_790_000_000;
const SMALL: Memory = memory(32, 60);

const fn memory(entries: usize, max_age: i64) -> Memory {
    Memory { entries, max_age: Span::from_secs(max_age) }
}

fn key(number: u8) -> [u8; 32] {
    [number; 32]
}

/// Notes a proof that is issued and used so many seconds after the start.
fn used(
    shared: &Alone,
    memory: &Memory,
    key: &[u8; 32],
    id: &str,
    issued: i64,
    now: i64,
) -> Result<(), Reason> {
    let at = |secs| Timestamp::from_secs(START + secs);
    note(&Proof { key, id, issued_at: at(issued) }, memory, shared, at(now)).map(|_| ())
}

/// Names of proofs by this key that fall into the shard of the first.
fn neighbours(key: &[u8; 32]) -> impl Iterator<Item = String> + '_ {
    let shard = |id: &str| place(&Proof { key, id, issued_at: Timestamp::default() }).unwrap().0;
    let first = shard("0");
    (0..).map(|number: u32| format!("{number}")).filter(move |id| shard(id) == first)
}

#[test]
fn a_clock_that_is_set_back_brings_no_used_proof_back() {
    let (shared, key) = (Alone::default(), key(1));
    let ids: Vec<String> = neighbours(&key).take(4).collect();
    used(&shared, &SMALL, &key, &ids[0], 0, 0).unwrap();
    // A minute later another one takes its place.
    used(&shared, &SMALL, &key, &ids[1], 61, 61).unwrap();
    assert_eq!(used(&shared, &SMALL, &key, &ids[1], 61, 61), Err(Reason::BindingDpopReplayed));
    // The clock steps back by half of it: both are of an age that would do.
    assert_eq!(used(&shared, &SMALL, &key, &ids[0], 0, 30), Err(Reason::BindingDpopTime));
    assert_eq!(used(&shared, &SMALL, &key, &ids[1], 61, 30), Err(Reason::BindingDpopReplayed));
    // What is younger than all that was dropped is no used one.
    let wide = memory(65_536, 60);
    used(&shared, &wide, &key, &ids[2], 1, 30).unwrap();
    used(&shared, &wide, &key, &ids[3], 30, 30).unwrap();
}

#[test]
fn a_record_outlives_its_proof_whatever_the_part_of_the_second() {
    let (shared, key) = (Alone::default(), key(1));
    let wide = memory(65_536, 60);
    let ids: Vec<String> = neighbours(&key).take(3).collect();
    let at = |nanos: i64| Timestamp::from_nanos(START * 1_000_000_000 + nanos);
    let proof = |id, issued_at| Proof { key: &key, id, issued_at };
    let late = at(900_000_000);
    note(&proof(&ids[0], late), &wide, &shared, late).unwrap();
    // The last nanosecond in which it is young enough.
    let last = late.plus(wide.max_age).minus(Span::from_nanos(1));
    note(&proof(&ids[1], last), &wide, &shared, last).unwrap();
    assert_eq!(note(&proof(&ids[0], late), &wide, &shared, last), Err(Reason::BindingDpopReplayed));
    // A proof of the same second that nobody has used is as good as ever.
    note(&proof(&ids[2], late), &wide, &shared, last).unwrap();
}

#[test]
fn neither_more_nor_less_room_forgets_a_proof() {
    let sizes = [32, 1_000, 65_536, 1_048_576];
    for (before, after) in sizes.iter().flat_map(|one| sizes.map(|other| (*one, other))) {
        let (shared, key) = (Alone::default(), key(1));
        for id in ["a", "b", "c", "d"] {
            used(&shared, &memory(before, 60), &key, id, 0, 0).unwrap();
            assert_eq!(
                used(&shared, &memory(after, 60), &key, id, 0, 0),
                Err(Reason::BindingDpopReplayed),
                "{before}, then {after}"
            );
        }
    }
}

#[test]
fn a_longer_age_brings_no_used_proof_back() {
    let (shared, key) = (Alone::default(), key(1));
    let ids: Vec<String> = neighbours(&key).take(3).collect();
    used(&shared, &memory(65_536, 60), &key, &ids[0], 0, 0).unwrap();
    used(&shared, &memory(65_536, 60), &key, &ids[1], 61, 61).unwrap();
    let long = memory(65_536, 300);
    assert_eq!(used(&shared, &long, &key, &ids[0], 0, 62), Err(Reason::BindingDpopTime));
    used(&shared, &long, &key, &ids[2], 1, 62).unwrap();
}

#[test]
fn no_key_fills_the_room_of_the_others() {
    let shared = Alone::default();
    let (attacker, victim) = (key(1), key(2));
    let memory = memory(512, 60);
    let mut taken = 0;
    for number in 0..10_000 {
        match used(&shared, &memory, &attacker, &format!("{number}"), 0, 0) {
            Ok(()) => taken += 1,
            Err(reason) => assert_eq!(reason, Reason::LimitDpop),
        }
    }
    // A quarter of the room of every shard, which is twice what was asked for.
    assert_eq!(taken, 512 * 2 / 4);
    // The same key is refused, wherever its proof falls.
    assert_eq!(used(&shared, &memory, &attacker, "one more", 0, 0), Err(Reason::LimitDpop));
    for number in 0..20 {
        let id = format!("{number}");
        let key = [100 + number; 32];
        assert_eq!(used(&shared, &memory, &key, &id, 0, 0), Ok(()), "{id}");
    }
    assert_eq!(used(&shared, &memory, &victim, "a", 0, 0), Ok(()));
    assert_eq!(used(&shared, &memory, &attacker, "later", 61, 61), Ok(()), "what is over makes room");
}

#[test]
fn a_shard_is_bounded() {
    let shared = Alone::default();
    let room = SMALL.room();
    let shard =
        |key: &[u8; 32], id: &str| place(&Proof { key, id, issued_at: Timestamp::default() }).unwrap().0;
    let first = shard(&key(0), "0");
    let mut taken = 0;
    for number in 0..u8::MAX {
        let key = key(number);
        let id = (0..).map(|n: u32| format!("{n}")).find(|id| shard(&key, id) == first).unwrap();
        match used(&shared, &SMALL, &key, &id, 0, 0) {
            Ok(()) => taken += 1,
            Err(reason) => assert_eq!(reason, Reason::LimitDpop),
        }
    }
    assert_eq!(taken, room);
}

#[test]
fn what_is_no_shard_is_refused_and_stays() {
    for bytes in [&[0_u8; 3][..], &[0; HEAD + 1], &[0; HEAD + RECORD - 1], &[0; HEAD + RECORD + 1]] {
        let shared = Alone::default();
        let proof = Proof { key: &key(1), id: "a", issued_at: Timestamp::from_secs(START) };
        let number = place(&proof).unwrap().0;
        let name = name(number);
        shared.set(&name, bytes, None).unwrap();
        let now = Timestamp::from_secs(START);
        assert_eq!(note(&proof, &SMALL, &shared, now), Err(Reason::SystemSharedData));
        assert_eq!(shared.get(&name).unwrap().unwrap().bytes, bytes);
    }
}

proptest! {
    /// Whatever the clock does and whoever shares the table: no proof serves twice.
    #[test]
    fn no_proof_serves_twice(
        steps in proptest::collection::vec((0..6_u8, 0..3_u8, 0..400_i64, 0..3_usize, 0..3_usize), 1..80)
    ) {
        let shared = Alone::default();
        let ids: Vec<Vec<String>> = (0..3).map(|number| neighbours(&key(number)).take(6).collect()).collect();
        let mut served = Vec::new();
        for (id, number, now, entries, age) in steps {
            let memory = memory([32, 512, 65_536][entries], [20, 60, 300][age]);
            // Each proof has its own time of issue; it is used when it is young enough by the clock of that moment.
            let issued = i64::from(id) * 50;
            if issued > now + 5 || now >= issued + memory.max_age.as_secs() {
                continue;
            }
            let name = &ids[usize::from(number)][usize::from(id)];
            if used(&shared, &memory, &key(number), name, issued, now).is_ok() {
                prop_assert!(!served.contains(&(number, id)), "{number} {id} at {now}");
                served.push((number, id));
            }
        }
    }

    #[test]
    fn any_bytes_are_a_shard_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..200), now in 0..1_i64 << 33) {
        let record = Record { mark: [1; 8], key: [2; 8], issued: 7 };
        if let Ok(shard) = with(&bytes, &record, &SMALL, Timestamp::from_secs(now)) {
            prop_assert_eq!((shard.len() - HEAD) % RECORD, 0);
            prop_assert!(shard.len() <= HEAD + SMALL.room() * RECORD);
            prop_assert!(shard.len() <= bytes.len().max(HEAD) + RECORD);
        }
    }
}
