//! Public keys, checked when they are made.

use super::{Algorithm, KeyError, KeyType, SignatureError, der};
use alloc::{boxed::Box, vec::Vec};
use core::fmt;
use p256::elliptic_curve::sec1::Sec1Point;
use rsa::{BoxedUint, RsaPublicKey};

// Constructors are kept out of line: each is called in several places, none of them hot, and they are large.

/// A public key that passed every check its type has. Cloning is cheap enough for configuration, not for requests.
#[derive(Clone)]
pub struct PublicKey {
    pub(super) material: Material,
    spki: Box<[u8]>,
}

/// Parsed, so that a request pays for nothing but the verification.
#[derive(Clone)]
pub(super) enum Material {
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
    P256(Box<p256::ecdsa::VerifyingKey>),
    P384(Box<p384::ecdsa::VerifyingKey>),
    P521(Box<p521::ecdsa::VerifyingKey>),
    Rsa(Box<RsaKey>),
}

#[derive(Clone)]
pub(super) struct RsaKey {
    pub(super) key: RsaPublicKey,
    /// Big-endian, without leading zeros.
    modulus: Box<[u8]>,
}

impl RsaKey {
    /// Whether a signature can be one of this key's: of the modulus' length, and below it (RFC 8017 §5.2.2 step 1, §8.2.2 step 1).
    pub(super) fn check(&self, signature: &[u8]) -> Result<(), SignatureError> {
        // Of equal length, so the order of the bytes is that of the numbers.
        if signature.len() == self.modulus.len() && *signature < *self.modulus {
            Ok(())
        } else {
            Err(SignatureError::Malformed)
        }
    }
}

impl PublicKey {
    /// Sizes of an RSA modulus in bits.
    pub const RSA_BITS: core::ops::RangeInclusive<usize> = 2048..=4096;

    /// A P-256 key from its affine coordinates (RFC 7518 §6.2.1). The point at infinity has none.
    #[inline(never)]
    pub fn p256(x: &[u8; 32], y: &[u8; 32]) -> Result<Self, KeyError> {
        let point = Sec1Point::<p256::NistP256>::from_affine_coordinates(&(*x).into(), &(*y).into(), false);
        let key = p256::ecdsa::VerifyingKey::from_sec1_point(&point).map_err(|_| KeyError::NotOnCurve)?;
        Ok(Self::new(Material::P256(Box::new(key)), der::p256_spki(point.as_bytes())))
    }

    /// A P-384 key from its affine coordinates (RFC 7518 §6.2.1).
    #[inline(never)]
    pub fn p384(x: &[u8; 48], y: &[u8; 48]) -> Result<Self, KeyError> {
        let point = Sec1Point::<p384::NistP384>::from_affine_coordinates(&(*x).into(), &(*y).into(), false);
        let key = p384::ecdsa::VerifyingKey::from_sec1_point(&point).map_err(|_| KeyError::NotOnCurve)?;
        Ok(Self::new(Material::P384(Box::new(key)), der::p384_spki(point.as_bytes())))
    }

    /// A P-521 key from its affine coordinates (RFC 7518 §6.2.1).
    #[inline(never)]
    pub fn p521(x: &[u8; 66], y: &[u8; 66]) -> Result<Self, KeyError> {
        let point = Sec1Point::<p521::NistP521>::from_affine_coordinates(&(*x).into(), &(*y).into(), false);
        let key = p521::ecdsa::VerifyingKey::from_sec1_point(&point).map_err(|_| KeyError::NotOnCurve)?;
        Ok(Self::new(Material::P521(Box::new(key)), der::p521_spki(point.as_bytes())))
    }

    /// An Ed25519 key from its encoded point (RFC 8032 §5.1.5), which must be canonical and not of low order.
    #[inline(never)]
    pub fn ed25519(point: &[u8; 32]) -> Result<Self, KeyError> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(point).map_err(|_| KeyError::NotOnCurve)?;
        // Decoding accepts y ≥ p, which would give one key two names.
        if key.to_edwards().compress().as_bytes() != point {
            return Err(KeyError::NotCanonical);
        }
        if key.is_weak() {
            return Err(KeyError::LowOrder);
        }
        Ok(Self::new(Material::Ed25519(Box::new(key)), der::ed25519_spki(point)))
    }

    /// An RSA key from its big-endian modulus and exponent (RFC 7518 §6.3.1), both without leading zeros.
    ///
    /// The modulus is odd and has 2048 to 4096 bits; the exponent is odd, from 3 to 2³³ − 1, and almost always 65537.
    #[inline(never)]
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
        let key = RsaKey { key, modulus: modulus.into() };
        Ok(Self::new(Material::Rsa(Box::new(key)), der::rsa_spki(modulus, exponent)))
    }

    fn new(material: Material, spki: Vec<u8>) -> Self {
        Self { material, spki: spki.into() }
    }

    /// The kind of key.
    pub const fn key_type(&self) -> KeyType {
        match &self.material {
            Material::Ed25519(_) => KeyType::Ed25519,
            Material::P256(_) => KeyType::P256,
            Material::P384(_) => KeyType::P384,
            Material::P521(_) => KeyType::P521,
            Material::Rsa(_) => KeyType::Rsa,
        }
    }

    /// Whether `algorithm` works with this kind of key.
    pub fn supports(&self, algorithm: Algorithm) -> bool {
        algorithm.key_type() == self.key_type()
    }

    /// The key as DER `SubjectPublicKeyInfo` (RFC 5280 §4.1), the form in which hosts take keys.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("key_type", &self.key_type()).finish_non_exhaustive()
    }
}
