//! Cases in the form of Cedar's corpora, answered by the official crate and by ours.

use std::{collections::BTreeSet, str::FromStr};

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Entities, EntityId, EntityTypeName, EntityUid, Policy, PolicyId,
    PolicySet, Request, Schema, SlotId, Template,
};
use countersign_compiler::{compile_set, convert};
use countersign_core::policy::{self, Image};
use serde_json::Value;

/// Decision, determining policies, policies with errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) allow: bool,
    pub(crate) determining: BTreeSet<String>,
    pub(crate) errors: BTreeSet<String>,
}

/// Policies, schema and entities as the official crate holds them.
pub(crate) struct Case {
    pub(crate) set: PolicySet,
    pub(crate) schema: Option<Schema>,
    pub(crate) entities: Entities,
}

pub(crate) fn uid(value: &Value) -> EntityUid {
    let value = value.get("__entity").unwrap_or(value);
    let (ty, id) = (value["type"].as_str().expect("type"), value["id"].as_str().expect("id"));
    EntityUid::from_type_name_and_id(EntityTypeName::from_str(ty).expect("type name"), EntityId::new(id))
}

/// Reads one case, or says why the official crate refuses it.
pub(crate) fn read(case: &Value) -> Result<Case, String> {
    let set = match case.get("policy_parts") {
        Some(parts) => assemble(parts, &case["links"])?,
        None => PolicySet::from_str(case["policy"].as_str().expect("policy")).map_err(|e| e.to_string())?,
    };
    let schema = match case.get("schema") {
        Some(Value::String(text)) => {
            Some(Schema::from_cedarschema_str(text).map_err(|error| error.to_string())?.0)
        }
        Some(Value::Null) | None => None,
        Some(json) => Some(Schema::from_json_value(json.clone()).map_err(|error| error.to_string())?),
    };
    let entities = Entities::from_json_value(case["entities"].clone(), schema.as_ref());
    let entities = entities.map_err(|error| format!("{error:?}"))?;
    Ok(Case { set, schema, entities })
}

fn assemble(parts: &Value, links: &Value) -> Result<PolicySet, String> {
    let named = |part: &Value| {
        let (id, text) = (part[0].as_str().expect("id"), part[1].as_str().expect("text"));
        (Some(PolicyId::new(id)), text.to_owned())
    };
    let items = |name: &str| parts[name].as_array().cloned().unwrap_or_default();
    let mut set = PolicySet::new();
    for part in items("static") {
        let (id, text) = named(&part);
        set.add(Policy::parse(id, text).map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
    }
    for part in items("templates") {
        let (id, text) = named(&part);
        set.add_template(Template::parse(id, text).map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
    }
    for link in links.as_array().into_iter().flatten() {
        let values = link["values"].as_object().expect("values").iter().map(|(slot, value)| {
            let slot = if slot == "?principal" { SlotId::principal() } else { SlotId::resource() };
            (slot, uid(value))
        });
        let id = |name: &str| PolicyId::new(link[name].as_str().expect("id"));
        set.link(id("templateId"), id("newId"), values.collect()).map_err(|e| e.to_string())?;
    }
    Ok(set)
}

impl Case {
    pub(crate) fn request(&self, request: &Value) -> Result<Request, String> {
        let (principal, action, resource) =
            (uid(&request["principal"]), uid(&request["action"]), uid(&request["resource"]));
        let typed = self.schema.as_ref().map(|schema| (schema, &action));
        let context = Context::from_json_value(request["context"].clone(), typed);
        // A context that the schema refuses may still be evaluated where the case says so.
        let context = match context {
            Ok(context) => context,
            Err(_) if request["validateRequest"] == Value::Bool(false) => {
                Context::from_json_value(request["context"].clone(), None).map_err(|e| format!("{e:?}"))?
            }
            Err(error) => return Err(format!("{error:?}")),
        };
        Request::new(principal, action, resource, context, None).map_err(|e| e.to_string())
    }

    /// What the official crate answers.
    pub(crate) fn official(&self, request: &Request) -> Answer {
        let response = Authorizer::new().is_authorized(request, &self.set, &self.entities);
        Answer {
            allow: response.decision() == cedar_policy::Decision::Allow,
            determining: response.diagnostics().reason().map(ToString::to_string).collect(),
            errors: response.diagnostics().errors().map(errored).collect(),
        }
    }

    /// The image with the entities in it, and one without them.
    pub(crate) fn images(&self) -> Result<[Image; 2], String> {
        let compiled =
            compile_set(&self.set, self.schema.as_ref(), None, &self.entities).map_err(|e| e.to_string())?;
        let bare = compile_set(&self.set, self.schema.as_ref(), None, &Entities::empty())
            .map_err(|e| e.to_string())?;
        Ok([Image::decode(&compiled.image).expect("usable"), Image::decode(&bare.image).expect("usable")])
    }

    /// The entities as a request brings them.
    pub(crate) fn brought(&self) -> Vec<policy::Entity> {
        self.entities.iter().map(|entity| convert::entity(entity.as_ref()).expect("known")).collect()
    }
}

fn errored(error: &AuthorizationError) -> String {
    match error {
        AuthorizationError::PolicyEvaluationError(error) => error.policy_id().to_string(),
    }
}

/// Hands over a request in the evaluator's form.
pub(crate) fn asked<T>(
    request: &Request,
    entities: &[policy::Entity],
    ask: impl FnOnce(&policy::Request<'_>) -> T,
) -> T {
    let named = |uid: Option<&EntityUid>| convert::uid(uid.expect("concrete").as_ref());
    let (principal, action, resource) =
        (named(request.principal()), named(request.action()), named(request.resource()));
    let context = convert::context(request.context().expect("concrete").as_ref()).expect("known");
    let entities: Vec<&policy::Entity> = entities.iter().collect();
    ask(&policy::Request {
        principal: &principal,
        action: &action,
        resource: &resource,
        context: &context,
        entities: &entities,
    })
}

/// What our evaluator answers.
pub(crate) fn ours(image: &Image, request: &Request, entities: &[policy::Entity]) -> Answer {
    let outcome = asked(request, entities, |asked| policy::evaluate(image, asked));
    let name = |index| image.policy(index).expect("there").id().to_owned();
    Answer {
        allow: outcome.decision() == policy::Decision::Allow,
        determining: outcome.determining().iter().map(name).collect(),
        errors: outcome.errors().iter().map(|error| name(error.policy)).collect(),
    }
}

/// What a case records for a request.
pub(crate) fn recorded(request: &Value) -> Answer {
    let request = request.get("oracle").filter(|oracle| oracle.is_object()).unwrap_or(request);
    let names = |name: &str| -> BTreeSet<String> {
        let names = request[name].as_array().into_iter().flatten();
        names.map(|name| name.as_str().expect("id").to_owned()).collect()
    };
    let allow = request["decision"].as_str().is_some_and(|decision| decision.eq_ignore_ascii_case("allow"));
    Answer { allow, determining: names("reason"), errors: names("errors") }
}
