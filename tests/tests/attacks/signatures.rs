//! Signatures: forged, out of range, in another form, by another key.

use anyhow::{Context as _, Result};
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::world::World;
use jsonwebtoken::Algorithm;
use rsa::BigUint;
use rsa::sha2::{Digest as _, Sha256, Sha512};
use serde_json::{Value, json};

use crate::catalogue::Catalogue;
use crate::forge::{self, Bench, Ed25519, Rsa, b64, header, parts, signed_by, unb64};

/// The order of P-256 (FIPS 186-5).
pub(crate) const N: &[u8] = b"FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551";
/// The prime of its field.
pub(crate) const P: &[u8] = b"FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF";
/// The order of the base point of Ed25519 (RFC 8032 §5.1).
const L: &[u8] = b"1000000000000000000000000000000014DEF9DEA2F79CD65812631A5CF5D3ED";
/// `DigestInfo` of SHA-256 without and with its parameters (RFC 8017 §9.2).
const BARE: &[u8] = &[0x30, 0x2f, 0x30, 0x0b, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 4, 0x20];
pub(crate) const DIGEST_INFO: &[u8] =
    &[0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];

/// What is signed in the place of a message.
type Padded<'a> = Box<dyn Fn(&[u8]) -> Vec<u8> + 'a>;

pub(crate) fn add(catalogue: &mut Catalogue) -> Result<()> {
    ecdsa(catalogue)?;
    ecdsa_keys(catalogue)?;
    ed25519(catalogue)?;
    rsa(catalogue)?;
    pss(catalogue)
}

pub(crate) fn hex(digits: &[u8]) -> Result<BigUint> {
    BigUint::parse_bytes(digits, 16).context("hexadecimal digits")
}

/// A number in so many bytes, or in more where it needs them.
pub(crate) fn sized(number: &BigUint, size: usize) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    [vec![0; size.saturating_sub(bytes.len())], bytes].concat()
}

/// ASN.1, as everyone but JOSE writes these signatures.
fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let mut bytes: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
        if bytes.first().is_none_or(|first| *first >= 0x80) {
            bytes.insert(0, 0);
        }
        [vec![2, bytes.len() as u8], bytes].concat()
    };
    let body = [integer(r), integer(s)].concat();
    [vec![0x30, body.len() as u8], body].concat()
}

