//! The header `x-forwarded-client-cert`, with which a proxy tells whose certificate it has seen (Envoy's documentation,
//! "HTTP header manipulation", `x-forwarded-client-cert`).
//!
//! ```text
//! header  = element *( "," element )          the last element is the nearest proxy's client
//! element = pair *( ";" pair )
//! pair    = key "=" value                      By Hash Cert Chain Subject URI DNS, in any case
//! value   = *plain / DQUOTE *( quoted / "\" any ) DQUOTE
//! ```
//!
//! Blanks may stand round the commas, as where two lines of the header were joined (RFC 9110 §5.3). Read strictly and within
//! bounds: what two readers could take apart in two ways is refused.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

#[cfg(test)]
mod tests;

/// The header's name.
pub const NAME: &str = "x-forwarded-client-cert";

/// The longest header, in bytes: a few certificates with their chains fit in.
pub const MAX_BYTES: usize = 32_768;

/// The most elements: one for each proxy on the way.
pub const MAX_ELEMENTS: usize = 16;

/// The most pairs of an element; a certificate may have many DNS names.
pub const MAX_PAIRS: usize = 128;

/// What a pair tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The URI name of the proxy's own certificate.
    By,
    /// The client certificate in PEM, percent-encoded.
    Cert,
    /// The same with its chain.
    Chain,
    /// A DNS name of the client certificate.
    Dns,
    /// SHA-256 of the client certificate in DER, as hexadecimal digits.
    Hash,
    /// The subject of the client certificate.
    Subject,
    /// A URI name of the client certificate.
    Uri,
}

impl Key {
    /// Every key.
    pub const ALL: [Self; 7] =
        [Self::By, Self::Cert, Self::Chain, Self::Dns, Self::Hash, Self::Subject, Self::Uri];

    /// The key as Envoy writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::By => "By",
            Self::Cert => "Cert",
            Self::Chain => "Chain",
            Self::Dns => "DNS",
            Self::Hash => "Hash",
            Self::Subject => "Subject",
            Self::Uri => "URI",
        }
    }

    /// Whether an element may have several: certificates have several names, and proxies too.
    const fn repeats(self) -> bool {
        match self {
            Self::By | Self::Dns | Self::Uri => true,
            Self::Cert | Self::Chain | Self::Hash | Self::Subject => false,
        }
    }

    fn parse(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|key| name.eq_ignore_ascii_case(key.as_str().as_bytes()))
    }
}

/// What one proxy tells about one client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element<'a> {
    pairs: Vec<(Key, Cow<'a, [u8]>)>,
}

impl Element<'_> {
    /// The values of a key, unquoted; empty ones say nothing, and are left out.
    pub fn values(&self, key: Key) -> impl Iterator<Item = &[u8]> {
        self.pairs.iter().filter(move |(have, _)| *have == key).map(|(_, value)| &**value)
    }

    /// The value of a key that stands there once.
    pub fn only(&self, key: Key) -> Option<&[u8]> {
        let mut values = self.values(key);
        values.next().filter(|_| values.next().is_none())
    }
}

/// Why a text is no such header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XfccError {
    /// Something other than `,` or `;` behind a quoted value.
    AfterQuotes,
    /// A control character, or a byte that belongs into quotes.
    Byte,
    /// No `=` behind a key, or no key.
    Key,
    /// A key of which an element may have one alone.
    Repeated,
    /// More than [`MAX_BYTES`], [`MAX_ELEMENTS`] or [`MAX_PAIRS`].
    TooLarge,
    /// A quoted value without an end.
    Unclosed,
    /// A key that the format does not have.
    UnknownKey,
}

/// Reads the header: its elements in order, the nearest proxy's last.
pub fn parse(header: &[u8]) -> Result<Vec<Element<'_>>, XfccError> {
    if header.len() > MAX_BYTES {
        return Err(XfccError::TooLarge);
    }
    let mut elements = Vec::with_capacity(2);
    let mut rest = header;
    loop {
        if elements.len() == MAX_ELEMENTS {
            return Err(XfccError::TooLarge);
        }
        let (element, after) = element(skip_blanks(rest))?;
        elements.push(element);
        match after {
            None => return Ok(elements),
            Some(after) => rest = after,
        }
    }
}

