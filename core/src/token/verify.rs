//! The verification of a bearer token, from top to bottom.

use super::claims::Claims;
use super::types::{ClaimSlot, Verified, VerifiedToken};
use crate::attribute;
use crate::cache::{Cache, Inserted};
use crate::crypto::SignatureProvider;
use crate::jose::{Header, Jws, JwsError};
use crate::json::{self, Object};
use crate::keys::{KeyLookup, KeyStore};
use crate::metrics::Counter;
use crate::policy::{Entity, EntityUid, Record, Value};
use crate::reason::Reason;
use crate::settings::{IssuerSettings, PrincipalSettings, Settings};
use crate::time::Timestamp;
use crate::token::NotAnObject;
use alloc::rc::Rc;
use alloc::vec::Vec;

/// How many roles a token may carry.
const MAX_ROLES: usize = 128;

/// The long-lived state that verification needs.
pub struct Verification<'a> {
    /// What the configuration says.
    pub settings: &'a Settings,
    /// Each issuer's keys, in the order of the settings.
    pub keys: &'a mut [KeyStore],
    /// Tokens verified before.
    pub cache: &'a mut Cache<Rc<VerifiedToken>>,
    /// Who does the arithmetic.
    pub provider: &'a dyn SignatureProvider,
    /// Where cache hits and misses are counted.
    pub count: &'a mut dyn FnMut(Counter),
}

/// Why there is no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The token is refused.
    Because(Reason),
    /// The keys of this issuer are being fetched: ask again when they are settled.
    Wait {
        /// The issuer's place in the settings.
        issuer: usize,
    },
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self::Because(reason)
    }
}

/// Verifies a bearer token: from the cache, or by its signature and claims. `waited` says that the request has already
/// waited for this issuer's keys once.
pub fn verify(
    token: &[u8],
    waited: bool,
    state: &mut Verification<'_>,
    now: Timestamp,
) -> Result<Verified, Refusal> {
    if token.len() > state.settings.limits.token_bytes {
        return Err(Reason::TokenTooLarge.into());
    }
    if let Some(found) = state.cache.find(token, now)
        && found.valid_at(now)
        // Keys past their stale budget prove nothing any more.
        && state.keys.get(found.issuer).is_some_and(|keys| keys.usable(now))
    {
        (state.count)(Counter::CacheHit);
        return Ok(Verified::assertion(found, true));
    }
    (state.count)(Counter::CacheMiss);
    let verified = Rc::new(verify_anew(token, waited, state, now)?);
    let inserted =
        state.cache.insert(token, Rc::clone(&verified), verified.weight(token.len()), verified.expires, now);
    if let Inserted::Kept { evicted } = inserted {
        for _ in 0..evicted {
            (state.count)(Counter::CacheEvicted);
        }
    }
    Ok(Verified::assertion(verified, false))
}

fn verify_anew(
    token: &[u8],
    waited: bool,
    state: &mut Verification<'_>,
    now: Timestamp,
) -> Result<VerifiedToken, Refusal> {
    let settings = state.settings;
    let jws = Jws::parse(token, settings.limits.token_bytes).map_err(malformed)?;
    let payload = json::parse(&jws.payload, &json::Limits::TOKEN).map_err(|_| Reason::TokenMalformed)?;
    let members = payload.as_object().ok_or(Reason::TokenMalformed)?;
    let claims = Claims::read(members).map_err(|_| Reason::TokenClaims)?;

    // Unverified so far: `iss` only chooses whose keys are tried, among issuers that the configuration names.
    let name = claims.issuer.ok_or(Reason::TokenIssuerMissing)?;
    let (index, issuer) = settings.issuer(name).ok_or(Reason::TokenIssuerUnknown)?;
    if !issuer.algorithms.contains(&jws.header.algorithm) {
        return Err(Reason::TokenAlgorithm.into());
    }
    let key = verify_signature(&jws, index, waited, state, now)?;

    check_type(&jws.header, issuer)?;
    let (not_before, expires) = check_times(&claims, issuer, now)?;
    if !issuer.audiences.iter().any(|audience| claims.is_for(audience)) {
        return Err(Reason::TokenAudience.into());
    }
    let (principal, principal_incomplete) = principal(members, &issuer.principal)?;
    Ok(VerifiedToken {
        issuer: index,
        key,
        subject: claims.subject.map(Into::into),
        id: claims.id.map(Into::into),
        not_before,
        expires,
        principal,
        principal_incomplete,
        claims: settings.claims.iter().map(|claim| slot(claim.path.find(members), &claim.ty)).collect(),
    })
}

fn malformed(error: JwsError) -> Reason {
    match error {
        JwsError::AlgorithmNone | JwsError::AlgorithmSymmetric | JwsError::AlgorithmUnsupported => {
            Reason::TokenAlgorithm
        }
        JwsError::B64 | JwsError::CritUnsupported => Reason::TokenCritical,
        JwsError::TooLarge => Reason::TokenTooLarge,
        JwsError::AlgorithmMissing
        | JwsError::CritMalformed
        | JwsError::Empty
        | JwsError::Encrypted
        | JwsError::HeaderEncoding(_)
        | JwsError::HeaderJson(_)
        | JwsError::HeaderNotObject
        | JwsError::HeaderType { .. }
        | JwsError::PayloadEncoding(_)
        | JwsError::Segments
        | JwsError::SignatureEncoding(_)
        | JwsError::SignatureMissing => Reason::TokenMalformed,
    }
}

