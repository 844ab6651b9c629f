//! Signed answers about tokens (RFC 9701).

use super::claims::Claims;
use super::introspected::{MAX_ANSWER_BYTES, Unusable};
use crate::jose::is_type;
use crate::json::Value;
use crate::keys::Signer;
use crate::settings::IssuerSettings;
use crate::signed::{self, Expected, Fault, Keys};
use crate::time::{Span, Timestamp};
use alloc::vec::Vec;

/// The media type of a signed answer, without its `application/` (§5).
const TYPE: &str = "token-introspection+jwt";

/// Verifies that a signed answer is this issuer's; its payload, and the key.
pub(crate) fn open_answer(
    answer: &[u8],
    issuer: &IssuerSettings,
    keys: Keys<'_>,
    now: Timestamp,
) -> Result<(Vec<u8>, Signer), Unusable> {
    let expected = Expected {
        max_bytes: MAX_ANSWER_BYTES * 3 / 2,
        is_type: &|typ| is_type(typ, TYPE),
        algorithms: &issuer.algorithms,
    };
    signed::open(answer, &expected, keys, now).map_err(|fault| {
        Unusable::Fault(match fault {
            Fault::Jws(_) => "a signed answer",
            Fault::Type => "an answer whose `typ` is `token-introspection+jwt`",
            Fault::Algorithm => "an answer signed by one of the issuer's `algorithms`",
            Fault::Key(_) => "an answer signed by a key of the issuer",
        })
    })
}

/// What the payload of a signed answer says to `client`. An answer of more than `age` ago says nothing.
pub fn said_to<'v, 'a>(
    client: &str,
    payload: &'v Value<'a>,
    issuer: &IssuerSettings,
    age: Span,
    now: Timestamp,
) -> Result<&'v Value<'a>, Unusable> {
    let members = payload.as_object().ok_or(Unusable::Fault("a signed answer that is a JSON object"))?;
    let claims = Claims::read(members).map_err(|_| Unusable::Fault("claims of the standard's types"))?;
    if claims.issuer != Some(&*issuer.name) || !claims.is_for(client) {
        return Err(Unusable::Fault("an answer by the issuer, to the gateway's `client_id`"));
    }
    let skew = issuer.clock_skew;
    let fresh = claims.issued_at.is_some_and(|issued| {
        issued <= now.plus(skew) && issued >= now.minus(skew).minus(age).minus(Span::from_secs(1))
    });
    if !fresh {
        return Err(Unusable::Fault("an answer that was made for this question, by its `iat`"));
    }
    members.get("token_introspection").ok_or(Unusable::Fault("the member `token_introspection`"))
}
