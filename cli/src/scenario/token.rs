//! Minting the tokens of a scenario.

use super::certificates::Certificates;
use super::format::{File, ProofChoice, ProofSpec, Publication, TokenChoice, TokenSpec};
use super::keys::Keys;
use super::opaque::{self, Introspected};
use super::short::Short;
use crate::credentials::{CredentialError, Forgery, PrivateKey, ProofBuilder, TokenBuilder};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use countersign_core::config::Issuer;
use serde_json::{Map, Value, json};

/// How often one token may extend another.
const MAX_DEPTH: usize = 16;

/// What a proof is about.
pub(super) struct Proved<'a> {
    pub(super) method: &'a str,
    pub(super) url: &'a str,
    pub(super) token: &'a str,
    /// An identifier that no other proof of the case has.
    pub(super) id: &'a str,
    /// The gateway's last nonce.
    pub(super) nonce: Option<&'a str>,
}

/// How a token or a proof is spoilt.
fn forgery(tamper: Option<&str>) -> Result<Option<Forgery>, String> {
    Ok(Some(match tamper {
        None => return Ok(None),
        Some("payload") => Forgery::Payload(Map::from_iter([("sub".to_owned(), json!("mallory"))])),
        Some("signature") => Forgery::Signature,
        Some("none") => Forgery::Unsigned,
        Some("hmac") => Forgery::Confused,
        Some("truncate") => Forgery::Truncated,
        Some(other) => {
            return Err(format!(
                "`tamper`: expected `payload`, `signature`, `none`, `hmac` or `truncate`, found `{other}`"
            ));
        }
    }))
}

/// Whether two JWTs say the same, but for their times.
fn says_alike(one: &str, other: &str) -> bool {
    let said = |token: &str| {
        let mut parts = token.split('.').map(|part| BASE64URL.decode(part).ok());
        let header = parts.next()??;
        let mut claims: Map<String, Value> = serde_json::from_slice(&parts.next()??).ok()?;
        claims.retain(|name, _| !["exp", "iat", "nbf"].contains(&name.as_str()));
        Some((header, claims))
    };
    said(one).is_some_and(|one| Some(one) == said(other))
}

/// A token before it is signed.
enum Draft<'a> {
    Nothing,
    Text(String),
    Signed { token: TokenBuilder, key: &'a PrivateKey, forgery: Option<Forgery> },
}

/// What tokens are made from.
#[derive(Clone, Copy)]
pub(super) struct Mint<'a> {
    pub(super) file: &'a File,
    /// The issuers that are configured.
    pub(super) issuers: &'a [Issuer],
    pub(super) keys: &'a Keys,
    pub(super) certificates: &'a Certificates,
}

