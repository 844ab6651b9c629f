//! A small JSON writer for audit lines and problem documents.

use alloc::string::String;
use core::fmt::Write as _;

/// Writes one document; commas and escapes are its business, the nesting is the caller's.
///
/// Everything that could break a line or a terminal is escaped: control characters (C0, DEL and C1), U+2028 and
/// U+2029. Bytes that are not UTF-8 become U+FFFD.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    out: String,
    /// Whether a value stands before the place of the next.
    comma: bool,
}

impl Writer {
    /// An empty writer.
    pub const fn new() -> Self {
        Self { out: String::new(), comma: false }
    }

    /// An empty writer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { out: String::with_capacity(capacity), comma: false }
    }

    /// An object with the members that `members` writes.
    pub fn object(&mut self, members: impl FnOnce(&mut Self)) -> &mut Self {
        self.nested('{', '}', members)
    }

    /// An array with the elements that `elements` writes.
    pub fn array(&mut self, elements: impl FnOnce(&mut Self)) -> &mut Self {
        self.nested('[', ']', elements)
    }

    /// The name of the member whose value comes next.
    pub fn name(&mut self, name: &str) -> &mut Self {
        self.separate();
        self.quoted(name);
        self.out.push(':');
        self.comma = false;
        self
    }

    /// A string.
    pub fn str(&mut self, text: &str) -> &mut Self {
        self.separate();
        self.quoted(text);
        self
    }

    /// A string from bytes of unknown make; what isn't UTF-8 becomes U+FFFD.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.separate();
        self.out.push('"');
        for chunk in bytes.utf8_chunks() {
            self.escaped(chunk.valid());
            if !chunk.invalid().is_empty() {
                self.out.push('\u{fffd}');
            }
        }
        self.out.push('"');
        self
    }

    /// An integer.
    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.separate();
        // Writing to a string can't fail.
        let _ = write!(self.out, "{value}");
        self
    }

    /// An integer without sign.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.separate();
        let _ = write!(self.out, "{value}");
        self
    }

    /// A boolean.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.separate();
        self.out.push_str(if value { "true" } else { "false" });
        self
    }

    /// `null`
    pub fn null(&mut self) -> &mut Self {
        self.separate();
        self.out.push_str("null");
        self
    }

    /// A value that is JSON already, such as the output of another writer.
    pub fn raw(&mut self, json: &str) -> &mut Self {
        self.separate();
        self.out.push_str(json);
        self
    }

    /// What was written so far.
    pub fn as_str(&self) -> &str {
        &self.out
    }

    /// The document.
    pub fn finish(self) -> String {
        self.out
    }

    fn nested(&mut self, open: char, close: char, inner: impl FnOnce(&mut Self)) -> &mut Self {
        self.separate();
        self.out.push(open);
        self.comma = false;
        inner(self);
        self.out.push(close);
        self.comma = true;
        self
    }

    /// Writes the comma that the next value or name needs.
    fn separate(&mut self) {
        if self.comma {
            self.out.push(',');
        }
        self.comma = true;
    }

    fn quoted(&mut self, text: &str) {
        self.out.push('"');
        self.escaped(text);
        self.out.push('"');
    }

    fn escaped(&mut self, mut text: &str) {
        while let Some((at, character)) = text.char_indices().find(|&(_, character)| must_escape(character)) {
            let (plain, rest) = text.split_at_checked(at).unwrap_or((text, ""));
            self.out.push_str(plain);
            match character {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                other => {
                    let _ = write!(self.out, "\\u{:04x}", u32::from(other));
                }
            }
            text = rest.get(character.len_utf8()..).unwrap_or("");
        }
        self.out.push_str(text);
    }
}

const fn must_escape(character: char) -> bool {
    // Controls, and what moves or hides text on a screen: a log line reads as it is.
    matches!(
        character,
        '"' | '\\' | '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' | '\u{feff}'
    )
}
