//! Who does the arithmetic.

use super::{
    Algorithm, PublicKey, SignatureError, digest,
    key::{Material, RsaKey},
};
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use rsa::{pkcs1v15::Pkcs1v15Sign, pss::Pss, traits::SignatureScheme};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

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

    /// Does a little, about a millisecond's worth, of what makes later verifications faster; whether there is more to do.
    fn work(&self) -> bool {
        false
    }
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
            (Algorithm::Es384, Material::P384(key)) => {
                let signature =
                    p384::ecdsa::Signature::from_slice(signature).map_err(|_| SignatureError::Malformed)?;
                key.verify_prehash(&Sha384::digest(message), &signature).map_err(|_| SignatureError::Mismatch)
            }
            (Algorithm::Es512, Material::P521(key)) => {
                let signature =
                    p521::ecdsa::Signature::from_slice(signature).map_err(|_| SignatureError::Malformed)?;
                key.verify_prehash(&Sha512::digest(message), &signature).map_err(|_| SignatureError::Mismatch)
            }
            // The salt is as long as the digest, and MGF1 has the same hash (RFC 7518 §3.5); `new` sets both.
            (Algorithm::Ps256, Material::Rsa(key)) => {
                rsa(key, Pss::<Sha256>::new(), &Sha256::digest(message), signature)
            }
            (Algorithm::Ps384, Material::Rsa(key)) => {
                rsa(key, Pss::<Sha384>::new(), &Sha384::digest(message), signature)
            }
            (Algorithm::Ps512, Material::Rsa(key)) => {
                rsa(key, Pss::<Sha512>::new(), &Sha512::digest(message), signature)
            }
            (Algorithm::Rs256, Material::Rsa(key)) => {
                rsa(key, Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message), signature)
            }
            (Algorithm::Rs384, Material::Rsa(key)) => {
                rsa(key, Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(message), signature)
            }
            (Algorithm::Rs512, Material::Rsa(key)) => {
                rsa(key, Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message), signature)
            }
            (
                Algorithm::Es256
                | Algorithm::Es384
                | Algorithm::Es512
                | Algorithm::EdDsa
                | Algorithm::Ps256
                | Algorithm::Ps384
                | Algorithm::Ps512
                | Algorithm::Rs256
                | Algorithm::Rs384
                | Algorithm::Rs512,
                _,
            ) => Err(SignatureError::KeyMismatch),
        }
    }
}

fn rsa(
    key: &RsaKey,
    scheme: impl SignatureScheme,
    digest: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    key.check(signature)?;
    key.key.verify(scheme, digest, signature).map_err(|_| SignatureError::Mismatch)
}
