//! Log lines of the guest.

use std::fmt::{self, Write as _};

/// Severity of a log line, as in the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// 0
    Trace,
    /// 1
    Debug,
    /// 2
    Info,
    /// 3
    Warn,
    /// 4
    Error,
    /// 5
    Critical,
}

impl LogLevel {
    pub(crate) fn from_abi(level: u32) -> Option<Self> {
        Some(match level {
            0 => Self::Trace,
            1 => Self::Debug,
            2 => Self::Info,
            3 => Self::Warn,
            4 => Self::Error,
            5 => Self::Critical,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// One line that a module logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Its severity.
    pub level: LogLevel,
    /// The text; what is not UTF-8 is replaced.
    pub message: String,
    /// The VM that logged it, counted from 0.
    pub worker: usize,
    /// The context it was logged in: 1 for the root, else the stream's.
    pub context: u32,
    /// When, in nanoseconds since the Unix epoch.
    pub at: u64,
}

/// One line, whatever the module put into it: control characters are escaped, but for tabs.
impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] ", self.level.name())?;
        for letter in self.message.chars() {
            match letter {
                '\t' => f.write_char(letter)?,
                letter if letter.is_control() => write!(f, "{}", letter.escape_default())?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

/// Lines kept until they are taken.
#[derive(Default)]
pub(crate) struct Logs {
    pub(crate) lines: Vec<LogLine>,
    pub(crate) bytes: usize,
    pub(crate) dropped: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_and_moves_no_cursor() {
        let message = String::from("a\tb\r\nerror: \u{1b}[2J\u{9b}é");
        let line = LogLine { level: LogLevel::Info, message, worker: 0, context: 1, at: 0 };
        assert_eq!(line.to_string(), "[info] a\tb\\r\\nerror: \\u{1b}[2J\\u{9b}é");
    }
}
