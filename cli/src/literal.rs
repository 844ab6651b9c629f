//! Values, entities and requests that people write in JSON or YAML, read by an image's schema.
//!
//! Cedar's own JSON is understood (`{"__entity": …}`, `{"__extn": …}`), and what the schema makes plain may be written plainly: a
//! text where it asks for a `datetime`, `User::"alice"` where it asks for an entity.

use countersign_compiler::convert;
use countersign_core::policy::image::is_action;
use countersign_core::policy::schema::{Shape, Type};
use countersign_core::policy::{Entity, EntityUid, Image, Record, Request, Value as Cedar};
use serde_json::{Map, Value};

/// How deep values may be nested: schemas of people are far below.
const DEEPEST: usize = 64;

/// The path of a member, and what is wrong with it.
pub(crate) type Fault = (String, String);

/// A request with everything it brings.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) principal: EntityUid,
    pub(crate) action: EntityUid,
    pub(crate) resource: EntityUid,
    pub(crate) context: Record,
    pub(crate) entities: Vec<Entity>,
}

impl Question {
    /// Asks it.
    pub(crate) fn ask<T>(&self, with: impl FnOnce(&Request<'_>) -> T) -> T {
        let entities: Vec<&Entity> = self.entities.iter().collect();
        with(&Request {
            principal: &self.principal,
            action: &self.action,
            resource: &self.resource,
            context: &self.context,
            entities: &entities,
        })
    }

    /// Reads it: `principal`, `action` and `resource` as entities, `context` and `entities` where they are there.
    pub(crate) fn read(image: &Image, case: &Map<String, Value>) -> Result<Self, Fault> {
        let question = Self::read_unchecked(image, case)?;
        if !image.schema().is_empty() {
            question
                .ask(|request| image.schema().check(request))
                .map_err(|mismatch| (String::new(), mismatch.to_string()))?;
        }
        Ok(question)
    }

    fn read_unchecked(image: &Image, case: &Map<String, Value>) -> Result<Self, Fault> {
        let member = |name: &str| {
            case.get(name).ok_or_else(|| (String::new(), format!("expected `{name}`, found nothing")))
        };
        let principal = uid(member("principal")?).map_err(|message| ("principal".to_owned(), message))?;
        let resource = uid(member("resource")?).map_err(|message| ("resource".to_owned(), message))?;
        let action = action(image, member("action")?).map_err(|message| ("action".to_owned(), message))?;
        let declared = image.schema().action(&action);
        let context = match case.get("context") {
            None | Some(Value::Null) => Record::new(),
            Some(Value::Object(members)) => {
                record(members, declared.map(|action| action.context()), 0).map_err(within("context"))?
            }
            Some(_) => return Err(("context".to_owned(), String::from("expected an object"))),
        };
        let mut entities = Vec::new();
        match case.get("entities") {
            None | Some(Value::Null) => {}
            Some(Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    let place = format!("entities[{index}]");
                    entities.push(entity(image, item).map_err(within(&place))?);
                }
            }
            Some(_) => return Err(("entities".to_owned(), String::from("expected a list of entities"))),
        }
        Ok(Self { principal, action, resource, context, entities })
    }
}

fn within(outer: &str) -> impl Fn(Fault) -> Fault + '_ {
    move |(inner, message)| {
        let dot = if inner.is_empty() || inner.starts_with('[') { "" } else { "." };
        (format!("{outer}{dot}{inner}"), message)
    }
}

/// An entity's name: `Type::"id"`, or an object with `type` and `id`.
pub(crate) fn uid(value: &Value) -> Result<EntityUid, String> {
    match value {
        Value::String(text) => convert::parse_uid(text)
            .ok_or_else(|| format!("expected an entity such as `User::\"alice\"`, found `{text}`")),
        Value::Object(members) => {
            let inner = members.get("__entity").and_then(Value::as_object).unwrap_or(members);
            match (inner.get("type"), inner.get("id")) {
                (Some(Value::String(ty)), Some(Value::String(id))) => {
                    Ok(EntityUid::new(ty.as_str(), id.as_str()))
                }
                _ => Err(String::from("expected an entity with `type` and `id`")),
            }
        }
        _ => Err(String::from("expected an entity such as `User::\"alice\"`")),
    }
}

/// An action: as any entity, or by its identifier alone where no other action has it.
pub(crate) fn action(image: &Image, value: &Value) -> Result<EntityUid, String> {
    if let Value::String(text) = value
        && !text.contains("::")
    {
        let schema = image.schema();
        let mut found = schema.actions().filter(|action| action.id() == text);
        return match (found.next(), found.next()) {
            (Some(action), None) => Ok(EntityUid::new(action.ty(), action.id())),
            (None, _) if schema.is_empty() => Ok(EntityUid::new("Action", text.as_str())),
            (None, _) => Err(format!("expected an action of the schema, found `{text}`")),
            (Some(_), Some(_)) => Err(format!("several namespaces have an action `{text}`: name one")),
        };
    }
    uid(value)
}

