//! Why a text is not an acceptable JSON document.

use core::fmt;

/// A refusal with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// Byte offset at which the document went wrong.
    pub offset: usize,
    /// What was wrong there.
    pub kind: JsonErrorKind,
}

/// What was wrong with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonErrorKind {
    /// It starts with a byte order mark (RFC 8259 §8.1).
    ByteOrderMark,
    /// An unescaped control character in a string.
    ControlCharacter,
    /// Two members of one object have the same name.
    DuplicateMember,
    /// A backslash before something that is no escape.
    InvalidEscape,
    /// A number that the grammar of RFC 8259 §6 doesn't produce.
    InvalidNumber,
    /// A `\u` escape of half a surrogate pair.
    LoneSurrogate,
    /// Bytes that are not UTF-8.
    NotUtf8,
    /// Arrays and objects nested beyond the limit.
    TooDeep,
    /// More bytes than the limit.
    TooLarge,
    /// More values than the limit.
    TooManyNodes,
    /// Something follows the document.
    TrailingBytes,
    /// A byte that can't stand here.
    UnexpectedByte {
        /// What could have stood here.
        expected: &'static str,
    },
    /// The document ends too early.
    UnexpectedEnd,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.kind, self.offset)
    }
}

impl fmt::Display for JsonErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ByteOrderMark => "byte order mark",
            Self::ControlCharacter => "unescaped control character in a string",
            Self::DuplicateMember => "duplicate member name",
            Self::InvalidEscape => "invalid escape sequence",
            Self::InvalidNumber => "invalid number",
            Self::LoneSurrogate => "lone surrogate",
            Self::NotUtf8 => "invalid UTF-8",
            Self::TooDeep => "nesting beyond the limit",
            Self::TooLarge => "document beyond the size limit",
            Self::TooManyNodes => "more values than the limit",
            Self::TrailingBytes => "unexpected bytes after the document",
            Self::UnexpectedByte { expected } => return write!(f, "expected {expected}"),
            Self::UnexpectedEnd => "unexpected end of the document",
        })
    }
}

impl core::error::Error for JsonError {}
