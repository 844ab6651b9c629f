//! Key sets: what an issuer's document may not hold, and what becomes of keys that come and go.

use anyhow::{Context as _, Result};
use countersign_core::exchange::Event;
use countersign_core::gateway::CallAnswer;
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::world::{Ask, World};
use rsa::sha2::{Digest as _, Sha256};
use serde_json::{Value, json};

use crate::catalogue::{Catalogue, NOT_LOADED};
use crate::forge::{Bench, Ed25519, Rsa, b64, header, signed_by, sound, unb64};
use crate::signatures::{DIGEST_INFO, P, hex, sized};

pub(crate) fn add(catalogue: &mut Catalogue) -> Result<()> {
    elliptic(catalogue)?;
    rsa(catalogue)?;
    edwards(catalogue)?;
    sets(catalogue)?;
    documents(catalogue)?;
    rotation(catalogue)?;
    inline(catalogue)
}

/// The verdict on a token where the issuer serves this document, however often it is asked.
pub(crate) fn served(world: &mut World, status: u16, body: &[u8], token: &str) -> Result<String> {
    let answer = || Some(CallAnswer::new(status, body));
    if let Some(fetch) = world.fetch() {
        world.answer(&fetch, answer());
    }
    let (mut exchange, first) = world.begin(&Ask::read().bearer(token));
    if first.verdict() != "held" {
        return Ok(sound(&first));
    }
    let fetch = world.fetch().context("a fetch for the unknown key")?;
    world.answer(&fetch, answer());
    Ok(sound(&world.event(&mut exchange, Event::Settled)))
}

/// The verdict on a token signed by the world's key `k1`, where the set holds this beside a good key of another name.
fn beside(
    algorithms: &[&str],
    entry: &Value,
    token: impl FnOnce(&World) -> Result<String>,
) -> Result<String> {
    let mut world = World::configured(|config| {
        config["issuers"][0]["algorithms"] = json!(algorithms);
        config["issuers"][0]["keys"] = remote();
    })?;
    let decoy = SigningKey::new("decoy")?.jwk();
    let document = json!({ "keys": [decoy, entry] }).to_string();
    let token = token(&world)?;
    served(&mut world, 200, document.as_bytes(), &token)
}

fn remote() -> Value {
    json!({ "remote": {
        "cluster": "issuer", "uri": "https://issuer.bank.example/jwks",
        "refresh_seconds": 100, "cooldown_seconds": 10, "stale_seconds": 1000,
    }})
}

