//! The third stage: principal, resource and context, as the policies will see them.

use super::admit::Admitted;
use super::authenticate::Authenticated;
use super::bind::Bound;
use crate::api_key::Presented;
use crate::attribute;
use crate::config::{RequestField, TokenField, WorkloadField};
use crate::policy::{Datetime, Entity, EntityUid, Record, Value};
use crate::reason::Reason;
use crate::settings::{IdPart, Mapping, Question, Settings, Source};
use crate::time::Timestamp;
use crate::token::{ClaimSlot, Verified, VerifiedToken};
use alloc::borrow::Cow;
use alloc::string::String;

/// Proof that everyone and everything in the question is known.
pub(super) struct Identified {
    pub principal: Principal,
    pub resource: Entity,
    pub context: Record,
}

/// Who the decision is about.
pub(super) enum Principal {
    /// The subject of a verified token.
    Token(Verified),
    /// The caller that an API key stands for.
    ApiKey(Presented),
    /// A workload.
    Workload(Entity),
}

impl Principal {
    /// The Cedar entity.
    pub(super) fn entity(&self) -> &Entity {
        match self {
            Self::Token(verified) => &verified.token().principal,
            Self::ApiKey(presented) => &presented.key().principal,
            Self::Workload(entity) => entity,
        }
    }
}

/// Builds the question's parts; consumes the proof of who asks.
pub(super) fn identify(
    admitted: &Admitted<'_>,
    bound: Bound,
    question: &Question,
    settings: &Settings,
    now: Timestamp,
) -> Result<Identified, Reason> {
    let principal = match bound.into_authenticated() {
        Authenticated::Token { verified, .. } if verified.token().principal_incomplete => {
            return Err(Reason::PolicyAttribute);
        }
        Authenticated::Token { verified, .. } => Principal::Token(verified),
        Authenticated::ApiKey(presented) => Principal::ApiKey(presented),
        Authenticated::Workload => {
            let id = admitted.workload.as_ref().ok_or(Reason::TransportWorkloadMissing)?;
            Principal::Workload(Entity::new(EntityUid::new(settings.workload_type.clone(), id.as_str())))
        }
    };
    let mut resource =
        Entity::new(EntityUid::new(question.resource_type.clone(), resource_id(admitted, question)?));
    let token = match &principal {
        Principal::Token(verified) => Some(verified),
        Principal::ApiKey(_) | Principal::Workload(_) => None,
    };
    let known = Known { admitted, token, settings, now };
    resource.attributes = record(&question.resource, &known)?;
    let context = record(&question.context, &known)?;
    if told_otherwise(&resource, &principal, &known) {
        return Err(Reason::PolicyEntityConflict);
    }
    Ok(Identified { principal, resource, context })
}

/// Whether the resource is one of the parties, and brings an attribute that is not known of that party. To the policies both are
/// one entity, so what the client says of the resource would become what is known of the party. Cedar refuses entities that
/// come twice and differ.
fn told_otherwise(resource: &Entity, principal: &Principal, known: &Known<'_>) -> bool {
    if resource.attributes.is_empty() {
        return false;
    }
    let differs = |party: &Entity| {
        party.uid == resource.uid
            && resource.attributes.iter().any(|(name, value)| party.attributes.get(name) != Some(value))
    };
    let subject = known.token.and_then(|verified| verified.token().on_behalf_of.as_deref());
    // Of the workload its name alone is known.
    let workload = known.admitted.workload.as_ref().is_some_and(|workload| {
        *resource.uid.ty() == *known.settings.workload_type && resource.uid.id() == workload.as_str()
    });
    differs(principal.entity()) || subject.is_some_and(differs) || workload
}

fn resource_id(admitted: &Admitted<'_>, question: &Question) -> Result<String, Reason> {
    let mut id = String::with_capacity(64);
    for part in &question.resource_id {
        match part {
            IdPart::Literal(text) => id.push_str(text),
            IdPart::Parameter(name) => id.push_str(&admitted.params.get(name).ok_or(Reason::SystemInternal)?),
        }
    }
    Ok(id)
}

/// What attributes are taken from.
struct Known<'a> {
    admitted: &'a Admitted<'a>,
    token: Option<&'a Verified>,
    settings: &'a Settings,
    now: Timestamp,
}

fn record(mappings: &[Mapping], known: &Known<'_>) -> Result<Record, Reason> {
    let mut record = Record::new();
    for mapping in mappings {
        match value(mapping, known)? {
            Some(value) => {
                record.insert(mapping.name.clone(), value);
            }
            None if mapping.required => return Err(Reason::PolicyAttribute),
            None => {}
        }
    }
    Ok(record)
}

