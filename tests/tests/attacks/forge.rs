//! Tokens of any make: header and payload are text that need not be JSON, and the signature is good unless one says otherwise.

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::world::{Answer, Ask, World};
use jsonwebtoken::{Algorithm, EncodingKey};
use rsa::rand_core::OsRng;
use rsa::sha2::{Digest as _, Sha256};
use rsa::traits::PublicKeyParts as _;
use rsa::{BigUint, Pkcs1v15Sign, Pss, RsaPrivateKey};
use serde_json::{Value, json};

/// Base64url without padding.
pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    BASE64URL.encode(bytes)
}

/// What base64url says.
pub(crate) fn unb64(text: &str) -> Result<Vec<u8>> {
    Ok(BASE64URL.decode(text)?)
}

/// The parts of a compact JWS.
pub(crate) fn parts(token: &str) -> Result<[String; 3]> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else { bail!("expected a JWS, found `{token}`") };
    Ok([(*header).into(), (*payload).into(), (*signature).into()])
}

/// A signature for ES256: r and s.
pub(crate) fn es256(key: &SigningKey, message: &[u8]) -> Result<Vec<u8>> {
    let key = EncodingKey::from_ec_pem(key.pem.as_bytes())?;
    unb64(&jsonwebtoken::crypto::sign(message, &key, Algorithm::ES256)?)
}

/// Segments that are encoded already, signed as they stand.
pub(crate) fn seal(key: &SigningKey, header: &str, payload: &str) -> Result<String> {
    let signed = format!("{header}.{payload}");
    let signature = es256(key, signed.as_bytes())?;
    Ok(format!("{signed}.{}", b64(signature)))
}

/// A token with this text for its header and for its payload.
pub(crate) fn token(key: &SigningKey, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Result<String> {
    seal(key, &b64(header), &b64(payload))
}

/// The header of good tokens, with changes; `null` removes a member.
pub(crate) fn header(changes: Value) -> Value {
    mint::with(&json!({ "alg": "ES256", "kid": "k1", "typ": "at+jwt" }), changes)
}

/// An object with one member's value in other words, which need not be JSON.
pub(crate) fn member(object: &Value, name: &str, raw: &str) -> String {
    let mut text = String::from("{");
    for (have, value) in object.as_object().into_iter().flatten() {
        if have != name {
            text.push_str(&format!("{}:{value},", Value::from(have.as_str())));
        }
    }
    text + &format!("{}:{raw}}}", Value::from(name))
}

/// The verdict; a refusal that is none says so.
pub(crate) fn sound(answer: &Answer) -> String {
    let verdict = answer.verdict();
    let passed = matches!(verdict, "allow" | "held");
    let status = answer.reply.as_ref().map(|reply| reply.status);
    if passed && status.is_some() || !passed && answer.edits.is_some() {
        return format!("{verdict}, with the answer {status:?}");
    }
    if !passed && !status.is_some_and(|status| (400..600).contains(&status)) {
        return format!("{verdict}, without an answer that refuses");
    }
    verdict.to_owned()
}

/// A world to attack.
pub(crate) struct Bench {
    pub(crate) world: World,
}

impl Bench {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { world: World::new()? })
    }

    pub(crate) fn configured(change: impl FnOnce(&mut Value)) -> Result<Self> {
        Ok(Self { world: World::configured(change)? })
    }

    /// The verdict on a request.
    pub(crate) fn ask(&mut self, ask: &Ask) -> String {
        sound(&self.world.ask(ask))
    }

    /// The verdict on a read with this token.
    pub(crate) fn bearer(&mut self, token: &str) -> String {
        self.ask(&Ask::read().bearer(token))
    }

    /// The verdict on a read with this value of `authorization`.
    pub(crate) fn authorization(&mut self, value: impl Into<Vec<u8>>) -> String {
        self.ask(&Ask::read().header("authorization", value))
    }

    /// The verdict on a token with this text for its header and payload, and a good signature.
    pub(crate) fn raw(&mut self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Result<String> {
        let token = token(&self.world.key, header, payload)?;
        Ok(self.bearer(&token))
    }

    /// The verdict on a token with good claims and this text for its header.
    pub(crate) fn header(&mut self, text: impl AsRef<[u8]>) -> Result<String> {
        let claims = self.world.claims().to_string();
        self.raw(text, claims)
    }

    /// The verdict on a token with this text for its payload.
    pub(crate) fn payload(&mut self, text: impl AsRef<[u8]>) -> Result<String> {
        self.raw(header(json!({})).to_string(), text)
    }

    /// The verdict on a token with changed claims; `null` removes one.
    pub(crate) fn claims(&mut self, changes: Value) -> Result<String> {
        let claims = mint::with(&self.world.claims(), changes).to_string();
        self.payload(claims)
    }

    /// The verdict on a token with one claim in other words.
    pub(crate) fn claim(&mut self, name: &str, raw: &str) -> Result<String> {
        let claims = member(&self.world.claims(), name, raw);
        self.payload(claims)
    }
}

/// An RSA key.
pub(crate) struct Rsa(RsaPrivateKey);

impl Rsa {
    pub(crate) fn new(bits: usize) -> Result<Self> {
        Ok(Self(RsaPrivateKey::new(&mut OsRng, bits)?))
    }

    /// Its JWK, without `alg`.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let number = |number: &BigUint| b64(number.to_bytes_be());
        json!({ "kty": "RSA", "kid": kid, "use": "sig", "n": number(self.0.n()), "e": number(self.0.e()) })
    }

    /// The modulus.
    pub(crate) fn modulus(&self) -> &BigUint {
        self.0.n()
    }

    /// A PKCS #1 signature with SHA-256.
    pub(crate) fn pkcs1(&self, message: &[u8]) -> Result<Vec<u8>> {
        Ok(self.0.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message))?)
    }

    /// A PKCS #1 signature over this text in the place of the `DigestInfo`.
    pub(crate) fn pkcs1_over(&self, digest_info: &[u8]) -> Result<Vec<u8>> {
        Ok(self.0.sign(Pkcs1v15Sign::new_unprefixed(), digest_info)?)
    }

    /// A PSS signature with SHA-256 and so long a salt.
    pub(crate) fn pss(&self, message: &[u8], salt: usize) -> Result<Vec<u8>> {
        let scheme = Pss::new_with_salt::<Sha256>(salt);
        Ok(self.0.sign_with_rng(&mut OsRng, scheme, &Sha256::digest(message))?)
    }
}

/// A signature of any make over a token's first two segments.
pub(crate) fn signed_by(
    header: &Value,
    claims: &Value,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>>,
) -> Result<String> {
    let signed = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let signature = sign(signed.as_bytes())?;
    Ok(format!("{signed}.{}", b64(signature)))
}

/// An Ed25519 key.
pub(crate) struct Ed25519(rcgen::KeyPair);

impl Ed25519 {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?))
    }

    pub(crate) fn jwk(&self, kid: &str) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": b64(self.0.public_key_raw()) })
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        rcgen::SigningKey::sign(&self.0, message).context("an Ed25519 signature")
    }
}
