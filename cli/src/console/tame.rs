//! Text of others' making on a terminal: nothing in it moves the cursor, hides what stands beside it, or begins a line.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

/// The longest sequence that sets colours.
const LONGEST: usize = 24;

/// A text in one line, control characters in it escaped as in JSON.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(is_control) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            letter if is_control(letter) => _ = write!(shown, "\\u{:04x}", u32::from(letter)),
            letter => shown.push(letter),
        }
    }
    Cow::Owned(shown)
}

/// Control characters, ends of lines, and what turns the direction of writing.
fn is_control(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A writer to a terminal that lets colours and line ends through, and escapes all other control characters.
pub(crate) struct Tame<W> {
    inner: W,
    /// The beginning of a sequence, of a letter of two bytes, or of a line end.
    held: Vec<u8>,
}

impl<W: Write> Tame<W> {
    /// Around another writer.
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, held: Vec::new() }
    }

    /// Takes a byte; what it lets through goes to `out`.
    fn take(&mut self, byte: u8, out: &mut Vec<u8>) {
        match (self.held.first(), byte) {
            (None, 0x1b | 0xc2 | b'\r') => self.held.push(byte),
            (None, b'\n' | b'\t' | b' '..=0x7e | 0x80..) => out.push(byte),
            (None, _) => escape(byte, out),
            (Some(0xc2), 0x80..=0x9f) => {
                self.held.clear();
                escape(byte, out);
            }
            (Some(b'\r'), b'\n') | (Some(0xc2), 0x80..) => {
                out.append(&mut self.held);
                out.push(byte);
            }
            (Some(0x1b), b'[') if self.held.len() == 1 => self.held.push(byte),
            (Some(0x1b), b'0'..=b'9' | b';') if (2..LONGEST).contains(&self.held.len()) => {
                self.held.push(byte)
            }
            (Some(0x1b), b'm') if self.held.len() >= 2 => {
                out.append(&mut self.held);
                out.push(byte);
            }
            (Some(_), _) => {
                self.give_up(out);
                self.take(byte, out);
            }
        }
    }

    /// What was held is the beginning of nothing that is let through.
    fn give_up(&mut self, out: &mut Vec<u8>) {
        for byte in std::mem::take(&mut self.held) {
            if byte.is_ascii_control() { escape(byte, out) } else { out.push(byte) }
        }
    }
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
}

impl<W: Write> Write for Tame<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut out = Vec::with_capacity(bytes.len());
        for byte in bytes {
            self.take(*byte, &mut out);
        }
        self.inner.write_all(&out)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(parts: &[&str]) -> String {
        let mut out = Vec::new();
        let mut tame = Tame::new(&mut out);
        for part in parts {
            tame.write_all(part.as_bytes()).unwrap();
        }
        drop(tame);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn colours_and_lines_pass_and_nothing_else() {
        for plain in ["a\r\nb\tcé\u{a0}…", "\u{1b}[1m\u{1b}[31merror\u{1b}[0m", "{\"a\":\"\\u001b\"}"] {
            assert_eq!(written(&[plain]), plain);
            let halves = plain.char_indices().nth(3).unwrap().0;
            assert_eq!(written(&[&plain[..halves], &plain[halves..]]), plain);
        }
        for (bad, shown) in [
            ("\u{1b}[2Jx", "\\u001b[2Jx"),
            ("\u{1b}]0;title\u{7}", "\\u001b]0;title\\u0007"),
            ("a\rb", "a\\u000db"),
            ("\u{9b}2J", "\\u009b2J"),
            ("\u{7f}\u{8}", "\\u007f\\u0008"),
            ("\u{1b}\u{1b}[1mx", "\\u001b\u{1b}[1mx"),
        ] {
            assert_eq!(written(&[bad]), shown, "{bad:?}");
        }
        assert_eq!(written(&["\u{1b}[", "31", "mx"]), "\u{1b}[31mx");
        assert!(!written(&[&format!("\u{1b}[{}m", "1;".repeat(100))]).contains('\u{1b}'));
    }

    #[test]
    fn names_stand_in_one_line() {
        assert_eq!(shown("a\n\u{1b}[31m\u{202e}é"), "a\\n\\u001b[31m\\u202eé");
        assert!(matches!(shown("plain"), Cow::Borrowed("plain")));
    }
}
