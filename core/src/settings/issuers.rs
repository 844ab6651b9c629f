//! Issuers: algorithms, audiences, times, key sources, and the mapping to a principal.

use super::schema::SchemaView;
use super::{
    ConfigError, IssuerSettings, KeySettings, PrincipalAttribute, PrincipalSettings, PrincipalSource,
    RoleSettings,
};
use crate::attribute;
use crate::config::{self, AttributeSource, JsonValue};
use crate::crypto::Algorithm;
use crate::jose::{JwkSet, JwksLimits};
use crate::keys::Freshness;
use crate::time::Span;
use crate::token::ClaimPath;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A clock further off than this is a fault to mend, not to allow for.
const MAX_SKEW_SECONDS: u32 = 300;
const MAX_LIFETIME_SECONDS: u32 = 86_400 * 366;
const MAX_TIMEOUT_MILLISECONDS: u32 = 30_000;
const MAX_FRESHNESS_SECONDS: u32 = 86_400 * 7;

/// Checks and prepares all issuers.
pub(super) fn prepare(
    issuers: &[config::Issuer],
    schema: &SchemaView<'_>,
) -> Result<Vec<IssuerSettings>, ConfigError> {
    let mut prepared: Vec<IssuerSettings> = Vec::with_capacity(issuers.len());
    for (index, issuer) in issuers.iter().enumerate() {
        let place = format!("issuers[{index}]");
        if prepared.iter().any(|other| *other.name == *issuer.issuer) {
            let message = format!("expected each issuer once, found `{}` again", issuer.issuer);
            return Err(ConfigError::at(format!("{place}.issuer"), message));
        }
        prepared.push(one(issuer, schema).map_err(|error| error.within(&place))?);
    }
    Ok(prepared)
}

