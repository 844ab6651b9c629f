//! The one reading of a request's path.
//!
//! The path that the policy sees is the path that is forwarded, byte for byte. So nothing is normalised here: a path is either
//! canonical as it stands, or it is refused, because somebody behind the gateway might read it in another way.
//! What is let through reads the same for everyone: absolute, no empty and no dot segments, no parameters, every percent-escape
//! needed and of valid UTF-8.

use alloc::{borrow::Cow, vec::Vec};
use core::fmt;

mod query;
#[cfg(test)]
mod tests;

pub use query::{QueryError, QueryParameters};

/// Which ambiguities are let in, and how long a path may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathOptions {
    /// Accept `%2F` and `%5C` within a segment. Dot segments stay refused, also between encoded slashes.
    pub allow_encoded_slash: bool,
    /// Accept `;` and `%3B` within a segment.
    pub allow_semicolon: bool,
    /// Accept a slash at the end; the path then has an empty last segment.
    pub allow_trailing_slash: bool,
    /// The longest path with its query, in bytes.
    pub max_bytes: usize,
    /// The most segments.
    pub max_segments: usize,
}

impl Default for PathOptions {
    fn default() -> Self {
        Self {
            allow_encoded_slash: false,
            allow_semicolon: false,
            allow_trailing_slash: false,
            max_bytes: 8_192,
            max_segments: 64,
        }
    }
}

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathRefusal {
    /// A whole URI where a path belongs (RFC 9112 §3.2.2).
    AbsoluteForm,
    /// `*` (RFC 9112 §3.2.4).
    AsteriskForm,
    /// A backslash.
    Backslash,
    /// A control character, raw or escaped; NUL among them.
    Control,
    /// A `.` or `..` segment.
    DotSegment,
    /// A percent-escape that turns into another percent-escape.
    DoubleEncoding,
    /// Two slashes in a row.
    EmptySegment,
    /// `%2F` or `%5C`.
    EncodedSlash,
    /// A percent-escape of a letter, a digit, `-`, `.`, `_` or `~`, which needs none (RFC 3986 §2.3).
    EncodedUnreserved,
    /// A `#`, which never goes over the wire.
    Fragment,
    /// A byte that RFC 3986 §3.3 doesn't allow: a space, a byte beyond ASCII, one of `"<>[]^{|}` and the backquote.
    IllegalByte,
    /// A `%` without two hexadecimal digits.
    InvalidEscape,
    /// The path doesn't begin with a slash.
    NotAbsolute,
    /// Percent-escapes that are not UTF-8.
    NotUtf8,
    /// A `;` or `%3B`.
    Semicolon,
    /// Longer than the limit.
    TooLong,
    /// More segments than the limit.
    TooManySegments,
    /// A slash at the end.
    TrailingSlash,
}

/// A path that has one meaning, as it stands in the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanonicalPath<'a> {
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> CanonicalPath<'a> {
    /// Holds the request target (`:path`, with the query) against the rules.
    pub fn parse(target: &'a [u8], options: &PathOptions) -> Result<Self, PathRefusal> {
        if target.len() > options.max_bytes {
            return Err(PathRefusal::TooLong);
        }
        match target {
            [b'/', ..] => {}
            [b'*'] => return Err(PathRefusal::AsteriskForm),
            other if other.windows(3).any(|window| window == b"://") => {
                return Err(PathRefusal::AbsoluteForm);
            }
            _ => return Err(PathRefusal::NotAbsolute),
        }
        let (path, query) = match target.iter().position(|&byte| byte == b'?') {
            Some(at) => (target.get(..at).unwrap_or_default(), target.get(at + 1..)),
            None => (target, None),
        };
        check_path(path, options)?;
        let query = match query {
            Some(query) => {
                check_query(query)?;
                Some(ascii(query)?)
            }
            None => None,
        };
        Ok(Self { path: ascii(path)?, query })
    }

    /// The path without the query, as it stands in the request. ASCII.
    pub const fn as_str(&self) -> &'a str {
        self.path
    }

    /// The query without its question mark, as it stands in the request. ASCII, not decoded.
    pub const fn query(&self) -> Option<&'a str> {
        self.query
    }

    /// The segments; `/` has none. Only the last can be empty, after an accepted slash at the end.
    pub fn segments(&self) -> impl Iterator<Item = PathText<'a>> + use<'a> {
        let rest = self.rest();
        rest.into_iter().flat_map(|rest| rest.split('/')).map(PathText)
    }

    /// The parameters of the query.
    pub const fn query_parameters(&self) -> QueryParameters<'a> {
        QueryParameters::new(self.query)
    }

    /// What follows the first slash; `None` for `/`.
    pub(crate) fn rest(&self) -> Option<&'a str> {
        self.path.strip_prefix('/').filter(|rest| !rest.is_empty())
    }
}

/// A piece of a canonical path: a segment, or several with the slashes between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathText<'a>(pub(crate) &'a str);

impl<'a> PathText<'a> {
    /// As it stands in the request.
    pub const fn raw(&self) -> &'a str {
        self.0
    }

    /// Percent-decoded.
    pub fn value(&self) -> Cow<'a, str> {
        // The escapes of a canonical path are valid UTF-8, so the second arm is for completeness alone.
        percent_decode(self.0).unwrap_or(Cow::Borrowed(self.0))
    }
}

