//! Envoy's `sign`: RSA PKCS#1 v1.5, and ECDSA with DER signatures, by a key in PKCS#8 or its kind's own form.
//!
//! A curve is signed with by the hash of its size alone. An ECDSA signature has a random number in it, as Envoy's has: it is the one thing that differs from run to run.

use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::SigningKey;

use crate::protobuf::{fields, put_bool, put_bytes};
use crate::status::Status;

const UNUSABLE: &str = "Failed to initialize digest sign.";

/// `{1 hash_function, 2 private_key (DER), 3 text, 4 private_key_pem}` to `{1 result, 2 signature, 3 error}`. One key, in one form,
/// is wanted; what cannot be signed is an answer.
pub(super) fn sign(arguments: &[u8]) -> Result<Vec<u8>, Status> {
    let [mut hash, mut der, mut text, mut pem] = [&[][..]; 4];
    for field in fields(arguments).ok_or(Status::BadArgument)? {
        match field.number {
            1 => hash = field.bytes,
            2 => der = field.bytes,
            3 => text = field.bytes,
            4 => pem = field.bytes,
            _ => {}
        }
    }
    super::hash_name(hash)?;
    let key = match (der.is_empty(), pem.is_empty()) {
        (false, true) => PrivateKeyDer::try_from(der).ok(),
        (true, false) => PrivateKeyDer::from_pem_slice(pem).ok(),
        _ => return Err(Status::BadArgument),
    };
    let key = key.and_then(|key| any_supported_type(&key).ok());
    let signed = signature(key.as_deref(), &String::from_utf8_lossy(hash), text);
    let mut out = Vec::new();
    put_bool(&mut out, 1, signed.is_ok());
    match signed {
        Ok(signature) => put_bytes(&mut out, 2, &signature),
        Err(error) => put_bytes(&mut out, 3, error.as_bytes()),
    }
    Ok(out)
}

fn signature(key: Option<&dyn SigningKey>, hash: &str, text: &[u8]) -> Result<Vec<u8>, String> {
    let key = key.ok_or("Invalid key type: private key required for signing operation.")?;
    let schemes = match hash.to_ascii_lowercase().as_str() {
        "sha256" => [SignatureScheme::RSA_PKCS1_SHA256, SignatureScheme::ECDSA_NISTP256_SHA256],
        "sha384" => [SignatureScheme::RSA_PKCS1_SHA384, SignatureScheme::ECDSA_NISTP384_SHA384],
        "sha512" => [SignatureScheme::RSA_PKCS1_SHA512, SignatureScheme::ECDSA_NISTP521_SHA512],
        _ => return Err(format!("{hash} is not supported.")),
    };
    let signer = key.choose_scheme(&schemes).ok_or(UNUSABLE)?;
    signer.sign(text).map_err(|_| UNUSABLE.to_owned())
}
