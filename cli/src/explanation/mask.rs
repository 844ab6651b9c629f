//! What an explanation does not tell: what the schema calls sensitive, in attributes, contexts and tokens.

use countersign_core::policy::{Entity, Image, Record, Value as Cedar};
use countersign_core::settings::{PrincipalSource, Settings, Source};
use serde_json::Value;
use std::collections::BTreeSet;

/// What stands for a value that the schema calls sensitive.
const MASK: &str = "(masked)";

/// The entity without what is sensitive in it.
pub(super) fn masked_entity(image: &Image, mut entity: Entity) -> Entity {
    entity.attributes = masked(image, entity.uid.ty(), &entity.attributes);
    entity
}

/// The members of tokens that become sensitive attributes.
pub(super) fn sensitive_claims(settings: &Settings) -> BTreeSet<&str> {
    let schema = settings.image.schema();
    let mut members = BTreeSet::new();
    for issuer in &settings.issuers {
        for attribute in &issuer.principal.attributes {
            if let PrincipalSource::Claim(path) = &attribute.source
                && schema.is_sensitive(&format!("{}.{}", issuer.principal.entity_type, attribute.name))
            {
                members.insert(path.member());
            }
        }
    }
    for question in settings.routes.iter().filter_map(|route| route.question.as_ref()) {
        for (base, mappings) in
            [("context", &question.context), (&*question.resource_type, &question.resource)]
        {
            for mapping in mappings {
                if let Source::Claim(slot) = &mapping.source
                    && let Some(claim) = settings.claims.get(*slot)
                    && schema.is_sensitive(&format!("{base}.{}", mapping.name))
                {
                    members.insert(claim.path.member());
                }
            }
        }
    }
    members
}

/// A token's claims without those members.
pub(super) fn masked_claims(mut claims: Value, sensitive: &BTreeSet<&str>) -> Value {
    for (name, value) in claims.as_object_mut().into_iter().flatten() {
        if sensitive.contains(name.as_str()) {
            *value = MASK.into();
        }
    }
    claims
}

/// The record without what is sensitive in it.
pub(super) fn masked(image: &Image, path: &str, record: &Record) -> Record {
    let field = |(name, value): (&str, &Cedar)| {
        let path = format!("{path}.{name}");
        let value = match value {
            _ if image.schema().is_sensitive(&path) => Cedar::from(MASK),
            Cedar::Record(inner) => Cedar::Record(masked(image, &path, inner)),
            other => other.clone(),
        };
        (name.to_owned(), value)
    };
    record.iter().map(field).collect()
}
