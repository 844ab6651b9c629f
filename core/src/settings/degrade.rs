//! What routes do without.

use super::ConfigError;
use super::issuers::bounded;
use crate::config::{self, Config, Credential, Degrade, Profile};
use crate::time::Span;

const MAX_INTROSPECTION_SECONDS: u32 = 3_600;
const MAX_REVOCATION_SECONDS: u32 = 86_400;

/// How much longer than usual a route relies on what was said before; not at all unless it is degradable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DegradeSettings {
    /// That a token is active.
    pub introspection: Span,
    /// Status lists and revocation feeds.
    pub revocation: Span,
}

/// Checks and prepares one route's budgets. A strict route has none, whatever is written.
pub(super) fn prepare(route: &config::Route, config: &Config) -> Result<DegradeSettings, ConfigError> {
    let at = |field, expected: &str| Err(ConfigError::at(field, expected));
    let degrade = match (route.profile, &route.degrade) {
        (Profile::Degradable, Some(degrade)) => degrade,
        (Profile::Degradable, None) => {
            return at("degrade", "expected what the route does without, or the profile `strict`");
        }
        (Profile::Strict | Profile::Public, None) => return Ok(DegradeSettings::default()),
        (Profile::Strict | Profile::Public, Some(_)) => {
            return at(
                "degrade",
                "expected none on a `strict` route, which refuses whatever fails, nor on a public one; the profile `degradable` has it",
            );
        }
    };
    let Degrade { introspection_seconds, revocation_seconds } = *degrade;
    if introspection_seconds == 0 && revocation_seconds == 0 {
        return at("degrade", "expected a budget above 0, or the profile `strict`");
    }
    if route.live {
        return at("degrade", "expected none beside `live`, which wants a live answer");
    }
    if introspection_seconds > 0 && !route.takes(Credential::OpaqueToken) {
        return at(
            "degrade.introspection_seconds",
            "expected `opaque_token` among the route's `credentials`",
        );
    }
    if revocation_seconds > 0 && !config.issuers.iter().any(|issuer| issuer.revocation.is_some()) {
        return at("degrade.revocation_seconds", "expected an issuer with `revocation`, found none");
    }
    let span = |field, value, most| bounded(field, value, 0, most).map(Span::from_secs);
    Ok(DegradeSettings {
        introspection: span(
            "degrade.introspection_seconds",
            introspection_seconds,
            MAX_INTROSPECTION_SECONDS,
        )?,
        revocation: span("degrade.revocation_seconds", revocation_seconds, MAX_REVOCATION_SECONDS)?,
    })
}