/// Finds the key by (issuer, kid, algorithm) and verifies the signature; the thumbprint of the key that fits.
fn verify_signature(
    jws: &Jws<'_>,
    issuer: usize,
    waited: bool,
    state: &mut Verification<'_>,
    now: Timestamp,
) -> Result<[u8; 32], Refusal> {
    let keys = state.keys.get_mut(issuer).ok_or(Reason::SystemInternal)?;
    let algorithm = jws.header.algorithm;
    let mut candidates = match keys.find(jws.header.kid.as_deref(), algorithm, waited, now) {
        KeyLookup::Found(candidates) => candidates,
        KeyLookup::Wait => return Err(Refusal::Wait { issuer }),
        KeyLookup::Ambiguous => return Err(Reason::TokenKeyAmbiguous.into()),
        KeyLookup::WrongAlgorithm => return Err(Reason::TokenAlgorithm.into()),
        KeyLookup::Unknown => return Err(Reason::TokenKeyUnknown.into()),
        KeyLookup::Unavailable => return Err(Reason::SystemKeysUnavailable.into()),
    };
    candidates
        .find(|key| state.provider.verify(key.key(), algorithm, jws.signing_input, &jws.signature).is_ok())
        .map(|key| *key.thumbprint())
        .ok_or(Refusal::Because(Reason::TokenSignature))
}

/// `typ` (RFC 7515 §4.1.9): compared without regard to case, and without its optional `application/`.
fn check_type(header: &Header, issuer: &IssuerSettings) -> Result<(), Reason> {
    let Some(typ) = &header.typ else {
        return if issuer.allow_missing_type { Ok(()) } else { Err(Reason::TokenType) };
    };
    let bare = match typ.get(..12) {
        Some(prefix) if prefix.eq_ignore_ascii_case("application/") => typ.get(12..).unwrap_or_default(),
        _ => typ,
    };
    let accepted = issuer.token_types.iter().any(|accepted| accepted.eq_ignore_ascii_case(bare));
    if accepted { Ok(()) } else { Err(Reason::TokenType) }
}

/// `exp`, `nbf`, `iat` (RFC 7519 §4.1.4-6) and the longest life; from when until when the token is valid.
fn check_times(
    claims: &Claims<'_>,
    issuer: &IssuerSettings,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), Reason> {
    let expires = claims.expires.ok_or(Reason::TokenExpiryMissing)?;
    let end = expires.plus(issuer.clock_skew);
    if now >= end {
        return Err(Reason::TokenExpired);
    }
    let not_before = claims.not_before.unwrap_or_default();
    if now < not_before.minus(issuer.clock_skew) {
        return Err(Reason::TokenNotYetValid);
    }
    let issued = claims.issued_at.unwrap_or(now);
    if now < issued.minus(issuer.clock_skew) {
        return Err(Reason::TokenIssuedInFuture);
    }
    // An `iat` in the past may not stretch what is left, nor one in the future shorten what was given.
    let longest = issuer.max_lifetime;
    if expires.since(issued) > longest || expires > now.plus(longest).plus(issuer.clock_skew) {
        return Err(Reason::TokenLifetime);
    }
    // What was checked against the clock here is checked again of a token in the cache, should the clock step back.
    let start = not_before.max(claims.issued_at.unwrap_or_default()).max(expires.minus(longest));
    Ok((start.minus(issuer.clock_skew), end))
}

/// The Cedar principal, and whether something that the schema demands of it is missing.
fn principal(claims: &Object<'_>, settings: &PrincipalSettings) -> Result<(Entity, bool), Reason> {
    let id = match settings.id.find(claims).map_err(|NotAnObject| Reason::TokenClaims)? {
        None => return Err(Reason::TokenSubjectMissing),
        Some(value) => value.as_str().ok_or(Reason::TokenClaims)?,
    };
    if id.is_empty() {
        return Err(Reason::TokenSubjectMissing);
    }
    let mut entity = Entity::new(EntityUid::new(settings.entity_type.clone(), id));
    if let Some(roles) = &settings.roles
        && let Some(value) = roles.claim.find(claims).map_err(|NotAnObject| Reason::TokenClaims)?
    {
        let values =
            value.as_array().filter(|values| values.len() <= MAX_ROLES).ok_or(Reason::TokenClaims)?;
        let names = values.iter().map(|value| value.as_str().ok_or(Reason::TokenClaims));
        entity.parents = names
            .map(|name| Ok(EntityUid::new(roles.entity_type.clone(), name?)))
            .collect::<Result<Vec<_>, Reason>>()?;
    }
    let mut attributes = Record::new();
    let mut incomplete = false;
    for attribute in &settings.attributes {
        match attribute.value(claims) {
            ClaimSlot::Value(value) => {
                attributes.insert(attribute.name.clone(), value);
            }
            ClaimSlot::Invalid => return Err(Reason::TokenClaims),
            ClaimSlot::Absent => incomplete |= attribute.required,
        }
    }
    entity.attributes = attributes;
    Ok((entity, incomplete))
}

/// A claim as a value of the attribute's type.
fn slot(claim: Result<Option<&json::Value<'_>>, NotAnObject>, ty: &attribute::AttributeType) -> ClaimSlot {
    match claim {
        Ok(None) => ClaimSlot::Absent,
        Ok(Some(claim)) => match attribute::from_json(claim, ty) {
            Ok(value) => ClaimSlot::Value(value),
            Err(attribute::WrongType) => ClaimSlot::Invalid,
        },
        Err(NotAnObject) => ClaimSlot::Invalid,
    }
}

/// A constant or a claim, as a principal's attribute.
impl crate::settings::PrincipalAttribute {
    fn value(&self, claims: &Object<'_>) -> ClaimSlot {
        match &self.source {
            crate::settings::PrincipalSource::Constant(value) => ClaimSlot::Value(Value::clone(value)),
            crate::settings::PrincipalSource::Claim(path) => slot(path.find(claims), &self.ty),
        }
    }
}
