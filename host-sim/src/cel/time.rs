//! Durations and times of day, in nanoseconds.

/// A second.
pub(super) const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;

/// A part of a date or a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    FullYear,
    Month,
    Date,
    DayOfMonth,
    DayOfYear,
    DayOfWeek,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

impl Part {
    /// The part that a function gives.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "getFullYear" => Self::FullYear,
            "getMonth" => Self::Month,
            "getDate" => Self::Date,
            "getDayOfMonth" => Self::DayOfMonth,
            "getDayOfYear" => Self::DayOfYear,
            "getDayOfWeek" => Self::DayOfWeek,
            "getHours" => Self::Hours,
            "getMinutes" => Self::Minutes,
            "getSeconds" => Self::Seconds,
            "getMilliseconds" => Self::Milliseconds,
            _ => return None,
        })
    }

    /// That of a time, in UTC.
    pub(super) fn of_time(self, at: i64) -> i64 {
        let (days, rest) = (at.div_euclid(DAY), at.rem_euclid(DAY));
        let (year, month, day) = date(days);
        match self {
            Self::FullYear => year,
            Self::Month => month - 1,
            Self::Date => day,
            Self::DayOfMonth => day - 1,
            Self::DayOfYear => days - days_until(year, 1, 1),
            Self::DayOfWeek => (days + 4).rem_euclid(7),
            Self::Hours => rest / (3_600 * SECOND),
            Self::Minutes => rest / (60 * SECOND) % 60,
            Self::Seconds => rest / SECOND % 60,
            Self::Milliseconds => rest / 1_000_000 % 1_000,
        }
    }

    /// That of a duration: the whole of it in hours, minutes or seconds.
    pub(super) fn of_duration(self, length: i64) -> Option<i64> {
        Some(match self {
            Self::Hours => length / (3_600 * SECOND),
            Self::Minutes => length / (60 * SECOND),
            Self::Seconds => length / SECOND,
            Self::Milliseconds => length / 1_000_000 % 1_000,
            _ => return None,
        })
    }
}

/// The duration of a text such as `1h2m3.5s`.
pub(super) fn duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|end| *end > 0)?;
        let (number, after) = rest.split_at_checked(end)?;
        let units = [
            ("ns", 1),
            ("us", 1_000),
            ("ms", 1_000_000),
            ("s", SECOND),
            ("m", 60 * SECOND),
            ("h", 3_600 * SECOND),
        ];
        let (unit, length) = units.into_iter().find(|(unit, _)| after.starts_with(unit))?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total = total.checked_add(whole.checked_mul(length.into())?)?;
        // Digits beyond a nanosecond say nothing.
        let mut place = i128::from(length);
        for digit in fraction.bytes() {
            place /= 10;
            total += i128::from(char::from(digit).to_digit(10)?) * place;
        }
        rest = after.get(unit.len()..)?;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

/// A duration as text, in seconds.
pub(super) fn duration_text(length: i64) -> String {
    let sign = if length < 0 { "-" } else { "" };
    let length = length.unsigned_abs();
    let (seconds, nanos) = (length / SECOND.unsigned_abs(), length % SECOND.unsigned_abs());
    format!("{sign}{seconds}{}s", fraction(nanos))
}

/// The time of a text of RFC 3339.
pub(super) fn time(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let rest = rest.strip_prefix(['T', 't'])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(after) => after.split_at_checked(after.find(|c: char| !c.is_ascii_digit())?)?,
        None => ("", rest),
    };
    if rest.starts_with('.') && fraction.is_empty() {
        return None;
    }
    let nanos: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let offset = match zone {
        "Z" | "z" => 0,
        _ => {
            let sign = if zone.starts_with('-') { -1 } else { 1 };
            let [hours, minutes] = numbers(zone.strip_prefix(['+', '-'])?, ':', [2, 2])?;
            sign * (hours * 3_600 + minutes * 60)
        }
    };
    let days = days_until(year, month, day);
    let is_date = (1..=9_999).contains(&year) && self::date(days) == (year, month, day);
    if !is_date || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    seconds.checked_mul(SECOND)?.checked_add(nanos.parse().ok()?)
}

/// A time as text, in UTC.
pub(super) fn text(at: i64) -> String {
    let (year, month, day) = date(at.div_euclid(DAY));
    let rest = at.rem_euclid(DAY);
    let (seconds, nanos) = (rest / SECOND, (rest % SECOND).unsigned_abs());
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{}Z", fraction(nanos))
}

/// Three, six or nine digits of a second's fraction.
fn fraction(nanos: u64) -> String {
    match nanos {
        0 => String::new(),
        _ if nanos.is_multiple_of(1_000_000) => format!(".{:03}", nanos / 1_000_000),
        _ if nanos.is_multiple_of(1_000) => format!(".{:06}", nanos / 1_000),
        _ => format!(".{nanos:09}"),
    }
}

/// Numbers of so many digits each, with a sign between them.
fn numbers<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(between);
    let mut numbers = [0; N];
    for (number, count) in numbers.iter_mut().zip(digits) {
        let part =
            parts.next().filter(|part| part.len() == count && part.bytes().all(|b| b.is_ascii_digit()))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

/// Days from the epoch until a date, by the calendar that goes on before there was it.
fn days_until(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the day that comes in some years is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day that are so many days from the epoch.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}
