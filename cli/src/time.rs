//! Points in time and spans as people write them.

use countersign_core::policy::Datetime;
use countersign_core::time::Timestamp;
use serde_json::Value;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a time may look like; for messages.
pub(crate) const EXPECTED_TIME: &str =
    "RFC 3339 such as `2026-01-31T12:00:00Z`, or seconds since the Unix epoch, from 1970-01-01T00:00:01Z on";

const NANOS: i64 = 1_000_000_000;

/// The system's clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// A time in JSON: a text in RFC 3339, or a number of seconds since the Unix epoch.
pub(crate) fn from_json(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(number) => parse(&number.to_string()),
        Value::String(text) => parse(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A time as text: RFC 3339, `now`, or seconds since the Unix epoch, with a fraction if need be. Before the first second of the
/// epoch there is none.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let nanos = match text {
        "now" => now().as_nanos(),
        _ => seconds(text).or_else(|| rfc3339(text))?,
    };
    (nanos >= NANOS).then_some(Timestamp::from_nanos(nanos))
}

/// RFC 3339 in UTC, to the millisecond.
pub(crate) fn show(time: Timestamp) -> String {
    Datetime(time.as_nanos().div_euclid(1_000_000)).to_string()
}

/// A decimal number of seconds, in nanoseconds; digits beyond those are cut off.
fn seconds(text: &str) -> Option<i64> {
    // What is written with an exponent has no digits to lose.
    if text.contains(['e', 'E']) {
        let seconds: f64 = text.parse().ok()?;
        return (seconds.is_finite() && seconds.abs() < 9.2e9).then_some((seconds * 1e9) as i64);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if whole.starts_with('-') || whole.starts_with('+') {
        return None;
    }
    whole.parse::<i64>().ok()?.checked_mul(NANOS)?.checked_add(fraction_nanos(fraction)?)
}

fn fraction_nanos(digits: &str) -> Option<i64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let first: String = digits.chars().chain("000000000".chars()).take(9).collect();
    first.parse().ok()
}

/// RFC 3339 §5.6, in nanoseconds since the Unix epoch.
fn rfc3339(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let zone = rest.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = rest.split_at(zone);
    let days = Datetime::days_of(date)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let offset = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => 0,
        (sign, offset) => {
            let [hours, minutes] = numbers(offset, ':', [2, 2])?;
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 3_600 + minutes * 60) * if sign == "-" { -1 } else { 1 }
        }
    };
    let secs = days * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    secs.checked_mul(NANOS)?.checked_add(fraction_nanos(fraction)?)
}

fn numbers<const N: usize>(text: &str, between: char, widths: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(between);
    let mut numbers = [0; N];
    for (number, width) in numbers.iter_mut().zip(widths) {
        let part = parts.next()?;
        if part.len() != width || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

/// A span such as `250ms`, `5s`, `10m`, `1h`, `2d`; a bare number counts seconds.
pub(crate) fn span(text: &str) -> Option<Duration> {
    let unit = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_to_the_nanosecond() {
        for (text, nanos) in [
            ("1700000000", 1_700_000_000_000_000_000),
            ("1700000000.5", 1_700_000_000_500_000_000),
            ("1700000000.123456789012", 1_700_000_000_123_456_789),
            ("2023-11-14T22:13:20Z", 1_700_000_000_000_000_000),
            ("2023-11-14T22:13:20.25Z", 1_700_000_000_250_000_000),
            ("2023-11-15T00:13:20+02:00", 1_700_000_000_000_000_000),
            ("2023-11-14T20:43:20-01:30", 1_700_000_000_000_000_000),
            ("2000-02-29T00:00:00Z", 951_782_400_000_000_000),
        ] {
            assert_eq!(parse(text).map(|time| time.as_nanos()), Some(nanos), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "x",
            "-1",
            "+1",
            "0",
            "0.5",
            "1.",
            ".5",
            "1e400",
            "99999999999999",
            "2023-11-14",
            "2023-11-14T22:13:20",
            "2023-13-14T22:13:20Z",
            "2023-02-29T00:00:00Z",
            "2023-11-14T24:00:00Z",
            "2023-11-14T22:13Z",
            "1960-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn spans_have_units() {
        assert_eq!(span("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(span("90"), Some(Duration::from_secs(90)));
        assert_eq!(span("2h"), Some(Duration::from_secs(7200)));
        assert_eq!(span("2y"), None);
        assert_eq!(span("-1s"), None);
    }
}