/// The value of one attribute; nothing where its source yields none.
fn value(mapping: &Mapping, known: &Known<'_>) -> Result<Option<Value>, Reason> {
    let Known { admitted, token, now, .. } = *known;
    let typed = |text: Cow<'_, str>, fault: Reason| {
        attribute::from_text(&text, &mapping.ty).map(Some).map_err(|_| fault)
    };
    match &mapping.source {
        Source::Constant(value) => Ok(Some(value.clone())),
        Source::Claim(slot) => match token.and_then(|verified| verified.token().claims.get(*slot)) {
            Some(ClaimSlot::Value(value)) => Ok(Some(value.clone())),
            Some(ClaimSlot::Invalid) => Err(Reason::TokenClaims),
            Some(ClaimSlot::Absent) | None => Ok(None),
        },
        Source::Token(field) => Ok(token.and_then(|verified| token_field(*field, mapping, verified, known))),
        Source::Path(name) => match admitted.params.get(name) {
            Some(text) => typed(text, Reason::RequestPathInvalid),
            None => Ok(None),
        },
        Source::Query(name) => {
            let found =
                admitted.path.query_parameters().strict(name).map_err(|_| Reason::RequestQueryInvalid)?;
            found.map_or(Ok(None), |text| typed(text, Reason::RequestQueryInvalid))
        }
        Source::Header(name) => {
            let found = admitted.head.single(name).map_err(|_| Reason::RequestHeaderDuplicate)?;
            let Some(bytes) = found else { return Ok(None) };
            // A header that can't be read is a refusal, never "absent" (CVE-2023-27488's lesson).
            let text = core::str::from_utf8(bytes).map_err(|_| Reason::RequestHeaderInvalid)?;
            typed(Cow::Borrowed(text), Reason::RequestHeaderInvalid)
        }
        Source::Request(field) => Ok(Some(request_field(*field, mapping, admitted, now))),
        Source::Workload(field) => Ok(admitted.workload.as_ref().map(|id| match (field, &mapping.ty) {
            (WorkloadField::Entity, attribute::AttributeType::Entity(ty)) => {
                Value::Entity(EntityUid::new(ty.clone(), id.as_str()))
            }
            (WorkloadField::Entity | WorkloadField::Id, _) => Value::from(id.as_str()),
            (WorkloadField::TrustDomain, _) => Value::from(id.trust_domain()),
        })),
    }
}

fn token_field(
    field: TokenField,
    mapping: &Mapping,
    verified: &Verified,
    known: &Known<'_>,
) -> Option<Value> {
    let token = verified.token();
    let entity = |uid: &EntityUid| match &mapping.ty {
        attribute::AttributeType::Entity(ty) if **ty == *uid.ty() => Some(Value::Entity(uid.clone())),
        // Another type than the attribute's: who it is cannot be said.
        attribute::AttributeType::Entity(_) => None,
        _ => Some(Value::from(uid.id())),
    };
    match field {
        TokenField::Subject => entity(&verified.subject().uid),
        TokenField::Actor => token.on_behalf_of.is_some().then(|| entity(&token.principal.uid)).flatten(),
        TokenField::Actors => Some(Value::set(token.actors.iter().map(|id| Value::from(&**id)))),
        TokenField::Depth => i64::try_from(token.actors.len()).ok().map(Value::Long),
        TokenField::Binding => Some(Value::from(token.confirmation.as_str())),
        TokenField::Issuer => {
            known.settings.issuers.get(token.issuer).map(|issuer| Value::from(&*issuer.name))
        }
        TokenField::Client => token.client.as_deref().map(Value::from),
        TokenField::Acr => token.acr.as_deref().map(Value::from),
        TokenField::AuthAge => login_age(token, known).map(Value::Long),
    }
}

/// How many seconds ago the user logged in.
fn login_age(token: &VerifiedToken, known: &Known<'_>) -> Option<i64> {
    let clock_skew = known.settings.issuers.get(token.issuer)?.clock_skew;
    Some(token.login_age(clock_skew, known.now)?.as_secs())
}

fn request_field(field: RequestField, mapping: &Mapping, admitted: &Admitted<'_>, now: Timestamp) -> Value {
    match field {
        RequestField::Host => Value::from(&*admitted.host),
        RequestField::Method => Value::from(admitted.method),
        RequestField::Path => Value::from(admitted.path.as_str()),
        RequestField::Time if mapping.ty == attribute::AttributeType::Datetime => {
            Value::Datetime(Datetime(now.as_nanos().div_euclid(1_000_000)))
        }
        RequestField::Time => Value::Long(now.as_secs()),
    }
}
