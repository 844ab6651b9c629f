//! What an explanation does not tell: what the schema calls sensitive, in attributes, contexts and tokens.

use countersign_core::policy::schema::TAGS;
use countersign_core::policy::{Entity, Image, Record, Value as Cedar};
use countersign_core::settings::{PrincipalSource, Settings, Source};
use serde_json::Value;
use std::collections::BTreeSet;

/// What stands for a value that the schema calls sensitive.
const MASK: &str = "(masked)";

/// The question's parts without what is sensitive: by the schema, or by the annotation of a policy, which names it as
/// `principal.ssn`, `resource.iban` or `context.card`.
pub(super) struct Masks<'i> {
    image: &'i Image,
    named: BTreeSet<&'i str>,
}

impl<'i> Masks<'i> {
    pub(super) fn new(image: &'i Image) -> Self {
        let lists = image.policies().filter_map(|policy| policy.annotation("sensitive"));
        Self { image, named: lists.flat_map(|list| list.split(',').map(str::trim)).collect() }
    }

    /// The entity that `variable` stands for.
    pub(super) fn entity(&self, variable: &str, mut entity: Entity) -> Entity {
        entity.attributes = self.record(variable, entity.uid.ty(), &entity.attributes);
        if self.image.schema().tells_sensitive(&format!("{}.{TAGS}", entity.uid.ty())) {
            entity.tags = entity.tags.iter().map(|(name, _)| (name.to_owned(), Cedar::from(MASK))).collect();
        }
        entity
    }

    /// The record that policies reach by `variable` and the schema by `path`.
    pub(super) fn record(&self, variable: &str, path: &str, record: &Record) -> Record {
        let field = |(name, value): (&str, &Cedar)| {
            let quoted = format!("{variable}[{name:?}]");
            let (variable, path) = (format!("{variable}.{name}"), format!("{path}.{name}"));
            let value = match value {
                _ if self.named.contains(&*variable) || self.named.contains(&*quoted) => Cedar::from(MASK),
                _ if self.image.schema().is_sensitive(&path) => Cedar::from(MASK),
                Cedar::Record(inner) => Cedar::Record(self.record(&variable, &path, inner)),
                Cedar::Set(_) if self.image.schema().tells_sensitive(&path) => Cedar::from(MASK),
                other => other.clone(),
            };
            (name.to_owned(), value)
        };
        record.iter().map(field).collect()
    }
}

/// A context without what any of the images calls sensitive.
pub(crate) fn masked_context(images: [&Image; 2], context: &Record) -> Record {
    let mask = |context: Record, image| Masks::new(image).record("context", "context", &context);
    images.into_iter().fold(context.clone(), mask)
}

/// The members of tokens that become sensitive attributes.
pub(super) fn sensitive_claims(settings: &Settings) -> BTreeSet<&str> {
    let schema = settings.image.schema();
    let mut members = BTreeSet::new();
    for issuer in &settings.issuers {
        for attribute in &issuer.principal.attributes {
            if let PrincipalSource::Claim(path) = &attribute.source
                && schema.tells_sensitive(&format!("{}.{}", issuer.principal.entity_type, attribute.name))
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
                    && schema.tells_sensitive(&format!("{base}.{}", mapping.name))
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