fn check_path(path: &[u8], options: &PathOptions) -> Result<(), PathRefusal> {
    let rest = match path {
        [b'/'] => return Ok(()),
        [_slash, rest @ ..] => rest,
        [] => return Err(PathRefusal::NotAbsolute),
    };
    let mut segments = rest.split(|&byte| byte == b'/').peekable();
    let mut count = 0;
    while let Some(segment) = segments.next() {
        count += 1;
        if count > options.max_segments {
            return Err(PathRefusal::TooManySegments);
        }
        match segment {
            [] if segments.peek().is_some() || count == 1 => return Err(PathRefusal::EmptySegment),
            [] if options.allow_trailing_slash => {}
            [] => return Err(PathRefusal::TrailingSlash),
            segment => check_segment(segment, options)?,
        }
    }
    Ok(())
}

/// Holds one segment against the rules; it has no slash.
pub(crate) fn check_segment(segment: &[u8], options: &PathOptions) -> Result<(), PathRefusal> {
    if is_dots(segment) && (options.allow_semicolon || !segment.contains(&b';')) {
        return Err(PathRefusal::DotSegment);
    }
    let mut escaped = false;
    let mut bytes = segment.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {}
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@' => {}
            b'%' => {
                escaped = true;
                let digits = (bytes.next(), bytes.next());
                let (Some(high), Some(low)) = (hex(digits.0), hex(digits.1)) else {
                    return Err(PathRefusal::InvalidEscape);
                };
                check_escaped(high << 4 | low, options)?;
            }
            b';' if options.allow_semicolon => {}
            b';' => return Err(PathRefusal::Semicolon),
            b'#' => return Err(PathRefusal::Fragment),
            b'\\' => return Err(PathRefusal::Backslash),
            0..=0x1f | 0x7f => return Err(PathRefusal::Control),
            _ => return Err(PathRefusal::IllegalByte),
        }
    }
    if escaped { check_decoded(segment) } else { Ok(()) }
}

/// Whether a server may take this for a step up or for nothing: dots, with parameters (RFC 3986 §3.3) or without, which
/// servers of servlets cut off before they look.
fn is_dots(segment: &[u8]) -> bool {
    let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
    matches!(name, b"." | b"..") || name.is_empty() && !segment.is_empty()
}

const fn check_escaped(byte: u8, options: &PathOptions) -> Result<(), PathRefusal> {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            Err(PathRefusal::EncodedUnreserved)
        }
        b'/' | b'\\' if !options.allow_encoded_slash => Err(PathRefusal::EncodedSlash),
        b';' if !options.allow_semicolon => Err(PathRefusal::Semicolon),
        0..=0x1f | 0x7f => Err(PathRefusal::Control),
        _ => Ok(()),
    }
}

/// The rules that only show in the decoded text.
fn check_decoded(segment: &[u8]) -> Result<(), PathRefusal> {
    let decoded = decode_bytes(segment);
    let text = core::str::from_utf8(&decoded).map_err(|_| PathRefusal::NotUtf8)?;
    if text.chars().any(char::is_control) {
        return Err(PathRefusal::Control);
    }
    if decoded.windows(3).any(
        |window| matches!(window, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()),
    ) {
        return Err(PathRefusal::DoubleEncoding);
    }
    match text.split(['/', '\\']).any(|piece| is_dots(piece.as_bytes())) {
        true => Err(PathRefusal::DotSegment),
        false => Ok(()),
    }
}

/// A query is not interpreted here, but it can't hold what no URI holds.
fn check_query(query: &[u8]) -> Result<(), PathRefusal> {
    query.iter().try_for_each(|byte| match byte {
        b'#' => Err(PathRefusal::Fragment),
        b'!'..=b'~' => Ok(()),
        0..=0x1f | 0x7f => Err(PathRefusal::Control),
        _ => Err(PathRefusal::IllegalByte),
    })
}

fn ascii(bytes: &[u8]) -> Result<&str, PathRefusal> {
    core::str::from_utf8(bytes).map_err(|_| PathRefusal::IllegalByte)
}

fn hex(byte: Option<&u8>) -> Option<u8> {
    match byte {
        Some(digit @ b'0'..=b'9') => Some(digit - b'0'),
        Some(digit @ b'a'..=b'f') => Some(digit - b'a' + 10),
        Some(digit @ b'A'..=b'F') => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Resolves percent-escapes once. `None` if an escape is malformed or the result is not UTF-8.
pub(crate) fn percent_decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            hex(bytes.next().as_ref()).and(hex(bytes.next().as_ref()))?;
        }
    }
    alloc::string::String::from_utf8(decode_bytes(text.as_bytes())).ok().map(Cow::Owned)
}

/// Resolves the percent-escapes that are well-formed.
fn decode_bytes(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if let (b'%', [high, low, after @ ..]) = (first, tail)
            && let (Some(high), Some(low)) = (hex(Some(high)), hex(Some(low)))
        {
            out.push(high << 4 | low);
            rest = after;
            continue;
        }
        out.push(*first);
    }
    out
}

impl fmt::Display for PathRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AbsoluteForm => "absolute-form request target",
            Self::AsteriskForm => "asterisk-form request target",
            Self::Backslash => "backslash in the path",
            Self::Control => "control character in the path",
            Self::DotSegment => "dot segment in the path",
            Self::DoubleEncoding => "doubly encoded path",
            Self::EmptySegment => "empty segment in the path",
            Self::EncodedSlash => "encoded slash or backslash in the path",
            Self::EncodedUnreserved => "needless percent-escape in the path",
            Self::Fragment => "fragment in the path",
            Self::IllegalByte => "byte that no path may hold",
            Self::InvalidEscape => "malformed percent-escape in the path",
            Self::NotAbsolute => "path does not begin with a slash",
            Self::NotUtf8 => "percent-escapes of the path are not utf-8",
            Self::Semicolon => "semicolon in the path",
            Self::TooLong => "path beyond the length limit",
            Self::TooManySegments => "more path segments than the limit",
            Self::TrailingSlash => "slash at the end of the path",
        })
    }
}

impl core::error::Error for PathRefusal {}
