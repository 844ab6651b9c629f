//! Who acts for the subject of a token (RFC 8693 §4.1, §4.4).

use crate::json::Object;
use crate::reason::Reason;
use crate::settings::DelegationSettings;
use crate::token::{ClaimPath, NotAnObject};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The actors of a token, the outermost first: the one who acts now. Those within it are history.
pub(super) struct Chain<'v, 'a> {
    /// The claims of the outermost actor.
    pub(super) outermost: &'v Object<'a>,
    /// The ids of all.
    pub(super) ids: Box<[Box<str>]>,
}

/// Reads `act`, and holds it against `may_act`; nothing where the token names no actor.
///
/// `issuer` is the token's own: an actor that names no issuer is of the same one. One of another issuer is somebody else, whom
/// its id alone would make one of ours. `subject` holds the subject's ids: nobody stands in a chain twice.
pub(super) fn read<'v, 'a>(
    claims: &'v Object<'a>,
    issuer: &str,
    subject: [&str; 2],
    settings: Option<&DelegationSettings>,
) -> Result<Option<Chain<'v, 'a>>, Reason> {
    let allowed = match claims.get("may_act") {
        None => None,
        Some(value) => Some(value.as_object().ok_or(Reason::TokenClaims)?),
    };
    let Some(act) = claims.get("act") else {
        let required = settings.is_some_and(|settings| settings.required);
        return if required { Err(Reason::DelegationMissing) } else { Ok(None) };
    };
    let settings = settings.ok_or(Reason::DelegationUnsupported)?;
    let outermost = act.as_object().ok_or(Reason::DelegationMalformed)?;
    let mut ids: Vec<Box<str>> = Vec::new();
    let mut seen = subject.to_vec();
    let mut next = Some(outermost);
    while let Some(actor) = next {
        if ids.len() == settings.max_depth {
            return Err(Reason::DelegationDepth);
        }
        let (of, id) = party(actor, issuer, &settings.actor.id)?;
        if of != issuer {
            return Err(Reason::DelegationIssuer);
        }
        if seen.contains(&id) {
            return Err(Reason::DelegationLoop);
        }
        seen.push(id);
        ids.push(id.into());
        next = match actor.get("act") {
            None => None,
            Some(value) => Some(value.as_object().ok_or(Reason::DelegationMalformed)?),
        };
    }
    if let Some(allowed) = allowed
        && party_of(outermost, issuer, &settings.actor.id) != party_of(allowed, issuer, &settings.actor.id)
    {
        return Err(Reason::DelegationNotAllowed);
    }
    Ok(Some(Chain { outermost, ids: ids.into() }))
}

fn party_of<'v>(claims: &'v Object<'_>, issuer: &'v str, id: &ClaimPath) -> Option<(&'v str, &'v str)> {
    party(claims, issuer, id).ok()
}

/// Issuer and id of an actor.
fn party<'v>(claims: &'v Object<'_>, issuer: &'v str, id: &ClaimPath) -> Result<(&'v str, &'v str), Reason> {
    let malformed = Reason::DelegationMalformed;
    let issuer = match claims.get("iss") {
        None => issuer,
        Some(value) => value.as_str().filter(|issuer| !issuer.is_empty()).ok_or(malformed)?,
    };
    let id = id.find(claims).map_err(|NotAnObject| malformed)?.and_then(|id| id.as_str());
    Ok((issuer, id.filter(|id| !id.is_empty()).ok_or(malformed)?))
}
