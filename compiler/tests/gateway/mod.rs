//! A gateway in memory: real policies, real signatures, a clock that the test moves, and no host.

use countersign_compiler::{CompileOptions, Pack, Source, compile};
use countersign_core::base64url;
use countersign_core::exchange::{Effect, Event, Exchange, Flow, HeaderEdits};
use countersign_core::gateway::{Call as Fetch, CallAnswer, Entropy, Gateway, Notice};
use countersign_core::metrics::Unobserved;
use countersign_core::refusal::Reply;
use countersign_core::request::{Peer, RequestHead};
use countersign_core::settings::{ConfigError, Settings};
use countersign_core::time::Timestamp;
use ed25519_dalek::Signer as _;
use serde_json::{Value, json};

/// The time of every test, in seconds since the Unix epoch.
pub const NOW: i64 = 1_800_000_000;

pub const ISSUER: &str = "https://issuer.bank.example";
pub const REMOTE_ISSUER: &str = "https://partner.example";
pub const EDGE: &str = "spiffe://bank.example/edge";

const SCHEMA: &str = "
entity Role, Workload;
entity User in [Role] { tenant: String };
entity Account { tenant: String };
action read appliesTo {
    principal: User,
    resource: Account,
    context: { host: String, note?: String, workload?: Workload },
};
";

const POLICIES: &str = r#"
@id("teller-reads-own-tenant")
permit (principal in Role::"teller", action == Action::"read", resource)
when { principal.tenant == resource.tenant };

@id("vault-is-closed")
forbid (principal, action, resource) when { context.host == "vault.bank.example" };
"#;

/// The policy image of [`POLICIES`].
pub fn image() -> Vec<u8> {
    let pack = Pack {
        policies: vec![Source::new("bank.cedar", POLICIES)],
        schema: Some(Source::new("bank.cedarschema", SCHEMA)),
        ..Pack::default()
    };
    compile(&pack, &CompileOptions::default()).expect("the policies compile").image
}

/// A configuration with one issuer whose keys stand in it, one whose keys are fetched, and two routes.
pub fn config() -> Value {
    let principal = json!({
        "roles": { "claim": "roles" },
        "attributes": { "tenant": { "claim": "tenant" } },
    });
    let issuer = |name: &str, keys: Value| json!({ "issuer": name, "audiences": ["bank"], "keys": keys, "principal": principal });
    json!({
        "version": 1,
        "issuers": [
            issuer(ISSUER, json!({ "inline": { "keys": [ed25519("good").jwk(), p256_jwk()] } })),
            issuer(REMOTE_ISSUER, json!({
                "remote": { "cluster": "partner-keys", "uri": "https://keys.partner.example/jwks.json" },
            })),
        ],
        "workload": { "trust_domains": ["bank.example"] },
        "routes": [
            {
                "name": "account", "methods": ["GET"], "path": "/tenants/{tenant}/accounts/{id}",
                "action": "read",
                "resource": {
                    "type": "Account", "id": "{tenant}/{id}",
                    "attributes": { "tenant": { "path": "tenant" } },
                },
                "context": {
                    "host": { "request": "host" },
                    "note": { "header": "x-note" },
                    "workload": { "workload": "entity" },
                },
            },
            { "name": "health", "methods": ["GET"], "path": "/health", "profile": "public" },
        ],
        "policy": { "image": standard_base64(&image()) },
    })
}

/// Loads a configuration as the filter does.
pub fn load(config: &Value) -> Result<Settings, ConfigError> {
    Settings::load(config.to_string().as_bytes())
}