fn elliptic(catalogue: &mut Catalogue) -> Result<()> {
    let key = SigningKey::new("k1")?;
    let jwk = key.jwk();
    let verdict = |entry: &Value| beside(&["ES256"], entry, |world| key.sign(&world.claims()));
    let text = |name: &str| jwk[name].as_str().unwrap_or_default().to_owned();
    let (x, y) = (unb64(&text("x"))?, unb64(&text("y"))?);
    let point = |x: &[u8], y: &[u8]| json!({ "x": b64(x), "y": b64(y) });
    let mut off = y.clone();
    off[31] ^= 1;
    let p = sized(&hex(P)?, 32);
    for (id, changes) in [
        ("as-published", json!({})),
        ("without-alg", json!({ "alg": null })),
        ("without-use", json!({ "use": null })),
        ("for-verifying", json!({ "use": null, "key_ops": ["verify"] })),
        ("for-signing-and-verifying", json!({ "key_ops": ["sign", "verify"] })),
        ("with-members-nobody-knows", json!({ "x5c": ["AAAA"], "jku": "https://evil.example", "exp": 1 })),
    ] {
        catalogue.control(format!("key/ec-{id}"), verdict(&mint::with(&jwk, changes))?);
    }
    for (id, changes) in [
        ("private", json!({ "d": b64([7; 32]) })),
        ("private-and-empty", json!({ "d": "" })),
        ("for-encrypting", json!({ "use": "enc" })),
        ("use-in-capitals", json!({ "use": "SIG" })),
        ("use-is-an-array", json!({ "use": ["sig"] })),
        ("for-signing-alone", json!({ "key_ops": ["sign"] })),
        ("for-nothing", json!({ "key_ops": [] })),
        ("key-ops-as-text", json!({ "key_ops": "verify" })),
        ("key-ops-of-numbers", json!({ "key_ops": ["verify", 1] })),
        ("for-deriving", json!({ "use": null, "key_ops": ["deriveKey"] })),
        ("alg-of-rsa", json!({ "alg": "RS256" })),
        ("alg-of-another-curve", json!({ "alg": "ES384" })),
        ("alg-hmac", json!({ "alg": "HS256" })),
        ("alg-none", json!({ "alg": "none" })),
        ("alg-for-agreement", json!({ "alg": "ECDH-ES" })),
        ("alg-is-a-number", json!({ "alg": 256 })),
        ("crv-of-another-size", json!({ "crv": "P-384" })),
        ("crv-secp256k1", json!({ "crv": "secp256k1" })),
        ("crv-missing", json!({ "crv": null })),
        ("crv-in-small-letters", json!({ "crv": "p-256" })),
        ("kty-in-small-letters", json!({ "kty": "ec" })),
        ("kty-missing", json!({ "kty": null })),
        ("kty-rsa", json!({ "kty": "RSA" })),
        ("kty-okp", json!({ "kty": "OKP" })),
        ("kty-oct", json!({ "kty": "oct", "k": "AAAA" })),
        ("off-the-curve", point(&x, &off)),
        ("turned-round", point(&y, &x)),
        ("at-infinity", point(&[0; 32], &[0; 32])),
        ("x-is-p", point(&p, &y)),
        ("x-all-ones", point(&[0xff; 32], &y)),
        ("x-a-byte-short", point(&x[1..], &y)),
        ("x-with-a-zero-before", point(&[&[0], &x[..]].concat(), &y)),
        ("x-padded", json!({ "x": format!("{}=", text("x")) })),
        ("x-with-a-space", json!({ "x": format!("{} ", text("x")) })),
        ("x-of-hexadecimal-digits", json!({ "x": "ab".repeat(32) })),
        ("x-empty", json!({ "x": "" })),
        ("y-missing", json!({ "y": null })),
        ("y-is-a-boolean", json!({ "y": true })),
        ("kid-is-a-number", json!({ "kid": 1 })),
        ("kid-missing", json!({ "kid": null })),
        ("kid-in-capitals", json!({ "kid": "K1" })),
    ] {
        let found = verdict(&mint::with(&jwk, changes))?;
        catalogue.attack(format!("key/ec-{id}"), "token.key.unknown", found);
    }
    for (id, entry) in
        [("null", Value::Null), ("text", json!("k1")), ("array", json!([jwk])), ("empty", json!({}))]
    {
        catalogue.attack(format!("key/entry-is-{id}"), "token.key.unknown", verdict(&entry)?);
    }
    // A secret in the set makes no HMAC of it.
    let secret = json!({ "kty": "oct", "kid": "k1", "alg": "HS256", "k": b64([7; 32]) });
    let found = beside(&["ES256"], &secret, |world| {
        let secret = jsonwebtoken::EncodingKey::from_secret(&[7; 32]);
        signed_by(&header(json!({ "alg": "HS256" })), &world.claims(), |message| {
            unb64(&jsonwebtoken::crypto::sign(message, &secret, jsonwebtoken::Algorithm::HS256)?)
        })
    })?;
    catalogue.attack("key/oct-with-its-hmac", "token.algorithm", found);
    Ok(())
}

