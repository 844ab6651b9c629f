//! Base64 as JOSE needs it: url-safe, unpadded and canonical (RFC 4648 §5, RFC 7515 §2).
//!
//! Every byte string has exactly one accepted text. Padding, white space, foreign characters, lengths that no
//! encoder produces and non-zero spare bits in the last character are refused (RFC 4648 §3.5), so that a token
//! or key can't have two spellings.

use alloc::{string::String, vec::Vec};
use core::fmt;

#[cfg(test)]
mod tests;

const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Marks a byte outside the alphabet; every real value is below 64.
const FOREIGN: u8 = 0xff;

static URL_SAFE_VALUES: [u8; 256] = values_of(URL_SAFE);
static STANDARD_VALUES: [u8; 256] = values_of(STANDARD);

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time, indices below 64 and 256")]
const fn values_of(alphabet: &[u8; 64]) -> [u8; 256] {
    let mut values = [FOREIGN; 256];
    let mut i = 0;
    while i < 64 {
        values[alphabet[i] as usize] = i as u8;
        i += 1;
    }
    values
}

/// Why a text is not the base64 form of any byte string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base64Error {
    /// A byte outside the alphabet, padding and white space among them, at this offset.
    ForeignByte {
        /// Offset of the byte in the text.
        offset: usize,
    },
    /// A length that no encoder produces.
    Length,
    /// The spare bits of the last character are not zero.
    SpareBits,
    /// The decoded length is not the one asked for.
    WrongSize {
        /// The number of bytes asked for.
        expected: usize,
    },
}

impl fmt::Display for Base64Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForeignByte { offset } => {
                write!(f, "byte {offset} is outside the base64 alphabet")
            }
            Self::Length => f.write_str("base64 text has an impossible length"),
            Self::SpareBits => f.write_str("base64 text is not canonical: its spare bits are not zero"),
            Self::WrongSize { expected } => write!(f, "expected {expected} bytes in base64"),
        }
    }
}

impl core::error::Error for Base64Error {}

/// Decodes canonical, unpadded base64url.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, Base64Error> {
    decode_with(&URL_SAFE_VALUES, text)
}

/// Decodes canonical, unpadded base64url of exactly `N` bytes.
pub fn decode_array<const N: usize>(text: &[u8]) -> Result<[u8; N], Base64Error> {
    let wrong = Base64Error::WrongSize { expected: N };
    // The length decides first, so that a long text costs nothing.
    if text.len() != encoded_len(N) {
        return Err(wrong);
    }
    decode(text)?.try_into().map_err(|_| wrong)
}

/// Decodes canonical standard base64 (RFC 4648 §4) with its padding, as configuration files carry it.
pub fn decode_standard(text: &[u8]) -> Result<Vec<u8>, Base64Error> {
    if !text.len().is_multiple_of(4) {
        return Err(Base64Error::Length);
    }
    let body = match text {
        [body @ .., b'=', b'='] | [body @ .., b'='] => body,
        body => body,
    };
    decode_with(&STANDARD_VALUES, body)
}

/// Encodes as unpadded base64url.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(encoded_len(bytes.len()));
    for chunk in bytes.chunks(3) {
        let mut group = 0u32;
        for i in 0..3 {
            group = group << 8 | u32::from(chunk.get(i).copied().unwrap_or(0));
        }
        for i in 0..=chunk.len() {
            let value = group >> (18 - 6 * i) & 63;
            text.push(char::from(URL_SAFE.get(value as usize).copied().unwrap_or(b'A')));
        }
    }
    text
}

/// The length of the unpadded text of `bytes` bytes.
pub const fn encoded_len(bytes: usize) -> usize {
    (bytes / 3).saturating_mul(4).saturating_add(match bytes % 3 {
        0 => 0,
        1 => 2,
        _ => 3,
    })
}

fn decode_with(values: &[u8; 256], text: &[u8]) -> Result<Vec<u8>, Base64Error> {
    let value_of = |byte: u8| values.get(usize::from(byte)).copied().unwrap_or(FOREIGN);
    let foreign = || Base64Error::ForeignByte {
        offset: text.iter().position(|&byte| value_of(byte) == FOREIGN).unwrap_or(0),
    };

    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let mut groups = text.chunks_exact(4);
    for group in &mut groups {
        let &[a, b, c, d] = group else {
            return Err(Base64Error::Length);
        };
        let (a, b, c, d) = (value_of(a), value_of(b), value_of(c), value_of(d));
        // A foreign byte is the only value with the high bit set.
        if (a | b | c | d) & 0x80 != 0 {
            return Err(foreign());
        }
        bytes.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
    }
    match *groups.remainder() {
        [] => {}
        [a, b] => {
            let (a, b) = (value_of(a), value_of(b));
            if (a | b) & 0x80 != 0 {
                return Err(foreign());
            }
            if b & 0x0f != 0 {
                return Err(Base64Error::SpareBits);
            }
            bytes.push(a << 2 | b >> 4);
        }
        [a, b, c] => {
            let (a, b, c) = (value_of(a), value_of(b), value_of(c));
            if (a | b | c) & 0x80 != 0 {
                return Err(foreign());
            }
            if c & 0x03 != 0 {
                return Err(Base64Error::SpareBits);
            }
            bytes.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2]);
        }
        _ => {
            // One character alone: say which byte is wrong if one is, else that the length is.
            return Err(match text.iter().any(|&byte| value_of(byte) == FOREIGN) {
                true => foreign(),
                false => Base64Error::Length,
            });
        }
    }
    Ok(bytes)
}
