//! What becomes of a question when attributes take other values.

use super::boundary::{Edges, Place, Root, fitting, near};
use crate::literal::Question;
use countersign_core::policy::schema::Shape;
use countersign_core::policy::{Entity, EntityUid, Image, Record, Value};
use std::collections::BTreeMap;

/// One attribute with another value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step {
    pub(super) place: Place,
    pub(super) to: To,
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum To {
    Value(Value),
    Absent,
    /// For the principal or the resource itself: a member of this, too.
    In(EntityUid),
    /// A member of nothing.
    Alone,
}

/// All single steps from a question, those of one attribute together.
pub(super) fn steps(image: &Image, base: &Question, edges: &Edges) -> Vec<Vec<Step>> {
    let mut steps: BTreeMap<Place, Vec<Step>> = BTreeMap::new();
    let mut add = |place: &Place, value: Option<&Value>| {
        let Some(value) = shape(image, base, place.0).and_then(|shape| fitting(shape, &place.1, value))
        else {
            return;
        };
        if read(base, place) == value {
            return;
        }
        let step = Step { place: place.clone(), to: value.map_or(To::Absent, To::Value) };
        let all = steps.entry(place.clone()).or_default();
        if !all.contains(&step) {
            all.push(step);
        }
    };
    for (place, values) in &edges.values {
        values.iter().for_each(|value| add(place, value.as_ref()));
    }
    for (one, other) in &edges.pairs {
        for (target, source) in [(one, other), (other, one)] {
            for value in read(base, source).iter().flat_map(near) {
                add(target, Some(&value));
            }
        }
    }
    for (root, group) in &edges.groups {
        let place = (*root, Vec::new());
        let have = entity(base, *root).map_or(&[][..], |entity| entity.parents.as_slice());
        let to = if have.contains(group) { To::Alone } else { To::In(group.clone()) };
        let step = Step { place: place.clone(), to };
        let all = steps.entry(place).or_default();
        if !all.contains(&step) {
            all.push(step);
        }
    }
    steps.into_values().filter(|steps| !steps.is_empty()).collect()
}

/// The question after some steps; nothing where they don't go together, or the schema has no such request.
pub(super) fn stepped(image: &Image, base: &Question, steps: &[&Step]) -> Option<Question> {
    let mut question = base.clone();
    for Step { place: (root, path), to } in steps {
        let uid = uid(&question, *root).cloned();
        let record = match uid {
            None => &mut question.context,
            Some(uid) => {
                let known = question.entities.iter().position(|entity| entity.uid == uid);
                let at = known.unwrap_or(question.entities.len());
                if known.is_none() {
                    question.entities.push(Entity::new(uid));
                }
                let entity = question.entities.get_mut(at)?;
                match to {
                    To::In(group) => {
                        entity.parents.push(group.clone());
                        continue;
                    }
                    To::Alone => {
                        entity.parents.clear();
                        continue;
                    }
                    To::Value(_) | To::Absent => &mut entity.attributes,
                }
            }
        };
        let value = match to {
            To::Value(value) => Some(value.clone()),
            _ => None,
        };
        *record = replaced(record, path, value)?;
    }
    let schema = image.schema();
    (schema.is_empty() || question.ask(|request| schema.check(request)).is_ok()).then_some(question)
}

/// Steps in words.
pub(super) fn words(steps: &[&Step]) -> String {
    let word = |step: &&Step| {
        let root = match step.place.0 {
            Root::Principal => "principal",
            Root::Resource => "resource",
            Root::Context => "context",
        };
        let path = step.place.1.iter().map(|name| format!(".{name}")).collect::<String>();
        format!("{root}{path}")
    };
    let words: Vec<String> = steps.iter().map(word).collect();
    format!("{} at a boundary", words.join(" and "))
}

fn uid(question: &Question, root: Root) -> Option<&EntityUid> {
    match root {
        Root::Principal => Some(&question.principal),
        Root::Resource => Some(&question.resource),
        Root::Context => None,
    }
}

fn entity(question: &Question, root: Root) -> Option<&Entity> {
    let uid = uid(question, root)?;
    question.entities.iter().find(|entity| entity.uid == *uid)
}

fn shape<'i>(image: &'i Image, question: &Question, root: Root) -> Option<Shape<'i>> {
    match uid(question, root) {
        Some(uid) => image.schema().entity_type(uid.ty()).map(|ty| ty.shape()),
        None => image.schema().action(&question.action).map(|action| action.context()),
    }
}

/// The value that an attribute has.
fn read(question: &Question, (root, path): &Place) -> Option<Value> {
    let mut record = match (root, entity(question, *root)) {
        (Root::Context, _) => &question.context,
        (_, entity) => match path.as_slice() {
            [] => return uid(question, *root).cloned().map(Value::Entity),
            _ => &entity?.attributes,
        },
    };
    let (last, way) = path.split_last()?;
    for name in way {
        match record.get(name) {
            Some(Value::Record(inner)) => record = inner,
            _ => return None,
        }
    }
    record.get(last).cloned()
}

/// A record with another value, or none, at a path; nothing where something else than a record is on the way.
fn replaced(record: &Record, path: &[String], value: Option<Value>) -> Option<Record> {
    let (first, rest) = path.split_first()?;
    let inner = match (rest, record.get(first)) {
        ([], _) => value,
        (rest, Some(Value::Record(inner))) => Some(Value::Record(replaced(inner, rest, value)?)),
        (rest, None) if value.is_some() => Some(Value::Record(replaced(&Record::new(), rest, value)?)),
        _ => return None,
    };
    let others = record.iter().filter(|(name, _)| name != first);
    let mut all: Vec<(String, Value)> =
        others.map(|(name, value)| (name.to_owned(), value.clone())).collect();
    all.extend(inner.map(|inner| (first.clone(), inner)));
    Some(all.into_iter().collect())
}
