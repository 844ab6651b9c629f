//! `decimal`: a fixed-point number with four places.

use core::fmt;

use super::digits;

/// A number of ten-thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(pub i64);

impl Decimal {
    /// Reads `-?[0-9]+.[0-9]{1,4}`; `None` where the text isn't of that form or the number doesn't fit.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.')?;
        let (negative, magnitude) = match whole.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, whole),
        };
        if magnitude.is_empty() || !magnitude.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        // With its sign, so that the smallest number can be read.
        let whole: i64 = whole.parse().ok()?;
        let scale = match fraction.len() {
            1 => 1000,
            2 => 100,
            3 => 10,
            4 => 1,
            _ => return None,
        };
        let whole = whole.checked_mul(10_000)?;
        let fraction = digits(fraction)?.checked_mul(scale)?;
        if negative { whole.checked_sub(fraction) } else { whole.checked_add(fraction) }.map(Self)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let sign = if self.0.is_negative() { "-" } else { "" };
        write!(f, "{sign}{}.{:04}", magnitude / 10_000, magnitude % 10_000)
    }
}
