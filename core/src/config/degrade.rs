//! What a route does without where something that it depends on is down.

use serde::{Deserialize, Serialize};

/// How much longer than usual a `degradable` route relies on what was said before, while the one who should say it anew gives no answer, or
/// too many requests wait for one already. A refusal that a worker of the gateway has heard counts in all of them, where its host lets them share
/// data, and so does what has a life of its own: a token is never accepted beyond its end. Issuers' keys have a
/// budget of their own, `stale_seconds`; a route that wants an `upstream_token` refuses without one.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Degrade {
    /// How long past `active_seconds` the issuer's word that a token is active serves, in seconds; at most 3,600. Not beside `live`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub introspection_seconds: u32,
    /// How long past `stale_seconds`, `max_age_seconds` or their own `exp`, status lists and revocation feeds serve, in seconds; at most 86,400. One
    /// that was never fetched says nothing, nor does one whose key the issuer took back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub revocation_seconds: u32,
}

// serde hands over references.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}
