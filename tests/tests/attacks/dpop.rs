//! Proofs of possession (RFC 9449), member by member.

use anyhow::Result;
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::proof::{self, Proof};
use countersign_tests::world::{Ask, World};
use serde_json::{Value, json};

use crate::catalogue::Catalogue;
use crate::forge::{self, Bench, b64, member, parts, unb64};

pub(crate) const TARGET: &str = "https://bank.example/tenants/acme/accounts/a1";

/// The holder of a bound token.
pub(crate) struct Holder {
    pub(crate) bench: Bench,
    pub(crate) key: SigningKey,
    pub(crate) token: String,
}

impl Holder {
    pub(crate) fn new() -> Result<Self> {
        Self::configured(|_| {})
    }

    pub(crate) fn configured(change: impl FnOnce(&mut Value)) -> Result<Self> {
        let bench = Bench::configured(change)?;
        let key = SigningKey::new("holder")?;
        let token = bound(&bench.world, &json!({ "jkt": proof::thumbprint(&key) }))?;
        Ok(Self { bench, key, token })
    }

    /// A good proof.
    pub(crate) fn proof(&self) -> Proof {
        Proof::new(&self.key, "GET", TARGET, &self.token, self.bench.world.now().as_secs())
    }

    pub(crate) fn present(&mut self, proof: &str) -> String {
        self.bench.ask(&Ask::read().dpop(&self.token, proof))
    }

    pub(crate) fn claims(&mut self, changes: Value) -> Result<String> {
        let mut proof = self.proof();
        proof.claims = mint::with(&proof.claims, changes);
        let text = proof.sign(&self.key)?;
        Ok(self.present(&text))
    }

    pub(crate) fn header(&mut self, changes: Value) -> Result<String> {
        let mut proof = self.proof();
        proof.header = mint::with(&proof.header, changes);
        let text = proof.sign(&self.key)?;
        Ok(self.present(&text))
    }

