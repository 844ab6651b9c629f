//! Decision IDs: one for each exchange, in the refusal, upstream and in the audit line.

use crate::time::Timestamp;
use core::fmt;

/// A UUID of version 7 (RFC 9562 §5.7): milliseconds, then a counter and randomness of the worker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DecisionId([u8; 16]);

impl DecisionId {
    /// The 36 characters of the usual text form.
    pub fn text(&self) -> DecisionIdText {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let mut places = (0..36).filter(|place| !matches!(place, 8 | 13 | 18 | 23));
        for byte in self.0 {
            for digit in [byte >> 4, byte & 15] {
                if let (Some(place), Some(&digit)) = (places.next(), HEX.get(usize::from(digit)))
                    && let Some(cell) = text.get_mut(place)
                {
                    *cell = digit;
                }
            }
        }
        DecisionIdText(text)
    }
}

impl fmt::Debug for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

/// A decision ID as text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DecisionIdText([u8; 36]);

impl DecisionIdText {
    /// The text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Makes decision IDs that do not repeat: within a worker by a counter, among workers by randomness given once.
pub struct DecisionIds {
    nonce: u64,
    counter: u64,
}

impl DecisionIds {
    /// `nonce` is random for each worker's start.
    pub fn new(nonce: u64) -> Self {
        Self { nonce, counter: 0 }
    }

    /// The next ID.
    pub fn next(&mut self, now: Timestamp) -> DecisionId {
        self.counter = self.counter.wrapping_add(1);
        let millis = now.as_nanos().div_euclid(1_000_000) as u64;
        let counter = veiled(self.counter, self.nonce >> 32);
        // Of the 74 free bits the counter takes 42 and the nonce 32.
        let high = (millis << 16) | 0x7000 | ((counter >> 30) & 0x0fff);
        let low = (0b10 << 62) | ((counter & 0x3fff_ffff) << 32) | (self.nonce & 0xffff_ffff);
        let mut bytes = [0; 16];
        let (first, second) = bytes.split_at_mut(8);
        first.copy_from_slice(&high.to_be_bytes());
        second.copy_from_slice(&low.to_be_bytes());
        DecisionId(bytes)
    }
}

/// A permutation of the numbers of 42 bits (a Feistel network), so that nobody counts a worker's requests by their IDs.
/// It hides, and secures nothing.
fn veiled(counter: u64, key: u64) -> u64 {
    const HALF: u64 = (1 << 21) - 1;
    let (mut left, mut right) = ((counter >> 21) & HALF, counter & HALF);
    for round in 1..=4_u64 {
        let mixed =
            (right ^ key.rotate_left(7 * round as u32) ^ round).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 43;
        (left, right) = (right, left ^ (mixed & HALF));
    }
    (left << 21) | right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_seven_and_never_repeat() {
        let mut ids = DecisionIds::new(0xdead_beef);
        let now = Timestamp::from_secs(1_700_000_000);
        let first = ids.next(now);
        let text = first.text();
        assert!(text.as_str().starts_with("018bcfe5-6800-7"), "{first:?}");
        assert!(text.as_str().ends_with("deadbeef"), "{first:?}");
        let mut seen = alloc::collections::BTreeSet::new();
        for _ in 0..10_000 {
            assert!(seen.insert(ids.next(now)));
        }
    }
}
