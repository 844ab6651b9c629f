//! Signing keys in PKCS #8 (RFC 5958) and JWK (RFC 7517) form.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
pub(crate) use countersign_core::crypto::Algorithm;
use countersign_core::crypto::KeyType;
use ed25519_dalek::pkcs8::KeypairBytes;
use jsonwebtoken::EncodingKey;
use p256::elliptic_curve::sec1::ToEncodedPoint;
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding};
use rand_chacha::ChaCha20Rng;
use rsa::pss::BlindedSigningKey;
use rsa::rand_core::{CryptoRngCore, OsRng, SeedableRng};
use rsa::sha2::digest::{Digest, FixedOutputReset};
use rsa::sha2::{Sha256, Sha384, Sha512};
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _};
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use rsa::{BigUint, RsaPrivateKey};
use serde_json::{Map, Value, json};

use super::CredentialError;

/// The modulus of a new RSA key, in bits; RFC 7518 §3.3 demands this much.
const RSA_BITS: usize = 2048;

/// The algorithm of a name, in whatever case a user writes it.
pub(crate) fn algorithm(name: &str) -> Result<Algorithm, CredentialError> {
    let mut all = Algorithm::ALL.into_iter();
    all.find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
        .ok_or_else(|| CredentialError::Algorithm(name.to_owned()))
}

/// The algorithm to the library that signs most; it does not know ES512, and takes no salts for the PS algorithms.
const fn theirs(algorithm: Algorithm) -> Option<jsonwebtoken::Algorithm> {
    use jsonwebtoken::Algorithm as Theirs;
    Some(match algorithm {
        Algorithm::Es256 => Theirs::ES256,
        Algorithm::Es384 => Theirs::ES384,
        Algorithm::Es512 | Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512 => return None,
        Algorithm::EdDsa => Theirs::EdDSA,
        Algorithm::Rs256 => Theirs::RS256,
        Algorithm::Rs384 => Theirs::RS384,
        Algorithm::Rs512 => Theirs::RS512,
    })
}

/// A private key. Its `Debug` form shows the algorithm and the thumbprint alone.
#[derive(Clone)]
pub(crate) struct PrivateKey(Kind);

#[derive(Clone)]
enum Kind {
    P256(p256::SecretKey),
    P384(p384::SecretKey),
    P521(p521::SecretKey),
    Ed25519(ed25519_dalek::SigningKey),
    Rsa(Box<RsaPrivateKey>, Algorithm, Salts),
}

/// What the salts of RSASSA-PSS signatures (RFC 8017 §9.1) come from.
#[derive(Clone, Copy)]
enum Salts {
    /// The system's randomness.
    System,
    /// A seed of the key's, and what is signed: the same each time.
    Seeded([u8; 32]),
}

impl PrivateKey {
    /// A new key from the system's randomness. An RSA key takes a moment.
    pub(crate) fn generate(algorithm: Algorithm) -> Result<Self, CredentialError> {
        Self::generate_from(algorithm, &mut OsRng)
    }

    /// A new key from this randomness. It signs the same in the same way each time, by RSASSA-PSS too.
    pub(crate) fn generate_from(
        algorithm: Algorithm,
        random: &mut impl CryptoRngCore,
    ) -> Result<Self, CredentialError> {
        Ok(Self(match algorithm {
            Algorithm::Es256 => Kind::P256(p256::SecretKey::random(random)),
            Algorithm::EdDsa => {
                let mut seed = [0; 32];
                random.fill_bytes(&mut seed);
                Kind::Ed25519(ed25519_dalek::SigningKey::from_bytes(&seed))
            }
            Algorithm::Es384 => Kind::P384(p384::SecretKey::random(random)),
            Algorithm::Es512 => Kind::P521(p521::SecretKey::random(random)),
            Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512
            | Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512 => {
                let key = RsaPrivateKey::new(random, RSA_BITS).map_err(broken)?;
                let mut seed = [0; 32];
                random.fill_bytes(&mut seed);
                Kind::Rsa(Box::new(key), algorithm, Salts::Seeded(seed))
            }
        }))
    }

