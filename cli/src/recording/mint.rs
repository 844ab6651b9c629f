//! Recorded requests made whole again: in the place of each issuer's keys there is a throw-away key, and with it tokens are signed
//! that say what the recorded ones said.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::config::{Config, Issuer, IssuerProfile};
use countersign_core::reason::Reason;
use countersign_host_sim::PropertyValue;
use serde_json::{Map, Value, json};

use super::format::{Kind, Recorded};
use super::read::{Entry, Origin};
use crate::case::{Case, Jwks, Target};
use crate::credentials::api_key::ApiKey;
use crate::credentials::{Algorithm, Forgery, PrivateKey, ProofBuilder, TokenBuilder, algorithm};
use crate::engine::Request;
use crate::failure::Failure;
use crate::time;

/// How long a token lives of which only the audit line is known, in seconds.
const LIFE: i64 = 60;

/// The key of tokens that name none.
const KID: &str = "replay";

/// Signs in the place of all issuers.
pub(crate) struct Mint {
    keys: BTreeMap<&'static str, PrivateKey>,
    holder: PrivateKey,
    api_keys: BTreeMap<String, ApiKey>,
    api_key_header: Option<String>,
    issuers: Vec<Issuer>,
    /// What the issuers publish: a document for each of them.
    published: Jwks,
}

