//! The verification of a bearer token, from top to bottom.

use super::assemble::{Read, assemble, check_times};
use super::claims::Claims;
use super::opaque::is_signed;
use super::profile;
use super::types::{Verified, VerifiedToken};
use crate::cache::Cache;
use crate::config::IssuerProfile;
use crate::crypto::SignatureProvider;
use crate::gateway::Need;
use crate::jose::{Header, Jws, JwsError, is_type};
use crate::json;
use crate::keys::{KeyStore, Signer, Unproven};
use crate::metrics::Counter;
use crate::reason::Reason;
use crate::settings::{IssuerSettings, Settings};
use crate::spiffe::SpiffeId;
use crate::time::Timestamp;
use alloc::rc::Rc;

/// The long-lived state that verification needs.
pub struct Verification<'a> {
    /// What the configuration says.
    pub settings: &'a Settings,
    /// Each issuer's keys, in the order of the settings.
    pub keys: &'a mut [KeyStore],
    /// Tokens verified before.
    pub cache: &'a mut Cache<Rc<VerifiedToken>>,
    /// Tokens refused before.
    pub failures: &'a mut Cache<Failure>,
    /// Who does the arithmetic.
    pub provider: &'a dyn SignatureProvider,
    /// Where cache hits and misses are counted.
    pub count: &'a mut dyn FnMut(Counter),
}

/// A refusal that is kept: another look would come to the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The issuer's place in the settings.
    pub issuer: usize,
    /// Why the token was refused.
    pub reason: Reason,
    /// When. At an earlier time it may be good: what has expired by a clock that ran ahead is good by one that was set back.
    pub at: Timestamp,
}

impl Failure {
    /// Why this was refused before, if it was.
    pub(crate) fn find(
        failures: &mut Cache<Self>,
        key: &[u8],
        count: &mut dyn FnMut(Counter),
        now: Timestamp,
    ) -> Option<Reason> {
        let found = failures.find(key, now).filter(|failure| failure.at <= now);
        count(if found.is_some() { Counter::FailureCacheHit } else { Counter::FailureCacheMiss });
        found.map(|failure| failure.reason)
    }

    /// Keeps it until then.
    pub(crate) fn keep(
        self,
        failures: &mut Cache<Self>,
        key: &[u8],
        until: Timestamp,
        count: &mut dyn FnMut(Counter),
    ) {
        failures.insert(key, self, 0, until, self.at).count(Counter::FailureCacheEvicted, count);
    }
}

/// Why there is no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The token is refused.
    Because(Reason),
    /// Somebody is being asked: look again when that is settled.
    Wait(Need),
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
        // One that its issuer was asked about is accepted where opaque tokens are.
        && found.signer.is_some()
        // Keys past their stale budget prove nothing any more.
        && state.keys.get(found.issuer).is_some_and(|keys| keys.usable(now))
    {
        (state.count)(Counter::CacheHit);
        return Ok(Verified::assertion(found, true));
    }
    // What was said of opaque tokens is not looked at either.
    if is_signed(token)
        && let Some(reason) = Failure::find(state.failures, token, state.count, now)
    {
        return Err(reason.into());
    }
    (state.count)(Counter::CacheMiss);
    let mut issuer = None;
    let verified = match verify_anew(token, waited, &mut issuer, state, now) {
        Ok(verified) => Rc::new(verified),
        Err(refusal) => {
            if let (Some(issuer), Refusal::Because(reason)) = (issuer, refusal)
                && is_final(reason)
            {
                let until = now.plus(state.settings.failure_life);
                Failure { issuer, reason, at: now }.keep(state.failures, token, until, state.count);
            }
            return Err(refusal);
        }
    };
    let weight = verified.weight(token.len());
    state
        .cache
        .insert(token, Rc::clone(&verified), weight, verified.expires, now)
        .count(Counter::CacheEvicted, state.count);
    Ok(Verified::assertion(verified, false))
}

/// Whether a refusal stands at any later time, while the issuer has the same keys. Of these only such are kept as come
/// after the signature: all others cost little to find again.
fn is_final(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::TokenSignature
            | Reason::TokenHeader
            | Reason::TokenType
            | Reason::TokenClaims
            | Reason::TokenClaimMissing
            | Reason::TokenSpiffeId
            | Reason::TokenExpiryMissing
            | Reason::TokenExpired
            | Reason::TokenAudience
            | Reason::TokenSubjectMissing
            | Reason::BindingUnsupported
            | Reason::DelegationMissing
            | Reason::DelegationUnsupported
            | Reason::DelegationMalformed
            | Reason::DelegationDepth
            | Reason::DelegationIssuer
            | Reason::DelegationLoop
            | Reason::DelegationNotAllowed
            | Reason::RevocationStatusMalformed
            | Reason::RevocationStatusMissing
            | Reason::RevocationListUnknown
    )
}

