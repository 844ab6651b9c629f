//! A bounded cache from secret bytes to a value, for answers that are costly to find again.
//!
//! Set-associative: a keyed hash picks a set of a few slots, and within it the whole key is compared, in
//! constant time. So a hostile key can neither collide into another's value nor make look-ups slow, nothing
//! is ever rehashed, and memory is bounded by count and by bytes.

use crate::crypto;
use crate::keyed_hash::keyed_hash;
use crate::metrics::Counter;
use crate::time::Timestamp;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Places in a set, where there are as many.
const WAYS: usize = 8;

/// The fewest places.
const LEAST: usize = 4;

/// What an entry takes beside its key and its value's own weight, in bytes.
const OVERHEAD: usize = 96;

/// A bounded cache. `V` is cheap to clone (a shared pointer).
pub struct Cache<V> {
    slots: Vec<Option<Entry<V>>>,
    set_mask: u64,
    ways: usize,
    hash_key: (u64, u64),
    max_bytes: usize,
    bytes: usize,
    entries: usize,
    hand: usize,
}

/// How full a cache is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fill {
    /// How many entries it has, expired ones among them.
    pub entries: usize,
    /// About how many bytes they take.
    pub bytes: usize,
}

struct Entry<V> {
    hash: u64,
    key: Box<[u8]>,
    value: V,
    expires: Timestamp,
    weight: usize,
    used: bool,
}

/// What an insertion did to the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is kept; so many other entries that still lived made room.
    Kept {
        /// Living entries that were dropped.
        evicted: u32,
    },
    /// It is not kept: the cache is off, or the entry alone is larger than the whole cache.
    Refused,
}

impl Inserted {
    /// Counts each living entry that was dropped as `counter`.
    pub fn count(self, counter: Counter, count: &mut dyn FnMut(Counter)) {
        let evicted = match self {
            Self::Kept { evicted } => evicted,
            Self::Refused => 0,
        };
        (0..evicted).for_each(|_| count(counter));
    }
}

impl<V: Clone> Cache<V> {
    /// A cache of at most `max_entries` (rounded up to a power of two, at least four; 0 is off) and `max_bytes`.
    /// `hash_key` must be unpredictable to those who choose the keys.
    pub fn new(max_entries: usize, max_bytes: usize, hash_key: (u64, u64)) -> Self {
        let slots =
            if max_entries == 0 || max_bytes == 0 { 0 } else { max_entries.max(LEAST).next_power_of_two() };
        let mut table = Vec::new();
        table.resize_with(slots, || None);
        let ways = slots.min(WAYS);
        let sets = (slots / ways.max(1)).max(1) as u64;
        let set_mask = sets.wrapping_sub(1);
        Self { slots: table, set_mask, ways, hash_key, max_bytes, bytes: 0, entries: 0, hand: 0 }
    }

    /// The value under `key`, if it is there and has not expired at `now`.
    pub fn find(&mut self, key: &[u8], now: Timestamp) -> Option<V> {
        if self.slots.is_empty() {
            return None;
        }
        let index = self.position(self.hash(key), key)?;
        let entry = self.slots.get_mut(index)?.as_mut()?;
        if entry.expires <= now {
            self.take(index);
            return None;
        }
        entry.used = true;
        Some(entry.value.clone())
    }

    /// Keeps `value` under `key` until `expires`. `weight` is the value's own size in bytes.
    pub fn insert(
        &mut self,
        key: &[u8],
        value: V,
        weight: usize,
        expires: Timestamp,
        now: Timestamp,
    ) -> Inserted {
        let weight = weight.saturating_add(key.len()).saturating_add(OVERHEAD);
        if self.slots.is_empty() || weight > self.max_bytes || expires <= now {
            return Inserted::Refused;
        }
        let hash = self.hash(key);
        let mut evicted = 0;
        let index = match self.position(hash, key) {
            // A successor takes its place, and nobody else's.
            Some(own) => {
                self.take(own);
                own
            }
            None => {
                let index = self.victim(hash, now);
                evicted += self.clear(index, now);
                index
            }
        };
        while self.bytes.saturating_add(weight) > self.max_bytes {
            let hand = self.hand;
            self.hand = (self.hand + 1) % self.slots.len();
            evicted += self.clear(hand, now);
        }
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = Some(Entry { hash, key: key.into(), value, expires, weight, used: false });
            self.bytes = self.bytes.saturating_add(weight);
            self.entries += 1;
        }
        Inserted::Kept { evicted }
    }

    /// Drops what is under `key`.
    pub fn remove(&mut self, key: &[u8]) {
        if let Some(index) = self.position(self.hash(key), key) {
            self.take(index);
        }
    }

    /// Drops every entry for which `keep` says no.
    pub fn retain(&mut self, mut keep: impl FnMut(&V) -> bool) {
        for index in 0..self.slots.len() {
            if let Some(Some(entry)) = self.slots.get(index)
                && !keep(&entry.value)
            {
                self.take(index);
            }
        }
    }

    /// How many bytes the entries take, by their stated weights.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many entries there are, expired ones among them.
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How full it is.
    pub fn fill(&self) -> Fill {
        Fill { entries: self.entries, bytes: self.bytes }
    }

    fn hash(&self, key: &[u8]) -> u64 {
        keyed_hash(self.hash_key, key)
    }

    fn set(&self, hash: u64) -> core::ops::Range<usize> {
        let start = usize::try_from(hash & self.set_mask).unwrap_or(0).saturating_mul(self.ways);
        start..start + self.ways
    }

    /// The slot that holds `key`, whose hash this is.
    fn position(&self, hash: u64, key: &[u8]) -> Option<usize> {
        let is_here = |index: &usize| match self.slots.get(*index) {
            Some(Some(entry)) => entry.hash == hash && crypto::constant_time_eq(&entry.key, key),
            Some(None) | None => false,
        };
        self.set(hash).find(is_here)
    }

    /// The slot to write a new key to: a free or expired one, else one not used lately, else the first.
    fn victim(&mut self, hash: u64, now: Timestamp) -> usize {
        let set = self.set(hash);
        let mut best = (u8::MAX, set.start);
        for index in set.clone() {
            let rank = match self.slots.get(index) {
                Some(Some(entry)) if entry.expires <= now => 1,
                Some(Some(entry)) if !entry.used => 2,
                Some(Some(_)) => 3,
                Some(None) => 0,
                None => continue,
            };
            if rank < best.0 {
                best = (rank, index);
            }
        }
        if best.0 == 3 {
            for index in set {
                if let Some(Some(entry)) = self.slots.get_mut(index) {
                    entry.used = false;
                }
            }
        }
        best.1
    }

    /// Empties a slot; 1 if that dropped an entry that still lived.
    fn clear(&mut self, index: usize, now: Timestamp) -> u32 {
        self.take(index).map_or(0, |entry| u32::from(entry.expires > now))
    }

    fn take(&mut self, index: usize) -> Option<Entry<V>> {
        let entry = self.slots.get_mut(index)?.take()?;
        self.bytes = self.bytes.saturating_sub(entry.weight);
        self.entries = self.entries.saturating_sub(1);
        Some(entry)
    }
}

#[cfg(test)]
mod tests;
