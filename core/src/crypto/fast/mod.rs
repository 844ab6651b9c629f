//! [`Software`]'s verdicts, sooner for keys that are used again and again.
//!
//! Most of a verification is the multiplication of two points: the curve's generator and the key. From a table of multiples
//! each takes a fraction of the time. Tables are built off the request path, a slice with each [`Fast::work`]; until then, and
//! for all keys without one, [`Software`] verifies.

mod comb;
mod digits;
mod edwards;
mod table;

#[cfg(test)]
mod tests;

use super::{Algorithm, KeyType, PublicKey, SignatureError, SignatureProvider, Software};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use table::Table;

/// The most keys that have tables.
pub const MOST_TABLES: usize = 8;

/// The most bytes that all tables take, the generators' among them.
pub const MOST_BYTES: usize = 2 << 20;

/// How often a key is used before it gets a table.
const USES: u32 = 4;

/// The most keys whose use is counted while they have no table.
const MOST_CANDIDATES: usize = 32;

/// After so many verifications all counts of uses are halved, so that keys out of use lose their tables to others.
const HALF_LIFE: u32 = 4096;

/// Verifies by tables where there are any, and else by [`Software`]; both agree on every input.
///
/// A table belongs to the number that a key is, and not to a key's place in a set: it is of no use to anybody once an issuer no
/// longer names the key.
#[derive(Default)]
pub struct Fast {
    state: RefCell<State>,
    by_table: Cell<u32>,
}

#[derive(Default)]
struct State {
    /// By [`place`].
    generators: [Option<Table>; 4],
    keys: Vec<Keyed>,
    candidates: Vec<Candidate>,
    since_halved: u32,
}

struct Keyed {
    key: PublicKey,
    uses: u32,
    table: Table,
}

struct Candidate {
    key: PublicKey,
    uses: u32,
}

impl Fast {
    /// No tables yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many keys have a table that is used.
    pub fn tables(&self) -> usize {
        self.state
            .try_borrow()
            .map_or(0, |state| state.keys.iter().filter(|keyed| state.is_ready(keyed)).count())
    }

    /// How many signatures were verified by tables since this was asked last.
    pub fn take_by_table(&self) -> u32 {
        self.by_table.take()
    }

    /// Bytes of all tables, those under way among them.
    pub fn bytes(&self) -> usize {
        self.state.try_borrow().map_or(0, |state| state.bytes())
    }

    /// Builds tables for keys that are used, until `budget` is spent; whether there is more to do. A unit is about 100 µs in a
    /// gateway's engine.
    pub fn work(&self, budget: u32) -> bool {
        let Ok(mut state) = self.state.try_borrow_mut() else { return false };
        let mut left = budget;
        loop {
            let Some(spent) = state.step() else { return false };
            left = left.saturating_sub(spent);
            if left == 0 {
                return state.has_work();
            }
        }
    }

    /// The verdict of the key's table; nothing where it has none, which is counted.
    fn by_table(
        &self,
        key: &PublicKey,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Option<Result<(), SignatureError>> {
        let place = place(key.key_type()).filter(|_| algorithm.key_type() == key.key_type())?;
        let mut state = self.state.try_borrow_mut().ok()?;
        state.age();
        let State { generators, keys, candidates, .. } = &mut *state;
        let Some(keyed) = keys.iter_mut().find(|keyed| keyed.key.spki_der() == key.spki_der()) else {
            count_use(candidates, key);
            return None;
        };
        keyed.uses = keyed.uses.saturating_add(1);
        let generator = generators.get(place)?.as_ref()?;
        let verdict = keyed.table.verify(generator, key, message, signature)?;
        self.by_table.set(self.by_table.get().saturating_add(1));
        Some(verdict)
    }
}

impl SignatureProvider for Fast {
    fn verify(
        &self,
        key: &PublicKey,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        match self.by_table(key, algorithm, message, signature) {
            Some(verdict) => verdict,
            None => Software.verify(key, algorithm, message, signature),
        }
    }

    fn work(&self) -> bool {
        Self::work(self, table::SLICE)
    }
}

impl State {
    fn is_ready(&self, keyed: &Keyed) -> bool {
        let generator = place(keyed.key.key_type()).and_then(|place| self.generators.get(place)?.as_ref());
        keyed.table.is_whole() && generator.is_some_and(Table::is_whole)
    }

