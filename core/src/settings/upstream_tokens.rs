//! Tokens for those upstream.

use super::ConfigError;
use super::issuers::bounded;
use super::parties::{Answers, names_secret, party};
use crate::config::{self, ActorSource, Config, Credential, Grant, Requirement, TokenKind};
use crate::crypto::digest::Sha256;
use crate::time::Span;
use crate::upstream_token::{ActorSettings, GrantSettings, UpstreamTokenSettings};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

const MAX_TOKENS: usize = 64;
const MAX_AUDIENCES: usize = 8;
const MAX_SCOPES: usize = 32;
const MAX_PARAMETERS: usize = 16;
const LEAST_LIFETIME_SECONDS: u32 = 10;
const MAX_LIFETIME_SECONDS: u32 = 86_400;

/// Fields of the request that other fields of the configuration stand for.
const TAKEN: [&str; 13] = [
    "actor_token",
    "actor_token_type",
    "audience",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "grant_type",
    "requested_token_type",
    "resource",
    "scope",
    "subject_token",
    "subject_token_type",
];

/// Checks and prepares all of them.
pub(super) fn prepare(config: &Config) -> Result<Vec<UpstreamTokenSettings>, ConfigError> {
    if config.upstream_tokens.len() > MAX_TOKENS {
        return Err(ConfigError::at("upstream_tokens", format!("expected at most {MAX_TOKENS}")));
    }
    let mut all: Vec<UpstreamTokenSettings> = Vec::with_capacity(config.upstream_tokens.len());
    for (index, token) in config.upstream_tokens.iter().enumerate() {
        let place = format!("upstream_tokens[{index}]");
        if token.name.is_empty() || all.iter().any(|other| *other.name == *token.name) {
            let message = format!("expected a name of its own, found `{}`", token.name);
            return Err(ConfigError::at(format!("{place}.name"), message));
        }
        all.push(one(token).map_err(|error| error.within(&place))?);
    }
    Ok(all)
}

fn one(token: &config::UpstreamToken) -> Result<UpstreamTokenSettings, ConfigError> {
    let audiences: Vec<Box<str>> =
        token.audiences.iter().chain(&token.resources).map(|name| name.clone().into()).collect();
    if audiences.is_empty() || audiences.iter().any(|name| name.is_empty()) {
        return Err(ConfigError::at(
            "audiences",
            "expected at least one of `audiences` or `resources`, and none of them empty",
        ));
    }
    for (field, listed, most) in [
        ("audiences", &token.audiences, MAX_AUDIENCES),
        ("resources", &token.resources, MAX_AUDIENCES),
        ("scopes", &token.scopes, MAX_SCOPES),
    ] {
        if listed.len() > most {
            return Err(ConfigError::at(field, format!("expected at most {most}, found {}", listed.len())));
        }
    }
    // RFC 6749 §3.3.
    let word = |scope: &String| {
        !scope.is_empty()
            && scope.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
    };
    if !token.scopes.iter().all(word) {
        return Err(ConfigError::at("scopes", "expected one word for each scope"));
    }
    let lifetime = bounded(
        "max_lifetime_seconds",
        token.max_lifetime_seconds,
        LEAST_LIFETIME_SECONDS,
        MAX_LIFETIME_SECONDS,
    )?;
    let answers = Answers { media_type: "application/json", refuses_by_400: true };
    let fields = fields(token)?;
    let digest = digest(token, &fields);
    Ok(UpstreamTokenSettings {
        digest,
        name: token.name.clone().into(),
        party: party(&token.cluster, &token.uri, token.timeout_milliseconds, token.calls, answers)?,
        grant: grant(token)?,
        fields,
        audiences,
        scopes: token.scopes.iter().map(|scope| scope.clone().into()).collect(),
        is_jwt: token.token == TokenKind::Jwt,
        max_lifetime: Span::from_secs(lifetime),
    })
}

fn grant(token: &config::UpstreamToken) -> Result<GrantSettings, ConfigError> {
    let actor = token.actor.unwrap_or_default();
    match (token.grant, actor, &token.actor_id) {
        (Grant::ClientCredentials, ..) if token.actor.is_some() || token.actor_id.is_some() => {
            Err(ConfigError::at(
                "actor",
                "expected no `actor` and no `actor_id` with the grant `client_credentials`",
            ))
        }
        (Grant::ClientCredentials, ..) => Ok(GrantSettings::ClientCredentials),
        (Grant::TokenExchange, _, Some(_)) if token.token == TokenKind::Opaque => {
            Err(ConfigError::at("actor_id", "expected none where the token is `opaque`: it can't be read"))
        }
        (Grant::TokenExchange, ActorSource::Client, id) => {
            Ok(GrantSettings::Exchange(ActorSettings::Client(id.as_deref().map(Into::into))))
        }
        (Grant::TokenExchange, ActorSource::Workload, None) => {
            Ok(GrantSettings::Exchange(ActorSettings::Workload))
        }
        (Grant::TokenExchange, ActorSource::Workload, Some(_)) => {
            Err(ConfigError::at("actor_id", "expected none where the actor is the calling workload"))
        }
    }
}

