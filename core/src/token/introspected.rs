//! What an issuer says of a token that only it can read (RFC 7662).

use super::assemble::{Read, assemble, check_times};
use super::claims::Claims;
use super::{Verified, VerifiedToken};
use crate::json::{self, Object, Value};
use crate::keys::Signer;
use crate::reason::Reason;
use crate::settings::Settings;
use crate::time::Timestamp;
use alloc::boxed::Box;
use alloc::rc::Rc;

/// Asserts that an issuer stands behind a token, as it said.
pub(crate) fn by_word(token: Rc<VerifiedToken>, cached: bool) -> Verified {
    Verified::assertion(token, cached)
}

/// The same by a word whose time is over.
pub(crate) fn by_old_word(token: Rc<VerifiedToken>) -> Verified {
    by_word(token, true).degraded()
}

/// The largest answer that is read, in bytes.
pub const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// Why an answer lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is no answer, whatever the token is; what was expected.
    Fault(&'static str),
    /// It is one about something else than what was asked about; what was expected. What a caller chose may be behind that, and so
    /// it says nothing of who answered.
    Unfit(&'static str),
    /// The token is refused.
    Because(Reason),
}

impl Unusable {
    /// Why a request is refused that waited for it; `unavailable` where its token is not to blame.
    pub(crate) fn reason(self, unavailable: Reason) -> Reason {
        match self {
            Self::Because(reason) => reason,
            Self::Fault(_) | Self::Unfit(_) => unavailable,
        }
    }
}

impl From<Reason> for Unusable {
    fn from(reason: Reason) -> Self {
        Self::Because(reason)
    }
}

/// Reads the answer of the issuer at this place in the settings about `token`: it is held to all that a signed token's claims are
/// held to. What it says is not older than `now`, nor good at any earlier time.
pub fn introspected(
    token: &[u8],
    answer: &[u8],
    issuer: usize,
    settings: &Settings,
    now: Timestamp,
) -> Result<VerifiedToken, Unusable> {
    introspected_value(token, &parsed(answer)?, issuer, settings, now)
}

/// The same of an answer that was parsed.
pub(crate) fn introspected_value(
    token: &[u8],
    answer: &Value<'_>,
    issuer: usize,
    settings: &Settings,
    now: Timestamp,
) -> Result<VerifiedToken, Unusable> {
    let index = issuer;
    let issuer = settings.issuers.get(index).ok_or(Reason::SystemInternal)?;
    let members = active(answer)?;
    let claims = Claims::read(members).map_err(|_| Reason::TokenClaims)?;
    if claims.issuer.is_some_and(|name| name != &*issuer.name) {
        return Err(Reason::TokenIssuerUnknown.into());
    }
    // Refresh tokens are active too, and no credential of a request.
    match members.get("token_type") {
        None if issuer.allow_missing_type => {}
        Some(Value::String(typ)) if is_presented(typ) => {}
        Some(_) | None => return Err(Reason::TokenType.into()),
    }
    // `exp` is the issuer's to say or not (RFC 7662 §2.2); the answer's own life is bounded anyway.
    let expires =
        claims.expires.unwrap_or_else(|| claims.issued_at.unwrap_or(now).min(now).plus(issuer.max_lifetime));
    let (not_before, expires) = check_times(&claims, Some(expires), issuer, now)?;
    if !issuer.audiences.iter().any(|audience| claims.is_for(audience)) {
        return Err(Reason::TokenAudience.into());
    }
    let read = Read { issuer: index, signer: None, not_before: not_before.max(now), expires };
    Ok(assemble(token, read, members, claims, settings)?)
}

/// What an issuer says of a signed token of its own, as far as it tells that token from others.
#[derive(Clone, Debug)]
pub struct LiveWord {
    subject: Option<Box<str>>,
    id: Option<Box<str>>,
    client: Option<Box<str>>,
    issued_at: Option<Timestamp>,
    /// The key that signed it, where it must be signed.
    pub(crate) signer: Option<Signer>,
}

impl LiveWord {
    /// The same, verified by this key.
    pub(crate) fn signed_by(self, signer: Option<Signer>) -> Self {
        Self { signer, ..self }
    }

    /// Whether it may be about this token: whatever it says is what the token says itself.
    pub fn is_about(&self, token: &VerifiedToken) -> bool {
        fn agrees<T: PartialEq>(said: &Option<T>, own: &Option<T>) -> bool {
            said.is_none() || said == own
        }
        agrees(&self.subject, &token.subject)
            && agrees(&self.id, &token.id)
            && agrees(&self.client, &token.client)
            && agrees(&self.issued_at, &token.issued_at)
    }
}

/// Reads the answer of the issuer at this place about a signed token of its own. All else the token says itself.
pub fn confirmed(
    answer: &Value<'_>,
    issuer: usize,
    settings: &Settings,
    now: Timestamp,
) -> Result<LiveWord, Unusable> {
    let issuer = settings.issuers.get(issuer).ok_or(Reason::SystemInternal)?;
    let members = active(answer)?;
    let claims = Claims::read(members).map_err(|_| Reason::TokenClaims)?;
    if claims.issuer.is_some_and(|name| name != &*issuer.name) {
        return Err(Unusable::Fault("an answer about a token of this issuer"));
    }
    match members.get("token_type") {
        None => {}
        Some(Value::String(typ)) if is_presented(typ) => {}
        Some(_) => return Err(Reason::TokenType.into()),
    }
    if claims.has_audience() && !issuer.audiences.iter().any(|audience| claims.is_for(audience)) {
        return Err(Unusable::Unfit("an answer about a token for one of this issuer's `audiences`"));
    }
    if claims.expires.is_some_and(|expires| expires.plus(issuer.clock_skew) <= now) {
        return Err(Reason::TokenExpired.into());
    }
    Ok(LiveWord {
        subject: claims.subject.map(Into::into),
        id: claims.id.map(Into::into),
        client: claims.client.map(Into::into),
        issued_at: claims.issued_at,
        signer: None,
    })
}

/// Parses an answer.
pub(crate) fn parsed(answer: &[u8]) -> Result<Value<'_>, Unusable> {
    if answer.len() > MAX_ANSWER_BYTES {
        return Err(Unusable::Fault("an answer of at most 16 KiB"));
    }
    json::parse(answer, &json::Limits::TOKEN).map_err(|_| Unusable::Fault("strict JSON"))
}

/// What is said of a token that is active.
fn active<'v, 'a>(answer: &'v Value<'a>) -> Result<&'v Object<'a>, Unusable> {
    let members = answer.as_object().ok_or(Unusable::Fault("a JSON object"))?;
    match members.get("active") {
        Some(Value::Bool(true)) => Ok(members),
        // Whatever else is said of such a token, it means nothing (RFC 7662 §2.2).
        Some(Value::Bool(false)) => Err(Reason::TokenInactive.into()),
        Some(_) | None => Err(Unusable::Fault("the member `active`, true or false")),
    }
}

/// Types of access tokens (RFC 6749 §7.1, RFC 9449 §5).
fn is_presented(typ: &str) -> bool {
    ["bearer", "dpop"].iter().any(|known| typ.eq_ignore_ascii_case(known))
}
