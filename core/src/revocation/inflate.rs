//! Inflating within a bound (RFC 1950, RFC 1951).

use alloc::boxed::Box;
use alloc::vec;
use core::fmt;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// Why a text does not inflate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InflateError {
    /// The checksum is not that of what was inflated.
    Checksum,
    /// Not the zlib format.
    Corrupt,
    /// More bytes than the limit.
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// Something follows the checksum.
    Trailing,
}

/// Inflates a zlib stream of at most `limit` bytes, which is all that it may be: no dictionary, nothing behind it.
pub(super) fn inflate(zlib: &[u8], limit: usize) -> Result<Box<[u8]>, InflateError> {
    const FLAGS: u32 = TINFL_FLAG_PARSE_ZLIB_HEADER | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    // A byte to spare shows what is larger.
    let most = limit.saturating_add(1);
    let mut state = Box::<DecompressorOxide>::default();
    let mut bytes = vec![0; zlib.len().saturating_mul(4).clamp(64, 1 << 16).min(most)];
    let (mut read, mut written) = (0usize, 0usize);
    loop {
        let rest = zlib.get(read..).unwrap_or_default();
        let (status, took, gave) = decompress(&mut state, rest, &mut bytes, written, FLAGS);
        (read, written) = (read.saturating_add(took), written.saturating_add(gave));
        if written > limit {
            return Err(InflateError::TooLarge { limit });
        }
        match status {
            TINFLStatus::Done => break,
            TINFLStatus::HasMoreOutput if bytes.len() < most => {
                bytes.resize(bytes.len().saturating_mul(2).min(most), 0);
            }
            TINFLStatus::HasMoreOutput => return Err(InflateError::TooLarge { limit }),
            TINFLStatus::Adler32Mismatch => return Err(InflateError::Checksum),
            _ => return Err(InflateError::Corrupt),
        }
    }
    if read != zlib.len() {
        return Err(InflateError::Trailing);
    }
    bytes.truncate(written);
    Ok(bytes.into_boxed_slice())
}

impl fmt::Display for InflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checksum => f.write_str("expected the checksum of what was inflated"),
            Self::Corrupt => f.write_str("expected the whole of a zlib stream"),
            Self::TooLarge { limit } => write!(f, "expected at most {limit} bytes once inflated"),
            Self::Trailing => f.write_str("expected nothing behind the zlib stream"),
        }
    }
}

impl core::error::Error for InflateError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use miniz_oxide::deflate::compress_to_vec_zlib;
    use proptest::prelude::*;

    const LIMIT: usize = 200_000;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        compress_to_vec_zlib(bytes, 9)
    }

    #[test]
    fn as_much_as_the_limit_and_no_more() {
        for size in [0, 1, 63, 64, 65, 1_000, 65_535, 65_536, 65_537, LIMIT - 1, LIMIT] {
            for bytes in [vec![0; size], (0..size).map(|i| (i * i / 8) as u8).collect()] {
                let zlib = packed(&bytes);
                assert_eq!(inflate(&zlib, LIMIT).as_deref(), Ok(&*bytes), "{size}");
                assert_eq!(inflate(&zlib, size).as_deref(), Ok(&*bytes), "{size} of {size}");
                if let Some(limit) = size.checked_sub(1) {
                    assert_eq!(inflate(&zlib, limit), Err(InflateError::TooLarge { limit }), "{size}");
                }
            }
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = packed(&vec![0; 64 << 20]);
        assert!(bomb.len() < 70_000);
        assert_eq!(inflate(&bomb, LIMIT), Err(InflateError::TooLarge { limit: LIMIT }));
    }

    #[test]
    fn a_stream_is_whole_and_alone() {
        let zlib = packed(b"statuses");
        assert_eq!(inflate(&[&*zlib, b"\0"].concat(), LIMIT), Err(InflateError::Trailing));
        assert_eq!(inflate(&[&*zlib, &zlib].concat(), LIMIT), Err(InflateError::Trailing));
        for end in 0..zlib.len() {
            assert_eq!(inflate(&zlib[..end], LIMIT), Err(InflateError::Corrupt), "{end} bytes");
        }
        let mut other = zlib.clone();
        *other.last_mut().unwrap() ^= 1;
        assert_eq!(inflate(&other, LIMIT), Err(InflateError::Checksum));
        // Raw deflate, and one that wants a dictionary (RFC 1950 §2.2, FDICT).
        assert_eq!(inflate(&zlib[2..], LIMIT), Err(InflateError::Corrupt));
        let mut dictionary = zlib;
        (dictionary[0], dictionary[1]) = (0x78, 0x20);
        assert_eq!(inflate(&dictionary, LIMIT), Err(InflateError::Corrupt));
    }

    proptest! {
        #[test]
        fn anything_is_read_within_the_limit(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(inflated) = inflate(&bytes, 1_000) {
                prop_assert!(inflated.len() <= 1_000);
            }
            let framed = [&[0x78, 0x9c], &*bytes].concat();
            prop_assert!(inflate(&framed, 1_000).is_err(), "without a checksum that fits");
        }
    }
}
