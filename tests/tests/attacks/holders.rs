//! Proofs of possession (RFC 9449), used by whom and when they should not be.

use anyhow::Result;
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::proof::{self, Proof};
use countersign_tests::world::{Ask, START};
use serde_json::{Value, json};

use crate::catalogue::Catalogue;
use crate::dpop::{Holder, TARGET, bound};
use crate::forge::{self, Bench, Ed25519, Rsa, b64, member, parts, signed_by, unb64};

pub(crate) fn add(catalogue: &mut Catalogue) -> Result<()> {
    let mut holder = Holder::new()?;
    confusions(catalogue, &mut holder)?;
    schemes(catalogue, &mut holder)?;
    algorithms(catalogue)?;
    reuse(catalogue)?;
    nonces(catalogue)?;
    confirmations(catalogue)
}

fn confusions(catalogue: &mut Catalogue, holder: &mut Holder) -> Result<()> {
    let thief = SigningKey::new("thief")?;
    let token = holder.token.clone();
    catalogue.attack("dpop/token-as-its-own-proof", "binding.dpop.malformed", holder.present(&token));
    let good = holder.proof().sign(&holder.key)?;
    let bench = &mut holder.bench;
    catalogue.attack("dpop/proof-as-a-bearer-token", "token.issuer.missing", bench.bearer(&good));
    let as_token = bench.ask(&Ask::read().dpop(&good, &good));
    catalogue.attack("dpop/proof-as-its-own-token", "token.issuer.missing", as_token);
    // A proof that claims all that a token claims.
    let mut proof = Proof::new(&thief, "GET", TARGET, &token, START);
    proof.claims = mint::with(&bench.world.claims(), proof.claims);
    catalogue.attack(
        "dpop/proof-with-the-claims-of-a-token",
        "token.signature",
        bench.bearer(&proof.sign(&thief)?),
    );
    let by_issuer = proof.sign(&bench.world.key)?;
    catalogue.attack("dpop/proof-signed-by-the-issuer", "token.type", bench.bearer(&by_issuer));
    // The thief's proofs.
    let own = Proof::new(&thief, "GET", TARGET, &token, START).sign(&thief)?;
    catalogue.attack("dpop/by-the-thiefs-key", "binding.dpop.holder", holder.present(&own));
    let forged = holder.proof().sign(&thief)?;
    catalogue.attack(
        "dpop/holders-key-and-thiefs-signature",
        "binding.dpop.signature",
        holder.present(&forged),
    );
    let by_issuer = holder.proof().sign(&holder.bench.world.key.clone())?;
    catalogue.attack(
        "dpop/holders-key-and-issuers-signature",
        "binding.dpop.signature",
        holder.present(&by_issuer),
    );
    // The thief's own token, with the holder's proof, and the other way about.
    let thiefs = bound(&holder.bench.world, &json!({ "jkt": proof::thumbprint(&thief) }))?;
    let with_holders = holder.bench.ask(&Ask::read().dpop(&thiefs, &holder.proof().sign(&holder.key)?));
    catalogue.attack("dpop/holders-proof-for-the-thiefs-token", "binding.dpop.holder", with_holders);
    let second = holder.bench.world.key.sign(&mint::with(
        &holder.bench.world.claims(),
        json!({ "jti": "t-2", "cnf": { "jkt": proof::thumbprint(&holder.key) } }),
    ))?;
    let crossed = holder.bench.ask(&Ask::read().dpop(&second, &good));
    catalogue.attack("dpop/proof-for-another-token-of-the-holder", "binding.dpop.token", crossed);
    catalogue.control("dpop/after-all-that", holder.present(&good));
    Ok(())
}