/// RFC 4648 §4, as a configuration carries an image.
pub fn standard_base64(bytes: &[u8]) -> String {
    let mut text: String = base64url::encode(bytes)
        .chars()
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// An Ed25519 key with its name.
pub struct Key {
    kid: String,
    key: ed25519_dalek::SigningKey,
}

/// The key called `kid`: always the same one, and another one for each name.
pub fn ed25519(kid: &str) -> Key {
    let seed = countersign_core::crypto::digest::sha256(kid.as_bytes());
    Key { kid: kid.to_owned(), key: ed25519_dalek::SigningKey::from_bytes(&seed) }
}

impl Key {
    pub fn jwk(&self) -> Value {
        let x = base64url::encode(self.key.verifying_key().as_bytes());
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": x })
    }

    /// A token with these claims and the usual header, changed by `changes`.
    pub fn sign_with(&self, changes: Value, claims: &Value) -> String {
        let header = with(&json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": self.kid }), changes);
        let input = signing_input(&header, claims);
        let signature = self.key.sign(input.as_bytes()).to_bytes();
        format!("{input}.{}", base64url::encode(&signature))
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_with(json!({}), claims)
    }
}

fn p256_key() -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_bytes(&[7; 32].into()).expect("a scalar within range")
}

fn p256_jwk() -> Value {
    let point = p256_key().verifying_key().to_sec1_point(false);
    let half = |from: usize| base64url::encode(&point.as_bytes()[from..from + 32]);
    json!({ "kty": "EC", "crv": "P-256", "kid": "p256", "x": half(1), "y": half(33) })
}

/// An ES256 token with the true signature, or with other bytes in its place.
pub fn es256(claims: &Value, signature: Option<[u8; 64]>) -> String {
    use p256::ecdsa::signature::Signer as _;
    let input = signing_input(&json!({ "alg": "ES256", "typ": "at+jwt", "kid": "p256" }), claims);
    let signature = signature.unwrap_or_else(|| {
        let signature: p256::ecdsa::Signature = p256_key().sign(input.as_bytes());
        signature.to_bytes().into()
    });
    format!("{input}.{}", base64url::encode(&signature))
}

pub fn signing_input(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| base64url::encode(value.to_string().as_bytes());
    format!("{}.{}", part(header), part(claims))
}

/// The claims of Alice, a teller of tenant `acme`.
pub fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "alice", "aud": "bank", "iat": NOW - 10, "exp": NOW + 300,
        "tenant": "acme", "roles": ["teller"],
    })
}

/// `value` with these members put in place of its own; `null` removes one.
pub fn with(value: &Value, changes: Value) -> Value {
    let mut value = value.clone();
    if let (Value::Object(members), Value::Object(changes)) = (&mut value, changes) {
        for (name, change) in changes {
            match change {
                Value::Null => drop(members.remove(&name)),
                change => drop(members.insert(name, change)),
            }
        }
    }
    value
}

/// A good token.
pub fn good_token() -> String {
    ed25519("good").sign(&claims())
}

/// A request, as bytes.
#[derive(Clone)]
pub struct Call {
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    peer: Option<Vec<u8>>,
}

/// A request for Alice's account, from the edge, without a token.
pub fn call() -> Call {
    get("/tenants/acme/accounts/7")
}

/// A request for a path, from the edge, without a token.
pub fn get(path: &str) -> Call {
    let headers = [(":method", "GET"), (":path", path), (":scheme", "https"), (":authority", "bank.example")];
    Call {
        headers: headers
            .iter()
            .map(|(name, value)| (name.as_bytes().into(), value.as_bytes().into()))
            .collect(),
        peer: Some(EDGE.into()),
    }
}

impl Call {
    /// With one more header.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), value.as_ref().into()));
        self
    }

    /// With one more header before all others.
    pub fn first(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.insert(0, (name.into(), value.as_ref().into()));
        self
    }

    /// With another value of a header that is there.
    pub fn set(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.retain(|(have, _)| have != name.as_bytes());
        self.header(name, value)
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// From another workload; nothing for none.
    pub fn from(mut self, uri_san: Option<&[u8]>) -> Self {
        self.peer = uri_san.map(Into::into);
        self
    }
}

/// A worker and its clock.
pub struct World {
    pub gateway: Gateway,
    pub now: Timestamp,
    streams: u32,
}

/// A request under way.
pub struct Stream {
    pub id: u32,
    exchange: Exchange,
}

/// What came of an event.
#[derive(Debug)]
pub struct Answer {
    pub flow: Flow,
    pub edits: Option<HeaderEdits>,
    pub reply: Option<Reply>,
    pub audit: Vec<String>,
}

