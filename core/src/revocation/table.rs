//! Many entries in little room: each is a bucket and 32 bits.

use super::entries::{Entries, Fault};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The first bits of an entry choose its bucket, the next 32 are kept there, and the last one of 48 is dropped: a million entries take
/// 4,131,076 bytes, and one identifier in 140 million that was never revoked is taken for one that was.
const BUCKETS: usize = 1 << 15;

/// A set of entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// Where each bucket begins in `rests`, and where the last one ends; nothing without entries.
    offsets: Box<[u32]>,
    /// The entries of each bucket, in ascending order.
    rests: Box<[u32]>,
}

/// The bucket of an entry, and what is kept in it.
fn split(entry: u64) -> (usize, u32) {
    ((entry >> 33) as usize & (BUCKETS - 1), (entry >> 1) as u32)
}

impl Table {
    /// Takes the entries of all lists, which have `count` together, at most 2³² − 1. A fault comes with its list's place.
    pub(super) fn of<const N: usize>(
        mut lists: [Entries<'_>; N],
        count: usize,
    ) -> Result<Self, (usize, Fault)> {
        let mut heads = [None; N];
        for (at, (list, head)) in lists.iter_mut().zip(&mut heads).enumerate() {
            *head = list.next().map_err(|fault| (at, fault))?;
        }
        if heads.iter().all(Option::is_none) {
            return Ok(Self::default());
        }
        let mut offsets: Vec<u32> = Vec::with_capacity(BUCKETS + 1);
        let mut rests: Vec<u32> = Vec::with_capacity(count);
        // Each list is in order, so that the least of their heads is the next of all.
        loop {
            let places = lists.iter_mut().zip(&mut heads).enumerate();
            let least = places.filter(|(_, (_, head))| head.is_some()).min_by_key(|(_, (_, head))| **head);
            let Some((at, (list, head))) = least else { break };
            let (bucket, rest) = split(head.unwrap_or_default());
            while offsets.len() <= bucket {
                offsets.push(rests.len() as u32);
            }
            rests.push(rest);
            *head = list.next().map_err(|fault| (at, fault))?;
        }
        offsets.resize(BUCKETS + 1, rests.len() as u32);
        Ok(Self { offsets: offsets.into_boxed_slice(), rests: rests.into_boxed_slice() })
    }

    /// Whether an entry is in the set, or one that differs from it in the last bit alone.
    pub(super) fn contains(&self, entry: u64) -> bool {
        let (bucket, rest) = split(entry);
        let bounds = self.offsets.get(bucket).zip(self.offsets.get(bucket + 1));
        let rests = bounds.and_then(|(start, end)| self.rests.get(*start as usize..*end as usize));
        rests.is_some_and(|rests| rests.binary_search(&rest).is_ok())
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.rests.len()
    }

    /// How many bytes it takes, beside its own.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.offsets) + size_of_val(&*self.rests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base64url;
    use alloc::collections::BTreeSet;
    use alloc::string::String;
    use proptest::prelude::*;

    const LAST: u64 = (1 << 48) - 1;

    fn written(entries: &BTreeSet<u64>) -> String {
        let bytes: Vec<u8> = entries.iter().flat_map(|entry| entry.to_be_bytes()[2..].to_vec()).collect();
        base64url::encode(&bytes)
    }

    fn table(lists: [&BTreeSet<u64>; 3]) -> Table {
        let texts = lists.map(written);
        let count = lists.iter().map(|list| list.len()).sum();
        Table::of(texts.each_ref().map(|text| Entries::new(text).unwrap().0), count).unwrap()
    }

    #[test]
    fn the_ends_of_the_range_are_found() {
        let none = BTreeSet::new();
        let empty = table([&none; 3]);
        assert_eq!((empty.len(), empty.bytes()), (0, 0));
        assert!(!empty.contains(0) && !empty.contains(LAST));
        for entries in [[0, 2], [0, LAST], [LAST - 2, LAST], [1 << 33, (1 << 33) - 1]] {
            let set = BTreeSet::from(entries);
            let table = table([&none, &set, &none]);
            assert!(entries.iter().all(|entry| table.contains(*entry)), "{entries:?}");
            assert!(!table.contains(1 << 40));
        }
    }

    #[test]
    fn a_fault_says_whose_it_is() {
        let good = written(&BTreeSet::from([1, 2]));
        let lists = [&*good, "AAAAAAAAAAAAAAAA", &good].map(|text| Entries::new(text).unwrap().0);
        assert_eq!(Table::of(lists, 6), Err((1, Fault::Order)));
    }

    proptest! {
        #[test]
        fn as_a_set_would_have_it(
            lists in prop::array::uniform3(prop::collection::btree_set(0..=LAST, 0..200)),
            // Few buckets and near neighbours, beside entries from anywhere.
            near in prop::collection::btree_set(0u64..2_000, 0..200),
            others in prop::collection::vec(0..=LAST, 50),
        ) {
            let [a, mut b, c] = lists;
            b.extend(near.iter().map(|entry| entry << 1));
            let table = table([&a, &b, &c]);
            let all: BTreeSet<u64> = a.iter().chain(&b).chain(&c).map(|entry| entry >> 1).collect();
            prop_assert_eq!(table.len(), a.len() + b.len() + c.len());
            let near = (0..4_000).chain(others);
            for entry in near.chain(all.iter().flat_map(|half| [half << 1, half << 1 | 1])) {
                prop_assert_eq!(table.contains(entry), all.contains(&(entry >> 1)), "{}", entry);
            }
        }
    }
}