    /// The same key for another algorithm of its kind: RSA keys have several.
    pub(crate) fn with_algorithm(self, algorithm: Algorithm) -> Result<Self, CredentialError> {
        match self.0 {
            Kind::Rsa(key, _, salts) if algorithm.key_type() == KeyType::Rsa => {
                Ok(Self(Kind::Rsa(key, algorithm, salts)))
            }
            kind => {
                let own = Self(kind);
                match own.algorithm() == algorithm {
                    true => Ok(own),
                    false => Err(CredentialError::Key(format!(
                        "expected a key for {algorithm}, found one for {}",
                        own.algorithm()
                    ))),
                }
            }
        }
    }

    /// Reads PEM (`PRIVATE KEY`, PKCS #8) or a private JWK.
    pub(crate) fn parse(text: &str) -> Result<Self, CredentialError> {
        if text.trim_start().starts_with('{') {
            let jwk = serde_json::from_str(text)
                .map_err(|error| CredentialError::Key(format!("expected a JWK: {error}")))?;
            return Self::from_jwk(&jwk);
        }
        Self::from_pem(text)
    }

    /// Reads PKCS #8 PEM; the kind of key is taken from it.
    pub(crate) fn from_pem(pem: &str) -> Result<Self, CredentialError> {
        if let Ok(key) = p256::SecretKey::from_pkcs8_pem(pem) {
            return Ok(Self(Kind::P256(key)));
        }
        if let Ok(key) = p384::SecretKey::from_pkcs8_pem(pem) {
            return Ok(Self(Kind::P384(key)));
        }
        if let Ok(key) = p521::SecretKey::from_pkcs8_pem(pem) {
            return Ok(Self(Kind::P521(key)));
        }
        if let Ok(key) = ed25519_dalek::SigningKey::from_pkcs8_pem(pem) {
            return Ok(Self(Kind::Ed25519(key)));
        }
        if let Ok(key) = RsaPrivateKey::from_pkcs8_pem(pem) {
            return Ok(Self(Kind::Rsa(Box::new(key), Algorithm::Rs256, Salts::System)));
        }
        Err(CredentialError::Key(
            "expected a PKCS #8 private key (`BEGIN PRIVATE KEY`) for P-256, P-384, P-521, Ed25519 or RSA"
                .to_owned(),
        ))
    }

    /// Reads a private JWK (RFC 7518 §6, RFC 8037 §2).
    pub(crate) fn from_jwk(jwk: &Value) -> Result<Self, CredentialError> {
        let kty = jwk.get("kty").and_then(Value::as_str).unwrap_or_default();
        let crv = jwk.get("crv").and_then(Value::as_str).unwrap_or_default();
        Ok(Self(match (kty, crv) {
            ("EC", "P-256") => Kind::P256(p256::SecretKey::from_slice(&member(jwk, "d")?).map_err(broken)?),
            ("EC", "P-384") => Kind::P384(p384::SecretKey::from_slice(&member(jwk, "d")?).map_err(broken)?),
            ("EC", "P-521") => Kind::P521(p521::SecretKey::from_slice(&member(jwk, "d")?).map_err(broken)?),
            ("OKP", "Ed25519") => {
                let seed = member(jwk, "d")?.try_into();
                let seed = seed.map_err(|_| broken("`d` is not 32 bytes long"))?;
                Kind::Ed25519(ed25519_dalek::SigningKey::from_bytes(&seed))
            }
            ("RSA", _) => {
                let number = |name| member(jwk, name).map(|bytes| BigUint::from_bytes_be(&bytes));
                let primes = vec![number("p")?, number("q")?];
                let key = RsaPrivateKey::from_components(number("n")?, number("e")?, number("d")?, primes);
                let algorithm = match jwk.get("alg").and_then(Value::as_str) {
                    None => Algorithm::Rs256,
                    Some(name) => algorithm(name)?,
                };
                let key = Self(Kind::Rsa(Box::new(key.map_err(broken)?), Algorithm::Rs256, Salts::System));
                return key.with_algorithm(algorithm);
            }
            _ => {
                return Err(CredentialError::Key(format!(
                    "unsupported key type `{kty}` `{crv}`, expected `EC` `P-256`, `P-384` or `P-521`, `OKP` `Ed25519`, or `RSA`"
                )));
            }
        }))
    }