impl Answer {
    /// The reason code of a refusal; `allowed`, `held` or `nothing` where there is none. Whatever the core says in its several
    /// ways must be the same: flow, answer and audit line.
    pub fn reason(&self) -> String {
        let audited =
            self.audit.first().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
        assert!(self.audit.len() <= 1, "one audit line: {:?}", self.audit);
        match (self.flow, &self.reply, &audited) {
            (Flow::Release, None, Some(audited)) => {
                assert!(self.edits.is_some());
                assert_eq!(audited["decision"], "allow");
                "allowed".into()
            }
            (Flow::Hold, None, None) => "held".into(),
            (Flow::Closed, reply, Some(audited)) => {
                assert!(self.edits.is_none());
                assert_eq!(audited["decision"], "deny");
                let reason = audited["reason"].as_str().expect("a reason").to_owned();
                if let Some(reply) = reply {
                    let problem: Value = serde_json::from_slice(&reply.body).expect("a problem document");
                    assert_eq!(problem["reason"], *reason);
                    assert_eq!(reply.status, audited["status"].as_u64().map_or(0, |status| status as u16));
                }
                reason
            }
            (Flow::Closed, None, None) => "nothing".into(),
            other => panic!("a flow that does not fit: {other:?}"),
        }
    }

    /// The audit line.
    pub fn audited(&self) -> Value {
        serde_json::from_str(&self.audit[0]).expect("a line of JSON")
    }
}

impl World {
    pub fn new() -> Self {
        Self::of(&config())
    }

    pub fn of(config: &Value) -> Self {
        let settings = load(config).unwrap_or_else(|error| panic!("{error}"));
        let entropy = Entropy { decision_nonce: 1, cache_key: (2, 3), secret: [4; 32] };
        Self { gateway: Gateway::new(settings, entropy), now: Timestamp::from_secs(NOW), streams: 0 }
    }

    /// Begins a request.
    pub fn open(&mut self, call: &Call) -> (Stream, Answer) {
        self.streams += 1;
        let mut stream = Stream { id: self.streams, exchange: Exchange::new(self.streams) };
        let headers: Vec<(&[u8], &[u8])> =
            call.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
        let peer = match &call.peer {
            None => Peer::Anonymous,
            Some(uri_san) => Peer::certificate(uri_san, None),
        };
        let answer = self.tell(&mut stream, Event::RequestHeaders(RequestHead { headers: &headers, peer }));
        (stream, answer)
    }

    /// Hands an event to a request.
    pub fn tell(&mut self, stream: &mut Stream, event: Event<'_>) -> Answer {
        stream.exchange.handle(Some(&mut self.gateway), event, &mut Unobserved, self.now);
        let (mut edits, mut reply, mut audit) = (None, None, Vec::new());
        while let Some(effect) = stream.exchange.poll_effect() {
            match effect {
                Effect::EditHeaders(found) => edits = Some(found),
                Effect::Reply(found) => reply = Some(found),
                Effect::Audit(line) => audit.push(line),
                Effect::Count(_) => {}
            }
        }
        Answer { flow: stream.exchange.flow(), edits, reply, audit }
    }

    /// The outcome of a request that does not have to wait.
    pub fn reason(&mut self, call: &Call) -> String {
        self.open(call).1.reason()
    }

    /// The fetch that is due.
    pub fn fetch(&mut self) -> Fetch {
        self.gateway.poll_call(self.now).expect("a fetch is due")
    }

    /// Ends a fetch with a key set, or without an answer.
    pub fn fetched(&mut self, fetch: &Fetch, keys: Option<&[&Key]>) {
        let body = |keys: &[&Key]| json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() });
        let answer = keys.map(|keys| CallAnswer::new(200, body(keys).to_string()));
        self.gateway.call_done(fetch.id, answer, self.now);
    }

    /// The streams that the gateway wakes.
    pub fn woken(&mut self) -> Vec<u32> {
        let mut woken = Vec::new();
        while let Some(notice) = self.gateway.poll_notice() {
            if let Notice::Wake(stream) = notice {
                woken.push(stream);
            }
        }
        woken
    }
}
