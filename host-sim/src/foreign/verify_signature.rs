//! Envoy's `verify_signature`: RSA PKCS#1 v1.5, and ECDSA with DER signatures, by a key in SPKI form.
//!
//! A signature that is bad, or a key that cannot be used, is no error: the status is OK and the result false.

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::RsaPublicKey;
use rsa::pkcs1::DecodeRsaPublicKey;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    AlgorithmIdentifier, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, alg_id,
};

use super::hash::Hash;
use crate::protobuf::{Value, fields, put_bool, put_bytes, text as utf8};
use crate::status::Status;

/// An elliptic curve's key (RFC 5480 §2.1.1) on P-224, which the library that is quick doesn't name.
const ECDSA_P224: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x21";

const UNUSABLE: &str = "Failed to initialize digest verify.";
const BAD: &str = "Failed to verify digest. Error code: 0";

/// Envoy's `verify_signature`: protobuf in, protobuf out. A signature that is bad is an answer, not an error.
pub fn verify_signature(arguments: &[u8]) -> Result<Vec<u8>, Status> {
    let [mut hash, mut key, mut signature, mut text, mut pem] = [&[][..]; 5];
    for field in fields(arguments).ok_or(Status::BadArgument)? {
        match (field.number, field.value) {
            (1, Value::Bytes(bytes)) => hash = bytes,
            (2, Value::Bytes(bytes)) => key = bytes,
            (3, Value::Bytes(bytes)) => signature = bytes,
            (4, Value::Bytes(bytes)) => text = bytes,
            (5, Value::Bytes(bytes)) => pem = bytes,
            _ => {}
        }
    }
    super::hash_name(hash)?;
    let (hash, pem) = (utf8(hash).ok_or(Status::BadArgument)?, utf8(pem).ok_or(Status::BadArgument)?);
    // Envoy wants one key, in one form.
    if key.is_empty() == pem.is_empty() {
        return Err(Status::BadArgument);
    }
    let from_pem = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).ok();
    let key = from_pem.as_deref().unwrap_or(key);
    Ok(result(verify(hash, key, signature, text)))
}

/// A verdict, as it is written.
pub(super) fn result(verdict: Result<(), String>) -> Vec<u8> {
    let mut out = Vec::new();
    put_bool(&mut out, 1, verdict.is_ok());
    put_bytes(&mut out, 2, verdict.err().unwrap_or_default().as_bytes());
    out
}

/// What is said of a bad signature.
pub(super) fn refusal() -> Vec<u8> {
    result(Err(BAD.to_owned()))
}

fn verify(hash: &str, key: &[u8], signature: &[u8], text: &[u8]) -> Result<(), String> {
    let hash = Hash::named(hash)?;
    let key = public_key(key).ok_or(UNUSABLE)?;
    // It refuses small keys, which BoringSSL does not.
    let quick =
        quick(hash, key.0).is_some_and(|verifier| verifier.verify_signature(key.1, text, signature).is_ok());
    if quick { Ok(()) } else { any(hash, key, signature, text) }
}

/// The usual pairs of hash and key, by the library that is quick at them.
fn quick(hash: Hash, algorithm: &[u8]) -> Option<&'static dyn SignatureVerificationAlgorithm> {
    let (ecdsa, rsa) = match hash {
        Hash::Sha256 => (alg_id::ECDSA_SHA256, alg_id::RSA_PKCS1_SHA256),
        Hash::Sha384 => (alg_id::ECDSA_SHA384, alg_id::RSA_PKCS1_SHA384),
        Hash::Sha512 => (alg_id::ECDSA_SHA512, alg_id::RSA_PKCS1_SHA512),
        Hash::Sha1 | Hash::Sha224 => return None,
    };
    let wanted = if algorithm == alg_id::RSA_ENCRYPTION.as_ref() { rsa } else { ecdsa };
    let known = rustls::crypto::ring::default_provider().signature_verification_algorithms.all;
    let is = |id: AlgorithmIdentifier, bytes: &[u8]| id.as_ref() == bytes;
    let fits = |v: &&&dyn SignatureVerificationAlgorithm| {
        is(v.public_key_alg_id(), algorithm) && is(v.signature_alg_id(), wanted.as_ref())
    };
    known.iter().find(fits).copied()
}

/// Every pair.
fn any(hash: Hash, (algorithm, key): (&[u8], &[u8]), signature: &[u8], text: &[u8]) -> Result<(), String> {
    macro_rules! ecdsa {
        ($curve:ident, $field:literal) => {{
            let key = $curve::ecdsa::VerifyingKey::from_sec1_bytes(key).map_err(|_| UNUSABLE)?;
            let signature = $curve::ecdsa::Signature::from_der(signature).map_err(|_| BAD)?;
            key.verify_prehash(&hash.for_field(text, $field), &signature).map_err(|_| BAD.to_owned())
        }};
    }
    let is = |id: AlgorithmIdentifier| id.as_ref() == algorithm;
    if algorithm == ECDSA_P224 {
        ecdsa!(p224, 28)
    } else if is(alg_id::ECDSA_P256) {
        ecdsa!(p256, 32)
    } else if is(alg_id::ECDSA_P384) {
        ecdsa!(p384, 48)
    } else if is(alg_id::ECDSA_P521) {
        ecdsa!(p521, 66)
    } else if is(alg_id::RSA_ENCRYPTION) {
        let key = RsaPublicKey::from_pkcs1_der(key).map_err(|_| UNUSABLE)?;
        key.verify(hash.pkcs1(), &hash.of(text), signature).map_err(|_| BAD.to_owned())
    } else {
        Err(UNUSABLE.to_owned())
    }
}

/// Algorithm identifier and key of a SubjectPublicKeyInfo (RFC 5280 §4.1), both without their outer tags.
fn public_key(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (spki, rest) = element(der, 0x30)?;
    let (algorithm, rest_of_spki) = element(spki, 0x30)?;
    let (bits, end) = element(rest_of_spki, 0x03)?;
    let (unused, key) = bits.split_first()?;
    (rest.is_empty() && end.is_empty() && *unused == 0).then_some((algorithm, key))
}

/// The content of a DER element of a tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81 | 0x82 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b)), rest)
        }
        _ => return None,
    };
    if *first == tag { rest.split_at_checked(length) } else { None }
}

#[cfg(test)]
mod tests;