/// An entity in Cedar's JSON: `uid`, `attrs`, `parents`, `tags`.
pub(crate) fn entity(image: &Image, value: &Value) -> Result<Entity, Fault> {
    let Value::Object(members) = value else {
        return Err((String::new(), String::from("expected an object with `uid`, `attrs` and `parents`")));
    };
    if let Some(name) =
        members.keys().find(|name| !["uid", "attrs", "parents", "tags"].contains(&name.as_str()))
    {
        let message = String::from("expected `uid`, `attrs`, `parents` or `tags`");
        return Err((name.clone(), message));
    }
    let uid =
        uid(members.get("uid").unwrap_or(&Value::Null)).map_err(|message| ("uid".to_owned(), message))?;
    let mut entity = Entity::new(uid);
    let declared = image.schema().entity_type(entity.uid.ty());
    if declared.is_none() && !image.schema().is_empty() && !is_action(entity.uid.ty()) {
        return Err(("uid".to_owned(), format!("the schema has no entity type `{}`", entity.uid.ty())));
    }
    if let Some(attributes) = object(members, "attrs")? {
        let shape = declared.map(|ty| ty.shape());
        entity.attributes = record(attributes, shape, 0).map_err(within("attrs"))?;
    }
    if let Some(tags) = object(members, "tags")? {
        let ty = declared.and_then(|ty| ty.tags());
        for (name, value) in tags {
            let value = self::value(value, ty, 0).map_err(within(name)).map_err(within("tags"))?;
            entity.tags.insert(name.as_str(), value);
        }
    }
    match members.get("parents") {
        None | Some(Value::Null) => {}
        Some(Value::Array(parents)) => {
            for (index, parent) in parents.iter().enumerate() {
                let parent = self::uid(parent).map_err(|message| (format!("parents[{index}]"), message))?;
                entity.parents.push(parent);
            }
        }
        Some(_) => return Err(("parents".to_owned(), String::from("expected a list of entities"))),
    }
    Ok(entity)
}

fn object<'v>(members: &'v Map<String, Value>, name: &str) -> Result<Option<&'v Map<String, Value>>, Fault> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(members)) => Ok(Some(members)),
        Some(_) => Err((name.to_owned(), String::from("expected an object"))),
    }
}

fn record(members: &Map<String, Value>, shape: Option<Shape<'_>>, depth: usize) -> Result<Record, Fault> {
    let mut record = Record::new();
    // Cedar has no null: here it stands for what is absent, so that tables can take away.
    for (name, member) in members.iter().filter(|(_, member)| !member.is_null()) {
        let ty = match shape {
            None => None,
            Some(shape) => match shape.attribute(name) {
                Some(attribute) => Some(attribute.ty()),
                None => return Err((name.clone(), String::from("the schema has no such attribute"))),
            },
        };
        record.insert(name.as_str(), value(member, ty, depth + 1).map_err(within(name))?);
    }
    Ok(record)
}

/// A value; `ty` is what the schema asks for, where there is a schema.
fn value(json: &Value, ty: Option<Type<'_>>, depth: usize) -> Result<Cedar, Fault> {
    let bare = |message: String| (String::new(), message);
    if depth > DEEPEST {
        return Err(bare(format!("values may be nested {DEEPEST} deep")));
    }
    let expected =
        || bare(format!("expected {}", ty.map_or_else(|| "a value of Cedar".into(), |ty| ty.to_string())));
    if let Some(inner) = json.get("__entity") {
        return uid(inner).map(Cedar::Entity).map_err(bare);
    }
    if let Some(call) =
        json.get("__extn").or(json.get("fn").map(|_| json)).filter(|_| !matches!(ty, Some(Type::Record(_))))
    {
        return extension(call).ok_or_else(expected);
    }
    match (ty, json) {
        (None | Some(Type::Bool), Value::Bool(value)) => Ok(Cedar::Bool(*value)),
        (None | Some(Type::Long), Value::Number(number)) => {
            number.as_i64().map(Cedar::Long).ok_or_else(expected)
        }
        (None | Some(Type::String), Value::String(text)) => Ok(Cedar::from(text.as_str())),
        (Some(Type::Entity(_)), Value::String(_) | Value::Object(_)) => {
            uid(json).map(Cedar::Entity).map_err(bare)
        }
        (Some(Type::Decimal), Value::String(text)) => constructed("decimal", text).ok_or_else(expected),
        (Some(Type::Datetime), Value::String(text)) => constructed("datetime", text).ok_or_else(expected),
        (Some(Type::Duration), Value::String(text)) => constructed("duration", text).ok_or_else(expected),
        (Some(Type::Ip), Value::String(text)) => constructed("ip", text).ok_or_else(expected),
        (None | Some(Type::Set(_)), Value::Array(items)) => {
            let inner = match ty {
                Some(Type::Set(element)) => Some(element.ty()),
                _ => None,
            };
            let items = items.iter().enumerate().map(|(index, item)| {
                value(item, inner, depth + 1).map_err(|fault| within(&format!("[{index}]"))(fault))
            });
            Ok(Cedar::set(items.collect::<Result<Vec<_>, _>>()?))
        }
        (None, Value::Object(members)) => record(members, None, depth).map(Cedar::Record),
        (Some(Type::Record(shape)), Value::Object(members)) => {
            record(members, Some(shape), depth).map(Cedar::Record)
        }
        _ => Err(expected()),
    }
}

fn constructed(function: &str, text: &str) -> Option<Cedar> {
    convert::constructed(function, &[Cedar::from(text)])
}

/// `{"fn": "datetime", "arg": "…"}`
fn extension(call: &Value) -> Option<Cedar> {
    let function = call.get("fn")?.as_str()?;
    let arguments = match (call.get("arg"), call.get("args")) {
        (Some(one), None) => vec![one],
        (None, Some(Value::Array(many))) => many.iter().collect(),
        _ => return None,
    };
    let argument = |argument: &Value| match argument.as_str() {
        Some(text) => Some(Cedar::from(text)),
        // As in `offset` of a `datetime` and a `duration`.
        None => extension(argument.get("__extn").unwrap_or(argument)),
    };
    let arguments: Vec<Cedar> = arguments.into_iter().map(argument).collect::<Option<_>>()?;
    convert::constructed(function, &arguments)
}
