//! What a token must be: for each check one token that lacks just that, beside controls that are accepted.

use anyhow::Result;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use countersign_core::metrics::Counter;
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::world::{Ask, ISSUER, START, World};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// The verdict on a read with these changes to good claims.
fn with_claims(changes: Value) -> Result<String> {
    let mut world = World::new()?;
    let token = world.key.sign(&mint::with(&world.claims(), changes))?;
    Ok(world.verdict(&Ask::read().bearer(&token)))
}

/// The verdict on a read whose token has this header, and a good signature.
fn with_header(change: impl FnOnce(&mut Header)) -> Result<String> {
    let mut world = World::new()?;
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some("k1".into());
    header.typ = Some("at+jwt".into());
    change(&mut header);
    let token =
        jsonwebtoken::encode(&header, &world.claims(), &EncodingKey::from_ec_pem(world.key.pem.as_bytes())?)?;
    Ok(world.verdict(&Ask::read().bearer(&token)))
}

#[test]
fn a_good_token_is_accepted() -> Result<()> {
    assert_eq!(with_claims(json!({}))?, "allow");
    Ok(())
}

#[test]
fn claims_are_checked_one_by_one() -> Result<()> {
    let cases = [
        ("no issuer", json!({ "iss": null }), "token.issuer.missing"),
        ("another issuer", json!({ "iss": "https://evil.example" }), "token.issuer.unknown"),
        ("issuer with a slash more", json!({ "iss": format!("{ISSUER}/") }), "token.issuer.unknown"),
        ("issuer of the wrong type", json!({ "iss": 5 }), "token.claims"),
        ("no audience", json!({ "aud": null }), "token.audience"),
        ("another audience", json!({ "aud": "other" }), "token.audience"),
        ("audience in another case", json!({ "aud": "Bank" }), "token.audience"),
        ("several other audiences", json!({ "aud": ["a", "b"] }), "token.audience"),
        ("audience of the wrong type", json!({ "aud": [1] }), "token.claims"),
        ("no expiry", json!({ "exp": null }), "token.expiry.missing"),
        ("expiry as text", json!({ "exp": "1790000300" }), "token.claims"),
        ("expired", json!({ "exp": START - 10 }), "token.expired"),
        ("not yet valid", json!({ "nbf": START + 11 }), "token.not_yet_valid"),
        ("nbf as text", json!({ "nbf": "0" }), "token.claims"),
        ("issued in the future", json!({ "iat": START + 11 }), "token.issued_in_future"),
        ("iat as boolean", json!({ "iat": true }), "token.claims"),
        ("lives too long", json!({ "exp": START + 601 }), "token.lifetime"),
        (
            "issued long ago, lives too long",
            json!({ "iat": START - 400, "exp": START + 201 }),
            "token.lifetime",
        ),
        ("no iat, lives too long", json!({ "iat": null, "exp": START + 611 }), "token.lifetime"),
        ("no subject", json!({ "sub": null }), "token.subject.missing"),
        ("empty subject", json!({ "sub": "" }), "token.subject.missing"),
        ("subject of the wrong type", json!({ "sub": {} }), "token.claims"),
        ("jti of the wrong type", json!({ "jti": 1 }), "token.claims"),
        ("roles of the wrong type", json!({ "roles": "clerk" }), "token.claims"),
        ("a role of the wrong type", json!({ "roles": ["clerk", 1] }), "token.claims"),
        ("a mapped claim of the wrong type", json!({ "tenant": 7 }), "token.claims"),
        ("a required attribute missing", json!({ "tenant": null }), "policy.attribute"),
    ];
    for (name, changes, expected) in cases {
        assert_eq!(with_claims(changes)?, expected, "{name}");
    }
    Ok(())
}

#[test]
fn claims_at_their_bounds_are_accepted() -> Result<()> {
    let cases = [
        ("second audience of ours", json!({ "aud": ["other", "https://bank.example"] })),
        ("expired within the clock skew", json!({ "exp": START - 9 })),
        ("not yet valid within the clock skew", json!({ "nbf": START + 10 })),
        ("issued in the future within the clock skew", json!({ "iat": START + 10 })),
        ("lives just as long as it may", json!({ "exp": START + 600 })),
        ("no iat", json!({ "iat": null, "exp": START + 600 })),
        ("dates with fractions", json!({ "exp": START as f64 + 100.5, "iat": START as f64 - 0.5 })),
        ("claims nobody asked for", json!({ "x": { "y": [1, 2.5, null] } })),
        ("an optional attribute", json!({ "level": 3 })),
    ];
    for (name, changes) in cases {
        assert_eq!(with_claims(changes)?, "allow", "{name}");
    }
    Ok(())
}

