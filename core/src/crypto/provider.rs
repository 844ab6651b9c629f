//! Who does the arithmetic.

use super::{Algorithm, PublicKey, SignatureError, digest, key::Material};
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;

/// Verifies signatures. Implementations agree on every input: good signatures pass, all else is an error.
pub trait SignatureProvider {
    /// Verifies a JWS signature (RFC 7518 §3, RFC 8037 §3.1) over `message`.
    ///
    /// The caller names the algorithm from the key or the configuration; one that doesn't fit the key is an error.
    fn verify(
        &self,
        key: &PublicKey,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError>;
}

/// The provider that needs nobody: the RustCrypto and dalek crates.
#[derive(Clone, Copy, Debug, Default)]
pub struct Software;

impl SignatureProvider for Software {
    fn verify(
        &self,
        key: &PublicKey,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        match (algorithm, &key.material) {
            (Algorithm::EdDsa, Material::Ed25519(key)) => {
                let signature =
                    ed25519_dalek::Signature::from_slice(signature).map_err(|_| SignatureError::Malformed)?;
                // Strict: S below the group's order, R canonical and not of low order.
                key.verify_strict(message, &signature).map_err(|_| SignatureError::Mismatch)
            }
            (Algorithm::Es256, Material::P256(key)) => {
                // r‖s of 32 bytes each; `from_slice` holds both within [1, n-1] before any arithmetic.
                let signature =
                    p256::ecdsa::Signature::from_slice(signature).map_err(|_| SignatureError::Malformed)?;
                key.verify_prehash(&digest::sha256(message), &signature).map_err(|_| SignatureError::Mismatch)
            }
            (Algorithm::Rs256, Material::Rsa(key)) => {
                if signature.len() != key.size {
                    return Err(SignatureError::Malformed);
                }
                let signature =
                    rsa::pkcs1v15::Signature::try_from(signature).map_err(|_| SignatureError::Malformed)?;
                key.pkcs1_sha256
                    .verify_prehash(&digest::sha256(message), &signature)
                    .map_err(|_| SignatureError::Mismatch)
            }
            (Algorithm::EdDsa | Algorithm::Es256 | Algorithm::Rs256, _) => Err(SignatureError::KeyMismatch),
        }
    }
}
