//! The second stage: who the decision is about, proved.

use super::Stop;
use super::admit::Admitted;
use super::audit::Record;
use crate::api_key::Presented;
use crate::config::PrincipalSource;
use crate::gateway::{Asker, Gateway};
use crate::metrics::Counter;
use crate::reason::Reason;
use crate::request::RequestHead;
use crate::settings::Question;
use crate::time::Timestamp;
use crate::token::{Refusal, Verified, is_signed};

/// Who asks, with the proof.
pub(super) enum Authenticated {
    /// A verified token, presented under this scheme.
    Token {
        /// The token.
        verified: Verified,
        /// How it was presented.
        scheme: Scheme,
    },
    /// The caller that an API key stands for.
    ApiKey(Presented),
    /// The workload that was admitted.
    Workload,
}

/// How a token is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// By itself (RFC 6750 §2.1).
    Bearer,
    /// With a proof of possession (RFC 9449 §7.1).
    Dpop,
}

/// Demands a credential that the route's question names. A request carries one: of two, nobody could say which one was meant.
pub(super) fn authenticate(
    admitted: &Admitted<'_>,
    question: &Question,
    asker: Asker,
    gateway: &mut Gateway,
    record: &mut Record,
    count: &mut dyn FnMut(Counter),
    now: Timestamp,
) -> Result<Authenticated, Stop> {
    let authorization = admitted.head.single("authorization").map_err(|_| Reason::RequestHeaderDuplicate)?;
    match question.principal {
        PrincipalSource::Workload if admitted.workload.is_some() => Ok(Authenticated::Workload),
        PrincipalSource::Workload => Err(Reason::TransportWorkloadMissing.into()),
        PrincipalSource::Token => {
            match (authorization, api_key(admitted, gateway)?) {
                (Some(_), Some(_)) => return Err(Reason::TokenSeveral.into()),
                (None, Some(_)) if !question.takes_api_key => {
                    return Err(Reason::TokenApiKeyNotAccepted.into());
                }
                (None, Some(key)) => return known_key(key, admitted, gateway, record, count, now),
                (Some(_) | None, None) => {}
            }
            let (scheme, token) = token(authorization)?;
            let verdict = match question.takes_opaque && !is_signed(token) {
                true => gateway.introspect(token, question, asker, now, count),
                false if question.takes_token => match gateway.verify(token, asker.waited.keys, now, count) {
                    Ok(verified) if question.live => gateway.confirm(token, verified, asker, now, count),
                    verdict => verdict,
                },
                false => Err(Reason::TokenNotAccepted.into()),
            };
            let verdict = verdict.and_then(|verified| {
                let waited = asker.waited;
                let longer = question.degrade.revocation;
                let beyond = gateway.check_revocation(token, verified.token(), waited, longer, now)?;
                if verified.is_degraded() {
                    count(Counter::DegradedIntrospection);
                    record.degraded("introspection");
                }
                if beyond {
                    count(Counter::DegradedRevocation);
                    record.degraded("revocation");
                }
                Ok(verified)
            });
            match verdict {
                Ok(verified) => Ok(Authenticated::Token { verified, scheme }),
                Err(Refusal::Because(reason)) => Err(reason.into()),
                Err(Refusal::Wait(need)) => Err(Stop::Wait(need)),
            }
        }
    }
}

/// The API key that the request carries, where the configuration has such keys.
fn api_key<'a>(admitted: &Admitted<'a>, gateway: &Gateway) -> Result<Option<&'a [u8]>, Reason> {
    match &gateway.settings().api_keys {
        None => Ok(None),
        Some(keys) => admitted.head.single(&keys.header).map_err(|_| Reason::RequestHeaderDuplicate),
    }
}

fn known_key(
    key: &[u8],
    admitted: &Admitted<'_>,
    gateway: &Gateway,
    record: &mut Record,
    count: &mut dyn FnMut(Counter),
    now: Timestamp,
) -> Result<Authenticated, Stop> {
    let keys = gateway.settings().api_keys.as_ref().ok_or(Reason::SystemInternal)?;
    match keys.verify(key, admitted.workload.as_ref(), now) {
        Ok(presented) => {
            record.presented_key(&presented.key().id);
            count(Counter::ApiKeyAccepted);
            Ok(Authenticated::ApiKey(presented))
        }
        Err(refused) => {
            if let Some(known) = &refused.known {
                record.presented_key(&known.id);
            }
            Err(refused.reason.into())
        }
    }
}

/// Whether a request presents its token with a proof, so that a refusal can answer in the same scheme.
pub(super) fn is_dpop(head: &RequestHead<'_>) -> bool {
    head.single("authorization").is_ok_and(|value| matches!(token(value), Ok((Scheme::Dpop, _))))
}

/// The token that a request presents, however.
pub(super) fn bearer<'a>(head: &'a RequestHead<'_>) -> Option<&'a [u8]> {
    let value = head.single("authorization").ok()?;
    token(value).ok().map(|(_, token)| token)
}

/// Scheme and token of `Bearer <token>` (RFC 6750 §2.1) or `DPoP <token>` (RFC 9449 §7.1): the scheme in any case (RFC 9110
/// §11.1), one space, no comma, no more.
fn token(authorization: Option<&[u8]>) -> Result<(Scheme, &[u8]), Reason> {
    let value = authorization.ok_or(Reason::TokenMissing)?;
    let (scheme, token) = match value.iter().position(|byte| *byte == b' ') {
        Some(at) => (value.get(..at).unwrap_or_default(), value.get(at + 1..).unwrap_or_default()),
        None => (value, &[][..]),
    };
    let scheme = match () {
        () if scheme.eq_ignore_ascii_case(b"bearer") => Scheme::Bearer,
        () if scheme.eq_ignore_ascii_case(b"dpop") => Scheme::Dpop,
        () => return Err(Reason::TokenScheme),
    };
    if token.is_empty() { Err(Reason::TokenMissing) } else { Ok((scheme, token)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_is_followed_by_one_token() {
        use Scheme::{Bearer, Dpop};
        assert_eq!(token(Some(b"Bearer a.b.c")), Ok((Bearer, &b"a.b.c"[..])));
        assert_eq!(token(Some(b"bEARER a.b.c")), Ok((Bearer, &b"a.b.c"[..])));
        assert_eq!(token(Some(b"DPoP a.b.c")), Ok((Dpop, &b"a.b.c"[..])));
        assert_eq!(token(None), Err(Reason::TokenMissing));
        assert_eq!(token(Some(b"Bearer")), Err(Reason::TokenMissing));
        assert_eq!(token(Some(b"Bearer ")), Err(Reason::TokenMissing));
        assert_eq!(token(Some(b"DPoP ")), Err(Reason::TokenMissing));
        assert_eq!(token(Some(b"Basic YQ==")), Err(Reason::TokenScheme));
        assert_eq!(token(Some(b"")), Err(Reason::TokenScheme));
        assert_eq!(token(Some(b"Bearera.b.c")), Err(Reason::TokenScheme));
        // More spaces, a comma or a second credential end up in the token, where strict base64url refuses them.
        assert_eq!(token(Some(b"Bearer  a")), Ok((Bearer, &b" a"[..])));
    }
}
