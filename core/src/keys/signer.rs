//! Whose key is behind a signature.

use super::{KeyLookup, KeyStore};
use crate::crypto::{Algorithm, SignatureProvider};
use crate::jose::Jws;
use crate::time::Timestamp;
use alloc::boxed::Box;
use core::fmt;

/// The key that verified a token, as the token named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// Its thumbprint (RFC 7638).
    pub thumbprint: [u8; 32],
    /// `kid` of the token's header.
    pub kid: Option<Box<str>>,
    /// `alg` of the token's header.
    pub algorithm: Algorithm,
}

/// Why no key of the issuer is known to be behind a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproven {
    /// More keys could be meant than are ever tried.
    Ambiguous,
    /// The signature is not of any key that could be meant.
    Mismatch,
    /// Whether the issuer has such a key can't be known now.
    Unavailable,
    /// The issuer has no such key.
    Unknown,
    /// The answer may come with a fetch, which is under way or wanted: wait.
    Wait,
    /// The `kid` is known, for another algorithm.
    WrongAlgorithm,
}

impl KeyStore {
    /// Finds the key by (`kid`, algorithm) and verifies the signature (RFC 7515 §5.2); the key that fits. Who has waited for a fetch already
    /// says so, and is not told to wait again.
    pub fn verify(
        &mut self,
        jws: &Jws<'_>,
        waited: bool,
        provider: &dyn SignatureProvider,
        now: Timestamp,
    ) -> Result<Signer, Unproven> {
        let (kid, algorithm) = (jws.header.kid.as_deref(), jws.header.algorithm);
        let mut candidates = match self.find(kid, algorithm, waited, now) {
            KeyLookup::Found(candidates) => candidates,
            KeyLookup::Wait => return Err(Unproven::Wait),
            KeyLookup::Ambiguous => return Err(Unproven::Ambiguous),
            KeyLookup::WrongAlgorithm => return Err(Unproven::WrongAlgorithm),
            KeyLookup::Unknown => return Err(Unproven::Unknown),
            KeyLookup::Unavailable => return Err(Unproven::Unavailable),
        };
        candidates
            .find(|key| provider.verify(key.key(), algorithm, jws.signing_input, &jws.signature).is_ok())
            .map(|key| Signer { thumbprint: *key.thumbprint(), kid: kid.map(Into::into), algorithm })
            .ok_or(Unproven::Mismatch)
    }
}

impl fmt::Display for Unproven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ambiguous => "expected a `kid`: the issuer has several keys of this algorithm",
            Self::Mismatch => "expected a signature by the issuer's key",
            Self::Unavailable => "expected the issuer's keys, which are not there now",
            Self::Unknown => "expected a `kid` among the issuer's keys",
            Self::Wait => "expected the issuer's keys, which are being fetched",
            Self::WrongAlgorithm => "expected an `alg` that fits the key of this `kid`",
        })
    }
}

impl core::error::Error for Unproven {}
