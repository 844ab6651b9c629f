//! Where attributes of principal, resource and context come from.

use super::JsonValue;
use alloc::collections::BTreeMap;
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// Attributes by name, each with its source. The schema's type of the attribute decides how a source's text is read;
/// a source that yields nothing leaves the attribute out.
pub type Attributes = BTreeMap<String, AttributeSource>;

/// Where one attribute comes from.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum AttributeSource {
    /// A claim of the verified token: a member's name, or a JSON Pointer that starts with `/`.
    Claim(String),
    /// Something else about the verified token.
    Token(TokenField),
    /// A parameter of the route's path, percent-decoded.
    Path(String),
    /// A parameter of the query, percent-decoded. The client chooses it freely.
    Query(String),
    /// A request header. The client chooses it freely.
    Header(String),
    /// Something about the request itself.
    Request(RequestField),
    /// Something about the calling workload, as its certificate says.
    Workload(WorkloadField),
    /// A constant.
    Value(JsonValue),
}

/// Something about the verified token that is not one claim's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TokenField {
    /// Whom the token is about: the entity, or its id. The same as the principal, unless an actor acts for it.
    Subject,
    /// Who acts for the subject now: the entity, or its id. Nothing where the token names no actor.
    Actor,
    /// The ids of all actors, as a set; empty where the token names none.
    Actors,
    /// How many actors the token names, one within the other.
    Depth,
    /// How the token is bound to its holder: `dpop`, `certificate`, both with `+` between them, or `none`.
    Binding,
    /// The issuer's name.
    Issuer,
    /// The client that the token was issued to: `client_id`, or else `azp`.
    Client,
    /// How the user logged in: `acr`.
    Acr,
    /// How long ago the user logged in, by `auth_time`, in seconds: never less than 0, and absent where the login lies in the
    /// future by more than the issuer's `clock_skew_seconds`.
    AuthAge,
}

/// Something about the request itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum RequestField {
    /// The host the client asked for, in lower case, without the port.
    Host,
    /// The method.
    Method,
    /// The path without the query, as forwarded.
    Path,
    /// The time of the decision, in seconds since the Unix epoch.
    Time,
}

/// Something about the calling workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum WorkloadField {
    /// The workload as a Cedar entity.
    Entity,
    /// Its SPIFFE ID, as text.
    Id,
    /// The trust domain of its SPIFFE ID.
    TrustDomain,
}