fn rsa(catalogue: &mut Catalogue) -> Result<()> {
    let (key, weak) = (Rsa::new(2048)?, Rsa::new(1024)?);
    let head = header(json!({ "alg": "RS256" }));
    let verdict = |key: &Rsa, changes: Value| {
        let entry = mint::with(&key.jwk("k1"), changes);
        beside(&["RS256", "ES256"], &entry, |world| signed_by(&head, &world.claims(), |m| key.pkcs1(m)))
    };
    let n = key.modulus().to_bytes_be();
    let mut even = n.clone();
    even[255] &= 0xfe;
    catalogue.control("key/rsa-2048", verdict(&key, json!({}))?);
    catalogue.control("key/rsa-for-its-alg", verdict(&key, json!({ "alg": "RS256" }))?);
    catalogue.attack("key/rsa-1024", "token.key.unknown", verdict(&weak, json!({}))?);
    for (id, changes) in [
        ("even-modulus", json!({ "n": b64(&even) })),
        ("modulus-with-a-zero-before", json!({ "n": b64([&[0], &n[..]].concat()) })),
        ("modulus-of-8192-bits", json!({ "n": b64([0xff; 1024]) })),
        ("modulus-of-64-bits", json!({ "n": b64([0xff; 8]) })),
        ("modulus-empty", json!({ "n": "" })),
        ("modulus-in-the-standard-alphabet", json!({ "n": "+/".repeat(171) })),
        ("exponent-zero", json!({ "e": b64([0]) })),
        ("exponent-one", json!({ "e": b64([1]) })),
        ("exponent-two", json!({ "e": b64([2]) })),
        ("exponent-even", json!({ "e": b64([1, 0, 0]) })),
        ("exponent-with-a-zero-before", json!({ "e": b64([0, 1, 0, 1]) })),
        ("exponent-huge", json!({ "e": b64([0xff; 256]) })),
        ("exponent-missing", json!({ "e": null })),
        ("exponent-a-number", json!({ "e": 65537 })),
        ("private-d", json!({ "d": "AQ" })),
        ("private-p", json!({ "p": "AQ" })),
        ("private-q", json!({ "q": "AQ" })),
        ("private-dp", json!({ "dp": "AQ" })),
        ("private-dq", json!({ "dq": "AQ" })),
        ("private-qi", json!({ "qi": "AQ" })),
        ("private-oth", json!({ "oth": [] })),
        ("alg-for-encrypting", json!({ "alg": "RSA-OAEP" })),
        ("kty-ec", json!({ "kty": "EC", "crv": "P-256" })),
    ] {
        catalogue.attack(format!("key/rsa-{id}"), "token.key.unknown", verdict(&key, changes)?);
    }
    let found = verdict(&key, json!({ "alg": "PS256" }))?;
    catalogue.attack("key/rsa-alg-of-pss", "token.algorithm", found);
    // With an exponent of one, a signature is its own message.
    let one = mint::with(&key.jwk("k1"), json!({ "e": b64([1]) }));
    let found = beside(&["RS256", "ES256"], &one, |world| {
        signed_by(&head, &world.claims(), |message| {
            Ok([&[0, 1][..], &[0xff; 202], &[0], DIGEST_INFO, &Sha256::digest(message)].concat())
        })
    })?;
    catalogue.attack("key/rsa-exponent-one-forged", "token.key.unknown", found);
    Ok(())
}

fn edwards(catalogue: &mut Catalogue) -> Result<()> {
    let key = Ed25519::new()?;
    let head = header(json!({ "alg": "EdDSA" }));
    let verdict = |changes: Value| {
        let entry = mint::with(&key.jwk("k1"), changes);
        beside(&["EdDSA", "ES256"], &entry, |world| signed_by(&head, &world.claims(), |m| key.sign(m)))
    };
    catalogue.control("key/ed25519", verdict(json!({}))?);
    for name in ["EdDSA", "Ed25519"] {
        catalogue.control(format!("key/ed25519-alg-{name}"), verdict(json!({ "alg": name }))?);
    }
    let point = |first: u8, middle: u8, last: u8| {
        let mut bytes = [middle; 32];
        (bytes[0], bytes[31]) = (first, last);
        json!({ "x": b64(bytes) })
    };
    for (id, changes) in [
        ("identity", point(1, 0, 0)),
        ("of-order-two", point(0xec, 0xff, 0x7f)),
        ("of-order-four", point(0, 0, 0)),
        ("not-reduced", point(0xee, 0xff, 0x7f)),
        ("minus-zero", point(1, 0, 0x80)),
        ("off-the-curve", point(2, 0, 0)),
        ("a-byte-short", json!({ "x": b64([7; 31]) })),
        ("a-byte-long", json!({ "x": b64([7; 33]) })),
        ("of-x25519", json!({ "crv": "X25519" })),
        ("of-ed448", json!({ "crv": "Ed448" })),
        ("private", json!({ "d": b64([7; 32]) })),
        ("alg-of-ecdsa", json!({ "alg": "ES256" })),
        ("alg-ed448", json!({ "alg": "Ed448" })),
        ("alg-in-small-letters", json!({ "alg": "ed25519" })),
    ] {
        catalogue.attack(format!("key/ed25519-{id}"), "token.key.unknown", verdict(changes)?);
    }
    Ok(())
}

