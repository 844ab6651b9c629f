//! Introspection endpoints.

use super::ConfigError;
use super::issuers::bounded;
use super::parties::party;
use crate::config::{self, IssuerProfile};
use crate::introspection::IntrospectionSettings;
use crate::time::Span;

const MAX_LIFE_SECONDS: u32 = 300;

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
    Ok(IntrospectionSettings {
        party: party(
            &introspection.cluster,
            &introspection.uri,
            introspection.timeout_milliseconds,
            introspection.calls,
            false,
        )?,
        client_id: introspection.client_id.as_deref().map(Into::into),
        active: seconds("active_seconds", introspection.active_seconds)?,
        inactive: seconds("inactive_seconds", introspection.inactive_seconds)?,
    })
}
