//! Introspection endpoints.

use super::ConfigError;
use super::issuers::bounded;
use super::parties::{Answers, party};
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
    let signed_for = match (introspection.signed, &introspection.client_id) {
        (false, _) => None,
        (true, None) => {
            return Err(ConfigError::at("client_id", "expected one, to which answers are `signed`"));
        }
        (true, Some(_)) if matches!(issuer.keys, config::KeySource::None) => {
            return Err(ConfigError::at("signed", "expected an issuer that has `keys`"));
        }
        (true, Some(client)) => Some(client.clone().into()),
    };
    let media_type = match introspection.signed {
        true => "application/token-introspection+jwt",
        false => "application/json",
    };
    let seconds = |field, value| bounded(field, value, 0, MAX_LIFE_SECONDS).map(Span::from_secs);
    Ok(IntrospectionSettings {
        party: party(
            &introspection.cluster,
            &introspection.uri,
            introspection.timeout_milliseconds,
            introspection.calls,
            Answers { media_type, refuses_by_400: false },
        )?,
        signed_for,
        client_id: introspection.client_id.as_deref().map(Into::into),
        active: seconds("active_seconds", introspection.active_seconds)?,
        inactive: seconds("inactive_seconds", introspection.inactive_seconds)?,
    })
}
