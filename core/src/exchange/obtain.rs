//! The last stage: the token that goes upstream in the client's place, where the route wants one.

use super::admit::Admitted;
use super::authenticate;
use super::authorize::Permit;
use super::effect::HeaderEdits;
use crate::gateway::{Gateway, Need};
use crate::metrics::Counter;
use crate::reason::Reason;
use crate::settings::HeaderNames;
use crate::time::{Span, Timestamp};
use crate::token::Refusal;
use crate::upstream_token::{OWN_KEY, UpstreamToken, Wanted};
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;

/// What came of it.
pub(super) enum Obtained {
    /// The route wants none.
    Nothing,
    /// The token.
    Token(Rc<UpstreamToken>),
    /// It has to be waited for; the answer will be about this.
    Later {
        need: Need,
        key: Box<[u8]>,
        /// How much longer than their budget the route relies on documents about revoked tokens.
        longer: Span,
    },
}

/// Gets the token that the route wants, for what was permitted.
pub(super) fn obtain(
    permit: &Permit,
    admitted: &Admitted<'_>,
    gateway: &mut Gateway,
    count: &mut dyn FnMut(Counter),
    now: Timestamp,
) -> Result<Obtained, Reason> {
    let Some(index) = admitted.route.upstream_token else { return Ok(Obtained::Nothing) };
    let settings = Rc::clone(gateway.settings());
    let asked = settings.upstream_tokens.get(index).ok_or(Reason::SystemInternal)?;
    let (got, key) = if asked.is_own() {
        (gateway.own_token(index, count, now), OWN_KEY.to_vec())
    } else {
        let wanted = wanted(index, permit, admitted)?;
        let key = wanted.key(asked);
        (gateway.exchange(&wanted, &key, count, now), key)
    };
    match got {
        Ok(token) => Ok(Obtained::Token(token)),
        Err(Refusal::Because(reason)) => Err(reason),
        Err(Refusal::Wait(need)) => {
            let question = admitted.route.question.as_ref();
            let longer = question.map_or(Span::ZERO, |question| question.degrade.revocation);
            Ok(Obtained::Later { need, key: key.into(), longer })
        }
    }
}

/// The exchange of the client's token.
fn wanted<'a>(index: usize, permit: &'a Permit, admitted: &'a Admitted<'_>) -> Result<Wanted<'a>, Reason> {
    let verified = permit.identified().and_then(|identified| identified.principal.verified());
    let verified = verified.ok_or(Reason::SystemInternal)?;
    Ok(Wanted {
        index,
        token: authenticate::bearer(admitted.head).ok_or(Reason::SystemInternal)?,
        verified: verified.token(),
        workload: admitted.workload.as_ref().map(|workload| workload.as_str()),
    })
}

/// Puts the token into the request.
pub(super) fn add(edits: &mut HeaderEdits, token: &UpstreamToken, names: &HeaderNames) {
    if !edits.remove.iter().any(|name| name.eq_ignore_ascii_case(b"authorization")) {
        edits.remove.push((*b"authorization").into());
    }
    edits.add.push((Rc::clone(&names.authorization), String::from(&*token.authorization)));
}
