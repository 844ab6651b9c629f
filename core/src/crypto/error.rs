//! Why a key or a signature is refused.

use core::fmt;

/// Why numbers don't make an acceptable public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// An RSA exponent that is even, below 3 or above 2³³ − 1.
    ExponentOutOfRange,
    /// A point of low order, which verifies signatures nobody made.
    LowOrder,
    /// An even RSA modulus.
    ModulusEven,
    /// An RSA modulus of more than 4096 bits.
    ModulusTooLarge,
    /// An RSA modulus of fewer than 2048 bits.
    ModulusTooSmall,
    /// A number with leading zeros, or a coordinate not below the field's prime.
    NotCanonical,
    /// Coordinates of no point on the curve.
    NotOnCurve,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ExponentOutOfRange => "rsa exponent must be odd and from 3 to 2^33-1",
            Self::LowOrder => "point of low order",
            Self::ModulusEven => "rsa modulus is even",
            Self::ModulusTooLarge => "rsa modulus has more than 4096 bits",
            Self::ModulusTooSmall => "rsa modulus has fewer than 2048 bits",
            Self::NotCanonical => "number is not in its canonical form",
            Self::NotOnCurve => "point is not on the curve",
        })
    }
}

impl core::error::Error for KeyError {}

/// Why a signature is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureError {
    /// The algorithm doesn't work with this kind of key.
    KeyMismatch,
    /// No signature of this algorithm and key looks like this: wrong length, or a number out of range.
    Malformed,
    /// The signature is not of this message by this key.
    Mismatch,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyMismatch => "algorithm does not fit the key",
            Self::Malformed => "malformed signature",
            Self::Mismatch => "signature does not verify",
        })
    }
}

impl core::error::Error for SignatureError {}
