//! What status lists and feeds have in common: a JWT of a type of its own, about a document, by the issuer of the tokens.

use crate::crypto::Algorithm;
use crate::jose::JwsError;
use crate::json::{self, JsonError, Object, Value};
use crate::keys::{Signer, Unproven};
pub use crate::signed::Keys;
use crate::signed::{self, Expected, Fault};
use crate::time::{Span, Timestamp};
use crate::token::Claims;
use alloc::vec::Vec;
use core::fmt;

/// What is known of a document before it is read. All of it is configuration.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The document's address, which `sub` must be.
    pub uri: &'a str,
    /// `iss` of the tokens that it is about.
    pub issuer: &'a str,
    /// The algorithms that the issuer may use.
    pub algorithms: &'a [Algorithm],
    /// How far the issuer's clock may be from ours.
    pub clock_skew: Span,
    /// The largest document, in bytes as it was fetched.
    pub max_bytes: usize,
}

/// Why a document is not taken for what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedError {
    /// `alg` is none of the issuer's.
    Algorithm,
    /// There is an `aud`: the document is for somebody else (RFC 7519 §4.1.3).
    Audience,
    /// A registered claim has the wrong type.
    Claims,
    /// `exp` has passed.
    Expired,
    /// `iat` lies in the future.
    IssuedInFuture,
    /// No `iat`.
    IssuedMissing,
    /// `iss` is somebody else.
    Issuer,
    /// No `iss`.
    IssuerMissing,
    /// The payload is no acceptable JSON.
    Json(JsonError),
    /// Not a compact JWS.
    Jws(JwsError),
    /// No key of the issuer is known to be behind the signature.
    Key(Unproven),
    /// `nbf` lies in the future.
    NotYetValid,
    /// The payload is not an object.
    NotObject,
    /// `sub` is not the document's address, or there is none.
    Subject,
    /// Another `typ`.
    Type {
        /// The one that was expected.
        expected: &'static str,
    },
}

/// Takes a document apart: a JWS of this `typ`, spelled so, by the issuer. Its payload.
pub(super) fn open(
    token: &[u8],
    typ: &'static str,
    origin: &Origin<'_>,
    keys: Keys<'_>,
    now: Timestamp,
) -> Result<(Vec<u8>, Signer), SignedError> {
    let expected = Expected {
        max_bytes: origin.max_bytes,
        is_type: &|found| found == typ,
        algorithms: origin.algorithms,
    };
    signed::open(token, &expected, keys, now).map_err(|fault| match fault {
        Fault::Jws(error) => SignedError::Jws(error),
        Fault::Type => SignedError::Type { expected: typ },
        Fault::Algorithm => SignedError::Algorithm,
        Fault::Key(unproven) => SignedError::Key(unproven),
    })
}

/// Parses a payload that has few values, some of them long.
pub(super) fn parse(payload: &[u8]) -> Result<Value<'_>, SignedError> {
    let limits = json::Limits { max_bytes: payload.len(), ..json::Limits::TOKEN };
    json::parse(payload, &limits).map_err(SignedError::Json)
}

/// Whether `iss` must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Issuer {
    Demanded,
    Checked,
}

/// When a document was issued, and until when it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) issued: Timestamp,
    pub(super) expires: Option<Timestamp>,
}

impl Life {
    /// Checks the registered claims.
    pub(super) fn read(
        members: &Object<'_>,
        issuer: Issuer,
        origin: &Origin<'_>,
        now: Timestamp,
    ) -> Result<Self, SignedError> {
        let claims = Claims::read(members).map_err(|_| SignedError::Claims)?;
        match claims.issuer {
            None if issuer == Issuer::Demanded => return Err(SignedError::IssuerMissing),
            Some(name) if name != origin.issuer => return Err(SignedError::Issuer),
            None | Some(_) => {}
        }
        if claims.subject.as_deref() != Some(origin.uri) {
            return Err(SignedError::Subject);
        }
        if claims.has_audience() {
            return Err(SignedError::Audience);
        }
        let latest = now.plus(origin.clock_skew);
        let issued = claims.issued_at.ok_or(SignedError::IssuedMissing)?;
        if issued > latest {
            return Err(SignedError::IssuedInFuture);
        }
        if claims.not_before.is_some_and(|start| start > latest) {
            return Err(SignedError::NotYetValid);
        }
        if claims.expires.is_some_and(|end| now >= end.plus(origin.clock_skew)) {
            return Err(SignedError::Expired);
        }
        Ok(Self { issued, expires: claims.expires })
    }
}

impl fmt::Display for SignedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Algorithm => f.write_str("expected an `alg` that the issuer may use"),
            Self::Audience => f.write_str("expected no `aud`"),
            Self::Claims => {
                f.write_str("expected texts in `iss` and `sub`, numbers in `iat`, `exp` and `nbf`")
            }
            Self::Expired => f.write_str("expected an `exp` that has not passed"),
            Self::IssuedInFuture => f.write_str("expected an `iat` that is not in the future"),
            Self::IssuedMissing => f.write_str("expected `iat`"),
            Self::Issuer => f.write_str("expected `iss` to be the issuer of the tokens"),
            Self::IssuerMissing => f.write_str("expected `iss`"),
            Self::Json(error) => write!(f, "expected JSON in the payload: {error}"),
            Self::Jws(error) => write!(f, "expected a signed token: {error}"),
            Self::Key(error) => write!(f, "{error}"),
            Self::NotYetValid => f.write_str("expected an `nbf` that is not in the future"),
            Self::NotObject => f.write_str("expected an object in the payload"),
            Self::Subject => f.write_str("expected `sub` to be the address that it was fetched from"),
            Self::Type { expected } => write!(f, "expected `typ` to be `{expected}`"),
        }
    }
}

impl core::error::Error for SignedError {}
