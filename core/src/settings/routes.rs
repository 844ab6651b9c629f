//! Routes: templates, and what the policies are asked about each.

use super::schema::{ActionView, SchemaView};
use super::{ConfigError, IdPart, MappedClaim, Mapping, Question, RouteSettings, Source};
use super::{degrade, upstream_tokens};
use crate::attribute::{self, AttributeType, Field};
use crate::config::{
    self, AttributeSource, Attributes, Config, Credential, PrincipalSource, Profile, TokenField,
    WorkloadField,
};
use crate::route::{RouteSpec, Router, Segment, Template};
use crate::step_up::Demand;
use crate::token::ClaimPath;
use crate::xfcc;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Router, routes, and the claims that they map.
pub(super) fn prepare(
    config: &Config,
    schema: &SchemaView<'_>,
) -> Result<(Router, Vec<RouteSettings>, Vec<MappedClaim>), ConfigError> {
    let mut claims = Vec::new();
    let mut routes: Vec<RouteSettings> = Vec::with_capacity(config.routes.len());
    let mut templates = Vec::with_capacity(config.routes.len());
    for (index, route) in config.routes.iter().enumerate() {
        let place = format!("routes[{index}]");
        if route.name.is_empty() || routes.iter().any(|other| *other.name == *route.name) {
            let message = format!("expected a name of its own, found `{}`", route.name);
            return Err(ConfigError::at(format!("{place}.name"), message));
        }
        let template = Template::parse(&route.path)
            .map_err(|error| ConfigError::at(format!("{place}.path"), format!("{error}")))?;
        routes
            .push(one(route, &template, config, schema, &mut claims).map_err(|error| error.within(&place))?);
        templates.push(template);
    }
    shared_context(config, &routes, schema)?;
    let router = router(&config.routes, &templates)?;
    Ok((router, routes, claims))
}

/// A shared attribute that no route's action declares serves nobody: misspelt, it would take from the policies what they look at.
fn shared_context(
    config: &Config,
    routes: &[RouteSettings],
    schema: &SchemaView<'_>,
) -> Result<(), ConfigError> {
    let questions = routes.iter().filter_map(|route| route.question.as_ref());
    let declared: Vec<Field> =
        questions.flat_map(|question| schema.context(&question.action).unwrap_or_default()).collect();
    for name in config.context.keys() {
        if !declared.iter().any(|field| *field.name == **name) {
            let message = "expected an attribute that the schema declares in the context of a route's action";
            return Err(ConfigError::at(format!("context.{name}"), message));
        }
    }
    Ok(())
}

fn router(routes: &[config::Route], templates: &[Template]) -> Result<Router, ConfigError> {
    for (index, route) in routes.iter().enumerate() {
        let method = |method: &String| {
            !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
        };
        if route.methods.is_empty() || !route.methods.iter().all(method) {
            return Err(ConfigError::at(
                format!("routes[{index}].methods"),
                "expected at least one method, in capitals",
            ));
        }
    }
    let specs: Vec<RouteSpec<'_>> = routes
        .iter()
        .zip(templates)
        .map(|(route, template)| RouteSpec { methods: &route.methods, template })
        .collect();
    Router::build(&specs).map_err(|conflict| {
        let other = routes.get(conflict.first).map(|route| &*route.name).unwrap_or_default();
        let message = format!(
            "expected no two routes for one request, but route `{other}` answers `{}` on the same paths",
            conflict.method
        );
        ConfigError::at(format!("routes[{}]", conflict.second), message)
    })
}

fn one(
    route: &config::Route,
    template: &Template,
    config: &Config,
    schema: &SchemaView<'_>,
    claims: &mut Vec<MappedClaim>,
) -> Result<RouteSettings, ConfigError> {
    let question = match route.profile {
        Profile::Public if asks(route) => {
            return Err(ConfigError::at(
                "profile",
                "expected no `action`, `resource`, `context`, `principal`, `credentials`, `workload`, `binding`, `step_up`, `live`, `degrade` or `upstream_token` on a public route, which asks for none",
            ));
        }
        Profile::Public => None,
        Profile::Strict | Profile::Degradable => Some(question(route, template, config, schema, claims)?),
    };
    Ok(RouteSettings {
        name: route.name.clone().into(),
        workload: route.workload(),
        upstream_token: upstream_tokens::of_route(route, config)?,
        question,
    })
}

