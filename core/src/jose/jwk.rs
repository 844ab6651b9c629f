//! One JSON Web Key (RFC 7517), public and for signatures.

use crate::{
    base64url,
    crypto::{Algorithm, KeyError, KeyType, PublicKey, digest},
    json::{Object, Value},
};
use alloc::{format, string::String, vec::Vec};
use core::fmt;

/// A public key that may verify signatures, with what its JWK says of it.
#[derive(Clone, Debug)]
pub struct Jwk {
    key: PublicKey,
    kid: Option<String>,
    algorithm: Option<Algorithm>,
    thumbprint: [u8; 32],
}

/// Why a JWK is not used. In a set, the key is left out and the reason counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwkError {
    /// `alg` names an algorithm that doesn't fit the key's type.
    AlgorithmMismatch,
    /// `alg` names nothing accepted here.
    AlgorithmUnsupported,
    /// As many other keys of the set have the same `kid` and fit the same algorithm as are ever tried.
    Crowded,
    /// `crv` is missing or not supported.
    CurveUnsupported,
    /// The same key under the same `kid` stands in the set already.
    Duplicate,
    /// A number is not canonical base64url of its exact length.
    Encoding,
    /// The numbers make no acceptable key.
    Key(KeyError),
    /// `kty` is missing or not supported; symmetric keys are among these.
    KeyTypeUnsupported,
    /// A member that the key needs is missing, or any known member has the wrong type.
    Malformed,
    /// Not a JSON object.
    NotObject,
    /// `use` or `key_ops` says that the key is not for verifying signatures.
    NotForVerifying,
    /// It has private members: whoever could read it can sign.
    Private,
}

/// What a key is for (RFC 7517 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// Signatures: `use` is `sig` or absent.
    Signature,
    /// JWT-SVIDs: `use` is `jwt-svid` (JWT-SVID §5), which nothing else may be verified with.
    JwtSvid,
}

/// Members that only a private key has (RFC 7518 §6.2.2, §6.3.2).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

impl Jwk {
    /// Reads a JWK.
    ///
    /// `use` must be absent or `sig`; `key_ops`, if present, must include `verify`; `alg`, if present, must be accepted
    /// here and fit the type. Numbers are canonical base64url, coordinates of exact length, RSA numbers without leading zeros.
    pub fn read(value: &Value<'_>) -> Result<Self, JwkError> {
        Self::read_for(KeyUse::Signature, value)
    }

    /// Reads a JWK that is for this use, in the same way.
    pub fn read_for(wanted: KeyUse, value: &Value<'_>) -> Result<Self, JwkError> {
        let object = value.as_object().ok_or(JwkError::NotObject)?;
        let key_type = match text(object, "kty")?.ok_or(JwkError::KeyTypeUnsupported)? {
            "EC" => match text(object, "crv")? {
                Some("P-256") => KeyType::P256,
                Some("P-384") => KeyType::P384,
                Some("P-521") => KeyType::P521,
                _ => return Err(JwkError::CurveUnsupported),
            },
            "OKP" => match text(object, "crv")? {
                Some("Ed25519") => KeyType::Ed25519,
                _ => return Err(JwkError::CurveUnsupported),
            },
            "RSA" => KeyType::Rsa,
            _ => return Err(JwkError::KeyTypeUnsupported),
        };
        if PRIVATE.iter().any(|name| object.contains(name)) {
            return Err(JwkError::Private);
        }
        if !is_for_verifying(object, wanted)? {
            return Err(JwkError::NotForVerifying);
        }
        let algorithm = match text(object, "alg")? {
            None => None,
            Some(name) => Some(Algorithm::from_name(name).ok_or(JwkError::AlgorithmUnsupported)?),
        };
        if algorithm.is_some_and(|algorithm| algorithm.key_type() != key_type) {
            return Err(JwkError::AlgorithmMismatch);
        }
        let kid = text(object, "kid")?.map(String::from);
        let key = match key_type {
            KeyType::Ed25519 => PublicKey::ed25519(&coordinate(object, "x")?),
            KeyType::P256 => PublicKey::p256(&coordinate(object, "x")?, &coordinate(object, "y")?),
            KeyType::P384 => PublicKey::p384(&coordinate(object, "x")?, &coordinate(object, "y")?),
            KeyType::P521 => PublicKey::p521(&coordinate(object, "x")?, &coordinate(object, "y")?),
            KeyType::Rsa => PublicKey::rsa(&number(object, "n", 512)?, &number(object, "e", 8)?),
        }
        .map_err(JwkError::Key)?;
        Ok(Self { key, kid, algorithm, thumbprint: thumbprint(object, key_type)? })
    }