/// The request's fields that are always the same (RFC 8693 §2.1, RFC 6749 §4.4.2).
fn fields(token: &config::UpstreamToken) -> Result<Vec<(Box<str>, Box<str>)>, ConfigError> {
    if token.client_id.as_deref().is_some_and(str::is_empty) {
        return Err(ConfigError::at(
            "client_id",
            "expected the gateway's name at the token service, found an empty text",
        ));
    }
    if token.parameters.len() > MAX_PARAMETERS {
        return Err(ConfigError::at("parameters", format!("expected at most {MAX_PARAMETERS}")));
    }
    let refused = |name: &&String| name.is_empty() || TAKEN.contains(&name.as_str()) || names_secret(name);
    if let Some(name) = token.parameters.keys().find(refused) {
        let message = "expected a field that no other field of the configuration stands for, and no secret";
        return Err(ConfigError::at(format!("parameters.{name}"), message));
    }
    let mut fields: Vec<(Box<str>, Box<str>)> = Vec::new();
    let mut add = |name: &str, value: &str| fields.push((name.into(), value.into()));
    match token.grant {
        Grant::TokenExchange => {
            add("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
            add("requested_token_type", "urn:ietf:params:oauth:token-type:access_token");
        }
        Grant::ClientCredentials => add("grant_type", "client_credentials"),
    }
    if let Some(client) = &token.client_id {
        add("client_id", client);
    }
    token.audiences.iter().for_each(|audience| add("audience", audience));
    token.resources.iter().for_each(|resource| add("resource", resource));
    if !token.scopes.is_empty() {
        add("scope", &token.scopes.join(" "));
    }
    token.parameters.iter().for_each(|(name, value)| add(name, value));
    Ok(fields)
}

/// The place of the token that a route sends upstream.
pub(super) fn of_route(route: &config::Route, config: &Config) -> Result<Option<usize>, ConfigError> {
    let Some(name) = &route.upstream_token else { return Ok(None) };
    let found = config.upstream_tokens.iter().position(|token| token.name == *name);
    let Some((index, token)) = found.and_then(|index| Some((index, config.upstream_tokens.get(index)?)))
    else {
        let known: Vec<String> =
            config.upstream_tokens.iter().map(|token| format!("`{}`", token.name)).collect();
        let message =
            format!("expected a name of `upstream_tokens`, found `{name}`; known: {}", known.join(", "));
        return Err(ConfigError::at("upstream_token", message));
    };
    if token.grant == Grant::TokenExchange && (!route.takes_tokens() || route.takes(Credential::ApiKey)) {
        return Err(ConfigError::at(
            "upstream_token",
            "expected a route that takes tokens and nothing else, since the client's token is exchanged",
        ));
    }
    if token.actor == Some(ActorSource::Workload) && route.workload() == Requirement::Optional {
        return Err(ConfigError::at(
            "upstream_token",
            "expected `workload: required`, since the calling workload is the actor",
        ));
    }
    Ok(Some(index))
}

/// Of all that an answer depends on beside the request.
fn digest(token: &config::UpstreamToken, fields: &[(Box<str>, Box<str>)]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in [&token.cluster, &token.uri] {
        digest.update_framed(part.as_bytes());
    }
    digest.update_framed(format!("{:?} {:?}", token.grant, token.actor).as_bytes());
    digest.update_framed(token.actor_id.as_deref().unwrap_or_default().as_bytes());
    digest.update_framed(&[u8::from(token.token == TokenKind::Jwt)]);
    digest.update_framed(&token.max_lifetime_seconds.to_le_bytes());
    for list in [&token.audiences, &token.resources, &token.scopes] {
        digest.update_framed(&list.len().to_le_bytes());
        for entry in list {
            digest.update_framed(entry.as_bytes());
        }
    }
    for (name, value) in fields {
        digest.update_framed(name.as_bytes()).update_framed(value.as_bytes());
    }
    digest.finish()
}
