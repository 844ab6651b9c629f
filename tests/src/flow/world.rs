//! Everything around the gateway: issuer, certificates, sample services, and the filter's configuration.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::issuer::{Account, Issuer};
use crate::mint::{self, SigningKey};
use crate::pki::{Authority, Identity};
use crate::services::{Echo, KeyServer};

/// Whom the flow's tokens are for.
pub const AUDIENCE: &str = "https://api.bank.example";
/// The host that clients ask for.
pub const HOST: &str = "gateway.bank.example";
/// The name in the OpenID provider's certificate.
pub(super) const ISSUER_HOST: &str = "id.bank.example";
/// A configured issuer whose key source never answers.
pub const SILENT: &str = "https://silent.partner.example";

/// Who issues the flow's tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Issuing {
    /// A key set and a signing key in this process.
    BuiltIn,
    /// The OpenID provider.
    Provider,
}

enum Source {
    BuiltIn(KeyServer),
    Provider(Issuer),
}

/// Everything around the gateway.
pub struct World {
    source: Option<Source>,
    issuer: String,
    address: SocketAddr,
    key: SigningKey,
    /// The key of an issuer that is configured but was never asked to sign.
    pub stranger: SigningKey,
    /// The sample service behind every route.
    pub service: Echo,
    /// The bank's certificate authority.
    pub authority: Authority,
    /// Another bank's, whose certificates the listener accepts and the filter does not.
    pub foreign: Authority,
    identities: Vec<(&'static str, Identity)>,
    silent: SocketAddr,
    further: Vec<(String, SocketAddr)>,
}

/// Claims of the flow's people, by account.
fn accounts() -> Vec<Account> {
    let person = |roles: &[&str], amount: i64| {
        json!({
            "tenant": "acme", "region": "eu", "roles": roles,
            "transaction": { "amount": amount, "class": "wire" },
        })
    };
    let account = |id: &'static str, subject, claims| Account {
        id,
        subject: Some(subject),
        claims,
        lifetime: 300,
        certificate_bound: id.ends_with("-certificate"),
    };
    vec![
        account("alice", "alice", person(&["customer"], 250_000)),
        account("alice-large", "alice", person(&["customer"], 2_500_000)),
        account("alice-certificate", "alice", person(&["customer"], 250_000)),
        account("ben", "ben", person(&["analyst"], 4_000_000)),
        account("senta", "senta", person(&["senior-analyst"], 20_000_000)),
        // Someone's assistant, to whom a planner has handed on what that person lets it do (RFC 8693 §4.1).
        account(
            "assistant",
            "alice",
            json!({
                "tenant": "acme", "scope": "accounts",
                "act": { "sub": "assistant", "vendor": "acme-ai", "act": { "sub": "planner" } },
            }),
        ),
    ]
}

impl World {
    /// Starts issuer and services.
    pub fn start(issuing: Issuing) -> Result<Self> {
        let key = SigningKey::new("bank-1")?;
        let (authority, foreign) = (Authority::new("bank.example")?, Authority::new("other.example")?);
        let (source, issuer, address) = match issuing {
            Issuing::BuiltIn => {
                let server = KeyServer::start(mint::jwks([&key]))?;
                let address = server.address();
                (Source::BuiltIn(server), format!("http://{address}"), address)
            }
            Issuing::Provider => {
                let server = authority.server(ISSUER_HOST)?;
                let provider = Issuer::start_secure(AUDIENCE, &[&key], &accounts(), &server, &authority)?;
                let (url, address) = (provider.url().to_owned(), provider.address());
                (Source::Provider(provider), url, address)
            }
        };
        let identities = vec![
            ("edge", authority.workload("spiffe://bank.example/edge")?),
            ("orchestrator", authority.workload("spiffe://bank.example/orchestrator")?),
            ("fraud-model", authority.workload("spiffe://bank.example/fraud-model")?),
            ("retraining-job", authority.workload("spiffe://bank.example/retraining-job")?),
            ("foreign", foreign.workload("spiffe://other.example/edge")?),
        ];
        Ok(Self {
            source: Some(source),
            issuer,
            address,
            key,
            stranger: SigningKey::new("other-1")?,
            service: Echo::start("platform")?,
            authority,
            foreign,
            identities,
            silent: closed_port()?,
            further: Vec::new(),
        })
    }

    /// With one more cluster, or with another one in place of that of this name.
    #[must_use]
    pub fn with_cluster(mut self, name: &str, address: SocketAddr) -> Self {
        self.further.retain(|(other, _)| other != name);
        self.further.push((name.to_owned(), address));
        self
    }

    /// The certificate of a workload.
    pub fn identity(&self, name: &str) -> Option<&Identity> {
        self.identities.iter().find(|(other, _)| *other == name).map(|(_, identity)| identity)
    }

    /// The clusters that the gateway needs.
    pub fn clusters(&self) -> Vec<(&str, SocketAddr)> {
        let own = [("issuer", self.address), ("silent", self.silent), ("platform", self.service.address())];
        let replaced = |name: &str| self.further.iter().any(|(other, _)| *other == name);
        let own = own.into_iter().filter(|(name, _)| !replaced(name));
        own.chain(self.further.iter().map(|(name, address)| (&**name, *address))).collect()
    }

    /// The issuer's identifier.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where the issuer listens.
    pub fn issuer_address(&self) -> SocketAddr {
        self.address
    }

    /// A good token, from the real issuer where there is one.
    pub fn token(&self, account: &str) -> Result<String> {
        match &self.source {
            Some(Source::Provider(provider)) => provider.token(account),
            Some(Source::BuiltIn(_)) | None => self.sign(account, json!({})),
        }
    }

