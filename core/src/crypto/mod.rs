//! Signatures and digests.
//!
//! A [`PublicKey`] is checked once, when it is made; after that only signatures can be wrong. Verification goes through
//! [`SignatureProvider`], so that a host that lends its own cryptography can stand in for [`Software`].
//! HMAC and `none` don't exist here, by design: who can verify an HMAC can also mint one.

mod algorithm;
pub mod der;
pub mod digest;
mod error;
pub mod fast;
mod key;
mod known_answers;
pub mod lent;
mod provider;

#[cfg(test)]
mod tests;

pub use algorithm::{Algorithm, KeyType};
pub use error::{KeyError, SignatureError};
pub use fast::Fast;
pub use key::PublicKey;
pub use provider::{SignatureProvider, Software};

/// Whether two byte strings are equal, in time that depends on their lengths alone.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    use subtle::ConstantTimeEq as _;
    if a.len() != b.len() {
        return false;
    }
    // Word by word: every byte is read, whatever the first difference, and only the sum of them is looked at.
    let (a_words, a_rest) = a.as_chunks::<8>();
    let (b_words, b_rest) = b.as_chunks::<8>();
    let mut difference = 0;
    for (a, b) in a_words.iter().zip(b_words) {
        difference |= u64::from_ne_bytes(*a) ^ u64::from_ne_bytes(*b);
    }
    (difference.ct_eq(&0) & a_rest.ct_eq(b_rest)).into()
}
