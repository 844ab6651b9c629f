//! Comparing two runs by the medians of their rounds: by what factor they differ, and how sure that is.
//!
//! The estimate is that of Hodges and Lehmann, the median of all quotients of a round of one and a round of the other. The interval
//! holds the true factor in 95 % of cases, by the ranks of the Wilcoxon-Mann-Whitney test. Neither asks how times are distributed,
//! and neither is moved by a few bad rounds.

/// Rounds that count at most, so that quotients stay few.
const ROUNDS: usize = 400;

/// Fewer rounds than this say nothing of noise; the interval is then wider by a factor.
const FEW: usize = 3;
const ROOM: f64 = 1.5;

/// By what factor one run's times are another's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Factor {
    /// The estimate.
    pub(crate) estimate: f64,
    /// The least and the most that it may well be.
    pub(crate) interval: (f64, f64),
}

/// What a difference comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Faster by more than is tolerated, beyond noise.
    Better,
    /// Neither better nor worse, as far as can be told.
    Same,
    /// Slower by more than is tolerated, beyond noise.
    Worse,
}

impl Verdict {
    /// Its name in reports.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Same => "same",
            Self::Worse => "worse",
        }
    }
}

impl Factor {
    /// Compares medians of rounds, in any unit; nothing where one side has none.
    pub(crate) fn between(now: &[u64], before: &[u64]) -> Option<Self> {
        let (now, before) = (usable(now), usable(before));
        let mut quotients: Vec<f64> =
            now.iter().flat_map(|now| before.iter().map(move |before| now / before)).collect();
        quotients.sort_unstable_by(f64::total_cmp);
        let last = quotients.len().checked_sub(1)?;
        let outside = outside(now.len(), before.len()).min(last / 2);
        let room = if now.len().min(before.len()) < FEW { ROOM } else { 1.0 };
        Some(Self {
            estimate: f64::midpoint(quotients[last / 2], quotients[last.div_ceil(2)]),
            interval: (quotients[outside] / room, quotients[last - outside] * room),
        })
    }

    /// What it comes to, where a difference of this share is tolerated.
    pub(crate) fn verdict(self, tolerated: f64) -> Verdict {
        if self.interval.0 > 1.0 + tolerated {
            Verdict::Worse
        } else if self.interval.1 < 1.0 / (1.0 + tolerated) {
            Verdict::Better
        } else {
            Verdict::Same
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds far below 2^52")]
fn usable(rounds: &[u64]) -> Vec<f64> {
    rounds.iter().filter(|round| **round > 0).take(ROUNDS).map(|round| *round as f64).collect()
}

/// How many quotients lie outside of the interval at each end. With few rounds none: the interval is then all that was seen.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few hundred rounds"
)]
fn outside(now: usize, before: usize) -> usize {
    let (n, m) = (now as f64, before as f64);
    let rank = n * m / 2.0 - 1.96 * (n * m * (n + m + 1.0) / 12.0).sqrt();
    rank.max(0.0).floor() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(now: &[u64], before: &[u64]) -> Verdict {
        Factor::between(now, before).unwrap().verdict(0.1)
    }

    #[test]
    fn a_shift_of_all_rounds_is_seen_and_a_few_bad_rounds_are_not() {
        let before = [100, 101, 99, 100, 102, 98, 100, 101, 99, 100];
        let slower = before.map(|time| time * 13 / 10);
        assert_eq!(verdict(&slower, &before), Verdict::Worse);
        assert_eq!(verdict(&before, &slower), Verdict::Better);
        assert_eq!(verdict(&before, &before), Verdict::Same);
        let disturbed = [100, 101, 99, 900, 102, 98, 800, 101, 99, 100];
        assert_eq!(verdict(&disturbed, &before), Verdict::Same);
        // Slower, and by less than is tolerated.
        assert_eq!(verdict(&before.map(|time| time + 5), &before), Verdict::Same);
    }

    #[test]
    fn noise_larger_than_the_difference_is_no_verdict() {
        let before = [60, 140, 80, 120, 100, 70, 130, 90, 110, 100];
        assert_eq!(verdict(&before.map(|time| time * 13 / 10), &before), Verdict::Same);
    }

    #[test]
    fn single_rounds_are_given_room() {
        assert_eq!(verdict(&[120], &[100]), Verdict::Same);
        assert_eq!(verdict(&[200], &[100]), Verdict::Worse);
        assert_eq!(verdict(&[50], &[100]), Verdict::Better);
        assert!(Factor::between(&[], &[1]).is_none() && Factor::between(&[1], &[0]).is_none());
    }

    proptest::proptest! {
        #[test]
        fn the_estimate_lies_in_the_interval_and_the_other_way_round_is_its_inverse(
            now in proptest::collection::vec(1..1_000_000_u64, 1..30),
            before in proptest::collection::vec(1..1_000_000_u64, 1..30),
        ) {
            let factor = Factor::between(&now, &before).unwrap();
            proptest::prop_assert!(factor.interval.0 <= factor.estimate && factor.estimate <= factor.interval.1);
            let inverse = Factor::between(&before, &now).unwrap();
            proptest::prop_assert!((inverse.interval.0 * factor.interval.1 - 1.0).abs() < 1e-9);
        }
    }
}
