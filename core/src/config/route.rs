//! What the gateway serves, and what it demands there.

use super::{Attributes, Binding, Degrade, StepUp};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// One thing the gateway serves: a path, and the question that the policies answer about it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Route {
    /// The route's name in logs and explanations. It is unique.
    pub name: String,
    /// HTTP methods, in capitals.
    pub methods: Vec<String>,
    /// A path template: literal segments, `{name}` for one segment, `{name...}` for the rest.
    pub path: String,
    /// What is demanded of a request.
    #[serde(default)]
    pub profile: Profile,
    /// Who the decision is about; `token` unless said otherwise. Not on a public route, which asks nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<PrincipalSource>,
    /// Whether the caller must present a client certificate with a SPIFFE ID of a trusted domain; `required` unless said
    /// otherwise. Not on a public route, which looks at none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<Requirement>,
    /// Which credentials are accepted where the decision is about the token's subject; `[token]` unless said otherwise.
    /// A request carries one: with both a token and an API key it is refused. Not on a public route, and not where the
    /// workload is the principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Vec<Credential>>,
    /// The id of the Cedar action, in whatever namespace the schema has it; one action has this id. Required unless the profile is `public`.
    #[serde(default)]
    pub action: Option<String>,
    /// The Cedar resource. Required unless the profile is `public`.
    #[serde(default)]
    pub resource: Option<Resource>,
    /// Attributes of the decision's `context` for this route, by name.
    #[serde(default)]
    pub context: Attributes,
    /// How a token must be bound to its holder, one of these; a token without any such binding is refused. Where nothing is named,
    /// tokens without a binding serve too. One that has a binding is always held to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub binding: Vec<Binding>,
    /// Whether the token's issuer is asked about it for each request, whatever it said before, and of signed tokens too; it must have
    /// `introspection`. A request may share the answer with others that wait at the same time. Where the issuer can't be reached, the
    /// request is refused.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub live: bool,
    /// The token that goes upstream in the place of the client's, by its name in `upstream_tokens`. Without it the client's own goes
    /// upstream, or none (`forward.authorization`). Not on a public route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_token: Option<String>,
    /// How the user behind the token must have logged in (RFC 9470).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_up: Option<StepUp>,
    /// What the route does without while something is down; with the profile `degradable`, and with no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degrade: Option<Degrade>,
}

impl Route {
    /// Who the decision is about.
    pub fn principal(&self) -> PrincipalSource {
        self.principal.unwrap_or_default()
    }

    /// Whether this credential is accepted.
    pub fn takes(&self, credential: Credential) -> bool {
        self.principal() == PrincipalSource::Token
            && self
                .credentials
                .as_ref()
                .map_or(credential == Credential::Token, |listed| listed.contains(&credential))
    }

    /// Whether a token is accepted, of either kind.
    pub fn takes_tokens(&self) -> bool {
        self.takes(Credential::Token) || self.takes(Credential::OpaqueToken)
    }

    /// Whether the caller must present a client certificate.
    pub fn workload(&self) -> Requirement {
        self.workload.unwrap_or_default()
    }
}

/// What a route demands of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Profile {
    /// A verified credential and an allowing policy; whatever fails, the request is refused.
    #[default]
    Strict,
    /// The same, but for what `degrade` says: for a while it goes on without somebody's latest word.
    Degradable,
    /// Nothing: the request is forwarded without identity. For health checks and public documents.
    Public,
}

/// Who a decision is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum PrincipalSource {
    /// The subject of the bearer token, or the caller that the API key stands for.
    #[default]
    Token,
    /// The workload of the client certificate; no token is asked for, and one that is sent is not looked at.
    Workload,
}

/// What a caller proves itself with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Credential {
    /// A signed token (JWT) of one of the `issuers`.
    Token,
    /// A token that says nothing by itself, of the issuer that has `introspection`.
    OpaqueToken,
    /// An API key of `api_keys`.
    ApiKey,
}

/// Whether something must be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Requirement {
    /// It must.
    #[default]
    Required,
    /// It may be absent; where it is present it must be valid.
    Optional,
}

/// The Cedar resource of a route.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Resource {
    /// The Cedar entity type.
    #[serde(rename = "type")]
    pub entity_type: String,
    /// The entity's id: text in which `{name}` stands for a parameter of the path.
    pub id: String,
    /// The resource's attributes, by name. They win over those of the pack's entity. Where none is mapped, the pack's entities
    /// of this type are all there are, and a resource that is not among them has no attributes. A resource that is the
    /// principal, the token's subject or the calling workload may be described only as the credential does.
    #[serde(default)]
    pub attributes: Attributes,
}