    /// The verdict on a proof with this text for its header and payload, and a good signature.
    pub(crate) fn raw(&mut self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Result<String> {
        let text = forge::token(&self.key, header, payload)?;
        Ok(self.present(&text))
    }
}

pub(crate) fn bound(world: &World, cnf: &Value) -> Result<String> {
    world.key.sign(&mint::with(&world.claims(), json!({ "cnf": cnf })))
}

pub(crate) fn add(catalogue: &mut Catalogue) -> Result<()> {
    let mut holder = Holder::new()?;
    targets(catalogue, &mut holder)?;
    claims(catalogue, &mut holder)?;
    headers(catalogue, &mut holder)?;
    texts(catalogue, &mut holder)?;
    origins(catalogue)
}

/// Two services behind one gateway: a proof for one is none for the other.
fn origins(catalogue: &mut Catalogue) -> Result<()> {
    let listed =
        |origins: Value| Holder::configured(move |config| config["dpop"] = json!({ "origins": origins }));
    let at = |origin: &str| TARGET.replace("https://bank.example", origin);
    let mut two = listed(json!(["https://bank.example", "https://other.example"]))?;
    catalogue.control("dpop/origin-of-the-host", two.claims(json!({ "htu": TARGET }))?);
    let found = two.claims(json!({ "htu": at("https://other.example") }))?;
    catalogue.attack("dpop/origin-of-another-host", "binding.dpop.target", found);
    let mut ports = listed(json!(["https://bank.example", "https://bank.example:8443"]))?;
    catalogue.control("dpop/origin-of-the-port", ports.claims(json!({ "htu": TARGET }))?);
    let found = ports.claims(json!({ "htu": at("https://bank.example:8443") }))?;
    catalogue.attack("dpop/origin-of-another-port", "binding.dpop.target", found);
    let mut foreign = listed(json!(["https://a.example", "https://b.example"]))?;
    for origin in ["https://a.example", "https://b.example", "https://bank.example"] {
        let found = foreign.claims(json!({ "htu": at(origin) }))?;
        let id = origin.replace("https://", "");
        catalogue.attack(format!("dpop/origin-{id}-where-none-is-the-hosts"), "binding.dpop.target", found);
    }
    let mut one = listed(json!(["https://a.example"]))?;
    catalogue.control("dpop/origin-the-only-one", one.claims(json!({ "htu": at("https://a.example") }))?);
    let found = one.claims(json!({ "htu": TARGET }))?;
    catalogue.attack("dpop/origin-of-an-internal-name", "binding.dpop.target", found);
    Ok(())
}

fn targets(catalogue: &mut Catalogue, holder: &mut Holder) -> Result<()> {
    let host = |host: &str| TARGET.replace("bank.example", host);
    for (id, htu) in [
        ("exact", TARGET.to_owned()),
        ("with-a-query", format!("{TARGET}?a=b&c")),
        ("with-a-fragment", format!("{TARGET}#x")),
        ("host-in-capitals", host("Bank.EXAMPLE")),
        ("its-own-port", host("bank.example:443")),
        ("scheme-in-capitals", TARGET.replace("https", "HTTPS")),
        // Normal forms (RFC 3986 §6.2.2.2, §6.2.3).
        ("port-empty", host("bank.example:")),
        ("path-escaped", TARGET.replace("a1", "%611")),
    ] {
        catalogue.control(format!("dpop/htu-{id}"), holder.claims(json!({ "htu": htu }))?);
    }
    for (id, htu) in [
        ("userinfo", host("user@bank.example")),
        ("userinfo-with-a-password", host("bank.example:443@bank.example")),
        ("our-host-as-userinfo", host("bank.example@evil.example")),
        ("another-port", host("bank.example:8443")),
        ("port-of-http", host("bank.example:80")),
        ("port-wraps", host("bank.example:65979")),
        ("two-ports", host("bank.example:443:443")),
        ("dot-behind-the-host", host("bank.example.")),
        ("host-within-another", host("bank.example.evil.example")),
        ("host-ends-alike", host("evilbank.example")),
        ("subdomain", host("www.bank.example")),
        ("host-escaped", host("b%61nk.example")),
        ("host-confusable", host("b\u{430}nk.example")),
        ("host-in-punycode", host("xn--bnk-7cd.example")),
        ("host-full-width", host("\u{ff42}ank.example")),
        ("host-with-ideographic-dot", host("bank\u{3002}example")),
        ("host-empty", host("")),
        ("host-in-brackets", host("[bank.example]")),
        ("host-an-address", host("127.0.0.1")),
        ("host-with-a-space", host("bank.example ")),
        ("host-with-a-nul", host("bank.example\0")),
        ("host-with-a-line-end", host("bank.example\r\n")),
        ("backslash-for-slash", TARGET.replace("example/", "example\\")),
        ("backslash-before-the-host", host("evil.example\\@bank.example")),
        ("one-slash", TARGET.replace("://", ":/")),
        ("three-slashes", TARGET.replace("://", ":///")),
        ("without-scheme", TARGET.replace("https:", "")),
        ("http", TARGET.replace("https", "http")),
        ("wss", TARGET.replace("https", "wss")),
        ("scheme-longer", TARGET.replace("https", "https+x")),
        ("scheme-behind-another", format!("view-source:{TARGET}")),
        ("path-alone", "/tenants/acme/accounts/a1".into()),
        ("origin-alone", "https://bank.example".into()),
        ("root", "https://bank.example/".into()),
        ("another-account", TARGET.replace("a1", "a2")),
        ("another-tenant", TARGET.replace("acme", "other")),
        ("path-in-capitals", TARGET.replace("acme", "ACME")),
        ("path-longer", format!("{TARGET}/x")),
        ("path-shorter", TARGET.trim_end_matches('1').to_owned()),
        ("slash-behind", format!("{TARGET}/")),
        ("two-slashes", TARGET.replace("/acme", "//acme")),
        ("dot-segment", TARGET.replace("/a1", "/./a1")),
        ("dots", TARGET.replace("/a1", "/x/../a1")),
        ("dots-escaped", TARGET.replace("/a1", "/x/%2e%2e/a1")),
        ("path-escaped-by-half", TARGET.replace("a1", "%6")),
        ("path-escaped-twice", TARGET.replace("a1", "%25611")),
        ("path-escape-with-a-sign", TARGET.replace("a1", "a%+31")),
        ("slash-escaped", TARGET.replace("/a1", "%2Fa1")),
        ("question-mark-escaped", format!("{TARGET}%3Fx")),
        ("number-sign-escaped", format!("{TARGET}%23x")),
        ("parameter", format!("{TARGET};x=y")),
        ("query-before-the-path", TARGET.replace("example/", "example?/")),
        ("fragment-before-the-path", TARGET.replace("example/", "example#/")),
        ("nul-behind", format!("{TARGET}\0")),
        ("space-before", format!(" {TARGET}")),
        ("space-behind", format!("{TARGET} ")),
        ("two-of-them", format!("{TARGET},{TARGET}")),
        ("wildcard", "https://bank.example/*".into()),
        ("template", "https://bank.example/tenants/{tenant}/accounts/{account}".into()),
        ("empty", String::new()),
        ("long", format!("{TARGET}/{}", "a".repeat(3_000))),
    ] {
        let found = holder.claims(json!({ "htu": htu }))?;
        catalogue.attack(format!("dpop/htu-{id}"), "binding.dpop.target", found);
    }
    for (id, raw) in [("array", format!("[\"{TARGET}\"]")), ("object", "{}".into()), ("null", "null".into())]
    {
        let proof = holder.proof();
        let found = holder.raw(proof.header.to_string(), member(&proof.claims, "htu", &raw))?;
        catalogue.attack(format!("dpop/htu-is-{id}"), "binding.dpop.malformed", found);
    }
    Ok(())
}

fn claims(catalogue: &mut Catalogue, holder: &mut Holder) -> Result<()> {
    for (id, name, raw) in [
        ("iat-with-a-fraction", "iat", "1789999999.5"),
        ("iat-with-an-exponent", "iat", "1.79e9"),
        ("iat-with-an-exponent-below-zero", "iat", "179000000000e-2"),
        ("iat-as-old-as-may-be", "iat", "1789999940.000000001"),
        ("iat-as-early-as-may-be", "iat", "1790000005.0"),
        ("jti-of-one-byte", "jti", "\"j\""),
        ("jti-of-512-bytes", "jti", &format!("\"{}\"", "k".repeat(512))),
        ("jti-in-unicode", "jti", "\"\u{e9}\\u0000\""),
        ("exp-to-come", "exp", "1790000000.000000001"),
        ("exp-with-an-exponent", "exp", "1.8e9"),
        ("nbf-now", "nbf", "1790000000"),
        ("nbf-as-late-as-may-be", "nbf", "1790000005.0"),
    ] {
        let proof = holder.proof();
        let found = holder.raw(proof.header.to_string(), member(&proof.claims, name, raw))?;
        catalogue.control(format!("dpop/{id}"), found);
    }
    for (id, name, raw, expected) in [
        ("iat-a-nanosecond-too-old", "iat", "1789999940.0", "binding.dpop.time"),
        ("iat-a-nanosecond-too-early", "iat", "1790000005.000000001", "binding.dpop.time"),
        ("iat-zero", "iat", "0", "binding.dpop.time"),
        ("iat-below-zero", "iat", "-1790000000", "binding.dpop.time"),
        ("iat-tomorrow", "iat", "1790086400", "binding.dpop.time"),
        ("iat-in-milliseconds", "iat", "1790000000000", "binding.dpop.malformed"),
        ("iat-too-large-for-a-double", "iat", "1e400", "binding.dpop.malformed"),
        ("iat-text", "iat", "\"1790000000\"", "binding.dpop.malformed"),
        ("iat-null", "iat", "null", "binding.dpop.malformed"),
        ("iat-array", "iat", "[1790000000]", "binding.dpop.malformed"),
        ("iat-nan", "iat", "NaN", "binding.dpop.malformed"),
        ("jti-null", "jti", "null", "binding.dpop.malformed"),
        ("jti-number", "jti", "1", "binding.dpop.malformed"),
        ("jti-array", "jti", "[\"j\"]", "binding.dpop.malformed"),
        ("jti-empty", "jti", "\"\"", "binding.dpop.malformed"),
        ("jti-of-513-bytes", "jti", &format!("\"{}\"", "k".repeat(513)), "binding.dpop.malformed"),
        ("htm-array", "htm", "[\"GET\"]", "binding.dpop.malformed"),
        ("htm-null", "htm", "null", "binding.dpop.malformed"),
        ("htm-empty", "htm", "\"\"", "binding.dpop.method"),
        ("htm-in-small-letters", "htm", "\"get\"", "binding.dpop.method"),
        ("htm-another", "htm", "\"POST\"", "binding.dpop.method"),
        ("htm-head-for-get", "htm", "\"HEAD\"", "binding.dpop.method"),
        ("htm-list", "htm", "\"GET,POST\"", "binding.dpop.method"),
        ("htm-wildcard", "htm", "\"*\"", "binding.dpop.method"),
        ("htm-with-a-space", "htm", "\"GET \"", "binding.dpop.method"),
        ("htm-with-a-nul", "htm", "\"GET\\u0000\"", "binding.dpop.method"),
        ("ath-null", "ath", "null", "binding.dpop.malformed"),
        ("ath-array", "ath", "[]", "binding.dpop.malformed"),
        ("ath-empty", "ath", "\"\"", "binding.dpop.malformed"),
        ("ath-in-hexadecimal", "ath", &format!("\"{}\"", "ab".repeat(32)), "binding.dpop.malformed"),
        ("ath-of-twenty-bytes", "ath", &format!("\"{}\"", b64([1; 20])), "binding.dpop.malformed"),
        ("ath-of-zeros", "ath", &format!("\"{}\"", b64([0; 32])), "binding.dpop.token"),
        ("ath-of-nothing", "ath", &format!("\"{}\"", proof::digest("")), "binding.dpop.token"),
        ("nonce-number", "nonce", "1", "binding.dpop.malformed"),
        ("nonce-null", "nonce", "null", "binding.dpop.malformed"),
        ("exp-in-the-past", "exp", "1", "binding.dpop.time"),
        ("exp-now", "exp", "1790000000", "binding.dpop.time"),
        ("exp-below-zero", "exp", "-1", "binding.dpop.time"),
        ("exp-text", "exp", "\"1790000060\"", "binding.dpop.malformed"),
        ("exp-null", "exp", "null", "binding.dpop.malformed"),
        ("exp-array", "exp", "[1790000060]", "binding.dpop.malformed"),
        ("exp-too-large", "exp", "1e400", "binding.dpop.malformed"),
        ("nbf-to-come", "nbf", "1790000005.000000001", "binding.dpop.time"),
        ("nbf-tomorrow", "nbf", "1790086400", "binding.dpop.time"),
        ("nbf-text", "nbf", "\"1\"", "binding.dpop.malformed"),
        ("nbf-null", "nbf", "null", "binding.dpop.malformed"),
    ] {
        let proof = holder.proof();
        let found = holder.raw(proof.header.to_string(), member(&proof.claims, name, raw))?;
        catalogue.attack(format!("dpop/{id}"), expected, found);
    }
    let token = holder.token.clone();
    for (id, text) in [
        ("scheme-and-token", format!("DPoP {token}")),
        (
            "signed-part-alone",
            token.rsplit_once('.').map(|(signed, _)| signed.to_owned()).unwrap_or_default(),
        ),
        ("token-in-capitals", token.to_uppercase()),
    ] {
        let found = holder.claims(json!({ "ath": proof::digest(text) }))?;
        catalogue.attack(format!("dpop/ath-of-{id}"), "binding.dpop.token", found);
    }
    for name in ["jti", "htm", "htu", "iat", "ath"] {
        let found = holder.claims(json!({ name: Value::Null }))?;
        catalogue.attack(format!("dpop/{name}-missing"), "binding.dpop.malformed", found);
    }
    Ok(())
}

fn headers(catalogue: &mut Catalogue, holder: &mut Holder) -> Result<()> {
    let thief = SigningKey::new("thief")?;
    let jwk = holder.proof().header["jwk"].clone();
    let with = |changes: Value| json!({ "jwk": mint::with(&jwk, changes) });
    catalogue.control("dpop/jwk-with-its-alg", holder.header(with(json!({ "alg": "ES256", "use": "sig" })))?);
    catalogue.control("dpop/jwk-with-a-kid", holder.header(with(json!({ "kid": "any" })))?);
    for (id, changes, expected) in [
        ("typ-missing", json!({ "typ": null }), "binding.dpop.malformed"),
        ("typ-jwt", json!({ "typ": "JWT" }), "binding.dpop.malformed"),
        ("typ-of-a-token", json!({ "typ": "at+jwt" }), "binding.dpop.malformed"),
        ("typ-with-a-space", json!({ "typ": "dpop+jwt " }), "binding.dpop.malformed"),
        ("typ-array", json!({ "typ": ["dpop+jwt"] }), "binding.dpop.malformed"),
        ("typ-confusable", json!({ "typ": "dp\u{43e}p+jwt" }), "binding.dpop.malformed"),
        ("alg-none", json!({ "alg": "none" }), "binding.dpop.algorithm"),
        ("alg-none-mixed-case", json!({ "alg": "nOnE" }), "binding.dpop.algorithm"),
        ("alg-hmac", json!({ "alg": "HS256" }), "binding.dpop.algorithm"),
        ("alg-of-rsa", json!({ "alg": "RS256" }), "binding.dpop.key"),
        ("alg-of-another-curve", json!({ "alg": "ES384" }), "binding.dpop.key"),
        ("alg-array", json!({ "alg": ["ES256"] }), "binding.dpop.malformed"),
        ("alg-missing", json!({ "alg": null }), "binding.dpop.malformed"),
        ("crit", json!({ "crit": ["x"], "x": 1 }), "binding.dpop.malformed"),
        ("b64", json!({ "b64": false, "crit": ["b64"] }), "binding.dpop.malformed"),
        ("jwk-missing", json!({ "jwk": null }), "binding.dpop.key"),
        ("jwk-by-its-kid", json!({ "jwk": null, "kid": "holder" }), "binding.dpop.key"),
        ("jwk-by-address", json!({ "jwk": null, "jku": "https://evil.example/jwks" }), "binding.dpop.key"),
        ("jwk-by-certificate", json!({ "jwk": null, "x5c": ["AAAA"] }), "binding.dpop.key"),
        ("jwk-is-an-array", json!({ "jwk": [jwk] }), "binding.dpop.key"),
        ("jwk-is-a-set", json!({ "jwk": { "keys": [jwk] } }), "binding.dpop.key"),
        ("jwk-is-text", json!({ "jwk": jwk.to_string() }), "binding.dpop.key"),
        ("jwk-of-the-thief", json!({ "jwk": thief.jwk() }), "binding.dpop.signature"),
    ] {
        // Signed by the holder: where the key is another's, its thumbprint decides first.
        let expected = if id == "jwk-of-the-thief" { "binding.dpop.holder" } else { expected };
        catalogue.attack(format!("dpop/{id}"), expected, holder.header(changes)?);
    }
    for (id, changes) in [
        ("private", json!({ "d": b64([7; 32]) })),
        ("private-and-empty", json!({ "d": "" })),
        ("rsa-prime", json!({ "p": "AQ" })),
        ("rsa-coefficient", json!({ "qi": "AQ" })),
        ("for-encrypting", json!({ "use": "enc" })),
        ("for-signing-alone", json!({ "key_ops": ["sign"] })),
        ("alg-of-another", json!({ "alg": "ES384" })),
        ("kty-in-small-letters", json!({ "kty": "ec" })),
        ("kty-oct", json!({ "kty": "oct", "k": "AAAA" })),
        ("crv-missing", json!({ "crv": null })),
        ("crv-another", json!({ "crv": "P-384" })),
        ("x-padded", json!({ "x": format!("{}=", jwk["x"].as_str().unwrap_or_default()) })),
        ("x-for-y", json!({ "y": jwk["x"] })),
        ("at-infinity", json!({ "x": b64([0; 32]), "y": b64([0; 32]) })),
        ("y-missing", json!({ "y": null })),
    ] {
        catalogue.attack(format!("dpop/jwk-{id}"), "binding.dpop.key", holder.header(with(changes))?);
    }
    Ok(())
}

fn texts(catalogue: &mut Catalogue, holder: &mut Holder) -> Result<()> {
    let proof = holder.proof();
    let (head, body) = (proof.header.to_string(), proof.claims.to_string());
    let good = proof.sign(&holder.key)?;
    let [h, p, s] = parts(&good)?;
    let twice = |text: &str, more: &str| text.replacen('{', &format!("{{{more},"), 1);
    for (id, text) in [
        ("empty", String::new()),
        ("two-segments", format!("{h}.{p}")),
        ("four-segments", format!("{good}.{s}")),
        ("five-segments", format!("{good}.{s}.{s}")),
        ("padding", format!("{good}=")),
        ("space-before", format!(" {good}")),
        ("space-behind", format!("{good} ")),
        ("two-with-a-comma", format!("{good},{good}")),
        ("two-with-a-comma-and-a-space", format!("{good}, {good}")),
        ("with-its-scheme", format!("DPoP {good}")),
        ("nul-behind", format!("{good}\0")),
        (
            "too-large",
            forge::token(&holder.key, &head, twice(&body, &format!("\"x\":\"{}\"", "x".repeat(7_000))))?,
        ),
        ("payload-an-array", forge::token(&holder.key, &head, format!("[{body}]"))?),
        ("payload-empty", forge::token(&holder.key, &head, "")?),
        ("payload-a-bom", forge::token(&holder.key, &head, format!("\u{feff}{body}"))?),
        ("jti-twice", forge::token(&holder.key, &head, twice(&body, "\"jti\":\"other\""))?),
        ("htu-twice-by-escape", forge::token(&holder.key, &head, twice(&body, "\"h\\u0074u\":\"x\""))?),
        ("alg-twice", forge::token(&holder.key, twice(&head, "\"alg\":\"none\""), &body)?),
        ("jwk-twice", forge::token(&holder.key, twice(&head, "\"jwk\":{}"), &body)?),
        ("bytes-behind", forge::token(&holder.key, &head, format!("{body}x"))?),
        ("signature-in-the-standard-alphabet", format!("{h}.{p}.{}+/", &s[..s.len() - 2])),
    ] {
        catalogue.attack(format!("dpop/text-{id}"), "binding.dpop.malformed", holder.present(&text));
    }
    let signature = unb64(&s)?;
    for (id, bytes) in [
        ("empty", Vec::new()),
        ("zeros", vec![0; 64]),
        ("all-ones", vec![0xff; 64]),
        ("a-byte-short", signature[..63].to_vec()),
        ("a-byte-long", [&signature[..], &[0]].concat()),
        ("r-s-turned-round", [&signature[32..], &signature[..32]].concat()),
        ("of-the-token", unb64(&parts(&holder.token)?[2])?),
    ] {
        let text = format!("{h}.{p}.{}", b64(bytes));
        catalogue.attack(format!("dpop/signature-{id}"), "binding.dpop.signature", holder.present(&text));
    }
    catalogue.control("dpop/good", holder.present(&good));
    Ok(())
}
