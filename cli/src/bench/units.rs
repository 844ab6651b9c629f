//! Figures in words, and the other way round.

use hdrhistogram::Histogram;

use crate::failure::Failure;

/// The percentiles that are shown, with their names.
pub(crate) const PERCENTILES: [(&str, f64); 5] =
    [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9), ("p99.99", 99.99)];

/// From a nanosecond to ten minutes, in three significant digits.
pub(crate) fn histogram() -> Result<Histogram<u64>, Failure> {
    Histogram::new_with_bounds(1, 600_000_000_000, 3).map_err(|error| Failure::usage(error.to_string()))
}

/// A percentile in words; a dash where there are too few values for one of them to lie beyond it.
pub(crate) fn percentile(times: &Histogram<u64>, percentile: f64) -> String {
    let beyond = as_float(times.len()) * (1.0 - percentile / 100.0);
    if percentile <= 50.0 || beyond > 0.999 {
        time(times.value_at_percentile(percentile))
    } else {
        "-".to_owned()
    }
}

/// The median of some times; 0 of none.
pub(crate) fn median(times: &mut [u64]) -> u64 {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or(0)
}

/// A share such as `20%` or `0.2`.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = match text.strip_suffix('%') {
        Some(percent) => (percent, 100.0),
        None => (text, 1.0),
    };
    match number.trim().parse::<f64>() {
        Ok(number) if number >= 0.0 && number.is_finite() => Ok(number / scale),
        _ => Err("expected a share such as `20%`".to_owned()),
    }
}

/// A time such as `25us`, in nanoseconds.
pub(crate) fn nanoseconds(text: &str) -> Result<u64, String> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let factor = match unit {
        "ns" => 1,
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        _ => return Err("expected a time such as `25us`".to_owned()),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| "expected a time such as `25us`".to_owned())
}

/// Nanoseconds in three significant digits.
pub(crate) fn time(nanos: u64) -> String {
    let nanos = as_float(nanos);
    let (number, unit) = match nanos {
        _ if nanos < 999.5 => (nanos, "ns"),
        _ if nanos < 999.5e3 => (nanos / 1e3, "µs"),
        _ if nanos < 999.5e6 => (nanos / 1e6, "ms"),
        _ => (nanos / 1e9, "s"),
    };
    let decimals = match number {
        _ if unit == "ns" => 0,
        _ if number < 9.995 => 2,
        _ if number < 99.95 => 1,
        _ => 0,
    };
    format!("{number:.decimals$} {unit}")
}

/// A count with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The mean.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a mean of recorded values lies among them"
)]
pub(crate) fn mean(histogram: &Histogram<u64>) -> u64 {
    histogram.mean() as u64
}

/// How many of these there would be in a second, one after the other.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most a thousand million")]
pub(crate) fn rate(histogram: &Histogram<u64>) -> Option<u64> {
    let mean = histogram.mean();
    (mean > 0.0).then(|| (1e9 / mean) as u64)
}

/// A number to reckon with.
#[expect(clippy::cast_precision_loss, reason = "for display, and far below 2^52")]
pub(crate) fn as_float(number: u64) -> f64 {
    number as f64
}

/// Bytes in MiB.
pub(crate) fn mebibytes(bytes: usize) -> f64 {
    as_float(bytes as u64) / 1_048_576.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_shares_and_times() {
        assert!((share("20%").unwrap() - 0.2).abs() < 1e-9);
        assert!((share("0.5").unwrap() - 0.5).abs() < 1e-9);
        assert!(share("-1").is_err() && share("much").is_err());
        assert_eq!(nanoseconds("25us").unwrap(), 25_000);
        assert_eq!(nanoseconds("3ms").unwrap(), 3_000_000);
        assert_eq!(nanoseconds("2s").unwrap(), 2_000_000_000);
        assert!(nanoseconds("25").is_err() && nanoseconds("us").is_err());
    }

    #[test]
    fn a_percentile_that_no_value_lies_beyond_is_not_shown() {
        let mut times = histogram().unwrap();
        (1..=100).for_each(|time| times.record(time).unwrap());
        let shown = PERCENTILES.map(|(_, at)| percentile(&times, at));
        assert_eq!(shown, ["50 ns", "90 ns", "99 ns", "-", "-"]);
    }

    #[test]
    fn shows_three_digits() {
        assert_eq!(
            [time(999), time(1_234), time(45_678), time(456_789), time(999_600), time(1_500_000)],
            ["999 ns", "1.23 µs", "45.7 µs", "457 µs", "1.00 ms", "1.50 ms"]
        );
        assert_eq!(
            [grouped(0), grouped(999), grouped(1_000), grouped(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
