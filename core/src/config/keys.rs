//! Where an issuer's keys come from.

use super::JsonValue;
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// Where an issuer's public keys come from. A token never says (RFC 8725 §3.10).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum KeySource {
    /// A JWK Set (RFC 7517 §5) written here, as an object with the member `keys`; with the profile `jwt_svid`, a SPIFFE bundle.
    Inline(JsonValue),
    /// A JWK Set, or with the profile `jwt_svid` a SPIFFE bundle, fetched through a cluster of the gateway.
    Remote(RemoteKeys),
    /// No keys: all of its tokens are opaque. Only beside `introspection`.
    None,
    /// A JWK Set whose place the issuer's discovery document tells, both fetched through clusters of the gateway.
    Discovery(DiscoveredKeys),
}

/// A JWK Set or a SPIFFE bundle fetched through a cluster of the gateway.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RemoteKeys {
    /// The gateway's name for the upstream cluster that serves the document.
    pub cluster: String,
    /// The document's address; host and path go into the request, the cluster decides where it goes.
    pub uri: String,
    /// How long one fetch may take, in milliseconds; at most 30,000. A request waits for keys no longer than this.
    #[serde(default = "default_fetch_timeout")]
    pub timeout_milliseconds: u32,
    /// How old keys may get before they are fetched again, in seconds. Fetching begins ahead of it, off the request path, at a moment
    /// chosen at random. The document's `cache-control` or `expires`, or the refresh hint of a SPIFFE bundle, may ask for it earlier. From 1
    /// to 604,800, a week.
    #[serde(default = "default_refresh")]
    pub refresh_seconds: u32,
    /// What stands in the place of `refresh_seconds` at least, whatever their document asks for, in seconds; at most
    /// `refresh_seconds`. By default 30, or `refresh_seconds` where that is less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_refresh_seconds: Option<u32>,
    /// The least time between two fetches that an unknown `kid` or a failure sets off, in seconds. While a source keeps failing and there
    /// are keys to go on with, the time doubles with each failure, up to `refresh_seconds`. From 1 to 604,800.
    #[serde(default = "default_cooldown")]
    pub cooldown_seconds: u32,
    /// How long keys stay in use past `refresh_seconds` while the source is down, in seconds; up to 604,800.
    #[serde(default = "default_stale")]
    pub stale_seconds: u32,
}

/// A JWK Set found by OpenID discovery (OpenID Connect Discovery 1.0 §4, RFC 8414).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DiscoveredKeys {
    /// The gateway's name for the upstream cluster that serves the discovery document.
    pub cluster: String,
    /// The discovery document's address; by default the issuer with `/.well-known/openid-configuration` behind it. The document
    /// must name the issuer exactly as it is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// The cluster that serves the key set; by default the same `cluster`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_cluster: Option<String>,
    /// Scheme and host, such as `https://keys.bank.example`, that the document's `jwks_uri` may have beside those of the
    /// document itself. One with any other is not followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_authority: Option<String>,
    /// How old the discovery document may get before it is fetched again with the keys, in seconds. It is fetched again after every
    /// failure too. From 1 to 604,800.
    #[serde(default = "default_discovery_refresh")]
    pub discovery_refresh_seconds: u32,
    /// How long the fetch of both documents may take, in milliseconds; at most 30,000. A request waits for keys no longer than this.
    #[serde(default = "default_fetch_timeout")]
    pub timeout_milliseconds: u32,
    /// As in `remote`.
    #[serde(default = "default_refresh")]
    pub refresh_seconds: u32,
    /// As in `remote`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_refresh_seconds: Option<u32>,
    /// As in `remote`.
    #[serde(default = "default_cooldown")]
    pub cooldown_seconds: u32,
    /// As in `remote`.
    #[serde(default = "default_stale")]
    pub stale_seconds: u32,
}

impl RemoteKeys {
    /// A document, kept fresh as usual.
    pub fn new(cluster: impl Into<String>, uri: impl Into<String>) -> Self {
        Self {
            cluster: cluster.into(),
            uri: uri.into(),
            timeout_milliseconds: default_fetch_timeout(),
            refresh_seconds: default_refresh(),
            min_refresh_seconds: None,
            cooldown_seconds: default_cooldown(),
            stale_seconds: default_stale(),
        }
    }
}

impl KeySource {
    /// The cluster that the source's first document comes through; nothing where keys are written in the configuration.
    pub fn cluster(&self) -> Option<&str> {
        match self {
            Self::Inline(_) | Self::None => None,
            Self::Remote(remote) => Some(&remote.cluster),
            Self::Discovery(discovered) => Some(&discovered.cluster),
        }
    }

    /// Every cluster that keys come through.
    pub fn clusters(&self) -> impl Iterator<Item = &str> {
        let second = match self {
            Self::Discovery(discovered) => discovered.jwks_cluster.as_deref(),
            Self::Inline(_) | Self::Remote(_) | Self::None => None,
        };
        self.cluster().into_iter().chain(second)
    }
}

impl DiscoveredKeys {
    /// The address of an issuer's discovery document.
    pub fn document_uri(&self, issuer: &str) -> String {
        match &self.uri {
            Some(uri) => uri.clone(),
            // A slash at the end is left out (OpenID Connect Discovery 1.0 §4.1).
            None => alloc::format!(
                "{}/.well-known/openid-configuration",
                issuer.strip_suffix('/').unwrap_or(issuer)
            ),
        }
    }
}

fn default_fetch_timeout() -> u32 {
    2_000
}

fn default_refresh() -> u32 {
    300
}

fn default_cooldown() -> u32 {
    10
}

fn default_stale() -> u32 {
    3_600
}

fn default_discovery_refresh() -> u32 {
    3_600
}
