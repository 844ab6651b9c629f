//! Colours and output that every command shares.

mod tame;

use anstyle::{AnsiColor, Style};
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

pub(crate) use tame::{Tame, shown};

/// Something failed, or was refused.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Something passed, or was allowed.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What to do.
pub(crate) const HINT: Style = AnsiColor::Cyan.on_default().bold();
/// A heading.
pub(crate) const HEADING: Style = Style::new().bold();
/// What matters less.
pub(crate) const DIM: Style = Style::new().dimmed();

/// When to colour what is printed.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub(crate) enum Colour {
    /// Where a terminal reads it and `NO_COLOR` is not set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Colour {
    /// Has the whole process colour that way.
    pub(crate) fn apply(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// Says something on standard error, colours taken out where they are not wanted. Where nobody can be told, nobody is.
macro_rules! say {
    ($($words:tt)*) => {{
        $crate::console::line(format_args!($($words)*));
    }};
}

pub(crate) use say;

/// Standard output, buffered, colours taken out where they are not wanted. Flush it before the command ends.
pub(crate) fn stdout() -> io::BufWriter<impl Write> {
    io::BufWriter::new(Tame::new(anstream::stdout()))
}

/// Standard error in the same way, without a buffer.
pub(crate) fn stderr() -> impl Write {
    Tame::new(anstream::stderr())
}

/// Says one line on standard error: whole, whoever else says something.
pub(crate) fn line(words: std::fmt::Arguments<'_>) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // Nobody may be there to read it.
    let _ = stderr().write_all(format!("{words}\n").as_bytes());
}

/// A number with its noun.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