/// Whether something stands in the route that only a question needs.
fn asks(route: &config::Route) -> bool {
    route.action.is_some()
        || route.resource.is_some()
        || route.principal.is_some()
        || route.credentials.is_some()
        || route.workload.is_some()
        || !route.binding.is_empty()
        || route.step_up.is_some()
        || route.upstream_token.is_some()
        || route.live
        || route.degrade.is_some()
        || !route.context.is_empty()
}

fn question(
    route: &config::Route,
    template: &Template,
    config: &Config,
    schema: &SchemaView<'_>,
    claims: &mut Vec<MappedClaim>,
) -> Result<Question, ConfigError> {
    let Some(action) = &route.action else {
        return Err(ConfigError::at("action", "expected the id of a Cedar action, found none"));
    };
    let Some(resource) = &route.resource else {
        return Err(ConfigError::at("resource", "expected a Cedar resource, found none"));
    };
    let Some(declared) = schema.action(action) else {
        let message = match schema.actions_named(action).as_slice() {
            [] => format!("expected an action that the schema declares, found `{action}`"),
            several => {
                let several = several.iter().map(|action| format!("`{action}`")).collect::<Vec<_>>();
                format!(
                    "expected an id that one action has, found `{action}`, which is {}",
                    several.join(" and ")
                )
            }
        };
        return Err(ConfigError::at("action", message));
    };
    check_credentials(route, config)?;
    if route.live {
        check_live(route, config)?;
    }
    check_principals(route, config, &declared)?;
    if !declared.resources.iter().any(|ty| **ty == *resource.entity_type) {
        let message = format!(
            "expected a resource type of action `{action}`, one of {}; found `{}`",
            list(&declared.resources),
            resource.entity_type
        );
        return Err(ConfigError::at("resource.type", message));
    }
    let step_up = step_up(route)?;
    let parameters: Vec<&str> = template.parameters().collect();
    let shape = schema.entity_shape(&resource.entity_type).unwrap_or_default();
    let api_key = config.api_keys.as_ref().map(|api_keys| &*api_keys.header);
    let mut mapper =
        Mapper { route, prefix: &config.forward.prefix, api_key, parameters: &parameters, claims };
    // A resource that maps nothing is one that the pack describes; of one that it does not know, the policies know nothing.
    let described = resource.attributes.is_empty() && schema.describes(&resource.entity_type);
    let shape = if described { &[] } else { shape.as_slice() };
    let attributes =
        mapper.map(&resource.attributes, None, shape).map_err(|error| error.within("resource.attributes"))?;
    let context = mapper
        .map(&route.context, Some(&config.context), &declared.context)
        .map_err(|error| error.within("context"))?;
    Ok(Question {
        principal: route.principal(),
        takes_token: route.takes(Credential::Token),
        takes_opaque: route.takes(Credential::OpaqueToken),
        takes_api_key: route.takes(Credential::ApiKey),
        live: route.live,
        principal_types: declared.principals,
        action: declared.uid,
        resource_type: resource.entity_type.clone().into(),
        resource_id: id_parts(&resource.id, &parameters, may_hold_slash(template, config))?,
        resource: attributes,
        context,
        binding: route.binding.clone(),
        step_up,
        degrade: degrade::prepare(route, config)?,
    })
}

/// A live answer needs somebody to give it, and a credential that it can be about.
fn check_live(route: &config::Route, config: &Config) -> Result<(), ConfigError> {
    if !config.issuers.iter().any(|issuer| issuer.introspection.is_some()) {
        return Err(ConfigError::at("live", "expected an issuer with `introspection`, found none"));
    }
    if !route.takes_tokens() || route.takes(Credential::ApiKey) {
        return Err(ConfigError::at("live", "expected a route that takes tokens and nothing else"));
    }
    Ok(())
}

/// What a token is demanded to be where one is looked at.
fn step_up(route: &config::Route) -> Result<Option<Demand>, ConfigError> {
    if route.principal() == PrincipalSource::Workload && !route.binding.is_empty() {
        return Err(ConfigError::at("binding", "expected none on a route that is decided by workload"));
    }
    match &route.step_up {
        None => Ok(None),
        Some(_) if route.principal() == PrincipalSource::Workload => {
            Err(ConfigError::at("step_up", "expected none on a route that is decided by workload"))
        }
        Some(step_up) => Demand::new(step_up).map(Some).map_err(|error| error.within("step_up")),
    }
}

