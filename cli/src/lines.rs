//! The lines of a file or of standard input, one at a time, each of bounded length.

use crate::failure::Failure;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// The longest line.
const MAX_LINE: u64 = 64 * 1024 * 1024;

/// Lines that are not blank.
pub(crate) struct Lines {
    name: String,
    input: Box<dyn BufRead>,
    number: usize,
    line: Vec<u8>,
}

/// A line that is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadLine {
    /// It is longer than any line may be.
    Long,
    /// The byte at this place is not UTF-8.
    NotText(usize),
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Long => write!(f, "expected a line of at most {MAX_LINE} bytes, found a longer one"),
            Self::NotText(at) => write!(f, "expected UTF-8, found another byte at {at}"),
        }
    }
}

impl Lines {
    /// Opens a file, or standard input for `-`.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let (name, input): (String, Box<dyn BufRead>) = if path == Path::new("-") {
            (String::from("<stdin>"), Box::new(BufReader::new(io::stdin())))
        } else {
            let file = std::fs::File::open(path).map_err(|error| {
                Failure::at(path.display(), format!("expected a readable JSON Lines file: {error}"))
            })?;
            (path.display().to_string(), Box::new(BufReader::new(file)))
        };
        Ok(Self { name, input, number: 0, line: Vec::new() })
    }

    /// The file's name, as messages show it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The file's name and a line's number, as messages show them.
    pub(crate) fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.name)
    }

    /// Whether the last line that was read ends as a line does, and not with the file.
    pub(crate) fn is_whole(&self) -> bool {
        self.line.ends_with(b"\n")
    }

    /// The next line that is not blank, with its number from 1.
    pub(crate) fn next(&mut self) -> Result<Option<(usize, Result<&str, BadLine>)>, Failure> {
        loop {
            self.line.clear();
            let read = self.input.by_ref().take(MAX_LINE).read_until(b'\n', &mut self.line);
            let read = read.map_err(|error| {
                Failure::at(self.place(self.number + 1), format!("expected a readable line: {error}"))
            })?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            if !self.line.ends_with(b"\n") && self.line.len() as u64 == MAX_LINE {
                self.skip_line()?;
                return Ok(Some((self.number, Err(BadLine::Long))));
            }
            if !self.line.iter().all(u8::is_ascii_whitespace) {
                break;
            }
        }
        // A mark that some editors put in front of a file.
        let line = self.line.strip_prefix(b"\xef\xbb\xbf").filter(|_| self.number == 1).unwrap_or(&self.line);
        let text = std::str::from_utf8(line).map_err(|error| BadLine::NotText(error.valid_up_to()));
        Ok(Some((self.number, text)))
    }

    fn skip_line(&mut self) -> Result<(), Failure> {
        loop {
            let buffer = self.input.fill_buf()?;
            let Some(at) = buffer.iter().position(|byte| *byte == b'\n') else {
                let length = buffer.len();
                if length == 0 {
                    return Ok(());
                }
                self.input.consume(length);
                continue;
            };
            self.input.consume(at + 1);
            return Ok(());
        }
    }
}
