//! Spreading in time what began together.

use crate::time::Span;

/// Where within a span something happens, at random, so that what began together does not stay together. It need not be
/// unpredictable.
pub(crate) struct Jitter(u64);

impl Jitter {
    /// One that goes its own way for each seed.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A part of a span, from none of it to all. SplitMix64.
    pub(crate) fn part_of(&mut self, span: Span) -> Span {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let share = u128::from((mixed ^ (mixed >> 31)) >> 32);
        let span = u128::try_from(span.as_nanos()).unwrap_or(0);
        Span::from_nanos(i64::try_from((span * share) >> 32).unwrap_or(0))
    }
}