impl Mint {
    /// For these requests and this configuration, whose API keys become throw-away ones too; without one for any module.
    pub(crate) fn new(entries: &[Entry], config: Option<&mut Config>) -> Result<Self, Failure> {
        let broken = |error: crate::credentials::CredentialError| Failure::usage(error.to_string());
        let mut mint = Self {
            keys: BTreeMap::new(),
            holder: PrivateKey::generate(Algorithm::Es256).map_err(broken)?,
            api_keys: BTreeMap::new(),
            api_key_header: None,
            issuers: Vec::new(),
            published: Jwks { raw: String::from("{}") },
        };
        if let Some(config) = config {
            mint.take_over(config);
        }
        let mut wanted: BTreeMap<String, BTreeSet<(&'static str, String)>> = BTreeMap::new();
        for entry in entries {
            let Some((issuer, algorithm, kid)) = mint.signs(entry) else { continue };
            mint.key(algorithm).map_err(broken)?;
            wanted.entry(issuer).or_default().insert((algorithm.name(), kid));
        }
        let mut documents = Map::new();
        for issuer in &mint.issuers {
            let usage = if issuer.profile == IssuerProfile::JwtSvid { "jwt-svid" } else { "sig" };
            let of_issuer = wanted.remove(&issuer.issuer).unwrap_or_default();
            let mut keys: Vec<Value> = of_issuer
                .iter()
                .filter_map(|(algorithm, kid)| Some(mint.keys.get(algorithm)?.public_jwk(Some(kid))))
                .collect();
            if keys.is_empty() {
                // A key set without any key is none.
                keys.push(mint.holder.public_jwk(Some("replay-unused")));
            }
            for key in &mut keys {
                key["use"] = json!(usage);
            }
            documents.insert(issuer.issuer.clone(), json!({ "keys": keys }));
        }
        mint.published = Jwks { raw: Value::Object(documents).to_string() };
        Ok(mint)
    }

    /// Takes the place of those that a configuration trusts.
    fn take_over(&mut self, config: &mut Config) {
        // What issuers publish of tokens that they took back, and what a token service gives, is not recorded.
        for issuer in &mut config.issuers {
            issuer.revocation = None;
        }
        config.upstream_tokens.clear();
        for route in &mut config.routes {
            route.upstream_token = None;
        }
        if let Some(configured) = &mut config.api_keys {
            self.api_key_header = Some(configured.header.clone());
            for key in &mut configured.keys {
                let fresh = ApiKey::generate();
                key.sha256 = fresh.sha256();
                self.api_keys.insert(key.id.clone(), fresh);
            }
        }
        self.issuers.clone_from(&config.issuers);
    }

    fn key(&mut self, algorithm: Algorithm) -> Result<(), crate::credentials::CredentialError> {
        if !self.keys.contains_key(algorithm.name()) {
            // RSA keys take a moment each: one serves all of its algorithms.
            let rsa =
                self.keys.iter().find(|(name, _)| name.starts_with(['R', 'P'])).map(|(_, key)| key.clone());
            let key = match rsa.filter(|_| algorithm.name().starts_with(['R', 'P'])) {
                Some(key) => key.with_algorithm(algorithm)?,
                None => PrivateKey::generate(algorithm)?,
            };
            self.keys.insert(algorithm.name(), key);
        }
        Ok(())
    }

    /// By which issuer, algorithm and key a request's token is signed; nothing where its key is to stay unknown.
    fn signs(&self, entry: &Entry) -> Option<(String, Algorithm, String)> {
        let credential = &entry.recorded.credential;
        if credential.kind != Kind::Jwt || reason(&entry.recorded) == Some(Reason::TokenKeyUnknown.code()) {
            return None;
        }
        let text = |name: &str| credential.header.get(name).and_then(Value::as_str);
        let issuer = credential.claims.get("iss").and_then(Value::as_str)?;
        let configured = self.issuers.iter().find(|configured| configured.issuer == issuer)?;
        let usual =
            configured.algorithms.as_ref().and_then(|all| all.first()).map_or("ES256", String::as_str);
        let algorithm = algorithm(text("alg").unwrap_or(usual)).ok()?;
        Some((issuer.to_owned(), algorithm, text("kid").unwrap_or(KID).to_owned()))
    }

    /// The request as it can be sent, or why it cannot.
    pub(crate) fn case(&self, entry: &Entry) -> Result<Case, String> {
        let recorded = &entry.recorded;
        let at = time::parse(&recorded.time)
            .ok_or_else(|| format!("`time`: expected {}, found `{}`", time::EXPECTED_TIME, recorded.time))?;
        let mut headers: Vec<(Vec<u8>, Vec<u8>)> = recorded
            .headers
            .iter()
            .map(|(name, value)| (name.clone().into_bytes(), value.clone().into_bytes()))
            .collect();
        let now = at.as_nanos().div_euclid(1_000_000_000);
        for (name, value) in self.credential(entry, now)? {
            headers.push((name.into_bytes(), value.into_bytes()));
        }
        let target = Target { method: Some(&recorded.method), url: Some(&recorded.url) };
        let headers = target.into_headers(headers).map_err(|bad| bad.to_string())?;
        let mut request = Request { headers, ..Request::default() };
        for (name, value) in &recorded.properties {
            let value = match value {
                Value::Bool(value) => PropertyValue::Bool(*value),
                Value::Number(number) => PropertyValue::Int(number.as_i64().unwrap_or(i64::MAX)),
                other => PropertyValue::Bytes(other.as_str().unwrap_or_default().as_bytes().to_vec()),
            };
            request.properties.insert(name.clone(), value);
        }
        Ok(Case { id: None, time: at, request, jwks: Some(self.published.clone()), expect: None })
    }

    /// The headers that authenticate a request.
    fn credential(&self, entry: &Entry, now: i64) -> Result<Vec<(String, String)>, String> {
        let recorded = &entry.recorded;
        let one = |value: String| vec![(String::from("authorization"), value)];
        match recorded.credential.kind {
            Kind::None => Ok(Vec::new()),
            _ if reason(recorded) == Some(Reason::TokenMalformed.code()) => {
                Ok(one(String::from("Bearer a.b")))
            }
            Kind::Jwt => self.token(entry, now),
            Kind::Opaque if reason(recorded).is_some_and(|reason| reason.starts_with("token.")) => {
                Ok(one(String::from("Bearer replayed")))
            }
            Kind::Opaque => Err(String::from(
                "its token says nothing by itself, and what its issuer said of it is not recorded",
            )),
            Kind::Other if reason(recorded) == Some(Reason::TokenScheme.code()) => {
                Ok(one(String::from("Basic eDp5")))
            }
            Kind::Other => Err(String::from("its credential is not recorded")),
            Kind::ApiKey => {
                let id = recorded.decision.as_ref().and_then(|decision| decision.get("key_id"));
                let id = id.and_then(Value::as_str).unwrap_or_default();
                match (self.api_keys.get(id), &self.api_key_header) {
                    (Some(key), Some(header)) => Ok(vec![(header.clone(), key.reveal().to_owned())]),
                    _ => Err(format!("its API key `{id}` is not in the configuration")),
                }
            }
        }
    }

    fn token(&self, entry: &Entry, now: i64) -> Result<Vec<(String, String)>, String> {
        let credential = &entry.recorded.credential;
        let text = |name: &str| credential.header.get(name).and_then(Value::as_str);
        let mut claims = credential.claims.clone();
        let bound = claims.get("cnf").and_then(|cnf| cnf.get("jkt")).is_some();
        if bound || entry.origin == Origin::Audit && credential.proof {
            claims.insert(String::from("cnf"), json!({ "jkt": self.holder.thumbprint() }));
        }
        let mut builder = TokenBuilder::new().kid(text("kid").unwrap_or(KID));
        match entry.origin {
            Origin::Recording => {
                builder = builder.header("typ", credential.header.get("typ").cloned().unwrap_or_default())
            }
            Origin::Audit => {
                for (name, value) in self.usual(entry, now) {
                    claims.entry(name).or_insert(value);
                }
            }
        }
        let builder = builder.claims(claims);
        let name = self.signs(entry).map_or("ES256", |(_, algorithm, _)| algorithm.name());
        let key = self.keys.get(name).unwrap_or(&self.holder);
        let forgery = match (text("alg"), credential.verified) {
            (Some("none"), _) => Some(Forgery::Unsigned),
            (Some(alg), _) if algorithm(alg).is_err() => Some(Forgery::Confused),
            (_, Some(false)) => Some(Forgery::Signature),
            _ => None,
        };
        let token = match &forgery {
            None => builder.sign(key),
            Some(forgery) => builder.forge(key, forgery),
        };
        let token = token.map_err(|error| error.to_string())?;
        let mut headers = Vec::new();
        let scheme = if credential.proof { "DPoP" } else { "Bearer" };
        if credential.proof {
            let (method, url) = (&entry.recorded.method, &entry.recorded.url);
            let proof = ProofBuilder::new(&self.holder, method, url, &token, "replay", now);
            headers.push((
                String::from("dpop"),
                proof.sign(&self.holder, None).map_err(|error| error.to_string())?,
            ));
        }
        headers.push((String::from("authorization"), format!("{scheme} {token}")));
        Ok(headers)
    }

    /// What an accepted token says at least, where the audit line does not tell.
    fn usual(&self, entry: &Entry, now: i64) -> Vec<(String, Value)> {
        let issuer = entry.recorded.credential.claims.get("iss").and_then(Value::as_str);
        let issuer = self.issuers.iter().find(|configured| Some(configured.issuer.as_str()) == issuer);
        let mut claims = vec![
            (String::from("aud"), json!(issuer.and_then(|issuer| issuer.audiences.first()))),
            (String::from("iat"), json!(now - 1)),
            (String::from("exp"), json!(now + LIFE)),
        ];
        let roles = issuer.and_then(|issuer| issuer.principal.roles.as_ref());
        let held = entry.recorded.decision.as_ref().and_then(|decision| decision.get("roles"));
        if let (Some(roles), Some(held)) = (roles, held) {
            claims.push((roles.claim.clone(), held.clone()));
        }
        claims
    }
}

fn reason(recorded: &Recorded) -> Option<&str> {
    recorded.decision.as_ref()?.get("reason")?.as_str()
}
