//! The format of scenario files.

use super::revocation::{RevocationsSpec, StatusListSpec};
use super::short::Short;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A scenario file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// A configuration's file, relative to this one, or the configuration itself.
    pub(super) configuration: Value,
    /// When every case begins.
    #[serde(default)]
    pub(super) time: Option<Value>,
    /// Which engine decides, where the command line does not say it.
    #[serde(default)]
    pub(super) engine: Option<String>,
    /// Signing keys, by name: an algorithm, or an object.
    #[serde(default)]
    pub(super) keys: BTreeMap<String, Short<KeySpec>>,
    /// What issuers publish, by issuer.
    #[serde(default)]
    pub(super) issuers: BTreeMap<String, Publication>,
    /// How clusters answer, by name and path.
    #[serde(default)]
    pub(super) upstreams: Upstreams,
    /// Tokens, by name.
    #[serde(default)]
    pub(super) tokens: BTreeMap<String, TokenSpec>,
    /// What a request has that does not say otherwise.
    #[serde(default)]
    pub(super) defaults: Defaults,
    /// The cases, read one by one once they are expanded.
    pub(super) cases: Vec<Value>,
}

/// By cluster and path, the answers in sequence.
pub(super) type Upstreams = BTreeMap<String, BTreeMap<String, Vec<AnswerSpec>>>;

/// A key: an algorithm alone, or an object.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeySpec {
    /// `ES256`, or another algorithm that issuers may use.
    pub(super) alg: String,
    /// The key's name where it is absent.
    #[serde(default)]
    pub(super) kid: Option<String>,
}

/// What an issuer's key source holds.
#[derive(Clone, Debug)]
pub(super) enum Publication {
    /// The public halves of these keys.
    Keys(Vec<String>),
    /// Text, whatever it is.
    Raw(String),
}

/// One answer of a cluster.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerSpec {
    /// A JWK Set of these keys' public halves.
    #[serde(default)]
    pub(super) keys: Option<Vec<String>>,
    #[serde(default)]
    pub(super) body: Option<String>,
    /// What a token service answers that gives the file's token of this name.
    #[serde(default)]
    pub(super) token: Option<String>,
    /// The Token Status List that the configuration has fetched from there.
    #[serde(default)]
    pub(super) status_list: Option<StatusListSpec>,
    /// The revocation feed that the configuration has fetched from there.
    #[serde(default)]
    pub(super) revocations: Option<RevocationsSpec>,
    #[serde(default)]
    pub(super) status: Option<u16>,
    /// Such as `cache-control: max-age=60`.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    /// `refused`, `reset` or `silence`.
    #[serde(default)]
    pub(super) failure: Option<String>,
    /// Such as `200ms`.
    #[serde(default)]
    pub(super) delay: Option<String>,
}

/// A token to mint.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenSpec {
    /// The token of this name, changed.
    #[serde(default)]
    pub(super) extends: Option<String>,
    /// The key that signs it.
    #[serde(default)]
    pub(super) key: Option<String>,
    /// Members of the header; `null` leaves one out.
    #[serde(default)]
    pub(super) header: Map<String, Value>,
    /// Claims; `null` leaves one out, and times may be `+5m`, `-30s` or `now`.
    #[serde(default)]
    pub(super) claims: Map<String, Value>,
    /// `payload`, `signature`, `none`, `hmac` or `truncate`.
    #[serde(default)]
    pub(super) tamper: Option<String>,
    /// The token itself, whatever it is.
    #[serde(default)]
    pub(super) raw: Option<String>,
    /// The key that the token is bound to (`cnf.jkt`).
    #[serde(default)]
    pub(super) bind: Option<String>,
    /// Whether it says nothing by itself: its claims are what the issuer says that is asked about it.
    #[serde(default)]
    pub(super) opaque: Option<bool>,
}

/// A proof of possession to make: its key alone, or an object.
pub(super) type ProofChoice = Short<Box<ProofSpec>>;

