//! The table of a point on one of the curves.

use super::comb::Comb;
use super::edwards;
use crate::crypto::key::Material;
use crate::crypto::{KeyType, PublicKey, SignatureError, digest};
use p256::NistP256;
use p384::NistP384;
use p521::NistP521;
use sha2::{Digest as _, Sha384, Sha512};

/// What a tick may cost, in the units of [`Table::build`].
pub(super) const SLICE: u32 = 10;

type P256 = Comb<NistP256>;
type P384 = Comb<NistP384>;
type P521 = Comb<NistP521>;

/// Multiples of a point, perhaps not all of them built.
pub(super) enum Table {
    Ed25519(edwards::Table),
    P256(P256),
    P384(P384),
    P521(P521),
}

impl Table {
    /// An empty table for a key; nothing for kinds of keys that have none.
    pub(super) fn new(key: &PublicKey) -> Option<Self> {
        match &key.material {
            Material::Ed25519(key) => Some(Self::Ed25519(edwards::Table::negated(key))),
            Material::P256(key) => Some(Self::P256(P256::new((*key.as_affine()).into()))),
            Material::P384(key) => Some(Self::P384(P384::new((*key.as_affine()).into()))),
            Material::P521(key) => Some(Self::P521(P521::new((*key.as_affine()).into()))),
            Material::Rsa(_) => None,
        }
    }

    /// An empty table for the generator of the curve that this table's point is on.
    pub(super) fn generator(&self) -> Self {
        match self {
            Self::Ed25519(_) => Self::Ed25519(edwards::Table::generator()),
            Self::P256(_) => Self::P256(P256::generator()),
            Self::P384(_) => Self::P384(P384::generator()),
            Self::P521(_) => Self::P521(P521::generator()),
        }
    }

    /// Whether nothing is left to build.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::Ed25519(table) => table.is_whole(),
            Self::P256(comb) => comb.is_whole(),
            Self::P384(comb) => comb.is_whole(),
            Self::P521(comb) => comb.is_whole(),
        }
    }

    /// Builds the next piece; what that cost, in units of about 100 µs.
    pub(super) fn build(&mut self) -> u32 {
        match self {
            Self::Ed25519(table) => {
                table.build_window();
                1
            }
            Self::P256(comb) => {
                comb.build_window();
                3
            }
            Self::P384(comb) => {
                comb.build_window();
                4
            }
            Self::P521(comb) => {
                comb.build_window();
                5
            }
        }
    }

    /// Bytes that the whole table takes.
    pub(super) fn bytes(&self) -> usize {
        Self::bytes_of(match self {
            Self::Ed25519(_) => KeyType::Ed25519,
            Self::P256(_) => KeyType::P256,
            Self::P384(_) => KeyType::P384,
            Self::P521(_) => KeyType::P521,
        })
    }

    /// Bytes that the table of such a key takes.
    pub(super) const fn bytes_of(key: KeyType) -> usize {
        match key {
            KeyType::Ed25519 => edwards::Table::BYTES,
            KeyType::P256 => P256::BYTES,
            KeyType::P384 => P384::BYTES,
            KeyType::P521 => P521::BYTES,
            KeyType::Rsa => 0,
        }
    }

    /// Verifies by this table of `key` and the table of its generator; no verdict where one of them is not whole.
    ///
    /// Lengths and ranges are held as [`Software`](crate::crypto::Software) holds them.
    pub(super) fn verify(
        &self,
        generator: &Self,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> Option<Result<(), SignatureError>> {
        if !(self.is_whole() && generator.is_whole()) {
            return None;
        }
        let good = match (self, generator, &key.material) {
            (Self::Ed25519(table), Self::Ed25519(generator), Material::Ed25519(key)) => {
                ed25519_dalek::Signature::from_slice(signature)
                    .ok()
                    .map(|signature| edwards::verify(generator, table, key, message, &signature))
            }
            (Self::P256(table), Self::P256(generator), Material::P256(_)) => {
                let signature = p256::ecdsa::Signature::from_slice(signature).ok();
                signature.map(|signature| {
                    table.verify(generator, &digest::sha256(message), signature.split_scalars())
                })
            }
            (Self::P384(table), Self::P384(generator), Material::P384(_)) => {
                let signature = p384::ecdsa::Signature::from_slice(signature).ok();
                signature.map(|signature| {
                    table.verify(generator, &Sha384::digest(message), signature.split_scalars())
                })
            }
            (Self::P521(table), Self::P521(generator), Material::P521(_)) => {
                let signature = p521::ecdsa::Signature::from_slice(signature).ok();
                signature.map(|signature| {
                    table.verify(generator, &Sha512::digest(message), signature.split_scalars())
                })
            }
            _ => return None,
        };
        Some(match good {
            Some(true) => Ok(()),
            Some(false) => Err(SignatureError::Mismatch),
            None => Err(SignatureError::Malformed),
        })
    }
}
