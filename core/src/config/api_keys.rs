//! API keys.

use super::JsonValue;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// API keys of callers that cannot get tokens. A route accepts them only where its `credentials` say so.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApiKeys {
    /// The header that carries a key, in lower case. It never goes upstream.
    #[serde(default = "default_header")]
    pub header: String,
    /// The keys; at most 1,024. `countersign keys api-key` makes one with its entry.
    pub keys: Vec<ApiKey>,
}

fn default_header() -> String {
    String::from("x-api-key")
}

/// One API key, without the key itself: 32 to 256 letters, digits, `.`, `_`, `~` and `-`, made at random.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApiKey {
    /// Its name in the audit line: letters, digits, `.`, `_` and `-`, at most 128. It is unique.
    pub id: String,
    /// The SHA-256 hash of the key's text, as 64 hexadecimal digits.
    pub sha256: String,
    /// The SPIFFE ID of the workload that may present it. From any other it is refused.
    pub workload: String,
    /// Who presents it, to the policies.
    pub principal: KeyPrincipal,
    /// From when on it is refused: a time in UTC such as `2027-01-01T00:00:00Z` (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<String>,
}

/// The Cedar principal that an API key stands for.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeyPrincipal {
    /// The Cedar entity type.
    #[serde(rename = "type", default = "super::default_principal_type")]
    pub entity_type: String,
    /// The principal's id.
    pub id: String,
    /// Its roles; each becomes a parent of the principal.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The Cedar entity type of a role.
    #[serde(default = "super::default_role_type")]
    pub role_type: String,
    /// The principal's attributes, by name: constants of the schema's types.
    #[serde(default)]
    pub attributes: BTreeMap<String, JsonValue>,
}
