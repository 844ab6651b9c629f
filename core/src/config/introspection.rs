//! Tokens that only their issuer can read.

use alloc::string::String;
use serde::{Deserialize, Serialize};

/// The issuer's introspection endpoint (RFC 7662), which is asked about tokens that say nothing by themselves. The secret that it
/// wants of its clients is the gateway's business: a client certificate of the cluster, or a credential that the gateway injects.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Introspection {
    /// The gateway's name for the upstream cluster that serves the endpoint.
    pub cluster: String,
    /// The endpoint's address; host and path go into the request, the cluster decides where it goes.
    pub uri: String,
    /// Sent as `client_id` with each question, for issuers that want it beside a client certificate (RFC 8705 §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Whether answers must be signed by the issuer (RFC 9701), for the `client_id`, which then is needed. By a key of its `keys` and an
    /// algorithm of its `algorithms`.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub signed: bool,
    /// How long a request waits for the answer, in milliseconds, a second try included; from 10 to 30,000.
    #[serde(default = "super::default_party_timeout")]
    pub timeout_milliseconds: u32,
    /// For how long the answer that a token is active serves other requests with it, in seconds from the question; at most 300, and never longer
    /// than the token lives. A token that is revoked is accepted no longer than this. With 0, every request has the issuer asked.
    #[serde(default = "default_active")]
    pub active_seconds: u32,
    /// For how long a refusal serves other requests with the same token at the same worker, in seconds; at most 300. What other workers keep of the
    /// token ends with it.
    #[serde(default = "default_inactive")]
    pub inactive_seconds: u32,
    /// How many questions a worker may have open at this endpoint; from 1 to 1,024. A request that would need one more is refused.
    /// A quarter of them is not for tokens that anybody can make up: those that neither a signature nor the issuer has spoken for.
    /// With 1, any token may have it.
    #[serde(default = "super::default_party_calls")]
    pub calls: u32,
}

fn default_active() -> u32 {
    30
}

fn default_inactive() -> u32 {
    10
}
