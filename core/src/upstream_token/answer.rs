//! What a token service answers (RFC 6749 §5, RFC 8693 §2.2), read strictly.

use super::{Grounds, UpstreamToken, UpstreamTokenSettings};
use crate::jose::Jws;
use crate::json::{self, Object, Value};
use crate::reason::Reason;
use crate::time::{Span, Timestamp};
use crate::token::{Unusable, is_opaque};
use alloc::format;

/// The largest answer that is read, in bytes.
pub const MAX_ANSWER_BYTES: usize = 32 * 1024;

/// The largest token that is sent upstream, in bytes.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// A token is sent upstream no longer than this before its end, so that it does not end on the way; a tenth of its life where that is
/// less.
const MARGIN: Span = Span::from_secs(5);

/// Reads an answer that came at `now` to a question of this moment; `ok` says whether it came as one, or as a refusal. `spread` is a part of 1,024.
pub fn read(
    ok: bool,
    answer: &[u8],
    settings: &UpstreamTokenSettings,
    grounds: &Grounds,
    spread: u32,
    now: Timestamp,
) -> Result<UpstreamToken, Unusable> {
    if answer.len() > MAX_ANSWER_BYTES {
        return Err(Unusable::Fault("an answer of at most 32 KiB"));
    }
    let answer = json::parse(answer, &json::Limits::TOKEN).map_err(|_| Unusable::Fault("strict JSON"))?;
    let members = answer.as_object().ok_or(Unusable::Fault("a JSON object"))?;
    if !ok {
        return Err(refusal(members, settings));
    }
    let token = text(members, "access_token")?.ok_or(Unusable::Fault("the member `access_token`"))?;
    if token.len() > MAX_TOKEN_BYTES || !is_opaque(token.as_bytes()) {
        return Err(Unusable::Fault("a bearer token of at most 16 KiB"));
    }
    // What is bound to a key of somebody else serves nobody else.
    if !text(members, "token_type")?.is_some_and(|typ| typ.eq_ignore_ascii_case("bearer")) {
        return Err(Unusable::Fault("a token of the type `Bearer`"));
    }
    if !settings.is_own() {
        let issued = text(members, "issued_token_type")?;
        if !issued.is_some_and(|typ| {
            ["urn:ietf:params:oauth:token-type:access_token", "urn:ietf:params:oauth:token-type:jwt"]
                .contains(&typ)
        }) {
            return Err(Unusable::Fault("an access token by `issued_token_type`"));
        }
    }
    narrow(text(members, "scope")?, settings)?;
    let mut life = match members.get("expires_in") {
        None => None,
        Some(value) => match value.as_i64() {
            Some(seconds) if seconds > 0 => Some(Span::from_secs(seconds)),
            Some(_) | None => return Err(Unusable::Fault("`expires_in` as a number of seconds")),
        },
    };
    if settings.is_jwt {
        let left = read_jwt(token.as_bytes(), settings, grounds, now)?;
        life = Some(life.map_or(left, |life| life.min(left)));
    }
    // What does not say how long it lives serves those who wait for it.
    let life = life.unwrap_or(Span::from_secs(1));
    if life > settings.max_lifetime {
        return Err(Unusable::Fault("a token that lives no longer than `max_lifetime_seconds`"));
    }
    let margin = MARGIN.min(Span::from_nanos(life.as_nanos() / 10));
    let expires = now.plus(life).minus(margin).min(grounds.expires);
    // Renewed when 70 to 85 parts of a hundred are over.
    let part = 700 + i64::from(spread % 1_024) * 150 / 1_024;
    let renew = now.plus(Span::from_nanos(expires.since(now).as_nanos() / 1_000 * part));
    Ok(UpstreamToken {
        authorization: format!("Bearer {token}").into(),
        expires,
        renew,
        asked: now,
        mark: None,
    })
}

/// What a refusal says (RFC 6749 §5.2): nothing of the caller where it is about the gateway.
fn refusal(members: &Object<'_>, settings: &UpstreamTokenSettings) -> Unusable {
    match members.get("error").and_then(Value::as_str) {
        Some("invalid_grant" | "invalid_request" | "invalid_target" | "invalid_scope" | "access_denied")
            if !settings.is_own() =>
        {
            Unusable::Because(Reason::DelegationExchangeRefused)
        }
        Some(_) if settings.is_own() => Unusable::Fault("a token, found a refusal"),
        Some("invalid_client" | "unauthorized_client" | "unsupported_grant_type") => {
            Unusable::Fault("a token, found a refusal of the gateway as a client")
        }
        Some(_) | None => Unusable::Fault("an error of RFC 6749 or RFC 8693"),
    }
}

/// Holds a JWT against what was asked for; how long it lives. Its signature is for those to verify whom it is for: it came from the
/// token service itself, and who could forge that answer could forge any.
fn read_jwt(
    token: &[u8],
    settings: &UpstreamTokenSettings,
    grounds: &Grounds,
    now: Timestamp,
) -> Result<Span, Unusable> {
    let jws = Jws::parse(token, MAX_TOKEN_BYTES).map_err(|_| Unusable::Fault("a signed JWT"))?;
    let claims = json::parse(&jws.payload, &json::Limits::TOKEN)
        .map_err(|_| Unusable::Fault("a JWT of strict JSON"))?;
    let claims = claims.as_object().ok_or(Unusable::Fault("a JWT whose claims are a JSON object"))?;
    let wanted = |value: &Value<'_>| {
        value.as_str().is_some_and(|one| settings.audiences.iter().any(|wanted| **wanted == *one))
    };
    let narrow_audience = match claims.get("aud") {
        Some(Value::Array(many)) => !many.is_empty() && many.iter().all(wanted),
        Some(one) => wanted(one),
        None => false,
    };
    if !narrow_audience {
        return Err(Unusable::Fault("a JWT for the audience that was asked for, and for no other"));
    }
    if !settings.is_own() && (grounds.subject.is_none() || text(claims, "sub")? != grounds.subject.as_deref())
    {
        return Err(Unusable::Unfit("a JWT of the subject of the token that it was asked for"));
    }
    if let Some(actor) = &grounds.actor {
        let acting = claims.get("act").and_then(Value::as_object).and_then(|act| act.get("sub"));
        if acting.and_then(Value::as_str) != Some(actor) {
            return Err(Unusable::Unfit("a JWT in which `act` names the actor that was asked for"));
        }
    }
    narrow(text(claims, "scope")?, settings)?;
    let expires = claims.get("exp").and_then(Value::as_number).and_then(|number| number.as_numeric_date());
    match expires.map(|expires| expires.since(now)) {
        Some(left) if left > Span::ZERO => Ok(left),
        Some(_) | None => Err(Unusable::Fault("a JWT with an `exp` that lies ahead")),
    }
}

/// Holds scopes against those that were asked for.
fn narrow(scope: Option<&str>, settings: &UpstreamTokenSettings) -> Result<(), Unusable> {
    let mut words = scope.unwrap_or_default().split(' ').filter(|word| !word.is_empty());
    let allowed = settings.scopes.is_empty()
        || words.all(|word| settings.scopes.iter().any(|allowed| **allowed == *word));
    if allowed {
        Ok(())
    } else {
        Err(Unusable::Fault("a token that allows no more than the scopes asked for"))
    }
}

fn text<'v>(members: &'v Object<'_>, name: &str) -> Result<Option<&'v str>, Unusable> {
    match members.get(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or(Unusable::Fault("members of the standard's types")),
    }
}

#[cfg(test)]
pub(super) mod tests;
