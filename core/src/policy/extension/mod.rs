//! Cedar's extension types: `decimal`, `datetime`, `duration` and `ipaddr`, read and computed as the official
//! implementation does.

mod datetime;
mod decimal;
mod ip;
#[cfg(test)]
mod tests;

pub use datetime::{Datetime, Duration};
pub use decimal::Decimal;
pub use ip::IpNet;

/// Reads decimal digits only: no sign, no blanks.
fn digits(text: &str) -> Option<i64> {
    if text.is_empty() {
        return None;
    }
    text.bytes().try_fold(0_i64, |number, byte| {
        if !byte.is_ascii_digit() {
            return None;
        }
        number.checked_mul(10)?.checked_add(i64::from(byte - b'0'))
    })
}
