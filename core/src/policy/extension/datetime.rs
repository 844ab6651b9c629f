//! `datetime` and `duration`, both in milliseconds.

use core::fmt;

use super::digits;

const DAY: i64 = 24 * 60 * 60 * 1000;

/// Milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Datetime(pub i64);

/// A length of time in milliseconds, negative ones too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(pub i64);

impl Datetime {
    /// Days since 1970-01-01 of a date `YYYY-MM-DD` in the proleptic Gregorian calendar.
    pub fn days_of(date: &str) -> Option<i64> {
        let year = digits(date.get(..4)?)?;
        if date.len() != 10 || date.get(4..5)? != "-" {
            return None;
        }
        let month = field(date, 5, "-")?;
        let day = digits(date.get(8..10)?)?;
        let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        let length = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return None,
        };
        if day < 1 || day > length {
            return None;
        }
        // Years from March, so that the leap day comes last.
        let shifted = if month <= 2 { year - 1 } else { year };
        let month = (month + 9) % 12;
        let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
        let day_of_year = (153 * month + 2) / 5 + day - 1;
        Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468)
    }

    /// Reads `YYYY-MM-DD`, or that followed by `Thh:mm:ss`, an optional `.SSS`, and `Z` or `±hhmm`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let date = text.get(..10)?;
        let days = Self::days_of(date)?;
        let rest = text.get(10..)?;
        if rest.is_empty() {
            return days.checked_mul(DAY).map(Self);
        }
        let time = rest.get(..9)?.strip_prefix('T')?;
        let (hour, minute) = (field(time, 0, ":")?, field(time, 3, ":")?);
        let second = digits(time.get(6..8)?)?;
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let rest = rest.get(9..)?;
        let (millis, zone) = match rest.strip_prefix('.') {
            Some(rest) => (digits(rest.get(..3)?)?, rest.get(3..)?),
            None => (0, rest),
        };
        let offset = zone_offset(zone)?;
        let clock = ((hour * 60 + minute) * 60 + second) * 1000 + millis;
        days.checked_mul(DAY)?.checked_add(clock)?.checked_sub(offset).map(Self)
    }

    /// This time moved by `duration`; `None` on overflow.
    #[must_use]
    pub fn offset(self, duration: Duration) -> Option<Self> {
        self.0.checked_add(duration.0).map(Self)
    }

    /// From `earlier` to this; `None` on overflow.
    #[must_use]
    pub fn duration_since(self, earlier: Self) -> Option<Duration> {
        self.0.checked_sub(earlier.0).map(Duration)
    }

    /// Midnight of the same day, UTC; `None` where that can't be represented.
    #[must_use]
    pub fn to_date(self) -> Option<Self> {
        self.0.checked_sub(self.0.rem_euclid(DAY)).map(Self)
    }

    /// The time of day, UTC.
    #[must_use]
    pub fn to_time(self) -> Duration {
        Duration(self.0.rem_euclid(DAY))
    }
}

/// Two digits at `at`, followed by `end`.
fn field(text: &str, at: usize, end: &str) -> Option<i64> {
    if text.get(at + 2..at + 3)? != end {
        return None;
    }
    digits(text.get(at..at + 2)?)
}

/// Milliseconds by which `Z` or `±hhmm` is ahead of UTC.
fn zone_offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = match zone.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let clock = zone.get(1..).filter(|clock| clock.len() == 4)?;
    let (hours, minutes) = (digits(clock.get(..2)?)?, digits(clock.get(2..)?)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
}

impl Duration {
    /// Reads `-?` and then, in this order and each at most once, a number of `d`, `h`, `m`, `s`, `ms`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if rest.is_empty() {
            return None;
        }
        let mut parts = [0_i128; 5];
        let mut next_unit = 0;
        while !rest.is_empty() {
            let length = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: u64 = rest.get(..length).filter(|digits| !digits.is_empty())?.parse().ok()?;
            rest = rest.get(length..)?;
            let units = ["d", "h", "m", "s", "ms"];
            // `m` must not swallow the beginning of `ms`.
            let (unit, remainder) = units.iter().enumerate().skip(next_unit).find_map(|(at, name)| {
                let after = rest.strip_prefix(name)?;
                (after.is_empty() || after.starts_with(|c: char| c.is_ascii_digit())).then_some((at, after))
            })?;
            *parts.get_mut(unit)? = i128::from(number);
            next_unit = unit + 1;
            rest = remainder;
        }
        // Each step must fit, from milliseconds up to days, as in the official implementation.
        let scales = [DAY, 3_600_000, 60_000, 1000, 1];
        let mut total = 0_i64;
        for (number, scale) in parts.into_iter().zip(scales).rev() {
            let signed = if negative { -number } else { number };
            let part = if scale == 1 {
                i64::try_from(signed).ok()?
            } else {
                let magnitude = i64::try_from(number).ok()?.checked_mul(scale)?;
                if negative { -magnitude } else { magnitude }
            };
            total = total.checked_add(part)?;
        }
        Some(Self(total))
    }

    /// Whole milliseconds.
    #[must_use]
    pub fn to_milliseconds(self) -> i64 {
        self.0
    }

    /// Whole seconds, towards zero.
    #[must_use]
    pub fn to_seconds(self) -> i64 {
        self.0 / 1000
    }

    /// Whole minutes, towards zero.
    #[must_use]
    pub fn to_minutes(self) -> i64 {
        self.0 / 60_000
    }

    /// Whole hours, towards zero.
    #[must_use]
    pub fn to_hours(self) -> i64 {
        self.0 / 3_600_000
    }

    /// Whole days, towards zero.
    #[must_use]
    pub fn to_days(self) -> i64 {
        self.0 / DAY
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

impl fmt::Display for Datetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, clock) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        let (hour, minute) = (clock / 3_600_000, clock / 60_000 % 60);
        let (second, milli) = (clock / 1000 % 60, clock % 1000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}