    /// The algorithm that the key signs with.
    pub(crate) fn algorithm(&self) -> Algorithm {
        match &self.0 {
            Kind::P256(_) => Algorithm::Es256,
            Kind::P384(_) => Algorithm::Es384,
            Kind::P521(_) => Algorithm::Es512,
            Kind::Ed25519(_) => Algorithm::EdDsa,
            Kind::Rsa(_, algorithm, _) => *algorithm,
        }
    }

    /// PKCS #8 PEM.
    pub(crate) fn to_pem(&self) -> Result<String, CredentialError> {
        let pem = match &self.0 {
            Kind::P256(key) => key.to_pkcs8_pem(LineEnding::LF),
            Kind::P384(key) => key.to_pkcs8_pem(LineEnding::LF),
            Kind::P521(key) => key.to_pkcs8_pem(LineEnding::LF),
            // Without the public key, which is version 1 of the format: what most readers accept.
            Kind::Ed25519(key) => {
                KeypairBytes { secret_key: key.to_bytes(), public_key: None }.to_pkcs8_pem(LineEnding::LF)
            }
            Kind::Rsa(key, ..) => key.to_pkcs8_pem(LineEnding::LF),
        };
        Ok(pem.map_err(broken)?.to_string())
    }

    /// The public key as a JWK; without `kid` it is named by its thumbprint.
    pub(crate) fn public_jwk(&self, kid: Option<&str>) -> Value {
        let mut jwk = self.required_members();
        jwk.insert("kid".to_owned(), json!(kid.map_or_else(|| self.thumbprint(), str::to_owned)));
        jwk.insert("alg".to_owned(), json!(self.algorithm().name()));
        jwk.insert("use".to_owned(), json!("sig"));
        Value::Object(jwk)
    }

    /// The private key as a JWK.
    pub(crate) fn private_jwk(&self, kid: Option<&str>) -> Value {
        let mut jwk = self.public_jwk(kid);
        let number = |number: &BigUint| BASE64URL.encode(number.to_bytes_be());
        match &self.0 {
            Kind::P256(key) => jwk["d"] = json!(BASE64URL.encode(key.to_bytes())),
            Kind::P384(key) => jwk["d"] = json!(BASE64URL.encode(key.to_bytes())),
            Kind::P521(key) => jwk["d"] = json!(BASE64URL.encode(key.to_bytes())),
            Kind::Ed25519(key) => jwk["d"] = json!(BASE64URL.encode(key.to_bytes())),
            Kind::Rsa(key, ..) => {
                jwk["d"] = json!(number(key.d()));
                if let [p, q] = key.primes() {
                    (jwk["p"], jwk["q"]) = (json!(number(p)), json!(number(q)));
                }
            }
        }
        jwk
    }

    /// The SHA-256 thumbprint of the public key in base64url (RFC 7638 §3).
    pub(crate) fn thumbprint(&self) -> String {
        // The map keeps its members in lexicographic order, which is the order that §3.3 hashes.
        let canonical = Value::Object(self.required_members()).to_string();
        BASE64URL.encode(Sha256::digest(canonical))
    }

    /// The signature over `input`, as a JWS carries it.
    pub(crate) fn sign(&self, input: &[u8]) -> Result<Vec<u8>, CredentialError> {
        if let Kind::Rsa(key, algorithm, salts) = &self.0 {
            let key = key.as_ref();
            match algorithm {
                Algorithm::Ps256 => return salted::<Sha256>(key, *salts, input),
                Algorithm::Ps384 => return salted::<Sha384>(key, *salts, input),
                Algorithm::Ps512 => return salted::<Sha512>(key, *salts, input),
                _ => {}
            }
        }
        let pem = self.to_pem()?;
        let key = match &self.0 {
            Kind::P256(_) | Kind::P384(_) => EncodingKey::from_ec_pem(pem.as_bytes()),
            Kind::Ed25519(_) => EncodingKey::from_ed_pem(pem.as_bytes()),
            Kind::Rsa(..) => EncodingKey::from_rsa_pem(pem.as_bytes()),
            Kind::P521(key) => {
                let key = p521::ecdsa::SigningKey::from_slice(&key.to_bytes()).map_err(broken)?;
                // The curve's crate has no nonces of RFC 6979, and would take random ones.
                let mut nonces = always(key.to_bytes(), input);
                let signature: p521::ecdsa::Signature =
                    key.try_sign_with_rng(&mut nonces, input).map_err(broken)?;
                return Ok(signature.to_bytes().to_vec());
            }
        };
        let algorithm = theirs(self.algorithm()).ok_or_else(|| broken("no such algorithm"))?;
        let signature =
            jsonwebtoken::crypto::sign(input, &key.map_err(broken)?, algorithm).map_err(broken)?;
        BASE64URL.decode(signature).map_err(broken)
    }

