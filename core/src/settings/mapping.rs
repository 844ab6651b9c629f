//! Attributes of resources and contexts: what each comes from, by the configuration, and whether that fits the schema.

use super::ConfigError;
use crate::attribute::{self, AttributeType, Field};
use crate::config::{
    self, AttributeSource, Attributes, Config, PrincipalSource, RequestField, TokenField, WorkloadField,
};
use crate::policy::Value;
use crate::route::{Segment, Template};
use crate::token::ClaimPath;
use crate::xfcc;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A claim with the type it must have.
#[derive(Debug, PartialEq, Eq)]
pub struct MappedClaim {
    /// Where it stands.
    pub path: ClaimPath,
    /// Its type.
    pub ty: AttributeType,
}

/// A part of a resource's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdPart {
    /// Text.
    Literal(Box<str>),
    /// A parameter of the path.
    Parameter(Box<str>),
}

/// An attribute of a resource or of the context.
pub struct Mapping {
    /// Its name.
    pub name: Box<str>,
    /// Its type.
    pub ty: AttributeType,
    /// Whether the schema demands it.
    pub required: bool,
    /// Where it comes from.
    pub source: Source,
}

/// Where an attribute of a resource or of the context comes from.
pub enum Source {
    /// A claim, by its place in [`Settings::claims`].
    Claim(usize),
    /// Something else about the token.
    Token(TokenField),
    /// A parameter of the path.
    Path(Box<str>),
    /// A parameter of the query.
    Query(Box<str>),
    /// A header.
    Header(Box<str>),
    /// The request.
    Request(RequestField),
    /// The calling workload.
    Workload(WorkloadField),
    /// The configuration.
    Constant(Value),
}

/// From what the schema declares to where it comes from, on one route.
pub(super) struct Mapper<'a> {
    pub(super) route: &'a config::Route,
    /// That of the gateway's own headers.
    pub(super) prefix: &'a str,
    /// The header of API keys, where they are accepted.
    pub(super) api_key: Option<&'a str>,
    /// The parameters of the path.
    pub(super) parameters: &'a [&'a str],
    /// Every claim that a route maps.
    pub(super) claims: &'a mut Vec<MappedClaim>,
}

impl Mapper<'_> {
    /// Maps the declared fields: from `own`, else from `shared`. Of the shared attributes, those that are not declared
    /// here are left out, as they may serve other actions; one of our own that is not declared is a mistake.
    pub(super) fn map(
        &mut self,
        own: &Attributes,
        shared: Option<&Attributes>,
        fields: &[Field],
    ) -> Result<Vec<Mapping>, ConfigError> {
        if let Some(name) = own.keys().find(|name| !fields.iter().any(|field| *field.name == ***name)) {
            return Err(ConfigError::at(
                name.as_str(),
                "expected an attribute that the schema declares here",
            ));
        }
        let mut mappings = Vec::with_capacity(fields.len());
        for field in fields {
            let source = own.get(&*field.name).or_else(|| self.shared(shared?.get(&*field.name)?));
            match source {
                Some(source) => mappings.push(self.one(field, source)?),
                None if field.required => {
                    return Err(ConfigError::at(
                        "",
                        format!("expected a source for `{}`, which the schema requires", field.name),
                    ));
                }
                None => {}
            }
        }
        Ok(mappings)
    }

    /// Whether a header is the gateway's own to read, under this name or a look-alike of it.
    fn keeps(&self, name: &str) -> bool {
        let plain = name.replace('_', "-");
        let mut kept = ["authorization", "dpop", xfcc::NAME].into_iter().chain(self.api_key);
        kept.any(|kept| kept.replace('_', "-") == plain)
    }

    /// A shared source, where it can yield something here: without a token there are no claims.
    fn shared<'s>(&self, source: &'s AttributeSource) -> Option<&'s AttributeSource> {
        let claim = matches!(source, AttributeSource::Claim(_) | AttributeSource::Token(_));
        (!claim || self.route.takes_tokens()).then_some(source)
    }

    fn one(&mut self, field: &Field, source: &AttributeSource) -> Result<Mapping, ConfigError> {
        let wrong = |message: String| ConfigError::at(&*field.name, message);
        let fits = |given: &AttributeType| given == &field.ty;
        let source = match source {
            AttributeSource::Claim(_) | AttributeSource::Token(_)
                if self.route.principal() == PrincipalSource::Workload =>
            {
                return Err(wrong(String::from(
                    "expected no `claim` and no `token` on a route that is decided by workload",
                )));
            }
            AttributeSource::Claim(_) | AttributeSource::Token(_) if !self.route.takes_tokens() => {
                return Err(wrong(String::from(
                    "expected no `claim` and no `token` on a route that takes no token",
                )));
            }
            AttributeSource::Claim(path) => {
                let path = ClaimPath::parse(path)
                    .map_err(|expected| wrong(format!("expected {expected}, found `{path}`")))?;
                let claim = MappedClaim { path, ty: field.ty.clone() };
                let known = self.claims.iter().position(|other| *other == claim);
                Source::Claim(known.unwrap_or_else(|| {
                    self.claims.push(claim);
                    self.claims.len() - 1
                }))
            }
            AttributeSource::Token(token_field) => {
                token_field_fits(*token_field, field).map_err(wrong)?;
                Source::Token(*token_field)
            }
            AttributeSource::Path(name) if self.parameters.contains(&name.as_str()) => {
                Source::Path(name.clone().into())
            }
            AttributeSource::Path(name) => {
                return Err(wrong(format!("expected a parameter of the route's path, found `{name}`")));
            }
            AttributeSource::Query(name) if !name.is_empty() => Source::Query(name.clone().into()),
            AttributeSource::Query(_) => {
                return Err(wrong(String::from("expected the name of a query parameter")));
            }
            AttributeSource::Header(name) if name.starts_with(self.prefix) => {
                let message = format!(
                    "expected a header that goes upstream as it came, found `{name}` under `forward.prefix`"
                );
                return Err(wrong(message));
            }
            AttributeSource::Header(name) if is_lower_case_token(name) && !self.keeps(name) => {
                Source::Header(name.clone().into())
            }
            AttributeSource::Header(name) => {
                return Err(wrong(format!(
                    "expected a header's name in lower case, not `authorization` or another that the gateway keeps, found `{name}`"
                )));
            }
            AttributeSource::Request(config::RequestField::Time)
                if !fits(&AttributeType::Long) && !fits(&AttributeType::Datetime) =>
            {
                return Err(wrong(format!(
                    "expected type `Long` or `datetime` for the time, the schema says `{}`",
                    field.ty
                )));
            }
            AttributeSource::Request(request_field) => {
                if *request_field != config::RequestField::Time && !fits(&AttributeType::String) {
                    return Err(wrong(format!("expected type `String`, the schema says `{}`", field.ty)));
                }
                Source::Request(*request_field)
            }
            AttributeSource::Workload(workload_field) => {
                let good = match (workload_field, &field.ty) {
                    (WorkloadField::Entity, AttributeType::Entity(_)) => true,
                    (WorkloadField::Id | WorkloadField::TrustDomain, ty) => *ty == AttributeType::String,
                    (WorkloadField::Entity, _) => false,
                };
                if !good {
                    return Err(wrong(format!(
                        "expected an entity type for `entity`, else `String`; the schema says `{}`",
                        field.ty
                    )));
                }
                if field.required && self.route.workload() == config::Requirement::Optional {
                    return Err(wrong(String::from(
                        "expected `workload: required` on this route, or an optional attribute in the schema",
                    )));
                }
                Source::Workload(*workload_field)
            }
            AttributeSource::Value(value) => Source::Constant(
                attribute::from_config(value, &field.ty)
                    .map_err(|_| wrong(format!("expected a value of type `{}`", field.ty)))?,
            ),
        };
        Ok(Mapping { name: field.name.clone(), ty: field.ty.clone(), required: field.required, source })
    }
}

