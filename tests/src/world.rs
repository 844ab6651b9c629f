//! A gateway in memory: the core with a small bank's policies, its issuer's keys, and a clock of its own.
//!
//! Nothing runs beside the test: fetches are answered when the test says so.

use anyhow::{Context as _, Result, anyhow};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use countersign_compiler::{CompileOptions, Pack, Source, compile};
use countersign_core::exchange::{Effect, Event, Exchange, Flow, HeaderEdits};
use countersign_core::gateway::{Call, CallAnswer, Entropy, Gateway, Notice};
use countersign_core::metrics::{Counter, Unobserved};
use countersign_core::refusal::Reply;
use countersign_core::request::{Peer, RequestHead};
use countersign_core::settings::Settings;
use countersign_core::time::{Span, Timestamp};
use serde_json::{Value, json};

use crate::mint::{SigningKey, jwks};

/// The time at which a world begins, in seconds since the epoch.
pub const START: i64 = 1_790_000_000;

/// The workload that calls where a test says nothing else.
pub const WORKLOAD: &str = "spiffe://bank.example/orchestrator";

/// The issuer's name.
pub const ISSUER: &str = "https://issuer.bank.example";

const SCHEMA: &str = r#"
entity Role in [Role];
entity User in [Role] { tenant: String, level?: Long };
entity Workload;
entity Account { tenant: String };
action Read, Pay appliesTo {
  principal: User, resource: Account,
  context: { workload?: Workload, purpose?: String, amount?: Long, host: String, method: String, time: Long }
};
action Sync appliesTo { principal: Workload, resource: Account, context: {} };
"#;

const POLICIES: &str = r#"
@id("read-own-tenant")
permit(principal in Role::"clerk", action == Action::"Read", resource)
when { principal.tenant == resource.tenant };

@id("pay-up-to-limit")
permit(principal in Role::"clerk", action == Action::"Pay", resource)
when { context has amount && context.amount <= 1000 };

@id("no-marketing")
forbid(principal, action, resource) when { context has purpose && context.purpose == "marketing" };

@id("closed-host")
forbid(principal is User, action in [Action::"Read", Action::"Pay"], resource) when { context.host == "closed.bank.example" };

@id("level-nine-is-shut-out")
forbid(principal, action == Action::"Pay", resource)
when { principal has level && principal.level + 9223372036854775800 > 9223372036854775806 };

@id("orchestrator-syncs")
permit(principal == Workload::"spiffe://bank.example/orchestrator", action == Action::"Sync", resource);
"#;

/// A gateway in memory.
pub struct World {
    /// The issuer's first key.
    pub key: SigningKey,
    /// The worker.
    pub gateway: Gateway,
    /// Nanoseconds since [`START`].
    now: Timestamp,
    next: u32,
    /// Warnings to the operator, in order.
    pub warnings: Vec<String>,
    /// What was counted, in order.
    pub counted: Vec<Counter>,
}

/// What became of a request.
#[derive(Debug)]
pub struct Answer {
    /// Its flow.
    pub flow: Flow,
    /// Edits of the request, where it went on.
    pub edits: Option<HeaderEdits>,
    /// The refusal, where it was refused.
    pub reply: Option<Reply>,
    /// The audit line, where the exchange has ended.
    pub audit: Option<Value>,
}

impl Answer {
    /// `allow`, `held`, or the reason for the refusal.
    pub fn verdict(&self) -> &str {
        match (&self.flow, self.audit.as_ref().map(|audit| &audit["reason"])) {
            (Flow::Hold, _) => "held",
            (Flow::Release, _) => "allow",
            (Flow::Closed, Some(Value::String(reason))) => reason,
            (Flow::Closed, _) => "closed without a reason",
        }
    }

    /// A header of the refusal.
    pub fn reply_header(&self, name: &str) -> Option<&str> {
        let reply = self.reply.as_ref()?;
        reply.headers.iter().find(|(header, _)| *header == name).map(|(_, value)| value.as_str())
    }

    /// A header that goes upstream because the gateway added it.
    pub fn added(&self, name: &str) -> Option<&str> {
        let edits = self.edits.as_ref()?;
        edits.add.iter().find(|(header, _)| **header == *name).map(|(_, value)| value.as_str())
    }
}

/// A request to a world.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Headers in order, pseudo-headers first.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The URI SAN of the peer's certificate, where it presents one.
    pub peer: Option<Vec<u8>>,
    /// SHA-256 of the certificate, in hexadecimal digits.
    pub digest: Option<Vec<u8>>,
}