#[test]
fn headers_of_tokens_are_checked() -> Result<()> {
    assert_eq!(with_header(|_| {})?, "allow");
    assert_eq!(with_header(|header| header.typ = Some("application/AT+JWT".into()))?, "allow");
    assert_eq!(with_header(|header| header.typ = Some("JWT".into()))?, "allow");
    assert_eq!(with_header(|header| header.typ = Some("dpop+jwt".into()))?, "token.type");
    assert_eq!(with_header(|header| header.typ = None)?, "token.type");
    assert_eq!(with_header(|header| header.kid = Some("k2".into()))?, "token.key.unknown");
    assert_eq!(with_header(|header| header.kid = None)?, "allow", "one key alone needs no name");
    Ok(())
}

#[test]
fn signatures_are_verified_with_the_issuers_own_key() -> Result<()> {
    let mut world = World::new()?;
    let claims = world.claims();
    let good = world.token()?;
    let tampered = mint::tamper(&good, json!({ "sub": "mallory" }))?;
    assert_eq!(world.verdict(&Ask::read().bearer(&tampered)), "token.signature");
    let stranger = SigningKey::new("k1")?.sign(&claims)?;
    assert_eq!(world.verdict(&Ask::read().bearer(&stranger)), "token.signature");
    let (head, _) = good.rsplit_once('.').unwrap_or_default();
    let zeros = format!("{head}.{}", BASE64URL.encode([0; 64]));
    assert_eq!(world.verdict(&Ask::read().bearer(&zeros)), "token.signature");
    assert_eq!(world.verdict(&Ask::read().bearer(&mint::unsigned(&claims))), "token.algorithm");
    // The public key as an HMAC secret: the oldest confusion of algorithms.
    let hmac = jsonwebtoken::encode(
        &Header { kid: Some("k1".into()), ..Header::new(Algorithm::HS256) },
        &claims,
        &EncodingKey::from_secret(world.key.jwk().to_string().as_bytes()),
    )?;
    assert_eq!(world.verdict(&Ask::read().bearer(&hmac)), "token.algorithm");
    assert_eq!(world.verdict(&Ask::read().bearer(&good)), "allow");
    Ok(())
}

#[test]
fn a_key_serves_its_own_issuer_only() -> Result<()> {
    let other = SigningKey::new("k2")?;
    let mut world = World::configured(|config| {
        let mut second = config["issuers"][0].clone();
        second["issuer"] = "https://second.example".into();
        second["keys"] = json!({ "inline": mint::jwks([&other]) });
        config["issuers"].as_array_mut().expect("issuers").push(second);
    })?;
    let claims = world.claims();
    let crossed = other.sign(&claims)?;
    assert_eq!(world.verdict(&Ask::read().bearer(&crossed)), "token.key.unknown");
    let own = other.sign(&mint::with(&claims, json!({ "iss": "https://second.example" })))?;
    assert_eq!(world.verdict(&Ask::read().bearer(&own)), "allow");
    Ok(())
}

#[test]
fn an_algorithm_that_the_issuer_may_not_use_is_refused() -> Result<()> {
    let mut world = World::configured(|config| config["issuers"][0]["algorithms"] = json!(["RS256"]))?;
    let token = world.token()?;
    assert_eq!(world.verdict(&Ask::read().bearer(&token)), "token.algorithm");
    Ok(())
}

#[test]
fn malformed_credentials_each_have_their_reason() -> Result<()> {
    let mut world = World::new()?;
    let token = world.token()?;
    let cases = [
        (format!("Bearer {token}="), "token.malformed"),
        (format!("Bearer {token} "), "token.malformed"),
        (format!("Bearer  {token}"), "token.malformed"),
        (format!("Bearer {token},Bearer {token}"), "token.malformed"),
        (format!("Bearer {token}.{token}"), "token.malformed"),
        ("Bearer a.b".into(), "token.malformed"),
        (format!("Bearer {}", "a".repeat(9_000)), "token.too_large"),
        ("Bearer".into(), "token.missing"),
        ("Basic YTpi".into(), "token.scheme"),
    ];
    for (value, expected) in cases {
        assert_eq!(world.verdict(&Ask::read().header("authorization", value.clone())), expected, "{value}");
    }
    assert_eq!(world.verdict(&Ask::read()), "token.missing");
    assert_eq!(world.verdict(&Ask::read().bearer(&token).bearer(&token)), "request.header.duplicate");
    Ok(())
}