fn ecdsa(catalogue: &mut Catalogue) -> Result<()> {
    let mut bench = Bench::new()?;
    let good = bench.world.token()?;
    let [h, p, s] = parts(&good)?;
    let signature = unb64(&s)?;
    let (r, s) = signature.split_at(32);
    let (n, field) = (hex(N)?, hex(P)?);
    let number = |bytes: &[u8]| BigUint::from_bytes_be(bytes);
    let pair = |r: &[u8], s: &[u8]| [r, s].concat();
    let high = sized(&(&n - number(s)), 32);
    // One of s and n - s is the greater; both are valid (ECDSA's malleability), and the cache holds each for itself.
    catalogue.control("signature/es256", bench.bearer(&good));
    catalogue
        .control("signature/es256-the-other-s", bench.bearer(&mint::with_signature(&good, &pair(r, &high))?));
    let (zero, one, max) = ([0; 32], sized(&BigUint::from(1u8), 32), [0xff; 32]);
    let order = sized(&n, 32);
    let over = sized(&(&n + BigUint::from(1u8)), 32);
    let field = sized(&field, 32);
    let minus_one = sized(&(&n - BigUint::from(1u8)), 32);
    for (id, bytes) in [
        ("zeros", pair(&zero, &zero)),
        ("r-zero", pair(&zero, s)),
        ("s-zero", pair(r, &zero)),
        ("r-is-n", pair(&order, s)),
        ("s-is-n", pair(r, &order)),
        ("both-n", pair(&order, &order)),
        ("r-is-n-and-one", pair(&over, s)),
        ("s-is-n-and-one", pair(r, &over)),
        ("r-is-p", pair(&field, s)),
        ("r-all-ones", pair(&max, s)),
        ("s-all-ones", pair(r, &max)),
        ("ones", pair(&one, &one)),
        ("n-less-one", pair(&minus_one, &minus_one)),
        ("r-and-n", sized(&(number(r) + &n), 33).into_iter().chain(s.iter().copied()).collect()),
        ("s-and-n", pair(r, &sized(&(number(s) + &n), 33))),
        ("r-s-turned-round", pair(s, r)),
        ("r-twice", pair(r, r)),
        ("der", der(r, s)),
        ("der-of-the-other-s", der(r, &high)),
        ("der-of-zeros", vec![0x30, 6, 2, 1, 0, 2, 1, 0]),
        ("a-byte-short", signature[..63].to_vec()),
        ("a-byte-long", pair(&signature, &[0])),
        ("a-zero-before", pair(&[0], &signature)),
        ("zeros-before-each", pair(&pair(&[0], r), &pair(&[0], s))),
        ("half", r.to_vec()),
        ("one-byte", vec![1]),
        ("twice", pair(&signature, &signature)),
        ("four-thousand-bytes", vec![1; 4_000]),
        ("little-endian", signature.iter().rev().copied().collect()),
        ("as-text", s_text(&signature)),
    ] {
        let found = bench.bearer(&mint::with_signature(&good, &bytes)?);
        catalogue.attack(format!("signature/es256-{id}"), "token.signature", found);
    }
    for (id, signed) in [
        ("payload-alone", p.clone()),
        ("header-alone", h.clone()),
        ("without-the-dot", format!("{h}{p}")),
        ("decoded", String::from_utf8(unb64(&h)?)? + &String::from_utf8(unb64(&p)?)?),
        ("turned-round", format!("{p}.{h}")),
        ("whole-token", good.clone()),
    ] {
        let bytes = forge::es256(&bench.world.key, signed.as_bytes())?;
        let found = bench.bearer(&mint::with_signature(&good, &bytes)?);
        catalogue.attack(format!("signature/es256-over-{id}"), "token.signature", found);
    }
    for at in [0, 17, 31, 32, 48, 63] {
        let found = bench.bearer(&mint::break_signature(&good, at)?);
        catalogue.attack(format!("signature/es256-byte-{at}-changed"), "token.signature", found);
    }
    for (id, changes) in [
        ("subject", json!({ "sub": "mallory" })),
        ("roles", json!({ "roles": ["clerk", "admin"] })),
        ("expiry", json!({ "exp": bench.world.now().as_secs() + 400 })),
        ("binding", json!({ "cnf": { "jkt": b64([7; 32]) } })),
        ("claim-more", json!({ "x": 1 })),
    ] {
        let found = bench.bearer(&mint::tamper(&good, changes)?);
        catalogue.attack(format!("signature/changed-{id}"), "token.signature", found);
    }
    let renamed = format!("{}.{p}.{}", b64(header(json!({ "typ": "JWT" })).to_string()), b64(&signature));
    catalogue.attack("signature/changed-header", "token.signature", bench.bearer(&renamed));
    Ok(())
}

