//! JSON numbers, kept as written so that nothing is lost to floating point.

use crate::time::Timestamp;
use core::fmt;

/// A number in the grammar of RFC 8259 §6, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number<'a> {
    lexeme: &'a str,
}

/// The last second of the year 9999; a date beyond it is a mistake or an attack.
const LAST_SECOND: i128 = 253_402_300_799;
const NANOS: i128 = 1_000_000_000;

impl<'a> Number<'a> {
    /// Wraps a lexeme that the parser has held against the grammar.
    pub(super) const fn from_lexeme(lexeme: &'a str) -> Self {
        Self { lexeme }
    }

    /// The number as written.
    pub const fn lexeme(&self) -> &'a str {
        self.lexeme
    }

    /// The exact integer, if the number is written as one (no fraction, no exponent) and fits.
    pub fn as_i64(&self) -> Option<i64> {
        self.lexeme.parse().ok()
    }

    /// As [`Self::as_i64`], without sign.
    pub fn as_u64(&self) -> Option<u64> {
        self.lexeme.parse().ok()
    }

    /// The number as a NumericDate (RFC 7519 §2): seconds since the epoch, fractions and exponents allowed.
    ///
    /// What is finer than a nanosecond is rounded down. `None` beyond the year 9999 or as far before the epoch; within that, a
    /// date that [`Timestamp`] can't hold becomes its end.
    pub fn as_numeric_date(&self) -> Option<Timestamp> {
        let (negative, magnitude) = match self.lexeme.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, self.lexeme),
        };
        let (mantissa, exponent) = match magnitude.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)),
            None => (magnitude, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));

        // The digits that count are those up to nine places behind the moved point.
        let wanted = i64::try_from(whole.len()).ok()?.saturating_add(exponent).saturating_add(9);
        let mut nanos = 0i128;
        let mut taken = 0i64;
        let mut rounded = false;
        for digit in whole.bytes().chain(fraction.bytes()).map(|byte| i128::from(byte.wrapping_sub(b'0'))) {
            if taken < wanted {
                nanos = nanos * 10 + digit;
                if nanos > LAST_SECOND * NANOS {
                    return None;
                }
                taken += 1;
            } else if digit != 0 {
                rounded = true;
                break;
            }
        }
        if nanos != 0 {
            while taken < wanted {
                nanos *= 10;
                if nanos > LAST_SECOND * NANOS {
                    return None;
                }
                taken += 1;
            }
        }
        if negative {
            nanos = -nanos - i128::from(rounded);
        }
        let nanos = nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        i64::try_from(nanos).ok().map(Timestamp::from_nanos)
    }
}

/// An exponent of the grammar; beyond a million it says no more than "very".
fn parse_exponent(text: &str) -> i64 {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut value = 0i64;
    for byte in digits.bytes() {
        value = (value * 10 + i64::from(byte.wrapping_sub(b'0'))).min(1_000_000_000);
    }
    if negative { -value } else { value }
}

impl fmt::Display for Number<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.lexeme)
    }
}
