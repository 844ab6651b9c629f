use super::*;
use crate::base64url;
use crate::fetch::Location;
use crate::party::PartySettings;
use crate::upstream_token::{ActorSettings, GrantSettings};
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_secs(1_000);

pub(in crate::upstream_token) fn settings() -> UpstreamTokenSettings {
    UpstreamTokenSettings {
        name: "model".into(),
        party: PartySettings {
            endpoint: Location::parse("https://issuer.example/token", "issuer").unwrap(),
            timeout: Span::from_secs(1),
            calls: 4,
            media_type: "application/json",
            refuses_by_400: true,
        },
        grant: GrantSettings::Exchange(ActorSettings::Workload),
        fields: Vec::new(),
        audiences: vec!["model".into(), "https://model.example".into()],
        scopes: vec!["score".into(), "read".into()],
        is_jwt: true,
        max_lifetime: Span::from_secs(600),
        digest: [7; 32],
    }
}

fn grounds() -> Grounds {
    Grounds {
        subject: Some("alice".into()),
        actor: Some("spiffe://a/w".into()),
        issuer: 0,
        expires: Timestamp::from_secs(1_500),
    }
}

fn jwt(claims: &str) -> String {
    let part = |text: &str| base64url::encode(text.as_bytes());
    alloc::format!("{}.{}.{}", part(r#"{"alg":"ES256","typ":"at+jwt"}"#), part(claims), part("signature"))
}

const CLAIMS: &str =
    r#"{"sub":"alice","aud":"model","exp":1300,"scope":"score","act":{"sub":"spiffe://a/w"}}"#;

fn answer(token: &str, more: &str) -> String {
    alloc::format!(
        r#"{{"access_token":"{token}","token_type":"bearer","issued_token_type":"urn:ietf:params:oauth:token-type:access_token"{more}}}"#
    )
}

fn reads(settings: &UpstreamTokenSettings, answer: &str) -> Result<UpstreamToken, Unusable> {
    read(true, answer.as_bytes(), settings, &grounds(), 0, NOW)
}

fn expected(answer: &str) -> &'static str {
    match reads(&settings(), answer) {
        Ok(_) => "",
        Err(Unusable::Fault(expected) | Unusable::Unfit(expected)) => expected,
        Err(Unusable::Because(reason)) => reason.code(),
    }
}

#[test]
fn a_good_token_is_used_until_shortly_before_the_first_end() {
    let token = reads(&settings(), &answer(&jwt(CLAIMS), "")).unwrap();
    assert_eq!(&*token.authorization, alloc::format!("Bearer {}", jwt(CLAIMS)));
    assert_eq!(token.expires, Timestamp::from_secs(1_295));
    assert_eq!(token.renew, NOW.plus(Span::from_nanos(206_500_000_000)));
    let late = read(true, answer(&jwt(CLAIMS), "").as_bytes(), &settings(), &grounds(), 1_023, NOW).unwrap();
    assert!(late.renew > token.renew && late.renew < late.expires);

    let sooner = reads(&settings(), &answer(&jwt(CLAIMS), r#","expires_in":20"#)).unwrap();
    assert_eq!(sooner.expires, Timestamp::from_secs(1_018), "a tenth of a short life");
    let short = Grounds { expires: Timestamp::from_secs(1_100), ..grounds() };
    let bounded = read(true, answer(&jwt(CLAIMS), "").as_bytes(), &settings(), &short, 0, NOW).unwrap();
    assert_eq!(bounded.expires, Timestamp::from_secs(1_100), "no longer than what it was given for");
    assert!(!alloc::format!("{token:?}").contains("Bearer"));
}

#[test]
fn what_was_not_asked_for_is_not_used() {
    let with = |from: &str, to: &str| {
        assert!(CLAIMS.contains(from), "{from}");
        expected(&answer(&jwt(&CLAIMS.replacen(from, to, 1)), ""))
    };
    assert_eq!(with("alice", "alice"), "");
    for (from, to, why) in [
        ("alice", "bob", "subject"),
        (r#""sub":"alice","#, "", "subject"),
        (r#""model""#, r#""other""#, "audience"),
        (r#""model""#, r#"["model","other"]"#, "audience"),
        (r#""model""#, "[]", "audience"),
        (r#""model""#, "7", "audience"),
        (r#""aud":"model","#, "", "audience"),
        ("spiffe://a/w", "spiffe://a/v", "actor"),
        (r#","act":{"sub":"spiffe://a/w"}"#, "", "actor"),
        (r#"{"sub":"spiffe://a/w"}"#, r#"{"act":{"sub":"spiffe://a/w"}}"#, "actor"),
        (r#""score""#, r#""score pay""#, "scopes"),
        (r#""score""#, r#"["score"]"#, "types"),
        ("1300", "1000", "`exp`"),
        (r#","exp":1300"#, "", "`exp`"),
        ("1300", r#""1300""#, "`exp`"),
        ("1300", "1601", "max_lifetime"),
        (r#""sub":"alice""#, r#""sub":"alice","sub":"alice""#, "strict JSON"),
    ] {
        let why_not = with(from, to);
        assert!(why_not.contains(why), "{to}: {why_not}");
    }
    assert_eq!(with(r#""model""#, r#"["model","https://model.example"]"#), "");
    assert_eq!(with(r#","scope":"score""#, ""), "");
}

#[test]
fn what_stands_around_the_token_is_read_too() {
    let good = answer(&jwt(CLAIMS), "");
    let with = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        expected(&good.replacen(from, to, 1))
    };
    for (from, to, why) in [
        (r#""bearer""#, r#""DPoP""#, "Bearer"),
        (r#""bearer""#, r#""N_A""#, "Bearer"),
        (r#""token_type":"bearer","#, "", "Bearer"),
        ("token-type:access_token", "token-type:refresh_token", "issued_token_type"),
        (r#","issued_token_type":"urn:ietf:params:oauth:token-type:access_token""#, "", "issued_token_type"),
        (r#""access_token":"#, r#""token":"#, "`access_token`"),
        (r#""access_token":""#, r#""access_token":"\n"#, "bearer token"),
        (r#""bearer""#, r#""bearer","scope":"pay""#, "scopes"),
        (r#""bearer""#, r#""bearer","expires_in":"300""#, "expires_in"),
        (r#""bearer""#, r#""bearer","expires_in":0"#, "expires_in"),
    ] {
        let why_not = with(from, to);
        assert!(why_not.contains(why), "{to}: {why_not}");
    }
    assert_eq!(expected(&answer("opaque", "")), "a signed JWT");
    assert_eq!(expected("[]"), "a JSON object");
    assert_eq!(expected("{"), "strict JSON");
    let huge = answer(&jwt(CLAIMS), &alloc::format!(r#","pad":"{}""#, "x".repeat(MAX_ANSWER_BYTES)));
    assert_eq!(expected(&huge), "an answer of at most 32 KiB");
}

#[test]
fn an_opaque_token_is_held_to_what_is_said_beside_it() {
    let opaque = UpstreamTokenSettings { is_jwt: false, ..settings() };
    let life =
        |more: &str| reads(&opaque, &answer("abc", more)).map(|token| token.expires.since(NOW).as_secs());
    assert_eq!(life(r#","expires_in":100"#), Ok(95));
    assert_eq!(life(""), Ok(0), "no life said: for those who wait alone");
    assert!(life(r#","expires_in":601"#).is_err());
    let own = UpstreamTokenSettings { grant: GrantSettings::ClientCredentials, ..opaque };
    assert!(reads(&own, r#"{"access_token":"abc","token_type":"Bearer","expires_in":60}"#).is_ok());
}

#[test]
fn refusals_blame_the_right_one() {
    let own = UpstreamTokenSettings { grant: GrantSettings::ClientCredentials, ..settings() };
    let refused = |settings: &UpstreamTokenSettings, error: &str| {
        let body = alloc::format!(r#"{{"error":{error}}}"#);
        match read(false, body.as_bytes(), settings, &grounds(), 0, NOW) {
            Ok(_) => String::new(),
            Err(Unusable::Because(reason)) => reason.code().to_string(),
            Err(Unusable::Fault(_) | Unusable::Unfit(_)) => "fault".into(),
        }
    };
    for (error, whose) in [
        (r#""invalid_grant""#, "delegation.exchange_refused"),
        (r#""invalid_target""#, "delegation.exchange_refused"),
        (r#""invalid_client""#, "fault"),
        (r#""unauthorized_client""#, "fault"),
        (r#""whatever""#, "fault"),
        ("7", "fault"),
    ] {
        assert_eq!(refused(&settings(), error), whose, "{error}");
        assert_eq!(refused(&own, error), "fault", "{error}");
    }
    // A good answer under the status of a refusal is none.
    let good = answer(&jwt(CLAIMS), "");
    assert!(read(false, good.as_bytes(), &settings(), &grounds(), 0, NOW).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_taken(ok: bool, bytes in proptest::collection::vec(any::<u8>(), 0..200), spread: u32) {
        let _ = read(ok, &bytes, &settings(), &grounds(), spread, NOW);
    }

    #[test]
    fn no_token_outlives_what_it_was_given_for(exp in 0_i64..3_000, expires_in in 1_i64..3_000, spread: u32) {
        let claims = CLAIMS.replace("1300", &exp.to_string());
        let body = answer(&jwt(&claims), &alloc::format!(r#","expires_in":{expires_in}"#));
        if let Ok(token) = read(true, body.as_bytes(), &settings(), &grounds(), spread, NOW) {
            prop_assert!(token.expires <= grounds().expires && token.expires <= Timestamp::from_secs(exp));
            prop_assert!(token.renew >= NOW && token.renew <= token.expires);
        }
    }
}
