//! What is remembered of things that have ended: the latest of them, up to a number and to bytes.

use std::collections::{BTreeMap, VecDeque};

/// How many are remembered.
const MANY: usize = 65_536;
/// What one takes beside its bytes, about.
const ENTRY: usize = 1024;

/// The latest things that ended, by their keys.
pub(crate) struct Remembered<K, V> {
    kept: BTreeMap<K, (V, usize)>,
    /// Keys, the oldest first.
    order: VecDeque<K>,
    bytes: usize,
}

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Self { kept: BTreeMap::new(), order: VecDeque::new(), bytes: 0 }
    }
}

impl<K: Ord + Copy, V> Remembered<K, V> {
    /// Remembers something of so many bytes, and forgets the oldest where all together have more than `most`.
    pub(crate) fn insert(&mut self, key: K, value: V, bytes: usize, most: usize) {
        self.remove(key);
        let bytes = bytes.saturating_add(ENTRY);
        self.kept.insert(key, (value, bytes));
        self.order.push_back(key);
        self.bytes = self.bytes.saturating_add(bytes);
        while self.order.len() > MANY || (self.bytes > most && self.order.len() > 1) {
            let Some(oldest) = self.order.front().copied() else { break };
            self.remove(oldest);
        }
    }

    pub(crate) fn get(&self, key: K) -> Option<&V> {
        self.kept.get(&key).map(|(value, _)| value)
    }

    pub(crate) fn remove(&mut self, key: K) {
        let Some((_, bytes)) = self.kept.remove(&key) else { return };
        self.bytes -= bytes;
        // Nearly always what came last, or first.
        if self.order.back() == Some(&key) {
            self.order.pop_back();
        } else if let Some(at) = self.order.iter().position(|known| *known == key) {
            self.order.remove(at);
        }
    }
}