fn schemes(catalogue: &mut Catalogue, holder: &mut Holder) -> Result<()> {
    let token = holder.token.clone();
    let fresh = |holder: &Holder| holder.proof().sign(&holder.key);
    for (id, scheme) in [("as-written", "DPoP"), ("in-small-letters", "dpop"), ("in-capitals", "DPOP")] {
        let ask =
            Ask::read().header("authorization", format!("{scheme} {token}")).header("dpop", fresh(holder)?);
        catalogue.control(format!("dpop/scheme-{id}"), holder.bench.ask(&ask));
    }
    let ask = Ask::read().header("Authorization", format!("DPoP {token}")).header("DPoP", fresh(holder)?);
    catalogue.control("dpop/names-in-capitals", holder.bench.ask(&ask));
    for (id, value, expected) in [
        ("bearer", format!("Bearer {token}"), "binding.dpop.scheme"),
        ("two-spaces", format!("DPoP  {token}"), "token.malformed"),
        ("tab", format!("DPoP\t{token}"), "token.scheme"),
        ("no-space", format!("DPoP{token}"), "token.scheme"),
        ("longer", format!("DPoPx {token}"), "token.scheme"),
        ("colon", format!("DPoP: {token}"), "token.scheme"),
        ("space-before", format!(" DPoP {token}"), "token.scheme"),
        ("parameter", format!("DPoP token={token}"), "token.malformed"),
        ("and-bearer", format!("DPoP {token}, Bearer {token}"), "token.malformed"),
        ("bearer-and", format!("Bearer {token}, DPoP {token}"), "token.malformed"),
        ("both", format!("Bearer DPoP {token}"), "token.malformed"),
        ("alone", "DPoP".into(), "token.missing"),
        ("underscore", format!("D_PoP {token}"), "token.scheme"),
    ] {
        let ask = Ask::read().header("authorization", value).header("dpop", fresh(holder)?);
        catalogue.attack(format!("dpop/scheme-{id}"), expected, holder.bench.ask(&ask));
    }
    for (id, names, expected) in [
        ("missing", &[][..], "binding.dpop.missing"),
        ("twice", &["dpop", "dpop"], "request.header.duplicate"),
        ("twice-in-another-case", &["dpop", "DPoP"], "request.header.duplicate"),
        ("under-another-name", &["d_pop"], "binding.dpop.missing"),
        ("under-a-dashed-name", &["d-pop"], "binding.dpop.missing"),
        ("under-a-longer-name", &["x-dpop"], "binding.dpop.missing"),
        ("in-the-trailing-name", &["dpop "], "binding.dpop.missing"),
    ] {
        let mut ask = Ask::read().header("authorization", format!("DPoP {token}"));
        for name in names {
            ask = ask.header(*name, fresh(holder)?);
        }
        catalogue.attack(format!("dpop/header-{id}"), expected, holder.bench.ask(&ask));
    }
    let loose = holder.bench.world.token()?;
    let found = holder.bench.ask(&Ask::read().dpop(&loose, &fresh(holder)?));
    catalogue.attack("dpop/token-that-is-not-bound", "binding.dpop.unbound", found);
    Ok(())
}

/// The verdict on a token bound to this key, with a proof by it.
fn with_key(jwk: &Value, jkt: &str, alg: &str, sign: impl Fn(&[u8]) -> Result<Vec<u8>>) -> Result<String> {
    let mut bench = Bench::new()?;
    let token = bound(&bench.world, &json!({ "jkt": jkt }))?;
    let header = json!({ "typ": "dpop+jwt", "alg": alg, "jwk": jwk });
    let claims = json!({
        "jti": "j", "htm": "GET", "htu": TARGET, "iat": START, "ath": proof::digest(&token),
    });
    let text = signed_by(&header, &claims, sign)?;
    Ok(bench.ask(&Ask::read().dpop(&token, &text)))
}

