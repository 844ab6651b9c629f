//! From claims to a Cedar entity.

use super::{ClaimSlot, NotAnObject};
use crate::attribute;
use crate::json::{self, Object};
use crate::policy::{Entity, EntityUid, Record, Value};
use crate::reason::Reason;
use crate::settings::PrincipalSettings;
use alloc::vec::Vec;

/// How many roles a token may carry.
const MAX_ROLES: usize = 128;

/// The Cedar principal, and whether something that the schema demands of it is missing.
pub(super) fn read(claims: &Object<'_>, settings: &PrincipalSettings) -> Result<(Entity, bool), Reason> {
    let id = match settings.id.find(claims).map_err(|NotAnObject| Reason::TokenClaims)? {
        None => return Err(Reason::TokenSubjectMissing),
        Some(value) => value.as_str().ok_or(Reason::TokenClaims)?,
    };
    if id.is_empty() {
        return Err(Reason::TokenSubjectMissing);
    }
    let mut entity = Entity::new(EntityUid::new(settings.entity_type.clone(), id));
    if let Some(roles) = &settings.roles
        && let Some(value) = roles.claim.find(claims).map_err(|NotAnObject| Reason::TokenClaims)?
    {
        let values =
            value.as_array().filter(|values| values.len() <= MAX_ROLES).ok_or(Reason::TokenClaims)?;
        let names = values.iter().map(|value| value.as_str().ok_or(Reason::TokenClaims));
        entity.parents = names
            .map(|name| Ok(EntityUid::new(roles.entity_type.clone(), name?)))
            .collect::<Result<Vec<_>, Reason>>()?;
    }
    let mut attributes = Record::new();
    let mut incomplete = false;
    for attribute in &settings.attributes {
        match attribute.value(claims) {
            ClaimSlot::Value(value) => {
                attributes.insert(attribute.name.clone(), value);
            }
            ClaimSlot::Invalid => return Err(Reason::TokenClaims),
            ClaimSlot::Absent => incomplete |= attribute.required,
        }
    }
    entity.attributes = attributes;
    Ok((entity, incomplete))
}

/// A claim as a value of the attribute's type.
pub(super) fn slot(
    claim: Result<Option<&json::Value<'_>>, NotAnObject>,
    ty: &attribute::AttributeType,
) -> ClaimSlot {
    match claim {
        Ok(None) => ClaimSlot::Absent,
        Ok(Some(claim)) => match attribute::from_json(claim, ty) {
            Ok(value) => ClaimSlot::Value(value),
            Err(attribute::WrongType) => ClaimSlot::Invalid,
        },
        Err(NotAnObject) => ClaimSlot::Invalid,
    }
}

/// A constant or a claim, as a principal's attribute.
impl crate::settings::PrincipalAttribute {
    fn value(&self, claims: &Object<'_>) -> ClaimSlot {
        match &self.source {
            crate::settings::PrincipalSource::Constant(value) => ClaimSlot::Value(Value::clone(value)),
            crate::settings::PrincipalSource::Claim(path) => slot(path.find(claims), &self.ty),
        }
    }
}
