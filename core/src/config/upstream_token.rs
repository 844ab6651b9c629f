//! Tokens that the gateway gets for those upstream.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A token that goes upstream in the place of the client's, on routes whose `upstream_token` names it. The secret that the token
/// service wants of its clients is the gateway's business: a client certificate of the cluster, or a credential that the gateway injects.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UpstreamToken {
    /// What routes, logs and metrics call it. It is unique.
    pub name: String,
    /// How it is got.
    pub grant: Grant,
    /// The gateway's name for the upstream cluster that serves the token endpoint.
    pub cluster: String,
    /// The token endpoint's address; host and path go into the request, the cluster decides where it goes.
    pub uri: String,
    /// Sent as `client_id`, for token services that want it beside a client certificate (RFC 8705 §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// For whom the token is to be, by logical names (RFC 8693 §2.1, `audience`); at most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// For whom the token is to be, by address (RFC 8707, `resource`); at most 8. Of `audiences` and `resources` one is needed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// What the token is to allow (RFC 6749 §3.3, `scope`); at most 32 words. One that allows more is not used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Further fields of the request, such as `{ purpose: fraud-scoring }`, for what a token service wants to know beyond the standards.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// Who acts for the subject in an exchanged token. Only with the grant `token_exchange`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<ActorSource>,
    /// What `act.sub` of an exchanged token must be, where the actor is the `client`: the name that the token service knows the gateway by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<String>,
    /// What comes: a `jwt` is read before it is used, and must be for the audience, subject, actor and scopes that were asked for.
    #[serde(default)]
    pub token: TokenKind,
    /// The longest life of such a token, in seconds; from 10 to 86,400. One that lives longer is not used.
    #[serde(default = "default_max_lifetime")]
    pub max_lifetime_seconds: u32,
    /// How long a request waits for the answer, in milliseconds, a second try included; from 10 to 30,000.
    #[serde(default = "super::default_party_timeout")]
    pub timeout_milliseconds: u32,
    /// How many requests for tokens a worker may have open at this endpoint; from 1 to 1,024. A request that would need one more is refused.
    #[serde(default = "super::default_party_calls")]
    pub calls: u32,
}

/// How a token for upstream is got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Grant {
    /// In exchange for the client's token (RFC 8693): still of its subject, and narrower.
    TokenExchange,
    /// As the gateway's own (RFC 6749 §4.4).
    ClientCredentials,
}

/// Who acts for the subject in an exchanged token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ActorSource {
    /// The gateway, as the client that the token service knows it by. Nothing is said of it in the request.
    #[default]
    Client,
    /// The calling workload: its SPIFFE ID goes into the request as `actor_token`, of the type
    /// `urn:countersign:token-type:spiffe-id`, for which the gateway vouches. `act.sub` must be this ID.
    Workload,
}

/// What a token for upstream is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TokenKind {
    /// A JWT.
    #[default]
    Jwt,
    /// A token that says nothing by itself. What the token service says beside it is all that is checked.
    Opaque,
}

fn default_max_lifetime() -> u32 {
    3_600
}
