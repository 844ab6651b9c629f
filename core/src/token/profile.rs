//! What a kind of tokens is held to beyond the rules for all.

use super::claims::Claims;
use crate::config::IssuerProfile;
use crate::jose::Header;
use crate::json::Object;
use crate::reason::Reason;
use crate::settings::IssuerSettings;
use crate::spiffe::SpiffeId;

/// Holds a token against its issuer's profile.
pub(super) fn check(
    header: &Header,
    claims: &Claims<'_>,
    members: &Object<'_>,
    issuer: &IssuerSettings,
) -> Result<(), Reason> {
    match issuer.profile {
        IssuerProfile::Jwt => Ok(()),
        IssuerProfile::AccessToken => access_token(claims, members),
        IssuerProfile::JwtSvid => jwt_svid(header, claims, issuer),
    }
}

/// RFC 9068 §2.2; `iss`, `exp` and `aud` are demanded of every token.
fn access_token(claims: &Claims<'_>, members: &Object<'_>) -> Result<(), Reason> {
    let missing = claims.subject.is_none()
        || claims.issued_at.is_none()
        || claims.id.is_none()
        // `azp` is not `client_id`.
        || !members.contains("client_id");
    if missing {
        return Err(Reason::TokenClaimMissing);
    }
    // §2.2.3: a string of words, where it is there at all (RFC 8693 §4.2).
    match members.get("scope") {
        Some(scope) if scope.as_str().is_none() => Err(Reason::TokenClaims),
        Some(_) | None => Ok(()),
    }
}

/// JWT-SVID §2 and §3.
fn jwt_svid(header: &Header, claims: &Claims<'_>, issuer: &IssuerSettings) -> Result<(), Reason> {
    // §2: "Any header not described here, registered or private, MUST NOT be included".
    if header.has_others || header.cty.is_some() {
        return Err(Reason::TokenHeader);
    }
    let subject = claims.subject.as_deref().ok_or(Reason::TokenSubjectMissing)?;
    let id = SpiffeId::parse(subject.as_bytes()).map_err(|_| Reason::TokenSpiffeId)?;
    let own = issuer.trust_domain().is_some_and(|domain| *domain == *id.trust_domain());
    // §3.1: a workload's ID; the trust domain alone names none.
    if own && !id.path().is_empty() { Ok(()) } else { Err(Reason::TokenSpiffeId) }
}
