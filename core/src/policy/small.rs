//! A list that keeps its first few items in place, so that the common request allocates nothing.

use alloc::vec::Vec;

/// A growable list of `Copy` items whose first `N` need no heap.
#[derive(Clone, Debug)]
pub struct Inline<T, const N: usize> {
    head: [T; N],
    len: usize,
    spill: Vec<T>,
}

impl<T: Copy, const N: usize> Inline<T, N> {
    /// An empty list; `filler` occupies the unused places and is never seen.
    pub(crate) fn new(filler: T) -> Self {
        Self { head: [filler; N], len: 0, spill: Vec::new() }
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The item at `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<T> {
        if index >= self.len {
            return None;
        }
        match self.head.get(index) {
            Some(item) => Some(*item),
            None => self.spill.get(index - N).copied(),
        }
    }

    /// The items in order.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        let in_place = self.head.get(..self.len.min(N)).unwrap_or(&self.head);
        in_place.iter().chain(self.spill.iter()).copied()
    }

    /// Whether the items have outgrown their place.
    pub(crate) fn spills(&self) -> bool {
        self.len > N
    }

    pub(crate) fn contains(&self, item: &T) -> bool
    where
        T: PartialEq,
    {
        let in_place = self.head.get(..self.len.min(N)).unwrap_or(&self.head);
        in_place.contains(item) || self.spill.contains(item)
    }

    pub(crate) fn push(&mut self, item: T) {
        match self.head.get_mut(self.len) {
            Some(place) => *place = item,
            None => self.spill.push(item),
        }
        self.len += 1;
    }

    pub(crate) fn set(&mut self, index: usize, item: T) {
        if index >= self.len {
            return;
        }
        match self.head.get_mut(index) {
            Some(place) => *place = item,
            None => {
                if let Some(place) = self.spill.get_mut(index - N) {
                    *place = item;
                }
            }
        }
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        if len < self.len {
            self.len = len;
            self.spill.truncate(len.saturating_sub(N));
        }
    }

    /// Sorts and drops repeats. Long lists move to the heap to be sorted.
    pub(crate) fn sort_dedup_by_key<K: Ord>(&mut self, key: impl Fn(&T) -> K) {
        if self.len <= 1 {
            return;
        }
        if self.len <= N {
            let Some(items) = self.head.get_mut(..self.len) else {
                return;
            };
            items.sort_unstable_by_key(|item| key(item));
            let mut kept: usize = 0;
            for next in 0..self.len {
                let Some(item) = self.get(next) else { break };
                let repeated = kept > 0 && self.get(kept - 1).is_some_and(|last| key(&last) == key(&item));
                if !repeated {
                    self.set(kept, item);
                    kept += 1;
                }
            }
            self.truncate(kept);
        } else {
            let mut items: Vec<T> = self.iter().collect();
            items.sort_unstable_by_key(|item| key(item));
            items.dedup_by_key(|item| key(item));
            self.truncate(0);
            for item in items {
                self.push(item);
            }
        }
    }
}

impl<T: Copy + PartialEq, const N: usize> PartialEq for Inline<T, N> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<T: Copy + Eq, const N: usize> Eq for Inline<T, N> {}