fn s_text(signature: &[u8]) -> Vec<u8> {
    signature.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

/// A key serves the tokens of its own issuer under its own name.
fn ecdsa_keys(catalogue: &mut Catalogue) -> Result<()> {
    let (second, namesake, stranger) =
        (SigningKey::new("k2")?, SigningKey::new("k1")?, SigningKey::new("k1")?);
    let mut bench = Bench::configured(|config| {
        let mut other = config["issuers"][0].clone();
        other["issuer"] = "https://other.example".into();
        other["keys"] = json!({ "inline": mint::jwks([&namesake]) });
        if let Some(keys) = config["issuers"][0]["keys"]["inline"]["keys"].as_array_mut() {
            keys.push(second.jwk());
        }
        if let Some(issuers) = config["issuers"].as_array_mut() {
            issuers.push(other);
        }
    })?;
    let claims = bench.world.claims();
    let elsewhere = mint::with(&claims, json!({ "iss": "https://other.example" }));
    catalogue.control("signature/by-the-second-key", bench.bearer(&second.sign(&claims)?));
    catalogue.control("signature/by-a-namesake-for-its-issuer", bench.bearer(&namesake.sign(&elsewhere)?));
    let first = bench.world.key.clone();
    for (id, token) in [
        ("by-a-stranger", stranger.sign(&claims)?),
        ("by-the-namesake-of-another-issuer", namesake.sign(&claims)?),
        ("by-our-key-for-another-issuer", first.sign(&elsewhere)?),
        ("by-the-key-of-another-kid", second.sign_as("k1", &claims)?),
        ("by-the-key-of-another-kid-turned-round", first.sign_as("k2", &claims)?),
    ] {
        catalogue.attack(format!("signature/{id}"), "token.signature", bench.bearer(&token));
    }
    let p384 = SigningKey::of("k3", Algorithm::ES384)?;
    let mut bench = with_key(p384.jwk(), &["ES384"])?;
    let good = p384.sign(&bench.world.claims())?;
    catalogue.control("signature/es384", bench.bearer(&good));
    for (id, bytes) in [("zeros", vec![0; 96]), ("of-p-256", vec![1; 64]), ("all-ones", vec![0xff; 96])] {
        let found = bench.bearer(&mint::with_signature(&good, &bytes)?);
        catalogue.attack(format!("signature/es384-{id}"), "token.signature", found);
    }
    Ok(())
}

/// A bench whose issuer has this key alone.
fn with_key(jwk: Value, algorithms: &[&str]) -> Result<Bench> {
    Bench::configured(|config| {
        config["issuers"][0]["keys"] = json!({ "inline": { "keys": [jwk] } });
        config["issuers"][0]["algorithms"] = json!(algorithms);
    })
}

fn ed25519(catalogue: &mut Catalogue) -> Result<()> {
    let key = Ed25519::new()?;
    let mut bench = with_key(key.jwk("k1"), &["EdDSA"])?;
    let head = header(json!({ "alg": "EdDSA" }));
    let good = signed_by(&head, &bench.world.claims(), |message| key.sign(message))?;
    catalogue.control("signature/ed25519", bench.bearer(&good));
    // RFC 9864 §2.2: the same algorithm by its full name.
    let named = header(json!({ "alg": "Ed25519" }));
    let named = signed_by(&named, &bench.world.claims(), |message| key.sign(message))?;
    catalogue.control("signature/ed25519-by-its-full-name", bench.bearer(&named));
    let ed448 = header(json!({ "alg": "Ed448" }));
    let ed448 = signed_by(&ed448, &bench.world.claims(), |message| key.sign(message))?;
    catalogue.attack("signature/ed25519-as-ed448", "token.algorithm", bench.bearer(&ed448));
    let signature = unb64(&parts(&good)?[2])?;
    let (r, s) = signature.split_at(32);
    let order = hex(L)?;
    let little = |number: &BigUint| {
        let mut bytes = number.to_bytes_le();
        bytes.resize(32, 0);
        bytes
    };
    let scalar = BigUint::from_bytes_le(s);
    let mut identity = [0; 32];
    identity[0] = 1;
    // A point of order eight, and one whose y is not reduced.
    let eight = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";
    let eight: Vec<u8> =
        (0..32).filter_map(|i| u8::from_str_radix(&eight[2 * i..2 * i + 2], 16).ok()).collect();
    let mut unreduced = [0xff; 32];
    (unreduced[0], unreduced[31]) = (0xee, 0x7f);
    let pair = |r: &[u8], s: &[u8]| [r, s].concat();
    for (id, bytes) in [
        ("s-and-l", pair(r, &little(&(&scalar + &order)))),
        ("s-and-two-l", pair(r, &little(&(&scalar + &order + &order)))),
        ("s-is-l", pair(r, &little(&order))),
        ("s-zero", pair(r, &[0; 32])),
        ("zeros", vec![0; 64]),
        ("r-the-identity-s-zero", pair(&identity, &[0; 32])),
        ("r-of-order-eight", pair(&eight, s)),
        ("r-of-order-eight-s-zero", pair(&eight, &[0; 32])),
        ("r-not-reduced", pair(&unreduced, s)),
        ("r-all-ones", pair(&[0xff; 32], s)),
        ("s-with-its-high-bit", pair(r, &[&s[..31], &[s[31] | 0x80]].concat())),
        ("turned-round", pair(s, r)),
        ("a-byte-short", signature[..63].to_vec()),
        ("a-byte-long", pair(&signature, &[0])),
    ] {
        let found = bench.bearer(&mint::with_signature(&good, &bytes)?);
        catalogue.attack(format!("signature/ed25519-{id}"), "token.signature", found);
    }
    let other = Ed25519::new()?;
    let forged = signed_by(&head, &bench.world.claims(), |message| other.sign(message))?;
    catalogue.attack("signature/ed25519-by-another-key", "token.signature", bench.bearer(&forged));
    let hashed = signed_by(&head, &bench.world.claims(), |message| key.sign(&Sha512::digest(message)))?;
    catalogue.attack("signature/ed25519-over-a-digest", "token.signature", bench.bearer(&hashed));
    Ok(())
}

fn rsa(catalogue: &mut Catalogue) -> Result<()> {
    let key = Rsa::new(2048)?;
    let mut bench = with_key(key.jwk("k1"), &["RS256", "PS256", "RS512"])?;
    let head = header(json!({ "alg": "RS256" }));
    let claims = bench.world.claims();
    let sign = |head: &Value, sign: &dyn Fn(&[u8]) -> Result<Vec<u8>>| signed_by(head, &claims, sign);
    let good = sign(&head, &|message| key.pkcs1(message))?;
    catalogue.control("signature/rs256", bench.bearer(&good));
    let signature = unb64(&parts(&good)?[2])?;
    let less_one = key.modulus() - BigUint::from(1u8);
    let pair = |a: &[u8], b: &[u8]| [a, b].concat();
    for (id, bytes) in [
        ("zeros", vec![0; 256]),
        ("one", sized(&BigUint::from(1u8), 256)),
        ("n-less-one", sized(&less_one, 256)),
        ("n", sized(key.modulus(), 256)),
        ("all-ones", vec![0xff; 256]),
        ("a-zero-before", pair(&[0], &signature)),
        ("a-byte-long", pair(&signature, &[0])),
        ("a-byte-short", signature[1..].to_vec()),
        ("of-another-size", vec![1; 128]),
        ("twice", pair(&signature, &signature)),
    ] {
        let found = bench.bearer(&mint::with_signature(&good, &bytes)?);
        catalogue.attack(format!("signature/rs256-{id}"), "token.signature", found);
    }
    // Of the modulus' length, and equal to a good signature modulo n: some signatures are small enough for one.
    let again = (0..10_000).find_map(|n| {
        let claims = mint::with(&claims, json!({ "jti": format!("t-{n}") }));
        let good = signed_by(&head, &claims, |message| key.pkcs1(message)).ok()?;
        let signature = BigUint::from_bytes_be(&unb64(&parts(&good).ok()?[2]).ok()?);
        let sum = sized(&(signature + key.modulus()), 256);
        (sum.len() == 256).then(|| mint::with_signature(&good, &sum).ok())?
    });
    let again = again.context("a signature that leaves room for the modulus")?;
    catalogue.attack("signature/rs256-and-n", "token.signature", bench.bearer(&again));
    let digest = |message: &[u8]| Sha256::digest(message).to_vec();
    let of = |info: &'static [u8]| move |message: &[u8]| [info, &digest(message)].concat();
    let cases: [(&str, Padded); 5] = [
        ("digest-alone", Box::new(digest)),
        ("digest-info-without-parameters", Box::new(of(BARE))),
        ("digest-info-and-more", Box::new(move |message| [&of(DIGEST_INFO)(message)[..], &[0; 8]].concat())),
        (
            "digest-info-of-another-hash",
            Box::new(move |message| {
                let mut info = DIGEST_INFO.to_vec();
                info[14] = 4;
                [info, digest(message)].concat()
            }),
        ),
        ("message-itself", Box::new(|message| message[..64].to_vec())),
    ];
    for (id, over) in &cases {
        let token = sign(&head, &|message| key.pkcs1_over(&over(message)))?;
        catalogue.attack(format!("signature/rs256-{id}"), "token.signature", bench.bearer(&token));
    }
    let full = sign(&head, &|message| key.pkcs1_over(&of(DIGEST_INFO)(message)))?;
    catalogue.control("signature/rs256-made-by-hand", bench.bearer(&full));
    let sha512 = header(json!({ "alg": "RS512" }));
    let token = sign(&sha512, &|message| key.pkcs1(message))?;
    catalogue.attack("signature/rs256-under-rs512", "token.signature", bench.bearer(&token));
    let token = sign(&head, &|message| key.pss(message, 32))?;
    catalogue.attack("signature/ps256-under-rs256", "token.signature", bench.bearer(&token));
    cube_root(catalogue, &key, &head)
}

/// With an exponent of three, the cube root of something that begins like a signed message (CVE-2006-4339).
fn cube_root(catalogue: &mut Catalogue, key: &Rsa, head: &Value) -> Result<()> {
    let mut jwk = key.jwk("k1");
    jwk["e"] = json!(b64([3]));
    let mut bench = with_key(jwk, &["RS256"])?;
    let forged = signed_by(head, &World::new()?.claims(), |message| {
        let mut text = [&[0, 1][..], &[0xff; 8], &[0], DIGEST_INFO, &Sha256::digest(message)].concat();
        text.resize(256, 0xff);
        let target = BigUint::from_bytes_be(&text);
        let (mut low, mut high) = (BigUint::from(0u8), BigUint::from(1u8) << 700);
        while &low + BigUint::from(1u8) < high {
            let middle = (&low + &high) >> 1;
            let cube = &middle * &middle * &middle;
            if cube <= target { low = middle } else { high = middle }
        }
        Ok(sized(&low, 256))
    })?;
    catalogue.attack("signature/rs256-cube-root", "token.signature", bench.bearer(&forged));
    Ok(())
}

fn pss(catalogue: &mut Catalogue) -> Result<()> {
    let key = Rsa::new(2048)?;
    let mut bench = with_key(key.jwk("k1"), &["PS256", "RS256"])?;
    let head = header(json!({ "alg": "PS256" }));
    let claims = bench.world.claims();
    let good = signed_by(&head, &claims, |message| key.pss(message, 32))?;
    catalogue.control("signature/ps256", bench.bearer(&good));
    for salt in [0, 20, 31, 33, 64, 222] {
        let token = signed_by(&head, &claims, |message| key.pss(message, salt))?;
        let id = format!("signature/ps256-salt-of-{salt}");
        catalogue.attack(id, "token.signature", bench.bearer(&token));
    }
    let token = signed_by(&head, &claims, |message| key.pkcs1(message))?;
    catalogue.attack("signature/rs256-under-ps256", "token.signature", bench.bearer(&token));
    let found = bench.bearer(&mint::break_signature(&good, 255)?);
    catalogue.attack("signature/ps256-last-byte-changed", "token.signature", found);
    // A key that says what it is for serves nothing else.
    let mut pinned = key.jwk("k1");
    pinned["alg"] = json!("RS256");
    let mut bench = with_key(pinned, &["PS256", "RS256"])?;
    catalogue.attack("signature/ps256-with-a-key-for-rs256", "token.algorithm", bench.bearer(&good));
    Ok(())
}
