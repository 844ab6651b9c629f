//! SPIFFE bundles: the keys of a trust domain (SPIFFE Trust Domain and Bundle §4).

use super::{Jwk, JwkError, JwkSet, JwksLimits, KeyUse};
use crate::json::{self, JsonError, Object, Value};
use crate::time::Span;
use core::fmt;

/// The keys of one trust domain that JWT-SVIDs are signed with.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The entries for `jwt-svid` that can be used. There may be none: a bundle can do without, or take back all that were there.
    pub keys: JwkSet,
    /// How many entries there are for `x509-svid`. They are checked for their form and not used: certificates are the gateway's.
    pub x509_authorities: usize,
    /// `spiffe_sequence` (§4.1.1)
    pub sequence: Option<i64>,
    /// `spiffe_refresh_hint` (§4.1.2)
    pub refresh_hint: Option<Span>,
}

/// Why a document is no bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BundleError {
    /// Not acceptable JSON.
    Json(JsonError),
    /// A key for `jwt-svid` without `kid`, which the tokens must name (JWT-SVID §5).
    KidMissing,
    /// `spiffe_sequence` or `spiffe_refresh_hint` is no integer that makes sense.
    Number {
        /// The member.
        member: &'static str,
    },
    /// There are keys, and none says with `use` that it is for SPIFFE: some other key set.
    NotBundle,
    /// Not an object with the array `keys` (§4.1.3).
    NotSet,
    /// There are keys for `jwt-svid`, but none that can be used; the first reason.
    NoUsableKey(JwkError),
    /// More keys than the limit.
    TooManyKeys,
    /// An entry for `x509-svid` without exactly one certificate in `x5c` (X.509-SVID §6.2).
    X509,
}

impl Bundle {
    /// Reads a bundle.
    ///
    /// Entries with any other `use`, or none, are left out (§4.2.2), those for `jwt-svid` that cannot be used too, as in
    /// [`JwkSet::parse`].
    pub fn parse(bytes: &[u8], limits: &JwksLimits) -> Result<Self, BundleError> {
        let json_limits = json::Limits { max_bytes: limits.max_bytes, ..json::Limits::DOCUMENT };
        let value = json::parse(bytes, &json_limits).map_err(BundleError::Json)?;
        let document = value.as_object().ok_or(BundleError::NotSet)?;
        let entries = document.get("keys").and_then(Value::as_array).ok_or(BundleError::NotSet)?;
        if entries.len() > limits.max_keys {
            return Err(BundleError::TooManyKeys);
        }
        let (mut keys, mut x509_authorities, mut foreign) = (JwkSet::empty(), 0, 0);
        for entry in entries {
            match entry.as_object().and_then(|entry| entry.get("use")).and_then(Value::as_str) {
                Some("jwt-svid") => {
                    let named = entry.as_object().and_then(|entry| entry.get("kid")).and_then(Value::as_str);
                    if named.is_none_or(str::is_empty) {
                        return Err(BundleError::KidMissing);
                    }
                    let read = Jwk::read_for(KeyUse::JwtSvid, entry);
                    if let Err(reason) = read.and_then(|key| keys.add(key)) {
                        keys.skip(reason);
                    }
                }
                Some("x509-svid") => {
                    let chain =
                        entry.as_object().and_then(|entry| entry.get("x5c")).and_then(Value::as_array);
                    if !matches!(chain, Some([certificate]) if certificate.as_str().is_some()) {
                        return Err(BundleError::X509);
                    }
                    x509_authorities += 1;
                }
                Some(_) | None => foreign += 1,
            }
        }
        // A set of keys of another kind must not pass for a trust domain that has taken all of its own back.
        if foreign > 0 && foreign == entries.len() {
            return Err(BundleError::NotBundle);
        }
        if let (true, Some((reason, _))) = (keys.keys().is_empty(), keys.skipped().first()) {
            return Err(BundleError::NoUsableKey(*reason));
        }
        let sequence = number(document, "spiffe_sequence")?;
        let refresh_hint = number(document, "spiffe_refresh_hint")?.map(Span::from_secs);
        Ok(Self { keys, x509_authorities, sequence, refresh_hint })
    }
}

fn number(document: &Object<'_>, member: &'static str) -> Result<Option<i64>, BundleError> {
    match document.get(member) {
        None => Ok(None),
        Some(value) => {
            let number = value.as_i64().filter(|number| *number >= 0);
            number.map(Some).ok_or(BundleError::Number { member })
        }
    }
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "{error}"),
            Self::KidMissing => f.write_str("a `jwt-svid` key without `kid`"),
            Self::Number { member } => write!(f, "expected an integer from 0 on in `{member}`"),
            Self::NotBundle => f.write_str("no key has the `use` `jwt-svid` or `x509-svid`"),
            Self::NotSet => f.write_str("expected an object with the array `keys`"),
            Self::NoUsableKey(reason) => write!(f, "no usable `jwt-svid` key: {reason}"),
            Self::TooManyKeys => f.write_str("more keys than the limit"),
            Self::X509 => f.write_str("expected one certificate in `x5c` of an `x509-svid` key"),
        }
    }
}

impl core::error::Error for BundleError {}