    /// The key itself.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// `kid`
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// `alg`; without it, the key serves every accepted algorithm of its type.
    pub const fn algorithm(&self) -> Option<Algorithm> {
        self.algorithm
    }

    /// The SHA-256 thumbprint (RFC 7638), which names the key by its numbers alone.
    pub const fn thumbprint(&self) -> &[u8; 32] {
        &self.thumbprint
    }

    /// Whether the key may verify signatures of this algorithm.
    pub fn serves(&self, algorithm: Algorithm) -> bool {
        match self.algorithm {
            Some(own) => own == algorithm,
            None => self.key.supports(algorithm),
        }
    }
}

fn is_for_verifying(object: &Object<'_>, wanted: KeyUse) -> Result<bool, JwkError> {
    let usable = match wanted {
        KeyUse::Signature => text(object, "use")?.is_none_or(|purpose| purpose == "sig"),
        KeyUse::JwtSvid => text(object, "use")? == Some("jwt-svid"),
    };
    let operable = match object.get("key_ops") {
        None => true,
        Some(Value::Array(operations)) => {
            if operations.iter().any(|operation| operation.as_str().is_none()) {
                return Err(JwkError::Malformed);
            }
            operations.iter().any(|operation| operation.as_str() == Some("verify"))
        }
        Some(_) => return Err(JwkError::Malformed),
    };
    Ok(usable && operable)
}

fn text<'v>(object: &'v Object<'_>, name: &str) -> Result<Option<&'v str>, JwkError> {
    match object.get(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or(JwkError::Malformed),
    }
}

/// A number of exactly so many bytes, leading zeros included (RFC 7518 §6.2.1.2).
fn coordinate<const N: usize>(object: &Object<'_>, name: &str) -> Result<[u8; N], JwkError> {
    let encoded = text(object, name)?.ok_or(JwkError::Malformed)?;
    base64url::decode_array(encoded.as_bytes()).map_err(|_| JwkError::Encoding)
}

/// A number of at most `max` bytes or so; [`PublicKey::rsa`] has the last word on its size.
fn number(object: &Object<'_>, name: &str, max: usize) -> Result<Vec<u8>, JwkError> {
    let encoded = text(object, name)?.ok_or(JwkError::Malformed)?;
    if encoded.len() > base64url::encoded_len(max) {
        return Err(JwkError::Key(match name {
            "n" => KeyError::ModulusTooLarge,
            _ => KeyError::ExponentOutOfRange,
        }));
    }
    base64url::decode(encoded.as_bytes()).map_err(|_| JwkError::Encoding)
}

/// RFC 7638 §3.2, RFC 8037 §2: the required members in the order of their names. Their values are base64url by now, so
/// nothing in them needs an escape.
fn thumbprint(object: &Object<'_>, key_type: KeyType) -> Result<[u8; 32], JwkError> {
    let member = |name| text(object, name)?.ok_or(JwkError::Malformed);
    let json = match key_type {
        KeyType::Ed25519 => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, member("x")?),
        KeyType::P256 | KeyType::P384 | KeyType::P521 => format!(
            r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#,
            member("crv")?,
            member("x")?,
            member("y")?
        ),
        KeyType::Rsa => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, member("e")?, member("n")?),
    };
    Ok(digest::sha256(json.as_bytes()))
}

impl fmt::Display for JwkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlgorithmMismatch => f.write_str("`alg` does not fit the key type"),
            Self::AlgorithmUnsupported => f.write_str("`alg` is not supported"),
            Self::Crowded => f.write_str("too many keys share this `kid` and algorithm"),
            Self::CurveUnsupported => f.write_str("`crv` is not supported"),
            Self::Duplicate => f.write_str("the same key is given twice"),
            Self::Encoding => f.write_str("a number is not canonical base64url of its length"),
            Self::Key(error) => write!(f, "{error}"),
            Self::KeyTypeUnsupported => f.write_str("`kty` is not supported"),
            Self::Malformed => f.write_str("a member is missing or has the wrong type"),
            Self::NotObject => f.write_str("expected an object"),
            Self::NotForVerifying => f.write_str("`use` or `key_ops` excludes verifying"),
            Self::Private => f.write_str("private key"),
        }
    }
}

impl core::error::Error for JwkError {}