/// One element, and what stands behind its comma.
fn element(mut rest: &[u8]) -> Result<(Element<'_>, Option<&[u8]>), XfccError> {
    let mut element = Element::default();
    for _ in 0..MAX_PAIRS {
        let at = rest.iter().position(|byte| *byte == b'=').ok_or(XfccError::Key)?;
        let (name, behind) = rest.split_at_checked(at).ok_or(XfccError::Key)?;
        if name.is_empty() || name.iter().any(|byte| matches!(byte, b',' | b';' | b'"')) {
            return Err(XfccError::Key);
        }
        let key = Key::parse(name).ok_or(XfccError::UnknownKey)?;
        let (value, after) = value(behind.get(1..).unwrap_or_default())?;
        if !value.is_empty() {
            if !key.repeats() && element.values(key).next().is_some() {
                return Err(XfccError::Repeated);
            }
            element.pairs.push((key, value));
        }
        match after {
            [] => return Ok((element, None)),
            [b',', after @ ..] => return Ok((element, Some(after))),
            [_semicolon, after @ ..] => rest = after,
        }
    }
    Err(XfccError::TooLarge)
}

/// A value, and what follows it: nothing, or `,` or `;` with the rest.
fn value(text: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), XfccError> {
    if let [b'"', quoted @ ..] = text {
        return quoted_value(quoted);
    }
    let end = text.iter().position(|byte| matches!(byte, b',' | b';')).unwrap_or(text.len());
    let (value, after) = text.split_at_checked(end).unwrap_or((text, &[]));
    // Blanks before a comma, and at the end, belong to it.
    let value = if after.first() == Some(&b';') { value } else { skip_blanks_back(value) };
    match value.iter().all(|byte| is_text(*byte) && !matches!(byte, b'=' | b'"' | b'\\')) {
        true => Ok((Cow::Borrowed(value), after)),
        false => Err(XfccError::Byte),
    }
}

/// A value behind its opening quote, and what follows the closing one.
fn quoted_value(text: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), XfccError> {
    let mut unquoted = Vec::new();
    let mut bytes = text.iter().enumerate();
    while let Some((at, &byte)) = bytes.next() {
        let plain = match byte {
            b'"' => {
                let after = text.get(at + 1..).unwrap_or_default();
                let trimmed = skip_blanks(after);
                return match (after, trimmed) {
                    ([b';', ..], _) => Ok((unquoted.into(), after)),
                    (_, [] | [b',', ..]) => Ok((unquoted.into(), trimmed)),
                    _ => Err(XfccError::AfterQuotes),
                };
            }
            b'\\' => bytes.next().ok_or(XfccError::Unclosed)?.1,
            _ => &byte,
        };
        if !is_text(*plain) {
            return Err(XfccError::Byte);
        }
        unquoted.push(*plain);
    }
    Err(XfccError::Unclosed)
}

/// No control character. Names may be UTF-8.
fn is_text(byte: u8) -> bool {
    byte >= b' ' && byte != 0x7f
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| is_blank(**byte)).count();
    text.get(blanks..).unwrap_or_default()
}

fn skip_blanks_back(text: &[u8]) -> &[u8] {
    let blanks = text.iter().rev().take_while(|byte| is_blank(**byte)).count();
    text.get(..text.len() - blanks).unwrap_or_default()
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

impl fmt::Display for XfccError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AfterQuotes => "expected `,` or `;` behind a quoted value",
            Self::Byte => "a byte that no value may hold, or not without quotes",
            Self::Key => "expected a key and `=`",
            Self::Repeated => "a key that an element may have once",
            Self::TooLarge => "more bytes, elements or pairs than are looked at",
            Self::Unclosed => "a quoted value without an end",
            Self::UnknownKey => "expected one of By, Cert, Chain, DNS, Hash, Subject and URI",
        })
    }
}

impl core::error::Error for XfccError {}
