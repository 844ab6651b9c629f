//! From the claims of a token, once its issuer stands behind them, to what is kept of it.

use super::claims::Claims;
use super::types::{StatusEntry, VerifiedToken};
use super::{Confirmation, NotAnObject, delegation, principal};
use crate::crypto::digest;
use crate::json::{Object, Value};
use crate::keys::Signer;
use crate::policy::Entity;
use crate::reason::Reason;
use crate::revocation::Reference;
use crate::settings::{IssuerSettings, Settings};
use crate::time::Timestamp;
use alloc::boxed::Box;
use core::cell::Cell;

/// What was found out of a token beside its claims.
pub(super) struct Read {
    /// The issuer's place in the settings.
    pub(super) issuer: usize,
    /// The key that signed it.
    pub(super) signer: Option<Signer>,
    /// From when on it is valid.
    pub(super) not_before: Timestamp,
    /// Until when.
    pub(super) expires: Timestamp,
}

/// Reads holder, parties and mapped claims.
pub(super) fn assemble(
    token: &[u8],
    read: Read,
    members: &Object<'_>,
    claims: Claims<'_>,
    settings: &Settings,
) -> Result<VerifiedToken, Reason> {
    let issuer = settings.issuers.get(read.issuer).ok_or(Reason::SystemInternal)?;
    let confirmation = Confirmation::read(members)?;
    let workload = match &issuer.workload_claim {
        None => None,
        Some(path) => Some(named_workload(path.find(members))?),
    };
    let parties = parties(members, &claims, issuer)?;
    Ok(VerifiedToken {
        issuer: read.issuer,
        session: session(members, issuer)?,
        issued_at: claims.issued_at,
        status: status(members, read.signer.is_some(), issuer, settings)?,
        signer: read.signer,
        looked_up: Cell::new(0),
        client: claims.client.map(Into::into),
        acr: claims.acr.map(Into::into),
        auth_time: claims.auth_time,
        confirmation,
        digest: confirmation.key.map(|_| digest::sha256(token)),
        workload,
        not_before: read.not_before,
        expires: read.expires,
        spoken: None,
        fresh_until: read.expires,
        principal: parties.principal,
        on_behalf_of: parties.on_behalf_of,
        principal_incomplete: parties.incomplete,
        actors: parties.actors,
        claims: settings
            .claims
            .iter()
            .map(|claim| principal::slot(claim.path.find(members), &claim.ty))
            .collect(),
        subject: claims.subject.map(Into::into),
        id: claims.id.map(Into::into),
    })
}

/// The session that a token was issued in (OpenID Connect Front-Channel Logout 1.0 §3), where its issuer revokes sessions.
fn session(members: &Object<'_>, issuer: &IssuerSettings) -> Result<Option<Box<str>>, Reason> {
    if issuer.revocation.as_ref().is_none_or(|revocation| revocation.feed.is_none()) {
        return Ok(None);
    }
    let text = |value: &Value<'_>| value.as_str().map(Into::into).ok_or(Reason::TokenClaims);
    members.get("sid").map(text).transpose()
}

/// Where the token's status is, among the lists of its issuer that are fetched. A token never says what is fetched.
fn status(
    members: &Object<'_>,
    is_signed: bool,
    issuer: &IssuerSettings,
    settings: &Settings,
) -> Result<Option<StatusEntry>, Reason> {
    let Some(revocation) = issuer.revocation.as_ref().filter(|revocation| !revocation.lists.is_empty())
    else {
        return Ok(None);
    };
    let reference = members.get("status").map(Reference::read).transpose();
    let Some(reference) = reference.map_err(|_| Reason::RevocationStatusMalformed)?.flatten() else {
        // Of a token that cannot be read, the issuer was asked.
        let demanded = revocation.status_required && is_signed;
        return if demanded { Err(Reason::RevocationStatusMissing) } else { Ok(None) };
    };
    let mut lists = revocation.lists.iter().copied();
    let is_meant =
        |list: &usize| settings.revocations.get(*list).is_some_and(|wanted| wanted.uri == reference.uri);
    let list = lists.find(is_meant).ok_or(Reason::RevocationListUnknown)?;
    Ok(Some(StatusEntry { list, index: reference.index }))
}

/// The workload that a claim names. Without one, nobody may present the token.
fn named_workload(claim: Result<Option<&Value<'_>>, NotAnObject>) -> Result<Box<str>, Reason> {
    let text = claim.map_err(|NotAnObject| Reason::TokenClaims)?.ok_or(Reason::TokenClaimMissing)?;
    text.as_str().map(Into::into).ok_or(Reason::TokenClaims)
}

/// Who a token is about, and who acts.
struct Parties {
    principal: Entity,
    on_behalf_of: Option<Box<Entity>>,
    actors: Box<[Box<str>]>,
    incomplete: bool,
}

fn parties(members: &Object<'_>, claims: &Claims<'_>, issuer: &IssuerSettings) -> Result<Parties, Reason> {
    let (subject, incomplete) = principal::read(members, &issuer.principal)?;
    // What `sub` says, and what the configuration calls the subject.
    let names = [claims.subject.as_deref().unwrap_or_default(), subject.uid.id()];
    let delegation = issuer.delegation.as_ref();
    let chain = delegation::read(members, claims.issuer.unwrap_or(&issuer.name), names, delegation)?;
    let (Some(chain), Some(delegation)) = (chain, delegation) else {
        return Ok(Parties { principal: subject, on_behalf_of: None, actors: Box::default(), incomplete });
    };
    let (actor, actor_incomplete) = principal::read(chain.outermost, &delegation.actor)?;
    if actor.uid == subject.uid {
        return Err(Reason::DelegationLoop);
    }
    Ok(Parties {
        principal: actor,
        on_behalf_of: Some(Box::new(subject)),
        actors: chain.ids,
        incomplete: incomplete || actor_incomplete,
    })
}

/// `exp`, `nbf`, `iat` (RFC 7519 §4.1.4-6) and the longest life; from when until when the token is valid. `expires` is `exp`, or what
/// stands in its place.
pub(super) fn check_times(
    claims: &Claims<'_>,
    expires: Option<Timestamp>,
    issuer: &IssuerSettings,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), Reason> {
    let expires = expires.ok_or(Reason::TokenExpiryMissing)?;
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