impl Ask {
    /// A request of the trusted workload, without a token.
    pub fn new(method: &str, path: &str) -> Self {
        let headers =
            [(":method", method), (":path", path), (":authority", "bank.example"), (":scheme", "https")];
        Self {
            headers: headers.map(|(name, value)| (name.into(), value.into())).to_vec(),
            peer: Some(WORKLOAD.into()),
            digest: None,
        }
    }

    /// `GET` of the account `a1` of the tenant `acme`.
    pub fn read() -> Self {
        Self::new("GET", "/tenants/acme/accounts/a1")
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With a bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// With a token and a proof.
    #[must_use]
    pub fn dpop(self, token: &str, proof: &str) -> Self {
        self.header("authorization", format!("DPoP {token}")).header("dpop", proof)
    }

    /// From a peer with this certificate.
    #[must_use]
    pub fn with_certificate(mut self, digest: &str) -> Self {
        self.digest = Some(digest.into());
        self
    }

    /// From another peer, or from nobody.
    #[must_use]
    pub fn from_peer(mut self, peer: Option<&[u8]>) -> Self {
        self.peer = peer.map(Into::into);
        self
    }
}

impl World {
    /// A world with inline keys.
    pub fn new() -> Result<Self> {
        Self::configured(|_| {})
    }

    /// A world whose issuer's keys are fetched from the cluster `issuer`.
    pub fn with_remote_keys() -> Result<Self> {
        Self::configured(remote_keys)
    }

    /// A world whose configuration was changed.
    pub fn configured(change: impl FnOnce(&mut Value)) -> Result<Self> {
        Self::with_key(SigningKey::new("k1")?, change)
    }

    /// The same, with this key.
    pub fn with_key(key: SigningKey, change: impl FnOnce(&mut Value)) -> Result<Self> {
        let mut config = configuration(&key)?;
        change(&mut config);
        let settings = Settings::load(config.to_string().as_bytes()).context("the world's configuration")?;
        let entropy = Entropy { decision_nonce: 1, cache_key: (2, 3), secret: [4; 32] };
        let now = Timestamp::from_secs(START);
        let gateway = Gateway::new(settings, entropy);
        Ok(Self { key, gateway, now, next: 0, warnings: Vec::new(), counted: Vec::new() })
    }

    /// Claims of a token that is good now: Alice of the tenant `acme`, a clerk.
    pub fn claims(&self) -> Value {
        let now = self.now.as_secs();
        json!({
            "iss": ISSUER, "sub": "alice", "aud": "bank", "iat": now, "exp": now + 300, "jti": "t-1",
            "tenant": "acme", "roles": ["clerk"],
        })
    }

    /// A good token.
    pub fn token(&self) -> Result<String> {
        self.key.sign(&self.claims())
    }

    /// Lets time pass.
    pub fn advance(&mut self, secs: i64) {
        self.now = self.now.plus(Span::from_secs(secs));
    }

    /// Sets the clock, forth or back.
    pub fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// The present.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Sends a request and reads what becomes of it.
    pub fn ask(&mut self, ask: &Ask) -> Answer {
        self.begin(ask).1
    }

    /// The verdict on a request.
    pub fn verdict(&mut self, ask: &Ask) -> String {
        self.ask(ask).verdict().to_owned()
    }

    /// Sends a request; the exchange goes on where it is held.
    pub fn begin(&mut self, ask: &Ask) -> (Exchange, Answer) {
        self.next += 1;
        let mut exchange = Exchange::new(self.next);
        let headers: Vec<(&[u8], &[u8])> = ask.headers.iter().map(|(n, v)| (&**n, &**v)).collect();
        let peer = match &ask.peer {
            Some(uri_san) => Peer::certificate(uri_san, ask.digest.as_deref()),
            None => Peer::Anonymous,
        };
        let answer =
            self.event(&mut exchange, Event::RequestHeaders(RequestHead { headers: &headers, peer }));
        (exchange, answer)
    }

    /// Hands an event to an exchange.
    pub fn event(&mut self, exchange: &mut Exchange, event: Event<'_>) -> Answer {
        exchange.handle(Some(&mut self.gateway), event, &mut Unobserved, self.now);
        let mut answer = Answer { flow: exchange.flow(), edits: None, reply: None, audit: None };
        while let Some(effect) = exchange.poll_effect() {
            match effect {
                Effect::EditHeaders(edits) => answer.edits = Some(edits),
                Effect::Reply(reply) => answer.reply = Some(reply),
                Effect::Audit(line) => {
                    assert!(answer.audit.is_none(), "one audit line for each exchange");
                    answer.audit = serde_json::from_str(&line).ok();
                }
                Effect::Count(counter) => self.counted.push(counter),
            }
        }
        answer
    }

