//! The keys of a scenario file: made on each run, from its seed.

use super::format::{KeySpec, Publication};
use super::short::Short;
use crate::credentials::{PrivateKey, algorithm, jwks};
use countersign_core::config::IssuerProfile;
use countersign_core::crypto::digest::sha256;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Keys by name.
pub(super) struct Keys(BTreeMap<String, Key>);

/// A key and the name that issuers publish it under.
pub(super) struct Key {
    pub(super) key: PrivateKey,
    pub(super) kid: String,
}

/// The randomness that a key is made from.
fn random(seed: u64, name: &str) -> ChaCha20Rng {
    let of_key = [b"countersign scenario key", &seed.to_le_bytes()[..], name.as_bytes()].concat();
    ChaCha20Rng::from_seed(sha256(&of_key))
}

impl Keys {
    /// Makes every key, from the seed and its name; an error comes with the field's path.
    pub(super) fn generate(
        specs: &BTreeMap<String, Short<KeySpec>>,
        seed: u64,
    ) -> Result<Self, (String, String)> {
        let one = |(name, spec): (&String, &Short<KeySpec>)| {
            let (alg, kid) = match spec {
                Short::Text(alg) => (alg, None),
                Short::Whole(key) => (&key.alg, key.kid.clone()),
            };
            let key = PrivateKey::generate_from(algorithm(alg)?, &mut random(seed, name))?;
            Ok((name.clone(), Key { key, kid: kid.unwrap_or_else(|| name.clone()) }))
        };
        specs
            .iter()
            .map(|spec| {
                one(spec).map_err(|error: crate::credentials::CredentialError| {
                    (format!("keys.{}", spec.0), error.to_string())
                })
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The key of a name.
    pub(super) fn get(&self, name: &str) -> Result<&Key, String> {
        self.0.get(name).ok_or_else(|| {
            let names: Vec<String> = self.0.keys().map(|name| format!("`{name}`")).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            format!("expected one of the file's `keys` ({names}), found `{name}`")
        })
    }

    /// A JWK Set of the public halves.
    pub(super) fn jwks(&self, names: &[String]) -> Result<String, String> {
        let keys = names.iter().map(|name| self.get(name)).collect::<Result<Vec<_>, _>>()?;
        Ok(jwks(keys.into_iter().map(|key| (&key.key, Some(key.kid.as_str())))).to_string())
    }

    /// The document that an issuer publishes: a key set, or a trust domain's bundle.
    pub(super) fn document(
        &self,
        publication: &Publication,
        profile: IssuerProfile,
    ) -> Result<String, String> {
        match publication {
            Publication::Keys(names) if profile == IssuerProfile::JwtSvid => {
                let mut set: Value =
                    serde_json::from_str(&self.jwks(names)?).map_err(|error| error.to_string())?;
                for key in set["keys"].as_array_mut().into_iter().flatten() {
                    key["use"] = json!("jwt-svid");
                }
                Ok(set.to_string())
            }
            Publication::Keys(names) => self.jwks(names),
            Publication::Raw(text) => Ok(text.clone()),
        }
    }
}
