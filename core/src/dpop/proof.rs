//! A proof as it is written: a JWT with its own key (RFC 9449 §4.2).

use crate::base64url;
use crate::crypto::Algorithm;
use crate::jose::{self, Jwk, JwsError, is_type, segments};
use crate::json::{self, Object};
use crate::reason::Reason;
use crate::time::Timestamp;
use alloc::string::String;
use alloc::vec::Vec;

/// The longest proof, in bytes: room for an RSA key of 4096 bits with its signature.
const MAX_BYTES: usize = 8_192;

/// The longest `jti`, in bytes.
const MAX_ID_BYTES: usize = 512;

/// The three parts, still encoded.
pub(super) struct Parts<'a> {
    pub(super) header: &'a [u8],
    pub(super) payload: &'a [u8],
    signature: &'a [u8],
    /// What was signed.
    pub(super) signed: &'a [u8],
}

/// Takes a proof apart.
pub(super) fn split(proof: &[u8]) -> Result<Parts<'_>, Reason> {
    if proof.len() > MAX_BYTES {
        return Err(Reason::BindingDpopMalformed);
    }
    let [header, payload, signature, signed] = segments(proof).map_err(|_| Reason::BindingDpopMalformed)?;
    Ok(Parts { header, payload, signature, signed })
}

impl Parts<'_> {
    /// The signature, decoded.
    pub(super) fn signature(&self) -> Result<Vec<u8>, Reason> {
        base64url::decode(self.signature).map_err(|_| Reason::BindingDpopMalformed)
    }
}

/// A protected header that reads well.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) algorithm: Algorithm,
    /// The key that the proof brings, public and fit for the algorithm.
    pub(super) jwk: Jwk,
}

impl Header {
    /// Reads an encoded header: `typ` is `dpop+jwt`, `alg` is asymmetric, `jwk` a public key of that algorithm.
    pub(super) fn read(encoded: &[u8]) -> Result<Self, Reason> {
        let (header, jwk) = jose::Header::parse(encoded, |object| {
            jose::Header::read(object).map(|header| (header, object.get("jwk").map(Jwk::read)))
        })
        .and_then(|read| read)
        .map_err(|error| match error {
            JwsError::AlgorithmNone | JwsError::AlgorithmSymmetric | JwsError::AlgorithmUnsupported => {
                Reason::BindingDpopAlgorithm
            }
            _ => Reason::BindingDpopMalformed,
        })?;
        if !header.typ.is_some_and(|typ| is_type(&typ, "dpop+jwt")) {
            return Err(Reason::BindingDpopMalformed);
        }
        let Some(Ok(jwk)) = jwk else { return Err(Reason::BindingDpopKey) };
        if !jwk.serves(header.algorithm) {
            return Err(Reason::BindingDpopKey);
        }
        Ok(Self { algorithm: header.algorithm, jwk })
    }
}

/// The decoded payload.
pub(super) fn payload(encoded: &[u8]) -> Result<Vec<u8>, Reason> {
    base64url::decode(encoded).map_err(|_| Reason::BindingDpopMalformed)
}

/// What a proof says. Nothing of it is verified yet.
#[derive(Debug)]
pub(super) struct Claims {
    /// `jti`.
    pub(super) id: String,
    /// `htm`.
    pub(super) method: String,
    /// `htu`.
    pub(super) target: String,
    /// `iat`.
    pub(super) issued_at: Timestamp,
    /// `exp`.
    pub(super) expires: Option<Timestamp>,
    /// `nbf`.
    pub(super) not_before: Option<Timestamp>,
    /// `ath`.
    pub(super) token: [u8; 32],
    /// `nonce`.
    pub(super) nonce: Option<String>,
}

impl Claims {
    /// Reads the payload: every claim of a proof is there, and of its type. `ath` is demanded, since a token comes with the proof; `nonce`,
    /// `exp` and `nbf` are not.
    pub(super) fn read(payload: &[u8]) -> Result<Self, Reason> {
        const MALFORMED: Reason = Reason::BindingDpopMalformed;
        let value = json::parse(payload, &json::Limits::TOKEN).map_err(|_| MALFORMED)?;
        let claims = value.as_object().ok_or(MALFORMED)?;
        let text = |name| text(claims, name)?.ok_or(MALFORMED);
        let id = text("jti")?;
        if id.is_empty() || id.len() > MAX_ID_BYTES {
            return Err(MALFORMED);
        }
        let token = base64url::decode_array(text("ath")?.as_bytes()).map_err(|_| MALFORMED)?;
        Ok(Self {
            id: id.into(),
            method: text("htm")?.into(),
            target: text("htu")?.into(),
            issued_at: time(claims, "iat")?.ok_or(MALFORMED)?,
            expires: time(claims, "exp")?,
            not_before: time(claims, "nbf")?,
            token,
            nonce: self::text(claims, "nonce")?.map(Into::into),
        })
    }
}

/// A date with or without fractions (RFC 7519 §2).
fn time(claims: &Object<'_>, name: &str) -> Result<Option<Timestamp>, Reason> {
    let date = |value: &json::Value<'_>| value.as_number()?.as_numeric_date();
    claims.get(name).map(|value| date(value).ok_or(Reason::BindingDpopMalformed)).transpose()
}

fn text<'v>(claims: &'v Object<'_>, name: &str) -> Result<Option<&'v str>, Reason> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or(Reason::BindingDpopMalformed),
    }
}
