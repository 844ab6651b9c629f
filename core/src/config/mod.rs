//! The configuration: what an operator writes, field by field.
//!
//! These types are the one definition. `docs/configuration.md` and the JSON Schema are generated from
//! them; the filter reads them from JSON, the command line from YAML or JSON. [`crate::settings`] checks
//! what types cannot say and prepares it for the request path.

mod api_keys;
mod attributes;
mod binding;
mod degrade;
mod delegation;
mod introspection;
mod json_value;
mod keys;
mod revocation;
mod route;
mod step_up;
mod upstream_token;

pub use api_keys::{ApiKey, ApiKeys, KeyPrincipal};
pub use attributes::{AttributeSource, Attributes, RequestField, TokenField, WorkloadField};
pub use binding::{Binding, Dpop};
pub use degrade::Degrade;
pub use delegation::{Actor, Delegation};
pub use introspection::Introspection;
pub use json_value::JsonValue;
pub use keys::{DiscoveredKeys, KeySource, RemoteKeys};
pub use revocation::Revocation;
pub use route::{Credential, PrincipalSource, Profile, Requirement, Resource, Route};
pub use step_up::StepUp;
pub use upstream_token::{ActorSource, Grant, TokenKind, UpstreamToken};

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Everything Countersign is told. Unknown fields are errors, at every level.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Config {
    /// The version of this format. This release reads version 1.
    pub version: u32,
    /// The parties whose tokens are accepted. A token of any other issuer is refused.
    #[serde(default)]
    pub issuers: Vec<Issuer>,
    /// Which workloads may connect.
    #[serde(default)]
    pub workload: WorkloadTrust,
    /// API keys of callers that cannot get tokens. Where this is absent, such a header is the services' business alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_keys: Option<ApiKeys>,
    /// Tokens that the gateway gets for those upstream; routes name them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upstream_tokens: Vec<UpstreamToken>,
    /// What the gateway serves. A request that matches no route is denied.
    pub routes: Vec<Route>,
    /// Attributes that every decision's `context` gets, by name. A route's own `context` wins over them.
    #[serde(default)]
    pub context: Attributes,
    /// The compiled policies.
    pub policy: Policy,
    /// What goes upstream with an allowed request.
    #[serde(default)]
    pub forward: Forward,
    /// How refusals look.
    #[serde(default)]
    pub refusal: Refusal,
    /// What the audit line holds.
    #[serde(default)]
    pub audit: Audit,
    /// How paths are read.
    #[serde(default)]
    pub paths: Paths,
    /// Proofs of possession (RFC 9449).
    #[serde(default)]
    pub dpop: Dpop,
    /// The cache of verified tokens. It saves work, never a decision: every request is authorized anew.
    #[serde(default)]
    pub token_cache: TokenCache,
    /// Bounds on what a request may cost.
    #[serde(default)]
    pub limits: Limits,
}

/// A party whose keys are trusted, and what its tokens must look like.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Issuer {
    /// The `iss` claim of its tokens, compared byte for byte (RFC 7519 §4.1.1).
    pub issuer: String,
    /// What kind of tokens it issues, and so which further rules they are held to.
    #[serde(default)]
    pub profile: IssuerProfile,
    /// The audiences this gateway answers to: a token must name at least one of them in `aud`.
    pub audiences: Vec<String>,
    /// Where its public keys come from.
    pub keys: KeySource,
    /// Signature algorithms it may use, of `ES256`, `ES384`, `ES512`, `EdDSA`, `PS256`, `PS384`, `PS512`, `RS256`, `RS384` and
    /// `RS512`. `Ed25519` (RFC 9864) is another name of `EdDSA`, here, in tokens and in keys. A key is only ever used with its own
    /// algorithm: the one its JWK names, or else one of its type. By default `ES256`, `EdDSA` and `RS256`; with the profile `jwt_svid`
    /// all that its standard names, and never `EdDSA`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithms: Option<Vec<String>>,
    /// Values of the `typ` header that are accepted, without regard to case or an `application/` prefix (RFC 8725 §3.11). By
    /// default `at+jwt` and `JWT`; only with the profile `jwt` something else can be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_types: Option<Vec<String>>,
    /// Whether a token without a `typ` header is accepted, or an introspected one whose answer has no `token_type`. Only with the
    /// profile `jwt`.
    #[serde(default)]
    pub allow_missing_type: bool,
    /// How far the issuer's clock may be from the gateway's, in seconds; at most 300.
    #[serde(default = "default_clock_skew")]
    pub clock_skew_seconds: u32,
    /// The longest life of a token, in seconds: from `iat` (or now, where it is absent) to `exp`; from 1 to
    /// 31,622,400, a year.
    #[serde(default = "default_max_lifetime")]
    pub max_lifetime_seconds: u32,
    /// The claim that must hold the SPIFFE ID of the workload that presents the token: a member's name, or a JSON Pointer that
    /// starts with `/`, such as `client_id` or `/act/sub`. Without it, a token serves whoever has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_claim: Option<String>,
    /// How its tokens become the Cedar principal.
    #[serde(default)]
    pub principal: Principal,
    /// Whom to ask about its opaque tokens, which routes accept that list `opaque_token` among their `credentials`. At most one issuer
    /// has this: an opaque token does not say whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection: Option<Introspection>,
    /// What it publishes about tokens that it took back: status lists, a revocation feed, or both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<Revocation>,
    /// How its tokens say that one party acts for another. Without it, tokens with `act` are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation: Option<Delegation>,
}