/// Credentials are listed where one is asked for, each once.
fn check_credentials(route: &config::Route, config: &Config) -> Result<(), ConfigError> {
    let Some(listed) = &route.credentials else { return Ok(()) };
    let wrong = |message| Err(ConfigError::at("credentials", message));
    if route.principal() == PrincipalSource::Workload {
        return wrong(
            "expected no `credentials` on a route that is decided by workload, which asks for none",
        );
    }
    if listed.is_empty() {
        return wrong("expected at least one of `token`, `opaque_token` and `api_key`");
    }
    if listed
        .iter()
        .enumerate()
        .any(|(at, credential)| listed.iter().take(at).any(|other| other == credential))
    {
        return wrong("expected each credential once");
    }
    if listed.contains(&Credential::ApiKey) && !(route.binding.is_empty() && route.step_up.is_none()) {
        return wrong(
            "expected no `api_key` where `binding` or `step_up` is demanded, which no key can give",
        );
    }
    if listed.contains(&Credential::OpaqueToken)
        && config.issuers.iter().all(|issuer| issuer.introspection.is_none())
    {
        return wrong("expected an issuer with `introspection` beside a route that takes opaque tokens");
    }
    if listed.contains(&Credential::ApiKey) && config.api_keys.is_none() {
        return wrong("expected `api_keys` in the configuration of a route that takes API keys");
    }
    Ok(())
}

/// Someone must be able to call the route.
fn check_principals(route: &config::Route, config: &Config, action: &ActionView) -> Result<(), ConfigError> {
    let applies = |ty: &str| action.principals.iter().any(|declared| **declared == *ty);
    let mut keys = config.api_keys.iter().flat_map(|api_keys| &api_keys.keys);
    match route.principal() {
        PrincipalSource::Token
            if route.takes(Credential::ApiKey) && !keys.any(|key| applies(&key.principal.entity_type)) =>
        {
            let message = format!(
                "expected no `api_key`, or a key in `api_keys` whose principal is of a type of the action, one of {}",
                list(&action.principals)
            );
            Err(ConfigError::at("credentials", message))
        }
        PrincipalSource::Token if !route.takes_tokens() => Ok(()),
        PrincipalSource::Token if config.issuers.is_empty() => Err(ConfigError::at(
            "principal",
            "expected at least one issuer for a route that is decided by token",
        )),
        PrincipalSource::Token
            if !config.issuers.iter().any(|issuer| {
                let actor = issuer.delegation.as_ref().map(|delegation| &delegation.actor.entity_type);
                applies(&issuer.principal.entity_type) || actor.is_some_and(|ty| applies(ty))
            }) =>
        {
            let message = format!(
                "expected an issuer whose principals are of a type of the action, one of {}",
                list(&action.principals)
            );
            Err(ConfigError::at("action", message))
        }
        PrincipalSource::Workload if !applies(&config.workload.entity_type.0) => {
            let message = format!(
                "expected an action for principals of type `{}`, it is for {}",
                config.workload.entity_type.0,
                list(&action.principals)
            );
            Err(ConfigError::at("action", message))
        }
        PrincipalSource::Workload if route.workload() == config::Requirement::Optional => {
            Err(ConfigError::at("workload", "expected `required` where the workload is the principal"))
        }
        PrincipalSource::Token | PrincipalSource::Workload => Ok(()),
    }
}

struct Mapper<'a> {
    route: &'a config::Route,
    prefix: &'a str,
    /// The header of API keys, where they are accepted.
    api_key: Option<&'a str>,
    parameters: &'a [&'a str],
    claims: &'a mut Vec<MappedClaim>,
}

impl Mapper<'_> {
    /// Maps the declared fields: from `own`, else from `shared`. Of the shared attributes, those that are not declared
    /// here are left out, as they may serve other actions; one of our own that is not declared is a mistake.
    fn map(
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

fn list(types: &[Box<str>]) -> String {
    types.iter().map(|ty| format!("`{ty}`")).collect::<Vec<_>>().join(", ")
}

/// Whether a parameter's value may hold a slash.
fn may_hold_slash(template: &Template, config: &Config) -> bool {
    config.paths.allow_encoded_slash
        || template.segments().iter().any(|segment| matches!(segment, Segment::Rest(_)))
}

/// Between two parameters stands a slash, which no parameter can hold; anything else would give two resources one id
/// (CVE-2023-35941's lesson).
fn id_parts(id: &str, parameters: &[&str], slashes: bool) -> Result<Vec<IdPart>, ConfigError> {
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
