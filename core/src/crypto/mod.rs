//! Signatures and digests.
//!
//! A [`PublicKey`] is checked once, when it is made; after that only signatures can be wrong. Verification goes through
//! [`SignatureProvider`], so that a host that lends its own cryptography can stand in for [`Software`].
//! HMAC and `none` don't exist here, by design: who can verify an HMAC can also mint one.

mod algorithm;
pub mod der;
pub mod digest;
mod error;
mod key;
mod provider;

#[cfg(test)]
mod tests;

pub use algorithm::{Algorithm, KeyType};
pub use error::{KeyError, SignatureError};
pub use key::PublicKey;
pub use provider::{SignatureProvider, Software};

/// Whether two byte strings are equal, in time that depends on their lengths alone.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    use subtle::ConstantTimeEq as _;
    a.ct_eq(b).into()
}