fn algorithms(catalogue: &mut Catalogue) -> Result<()> {
    let bare = |jwk: Value| mint::with(&jwk, json!({ "kid": null, "use": null }));
    let (key, weak) = (Rsa::new(2048)?, Rsa::new(1024)?);
    let jkt = |jwk: &Value| proof::digest(format!(r#"{{"e":{},"kty":"RSA","n":{}}}"#, jwk["e"], jwk["n"]));
    let (good, small) = (bare(key.jwk("")), bare(weak.jwk("")));
    let found = with_key(&good, &jkt(&good), "RS256", |message| key.pkcs1(message))?;
    catalogue.control("dpop/rs256", found);
    let found = with_key(&small, &jkt(&small), "RS256", |message| weak.pkcs1(message))?;
    catalogue.attack("dpop/rs256-of-1024-bits", "binding.dpop.key", found);
    let found = with_key(&good, &jkt(&good), "PS256", |message| key.pss(message, 32))?;
    catalogue.attack("dpop/ps256-not-listed", "binding.dpop.algorithm", found);
    let found = with_key(&good, &jkt(&good), "RS256", |message| key.pss(message, 32))?;
    catalogue.attack("dpop/pss-under-rs256", "binding.dpop.signature", found);
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth"] {
        let private = mint::with(&good, json!({ member: "AQ" }));
        let found = with_key(&private, &jkt(&good), "RS256", |message| key.pkcs1(message))?;
        catalogue.attack(format!("dpop/rsa-jwk-with-{member}"), "binding.dpop.key", found);
    }
    let key = Ed25519::new()?;
    let jwk = bare(key.jwk(""));
    let jkt = proof::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":{}}}"#, jwk["x"]));
    for name in ["EdDSA", "Ed25519"] {
        let found = with_key(&jwk, &jkt, name, |message| key.sign(message))?;
        catalogue.control(format!("dpop/ed25519-as-{name}"), found);
    }
    let private = mint::with(&jwk, json!({ "d": b64([7; 32]) }));
    let found = with_key(&private, &jkt, "EdDSA", |message| key.sign(message))?;
    catalogue.attack("dpop/ed25519-jwk-with-d", "binding.dpop.key", found);
    let weak = mint::with(&jwk, json!({ "x": b64([&[1][..], &[0; 31]].concat()) }));
    let jkt = proof::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":{}}}"#, weak["x"]));
    let identity = [&[1][..], &[0; 63]].concat();
    let found = with_key(&weak, &jkt, "EdDSA", |_| Ok(identity.clone()))?;
    catalogue.attack("dpop/ed25519-of-low-order", "binding.dpop.key", found);
    Ok(())
}

fn reuse(catalogue: &mut Catalogue) -> Result<()> {
    const REPLAYED: &str = "binding.dpop.replayed";
    let mut holder = Holder::new()?;
    let mut first = holder.proof();
    first.claims["jti"] = json!("once");
    let text = first.sign(&holder.key)?;
    catalogue.control("dpop/first-use", holder.present(&text));
    catalogue.attack("dpop/same-proof-again", REPLAYED, holder.present(&text));
    first.claims["x"] = json!("other bytes");
    let again = first.sign(&holder.key)?;
    catalogue.attack("dpop/same-jti-in-another-proof", REPLAYED, holder.present(&again));
    let escaped = first.claims.to_string().replace("once", "\\u006fnce");
    let found = holder.raw(first.header.to_string(), escaped)?;
    catalogue.attack("dpop/same-jti-in-other-words", REPLAYED, found);
    first.header["kid"] = json!("another header");
    let found = holder.present(&first.sign(&holder.key)?);
    catalogue.attack("dpop/same-jti-under-another-header", REPLAYED, found);
    // The other s of the same signature: a good one, and the same proof.
    let order = rsa::BigUint::parse_bytes(crate::signatures::N, 16).unwrap_or_default();
    let signature = unb64(&parts(&text)?[2])?;
    let s = rsa::BigUint::from_bytes_be(&signature[32..]);
    let other = crate::signatures::sized(&(order - s), 32);
    let mauled = mint::with_signature(&text, &[&signature[..32], &other].concat())?;
    catalogue.attack("dpop/same-proof-with-the-other-s", REPLAYED, holder.present(&mauled));
    holder.bench.world.advance(30);
    catalogue.attack("dpop/same-proof-half-a-minute-later", REPLAYED, holder.present(&text));
    let mut later = holder.proof();
    later.claims["jti"] = json!("once");
    let found = holder.present(&later.sign(&holder.key)?);
    catalogue.attack("dpop/same-jti-with-a-new-time", REPLAYED, found);
    holder.bench.world.advance(30);
    catalogue.attack("dpop/same-proof-too-late", "binding.dpop.time", holder.present(&text));
    holder.bench.world.advance(-30);
    catalogue.attack("dpop/same-proof-after-the-clock-stepped-back", REPLAYED, holder.present(&text));
    catalogue.control("dpop/jti-with-a-space-more", holder.claims(json!({ "jti": "once " }))?);
    catalogue.control("dpop/jti-in-another-case", holder.claims(json!({ "jti": "ONCE" }))?);
    // A proof for a read is none for a payment.
    let fresh = holder.proof().sign(&holder.key)?;
    let pay = Ask::new("POST", "/tenants/acme/accounts/a1").dpop(&holder.token, &fresh);
    catalogue.attack("dpop/proof-of-a-read-for-a-payment", "binding.dpop.method", holder.bench.ask(&pay));
    let other = Ask::new("GET", "/tenants/acme/accounts/a2").dpop(&holder.token, &fresh);
    catalogue.attack("dpop/proof-for-another-account", "binding.dpop.target", holder.bench.ask(&other));
    let mut elsewhere = Ask::read().dpop(&holder.token, &fresh);
    for (name, value) in &mut elsewhere.headers {
        if name == b":authority" {
            *value = b"evil.example".to_vec();
        }
    }
    catalogue.attack("dpop/proof-for-another-host", "binding.dpop.target", holder.bench.ask(&elsewhere));
    catalogue.control("dpop/refused-proofs-are-not-used-up", holder.present(&fresh));
    Ok(())
}

fn nonces(catalogue: &mut Catalogue) -> Result<()> {
    const REFUSED: &str = "binding.dpop.nonce";
    let demand = |config: &mut Value| config["dpop"] = json!({ "nonce_seconds": 30 });
    let mut holder = Holder::configured(demand)?;
    let plain = holder.proof().sign(&holder.key)?;
    let answer = holder.bench.world.ask(&Ask::read().dpop(&holder.token, &plain));
    catalogue.attack("dpop/nonce-missing", REFUSED, forge::sound(&answer));
    let nonce = answer.reply_header("dpop-nonce").unwrap_or_default().to_owned();
    catalogue.control("dpop/nonce", holder.claims(json!({ "nonce": nonce }))?);
    let bytes = unb64(&nonce)?;
    let changed = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        b64(bytes)
    };
    for (id, nonce) in [
        ("empty", String::new()),
        ("of-the-client", "my-own-nonce".into()),
        ("time-changed", changed(7)),
        ("tag-changed", changed(8)),
        ("tag-changed-at-its-end", changed(23)),
        ("time-alone", b64(&bytes[..8])),
        ("longer", format!("{nonce}AA")),
        ("padded", format!("{nonce}=")),
        ("zeros", b64([0; 24])),
        ("of-the-end-of-time", b64([&[0x7f; 8][..], &[0; 16]].concat())),
    ] {
        catalogue.attack(format!("dpop/nonce-{id}"), REFUSED, holder.claims(json!({ "nonce": nonce }))?);
    }
    holder.bench.world.advance(30);
    catalogue.attack("dpop/nonce-too-old", REFUSED, holder.claims(json!({ "nonce": nonce }))?);
    holder.bench.world.advance(-31);
    catalogue.attack("dpop/nonce-of-the-future", REFUSED, holder.claims(json!({ "nonce": nonce }))?);
    Ok(())
}

