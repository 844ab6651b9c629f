//! API keys: what types cannot say about them.

use super::schema::{SchemaView, attribute as declared_attribute, complete};
use super::{ConfigError, mapping, workloads};
use crate::api_key::{self, ApiKey, ApiKeys, MAX_KEYS};
use crate::attribute;
use crate::config::{self, Config};
use crate::policy::{Entity, EntityUid, Record};
use crate::request::hex;
use crate::spiffe::SpiffeId;
use crate::time::Timestamp;
use crate::xfcc;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

/// Headers that say something else already.
const TAKEN: [&str; 5] = ["authorization", "cookie", "dpop", "host", xfcc::NAME];

/// Checks and prepares all keys.
pub(super) fn prepare(
    config: &Config,
    forwarding_peers: &[SpiffeId],
    schema: &SchemaView<'_>,
) -> Result<Option<ApiKeys>, ConfigError> {
    let Some(api_keys) = &config.api_keys else { return Ok(None) };
    check_header(&api_keys.header, &config.forward.prefix).map_err(|error| error.within("api_keys"))?;
    if api_keys.keys.len() > MAX_KEYS {
        let message = format!("expected at most {MAX_KEYS} keys, found {}", api_keys.keys.len());
        return Err(ConfigError::at("api_keys.keys", message));
    }
    let mut keys: Vec<Rc<ApiKey>> = Vec::with_capacity(api_keys.keys.len());
    for (index, key) in api_keys.keys.iter().enumerate() {
        let place = format!("api_keys.keys[{index}]");
        let key =
            one(key, &config.workload, forwarding_peers, schema).map_err(|error| error.within(&place))?;
        if keys.iter().any(|other| other.id == key.id) {
            let message = format!("expected a name of its own, found `{}` again", key.id);
            return Err(ConfigError::at(format!("{place}.id"), message));
        }
        if let Some(other) = keys.iter().find(|other| other.sha256 == key.sha256) {
            let message = format!("expected a key of its own, found that of `{}`", other.id);
            return Err(ConfigError::at(format!("{place}.sha256"), message));
        }
        keys.push(Rc::new(key));
    }
    Ok(Some(ApiKeys { header: api_keys.header.clone().into(), keys }))
}

fn check_header(header: &str, prefix: &str) -> Result<(), ConfigError> {
    // Where many upstreams see one name, we must not see two.
    let plain = header.replace('_', "-");
    if !mapping::is_lower_case_token(header) || TAKEN.contains(&&*plain) || plain.starts_with(prefix) {
        let message =
            format!("expected a header of its own, in lower case, such as `x-api-key`, found `{header}`");
        return Err(ConfigError::at("header", message));
    }
    Ok(())
}

fn one(
    key: &config::ApiKey,
    trust: &config::WorkloadTrust,
    forwarding_peers: &[SpiffeId],
    schema: &SchemaView<'_>,
) -> Result<ApiKey, ConfigError> {
    if !api_key::is_id(&key.id) {
        return Err(ConfigError::at("id", format!("expected {}", api_key::EXPECTED_ID)));
    }
    // What stands there may be the key itself, so that the message does not repeat it.
    let sha256 = hex(key.sha256.as_bytes()).ok_or_else(|| {
        ConfigError::at(
            "sha256",
            "expected the SHA-256 hash of the key as 64 hexadecimal digits, never the key itself",
        )
    })?;
    let workload =
        workloads::trusted_workload(&key.workload, trust).map_err(|error| error.within("workload"))?;
    if forwarding_peers.contains(&workload) {
        let message = format!(
            "expected a workload that calls for itself, found `{workload}` of `workload.forwarded.peers`"
        );
        return Err(ConfigError::at("workload", message));
    }
    Ok(ApiKey {
        id: key.id.clone().into(),
        sha256,
        workload,
        not_after: key.not_after.as_deref().map(time).transpose()?,
        principal: principal(&key.principal, schema).map_err(|error| error.within("principal"))?,
    })
}

fn time(text: &str) -> Result<Timestamp, ConfigError> {
    api_key::time(text).ok_or_else(|| {
        ConfigError::at("not_after", format!("expected {}, found `{text}`", api_key::EXPECTED_TIME))
    })
}

fn principal(principal: &config::KeyPrincipal, schema: &SchemaView<'_>) -> Result<Entity, ConfigError> {
    let shape = schema.declared("type", &principal.entity_type)?;
    if principal.id.is_empty() {
        return Err(ConfigError::at("id", "expected the principal's id, found an empty text"));
    }
    let mut entity = Entity::new(EntityUid::new(&*principal.entity_type, &*principal.id));
    if !principal.roles.is_empty() {
        schema.declared("role_type", &principal.role_type)?;
    }
    if principal.roles.iter().any(String::is_empty) {
        return Err(ConfigError::at("roles", "expected the names of roles, and none of them empty"));
    }
    let roles = principal.roles.iter();
    entity.parents = roles.map(|role| EntityUid::new(&*principal.role_type, &**role)).collect();
    let mut attributes = Record::new();
    for (name, value) in &principal.attributes {
        let place = format!("attributes.{name}");
        let field = declared_attribute(&shape, &principal.entity_type, name, &place)?;
        let value = attribute::from_config(value, &field.ty)
            .map_err(|_| ConfigError::at(place, format!("expected a value of type `{}`", field.ty)))?;
        attributes.insert(field.name.clone(), value);
    }
    let given = |name: &str| principal.attributes.contains_key(name);
    complete(&shape, &principal.entity_type, "value", given)?;
    entity.attributes = attributes;
    Ok(entity)
}
