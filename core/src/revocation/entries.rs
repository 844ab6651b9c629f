//! The entries of a feed as they are written: the first six bytes of digests, one after the other, in base64url.

use crate::base64url;
use crate::crypto::digest::Sha256;
use alloc::vec::Vec;
use core::slice::Chunks;

/// The bytes of a digest that are published.
pub(super) const ENTRY_BYTES: usize = 6;

/// What six bytes are in base64url: whole groups, so that each entry stands for itself.
const ENTRY_CHARS: usize = base64url::encoded_len(ENTRY_BYTES);

/// How much is decoded at once: the memory of a worker does not shrink.
const CHUNK_ENTRIES: usize = 2_048;

/// The entry of an identifier: the first six bytes of SHA-256(salt ‖ kind ‖ 0 ‖ identifier), as a number.
pub(super) fn entry(salt: &[u8], kind: &str, identifier: &str) -> u64 {
    let mut digest = Sha256::new();
    digest.update(salt).update(kind.as_bytes()).update(&[0]).update(identifier.as_bytes());
    let [a, b, c, d, e, f, ..] = digest.finish();
    number([a, b, c, d, e, f])
}

/// Six bytes as a number, the first the most significant.
pub(super) fn number([a, b, c, d, e, f]: [u8; ENTRY_BYTES]) -> u64 {
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

/// What is wrong with a list of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not base64url of whole entries.
    Encoding,
    /// An entry is not greater than the one before it.
    Order,
}

/// A list of entries in ascending order, each once.
pub(super) struct Entries<'a> {
    chunks: Chunks<'a, u8>,
    decoded: Vec<u8>,
    at: usize,
    last: Option<u64>,
}

impl<'a> Entries<'a> {
    /// A list that is written so, and how many entries it has.
    pub(super) fn new(text: &'a str) -> Result<(Self, usize), Fault> {
        if !text.len().is_multiple_of(ENTRY_CHARS) {
            return Err(Fault::Encoding);
        }
        let chunks = text.as_bytes().chunks(CHUNK_ENTRIES * ENTRY_CHARS);
        Ok((Self { chunks, decoded: Vec::new(), at: 0, last: None }, text.len() / ENTRY_CHARS))
    }

    /// The next entry.
    pub(super) fn next(&mut self) -> Result<Option<u64>, Fault> {
        if self.at >= self.decoded.len() {
            let Some(chunk) = self.chunks.next() else { return Ok(None) };
            self.decoded = base64url::decode(chunk).map_err(|_| Fault::Encoding)?;
            self.at = 0;
        }
        let rest = self.decoded.get(self.at..).unwrap_or_default();
        let entry = number(*rest.first_chunk().ok_or(Fault::Encoding)?);
        if self.last.is_some_and(|last| last >= entry) {
            return Err(Fault::Order);
        }
        self.last = Some(entry);
        self.at += ENTRY_BYTES;
        Ok(Some(entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn read(text: &str) -> Result<Vec<u64>, Fault> {
        let (mut entries, count) = Entries::new(text)?;
        let mut all = Vec::new();
        while let Some(entry) = entries.next()? {
            all.push(entry);
        }
        assert_eq!(all.len(), count);
        Ok(all)
    }

    fn written(entries: impl IntoIterator<Item = u64>) -> String {
        let bytes: Vec<u8> =
            entries.into_iter().flat_map(|entry| entry.to_be_bytes()[2..].to_vec()).collect();
        base64url::encode(&bytes)
    }

    #[test]
    fn entries_are_read_across_chunks() {
        for count in [0, 1, 2, 2_047, 2_048, 2_049, 10_000] {
            let entries: Vec<u64> = (0..count).map(|i| i * 27_000_000_011).collect();
            assert_eq!(read(&written(entries.iter().copied())), Ok(entries));
        }
    }

    #[test]
    fn order_holds_across_chunks() {
        for at in [1, 2_047, 2_048, 2_049] {
            for step in [0, 1] {
                let mut entries: Vec<u64> = (10..4_000).collect();
                entries[at] = entries[at - 1] - step;
                assert_eq!(read(&written(entries)), Err(Fault::Order), "{at}");
            }
        }
    }

    #[test]
    fn entries_are_whole_and_in_the_alphabet() {
        for text in ["A", "AAAAAAA", "AAAAAAAAA", "AAAAAAA=", "AAAA+AAA", "AAAA AAA"] {
            assert_eq!(read(text), Err(Fault::Encoding), "{text}");
        }
    }

    #[test]
    fn an_entry_is_six_bytes_of_the_digest() {
        // The example of `docs/revocation-feed.md`.
        assert_eq!(entry(b"0123456789abcdef", "sub", "alice"), 0x13e7_b4bf_5180);
        assert_eq!(entry(b"0123456789abcdef", "sub", "bob"), 0x815c_05e7_3a5f);
        assert_eq!(read("E-e0v1GAgVwF5zpf"), Ok(Vec::from([0x13e7_b4bf_5180, 0x815c_05e7_3a5f])));
    }
}