    /// A token of the OpenID provider, bound to this key.
    pub fn bound_token(&self, account: &str, holder: &SigningKey) -> Result<String> {
        self.provider()?.bound_token(account, holder)
    }

    /// A token of the OpenID provider, bound to this workload's certificate.
    pub fn certificate_token(&self, account: &str, workload: &str) -> Result<String> {
        let identity = self.identity(workload).context("no such workload")?;
        self.provider()?.certificate_token(account, ISSUER_HOST, &self.authority, identity)
    }

    /// The OpenID provider.
    pub fn provider(&self) -> Result<&Issuer> {
        match &self.source {
            Some(Source::Provider(provider)) => Ok(provider),
            Some(Source::BuiltIn(_)) | None => anyhow::bail!("the issuer is not the OpenID provider"),
        }
    }

    /// The same, to change what it does.
    pub fn provider_mut(&mut self) -> Result<&mut Issuer> {
        match &mut self.source {
            Some(Source::Provider(provider)) => Ok(provider),
            Some(Source::BuiltIn(_)) | None => anyhow::bail!("the issuer is not the OpenID provider"),
        }
    }

    /// A token of the issuer with changed claims, which no issuer would sign that is in its right mind.
    pub fn sign(&self, account: &str, changes: Value) -> Result<String> {
        self.key.sign(&mint::with(&self.claims(account)?, changes))
    }

    /// The built-in issuer's source of keys.
    pub fn key_server(&self) -> Result<&KeyServer> {
        match &self.source {
            Some(Source::BuiltIn(server)) => Ok(server),
            Some(Source::Provider(_)) | None => anyhow::bail!("the issuer is not the built-in one"),
        }
    }

    /// The issuer's key.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The claims of an account's good token.
    pub fn claims(&self, account: &str) -> Result<Value> {
        let found = accounts().into_iter().find(|found| found.id == account);
        let found = found.with_context(|| format!("no account `{account}`"))?;
        let now = mint::now();
        let claims = json!({
            "iss": self.issuer, "aud": AUDIENCE, "sub": found.subject, "client_id": account,
            "iat": now, "exp": now + i64::from(found.lifetime),
        });
        Ok(mint::with(&claims, found.claims))
    }

    /// Publishes a new key beside the old one and signs with it from now on.
    pub fn rotate(&mut self) -> Result<()> {
        let old = std::mem::replace(&mut self.key, SigningKey::new("bank-2")?);
        match &mut self.source {
            Some(Source::BuiltIn(server)) => server.rotate(mint::jwks([&self.key, &old])),
            Some(Source::Provider(provider)) => provider.rotate(&[&self.key, &old])?,
            None => {}
        }
        Ok(())
    }

    /// Publishes these keys, and signs with the first of them from now on.
    pub fn publish(&mut self, keys: &[&SigningKey]) -> Result<()> {
        self.key = (*keys.first().context("no key")?).clone();
        match &mut self.source {
            Some(Source::BuiltIn(server)) => server.rotate(mint::jwks(keys.iter().copied())),
            Some(Source::Provider(provider)) => provider.rotate(keys)?,
            None => {}
        }
        Ok(())
    }

    /// Takes the issuer down, with its keys.
    pub fn stop_issuer(&mut self) {
        self.source = None;
    }

    /// The filter's configuration: that of `examples/envoy`, for this issuer, with a second one that is down, and with
    /// one route whose policy decides on a header, which is given twice and in bad bytes here.
    pub fn configuration(&self) -> Result<Value> {
        let folder = crate::root().join("examples/envoy");
        let text = fs::read_to_string(folder.join("countersign.yaml"))?;
        let mut config: Value = serde_saphyr::from_str(&text)?;
        let bank = &mut config["issuers"][0];
        bank["issuer"] = json!(self.issuer);
        bank["keys"]["remote"]["uri"] = json!(format!("{}/jwks", self.issuer));
        bank["keys"]["remote"]["cooldown_seconds"] = json!(1);
        let mut silent = bank.clone();
        silent["issuer"] = json!(SILENT);
        silent["keys"]["remote"]["cluster"] = json!("silent");
        silent["keys"]["remote"]["timeout_milliseconds"] = json!(200);
        if let Some(issuers) = config["issuers"].as_array_mut() {
            issuers.push(silent);
        }
        let routes = config["routes"].as_array_mut().context("no `routes`")?;
        let features = routes.iter_mut().find(|route| route["name"] == "read-features");
        let features = features.context("no route `read-features`")?;
        features["context"]["purpose"] = json!({ "header": "x-purpose" });
        let pack = config["policy"]["pack"].as_str().context("no `policy.pack`")?.to_owned();
        let image = crate::policies::folder_image(&folder.join(pack))?;
        config["policy"] = json!({ "image": BASE64_STANDARD.encode(image) });
        Ok(config)
    }

    /// The configuration that docs/credentials.md explains, for this issuer, with policies beside its own. Nobody answers for its
    /// trust domain.
    pub fn credentials_configuration(&self, policies: &str) -> Result<Value> {
        let folder = crate::root().join("tests/scenarios/credentials");
        let text = fs::read_to_string(folder.join("countersign.yaml"))?;
        let mut config: Value = serde_saphyr::from_str(&text)?;
        let people = &mut config["issuers"][0];
        people["issuer"] = json!(self.issuer);
        people["keys"]["remote"]["uri"] = json!(format!("{}/jwks", self.issuer));
        config["issuers"][1]["keys"]["remote"]["cluster"] = json!("silent");
        let pack = config["policy"]["pack"].as_str().context("no `policy.pack`")?.to_owned();
        let image = crate::policies::extended_image(&folder.join(pack), policies)?;
        config["policy"] = json!({ "image": BASE64_STANDARD.encode(image) });
        Ok(config)
    }
}

/// A port that nothing listens on.
fn closed_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