/// A proof of possession (RFC 9449), for the request that it goes with and its token.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProofSpec {
    /// The key that signs it.
    #[serde(default)]
    pub(super) key: Option<String>,
    /// Members of the header; `null` leaves one out.
    #[serde(default)]
    pub(super) header: Map<String, Value>,
    /// Claims; `null` leaves one out, and times may be `+5m`, `-30s` or `now`.
    #[serde(default)]
    pub(super) claims: Map<String, Value>,
    /// Whether it holds the nonce that the gateway gave last.
    #[serde(default)]
    pub(super) nonce: bool,
    /// `payload`, `signature`, `none`, `hmac` or `truncate`.
    #[serde(default)]
    pub(super) tamper: Option<String>,
    /// The proof itself, whatever it is.
    #[serde(default)]
    pub(super) raw: Option<String>,
}

/// A token by name or `none`, or one made for this request.
pub(super) type TokenChoice = Short<Box<TokenSpec>>;

/// What a request has that does not say otherwise.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Defaults {
    #[serde(default)]
    pub(super) method: Option<String>,
    #[serde(default)]
    pub(super) url: Option<String>,
    /// A SPIFFE ID, or `none`.
    #[serde(default)]
    pub(super) peer: Option<String>,
    #[serde(default)]
    pub(super) token: Option<TokenChoice>,
    /// A key, or `none`.
    #[serde(default)]
    pub(super) proof: Option<ProofChoice>,
    #[serde(default)]
    pub(super) headers: Option<Value>,
}

/// A case: one request with what is expected, or steps.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    /// Keys are not fetched before the first request.
    #[serde(default)]
    pub(super) cold: bool,
    /// How clusters answer, in this case.
    #[serde(default)]
    pub(super) upstreams: Upstreams,
    /// What issuers publish, in this case.
    #[serde(default)]
    pub(super) issuers: BTreeMap<String, Publication>,
    #[serde(default)]
    pub(super) request: Option<RequestSpec>,
    #[serde(default)]
    pub(super) token: Option<TokenChoice>,
    #[serde(default)]
    pub(super) proof: Option<ProofChoice>,
    #[serde(default)]
    pub(super) peer: Option<String>,
    #[serde(default)]
    pub(super) expect: Option<Value>,
    #[serde(default)]
    pub(super) steps: Vec<Step>,
}

/// A request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestSpec {
    #[serde(default)]
    pub(super) method: Option<String>,
    #[serde(default)]
    pub(super) url: Option<String>,
    /// Pairs, or an object.
    #[serde(default)]
    pub(super) headers: Option<Value>,
    #[serde(default)]
    pub(super) properties: Option<Value>,
    #[serde(default)]
    pub(super) body: Option<Value>,
}

/// One step of a case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    /// Send a request.
    #[serde(default)]
    pub(super) request: Option<RequestSpec>,
    #[serde(default)]
    pub(super) token: Option<TokenChoice>,
    #[serde(default)]
    pub(super) proof: Option<ProofChoice>,
    #[serde(default)]
    pub(super) peer: Option<String>,
    /// Send it without waiting; it must be held, and goes by this name.
    #[serde(default)]
    pub(super) hold: Option<String>,
    /// Let time pass until the request of this name is decided.
    #[serde(default)]
    pub(super) settle: Option<String>,
    /// The client of the request of this name goes away.
    #[serde(default)]
    pub(super) close: Option<String>,
    /// Let this much time pass.
    #[serde(default)]
    pub(super) advance: Option<String>,
    /// Issuers publish other keys from now on.
    #[serde(default)]
    pub(super) issuers: BTreeMap<String, Publication>,
    /// Clusters answer otherwise from now on.
    #[serde(default)]
    pub(super) upstreams: Upstreams,
    #[serde(default)]
    pub(super) expect: Option<Value>,
}
