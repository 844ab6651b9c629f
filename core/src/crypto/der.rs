//! The little DER (X.690) that hosts ask for: public keys and ECDSA signatures.

use alloc::vec::Vec;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// AlgorithmIdentifier of Ed25519 (RFC 8410 §3).
const ED25519: &[u8] = &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70];
/// AlgorithmIdentifier of an elliptic curve key on P-256 (RFC 5480 §2.1.1).
const P256: &[u8] = &[
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07,
];
/// AlgorithmIdentifier of an elliptic curve key on P-384 (RFC 5480 §2.1.1).
const P384: &[u8] = &[
    0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00,
    0x22,
];
/// AlgorithmIdentifier of an elliptic curve key on P-521 (RFC 5480 §2.1.1).
const P521: &[u8] = &[
    0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00,
    0x23,
];
/// AlgorithmIdentifier of rsaEncryption (RFC 3279 §2.3.1).
const RSA: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

pub(super) fn ed25519_spki(point: &[u8]) -> Vec<u8> {
    spki(ED25519, point)
}

pub(super) fn p256_spki(uncompressed_point: &[u8]) -> Vec<u8> {
    spki(P256, uncompressed_point)
}

pub(super) fn p384_spki(uncompressed_point: &[u8]) -> Vec<u8> {
    spki(P384, uncompressed_point)
}

pub(super) fn p521_spki(uncompressed_point: &[u8]) -> Vec<u8> {
    spki(P521, uncompressed_point)
}

pub(super) fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let mut numbers = integer(modulus);
    numbers.extend(integer(exponent));
    spki(RSA, &tagged(SEQUENCE, &numbers))
}

/// An ECDSA signature in the form of JWS (r‖s, halves of equal length) as `ECDSA-Sig-Value` (RFC 3279 §2.2.3).
/// `None` for an empty or odd length.
pub fn ecdsa_signature(r_s: &[u8]) -> Option<Vec<u8>> {
    if r_s.is_empty() || !r_s.len().is_multiple_of(2) {
        return None;
    }
    let (r, s) = r_s.split_at_checked(r_s.len() / 2)?;
    let mut numbers = integer(r);
    numbers.extend(integer(s));
    Some(tagged(SEQUENCE, &numbers))
}

fn spki(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    // A bit string starts with the number of unused bits.
    let bits: Vec<u8> = core::iter::once(0).chain(key.iter().copied()).collect();
    let mut parts = algorithm.to_vec();
    parts.extend(tagged(BIT_STRING, &bits));
    tagged(SEQUENCE, &parts)
}

/// A non-negative number: no leading zeros, but one where the first bit would say "negative".
fn integer(big_endian: &[u8]) -> Vec<u8> {
    let start = big_endian.iter().position(|&byte| byte != 0).unwrap_or(big_endian.len());
    let digits = big_endian.get(start..).unwrap_or_default();
    let padding = digits.first().is_none_or(|&first| first & 0x80 != 0);
    let content: Vec<u8> = padding.then_some(0).into_iter().chain(digits.iter().copied()).collect();
    tagged(INTEGER, &content)
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 6);
    out.push(tag);
    match content.len() {
        short @ 0..0x80 => out.push(short as u8),
        long => {
            let bytes = (long as u32).to_be_bytes();
            let start = bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len());
            let digits = bytes.get(start..).unwrap_or_default();
            out.push(0x80 | digits.len() as u8);
            out.extend_from_slice(digits);
        }
    }
    out.extend_from_slice(content);
    out
}
