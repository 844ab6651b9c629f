//! Introspection endpoints.

use super::ConfigError;
use super::issuers::bounded;
use super::keys::{MAX_TIMEOUT_MILLISECONDS, location};
use crate::config::{self, IssuerProfile};
use crate::introspection::IntrospectionSettings;
use crate::time::Span;

const LEAST_TIMEOUT_MILLISECONDS: u32 = 10;
const MAX_LIFE_SECONDS: u32 = 300;
const MAX_CALLS: u32 = 1_024;

/// Checks and prepares an issuer's introspection.
pub(super) fn prepare(
    introspection: &config::Introspection,
    issuer: &config::Issuer,
) -> Result<IntrospectionSettings, ConfigError> {
    if issuer.profile != IssuerProfile::Jwt {
        return Err(ConfigError::at(
            "",
            "expected none beside a `profile` of signed tokens, expected the profile `jwt`",
        ));
    }
    if introspection.client_id.as_deref().is_some_and(str::is_empty) {
        return Err(ConfigError::at(
            "client_id",
            "expected the gateway's name at the issuer, found an empty text",
        ));
    }
    let seconds = |field, value| bounded(field, value, 0, MAX_LIFE_SECONDS).map(Span::from_secs);
    let timeout = bounded(
        "timeout_milliseconds",
        introspection.timeout_milliseconds,
        LEAST_TIMEOUT_MILLISECONDS,
        MAX_TIMEOUT_MILLISECONDS,
    )?;
    let calls = bounded("calls", introspection.calls, 1, MAX_CALLS)?;
    Ok(IntrospectionSettings {
        endpoint: location("uri", &introspection.uri, &introspection.cluster)?,
        client_id: introspection.client_id.as_deref().map(Into::into),
        timeout: Span::from_millis(timeout),
        active: seconds("active_seconds", introspection.active_seconds)?,
        inactive: seconds("inactive_seconds", introspection.inactive_seconds)?,
        calls: usize::try_from(calls).unwrap_or(1),
    })
}
