//! How many used proofs are remembered: known of a shard when a proof is noted in it, and looked at again little by little, since
//! other workers note proofs too, and time ends them.

use super::replay::{Memory, Noted, RECORD, SHARDS, living};
use crate::cache::Fill;
use crate::shared::SharedData;
use crate::time::{Span, Timestamp};
use alloc::vec::Vec;

/// How many shards are looked at at once.
const AT_ONCE: usize = 8;

/// How long not, after that.
const PAUSE: Span = Span::from_secs(1);

/// A count of used proofs.
#[derive(Default)]
pub(super) struct Tally {
    /// Of each shard; empty until a proof was noted.
    shards: Vec<u16>,
    total: usize,
    next: u8,
    looked: Timestamp,
}

impl Tally {
    /// A proof was noted.
    pub(super) fn noted(&mut self, noted: Noted) {
        self.shards.resize(SHARDS, 0);
        self.set(noted.shard, noted.living);
    }

    /// Looks at the next shards, where it is time to. Where no proof was ever noted, nobody looks.
    pub(super) fn look(&mut self, memory: &Memory, shared: &dyn SharedData, now: Timestamp) {
        let since = now.since(self.looked);
        if self.shards.is_empty() || (Span::ZERO..PAUSE).contains(&since) {
            return;
        }
        self.looked = now;
        for _ in 0..AT_ONCE {
            if let Some(living) = living(self.next, memory, shared, now) {
                self.set(self.next, living);
            }
            self.next = self.next.wrapping_add(1);
        }
    }

    /// How many there are, and how many bytes they take.
    pub(super) fn fill(&self) -> Fill {
        Fill { entries: self.total, bytes: self.total.saturating_mul(RECORD) }
    }

    fn set(&mut self, shard: u8, living: usize) {
        if let Some(known) = self.shards.get_mut(usize::from(shard)) {
            let living = u16::try_from(living).unwrap_or(u16::MAX);
            let before = core::mem::replace(known, living);
            self.total = (self.total + usize::from(living)).saturating_sub(usize::from(before));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::replay::{Proof, note};
    use super::*;
    use crate::shared::Alone;
    use alloc::format;

    const MEMORY: Memory = Memory { entries: 65_536, max_age: Span::from_secs(60) };

    #[test]
    fn proofs_are_counted_while_they_live_whoever_noted_them() {
        let shared = Alone::default();
        let start = Timestamp::from_secs(1_790_000_000);
        let note = |number: u32| {
            let id = format!("{number}");
            note(&Proof { key: &[1; 32], id: &id, issued_at: start }, &MEMORY, &shared, start).unwrap()
        };
        let mut tally = Tally::default();
        tally.look(&MEMORY, &shared, start);
        assert_eq!(tally.fill(), Fill::default());
        for number in 0..300 {
            tally.noted(note(number));
            assert_eq!(
                tally.fill(),
                Fill { entries: number as usize + 1, bytes: 20 * (number as usize + 1) }
            );
        }
        // Another worker's.
        for number in 300..500 {
            note(number);
        }
        let round = |tally: &mut Tally, from: i64| {
            let looks = (SHARDS / AT_ONCE) as i64;
            (from..from + looks).for_each(|secs| {
                tally.look(&MEMORY, &shared, start.plus(Span::from_secs(secs)));
                tally.look(&MEMORY, &shared, start.plus(Span::from_secs(secs)));
            });
        };
        round(&mut tally, 1);
        assert_eq!(tally.fill().entries, 500);
        round(&mut tally, 61);
        assert_eq!(tally.fill(), Fill::default(), "none of them lives");
    }
}
