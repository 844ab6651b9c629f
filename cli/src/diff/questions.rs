//! Which questions are asked: those recorded, and the cross product of what tests and entities bring.

use super::boundary::{Root, Values, collect, fitting};
use crate::failure::Failure;
use crate::literal::Question;
use crate::table::{Images, Table, of_pack};
use countersign_core::policy::{Entity, EntityUid, Image, Record, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;

/// Questions with where they come from.
pub(crate) struct Questions {
    /// The questions.
    pub(crate) all: Vec<(String, Question)>,
    /// How many there would be without the limit.
    pub(crate) possible: usize,
}

/// The questions of a file: lines of JSON (`*.jsonl`), or a table.
pub(crate) fn recorded(path: &Path, image: &Rc<Image>) -> Result<Vec<(String, Question)>, Failure> {
    if path.extension().is_none_or(|extension| extension != "jsonl") {
        let table = Table::load_for(path, Rc::clone(image))?;
        return Ok(named(&table));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::at(path.display(), format!("expected a readable file: {error}")))?;
    let mut all = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let place = format!("{}:{number}:1", path.display());
        let case = serde_json::from_str(line)
            .map_err(|error| Failure::at(&place, format!("expected an object in JSON: {error}")))?;
        let question = Question::read(image, &case).map_err(|(field, message)| {
            let field = if field.is_empty() { field } else { format!("`{field}`: ") };
            Failure::at(&place, format!("{field}{message}"))
        })?;
        all.push((format!("line {number}"), question));
    }
    Ok(all)
}

fn named(table: &Table) -> Vec<(String, Question)> {
    table.questions().map(|(name, question)| (name.to_owned(), question.clone())).collect()
}

/// The questions of a pack's own tables; none where it is an image.
pub(crate) fn of_tests(pack: &Path) -> Result<Vec<(String, Question)>, Failure> {
    let mut all = Vec::new();
    if pack.is_dir() {
        let mut images = Images::new();
        for file in of_pack(pack)? {
            all.extend(named(&Table::load(&file, &mut images)?));
        }
    }
    Ok(all)
}

/// What questions are made of, for one action.
struct Material {
    action: EntityUid,
    principals: Vec<EntityUid>,
    resources: Vec<EntityUid>,
    contexts: Vec<Record>,
}

/// The cross product of principals, actions, resources and contexts of `seeds` and of both images' entities, each tried with
/// the boundary values of one attribute at a time.
pub(crate) fn cross(old: &Image, new: &Image, seeds: &[(String, Question)], limit: usize) -> Questions {
    let mut values = Values::new();
    collect(old, &mut values);
    collect(new, &mut values);
    let mut entities: BTreeMap<EntityUid, Entity> = BTreeMap::new();
    for entity in seeds.iter().flat_map(|(_, question)| &question.entities) {
        entities.entry(entity.uid.clone()).or_insert_with(|| entity.clone());
    }
    let mut names: BTreeSet<EntityUid> = entities.keys().cloned().collect();
    for image in [old, new] {
        names.extend(image.entities().map(|(ty, id)| EntityUid::new(ty, id)));
    }
    let materials: Vec<Material> =
        new.schema().actions().map(|action| material(new, &action, &names, seeds)).collect();

    let mut questions = Questions { all: Vec::new(), possible: 0 };
    for material in &materials {
        for principal in &material.principals {
            for resource in &material.resources {
                for context in &material.contexts {
                    let brought = [principal, resource].into_iter().filter_map(|uid| entities.get(uid));
                    let base = Question {
                        principal: principal.clone(),
                        action: material.action.clone(),
                        resource: resource.clone(),
                        context: context.clone(),
                        entities: brought.cloned().collect(),
                    };
                    vary(new, &base, &values, limit, &mut questions);
                }
            }
        }
    }
    questions
}

fn material(
    image: &Image,
    action: &countersign_core::policy::schema::Action<'_>,
    names: &BTreeSet<EntityUid>,
    seeds: &[(String, Question)],
) -> Material {
    let uid = EntityUid::new(action.ty(), action.id());
    let of = |types: BTreeSet<&str>| -> Vec<EntityUid> {
        let mut found: Vec<EntityUid> =
            names.iter().filter(|name| types.contains(name.ty())).cloned().collect();
        // Someone of each type that nobody has described.
        for ty in types {
            let enumerated = image.schema().entity_type(ty).is_some_and(|ty| ty.choices().is_some());
            if !enumerated && !found.iter().any(|name| name.ty() == ty) {
                found.push(EntityUid::new(ty, "anyone"));
            }
        }
        found
    };
    let shape = action.context();
    let mut contexts: Vec<Record> = Vec::new();
    for (_, question) in seeds.iter().filter(|(_, question)| shape.check(&question.context).is_ok()) {
        // One context for each action that tests ask about: the boundary values vary it.
        if question.action == uid && !contexts.contains(&question.context) && contexts.len() < 4 {
            contexts.push(question.context.clone());
        }
    }
    if contexts.is_empty() && shape.check(&Record::new()).is_ok() {
        contexts.push(Record::new());
    }
    Material {
        action: uid,
        principals: of(action.principal_types().collect()),
        resources: of(action.resource_types().collect()),
        contexts,
    }
}

/// A question, and what becomes of it with one attribute at one of its boundaries.
fn vary(image: &Image, base: &Question, values: &Values, limit: usize, questions: &mut Questions) {
    let mut put = |origin: String, question: Question| {
        questions.possible += 1;
        if questions.all.len() < limit {
            questions.all.push((origin, question));
        }
    };
    put(String::from("cross product"), base.clone());
    let schema = image.schema();
    for ((root, path), values) in values.iter().filter(|((_, path), _)| !path.is_empty()) {
        let uid = match root {
            Root::Principal => Some(&base.principal),
            Root::Resource => Some(&base.resource),
            Root::Context => None,
        };
        let shape = match uid {
            Some(uid) => schema.entity_type(uid.ty()).map(|ty| ty.shape()),
            None => schema.action(&base.action).map(|action| action.context()),
        };
        let Some(shape) = shape else { continue };
        for value in values {
            let Some(value) = fitting(shape, path, value.as_ref()) else { continue };
            let mut question = base.clone();
            let record = match uid {
                None => Some(&mut question.context),
                Some(uid) => {
                    let found = question.entities.iter_mut().find(|entity| entity.uid == *uid);
                    found.map(|entity| &mut entity.attributes)
                }
            };
            // What only the image holds stays as it is.
            let Some(record) = record else { continue };
            let changed = replaced(record, path, value);
            let Some(changed) = changed.filter(|changed| changed != record) else { continue };
            *record = changed;
            if question.ask(|request| schema.check(request)).is_ok() {
                let root = match root {
                    Root::Principal => "principal",
                    Root::Resource => "resource",
                    Root::Context => "context",
                };
                put(format!("cross product, {root}.{} at a boundary", path.join(".")), question);
            }
        }
    }
}

/// A record with another value, or none, at a path; nothing where a record on the way is missing.
fn replaced(record: &Record, path: &[String], value: Option<Value>) -> Option<Record> {
    let (first, rest) = path.split_first()?;
    let inner = match rest {
        [] => value,
        rest => match record.get(first) {
            Some(Value::Record(inner)) => Some(Value::Record(replaced(inner, rest, value)?)),
            _ => return None,
        },
    };
    let others = record.iter().filter(|(name, _)| name != first);
    let mut all: Vec<(String, Value)> =
        others.map(|(name, value)| (name.to_owned(), value.clone())).collect();
    all.extend(inner.map(|inner| (first.clone(), inner)));
    Some(all.into_iter().collect())
}
