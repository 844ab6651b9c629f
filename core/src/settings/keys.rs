//! Where keys come from: key sets, bundles, addresses, and how fresh they are kept.

use super::issuers::bounded;
use super::{ConfigError, hex};
use crate::config::{self, DiscoveredKeys, IssuerProfile, JsonValue, KeySource, RemoteKeys};
use crate::crypto::digest::Sha256;
use crate::fetch::{Discovery, Freshness, Location, Source};
use crate::jose::{JwkSet, JwksLimits};
use crate::keys::{KeyFormat, RemoteKeySettings};
use crate::spiffe::SpiffeId;
use crate::time::Span;
use alloc::boxed::Box;
use alloc::format;

pub(super) const MAX_TIMEOUT_MILLISECONDS: u32 = 30_000;
const MAX_FRESHNESS_SECONDS: u32 = 86_400 * 7;
const USUAL_MIN_REFRESH_SECONDS: u32 = 30;

/// Where an issuer's keys come from.
pub enum KeySettings {
    /// From the configuration.
    Inline(JwkSet),
    /// Through a cluster of the gateway.
    Remote(RemoteKeySettings),
}

/// Checks and prepares an issuer's key source.
pub(super) fn prepare(issuer: &config::Issuer) -> Result<KeySettings, ConfigError> {
    let format = match issuer.profile {
        IssuerProfile::Jwt | IssuerProfile::AccessToken => KeyFormat::JwkSet,
        IssuerProfile::JwtSvid => {
            trust_domain(&issuer.issuer)?;
            KeyFormat::Bundle
        }
    };
    let within = |error: ConfigError, member| error.within(member).within("keys");
    match &issuer.keys {
        KeySource::Inline(document) => {
            let set = inline(document, format).map_err(|error| error.within("keys"))?;
            Ok(KeySettings::Inline(set))
        }
        KeySource::None if issuer.introspection.is_some() => Ok(KeySettings::Inline(JwkSet::default())),
        KeySource::None => Err(ConfigError::at("keys", "expected keys, or `introspection` beside `none`")),
        KeySource::Remote(remote) => {
            let settings = remote_keys(remote, issuer, format).map_err(|error| within(error, "remote"))?;
            Ok(KeySettings::Remote(settings))
        }
        KeySource::Discovery(_) if format == KeyFormat::Bundle => Err(ConfigError::at(
            "keys.discovery",
            "expected `inline` or `remote`: a SPIFFE trust domain has no discovery document",
        )),
        KeySource::Discovery(discovered) => {
            let settings = discovered_keys(discovered, issuer).map_err(|error| within(error, "discovery"))?;
            Ok(KeySettings::Remote(settings))
        }
    }
}

/// The issuer of JWT-SVIDs is the ID of the trust domain itself.
fn trust_domain(issuer: &str) -> Result<(), ConfigError> {
    match SpiffeId::parse(issuer.as_bytes()) {
        Ok(id) if id.path().is_empty() => Ok(()),
        _ => Err(ConfigError::at(
            "issuer",
            format!(
                "expected the SPIFFE ID of a trust domain such as `spiffe://bank.example`, found `{issuer}`"
            ),
        )),
    }
}

fn inline(document: &JsonValue, format: KeyFormat) -> Result<JwkSet, ConfigError> {
    let text = super::json_text(document);
    let set = match format {
        KeyFormat::JwkSet => JwkSet::parse(text.as_bytes(), &JwksLimits::default()).map_err(|error| {
            ConfigError::at("inline", format!("expected a JWK Set, found one with this fault: {error}"))
        })?,
        KeyFormat::Bundle => {
            format.read(text.as_bytes()).map_err(|fault| ConfigError::at("inline", fault))?.keys
        }
    };
    if set.keys().is_empty() {
        return Err(ConfigError::at("inline.keys", "expected a key whose `use` is `jwt-svid`, found none"));
    }
    // A fetched set may hold keys for others; one that is written here is meant.
    match set.skipped().first() {
        None => Ok(set),
        Some((reason, count)) => Err(ConfigError::at(
            "inline.keys",
            format!("expected only keys that can be used, found {count} with: {reason}"),
        )),
    }
}

fn remote_keys(
    remote: &RemoteKeys,
    issuer: &config::Issuer,
    format: KeyFormat,
) -> Result<RemoteKeySettings, ConfigError> {
    let document = location("uri", &remote.uri, &remote.cluster)?;
    let freshness = freshness(&Times {
        timeout_milliseconds: remote.timeout_milliseconds,
        refresh_seconds: remote.refresh_seconds,
        min_refresh_seconds: remote.min_refresh_seconds,
        cooldown_seconds: remote.cooldown_seconds,
        stale_seconds: remote.stale_seconds,
    })?;
    let form: &[u8] = match format {
        KeyFormat::JwkSet => b"jwks",
        KeyFormat::Bundle => b"bundle",
    };
    let name = source_name(&issuer.issuer, form, &document, None, Some(&freshness));
    let max_bytes = JwksLimits::default().max_bytes;
    Ok(RemoteKeySettings { source: Source { document, discovery: None, freshness, max_bytes, name }, format })
}

