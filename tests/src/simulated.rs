//! The module in the simulator, with the small bank of [`crate::world`] behind it, on virtual time.

use std::fs;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Result, anyhow};
use countersign_host_sim::{
    Engine, Host, HostBuilder, LogLine, Message, Module, Outcome, Request, Upstream, UpstreamReply,
};
use serde_json::{Value, json};

use crate::envoy::Envoy;
use crate::mint::{self, SigningKey};
use crate::world::{self, ISSUER, START, WORKLOAD};

/// The cluster that keys are fetched from.
pub const CLUSTER: &str = "issuer";

/// Where on it they are.
pub const JWKS: &str = "/jwks";

/// The small bank, with its issuer's key.
pub struct Bank {
    /// The issuer's key.
    pub key: SigningKey,
    /// The filter's configuration.
    pub config: Value,
}

impl Bank {
    /// A bank whose keys stand in its configuration.
    pub fn new() -> Result<Self> {
        let key = SigningKey::new("k1")?;
        Ok(Self { config: world::configuration(&key)?, key })
    }

    /// A bank whose keys are fetched from [`CLUSTER`].
    pub fn with_remote_keys() -> Result<Self> {
        let mut bank = Self::new()?;
        bank.config["issuers"][0]["keys"] = json!({ "remote": {
            "cluster": CLUSTER, "uri": format!("https://issuer.bank.example{JWKS}"), "timeout_milliseconds": 2000,
            "refresh_seconds": 100, "cooldown_seconds": 10, "stale_seconds": 1000,
        }});
        Ok(bank)
    }

    /// The module with this bank's configuration, not started yet.
    pub fn builder(&self) -> Result<HostBuilder> {
        Ok(module()?.host().plugin_config(self.config.to_string()).clock_at(START.unsigned_abs()))
    }

    /// The same, with its keys a while away.
    pub fn builder_with_keys_after(&self, delay: Duration) -> Result<HostBuilder> {
        Ok(self.builder()?.cluster(CLUSTER, keys_after(&[&self.key], delay)))
    }

    /// Claims of a token that is good at the start.
    pub fn claims(&self) -> Value {
        json!({
            "iss": ISSUER, "sub": "alice", "aud": "bank", "iat": START, "exp": START + 300, "tenant": "acme",
            "roles": ["clerk"],
        })
    }

    /// A token that is good at the start.
    pub fn token(&self) -> Result<String> {
        self.key.sign(&self.claims())
    }

    /// The same claims, signed by somebody else.
    pub fn forged(&self) -> Result<String> {
        SigningKey::new("k1")?.sign(&self.claims())
    }
}

/// What is not ours in what went upstream and should not be there, or is missing; nothing where all is well.
pub fn fault(message: &Message, principal: &str) -> Option<String> {
    let headers = &message.headers;
    for (name, expected) in [
        ("x-countersign-principal", principal),
        ("x-countersign-principal-type", "User"),
        ("x-countersign-issuer", ISSUER),
        ("x-countersign-subject", principal),
        ("x-countersign-workload", WORKLOAD),
        ("x-countersign-attribute-tenant", "acme"),
    ] {
        let found: Vec<_> = headers.get_all(name.as_bytes()).map(String::from_utf8_lossy).collect();
        if found != [expected] {
            return Some(format!("`{name}`: expected `{expected}`, found {found:?}"));
        }
    }
    let decision = headers.get_all(b"x-countersign-decision-id").count();
    if decision != 1 || headers.get("authorization").is_some() {
        return Some(format!("{decision} decisions in {headers:?}"));
    }
    let forged = message.trailers.iter().find(|(name, _)| *name != b"x-sum");
    forged.map(|_| format!("trailers {:?}", message.trailers))
}

/// A cluster that serves these keys, late.
pub fn keys_after(keys: &[&SigningKey], delay: Duration) -> Upstream {
    let document = mint::jwks(keys.iter().copied()).to_string();
    Upstream::new().on(JWKS, [UpstreamReply::ok(document).after(delay)])
}

/// A request of the trusted workload for an account of its tenant: `GET`, or `POST` which pays.
pub fn request(method: &str, token: &str) -> Request {
    Request::new(method, "/tenants/acme/accounts/a1")
        .authority("bank.example")
        .header("authorization", format!("Bearer {token}"))
        .property("connection.mtls", true)
        .property("connection.uri_san_peer_certificate", WORKLOAD)
}

/// `allow`, the reason for a refusal, or what else became of a request.
pub fn verdict(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Forwarded(_) => "allow".to_owned(),
        Outcome::Reply(reply) => {
            let document: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
            document["reason"].as_str().unwrap_or("a reply without a reason").to_owned()
        }
        Outcome::Failed(failure) => format!("failed: {failure}"),
        Outcome::Paused => "held".to_owned(),
        Outcome::Incomplete => "incomplete".to_owned(),
        Outcome::Closed => "closed".to_owned(),
    }
}

/// The audit lines among what was logged.
pub fn audit(lines: &[LogLine]) -> Vec<Value> {
    let audit = lines.iter().filter(|line| line.message.starts_with(r#"{"countersign":"audit""#));
    audit.filter_map(|line| serde_json::from_str(&line.message).ok()).collect()
}

/// Sends a request and says what became of it.
pub fn ask(host: &mut Host, request: &Request) -> String {
    verdict(&host.run(request))
}

fn module() -> Result<&'static Module> {
    static MODULE: OnceLock<Result<Module>> = OnceLock::new();
    let loaded = MODULE.get_or_init(|| Ok(Engine::new()?.load_module(&fs::read(Envoy::module()?)?)?));
    loaded.as_ref().map_err(|error| anyhow!("loading the module: {error:#}"))
}
