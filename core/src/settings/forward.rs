//! What goes upstream with an allowed request, and what does not.

use super::schema::SchemaView;
use super::{ConfigError, mapping};
use crate::config::{self, Config};
use crate::xfcc;
use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

/// The names of the headers that go upstream, each but the first with the configured prefix.
pub struct HeaderNames {
    /// `authorization`, of a token for upstream.
    pub authorization: Rc<str>,
    /// The decision's ID.
    pub decision_id: Rc<str>,
    /// The principal's Cedar type.
    pub principal_type: Rc<str>,
    /// The principal's id.
    pub principal: Rc<str>,
    /// `iss`.
    pub issuer: Rc<str>,
    /// `sub`.
    pub subject: Rc<str>,
    /// The ids of those who act for the subject, the outermost first.
    pub actors: Rc<str>,
    /// The calling workload's SPIFFE ID.
    pub workload: Rc<str>,
    /// What the caller proved itself with, where that is not a token.
    pub credential: Rc<str>,
    /// Attributes of the principal, each with its header.
    pub attributes: Vec<(Box<str>, Rc<str>)>,
}

impl HeaderNames {
    pub(super) fn new(forward: &config::Forward) -> Self {
        let name = |name: &str| Rc::from(format!("{}{name}", forward.prefix));
        let attribute = |attribute: &String| {
            (Box::from(&**attribute), name(&format!("attribute-{}", attribute.to_ascii_lowercase())))
        };
        Self {
            authorization: Rc::from("authorization"),
            decision_id: name("decision-id"),
            principal_type: name("principal-type"),
            principal: name("principal"),
            issuer: name("issuer"),
            subject: name("subject"),
            actors: name("actors"),
            workload: name("workload"),
            credential: name("credential"),
            attributes: forward.attributes.iter().map(attribute).collect(),
        }
    }
}

/// Headers that do not go upstream: those of the configuration, and those that are for the gateway alone to read.
pub(super) fn withheld(config: &Config) -> Vec<Box<str>> {
    let api_key = config.api_keys.as_ref().map(|api_keys| &*api_keys.header);
    let mut names: Vec<Box<str>> = Vec::with_capacity(config.forward.remove.len() + 3);
    let kept = [xfcc::NAME, "dpop"].into_iter().chain(api_key);
    for name in config.forward.remove.iter().map(String::as_str).chain(kept) {
        if !names.iter().any(|known| **known == *name) {
            names.push(name.into());
        }
    }
    names
}

/// Checks what the configuration sends upstream.
pub(super) fn check(config: &Config, schema: &SchemaView<'_>) -> Result<(), ConfigError> {
    let forward = &config.forward;
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if forward.prefix.len() < 3 || !forward.prefix.ends_with('-') || !forward.prefix.bytes().all(fits) {
        let message = format!(
            "expected lower-case letters, digits and `-`, with `-` at the end, found `{}`",
            forward.prefix
        );
        return Err(ConfigError::at("forward.prefix", message));
    }
    for (index, name) in forward.remove.iter().enumerate() {
        if !mapping::is_lower_case_token(name) {
            let message = format!("expected a header's name in lower case, found `{name}`");
            return Err(ConfigError::at(format!("forward.remove[{index}]"), message));
        }
    }
    let subjects = config.issuers.iter().map(|issuer| &issuer.principal.entity_type);
    let actors =
        config.issuers.iter().filter_map(|issuer| Some(&issuer.delegation.as_ref()?.actor.entity_type));
    let types = subjects.chain(actors);
    let keys = config.api_keys.iter().flat_map(|api_keys| &api_keys.keys);
    let declared: Vec<_> = types
        .chain(keys.map(|key| &key.principal.entity_type))
        .chain([&config.workload.entity_type.0])
        .filter_map(|ty| schema.entity_shape(ty))
        .flatten()
        .collect();
    for (index, name) in forward.attributes.iter().enumerate() {
        let wrong = |message| Err(ConfigError::at(format!("forward.attributes[{index}]"), message));
        if !declared.iter().any(|field| *field.name == **name) {
            return wrong(format!(
                "expected an attribute that the schema declares for a principal, found `{name}`"
            ));
        }
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')) {
            return wrong(format!(
                "expected an attribute whose name a header's name may hold, found `{name}`"
            ));
        }
        if forward.attributes.iter().take(index).any(|other| other.eq_ignore_ascii_case(name)) {
            return wrong(format!("expected each attribute once, found `{name}` again"));
        }
    }
    Ok(())
}