/// Verifies a token that is in no cache; `whose` gets the issuer's place as soon as it is known.
fn verify_anew(
    token: &[u8],
    waited: bool,
    whose: &mut Option<usize>,
    state: &mut Verification<'_>,
    now: Timestamp,
) -> Result<VerifiedToken, Refusal> {
    let settings = state.settings;
    let jws = Jws::parse(token, settings.limits.token_bytes).map_err(malformed)?;
    let payload = json::parse(&jws.payload, &json::Limits::TOKEN).map_err(|_| Reason::TokenMalformed)?;
    let members = payload.as_object().ok_or(Reason::TokenMalformed)?;
    let claims = Claims::read(members).map_err(|_| Reason::TokenClaims)?;

    let (index, issuer) = issuer(&claims, settings)?;
    *whose = Some(index);
    if !issuer.algorithms.contains(&jws.header.algorithm) {
        return Err(Reason::TokenAlgorithm.into());
    }
    let signer = verify_signature(&jws, index, waited, state, now)?;

    check_type(&jws.header, issuer)?;
    let (not_before, expires) = check_times(&claims, claims.expires, issuer, now)?;
    if !issuer.audiences.iter().any(|audience| claims.is_for(audience)) {
        return Err(Reason::TokenAudience.into());
    }
    profile::check(&jws.header, &claims, members, issuer)?;
    let read = Read { issuer: index, signer: Some(signer), not_before, expires };
    Ok(assemble(token, read, members, claims, settings)?)
}

/// Whose keys are tried, among issuers that the configuration names: by `iss`, or, where that names none of them, by the trust
/// domain of a JWT-SVID's `sub`: what `iss` says there is left open (JWT-SVID §3). Both are unverified so far, and decide nothing
/// else.
fn issuer<'s>(claims: &Claims<'_>, settings: &'s Settings) -> Result<(usize, &'s IssuerSettings), Reason> {
    if let Some(found) = claims.issuer.and_then(|name| settings.issuer(name)) {
        return Ok(found);
    }
    let subject = claims.subject.as_deref().and_then(|subject| SpiffeId::parse(subject.as_bytes()).ok());
    let domain = subject.as_ref().map(SpiffeId::trust_domain);
    let mut issuers = settings.issuers.iter().enumerate();
    let svid = domain.and_then(|domain| issuers.find(|(_, issuer)| issuer.trust_domain() == Some(domain)));
    svid.ok_or(match (claims.issuer, domain) {
        (Some(_), _) | (None, Some(_)) => Reason::TokenIssuerUnknown,
        (None, None) => Reason::TokenIssuerMissing,
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

/// Finds the key by (issuer, kid, algorithm) and verifies the signature; the key that fits.
fn verify_signature(
    jws: &Jws<'_>,
    issuer: usize,
    waited: bool,
    state: &mut Verification<'_>,
    now: Timestamp,
) -> Result<Signer, Refusal> {
    let keys = state.keys.get_mut(issuer).ok_or(Reason::SystemInternal)?;
    keys.verify(jws, waited, state.provider, now).map_err(|unproven| {
        Refusal::Because(match unproven {
            Unproven::Wait => return Refusal::Wait(Need::Keys { issuer }),
            Unproven::Ambiguous => Reason::TokenKeyAmbiguous,
            Unproven::Mismatch => Reason::TokenSignature,
            Unproven::Unavailable => Reason::SystemKeysUnavailable,
            Unproven::Unknown => Reason::TokenKeyUnknown,
            Unproven::WrongAlgorithm => Reason::TokenAlgorithm,
        })
    })
}

/// `typ` (RFC 7515 §4.1.9).
fn check_type(header: &Header, issuer: &IssuerSettings) -> Result<(), Reason> {
    let accepted = match &header.typ {
        None => issuer.allow_missing_type,
        // JWT-SVID §2.3 knows two words, and no other spelling of them.
        Some(typ) if issuer.profile == IssuerProfile::JwtSvid => issuer.token_types.contains(typ),
        Some(typ) => issuer.token_types.iter().any(|accepted| is_type(typ, accepted)),
    };
    if accepted { Ok(()) } else { Err(Reason::TokenType) }
}
