//! Envoy's `verify_signature`: RSA PKCS#1 v1.5, and ECDSA with DER signatures, by a key in SPKI form.
//!
//! A signature that is bad, or a key that cannot be used, is no error: the status is OK and the result false.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{AlgorithmIdentifier, SubjectPublicKeyInfoDer, alg_id};

use crate::protobuf::{fields, put_bool, put_bytes};
use crate::status::Status;

const UNUSABLE: &str = "Failed to initialize digest verify.";
const BAD: &str = "Failed to verify digest. Error code: 0";

/// Envoy's `verify_signature`: protobuf in, protobuf out. A signature that is bad is an answer, not an error.
pub fn verify_signature(arguments: &[u8]) -> Result<Vec<u8>, Status> {
    let [mut hash, mut key, mut signature, mut text, mut pem] = [&[][..]; 5];
    for field in fields(arguments).ok_or(Status::BadArgument)? {
        match field.number {
            1 => hash = field.bytes,
            2 => key = field.bytes,
            3 => signature = field.bytes,
            4 => text = field.bytes,
            5 => pem = field.bytes,
            _ => {}
        }
    }
    super::hash_name(hash)?;
    // Envoy wants one key, in one form.
    if key.is_empty() == pem.is_empty() {
        return Err(Status::BadArgument);
    }
    let from_pem = SubjectPublicKeyInfoDer::from_pem_slice(pem).ok();
    if let Some(decoded) = &from_pem {
        key = decoded;
    }
    // What is no key at all is no question.
    let key = public_key(key).ok_or(Status::BadArgument)?;
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

fn verify(
    hash: &[u8],
    (algorithm, point): (&[u8], &[u8]),
    signature: &[u8],
    text: &[u8],
) -> Result<(), String> {
    let hash = String::from_utf8_lossy(hash).into_owned();
    let (ecdsa, rsa) = match hash.to_ascii_lowercase().as_str() {
        "sha256" => (alg_id::ECDSA_SHA256, alg_id::RSA_PKCS1_SHA256),
        "sha384" => (alg_id::ECDSA_SHA384, alg_id::RSA_PKCS1_SHA384),
        "sha512" => (alg_id::ECDSA_SHA512, alg_id::RSA_PKCS1_SHA512),
        _ => return Err(format!("{hash} is not supported.")),
    };
    let wanted = if algorithm == alg_id::RSA_ENCRYPTION.as_ref() { rsa } else { ecdsa };
    let known = rustls::crypto::ring::default_provider().signature_verification_algorithms.all;
    let verifier = known.iter().find(|v| {
        let is = |id: AlgorithmIdentifier, bytes: &[u8]| id.as_ref() == bytes;
        is(v.public_key_alg_id(), algorithm) && is(v.signature_alg_id(), wanted.as_ref())
    });
    let verifier = verifier.ok_or(UNUSABLE)?;
    verifier.verify_signature(point, text, signature).map_err(|_| BAD.to_owned())
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