fn sets(catalogue: &mut Catalogue) -> Result<()> {
    let keys: Vec<SigningKey> = (0..4).map(|_| SigningKey::new("k1")).collect::<Result<_>>()?;
    let set = json!({ "keys": keys.iter().map(SigningKey::jwk).collect::<Vec<_>>() }).to_string();
    let verdict = |set: &str, key: &SigningKey| {
        let mut world = World::with_remote_keys()?;
        let token = key.sign(&world.claims())?;
        served(&mut world, 200, set.as_bytes(), &token)
    };
    for (place, key) in keys.iter().enumerate().take(3) {
        catalogue.control(format!("key/namesake-{place}"), verdict(&set, key)?);
    }
    catalogue.attack("key/namesake-too-many", "token.signature", verdict(&set, &keys[3])?);
    let others = |count: usize| (0..count).map(|n| json!({ "kty": "oct", "kid": n.to_string() }));
    let many = |count: usize| {
        json!({ "keys": others(count).chain([keys[0].jwk()]).collect::<Vec<_>>() }).to_string()
    };
    catalogue.control("key/set-of-128", verdict(&many(127), &keys[0])?);
    catalogue.attack("key/set-of-129", "system.keys_unavailable", verdict(&many(128), &keys[0])?);
    let world = World::with_remote_keys()?;
    let nameless = signed_by(&header(json!({ "kid": null })), &world.claims(), |message| {
        crate::forge::es256(&keys[0], message)
    })?;
    let others: Vec<SigningKey> =
        (2..5).map(|number| SigningKey::new(&format!("k{number}"))).collect::<Result<_>>()?;
    let nameless_among = |others: &[SigningKey], own: bool| {
        let own = own.then_some(&keys[0]);
        let set = mint::jwks(others.iter().chain(own)).to_string();
        served(&mut World::with_remote_keys()?, 200, set.as_bytes(), &nameless)
    };
    // An issuer that names no key must be able to publish the next one before it signs with it.
    for count in 0..3 {
        let found = nameless_among(&others[..count], true)?;
        catalogue.control(format!("key/no-kid-beside-{count}-others"), found);
    }
    let found = nameless_among(&others, true)?;
    catalogue.attack("key/no-kid-and-four-keys", "token.key.ambiguous", found);
    let found = nameless_among(&others, false)?;
    catalogue.attack("key/no-kid-and-none-of-three-keys", "token.signature", found);
    Ok(())
}

