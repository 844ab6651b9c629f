//! JOSE: signed tokens in the compact form, and the keys that verify them.
//!
//! Parsing says what a token claims about itself; nothing here trusts it. The header members that bring a key or the address of
//! one (`jwk`, `jku`, `x5u`, `x5c`, `x5t`) are never read of a token: its keys come from the configuration alone.

mod bundle;
mod jwk;
mod jwks;
mod jws;

#[cfg(test)]
mod tests;

pub use bundle::{Bundle, BundleError};
pub use jwk::{Jwk, JwkError, KeyUse};
pub use jwks::{Candidates, JwkSet, JwksError, JwksLimits, KeyLookup};
pub use jws::{Header, Jws, JwsError};
pub(crate) use jws::{bare_type, is_type, segments};
