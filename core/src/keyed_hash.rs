//! A hash for tables whose keys others choose: without its key nobody can choose keys that meet in one place.

use core::hash::Hasher as _;

use siphasher::sip::SipHasher13;

/// SipHash-1-3 of `bytes`. `key` must be unpredictable to those who choose them.
pub(crate) fn keyed_hash(key: (u64, u64), bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(key.0, key.1);
    hasher.write(bytes);
    hasher.finish()
}
