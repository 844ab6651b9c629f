//! Signed answers about tokens (RFC 9701).

use super::claims::Claims;
use super::introspected::{MAX_ANSWER_BYTES, Unusable};
use crate::crypto::SignatureProvider;
use crate::jose::{Jws, is_type};
use crate::json::{self, Value};
use crate::keys::KeyStore;
use crate::reason::Reason;
use crate::settings::IssuerSettings;
use crate::time::{Span, Timestamp};
use alloc::vec::Vec;

/// The media type of a signed answer, without its `application/` (§5).
const TYPE: &str = "token-introspection+jwt";

/// Verifies a signed answer of this issuer to `client`; its payload. An answer of more than `age` ago is none.
pub(crate) fn open_answer(
    answer: &[u8],
    issuer: &IssuerSettings,
    client: &str,
    age: Span,
    keys: (&mut KeyStore, &dyn SignatureProvider),
    now: Timestamp,
) -> Result<Vec<u8>, Unusable> {
    let jws = Jws::parse(answer, MAX_ANSWER_BYTES * 3 / 2).map_err(|_| Unusable::Fault("a signed answer"))?;
    // A token of the same issuer is as well signed, and says something else (§8.1, RFC 8725 §3.11).
    if !jws.header.typ.as_deref().is_some_and(|typ| is_type(typ, TYPE)) {
        return Err(Unusable::Fault("an answer whose `typ` is `token-introspection+jwt`"));
    }
    if !issuer.algorithms.contains(&jws.header.algorithm) {
        return Err(Unusable::Fault("an answer signed by one of the issuer's `algorithms`"));
    }
    let (store, provider) = keys;
    // A new key is fetched for the answers after this one.
    store
        .verify(&jws, false, provider, now)
        .map_err(|_| Unusable::Fault("an answer signed by a key of the issuer"))?;
    let payload = json::parse(&jws.payload, &json::Limits::TOKEN)
        .map_err(|_| Unusable::Fault("a signed answer of strict JSON"))?;
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
    drop(payload);
    Ok(jws.payload)
}

/// What a signed answer says.
pub(crate) fn inner<'v, 'a>(payload: &'v Value<'a>) -> Result<&'v Value<'a>, Unusable> {
    let members = payload.as_object().ok_or(Reason::SystemInternal)?;
    members.get("token_introspection").ok_or(Unusable::Fault("the member `token_introspection`"))
}