fn one(issuer: &config::Issuer, schema: &SchemaView<'_>) -> Result<IssuerSettings, ConfigError> {
    if issuer.issuer.is_empty() {
        return Err(ConfigError::at(
            "issuer",
            "expected the `iss` claim of the issuer's tokens, found an empty text",
        ));
    }
    if issuer.audiences.is_empty() || issuer.audiences.iter().any(String::is_empty) {
        return Err(ConfigError::at("audiences", "expected at least one audience, and none of them empty"));
    }
    let algorithms = issuer
        .algorithms
        .iter()
        .enumerate()
        .map(|(index, name)| {
            Algorithm::from_name(name).ok_or_else(|| {
                ConfigError::at(
                    format!("algorithms[{index}]"),
                    format!("expected {}, found `{name}`", Algorithm::names()),
                )
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    if algorithms.is_empty() {
        return Err(ConfigError::at(
            "algorithms",
            format!("expected at least one of {}", Algorithm::names()),
        ));
    }
    if issuer.token_types.is_empty() && !issuer.allow_missing_type {
        return Err(ConfigError::at(
            "token_types",
            "expected at least one type, or `allow_missing_type: true`",
        ));
    }
    let clock_skew = bounded("clock_skew_seconds", issuer.clock_skew_seconds, 0, MAX_SKEW_SECONDS)?;
    let max_lifetime = bounded("max_lifetime_seconds", issuer.max_lifetime_seconds, 1, MAX_LIFETIME_SECONDS)?;
    Ok(IssuerSettings {
        name: issuer.issuer.clone().into(),
        audiences: issuer.audiences.clone(),
        keys: keys(&issuer.keys).map_err(|error| error.within("keys"))?,
        algorithms,
        token_types: issuer.token_types.clone(),
        allow_missing_type: issuer.allow_missing_type,
        clock_skew: Span::from_secs(clock_skew),
        max_lifetime: Span::from_secs(max_lifetime),
        principal: principal(&issuer.principal, schema).map_err(|error| error.within("principal"))?,
    })
}

/// A number within its bounds, as an integer of the core's time types.
pub(super) fn bounded(field: &str, value: u32, least: u32, most: u32) -> Result<i64, ConfigError> {
    if (least..=most).contains(&value) {
        Ok(i64::from(value))
    } else {
        Err(ConfigError::at(field, format!("expected a number from {least} to {most}, found {value}")))
    }
}

fn keys(source: &config::KeySource) -> Result<KeySettings, ConfigError> {
    match source {
        config::KeySource::Inline(document) => inline(document).map(KeySettings::Inline),
        config::KeySource::Remote(remote) => remote_keys(remote).map_err(|error| error.within("remote")),
    }
}

fn inline(document: &JsonValue) -> Result<JwkSet, ConfigError> {
    let text = super::json_text(document);
    let set = JwkSet::parse(text.as_bytes(), &JwksLimits::default()).map_err(|error| {
        ConfigError::at("inline", format!("expected a JWK Set, found one with this fault: {error}"))
    })?;
    // A fetched set may hold keys for others; one that is written here is meant.
    match set.skipped().first() {
        None => Ok(set),
        Some((reason, count)) => Err(ConfigError::at(
            "inline.keys",
            format!("expected only keys that can be used, found {count} with: {reason}"),
        )),
    }
}

fn remote_keys(remote: &config::RemoteKeys) -> Result<KeySettings, ConfigError> {
    if remote.cluster.is_empty() {
        return Err(ConfigError::at("cluster", "expected the name of a cluster of the gateway"));
    }
    let (scheme, authority, path) = split_uri(&remote.uri).ok_or_else(|| {
        ConfigError::at(
            "uri",
            format!("expected `https://host/path` or `http://host/path`, found `{}`", remote.uri),
        )
    })?;
    let timeout = bounded("timeout_milliseconds", remote.timeout_milliseconds, 1, MAX_TIMEOUT_MILLISECONDS)?;
    let seconds =
        |field, value, least| bounded(field, value, least, MAX_FRESHNESS_SECONDS).map(Span::from_secs);
    Ok(KeySettings::Remote {
        cluster: remote.cluster.clone().into(),
        scheme: scheme.into(),
        authority: authority.into(),
        path: path.into(),
        freshness: Freshness {
            refresh: seconds("refresh_seconds", remote.refresh_seconds, 1)?,
            cooldown: seconds("cooldown_seconds", remote.cooldown_seconds, 1)?,
            stale: seconds("stale_seconds", remote.stale_seconds, 0)?,
            timeout: Span::from_millis(timeout),
        },
    })
}

/// Scheme, authority and path of an address; only what an HTTP call needs is accepted.
fn split_uri(uri: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = uri.split_once("://")?;
    if !matches!(scheme, "http" | "https") || !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at_checked(at)?,
        None => (rest, "/"),
    };
    let plain = !authority.is_empty() && !authority.contains(['@', '?', '#']) && !path.contains('#');
    plain.then_some((scheme, authority, path))
}

fn principal(
    principal: &config::Principal,
    schema: &SchemaView<'_>,
) -> Result<PrincipalSettings, ConfigError> {
    let claim = |field: &str, text: &str| {
        ClaimPath::parse(text)
            .map_err(|expected| ConfigError::at(field, format!("expected {expected}, found `{text}`")))
    };
    let Some(shape) = schema.entity_shape(&principal.entity_type) else {
        let message =
            format!("expected an entity type that the schema declares, found `{}`", principal.entity_type);
        return Err(ConfigError::at("type", message));
    };
    let roles = match &principal.roles {
        None => None,
        Some(roles) if schema.entity_shape(&roles.entity_type).is_none() => {
            let message =
                format!("expected an entity type that the schema declares, found `{}`", roles.entity_type);
            return Err(ConfigError::at("roles.type", message));
        }
        Some(roles) => Some(RoleSettings {
            claim: claim("roles.claim", &roles.claim)?,
            entity_type: roles.entity_type.clone().into(),
        }),
    };
    let mut attributes = Vec::new();
    for (name, source) in &principal.attributes {
        let place = format!("attributes.{name}");
        let Some(field) = shape.iter().find(|field| *field.name == **name) else {
            let message =
                format!("expected an attribute that the schema declares for `{}`", principal.entity_type);
            return Err(ConfigError::at(place, message));
        };
        let source = match source {
            AttributeSource::Claim(path) => PrincipalSource::Claim(claim(&place, path)?),
            AttributeSource::Value(value) => {
                PrincipalSource::Constant(attribute::from_config(value, &field.ty).map_err(|_| {
                    ConfigError::at(&*place, format!("expected a value of type `{}`", field.ty))
                })?)
            }
            AttributeSource::Path(_)
            | AttributeSource::Query(_)
            | AttributeSource::Header(_)
            | AttributeSource::Request(_)
            | AttributeSource::Workload(_) => {
                return Err(ConfigError::at(
                    place,
                    "expected `claim` or `value`: a principal is what its token says",
                ));
            }
        };
        attributes.push(PrincipalAttribute {
            name: Box::from(&**name),
            ty: field.ty.clone(),
            required: field.required,
            source,
        });
    }
    if let Some(missing) =
        shape.iter().find(|field| field.required && !principal.attributes.contains_key(&*field.name))
    {
        let message = format!(
            "expected a source for `{}`, which the schema requires of `{}`",
            missing.name, principal.entity_type
        );
        return Err(ConfigError::at("attributes", message));
    }
    Ok(PrincipalSettings {
        entity_type: principal.entity_type.clone().into(),
        id: claim("id", &principal.id)?,
        roles,
        attributes,
    })
}
