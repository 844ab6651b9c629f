//! What a token service answers (RFC 6749 §5, RFC 8693 §2.2). The first byte says which token was asked for, and whether the answer came
//! as one or as a refusal; after a line's end come the claims of the JWT that stands in the place of `$`.

#![no_main]

use countersign_core::base64url;
use countersign_core::json::{self, Object, Value};
use countersign_core::reason::Reason;
use countersign_core::time::{Span, Timestamp};
use countersign_core::token::Unusable;
use countersign_core::upstream_token::{
    Grounds, MAX_ANSWER_BYTES, UpstreamToken, UpstreamTokenSettings, read,
};
use countersign_fuzz::{NOW, accepted, settings, token};
use libfuzzer_sys::fuzz_target;

const SUBJECT: &str = "a";
const ACTOR: &str = "spiffe://bank.example/edge";

/// How long the client's own token lives, in seconds: less than the longest life of one for upstream.
const LEFT: i64 = 600;

fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = input.split_first() else { return };
    let settings = settings();
    let all = &settings.upstream_tokens;
    let asked = &all[usize::from(choice % 8) % all.len()];
    let ok = usize::from(choice % 8) < all.len();
    let answer = filled(rest);
    let now = Timestamp::from_secs(NOW);
    let grounds = if asked.is_own() {
        Grounds::none()
    } else {
        let actor = asked.is_jwt.then(|| ACTOR.into());
        Grounds { subject: Some(SUBJECT.into()), actor, issuer: 0, expires: now.plus(Span::from_secs(LEFT)) }
    };
    let said = json::parse(&answer, &json::Limits::TOKEN).ok();
    let said = said.as_ref().and_then(Value::as_object);
    match read(ok, &answer, asked, &grounds, u32::from(*choice) * 4, now) {
        Ok(token) => {
            accepted();
            assert!(ok && answer.len() <= MAX_ANSWER_BYTES);
            given(&token, said.expect("an object"), asked, &grounds, now);
        }
        Err(Unusable::Because(reason)) => {
            assert_eq!(reason, Reason::DelegationExchangeRefused);
            assert!(!ok && !asked.is_own(), "the caller is blamed for what nobody said of it");
            let error = said.and_then(|said| said.get("error")?.as_str()).expect("an error");
            assert!(!error.ends_with("_client") && error != "unsupported_grant_type", "{error}");
        }
        Err(Unusable::Fault(_) | Unusable::Unfit(_)) => {}
    }
});

/// The answer, its token encoded.
fn filled(rest: &[u8]) -> Vec<u8> {
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { return rest.to_vec() };
    let (answer, claims) = (&rest[..end], &rest[end + 1..]);
    let Some(at) = answer.iter().position(|byte| *byte == b'$') else { return answer.to_vec() };
    let token = token(br#"{"alg":"ES256","kid":"k"}"#, claims);
    [&answer[..at], token.as_bytes(), &answer[at + 1..]].concat()
}

/// Holds what was accepted against what was asked for.
fn given(
    token: &UpstreamToken,
    said: &Object<'_>,
    asked: &UpstreamTokenSettings,
    grounds: &Grounds,
    now: Timestamp,
) {
    let text = token.authorization.strip_prefix("Bearer ").expect("a bearer token");
    assert!(!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
    assert_eq!(said.get("access_token").and_then(Value::as_str), Some(text));
    let typ = said.get("token_type").and_then(Value::as_str).expect("a type");
    assert!(typ.eq_ignore_ascii_case("bearer"), "{typ}");
    assert!(asked.is_own() || said.contains("issued_token_type"));

    assert!(now <= token.renew && token.renew <= token.expires, "{token:?}");
    assert!(token.expires <= grounds.expires, "it outlives the client's");
    assert!(token.expires <= now.plus(asked.max_lifetime), "it lives for too long");
    match said.get("expires_in") {
        Some(seconds) => {
            let seconds = Span::from_secs(seconds.as_i64().expect("seconds"));
            assert!(token.expires < now.plus(seconds), "it is sent until its end");
        }
        None if !asked.is_jwt => {
            assert!(token.expires <= now.plus(Span::from_secs(1)), "nobody said how long")
        }
        None => {}
    }
    scopes(said, asked);
    if !asked.is_jwt {
        return;
    }

    let payload = text.split('.').nth(1).expect("a JWT");
    let payload = base64url::decode(payload.as_bytes()).expect("base64url");
    let claims = json::parse(&payload, &json::Limits::TOKEN).expect("JSON");
    let claims = claims.as_object().expect("claims");
    let wanted = |one: &Value<'_>| {
        let one = one.as_str().expect("an audience");
        asked.audiences.iter().any(|wanted| **wanted == *one)
    };
    match claims.get("aud").expect("an audience") {
        Value::Array(many) => assert!(!many.is_empty() && many.iter().all(wanted), "for others too"),
        one => assert!(wanted(one), "for others"),
    }
    if !asked.is_own() {
        assert_eq!(claims.get("sub").and_then(Value::as_str), Some(SUBJECT));
        let act = claims.get("act").and_then(Value::as_object).expect("an actor");
        assert_eq!(act.get("sub").and_then(Value::as_str), Some(ACTOR));
    }
    scopes(claims, asked);
    let exp = claims.get("exp").and_then(Value::as_number).and_then(|exp| exp.as_numeric_date());
    assert!(token.expires <= exp.expect("an end"), "it outlives itself");
}

/// No scope beyond those that were asked for.
fn scopes(members: &Object<'_>, asked: &UpstreamTokenSettings) {
    let Some(scope) = members.get("scope") else { return };
    for word in scope.as_str().expect("text").split(' ').filter(|word| !word.is_empty()) {
        assert!(asked.scopes.iter().any(|allowed| **allowed == *word), "{word:?} is allowed too");
    }
}