impl Config {
    /// Every cluster that the gateway itself calls, some of them several times.
    pub fn clusters(&self) -> impl Iterator<Item = &str> {
        let issuers = self.issuers.iter().flat_map(Issuer::clusters);
        issuers.chain(self.upstream_tokens.iter().map(|token| &*token.cluster))
    }
}

impl Issuer {
    /// Every cluster that the issuer is reached through.
    pub fn clusters(&self) -> impl Iterator<Item = &str> {
        let introspection = self.introspection.iter().map(|introspection| &*introspection.cluster);
        let revocation = self.revocation.iter().map(|revocation| &*revocation.cluster);
        self.keys.clusters().chain(introspection).chain(revocation)
    }
}

/// A kind of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum IssuerProfile {
    /// A JWT (RFC 7519), held to what the issuer's other fields say.
    #[default]
    Jwt,
    /// An OAuth access token (RFC 9068): of type `at+jwt`, with `iss`, `exp`, `aud`, `sub`, `client_id`, `iat` and `jti`.
    AccessToken,
    /// A JWT-SVID (SPIFFE): `issuer` is the trust domain's SPIFFE ID, such as `spiffe://bank.example`, the token's `sub` is a
    /// workload of that trust domain, and its header holds nothing but `alg`, `kid` and `typ`. The keys are a SPIFFE bundle, of which those
    /// count whose `use` is `jwt-svid`; federation is one issuer for each trust domain.
    JwtSvid,
}

fn default_clock_skew() -> u32 {
    30
}

fn default_max_lifetime() -> u32 {
    3600
}

/// How long a request waits for a second party, in milliseconds.
fn default_party_timeout() -> u32 {
    1_000
}

/// How many questions may be open at one.
fn default_party_calls() -> u32 {
    64
}

/// How a token becomes the Cedar principal.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Principal {
    /// The Cedar entity type, such as `User`, `Agent` or `Workload`.
    #[serde(rename = "type", default = "default_principal_type")]
    pub entity_type: String,
    /// The claim that names the principal: a member's name, or a JSON Pointer that starts with `/`. Its value is a string.
    #[serde(default = "default_principal_id")]
    pub id: String,
    /// The claim that lists roles, as an array of strings; each becomes a parent of the principal.
    #[serde(default)]
    pub roles: Option<Roles>,
    /// The principal's attributes, by name. Only `claim` and `value` sources make sense here.
    #[serde(default)]
    pub attributes: Attributes,
}

fn default_principal_type() -> String {
    String::from("User")
}

fn default_principal_id() -> String {
    String::from("sub")
}

impl Default for Principal {
    fn default() -> Self {
        Self {
            entity_type: default_principal_type(),
            id: default_principal_id(),
            roles: None,
            attributes: Attributes::default(),
        }
    }
}

/// The claim that lists a principal's roles.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Roles {
    /// A member's name, or a JSON Pointer that starts with `/`.
    pub claim: String,
    /// The Cedar entity type of a role.
    #[serde(rename = "type", default = "default_role_type")]
    pub entity_type: String,
}

fn default_role_type() -> String {
    String::from("Role")
}

/// Which workloads may connect.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WorkloadTrust {
    /// SPIFFE trust domains whose certificates are accepted, such as `bank.example`.
    #[serde(default)]
    pub trust_domains: Vec<String>,
    /// The Cedar entity type of a workload.
    #[serde(rename = "type", default)]
    pub entity_type: WorkloadType,
    /// Whose word about the caller's certificate is taken: proxies that end the callers' connections. Without it nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarded: Option<Forwarded>,
}