    /// The members that identify the public key (RFC 7638 §3.2).
    fn required_members(&self) -> Map<String, Value> {
        let members = match &self.0 {
            Kind::P256(key) => point("P-256", key.public_key().to_encoded_point(false).as_bytes()),
            Kind::P384(key) => point("P-384", key.public_key().to_encoded_point(false).as_bytes()),
            Kind::P521(key) => point("P-521", key.public_key().to_encoded_point(false).as_bytes()),
            Kind::Ed25519(key) => {
                json!({ "crv": "Ed25519", "kty": "OKP", "x": BASE64URL.encode(key.verifying_key().as_bytes()) })
            }
            Kind::Rsa(key, ..) => json!({
                "e": BASE64URL.encode(key.e().to_bytes_be()),
                "kty": "RSA",
                "n": BASE64URL.encode(key.n().to_bytes_be()),
            }),
        };
        match members {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, {})", self.algorithm(), self.thumbprint())
    }
}

/// A signature by RSASSA-PSS, with a salt as long as the digest (RFC 7518 §3.5).
fn salted<D: Digest + FixedOutputReset>(
    key: &RsaPrivateKey,
    salts: Salts,
    input: &[u8],
) -> Result<Vec<u8>, CredentialError> {
    let key = BlindedSigningKey::<D>::new(key.clone());
    let signature = match salts {
        Salts::System => key.try_sign_with_rng(&mut OsRng, input),
        Salts::Seeded(seed) => key.try_sign_with_rng(&mut always(seed, input), input),
    };
    Ok(signature.map_err(broken)?.to_vec())
}

/// Randomness that follows from a secret and what is signed.
fn always(secret: impl AsRef<[u8]>, input: &[u8]) -> ChaCha20Rng {
    let seed = Sha256::new().chain_update(secret).chain_update(input).finalize();
    ChaCha20Rng::from_seed(seed.into())
}

/// A public key on a curve by its uncompressed point: 4, x, y (SEC 1 §2.3.3).
fn point(curve: &str, point: &[u8]) -> Value {
    let coordinates = point.get(1..).unwrap_or_default();
    let (x, y) = coordinates.split_at(coordinates.len() / 2);
    json!({ "crv": curve, "kty": "EC", "x": BASE64URL.encode(x), "y": BASE64URL.encode(y) })
}

/// A JWK Set (RFC 7517 §5) of these keys' public halves.
pub(crate) fn jwks<'a>(keys: impl IntoIterator<Item = (&'a PrivateKey, Option<&'a str>)>) -> Value {
    json!({ "keys": keys.into_iter().map(|(key, kid)| key.public_jwk(kid)).collect::<Vec<_>>() })
}

fn member(jwk: &Value, name: &str) -> Result<Vec<u8>, CredentialError> {
    let text = jwk.get(name).and_then(Value::as_str);
    let text =
        text.ok_or_else(|| CredentialError::Key(format!("the JWK lacks the private member `{name}`")))?;
    BASE64URL
        .decode(text)
        .map_err(|error| CredentialError::Key(format!("member `{name}` of the JWK: {error}")))
}

fn broken(error: impl fmt::Display) -> CredentialError {
    CredentialError::Key(format!("unusable key: {error}"))
}

#[cfg(test)]
mod tests;
