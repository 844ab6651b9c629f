//! Three verifiers, each asked as a service that expects these tokens would ask it.

use std::fmt;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use countersign_core::cache::Cache;
use countersign_core::crypto::Software;
use countersign_core::jose::{JwkSet, JwksLimits};
use countersign_core::keys::KeyStore;
use countersign_core::settings::Settings;
use countersign_core::time::Timestamp;
use countersign_core::token::{Refusal, Verification, verify};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use serde_json::{Value, json};

use crate::mint::{SigningKey, jwks};
use crate::root;
use crate::world::{self, ISSUER};

const AUDIENCE: &str = "bank";
const TOLERANCE: u64 = 10;

/// Whose verdict is held against ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Library {
    /// The crate.
    JsonWebToken,
    /// The package for Node.
    Jose,
}

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::JsonWebToken => "jsonwebtoken",
            Self::Jose => "jose",
        })
    }
}

/// A key of an issuer for each algorithm, whose `kid` is the algorithm's name.
pub struct Keys(Vec<(Algorithm, &'static str, SigningKey, EncodingKey)>);

impl Keys {
    /// New ones.
    pub fn new() -> Result<Self> {
        let algorithms = [
            (Algorithm::ES256, "ES256"),
            (Algorithm::EdDSA, "EdDSA"),
            (Algorithm::ES384, "ES384"),
            (Algorithm::RS256, "RS256"),
            (Algorithm::PS256, "PS256"),
        ];
        let key = |(algorithm, name)| {
            let key = SigningKey::of(name, algorithm)?;
            let encoding = key.encoding_key()?;
            Ok((algorithm, name, key, encoding))
        };
        algorithms.into_iter().map(key).collect::<Result<_>>().map(Self)
    }

    /// The names of the algorithms.
    pub fn algorithms(&self) -> Vec<&'static str> {
        self.0.iter().map(|(_, name, ..)| *name).collect()
    }

    /// The public keys as a JWK Set.
    pub fn jwks(&self) -> Value {
        jwks(self.0.iter().map(|(_, _, key, _)| key))
    }

    /// A signature by the key of this algorithm.
    pub(super) fn sign(&self, name: &str, message: &[u8]) -> Result<Vec<u8>> {
        let key = self.0.iter().find(|(_, have, ..)| *have == name);
        let (algorithm, _, _, key) = key.context("no such key")?;
        Ok(BASE64URL.decode(jsonwebtoken::crypto::sign(message, key, *algorithm)?)?)
    }
}

/// Ours, without caches.
pub struct Ours {
    settings: Settings,
    keys: Vec<KeyStore>,
}

impl Ours {
    /// With these keys for the only issuer.
    pub fn new(keys: &Keys) -> Result<Self> {
        let (_, _, key, _) = keys.0.first().context("no keys")?;
        let mut config = world::configuration(key)?;
        config["issuers"][0]["algorithms"] = json!(keys.algorithms());
        config["issuers"][0]["keys"] = json!({ "inline": keys.jwks() });
        let settings = Settings::load(config.to_string().as_bytes()).context("the configuration")?;
        let set = JwkSet::parse(keys.jwks().to_string().as_bytes(), &JwksLimits::default())
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(Self { settings, keys: vec![KeyStore::fixed(set)] })
    }

    /// Nothing, or the reason code of the refusal.
    pub fn verdict(&mut self, token: &str, now: i64) -> Result<(), &'static str> {
        let mut state = Verification {
            settings: &self.settings,
            keys: &mut self.keys,
            cache: &mut Cache::new(0, 0, (0, 0)),
            failures: &mut Cache::new(0, 0, (0, 0)),
            provider: &Software,
            count: &mut |_| {},
        };
        match verify(token.as_bytes(), false, &mut state, Timestamp::from_secs(now)) {
            Ok(_) => Ok(()),
            Err(Refusal::Because(reason)) => Err(reason.code()),
            Err(Refusal::Wait(_)) => Err("wait"),
        }
    }
}

/// The crate `jsonwebtoken`, whose clock is the system's.
pub struct JsonWebToken(Vec<(Algorithm, &'static str, DecodingKey, Validation)>);

impl JsonWebToken {
    /// With these keys.
    pub fn new(keys: &Keys) -> Result<Self> {
        let key = |(algorithm, name, key, _): &(Algorithm, &'static str, SigningKey, EncodingKey)| {
            let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(key.jwk())?;
            let mut validation = Validation::new(*algorithm);
            validation.set_issuer(&[ISSUER]);
            validation.set_audience(&[AUDIENCE]);
            validation.set_required_spec_claims(&["exp", "iss", "aud"]);
            validation.validate_nbf = true;
            validation.leeway = TOLERANCE;
            Ok((*algorithm, *name, DecodingKey::from_jwk(&jwk)?, validation))
        };
        keys.0.iter().map(key).collect::<Result<_>>().map(Self)
    }

    /// Nothing, or what is wrong. The key is the one that the header names, or else the one for its algorithm.
    pub fn verdict(&self, token: &str) -> Result<(), String> {
        let header = jsonwebtoken::decode_header(token).map_err(|error| error.to_string())?;
        let key = self.0.iter().find(|(algorithm, name, ..)| {
            *algorithm == header.alg && header.kid.as_ref().is_none_or(|kid| kid == name)
        });
        let (_, _, key, validation) = key.ok_or("no such key")?;
        match jsonwebtoken::decode::<Value>(token, key, validation) {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The package `jose`, under Node: `tests/oidc/verify.mjs`. It ends when its input does.
pub struct Jose {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Jose {
    /// With these keys.
    pub fn start(keys: &Keys) -> Result<Self> {
        let mut child = Command::new("node")
            .arg(root().join("tests/oidc/verify.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting `node`")?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("no output of `node`")?);
        let mut jose = Self { child, input, output };
        jose.ask(&json!({
            "jwks": keys.jwks(), "issuer": ISSUER, "audience": AUDIENCE, "algorithms": keys.algorithms(),
            "tolerance": TOLERANCE,
        }))?;
        Ok(jose)
    }

    /// For each token nothing, or what is wrong.
    pub fn verdicts(&mut self, tokens: &[&str], now: i64) -> Result<Vec<Result<(), String>>> {
        let said = self.ask(&json!({ "now": now, "tokens": tokens }))?;
        if said.len() != tokens.len() {
            bail!("`jose` was asked about {} tokens and answered {}", tokens.len(), said.len());
        }
        Ok(said.into_iter().map(|error| error.map_or(Ok(()), Err)).collect())
    }

    fn ask(&mut self, command: &Value) -> Result<Vec<Option<String>>> {
        let input = self.input.as_mut().context("no input of `node`")?;
        writeln!(input, "{command}")?;
        input.flush()?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        serde_json::from_str(&line).context("`node` ended; `npm ci` in tests/oidc installs its parts")
    }
}

impl Drop for Jose {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}