/// What a token may say of its holder.
fn confirmations(catalogue: &mut Catalogue) -> Result<()> {
    let key = SigningKey::new("holder")?;
    let jkt = proof::thumbprint(&key);
    let mut bench = Bench::new()?;
    for (id, cnf, expected) in [
        ("jwk", json!({ "jwk": key.jwk() }), "binding.unsupported"),
        ("kid", json!({ "kid": "holder" }), "binding.unsupported"),
        ("jkt-in-capitals", json!({ "JKT": jkt }), "binding.unsupported"),
        ("jkt-and-kid", json!({ "jkt": jkt, "kid": "holder" }), "binding.dpop.scheme"),
        ("empty", json!({}), "binding.unsupported"),
        ("jkt-null", json!({ "jkt": null }), "token.claims"),
        ("jkt-array", json!({ "jkt": [jkt] }), "token.claims"),
        ("jkt-empty", json!({ "jkt": "" }), "token.claims"),
        ("jkt-padded", json!({ "jkt": format!("{jkt}=") }), "token.claims"),
        ("jkt-in-hexadecimal", json!({ "jkt": "ab".repeat(32) }), "token.claims"),
        ("jkt-of-sha-1", json!({ "jkt": b64([7; 20]) }), "token.claims"),
    ] {
        catalogue.attack(format!("dpop/cnf-{id}"), expected, bench.claims(json!({ "cnf": cnf }))?);
    }
    let twice = member(&bench.world.claims(), "cnf", &format!(r#"{{"jkt":"{jkt}","jkt":"{jkt}"}}"#));
    catalogue.attack("dpop/cnf-jkt-twice", "token.malformed", bench.payload(twice)?);
    let token = bound(&bench.world, &json!({ "jkt": jkt }))?;
    let unbound = mint::tamper(&token, json!({ "cnf": null }))?;
    catalogue.attack("dpop/cnf-taken-out", "token.signature", bench.bearer(&unbound));
    let mut demanding = Bench::configured(|config| config["routes"][0]["binding"] = json!(["dpop"]))?;
    let loose = demanding.world.token()?;
    catalogue.attack("dpop/not-bound-where-it-is-demanded", "binding.required", demanding.bearer(&loose));
    Ok(())
}