/// Whether a field of the token is of the type that the schema declares, and there where it must be.
fn token_field_fits(token_field: TokenField, field: &Field) -> Result<(), String> {
    let text_set = || AttributeType::Set(Box::new(AttributeType::String));
    let (fits, expected, always) = match token_field {
        TokenField::Subject => (is_entity_or_text(&field.ty), "an entity type or `String`", true),
        TokenField::Actor => (is_entity_or_text(&field.ty), "an entity type or `String`", false),
        TokenField::Actors => (field.ty == text_set(), "`Set<String>`", true),
        TokenField::Depth => (field.ty == AttributeType::Long, "`Long`", true),
        TokenField::AuthAge => (field.ty == AttributeType::Long, "`Long`", false),
        TokenField::Binding | TokenField::Issuer => (field.ty == AttributeType::String, "`String`", true),
        TokenField::Client | TokenField::Acr => (field.ty == AttributeType::String, "`String`", false),
    };
    if !fits {
        return Err(format!("expected type {expected}, the schema says `{}`", field.ty));
    }
    if field.required && !always {
        return Err(String::from("expected an optional attribute in the schema: not every token has it"));
    }
    Ok(())
}

fn is_entity_or_text(ty: &AttributeType) -> bool {
    matches!(ty, AttributeType::Entity(_) | AttributeType::String)
}

/// Whether a text is a header's name in lower case, of the characters that every server takes.
pub(super) fn is_lower_case_token(name: &str) -> bool {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
    !name.is_empty() && name.bytes().all(fits)
}

/// Whether a parameter's value may hold a slash.
pub(super) fn may_hold_slash(template: &Template, config: &Config) -> bool {
    config.paths.allow_encoded_slash
        || template.segments().iter().any(|segment| matches!(segment, Segment::Rest(_)))
}

/// Between two parameters stands a slash, which no parameter can hold; anything else would give two resources one id
/// (CVE-2023-35941's lesson).
pub(super) fn id_parts(id: &str, parameters: &[&str], slashes: bool) -> Result<Vec<IdPart>, ConfigError> {
    let wrong = |message: String| ConfigError::at("resource.id", message);
    let mut parts = Vec::new();
    let mut rest = id;
    while let Some((literal, opened)) = rest.split_once('{') {
        let Some((name, after)) = opened.split_once('}') else {
            return Err(wrong(format!("expected `}}` after `{{{opened}`")));
        };
        if !parameters.contains(&name) {
            return Err(wrong(format!("expected a parameter of the route's path, found `{name}`")));
        }
        let follows = matches!(parts.last(), Some(IdPart::Parameter(_)));
        if follows && (slashes || !literal.contains('/')) {
            return Err(wrong(String::from(
                "expected `/` between two parameters, and parameters that hold none: no `{rest...}`, and `paths.allow_encoded_slash` off",
            )));
        }
        if !literal.is_empty() {
            parts.push(IdPart::Literal(literal.into()));
        }
        parts.push(IdPart::Parameter(name.into()));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(IdPart::Literal(rest.into()));
    }
    if parts.is_empty() { Err(wrong(String::from("expected an id, found an empty text"))) } else { Ok(parts) }
}
