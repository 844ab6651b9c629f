//! What an issuer signs beside its tokens: answers about them, and documents about those that it took back.

use crate::crypto::{Algorithm, SignatureProvider};
use crate::jose::{Jws, JwsError};
use crate::keys::{KeyStore, Signer, Unproven};
use crate::time::Timestamp;
use alloc::vec::Vec;

/// By whose keys something is verified, and who does the arithmetic.
pub struct Keys<'a> {
    /// The issuer's keys.
    pub store: &'a mut KeyStore,
    /// Who does the arithmetic.
    pub provider: &'a dyn SignatureProvider,
    /// Whether this has waited for a fetch of keys already.
    pub waited: bool,
}

/// What it must look like.
pub(crate) struct Expected<'a> {
    /// The largest that is looked at, in bytes.
    pub(crate) max_bytes: usize,
    /// Which `typ` it must have. A token of the same issuer is as well signed, and says something else (RFC 8725 §3.11).
    pub(crate) is_type: &'a dyn Fn(&str) -> bool,
    /// The algorithms that the issuer may use.
    pub(crate) algorithms: &'a [Algorithm],
}

/// Why something is not what it should be.
pub(crate) enum Fault {
    /// Not a compact JWS.
    Jws(JwsError),
    /// Another `typ`, or none.
    Type,
    /// `alg` is none of the issuer's.
    Algorithm,
    /// No key of the issuer is known to be behind the signature.
    Key(Unproven),
}

/// Verifies something that the issuer signed; its payload, of which nobody has looked at anything yet, and the key.
pub(crate) fn open(
    text: &[u8],
    expected: &Expected<'_>,
    keys: Keys<'_>,
    now: Timestamp,
) -> Result<(Vec<u8>, Signer), Fault> {
    let jws = Jws::parse(text, expected.max_bytes).map_err(Fault::Jws)?;
    if !jws.header.typ.as_deref().is_some_and(expected.is_type) {
        return Err(Fault::Type);
    }
    if !expected.algorithms.contains(&jws.header.algorithm) {
        return Err(Fault::Algorithm);
    }
    let signer = keys.store.verify(&jws, keys.waited, keys.provider, now).map_err(Fault::Key)?;
    Ok((jws.payload, signer))
}
