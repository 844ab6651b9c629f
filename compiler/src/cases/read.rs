//! Reading the JSON of a case.

use std::{collections::BTreeSet, str::FromStr};

use cedar_policy::{Context, Entities, EntityUid, Policy, PolicyId, PolicySet, Request, Schema, Template};
use serde_json::Value;

use super::{Answer, Case, CaseRequest};
use crate::{declarations::Declarations, error::chain, link::Link, names::distance, nesting, source::Source};

/// Where a case is wrong, and how.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{member}`: {message}")]
pub struct CaseError {
    /// The member at fault.
    pub member: String,
    /// What is wrong with it.
    pub message: String,
}

/// An error at `member`.
fn wrong(member: &str, message: impl Into<String>) -> CaseError {
    CaseError { member: member.to_owned(), message: message.into() }
}

/// `text`, if the official parser can take its nesting.
fn shallow<'t>(member: &str, text: &'t str) -> Result<&'t str, CaseError> {
    nesting::check(text)
        .map(|()| text)
        .map_err(|deep| wrong(member, format!("{}, at byte {}", deep.message, deep.offset)))
}

fn refused<E: std::error::Error>(member: &str) -> impl Fn(E) -> CaseError + '_ {
    move |error| wrong(member, chain(&error))
}

/// Members of a case.
const CASE: [&str; 8] =
    ["id", "links", "entities", "policies", "policy", "policy_parts", "requests", "schema"];

/// Members of a request.
const REQUEST: [&str; 9] =
    ["action", "context", "decision", "errors", "oracle", "principal", "reason", "reasons", "resource"];

/// Refuses members that are nearly one of `members`: misspelt, they would ask or demand nothing. Others are another tool's.
fn known(json: &Value, within: &str, members: &[&str]) -> Result<(), CaseError> {
    let Some(object) = json.as_object() else { return Ok(()) };
    let mut strange = object.keys().filter(|name| !members.contains(&name.as_str()));
    let nearly = |name: &str, known: &str| distance(name, known) <= if name.len() > 4 { 2 } else { 1 };
    let meant = |name: &str| members.iter().find(|known| nearly(name, known));
    match strange.find_map(|name| Some((name, meant(name)?))) {
        None => Ok(()),
        Some((name, meant)) => {
            let dot = if within.is_empty() { "" } else { "." };
            let expected =
                format!("unknown member, did you mean `{meant}`? Expected one of `{}`", members.join("`, `"));
            Err(wrong(&format!("{within}{dot}{name}"), expected))
        }
    }
}

pub(super) fn case(case: &Value) -> Result<Case, CaseError> {
    if !case.is_object() {
        return Err(wrong("", "expected a JSON object"));
    }
    known(case, "", &CASE)?;
    let mut notes = Vec::new();
    let policies = policies(case)?;
    let schema = schema(case.get("schema"))?;
    let none = Value::Array(Vec::new());
    let json = case.get("entities").filter(|entities| !entities.is_null()).unwrap_or(&none);
    let entities = match Entities::from_json_value(json.clone(), schema.as_ref()) {
        Ok(entities) => entities,
        Err(error) => {
            let bare = Entities::from_json_value(json.clone(), None);
            let bare = bare.ok().filter(|_| schema.is_some());
            let bare = bare.and_then(|bare| with_actions(bare, schema.as_ref()));
            notes.push(format!("`entities` don't fit the schema and are read without it: {}", chain(&error)));
            bare.ok_or_else(|| wrong("entities", chain(&error)))?
        }
    };
    let schema_source = case.get("schema").map(|schema| match schema {
        Value::String(text) => Source::new("schema.cedarschema", text.as_str()),
        json => Source::new("schema.json", json.to_string()),
    });
    Ok(Case { policies, schema, schema_source, entities, notes })
}

/// `entities` with the schema's actions, those that they lack.
fn with_actions(entities: Entities, schema: Option<&Schema>) -> Option<Entities> {
    let actions = schema?.action_entities().ok()?;
    let missing: Vec<_> =
        actions.iter().filter(|action| entities.get(&action.uid()).is_none()).cloned().collect();
    entities.add_entities(missing, None).ok()
}

fn policies(case: &Value) -> Result<PolicySet, CaseError> {
    if let Some(parts) = case.get("policy_parts").filter(|parts| !parts.is_null()) {
        return assemble(parts, case.get("links"));
    }
    let member = if case.get("policy").is_some() { "policy" } else { "policies" };
    let set = match case.get(member) {
        Some(Value::String(text)) => PolicySet::from_str(shallow(member, text)?).map_err(refused(member))?,
        Some(json @ Value::Object(_)) => PolicySet::from_json_value(json.clone()).map_err(refused(member))?,
        _ => return Err(wrong("policy", "expected Cedar text, found none")),
    };
    link(set, case.get("links"))
}