/// Proxies that tell whose certificate they have seen, in the header `x-forwarded-client-cert`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Forwarded {
    /// SPIFFE IDs of these proxies, in full, such as `spiffe://bank.example/edge-gateway`; at most 64. Each must set the header
    /// itself or append to it, and never hand on a client's. A listed proxy is never taken for the caller.
    pub peers: Vec<String>,
}

/// The Cedar entity type of a workload.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(transparent)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WorkloadType(pub String);

impl Default for WorkloadType {
    fn default() -> Self {
        Self(String::from("Workload"))
    }
}

/// The compiled policies.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Policy {
    /// A policy image in base64, as `countersign compile` writes it. The filter needs this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// A folder with policies, schema and entities, relative to this file. Only the command line reads it: it compiles the
    /// folder and puts the result into `image`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pack: Option<String>,
}

/// What goes upstream with an allowed request. Whatever a client sends under the prefix is removed first.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Forward {
    /// The prefix of every header that Countersign writes, in lower case.
    pub prefix: String,
    /// Whether the client's `authorization` header goes upstream, where its token was verified.
    pub authorization: bool,
    /// Headers of the client that never go upstream: by default those with which some servers replace the method or the
    /// path, which the policies then would not have seen. In lower case.
    pub remove: Vec<String>,
    /// Attributes of the principal to send as `<prefix>attribute-<name>`, where they are strings, integers or booleans.
    pub attributes: Vec<String>,
}

impl Default for Forward {
    fn default() -> Self {
        let overrides = [
            "x-http-method",
            "x-http-method-override",
            "x-method-override",
            "x-original-url",
            "x-rewrite-url",
        ];
        Self {
            prefix: String::from("x-countersign-"),
            authorization: false,
            remove: overrides.map(String::from).to_vec(),
            attributes: Vec::new(),
        }
    }
}

/// How refusals look.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Refusal {
    /// The realm in `WWW-Authenticate`.
    pub realm: String,
    /// Whether the problem document names the policies that decided. They are always in the audit line.
    pub reveal_policies: bool,
    /// What comes before the reason code in the problem document's `type` (RFC 9457 §3.1.1).
    pub type_base: String,
}

impl Default for Refusal {
    fn default() -> Self {
        Self {
            realm: String::from("countersign"),
            reveal_policies: false,
            type_base: String::from("urn:countersign:reason:"),
        }
    }
}

/// What the audit line holds. There is one line for each request, whatever ends it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Audit {
    /// Whether the line holds the request's path. The query never is in it.
    pub path: bool,
    /// A name for this gateway, written into each line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
}

impl Default for Audit {
    fn default() -> Self {
        Self { path: true, gateway: None }
    }
}

/// How paths are read. By default an ambiguous path is refused; each field lets one ambiguity in.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Paths {
    /// Accept `%2F` and `%5C` within a segment.
    pub allow_encoded_slash: bool,
    /// Accept `;` within a segment.
    pub allow_semicolon: bool,
    /// Accept a slash at the end; it is a path of its own then, which a template must name.
    pub allow_trailing_slash: bool,
}

/// The cache of verified tokens.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenCache {
    /// How many tokens a worker keeps at most, up to 1,048,576; 0 turns the cache off.
    pub entries: u32,
    /// How many bytes they may take at most, up to 268,435,456.
    pub bytes: u32,
    /// How many refused tokens a worker keeps at most, apart from the others, so that the same bad token costs little a second
    /// time; up to 1,048,576, and 0 keeps none. Only refusals that no time and no other key would change are kept.
    pub failure_entries: u32,
    /// How long a refusal is kept, in seconds; from 1 to 300.
    pub failure_seconds: u32,
}

impl Default for TokenCache {
    fn default() -> Self {
        Self { entries: 1_024, bytes: 1_048_576, failure_entries: 256, failure_seconds: 30 }
    }
}

/// Bounds on what a request may cost.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Limits {
    /// The largest token, in bytes; from 64 to 65,536.
    pub token_bytes: u32,
    /// The longest path with its query, in bytes; from 16 to 65,536.
    pub path_bytes: u32,
    /// How many requests a worker lets wait at once, for keys, documents about revoked tokens, and answers of second parties; from 1 to 65,536. Each that is waited for
    /// has an equal share, and of that a quarter is not for tokens that anybody can make up.
    pub pending_requests: u32,
    /// How many bytes the headers of those requests may take, shared in the same way; from 1,024 to 67,108,864.
    pub pending_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { token_bytes: 8_192, path_bytes: 8_192, pending_requests: 1_024, pending_bytes: 2_097_152 }
    }
}
