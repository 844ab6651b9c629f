//! Expectations in words, for what is said where they are not met.

use super::{Metric, Range, ValueExpect};
use crate::bytes::shown;
use std::fmt;

impl fmt::Display for ValueExpect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("none"),
            Self::Pattern(text) => f.write_str(text),
            Self::Bytes(bytes) => write!(f, "{}", shown(bytes)),
            Self::Token(name) => write!(f, "Bearer and the token {name}"),
            Self::Each(each) => {
                let each: Vec<String> = each.iter().map(ToString::to_string).collect();
                f.write_str(&each.join(", "))
            }
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("none"),
            Self::Value(value) => write!(f, "{value}"),
            Self::Delta(delta) => write!(f, "{delta:+} to what it was"),
            Self::Histogram { count, sum } => {
                let part = |name: &str, number: &Option<u64>| number.map(|number| format!("{name} {number}"));
                let parts: Vec<String> =
                    [part("count", count), part("sum", sum)].into_iter().flatten().collect();
                write!(f, "a histogram with {}", parts.join(" and "))
            }
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (min, max) if min == max => write!(f, "{min}"),
            (0, max) => write!(f, "at most {max}"),
            (min, u64::MAX) => write!(f, "at least {min}"),
            (min, max) => write!(f, "{min} to {max}"),
        }
    }
}