fn assemble(parts: &Value, links: Option<&Value>) -> Result<PolicySet, CaseError> {
    let member = "policy_parts";
    if !parts.is_object() {
        return Err(wrong(member, "expected an object with `static` and `templates`"));
    }
    known(parts, member, &["static", "templates"])?;
    let named = |part: &Value| {
        let text = |at: usize| part.get(at).and_then(Value::as_str);
        match (text(0), text(1)) {
            (Some(id), Some(text)) => Ok((PolicyId::new(id), shallow(member, text)?.to_owned())),
            _ => Err(wrong(member, format!("expected `[id, text]`, found `{part}`"))),
        }
    };
    let items = |name: &str| parts.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut set = PolicySet::new();
    for part in items("static") {
        let (id, text) = named(part)?;
        let policy = Policy::parse(Some(id), text).map_err(refused(member))?;
        set.add(policy).map_err(refused(member))?;
    }
    for part in items("templates") {
        let (id, text) = named(part)?;
        let template = Template::parse(Some(id), text).map_err(refused(member))?;
        set.add_template(template).map_err(refused(member))?;
    }
    link(set, links)
}

fn link(mut set: PolicySet, links: Option<&Value>) -> Result<PolicySet, CaseError> {
    let Some(links) = links.filter(|links| !links.is_null()) else { return Ok(set) };
    let links = links.as_array().ok_or_else(|| wrong("links", "expected a list"))?;
    for (at, link) in links.iter().enumerate() {
        let Link { template, id, values } =
            Link::read(link).map_err(|message| wrong(&format!("links[{at}]"), message))?;
        set.link(PolicyId::new(template), PolicyId::new(id), values).map_err(refused("links"))?;
    }
    Ok(set)
}

fn schema(schema: Option<&Value>) -> Result<Option<Schema>, CaseError> {
    Ok(match schema {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => {
            bounded(&Source::new("schema.cedarschema", text.as_str()))?;
            Some(Schema::from_cedarschema_str(text).map_err(refused("schema"))?.0)
        }
        Some(json) => {
            bounded(&Source::new("schema.json", json.to_string()))?;
            Some(Schema::from_json_value(json.clone()).map_err(refused("schema"))?)
        }
    })
}

/// Whether the official crate can take a schema.
fn bounded(source: &Source) -> Result<(), CaseError> {
    match Declarations::read(source) {
        Ok(_) => Ok(()),
        Err(errors) => {
            let first = errors.0.first().map_or_else(String::new, |error| error.message.clone());
            Err(wrong("schema", first))
        }
    }
}

fn uid(member: &str, value: Option<&Value>) -> Result<EntityUid, CaseError> {
    let value = value.ok_or_else(|| wrong(member, "expected an entity, found none"))?;
    crate::link::uid(value).map_err(|message| wrong(member, message))
}

pub(super) fn request(case: &Case, json: &Value) -> Result<CaseRequest, CaseError> {
    known(json, "", &REQUEST)?;
    let entity = |member: &str| uid(member, json.get(member));
    let (principal, action, resource) = (entity("principal")?, entity("action")?, entity("resource")?);
    let mut notes = Vec::new();
    let empty = Value::Object(serde_json::Map::new());
    let context = json.get("context").filter(|context| !context.is_null()).unwrap_or(&empty);
    let typed = case.schema.as_ref().map(|schema| (schema, &action));
    let read = Context::from_json_value(context.clone(), typed).or_else(|error| {
        let bare = Context::from_json_value(context.clone(), None).ok().filter(|_| typed.is_some());
        notes.push(format!("`context` doesn't fit the schema and is read without it: {}", chain(&error)));
        bare.ok_or_else(|| wrong("context", chain(&error)))
    })?;
    let request = Request::new(principal, action, resource, read, None).map_err(refused("request"))?;
    Ok(CaseRequest { request, expected: expected(json)?, notes })
}

fn expected(json: &Value) -> Result<Option<Answer>, CaseError> {
    let from = match json.get("oracle").filter(|oracle| oracle.is_object()) {
        Some(oracle) => {
            known(oracle, "oracle", &["decision", "errors", "reason", "reasons"])?;
            oracle
        }
        None => json,
    };
    let names = |name: &str| -> Result<Option<BTreeSet<String>>, CaseError> {
        let Some(ids) = from.get(name).filter(|ids| !ids.is_null()) else { return Ok(None) };
        let expected = || wrong(name, format!("expected a list of policy identifiers, found `{ids}`"));
        let ids = ids.as_array().ok_or_else(expected)?;
        ids.iter()
            .map(|id| id.as_str().map(str::to_owned).ok_or_else(expected))
            .collect::<Result<_, _>>()
            .map(Some)
    };
    let reasons = match (names("reason")?, names("reasons")?) {
        (Some(_), Some(_)) => {
            return Err(wrong("reasons", "expected either `reason` or `reasons`, found both"));
        }
        (one, other) => one.or(other),
    };
    let errors = names("errors")?;
    let allow = match from.get("decision").filter(|decision| !decision.is_null()) {
        None if reasons.is_some() || errors.is_some() => {
            return Err(wrong(
                "decision",
                "expected `allow` or `deny` beside reasons and errors, found none",
            ));
        }
        None => return Ok(None),
        Some(decision) => match decision.as_str() {
            Some(text) if text.eq_ignore_ascii_case("allow") => true,
            Some(text) if text.eq_ignore_ascii_case("deny") => false,
            _ => return Err(wrong("decision", format!("expected `allow` or `deny`, found `{decision}`"))),
        },
    };
    Ok(Some(Answer { allow, reasons: reasons.unwrap_or_default(), errors: errors.unwrap_or_default() }))
}