impl Mint<'_> {
    /// The token for a request at `now`, in seconds; nothing where none is wanted. Of a certificate that it is bound to, `thumbprint`
    /// may know another one that stands for it.
    pub(super) fn mint(
        &self,
        choice: &TokenChoice,
        now: i64,
        thumbprint: impl FnOnce(&str) -> Result<Option<String>, String>,
    ) -> Result<Option<String>, String> {
        let told = |error: CredentialError| error.to_string();
        match self.draft(choice, now, thumbprint)? {
            Draft::Nothing => Ok(None),
            Draft::Text(text) => Ok(Some(text)),
            Draft::Signed { token, key, forgery: None } => token.sign(key).map(Some).map_err(told),
            Draft::Signed { token, key, forgery: Some(forgery) } => {
                token.forge(key, &forgery).map(Some).map_err(told)
            }
        }
    }

    /// Demands that a token can be made at `now`, in seconds.
    pub(super) fn check(&self, choice: &TokenChoice, now: i64) -> Result<(), String> {
        self.draft(choice, now, |_| Ok(None)).map(drop)
    }

    fn draft(
        &self,
        choice: &TokenChoice,
        now: i64,
        thumbprint: impl FnOnce(&str) -> Result<Option<String>, String>,
    ) -> Result<Draft<'_>, String> {
        let spec = match choice {
            Short::Text(name) if name == "none" => return Ok(Draft::Nothing),
            Short::Text(name) => {
                let spec = self.named(name, 0)?;
                if opaque::is(&spec) {
                    return Ok(Draft::Text(opaque::text(name)));
                }
                spec
            }
            Short::Whole(spec) => self.flatten(spec, 0)?,
        };
        if opaque::is(&spec) {
            return Err("`opaque`: expected it of one of the file's `tokens`, which the issuer knows".into());
        }
        if let Some(raw) = &spec.raw {
            return Ok(Draft::Text(raw.clone()));
        }
        let name = spec.key.as_deref().ok_or("expected `key`, the name of the key that signs the token")?;
        let key = self.keys.get(name).map_err(|message| format!("`key`: {message}"))?;
        let mut claims = self.usual_claims(self.publisher(name));
        self.bind(&spec, &mut claims)?;
        claims.extend(spec.claims);
        let bound = claims.get_mut("cnf").and_then(|cnf| cnf.get_mut("x5t#S256"));
        if let Some(Value::String(text)) = bound
            && let Some(other) = thumbprint(text)?
        {
            *text = other;
        }
        let mut token = TokenBuilder::new().kid(&key.kid);
        for (name, value) in spec.header {
            token = token.header(&name, value);
        }
        let token = token.claims(claims).at(now).map_err(|error| format!("`claims`: {error}"))?;
        Ok(Draft::Signed { token, key: &key.key, forgery: forgery(spec.tamper.as_deref())? })
    }

    /// What a token service answers that gives the file's token of this name (RFC 8693 §2.2.1).
    pub(super) fn given(&self, name: &str, now: i64) -> Result<String, String> {
        let answer = json!({
            "access_token": self.of_file(name, now)?,
            "token_type": "Bearer",
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        });
        Ok(answer.to_string())
    }

    /// Whether the value of a header is the file's token of this name, whenever it was minted.
    pub(super) fn is_bearer(&self, value: &str, name: &str, now: i64) -> Result<bool, String> {
        let wanted = self.of_file(name, now)?;
        Ok(value.strip_prefix("Bearer ").is_some_and(|token| token == wanted || says_alike(token, &wanted)))
    }

    fn of_file(&self, name: &str, now: i64) -> Result<String, String> {
        let token = self.mint(&Short::Text(name.to_owned()), now, |_| Ok(None))?;
        token.ok_or_else(|| format!("`token`: expected one of the file's `tokens`, found `{name}`"))
    }

    /// The proof for a request; nothing where none is wanted.
    pub(super) fn prove(
        &self,
        choice: &ProofChoice,
        request: &Proved<'_>,
        now: i64,
    ) -> Result<Option<String>, String> {
        let named;
        let spec = match choice {
            Short::Text(name) if name == "none" => return Ok(None),
            Short::Text(name) => {
                named = ProofSpec { key: Some(name.clone()), ..ProofSpec::default() };
                &named
            }
            Short::Whole(spec) => &**spec,
        };
        if let Some(raw) = &spec.raw {
            return Ok(Some(raw.clone()));
        }
        let name = spec.key.as_deref().ok_or("expected `key`, the name of the key that signs the proof")?;
        let key = &self.keys.get(name).map_err(|message| format!("`key`: {message}"))?.key;
        let mut proof = ProofBuilder::new(key, request.method, request.url, request.token, request.id, now);
        if spec.nonce {
            proof = proof.nonce(request.nonce.ok_or("`nonce`: the gateway has given none yet")?);
        }
        let told = |error: CredentialError| error.to_string();
        let proof = proof.with(spec.header.clone(), spec.claims.clone(), now).map_err(told)?;
        proof.sign(key, forgery(spec.tamper.as_deref())?.as_ref()).map(Some).map_err(told)
    }

    /// Demands that a proof can be made at `now`, in seconds, of whatever request.
    pub(super) fn check_proof(&self, choice: &ProofChoice, now: i64) -> Result<(), String> {
        let Short::Whole(spec) = choice else { return Ok(()) };
        let name = spec.key.as_deref().filter(|_| spec.raw.is_none());
        if spec.raw.is_none() && name.is_none() {
            return Err("expected `key`, the name of the key that signs the proof, or `raw`".to_owned());
        }
        forgery(spec.tamper.as_deref())?;
        let claims = TokenBuilder::new().claims(spec.claims.clone()).at(now);
        claims.map(drop).map_err(|error| format!("`claims`: {error}"))
    }

    /// What the issuer says of each of the file's opaque tokens, issued at `now`, in seconds.
    pub(super) fn introspected(&self, now: i64) -> Result<Vec<Introspected>, String> {
        let mut known = Vec::new();
        for name in self.file.tokens.keys() {
            let spec = self.named(name, 0)?;
            if !opaque::is(&spec) {
                continue;
            }
            let issuer = self.issuers.iter().find(|issuer| issuer.introspection.is_some());
            let issuer = issuer.ok_or("`opaque`: expected an issuer with `introspection`, found none")?;
            let mut claims = self.usual_claims(Some(issuer));
            claims.extend([("active".into(), json!(true)), ("token_type".into(), json!("Bearer"))]);
            self.bind(&spec, &mut claims)?;
            claims.extend(spec.claims);
            let said = TokenBuilder::new().claims(claims).at(now).map_err(|error| error.to_string())?.said();
            known.push(Introspected { token: opaque::text(name), answer: Value::Object(said).to_string() });
        }
        Ok(known)
    }

    fn bind(&self, spec: &TokenSpec, claims: &mut Map<String, Value>) -> Result<(), String> {
        if let Some(holder) = &spec.bind {
            let bound = match self.certificates.thumbprint(holder) {
                Some(thumbprint) => json!({ "x5t#S256": thumbprint }),
                None => {
                    let key = self.keys.get(holder).map_err(|message| format!("`bind`: {message}"))?;
                    json!({ "jkt": key.key.thumbprint() })
                }
            };
            claims.insert("cnf".into(), bound);
        }
        Ok(())
    }

    fn named(&self, name: &str, depth: usize) -> Result<TokenSpec, String> {
        let spec = self.file.tokens.get(name).ok_or_else(|| {
            let names: Vec<String> = self.file.tokens.keys().map(|name| format!("`{name}`")).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            format!("expected `none` or one of the file's `tokens` ({names}), found `{name}`")
        })?;
        self.flatten(spec, depth)
    }

    /// A token with all that it inherits.
    fn flatten(&self, spec: &TokenSpec, depth: usize) -> Result<TokenSpec, String> {
        let Some(base) = &spec.extends else { return Ok(spec.clone()) };
        if depth >= MAX_DEPTH {
            return Err(format!("expected an end to `extends`, found none after {MAX_DEPTH} tokens"));
        }
        let mut whole = self.named(base, depth + 1)?;
        whole.key = spec.key.clone().or(whole.key);
        whole.header.extend(spec.header.clone());
        whole.claims.extend(spec.claims.clone());
        whole.tamper = spec.tamper.clone().or(whole.tamper);
        whole.raw = spec.raw.clone().or(whole.raw);
        whole.bind = spec.bind.clone().or(whole.bind);
        whole.opaque = spec.opaque.or(whole.opaque);
        whole.extends = None;
        Ok(whole)
    }

    /// The issuer that publishes a key.
    fn publisher(&self, key: &str) -> Option<&Issuer> {
        let publishes = |publication: &Publication| match publication {
            Publication::Keys(keys) => keys.iter().any(|name| name == key),
            Publication::Raw(_) => false,
        };
        let publisher = self.file.issuers.iter().find(|(_, publication)| publishes(publication));
        publisher
            .and_then(|(name, _)| self.issuers.iter().find(|issuer| issuer.issuer == *name))
            .or(self.issuers.first())
    }

    /// What a token says that does not say otherwise: its issuer, that one's first audience, and five minutes.
    fn usual_claims(&self, issuer: Option<&Issuer>) -> Map<String, Value> {
        let mut claims = Map::from_iter([("iat".to_owned(), json!("now")), ("exp".to_owned(), json!("+5m"))]);
        if let Some(issuer) = issuer {
            claims.insert("iss".into(), json!(issuer.issuer));
            claims.insert("aud".into(), json!(issuer.audiences.first()));
        }
        claims
    }
}