    fn bytes(&self) -> usize {
        let tables = self.generators.iter().flatten().chain(self.keys.iter().map(|keyed| &keyed.table));
        tables.map(Table::bytes).sum()
    }

    fn has_work(&self) -> bool {
        self.keys.iter().any(|keyed| !self.is_ready(keyed)) || self.next_candidate().is_some()
    }

    /// Does the next piece of work; what it cost, or nothing where there is none.
    fn step(&mut self) -> Option<u32> {
        let unready = self.keys.iter().position(|keyed| !self.is_ready(keyed));
        let Some(index) = unready else {
            let index = self.next_candidate()?;
            self.admit(index);
            return Some(0);
        };
        let keyed = self.keys.get_mut(index)?;
        let generator = self.generators.get_mut(place(keyed.key.key_type())?)?;
        let generator = generator.get_or_insert_with(|| keyed.table.generator());
        let table = if generator.is_whole() { &mut keyed.table } else { generator };
        Some(table.build())
    }

    /// Whether there is room for a table of such a key, and for its generator's where there is none yet.
    fn has_room(&self, kind: KeyType) -> bool {
        let generator = place(kind).and_then(|place| self.generators.get(place)?.as_ref());
        let tables = if generator.is_some() { 1 } else { 2 };
        self.keys.len() < MOST_TABLES && self.bytes() + tables * Table::bytes_of(kind) <= MOST_BYTES
    }

    /// A key that is used enough for a table, and more than one that would have to go for it.
    fn next_candidate(&self) -> Option<usize> {
        let (index, candidate) =
            self.candidates.iter().enumerate().max_by_key(|(_, candidate)| candidate.uses)?;
        if candidate.uses < USES {
            return None;
        }
        let least = self.keys.iter().map(|keyed| keyed.uses).min();
        let wins = least.is_some_and(|least| least < candidate.uses);
        (wins || self.has_room(candidate.key.key_type())).then_some(index)
    }

    /// Begins a table for this candidate, in the place of those least used where there is no room.
    fn admit(&mut self, index: usize) {
        let Candidate { key, uses } = self.candidates.swap_remove(index);
        while !self.has_room(key.key_type()) {
            let least = self.keys.iter().enumerate().min_by_key(|(_, keyed)| keyed.uses);
            let Some((least, _)) = least.filter(|(_, keyed)| keyed.uses < uses) else { return };
            self.keys.swap_remove(least);
            self.drop_unused_generators();
        }
        if let Some(table) = Table::new(&key) {
            self.keys.push(Keyed { key, uses, table });
        }
    }

    fn drop_unused_generators(&mut self) {
        for (index, generator) in self.generators.iter_mut().enumerate() {
            if !self.keys.iter().any(|keyed| place(keyed.key.key_type()) == Some(index)) {
                *generator = None;
            }
        }
    }

    fn age(&mut self) {
        self.since_halved += 1;
        if self.since_halved >= HALF_LIFE {
            self.since_halved = 0;
            self.keys.iter_mut().for_each(|keyed| keyed.uses /= 2);
            self.candidates.iter_mut().for_each(|candidate| candidate.uses /= 2);
            self.candidates.retain(|candidate| candidate.uses > 0);
        }
    }
}

/// Counts a use of a key without a table. Where too many are counted, it takes the place of the one used least.
fn count_use(candidates: &mut Vec<Candidate>, key: &PublicKey) {
    let known = candidates.iter_mut().find(|candidate| candidate.key.spki_der() == key.spki_der());
    if let Some(candidate) = known {
        candidate.uses = candidate.uses.saturating_add(1);
        return;
    }
    if candidates.len() >= MOST_CANDIDATES
        && let Some(least) = (0..candidates.len()).min_by_key(|index| candidates.get(*index).map(|c| c.uses))
    {
        candidates.swap_remove(least);
    }
    candidates.push(Candidate { key: key.clone(), uses: 1 });
}

/// Where a curve's generator has its table; nothing for keys that have none.
const fn place(key: KeyType) -> Option<usize> {
    match key {
        KeyType::Ed25519 => Some(0),
        KeyType::P256 => Some(1),
        KeyType::P384 => Some(2),
        KeyType::P521 => Some(3),
        KeyType::Rsa => None,
    }
}
