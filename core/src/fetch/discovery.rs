//! OpenID discovery: a document of the issuer's that says where its keys are (OpenID Connect Discovery 1.0 §4, RFC 8414 §3).
//!
//! Nothing else in it counts. In particular it adds no algorithms, and it cannot send the gateway to a host that the configuration
//! does not name: a key source that somebody else can choose is no key source (CVE-2026-32301).

use super::Location;
use crate::json::{self, JsonError, Value};
use crate::time::Span;
use alloc::boxed::Box;
use core::fmt;

#[cfg(test)]
mod tests;

/// Where discovery may lead.
#[derive(Clone, Debug)]
pub struct Discovery {
    /// The issuer that the document must be of.
    pub issuer: Box<str>,
    /// The cluster that the keys come through.
    pub jwks_cluster: Box<str>,
    /// Where keys may be beside the document's own scheme and authority; its path means nothing.
    pub jwks_authority: Option<Location>,
    /// The age at which the document is due for another fetch.
    pub refresh: Span,
}

/// Why a discovery document is not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiscoveryError {
    /// `jwks_uri` leads to a host that the configuration does not name.
    ForeignKeys,
    /// `issuer` is another one (§4.3).
    Issuer,
    /// Not acceptable JSON.
    Json(JsonError),
    /// `jwks_uri` is missing, or no address that a gateway can fetch.
    KeysMissing,
    /// Not an object.
    NotObject,
}

/// How much a discovery document may hold.
const LIMITS: json::Limits = json::Limits { max_bytes: 64 * 1024, ..json::Limits::DOCUMENT };

impl Discovery {
    /// Where the keys are, by a document that was fetched from `from`.
    pub fn follow(&self, document: &[u8], from: &Location) -> Result<Location, DiscoveryError> {
        let value = json::parse(document, &LIMITS).map_err(DiscoveryError::Json)?;
        let members = value.as_object().ok_or(DiscoveryError::NotObject)?;
        let text = |name| members.get(name).and_then(Value::as_str);
        if text("issuer") != Some(&*self.issuer) {
            return Err(DiscoveryError::Issuer);
        }
        let keys = text("jwks_uri").and_then(|uri| Location::parse(uri, &self.jwks_cluster));
        let keys = keys.ok_or(DiscoveryError::KeysMissing)?;
        let allowed = keys.is_beside(from)
            || self.jwks_authority.as_ref().is_some_and(|authority| keys.is_beside(authority));
        if allowed { Ok(keys) } else { Err(DiscoveryError::ForeignKeys) }
    }
}

impl fmt::Display for DiscoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForeignKeys => f.write_str(
                "`jwks_uri` has neither the document's scheme and authority nor those of `jwks_authority`",
            ),
            Self::Issuer => f.write_str("`issuer` is not the configured issuer"),
            Self::Json(error) => write!(f, "{error}"),
            Self::KeysMissing => f.write_str("`jwks_uri` is missing or no `http` or `https` address"),
            Self::NotObject => f.write_str("expected an object"),
        }
    }
}

impl core::error::Error for DiscoveryError {}
