//! How long an answer says that it stays fresh (RFC 9111 §4.2).
//!
//! A hint, which the configuration bounds: what is malformed or contradicts itself counts as stale already (§4.2.1).

use crate::time::{Span, Timestamp};

#[cfg(test)]
mod tests;

/// What a number of seconds too large for us counts as (RFC 9111 §1.2.2).
const MOST_SECONDS: i64 = 1 << 31;

/// How much longer an answer with these headers is fresh; nothing where they do not say.
///
/// `no-store` and `no-cache` are no time at all. `max-age` wins over `expires`, which counts from `date` or else from `now`, and `age` is
/// taken off both. The validators, `s-maxage` and extensions are not looked at.
pub fn lifetime<'h, I>(values: impl Fn(&'static str) -> I, now: Timestamp) -> Option<Span>
where
    I: Iterator<Item = &'h [u8]>,
{
    let mut max_age = None;
    for directive in values("cache-control").flat_map(directives) {
        let (name, argument) = match directive.iter().position(|byte| *byte == b'=') {
            Some(at) => (directive.get(..at).unwrap_or_default(), directive.get(at + 1..)),
            None => (directive, None),
        };
        if name.eq_ignore_ascii_case(b"no-store") || name.eq_ignore_ascii_case(b"no-cache") {
            return Some(Span::ZERO);
        }
        if name.eq_ignore_ascii_case(b"max-age") {
            let Some(seconds) = argument.map(unquoted).and_then(seconds) else { return Some(Span::ZERO) };
            if max_age.replace(seconds).is_some_and(|before| before != seconds) {
                return Some(Span::ZERO);
            }
        }
    }
    let whole = match max_age {
        Some(seconds) => seconds,
        None => {
            let mut expires = values("expires");
            let end = http_date(expires.next()?.trim_ascii())
                .filter(|end| expires.all(|other| http_date(other.trim_ascii()) == Some(*end)));
            let begin = values("date").next().and_then(|date| http_date(date.trim_ascii()));
            let Some(end) = end else { return Some(Span::ZERO) };
            end.saturating_sub(begin.unwrap_or(now.as_secs()))
        }
    };
    // An unreadable age is no age (§5.1).
    let age = values("age").next().and_then(|age| seconds(age.trim_ascii())).unwrap_or(0);
    Some(Span::from_secs(whole.saturating_sub(age).clamp(0, MOST_SECONDS)))
}

/// The directives of one header line; commas within quotes part nothing.
fn directives(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    line.split(move |byte| {
        let parts = *byte == b',' && !quoted;
        if *byte == b'"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && *byte == b'\\' && !escaped;
        parts
    })
    .map(<[u8]>::trim_ascii)
}

/// Either form of an argument is accepted (RFC 9111 §5.2).
fn unquoted(argument: &[u8]) -> &[u8] {
    argument.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(argument)
}

fn seconds(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().try_fold(0_i64, |number, digit| {
        number.checked_mul(10)?.checked_add(i64::from(digit - b'0')).filter(|number| *number <= MOST_SECONDS)
    });
    Some(number.unwrap_or(MOST_SECONDS))
}

/// Seconds since the epoch of an `IMF-fixdate` (RFC 9110 §5.6.7), such as `Sun, 06 Nov 1994 08:49:37 GMT`. The two obsolete forms are
/// not read, nor is the weekday held against the date.
fn http_date(text: &[u8]) -> Option<i64> {
    const MONTHS: [&[u8]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let text: &[u8; 29] = text.try_into().ok()?;
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let shape = part(3, 5) == b", "
        && [7, 11, 16].iter().all(|at| text.get(*at) == Some(&b' '))
        && [19, 22].iter().all(|at| text.get(*at) == Some(&b':'))
        && part(25, 29) == b" GMT";
    let month = MONTHS.iter().zip(1..).find(|(name, _)| **name == part(8, 11))?.1;
    let (day, year) = (seconds(part(5, 7))?, seconds(part(12, 16))?);
    let (hour, minute, second) = (seconds(part(17, 19))?, seconds(part(20, 22))?, seconds(part(23, 25))?);
    let in_range = (1..=31).contains(&day) && year >= 1970 && hour < 24 && minute < 60 && second <= 60;
    (shape && in_range)
        .then(|| days_since_epoch(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar; years begin in March, so that the leap day is their last.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}
