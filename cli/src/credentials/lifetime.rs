//! Points in time as people write them in scenarios and on the command line.

use super::CredentialError;

/// Reads a point in time, in seconds since the Unix epoch: `now`, `+5m`, `-30s`, `now+1h`, or the number itself.
/// Units are `s`, `m`, `h` and `d`; a number without one counts seconds.
pub(crate) fn resolve_time(text: &str, now: i64) -> Result<i64, CredentialError> {
    let invalid = || CredentialError::Time(text.to_owned());
    if let Ok(seconds) = text.parse::<i64>()
        && !text.starts_with(['+', '-'])
    {
        return Ok(seconds);
    }
    let offset = text.strip_prefix("now").unwrap_or(text);
    if offset.is_empty() && !text.is_empty() {
        return Ok(now);
    }
    let (sign, amount) = match (offset.strip_prefix('+'), offset.strip_prefix('-')) {
        (Some(amount), _) => (1, amount),
        (_, Some(amount)) => (-1, amount),
        _ => return Err(invalid()),
    };
    let seconds = seconds(amount).ok_or_else(invalid)?;
    now.checked_add(sign * seconds).ok_or_else(invalid)
}

/// Reads a length of time in seconds, such as `90`, `5m` or `1h`.
pub(crate) fn seconds(text: &str) -> Option<i64> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(unit_at);
    let factor = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    digits.parse::<i64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        for (text, expected) in [
            ("now", 1_000),
            ("+5m", 1_300),
            ("-30s", 970),
            ("now+1h", 4_600),
            ("now-1d", 1_000 - 86_400),
            ("+7", 1_007),
            ("1700000000", 1_700_000_000),
        ] {
            assert_eq!(resolve_time(text, 1_000).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in ["", "5m", "+", "+m", "+5w", "now5m", "+5m5", "++5", "later", "+99999999999999999999d"] {
            assert!(resolve_time(text, 1_000).is_err(), "{text}");
        }
    }
}
