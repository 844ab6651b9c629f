//! Routes: templates, and what the policies are asked about each.

use super::mapping::{Mapper, id_parts, may_hold_slash};
use super::schema::{ActionView, SchemaView};
use super::{ConfigError, DegradeSettings, IdPart, MappedClaim, Mapping, degrade, upstream_tokens};
use crate::attribute::Field;
use crate::config::{self, Binding, Config, Credential, PrincipalSource, Profile, Requirement};
use crate::policy::EntityUid;
use crate::route::{RouteSpec, Router, Template};
use crate::step_up::Demand;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A route.
pub struct RouteSettings {
    /// Its name.
    pub name: Box<str>,
    /// Whether a client certificate is demanded.
    pub workload: Requirement,
    /// The token that goes upstream in the client's place, by its place in [`Settings::upstream_tokens`].
    pub upstream_token: Option<usize>,
    /// What the policies are asked; nothing on a public route.
    pub question: Option<Question>,
}

impl RouteSettings {
    /// Whether a token has to be bound to a key, and to nothing else.
    pub fn demands_dpop(&self) -> bool {
        self.question.as_ref().is_some_and(|question| *question.binding == [Binding::Dpop])
    }
}

/// What the policies are asked about a request.
pub struct Question {
    /// Who the decision is about.
    pub principal: PrincipalSource,
    /// Whether a token is accepted.
    pub takes_token: bool,
    /// Whether a token is accepted that its issuer has to be asked about.
    pub takes_opaque: bool,
    /// Whether an API key is accepted.
    pub takes_api_key: bool,
    /// Whether the issuer is asked about the token for each request.
    pub live: bool,
    /// Types of principals that the action applies to.
    pub principal_types: Vec<Box<str>>,
    /// The action.
    pub action: EntityUid,
    /// The resource's type.
    pub resource_type: Box<str>,
    /// The resource's id.
    pub resource_id: Vec<IdPart>,
    /// The resource's attributes.
    pub resource: Vec<Mapping>,
    /// The context.
    pub context: Vec<Mapping>,
    /// How a token must be bound, one of these; in any way or none where nothing is named.
    pub binding: Vec<Binding>,
    /// How the user must have logged in.
    pub step_up: Option<Demand>,
    /// How much longer than usual it relies on what was said before.
    pub degrade: DegradeSettings,
}

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

fn list(types: &[Box<str>]) -> String {
    types.iter().map(|ty| format!("`{ty}`")).collect::<Vec<_>>().join(", ")
}
