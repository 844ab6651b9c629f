//! Public keys, checked when they are made.

use super::{Algorithm, KeyError, KeyType, der};
use alloc::{boxed::Box, vec::Vec};
use core::fmt;
use p256::{NistP256, elliptic_curve::sec1::Sec1Point};
use rsa::{BoxedUint, RsaPublicKey, pkcs1v15, traits::PublicKeyParts as _};
use sha2::Sha256;

/// A public key that passed every check its type has. Cloning is cheap enough for configuration, not for requests.
#[derive(Clone)]
pub struct PublicKey {
    pub(super) material: Material,
}

/// Parsed, so that a request pays for nothing but the verification.
#[derive(Clone)]
pub(super) enum Material {
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
    P256(Box<p256::ecdsa::VerifyingKey>),
    Rsa(Box<RsaKey>),
}

pub(super) struct RsaKey {
    pub(super) size: usize,
    pub(super) pkcs1_sha256: pkcs1v15::VerifyingKey<Sha256>,
}

impl Clone for RsaKey {
    fn clone(&self) -> Self {
        Self {
            size: self.size,
            pkcs1_sha256: pkcs1v15::VerifyingKey::new(self.pkcs1_sha256.as_ref().clone()),
        }
    }
}

impl PublicKey {
    /// Sizes of an RSA modulus in bits.
    pub const RSA_BITS: core::ops::RangeInclusive<usize> = 2048..=4096;

    /// A P-256 key from its affine coordinates (RFC 7518 §6.2.1). The point at infinity has none.
    pub fn p256(x: &[u8; 32], y: &[u8; 32]) -> Result<Self, KeyError> {
        let point = Sec1Point::<NistP256>::from_affine_coordinates(&(*x).into(), &(*y).into(), false);
        let key = p256::ecdsa::VerifyingKey::from_sec1_point(&point).map_err(|_| KeyError::NotOnCurve)?;
        Ok(Self { material: Material::P256(Box::new(key)) })
    }

    /// An Ed25519 key from its encoded point (RFC 8032 §5.1.5), which must be canonical and not of low order.
    pub fn ed25519(point: &[u8; 32]) -> Result<Self, KeyError> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(point).map_err(|_| KeyError::NotOnCurve)?;
        // Decoding accepts y ≥ p, which would give one key two names.
        if key.to_edwards().compress().as_bytes() != point {
            return Err(KeyError::NotCanonical);
        }
        if key.is_weak() {
            return Err(KeyError::LowOrder);
        }
        Ok(Self { material: Material::Ed25519(Box::new(key)) })
    }

    /// An RSA key from its big-endian modulus and exponent (RFC 7518 §6.3.1), both without leading zeros.
    ///
    /// The modulus is odd and has 2048 to 4096 bits; the exponent is odd, from 3 to 2³³ − 1, and almost always 65537.
    pub fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        let bits = match (modulus.first(), exponent.first()) {
            (Some(0), _) | (_, Some(0)) => return Err(KeyError::NotCanonical),
            (Some(first), _) => modulus.len().saturating_mul(8) - first.leading_zeros() as usize,
            (None, _) => 0,
        };
        if bits < *Self::RSA_BITS.start() {
            return Err(KeyError::ModulusTooSmall);
        }
        if bits > *Self::RSA_BITS.end() {
            return Err(KeyError::ModulusTooLarge);
        }
        if modulus.last().is_none_or(|last| last & 1 == 0) {
            return Err(KeyError::ModulusEven);
        }
        // Five bytes hold 2³³ − 1.
        if exponent.len() > 5 {
            return Err(KeyError::ExponentOutOfRange);
        }
        let e = exponent.iter().fold(0u64, |e, &byte| e << 8 | u64::from(byte));
        if !(3..=RsaPublicKey::MAX_PUB_EXPONENT).contains(&e) || e & 1 == 0 {
            return Err(KeyError::ExponentOutOfRange);
        }
        let key = RsaPublicKey::new_with_size_limits(
            BoxedUint::from_be_slice_vartime(modulus),
            BoxedUint::from(e),
            Self::RSA_BITS,
        )
        .map_err(|_| KeyError::ModulusTooSmall)?;
        let size = key.size();
        Ok(Self {
            material: Material::Rsa(Box::new(RsaKey {
                size,
                pkcs1_sha256: pkcs1v15::VerifyingKey::new(key),
            })),
        })
    }

    /// The kind of key.
    pub const fn key_type(&self) -> KeyType {
        match &self.material {
            Material::Ed25519(_) => KeyType::Ed25519,
            Material::P256(_) => KeyType::P256,
            Material::Rsa(_) => KeyType::Rsa,
        }
    }

    /// Whether `algorithm` works with this kind of key.
    pub fn supports(&self, algorithm: Algorithm) -> bool {
        algorithm.key_type() == self.key_type()
    }

    /// The key as DER `SubjectPublicKeyInfo` (RFC 5280 §4.1), the form in which hosts take keys.
    pub fn to_spki_der(&self) -> Vec<u8> {
        match &self.material {
            Material::Ed25519(key) => der::ed25519_spki(key.as_bytes()),
            Material::P256(key) => der::p256_spki(key.to_sec1_point(false).as_bytes()),
            Material::Rsa(key) => {
                let key = key.pkcs1_sha256.as_ref();
                der::rsa_spki(&key.n().to_be_bytes_trimmed_vartime(), &key.e().to_be_bytes_trimmed_vartime())
            }
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("key_type", &self.key_type()).finish_non_exhaustive()
    }
}
