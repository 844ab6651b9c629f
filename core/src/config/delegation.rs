//! Tokens with which one party acts for another (RFC 8693 §4.1).

use super::{Attributes, Principal, Roles};
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// How tokens with an `act` claim are read. The outermost actor is who acts now, and is the principal; the actors within it
/// are history, shown to policies and in the audit line (RFC 8693 §4.1). The subject stays visible beside them. All are of the
/// token's own issuer: an actor with another `iss` is refused.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Delegation {
    /// How the `act` claim becomes the Cedar principal; its claims are looked for within `act`.
    #[serde(default)]
    pub actor: Actor,
    /// How many actors a token may name, one within the other; from 1 to 8.
    #[serde(default = "default_max_depth")]
    pub max_depth: u32,
    /// Whether every token must name an actor: without, it is refused.
    #[serde(default)]
    pub required: bool,
}

/// How the outermost `act` claim becomes the Cedar principal.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Actor {
    /// The Cedar entity type, such as `Agent` or `Workload`.
    #[serde(rename = "type")]
    pub entity_type: String,
    /// The claim, within `act`, that names the actor: a member's name, or a JSON Pointer that starts with `/`.
    pub id: String,
    /// The claim, within `act`, that lists roles.
    pub roles: Option<Roles>,
    /// The actor's attributes, by name. Only `claim` and `value` sources make sense here.
    pub attributes: Attributes,
}

impl Default for Actor {
    fn default() -> Self {
        Self {
            entity_type: String::from("Agent"),
            id: String::from("sub"),
            roles: None,
            attributes: Attributes::default(),
        }
    }
}

impl From<&Actor> for Principal {
    fn from(actor: &Actor) -> Self {
        Self {
            entity_type: actor.entity_type.clone(),
            id: actor.id.clone(),
            roles: actor.roles.clone(),
            attributes: actor.attributes.clone(),
        }
    }
}

fn default_max_depth() -> u32 {
    3
}