#[test]
fn a_cached_token_is_refused_once_it_has_expired() -> Result<()> {
    let mut world = World::new()?;
    let token = world.token()?;
    assert_eq!(world.verdict(&Ask::read().bearer(&token)), "allow");
    world.advance(309);
    assert_eq!(world.verdict(&Ask::read().bearer(&token)), "allow");
    assert!(world.counted.contains(&Counter::CacheHit));
    world.advance(1);
    assert_eq!(world.verdict(&Ask::read().bearer(&token)), "token.expired");
    Ok(())
}

#[test]
fn a_cached_token_does_not_carry_its_decision_along() -> Result<()> {
    let mut world = World::new()?;
    let token = world.token()?;
    assert_eq!(world.verdict(&Ask::read().bearer(&token)), "allow");
    let other_tenant = Ask::new("GET", "/tenants/other/accounts/a1").bearer(&token);
    assert_eq!(world.verdict(&other_tenant), "policy.not_permitted");
    assert_eq!(
        world.verdict(&Ask::read().bearer(&token).header("x-purpose", "marketing")),
        "policy.forbidden"
    );
    Ok(())
}

#[test]
fn tokens_that_differ_in_one_byte_are_different_tokens() -> Result<()> {
    let mut world = World::new()?;
    let token = world.token()?;
    assert_eq!(world.verdict(&Ask::read().bearer(&token)), "allow");
    let bytes = token.as_bytes();
    for at in (0..bytes.len()).step_by(7) {
        let mut other = bytes.to_vec();
        other[at] = if other[at] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(other)?;
        assert_ne!(world.verdict(&Ask::read().bearer(&other)), "allow", "byte {at}");
    }
    Ok(())
}

#[test]
fn a_type_is_the_same_with_and_without_its_prefix() -> Result<()> {
    for said in ["at+jwt", "application/at+jwt", "Application/AT+JWT"] {
        let mut world = World::configured(|config| config["issuers"][0]["token_types"] = json!([said]))?;
        for (typ, expected) in
            [("at+jwt", "allow"), ("application/at+jwt", "allow"), ("JWT", "token.type"), ("", "token.type")]
        {
            let header = json!({ "alg": "ES256", "kid": "k1", "typ": typ });
            let token = countersign_tests::proof::sign(&header, &world.claims(), &world.key)?;
            assert_eq!(world.verdict(&Ask::read().bearer(&token)), expected, "{typ} where {said} is meant");
        }
    }
    Ok(())
}

#[test]
fn the_members_of_sets_count_against_the_cache() -> Result<()> {
    let hits = |words: usize| -> Result<bool> {
        let schema = "entity Role; entity User in [Role] { scopes?: Set<String> }; entity Account;
            action Read appliesTo { principal: User, resource: Account, context: { scopes?: Set<String> } };";
        let image = countersign_tests::policies::image(schema, "permit(principal, action, resource);")?;
        let mut world = World::configured(|config| {
            config["policy"]["image"] = countersign_tests::policies::base64(&image).into();
            config["forward"] = json!({});
            config["context"] = json!({});
            config["token_cache"] = json!({ "bytes": 16_384 });
            config["issuers"][0]["principal"]["attributes"] = json!({ "scopes": { "claim": "scope" } });
            config["routes"] = json!([{
                "name": "read", "methods": ["GET"], "path": "/a", "action": "Read",
                "resource": { "type": "Account", "id": "a" },
            }]);
        })?;
        let scope = (0..words).map(|word| format!("{word:x}")).collect::<Vec<_>>().join(" ");
        let token = world.key.sign(&mint::with(&world.claims(), json!({ "scope": scope })))?;
        let ask = Ask::new("GET", "/a").bearer(&token);
        assert_eq!(world.verdict(&ask), "allow");
        assert_eq!(world.verdict(&ask), "allow");
        Ok(world.counted.contains(&Counter::CacheHit))
    };
    assert!(hits(8)?);
    // A text of some hundred bytes, and 256 values: more than this cache may take.
    assert!(!hits(256)?);
    Ok(())
}