    /// The next fetch that the gateway wants now.
    pub fn fetch(&mut self) -> Option<Call> {
        self.gateway.poll_call(self.now)
    }

    /// Answers a fetch with these keys, and says which exchanges are woken.
    pub fn publish(&mut self, fetch: &Call, keys: &[&SigningKey]) -> Vec<u32> {
        let body = jwks(keys.iter().copied()).to_string().into_bytes();
        self.answer(fetch, Some(CallAnswer::new(200, body)))
    }

    /// Answers a fetch, and says which exchanges are woken.
    pub fn answer(&mut self, fetch: &Call, answer: Option<CallAnswer>) -> Vec<u32> {
        self.gateway.call_done(fetch.id, answer, self.now);
        self.notices()
    }

    /// Ticks, and says which exchanges are woken or told that their time is over.
    pub fn tick(&mut self) -> Vec<u32> {
        self.gateway.tick(self.now);
        self.notices()
    }

    fn notices(&mut self) -> Vec<u32> {
        let mut woken = Vec::new();
        while let Some(notice) = self.gateway.poll_notice() {
            match notice {
                Notice::Wake(id) | Notice::TimedOut(id) => woken.push(id),
                Notice::Count(counter) => self.counted.push(counter),
                Notice::Warn(warning) => self.warnings.push(warning),
            }
        }
        woken
    }
}

/// Has the issuer's keys fetched from the cluster `issuer`.
pub fn remote_keys(config: &mut Value) {
    config["issuers"][0]["keys"] = json!({ "remote": {
        "cluster": "issuer", "uri": "https://issuer.bank.example/jwks",
        "timeout_milliseconds": 2000, "refresh_seconds": 100, "cooldown_seconds": 10, "stale_seconds": 1000,
    }});
}

/// Has the issuer's keys found by discovery, through the same cluster.
pub fn discovered_keys(config: &mut Value) {
    config["issuers"][0]["keys"] = json!({ "discovery": {
        "cluster": "issuer", "timeout_milliseconds": 2000, "refresh_seconds": 100, "cooldown_seconds": 10,
        "stale_seconds": 1000,
    }});
}

/// The world's configuration, with this key inline.
pub fn configuration(key: &SigningKey) -> Result<Value> {
    let pack = Pack {
        policies: vec![Source::new("bank.cedar", POLICIES)],
        schema: Some(Source::new("bank.cedarschema", SCHEMA)),
        ..Pack::default()
    };
    let compiled = compile(&pack, &CompileOptions::default()).map_err(|errors| anyhow!("{errors}"))?;
    let account = |action: &str, context: Value| {
        json!({
            "path": "/tenants/{tenant}/accounts/{account}", "action": action, "context": context,
            "resource": { "type": "Account", "id": "{tenant}/{account}", "attributes": { "tenant": { "path": "tenant" } } },
        })
    };
    let mut read = account("Read", json!({ "purpose": { "header": "x-purpose" } }));
    let mut pay = account(
        "Pay",
        json!({ "amount": { "claim": "/payment/amount" }, "purpose": { "query": "purpose" } }),
    );
    for (route, name, method) in [(&mut read, "read", "GET"), (&mut pay, "pay", "POST")] {
        route["name"] = name.into();
        route["methods"] = json!([method]);
    }
    Ok(json!({
        "version": 1,
        "issuers": [{
            "issuer": ISSUER,
            "audiences": ["bank", "https://bank.example"],
            "keys": { "inline": jwks([key]) },
            "clock_skew_seconds": 10,
            "max_lifetime_seconds": 600,
            "principal": {
                "type": "User", "roles": { "claim": "roles" },
                "attributes": { "tenant": { "claim": "tenant" }, "level": { "claim": "level" } },
            },
        }],
        "workload": { "trust_domains": ["bank.example"] },
        "context": {
            "workload": { "workload": "entity" }, "host": { "request": "host" }, "method": { "request": "method" },
            "time": { "request": "time" },
        },
        "routes": [
            read,
            pay,
            {
                "name": "sync", "methods": ["PUT"], "path": "/accounts/{account}/sync", "principal": "workload",
                "action": "Sync",
                "resource": { "type": "Account", "id": "{account}", "attributes": { "tenant": { "value": "acme" } } },
            },
            { "name": "health", "methods": ["GET"], "path": "/healthz", "profile": "public" },
        ],
        "policy": { "image": BASE64_STANDARD.encode(&compiled.image) },
        "forward": { "attributes": ["tenant"] },
    }))
}
