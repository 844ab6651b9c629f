//! Envoy's `sign`: RSA PKCS#1 v1.5, and ECDSA with DER signatures, by a key in PKCS#8, or in its kind's own form where it is PEM.
//!
//! ECDSA's secret numbers follow from key and text (RFC 6979), so that a run is the same each time; Envoy's are random.

use p256::ecdsa::signature::hazmat::PrehashSigner;
use rsa::RsaPrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use rustls::crypto::ring::sign::any_eddsa_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::hash::Hash;
use crate::protobuf::{Value, fields, put_bool, put_bytes, text as utf8};
use crate::status::Status;

/// What Envoy says of a key that it can read and can't sign with.
const MALFORMED: &str = "Invalid private key: key data is corrupted or malformed.";
const UNUSABLE: &str = "Failed to initialize digest sign.";

/// `{1 hash_function, 2 private_key (DER), 3 text, 4 private_key_pem}` to `{1 result, 2 signature, 3 error}`. One key, in one form,
/// is wanted; what cannot be signed is an answer.
pub(super) fn sign(arguments: &[u8]) -> Result<Vec<u8>, Status> {
    let [mut hash, mut der, mut text, mut pem] = [&[][..]; 4];
    for field in fields(arguments).ok_or(Status::BadArgument)? {
        match (field.number, field.value) {
            (1, Value::Bytes(bytes)) => hash = bytes,
            (2, Value::Bytes(bytes)) => der = bytes,
            (3, Value::Bytes(bytes)) => text = bytes,
            (4, Value::Bytes(bytes)) => pem = bytes,
            _ => {}
        }
    }
    super::hash_name(hash)?;
    let (hash, pem) = (utf8(hash).ok_or(Status::BadArgument)?, utf8(pem).ok_or(Status::BadArgument)?);
    let key = match (der.is_empty(), pem.is_empty()) {
        (false, true) => Some(PrivateKeyDer::from(PrivatePkcs8KeyDer::from(der))),
        (true, false) => PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok(),
        _ => return Err(Status::BadArgument),
    };
    let signed = signature(key.as_ref(), hash, text);
    let mut out = Vec::new();
    put_bool(&mut out, 1, signed.is_ok());
    match signed {
        Ok(signature) => put_bytes(&mut out, 2, &signature),
        Err(error) => put_bytes(&mut out, 3, error.as_bytes()),
    }
    Ok(out)
}

fn signature(key: Option<&PrivateKeyDer<'_>>, hash: &str, text: &[u8]) -> Result<Vec<u8>, String> {
    let key =
        key.and_then(Key::read).ok_or("Invalid key type: private key required for signing operation.")?;
    let hash = Hash::named(hash)?;
    macro_rules! ecdsa {
        ($curve:ident, $key:expr, $field:literal) => {{
            let signed: Result<$curve::ecdsa::Signature, _> =
                $curve::ecdsa::SigningKey::from($key).sign_prehash(&hash.for_field(text, $field));
            signed.map(|signature| signature.to_der().as_bytes().to_vec()).ok()
        }};
    }
    let signed = match key {
        Key::P224(key) => ecdsa!(p224, key, 28),
        Key::P256(key) => ecdsa!(p256, key, 32),
        Key::P384(key) => ecdsa!(p384, key, 48),
        Key::P521(key) => ecdsa!(p521, key, 66),
        Key::Rsa(key) => key.sign(hash.pkcs1(), &hash.of(text)).ok(),
        Key::Ed25519 => return Err(MALFORMED.to_owned()),
    };
    signed.ok_or_else(|| UNUSABLE.to_owned())
}

/// A key of a kind that signs.
enum Key {
    P224(p224::SecretKey),
    P256(p256::SecretKey),
    P384(p384::SecretKey),
    P521(p521::SecretKey),
    Rsa(Box<RsaPrivateKey>),
    /// It can be read, and not be signed with.
    Ed25519,
}

impl Key {
    fn read(der: &PrivateKeyDer<'_>) -> Option<Self> {
        match der {
            PrivateKeyDer::Pkcs1(key) => {
                let key = RsaPrivateKey::from_pkcs1_der(key.secret_pkcs1_der()).ok()?;
                Some(Self::Rsa(Box::new(key)))
            }
            PrivateKeyDer::Pkcs8(key) if any_eddsa_type(key).is_ok() => Some(Self::Ed25519),
            PrivateKeyDer::Pkcs8(key) => Self::of_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Sec1(key) => Self::of_sec1(key.secret_sec1_der()),
            _ => None,
        }
    }

    fn of_pkcs8(der: &[u8]) -> Option<Self> {
        let p224 = p224::SecretKey::from_pkcs8_der(der).ok().map(Self::P224);
        let p256 = || p256::SecretKey::from_pkcs8_der(der).ok().map(Self::P256);
        let p384 = || p384::SecretKey::from_pkcs8_der(der).ok().map(Self::P384);
        let p521 = || p521::SecretKey::from_pkcs8_der(der).ok().map(Self::P521);
        let rsa = || RsaPrivateKey::from_pkcs8_der(der).ok().map(|key| Self::Rsa(Box::new(key)));
        p224.or_else(p256).or_else(p384).or_else(p521).or_else(rsa)
    }

    fn of_sec1(der: &[u8]) -> Option<Self> {
        let p224 = p224::SecretKey::from_sec1_der(der).ok().map(Self::P224);
        let p256 = || p256::SecretKey::from_sec1_der(der).ok().map(Self::P256);
        let p384 = || p384::SecretKey::from_sec1_der(der).ok().map(Self::P384);
        let p521 = || p521::SecretKey::from_sec1_der(der).ok().map(Self::P521);
        p224.or_else(p256).or_else(p384).or_else(p521)
    }
}
