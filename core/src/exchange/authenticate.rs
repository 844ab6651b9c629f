//! The second stage: who the decision is about, proved.

use super::Stop;
use super::admit::Admitted;
use crate::config::PrincipalSource;
use crate::gateway::Gateway;
use crate::metrics::Counter;
use crate::reason::Reason;
use crate::settings::Question;
use crate::time::Timestamp;
use crate::token::{Refusal, Verified};

/// Who asks, with the proof.
pub(super) enum Authenticated {
    /// The subject of a verified token.
    Token(Verified),
    /// The workload that was admitted.
    Workload,
}

/// Demands the credential that the route's question names.
pub(super) fn authenticate(
    admitted: &Admitted<'_>,
    question: &Question,
    waited: bool,
    gateway: &mut Gateway,
    count: &mut dyn FnMut(Counter),
    now: Timestamp,
) -> Result<Authenticated, Stop> {
    let authorization = admitted.head.single("authorization").map_err(|_| Reason::RequestHeaderDuplicate)?;
    match question.principal {
        PrincipalSource::Workload if admitted.workload.is_some() => Ok(Authenticated::Workload),
        PrincipalSource::Workload => Err(Reason::TransportWorkloadMissing.into()),
        PrincipalSource::Token => {
            let token = bearer(authorization)?;
            gateway.verify(token, waited, now, count).map(Authenticated::Token).map_err(|refusal| {
                match refusal {
                    Refusal::Because(reason) => reason.into(),
                    Refusal::Wait { issuer } => Stop::Wait { issuer },
                }
            })
        }
    }
}

/// The token of `Bearer <b64token>` (RFC 6750 §2.1): the scheme in any case (RFC 9110 §11.1), one space, no comma, no more.
fn bearer(authorization: Option<&[u8]>) -> Result<&[u8], Reason> {
    let value = authorization.ok_or(Reason::TokenMissing)?;
    let (scheme, token) = match value.iter().position(|byte| *byte == b' ') {
        Some(at) => (value.get(..at).unwrap_or_default(), value.get(at + 1..).unwrap_or_default()),
        None => (value, &[][..]),
    };
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(Reason::TokenScheme);
    }
    if token.is_empty() {
        return Err(Reason::TokenMissing);
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bearer_token_is_a_bearer_token() {
        assert_eq!(bearer(Some(b"Bearer a.b.c")), Ok(&b"a.b.c"[..]));
        assert_eq!(bearer(Some(b"bEARER a.b.c")), Ok(&b"a.b.c"[..]));
        assert_eq!(bearer(None), Err(Reason::TokenMissing));
        assert_eq!(bearer(Some(b"Bearer")), Err(Reason::TokenMissing));
        assert_eq!(bearer(Some(b"Bearer ")), Err(Reason::TokenMissing));
        assert_eq!(bearer(Some(b"Basic YQ==")), Err(Reason::TokenScheme));
        assert_eq!(bearer(Some(b"")), Err(Reason::TokenScheme));
        assert_eq!(bearer(Some(b"Bearera.b.c")), Err(Reason::TokenScheme));
        // More spaces, a comma or a second credential end up in the token, where strict base64url refuses them.
        assert_eq!(bearer(Some(b"Bearer  a")), Ok(&b" a"[..]));
    }
}
