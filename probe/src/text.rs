//! How bytes and numbers are written down.

use std::fmt::Write as _;

/// Longer bytes are cut, with their number and a checksum after them.
const WHOLE: usize = 240;

/// Appends bytes in quotes, so that no two values look the same.
pub(crate) fn bytes(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for byte in bytes.iter().take(WHOLE) {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(*byte));
            }
            0x20..=0x7e => out.push(char::from(*byte)),
            other => drop(write!(out, "\\x{other:02x}")),
        }
    }
    out.push('"');
    if bytes.len() > WHOLE {
        // FNV-1a: that two are the same is all that is asked of it.
        let sum = bytes
            .iter()
            .fold(0x811c_9dc5_u32, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
        let _ = write!(out, "..{}#{sum:08x}", bytes.len());
    }
}

/// Appends header pairs as the host serialized them, or the bytes where they are none.
pub(crate) fn pairs(out: &mut String, serialized: &[u8]) {
    let Some(pairs) = read_pairs(serialized) else { return bytes(out, serialized) };
    out.push('{');
    for (at, (name, value)) in pairs.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { ", " });
        bytes(out, name);
        out.push_str(": ");
        bytes(out, value);
    }
    out.push('}');
}

/// Header pairs as the ABI serializes them: count, lengths, then each name and value with a zero byte behind it.
pub(crate) fn write_pairs(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut out = (pairs.len() as u32).to_le_bytes().to_vec();
    for (name, value) in pairs {
        out.extend((name.len() as u32).to_le_bytes());
        out.extend((value.len() as u32).to_le_bytes());
    }
    for part in pairs.iter().flat_map(|(name, value)| [name, value]) {
        out.extend_from_slice(part);
        out.push(0);
    }
    out
}

/// Appends a field of bytes of a protobuf message.
pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    put_number(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends a number as protobuf writes them.
pub(crate) fn put_number(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn read_pairs(bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let (count, rest) = word(bytes)?;
    let (mut lengths, mut data) = rest.split_at_checked(count.checked_mul(8)?)?;
    let mut pairs = Vec::new();
    for _ in 0..count {
        let mut part = || {
            let (length, more) = word(lengths)?;
            let (part, rest) = data.split_at_checked(length)?;
            let (zero, rest) = rest.split_first()?;
            (lengths, data) = (more, rest);
            (*zero == 0).then_some(part)
        };
        pairs.push((part()?, part()?));
    }
    data.is_empty().then_some(pairs)
}

fn word(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*first) as usize, rest))
}
