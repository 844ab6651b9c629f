//! How a user must have logged in (RFC 9470).

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// How the user behind a token must have logged in. A request that falls short gets a challenge that says what to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StepUp {
    /// Values of the `acr` claim, one of which the token must have; any where none is named.
    #[serde(default)]
    pub acr: Vec<String>,
    /// How long ago the login may be, by the token's `auth_time`, in seconds; from 1 to a year (31,622,400).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u32>,
}
