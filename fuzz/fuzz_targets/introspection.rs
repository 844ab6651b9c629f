//! An opaque token, and after a line's end what its issuer says of it (RFC 7662 §2.2).

#![no_main]

use countersign_core::call::Form;
use countersign_core::json::{self, Value};
use countersign_core::time::{Span, Timestamp};
use countersign_core::settings::Settings;
use countersign_core::token::{
    Confirmation, MAX_ANSWER_BYTES, Unusable, confirmed, introspected, is_opaque, is_signed, said_to,
};
use countersign_fuzz::{NOW, accepted, settings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (token, answer) = (&input[..end], input.get(end + 1..).unwrap_or_default());
    asked(token);

    let (settings, now) = (settings(), Timestamp::from_secs(NOW));
    let said = json::parse(answer, &json::Limits::TOKEN).ok();
    let active = match said.as_ref().and_then(|said| said.as_object()?.get("active")) {
        Some(Value::Bool(active)) if answer.len() <= MAX_ANSWER_BYTES => Some(*active),
        _ => None,
    };
    if let Some(said) = &said {
        live(said, &settings, now);
        signed(said, &settings, now);
    }
    match introspected(token, answer, 0, &settings, now) {
        Ok(verified) => {
            accepted();
            assert_eq!(active, Some(true));
            let said = said.as_ref().and_then(|said| said.as_object()).expect("an object");
            for claim in ["aud", "sub", "token_type"] {
                assert!(said.contains(claim), "allowed without `{claim}`");
            }
            assert!(verified.valid_at(now), "not valid when it was said");
            assert!(!verified.valid_at(now.minus(Span::from_millis(1))), "valid before it was said");
            // The longest life, and the skew that clocks are allowed.
            assert!(verified.expires <= now.plus(Span::from_secs(2 * 3_600)), "valid for too long");
            assert!(verified.issuer == 0 && verified.signer.is_none());
            if said.contains("cnf") {
                assert_ne!(verified.confirmation, Confirmation::default(), "a bound token lost its binding");
            }
        }
        Err(Unusable::Because(_)) => assert!(active.is_some(), "refused, and nothing was said of it"),
        Err(Unusable::Fault(_) | Unusable::Unfit(_)) => assert_eq!(active, None, "an answer that is not taken for one"),
    }
});

/// An answer about a signed token says that it is active, and of a type that is presented.
fn live(said: &Value<'_>, settings: &Settings, now: Timestamp) {
    if confirmed(said, 0, settings, now).is_ok() {
        let members = said.as_object().expect("an object");
        assert!(matches!(members.get("active"), Some(Value::Bool(true))));
        assert!(matches!(members.get("token_type"), None | Some(Value::String(_))));
    }
}

/// The payload of a signed answer (RFC 9701 §5) is the issuer's, to the gateway, and new.
fn signed(said: &Value<'_>, settings: &Settings, now: Timestamp) {
    let issuer = &settings.issuers[0];
    if said_to("gateway", said, issuer, Span::from_secs(2), now).is_ok() {
        let members = said.as_object().expect("an object");
        assert_eq!(members.get("iss").and_then(Value::as_str), Some(&*issuer.name));
        assert!(["aud", "iat", "token_introspection"].iter().all(|name| members.contains(name)));
    }
}

/// What goes to the issuer is the token, whole, and nothing that it brought along.
fn asked(token: &[u8]) {
    let signed = is_signed(token);
    assert!(!signed || token.iter().filter(|byte| **byte == b'.').count() >= 2);
    assert!(!is_opaque(token) || token.iter().all(u8::is_ascii_graphic));
    let form = Form::new().with("token", token).with("token_type_hint", b"access_token");
    let mut fields = form.as_bytes().split(|byte| *byte == b'&');
    let first = fields.next().and_then(|field| field.strip_prefix(b"token=")).expect("the token");
    assert_eq!(decoded(first), token);
    assert_eq!(fields.next(), Some(&b"token_type_hint=access_token"[..]));
    assert_eq!(fields.next(), None);
}

/// A field's value (RFC 6749, appendix B).
fn decoded(field: &[u8]) -> Vec<u8> {
    let mut bytes = field.iter();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit =
                    || char::from(*bytes.next().expect("two digits")).to_digit(16).expect("a digit");
                u8::try_from(digit() * 16 + digit()).expect("a byte")
            }
            byte => *byte,
        });
    }
    out
}