fn documents(catalogue: &mut Catalogue) -> Result<()> {
    let key = SigningKey::new("k1")?;
    let set = mint::jwks([&key]);
    let good = set.to_string();
    let verdict = |status: u16, body: &[u8]| {
        let mut world = World::with_remote_keys()?;
        let token = key.sign(&world.claims())?;
        served(&mut world, status, body, &token)
    };
    catalogue.control("key/document", verdict(200, good.as_bytes())?);
    catalogue.control(
        "key/document-with-more-members",
        verdict(200, good.replacen('{', r#"{"x":[1],"#, 1).as_bytes())?,
    );
    let inner = good.trim_start_matches(r#"{"keys":"#).trim_end_matches('}').to_owned() + "}";
    let private = mint::with(&key.jwk(), json!({ "d": "AAAA" }));
    let cases: [(&str, u16, Vec<u8>); 32] = [
        ("empty", 200, Vec::new()),
        ("empty-object", 200, b"{}".to_vec()),
        ("no-keys", 200, br#"{"keys":[]}"#.to_vec()),
        ("null", 200, b"null".to_vec()),
        ("keys-null", 200, br#"{"keys":null}"#.to_vec()),
        ("keys-object", 200, json!({ "keys": { "k1": key.jwk() } }).to_string().into()),
        ("keys-text", 200, br#"{"keys":"k1"}"#.to_vec()),
        ("array", 200, json!([key.jwk()]).to_string().into()),
        ("one-key", 200, key.jwk().to_string().into()),
        ("deeper", 200, json!({ "jwks": set }).to_string().into()),
        ("keys-in-capitals", 200, good.replace("\"keys\"", "\"KEYS\"").into()),
        ("keys-twice", 200, good.replacen('{', r#"{"keys":[],"#, 1).into()),
        ("keys-twice-by-escape", 200, good.replacen('{', r#"{"\u006beys":[],"#, 1).into()),
        ("member-of-a-key-twice", 200, good.replacen(r#""kid":"#, r#""kid":"k2","kid":"#, 1).into()),
        ("private-key-alone", 200, json!({ "keys": [private] }).to_string().into()),
        ("secret-alone", 200, br#"{"keys":[{"kty":"oct","k":"AAAA","kid":"k1"}]}"#.to_vec()),
        ("html", 200, b"<!doctype html><title>Sign in</title>".to_vec()),
        ("pem", 200, key.pem.clone().into()),
        ("token", 200, key.sign(&set)?.into()),
        ("half-sent", 200, good.as_bytes()[..good.len() / 2].to_vec()),
        ("bytes-behind", 200, format!("{good}{good}").into()),
        ("bom", 200, [b"\xef\xbb\xbf", good.as_bytes()].concat()),
        ("utf-16", 200, good.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        (
            "not-utf-8",
            200,
            good.replacen('{', "{\"x\":\"?\",", 1)
                .into_bytes()
                .iter()
                .map(|b| if *b == b'?' { 0xff } else { *b })
                .collect(),
        ),
        ("comment", 200, format!("/* keys */{good}").into()),
        (
            "too-deep",
            200,
            good.replacen('{', &format!("{{\"x\":{}{},", "[".repeat(5_000), "]".repeat(5_000)), 1).into(),
        ),
        ("huge", 200, good.replacen('{', &format!("{{\"x\":\"{}\",", "x".repeat(262_144)), 1).into()),
        (
            "too-many-values",
            200,
            good.replacen('{', &format!("{{\"x\":[{}0],", "0,".repeat(20_000)), 1).into(),
        ),
        ("not-found", 404, good.clone().into()),
        ("server-error", 500, good.clone().into()),
        ("redirect", 302, good.clone().into()),
        ("no-content", 204, good.clone().into()),
    ];
    for (id, status, body) in cases {
        catalogue.attack(format!("key/document-{id}"), "system.keys_unavailable", verdict(status, &body)?);
    }
    catalogue.attack("key/document-brackets-off", "system.keys_unavailable", verdict(200, inner.as_bytes())?);
    Ok(())
}

/// A world whose keys were fetched.
pub(crate) fn fetched() -> Result<World> {
    let mut world = World::with_remote_keys()?;
    let fetch = world.fetch().context("the first fetch")?;
    let key = world.key.clone();
    world.publish(&fetch, &[&key]);
    Ok(world)
}

fn rotation(catalogue: &mut Catalogue) -> Result<()> {
    let new = SigningKey::new("k2")?;
    let mut world = fetched()?;
    let old = world.token()?;
    catalogue.control("key/before-the-rotation", sound(&world.ask(&Ask::read().bearer(&old))));
    world.advance(90);
    let fetch = world.fetch().context("the refresh")?;
    let key = world.key.clone();
    world.publish(&fetch, &[&key, &new]);
    let fresh = new.sign(&world.claims())?;
    catalogue.control("key/published-beside-the-old", sound(&world.ask(&Ask::read().bearer(&fresh))));
    catalogue.control("key/old-while-published", sound(&world.ask(&Ask::read().bearer(&old))));
    world.advance(90);
    let fetch = world.fetch().context("the second refresh")?;
    world.publish(&fetch, &[&new]);
    let set = mint::jwks([&new]).to_string();
    let found = served(&mut world, 200, set.as_bytes(), &old)?;
    catalogue.attack("key/removed-then-token-replayed", "token.key.unknown", found);
    catalogue.control("key/after-the-rotation", sound(&world.ask(&Ask::read().bearer(&fresh))));
    // The same name for another key: what the old one signed is no longer good.
    let mut world = fetched()?;
    let old = world.token()?;
    world.ask(&Ask::read().bearer(&old));
    world.advance(90);
    let fetch = world.fetch().context("the refresh")?;
    world.publish(&fetch, &[&SigningKey::new("k1")?]);
    let found = sound(&world.ask(&Ask::read().bearer(&old)));
    catalogue.attack("key/replaced-under-its-name", "token.signature", found);
    // A failing source keeps old keys for a while and never brings an unknown one.
    let mut world = fetched()?;
    world.advance(90);
    let fetch = world.fetch().context("the refresh")?;
    world.answer(&fetch, None);
    let token = world.token()?;
    catalogue.control("key/source-down-within-the-budget", sound(&world.ask(&Ask::read().bearer(&token))));
    let stranger = SigningKey::new("k9")?.sign(&world.claims())?;
    let found = sound(&world.ask(&Ask::read().bearer(&stranger)));
    catalogue.attack("key/unknown-while-the-source-is-down", "system.keys_unavailable", found);
    world.advance(1_100);
    let token = world.token()?;
    let found = served(&mut world, 503, b"", &token)?;
    catalogue.attack("key/stale-budget-over", "system.keys_unavailable", found);
    // An answer to a fetch that was given up.
    let mut world = World::with_remote_keys()?;
    let fetch = world.fetch().context("the first fetch")?;
    world.advance(3);
    world.tick();
    let key = world.key.clone();
    world.publish(&fetch, &[&key]);
    let token = world.token()?;
    let found = sound(&world.ask(&Ask::read().bearer(&token)));
    catalogue.attack("key/answer-after-its-time", "system.keys_unavailable", found);
    Ok(())
}

/// Keys in the configuration are all meant, so one that cannot be used is a mistake.
fn inline(catalogue: &mut Catalogue) -> Result<()> {
    let key = SigningKey::new("k2")?;
    for (id, entry) in [
        ("private", mint::with(&key.jwk(), json!({ "d": "AAAA" }))),
        ("secret", json!({ "kty": "oct", "k": "AAAA", "kid": "k2" })),
        ("for-encrypting", mint::with(&key.jwk(), json!({ "use": "enc" }))),
        ("rsa-1024", Rsa::new(1024)?.jwk("k2")),
        ("off-the-curve", mint::with(&key.jwk(), json!({ "y": key.jwk()["x"] }))),
        (
            "ed25519-identity",
            json!({ "kty": "OKP", "crv": "Ed25519", "x": b64([&[1][..], &[0; 31]].concat()) }),
        ),
    ] {
        let loaded = Bench::configured(|config| {
            if let Some(keys) = config["issuers"][0]["keys"]["inline"]["keys"].as_array_mut() {
                keys.push(entry);
            }
        });
        let found = if loaded.is_err() { NOT_LOADED } else { "loaded" };
        catalogue.attack(format!("key/inline-{id}"), NOT_LOADED, found);
    }
    let with = |uri: &str| {
        Bench::configured(|config| {
            config["issuers"][0]["keys"] = json!({ "remote": { "cluster": "c", "uri": uri } })
        })
    };
    for (id, uri) in [
        ("file", "file:///etc/passwd"),
        ("userinfo", "https://issuer@evil.example/jwks"),
        ("fragment", "https://issuer.example/jwks#x"),
        ("line-end", "https://issuer.example/jwks\r\nx: y"),
        ("relative", "/jwks"),
        ("scheme-alone", "https://"),
    ] {
        let found = if with(uri).is_err() { NOT_LOADED } else { "loaded" };
        catalogue.attack(format!("key/address-{id}"), NOT_LOADED, found);
    }
    Ok(())
}
