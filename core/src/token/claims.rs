//! The registered claims (RFC 7519 §4.1), typed: a claim of the wrong type is an error, never absent
//! (CVE-2026-25537's lesson).

use crate::json::{Object, Value};
use crate::time::Timestamp;
use alloc::borrow::ToOwned;
use alloc::string::String;

/// How many audiences a token may name.
const MAX_AUDIENCES: usize = 64;

/// The registered claims of a token whose types are right; nothing about them is verified yet.
#[derive(Clone, Debug)]
pub(crate) struct Claims<'a> {
    /// `iss`.
    pub(crate) issuer: Option<&'a str>,
    /// `aud`, as the value or values that it holds.
    audience: Audience<'a>,
    /// `exp`.
    pub(crate) expires: Option<Timestamp>,
    /// `nbf`.
    pub(crate) not_before: Option<Timestamp>,
    /// `iat`.
    pub(crate) issued_at: Option<Timestamp>,
    /// `sub`.
    pub(crate) subject: Option<String>,
    /// `jti`.
    pub(crate) id: Option<String>,
    /// `client_id` (RFC 8693 §4.3), or else `azp`, as OpenID Connect calls it.
    pub(crate) client: Option<&'a str>,
    /// `acr` (OpenID Connect Core §2).
    pub(crate) acr: Option<&'a str>,
    /// `auth_time` (OpenID Connect Core §2).
    pub(crate) auth_time: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
enum Audience<'a> {
    None,
    One(&'a str),
    Many(&'a [Value<'a>]),
}

/// A registered claim has the wrong type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongType;

impl<'a> Claims<'a> {
    /// Reads the registered claims.
    pub(crate) fn read(claims: &'a Object<'a>) -> Result<Self, WrongType> {
        Ok(Self {
            issuer: text(claims, "iss")?,
            audience: audience(claims)?,
            expires: date(claims, "exp")?,
            not_before: date(claims, "nbf")?,
            issued_at: date(claims, "iat")?,
            subject: text(claims, "sub")?.map(ToOwned::to_owned),
            id: text(claims, "jti")?.map(ToOwned::to_owned),
            client: text(claims, "client_id")?.or(text(claims, "azp")?),
            acr: text(claims, "acr")?,
            auth_time: date(claims, "auth_time")?,
        })
    }

    /// Whether there is an `aud`.
    pub(crate) fn has_audience(&self) -> bool {
        !matches!(self.audience, Audience::None)
    }

    /// Whether `aud` names `audience`, byte for byte.
    pub(crate) fn is_for(&self, audience: &str) -> bool {
        match self.audience {
            Audience::None => false,
            Audience::One(one) => one == audience,
            Audience::Many(many) => many.iter().any(|value| value.as_str() == Some(audience)),
        }
    }
}

fn text<'a>(claims: &'a Object<'a>, name: &str) -> Result<Option<&'a str>, WrongType> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or(WrongType),
    }
}

fn date(claims: &Object<'_>, name: &str) -> Result<Option<Timestamp>, WrongType> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => {
            value.as_number().and_then(|number| number.as_numeric_date()).map(Some).ok_or(WrongType)
        }
    }
}

fn audience<'a>(claims: &'a Object<'a>) -> Result<Audience<'a>, WrongType> {
    match claims.get("aud") {
        None => Ok(Audience::None),
        Some(Value::String(one)) => Ok(Audience::One(one)),
        Some(Value::Array(many))
            if many.len() <= MAX_AUDIENCES && many.iter().all(|value| value.as_str().is_some()) =>
        {
            Ok(Audience::Many(many))
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(WrongType)
        }
    }
}