fn discovered_keys(
    discovered: &DiscoveredKeys,
    issuer: &config::Issuer,
) -> Result<RemoteKeySettings, ConfigError> {
    let uri = discovered.document_uri(&issuer.issuer);
    let document = location("uri", &uri, &discovered.cluster)?;
    let jwks_cluster = discovered.jwks_cluster.as_ref().unwrap_or(&discovered.cluster);
    if jwks_cluster.is_empty() {
        return Err(ConfigError::at("jwks_cluster", "expected the name of a cluster of the gateway"));
    }
    let jwks_authority = match &discovered.jwks_authority {
        None => None,
        Some(text) => {
            let bare = Location::parse(text, jwks_cluster).filter(|at| at.path.len() == 1);
            Some(bare.ok_or_else(|| {
                ConfigError::at(
                    "jwks_authority",
                    format!("expected scheme and host such as `https://keys.bank.example`, found `{text}`"),
                )
            })?)
        }
    };
    let freshness = freshness(&Times {
        timeout_milliseconds: discovered.timeout_milliseconds,
        refresh_seconds: discovered.refresh_seconds,
        min_refresh_seconds: discovered.min_refresh_seconds,
        cooldown_seconds: discovered.cooldown_seconds,
        stale_seconds: discovered.stale_seconds,
    })?;
    let refresh = seconds("discovery_refresh_seconds", discovered.discovery_refresh_seconds, 1)?;
    let discovery = Discovery {
        issuer: issuer.issuer.clone().into(),
        jwks_cluster: jwks_cluster.clone().into(),
        jwks_authority,
        refresh,
    };
    let name = source_name(&issuer.issuer, b"jwks", &document, Some(&discovery), Some(&freshness));
    let max_bytes = JwksLimits::default().max_bytes;
    let source = Source { document, discovery: Some(discovery), freshness, max_bytes, name };
    Ok(RemoteKeySettings { source, format: KeyFormat::JwkSet })
}

pub(super) fn location(field: &str, uri: &str, cluster: &str) -> Result<Location, ConfigError> {
    if cluster.is_empty() {
        return Err(ConfigError::at("cluster", "expected the name of a cluster of the gateway"));
    }
    Location::parse(uri, cluster).ok_or_else(|| {
        ConfigError::at(field, format!("expected `https://host/path` or `http://host/path`, found `{uri}`"))
    })
}

/// The times that all sources have.
pub(super) struct Times {
    pub(super) timeout_milliseconds: u32,
    pub(super) refresh_seconds: u32,
    pub(super) min_refresh_seconds: Option<u32>,
    pub(super) cooldown_seconds: u32,
    pub(super) stale_seconds: u32,
}

pub(super) fn freshness(times: &Times) -> Result<Freshness, ConfigError> {
    let timeout = bounded("timeout_milliseconds", times.timeout_milliseconds, 1, MAX_TIMEOUT_MILLISECONDS)?;
    let refresh = seconds("refresh_seconds", times.refresh_seconds, 1)?;
    let least = match times.min_refresh_seconds {
        None => USUAL_MIN_REFRESH_SECONDS.min(times.refresh_seconds),
        Some(least) if least <= times.refresh_seconds => least,
        Some(least) => {
            let message =
                format!("expected at most `refresh_seconds` ({}), found {least}", times.refresh_seconds);
            return Err(ConfigError::at("min_refresh_seconds", message));
        }
    };
    Ok(Freshness {
        refresh,
        min_refresh: seconds("min_refresh_seconds", least, 1)?,
        cooldown: seconds("cooldown_seconds", times.cooldown_seconds, 1)?,
        stale: seconds("stale_seconds", times.stale_seconds, 0)?,
        timeout: Span::from_millis(timeout),
    })
}

pub(super) fn seconds(field: &str, value: u32, least: u32) -> Result<Span, ConfigError> {
    bounded(field, value, least, MAX_FRESHNESS_SECONDS).map(Span::from_secs)
}

/// What workers share a document under: another for each issuer, kind of document and way to it, each part with its length before it. Where
/// `freshness` is there, also for other times: who changes those of keys begins without keys. Gateways forget no name, so that what is large
/// has a name that stays.
pub(super) fn source_name(
    issuer: &str,
    format: &[u8],
    document: &Location,
    discovery: Option<&Discovery>,
    freshness: Option<&Freshness>,
) -> Box<str> {
    let mut hash = Sha256::new();
    let mut location = |at: &Location| {
        for part in [&at.cluster, &at.scheme, &at.authority, &at.path] {
            hash.update_framed(part.as_bytes());
        }
    };
    location(document);
    if let Some(authority) = discovery.and_then(|discovery| discovery.jwks_authority.as_ref()) {
        location(authority);
    }
    if let Some(discovery) = discovery {
        hash.update_framed(discovery.jwks_cluster.as_bytes());
        hash.update_framed(&discovery.refresh.as_nanos().to_le_bytes());
    }
    hash.update_framed(issuer.as_bytes());
    hash.update_framed(format);
    if let Some(Freshness { refresh, min_refresh, cooldown, stale, timeout }) = freshness {
        for span in [refresh, min_refresh, cooldown, stale, timeout] {
            hash.update_framed(&span.as_nanos().to_le_bytes());
        }
    }
    hex(&hash.finish()).into()
}
