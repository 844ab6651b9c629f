//! The values that a condition saw, for explanations, with what is sensitive left out. Off the path of a request: it
//! allocates.
//!
//! Sensitive is what the schema annotates with `@sensitive` (an attribute, a member of a context, or a whole entity type),
//! and what the policy itself names in `@sensitive("context.card, principal.ssn")`.

use alloc::{
    boxed::Box,
    collections::BTreeSet,
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::{Ent, ErrorKind, Evaluation, Val};
use crate::policy::{
    image::tables::{Binary, Node, NodeId, Var},
    print,
    schema::{TAGS, is_below},
    value::{EntityUid, Record, Value},
};

/// The most values that one condition tells.
const MOST: usize = 32;
/// The most members that one value may have, in all its depth: constants may share theirs many times over.
const LARGEST: usize = 10_000;

/// A part of a condition, and what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The part, in Cedar.
    pub expression: String,
    /// What it came to.
    pub value: SeenValue,
}

/// What a part of a condition came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeenValue {
    /// This value.
    Value(Value),
    /// A value that is not told.
    Masked,
    /// No value.
    Fault(ErrorKind),
}

/// The parts of the condition `node` that come from the request or from entities, in the order in which they stand.
pub(crate) fn seen(evaluation: &mut Evaluation<'_>, node: NodeId, masks: &[&str]) -> Vec<Seen> {
    let mut found = Vec::new();
    let mut known = BTreeSet::new();
    let mut pending = alloc::vec![node];
    while let Some(node) = pending.pop() {
        if found.len() >= MOST || !known.insert(node) {
            continue;
        }
        match operands(evaluation, node) {
            Some(operands) => pending.extend(operands.into_iter().rev()),
            None => found.extend(one(evaluation, node, masks)),
        }
    }
    found
}

/// What stands below a node that is no part of its own; nothing where it is one.
fn operands(evaluation: &Evaluation<'_>, node: NodeId) -> Option<Vec<NodeId>> {
    let tables = evaluation.image.tables();
    let run = |run: crate::policy::image::tables::Run| run.of(&tables.nodes.operands).to_vec();
    Some(match *tables.nodes.rows.get(node as usize)? {
        Node::Var(_) | Node::Has(..) | Node::HasPath(..) | Node::Attr(..) => return None,
        Node::Binary(Binary::GetTag | Binary::HasTag, ..) => return None,
        Node::Const(_) => Vec::new(),
        Node::Unary(_, of) | Node::Like(of, _) | Node::Is(of, _) => alloc::vec![of],
        Node::Binary(_, left, right) => alloc::vec![left, right],
        Node::And(parts) | Node::Or(parts) | Node::If(parts) | Node::Set(parts) | Node::Call(_, parts) => {
            run(parts)
        }
        Node::Record(names, start) => run(crate::policy::image::tables::Run { start, len: names.len }),
    })
}

fn one(evaluation: &mut Evaluation<'_>, node: NodeId, masks: &[&str]) -> Option<Seen> {
    let tables = evaluation.image.tables();
    let row = tables.nodes.rows.get(node as usize)?;
    // The whole context says too much.
    if matches!(row, Node::Var(Var::Context)) {
        return None;
    }
    let expression = print::expression(tables, node);
    let told = matches!(row, Node::Has(..) | Node::HasPath(..) | Node::Binary(Binary::HasTag, ..));
    let masked = !told && (is_masked(evaluation, node, masks) || is_sensitive(evaluation, node));
    let value = match evaluation.value(node) {
        Err(fault) => SeenValue::Fault(fault.kind),
        Ok(_) if masked => SeenValue::Masked,
        Ok(value) => match evaluation.owned(value, &mut { LARGEST }) {
            Some(value) => SeenValue::Value(value),
            None => SeenValue::Fault(ErrorKind::Limit),
        },
    };
    Some(Seen { expression, value })
}

/// Whether a policy's mask is for this part, or for something that it is made of.
fn is_masked(evaluation: &Evaluation<'_>, node: NodeId, masks: &[&str]) -> bool {
    if masks.is_empty() {
        return false;
    }
    let tables = evaluation.image.tables();
    let expression = print::expression(tables, node);
    if masks.iter().any(|mask| covers(mask, &expression)) {
        return true;
    }
    match tables.nodes.rows.get(node as usize) {
        Some(Node::Attr(object, _) | Node::Binary(Binary::GetTag, object, _)) => {
            // A chain of attributes is covered as a whole.
            let chain =
                matches!(tables.nodes.rows.get(*object as usize), Some(Node::Attr(..) | Node::Var(_)));
            !chain && is_masked(evaluation, *object, masks)
        }
        _ => operands(evaluation, node)
            .is_some_and(|parts| parts.iter().any(|part| is_masked(evaluation, *part, masks))),
    }
}

/// Whether a policy's mask is for this expression, for what holds it, or for something that it holds.
fn covers(mask: &str, expression: &str) -> bool {
    mask == expression || is_below(mask, expression) || is_below(expression, mask)
}

/// Whether the value of a chain of attributes is sensitive: something on its way is.
fn is_sensitive(evaluation: &mut Evaluation<'_>, node: NodeId) -> bool {
    let (mut node, mut names) = (node, Vec::new());
    let tables = evaluation.image.tables();
    let schema = evaluation.image.schema();
    loop {
        let object = match tables.nodes.rows.get(node as usize) {
            Some(Node::Attr(object, name)) => {
                names.push(tables.strings.get(*name));
                *object
            }
            Some(Node::Binary(Binary::GetTag, object, _)) => {
                names.push(TAGS);
                *object
            }
            Some(Node::Var(Var::Context)) => {
                return schema.tells_sensitive(&path("context", &names));
            }
            // What is made of something sensitive may tell it.
            Some(_) => {
                return operands(evaluation, node)
                    .is_some_and(|parts| parts.into_iter().any(|part| is_sensitive(evaluation, part)));
            }
            None => return false,
        };
        if let Ok(Val::Entity(entity)) = evaluation.value(object) {
            let (ty, _) = evaluation.name(entity);
            let path = path(ty, &names);
            if schema.is_sensitive(&path) || !names.is_empty() && schema.tells_sensitive(&path) {
                return true;
            }
            // From here on the names are those of whatever holds this entity.
            names.clear();
        }
        node = object;
    }
}

/// `base` with `names`, the last of them first.
fn path(base: &str, names: &[&str]) -> String {
    names.iter().rev().fold(base.to_string(), |path, name| format!("{path}.{name}"))
}

impl<'a> Evaluation<'a> {
    /// The request's principal or resource, and what it lies in, as far as one condition tells.
    pub(crate) fn told_party(&self, principal: bool) -> (EntityUid, Vec<EntityUid>) {
        let entity = if principal { self.principal.entity } else { self.resource.entity };
        let ancestors = self.climbed(entity, MOST).into_iter();
        (self.owned_name(entity), ancestors.map(|ancestor| self.owned_name(ancestor)).collect())
    }

    /// A copy of a value that stands for itself, if no more than what is `left` is in it.
    fn owned(&self, value: Val<'a>, left: &mut usize) -> Option<Value> {
        *left = left.checked_sub(1)?;
        Some(match value {
            Val::Bool(value) => Value::Bool(value),
            Val::Long(value) => Value::Long(value),
            Val::String(text) => Value::String(text.into()),
            Val::Entity(entity) => Value::Entity(self.owned_name(entity)),
            Val::Set(set) => {
                let members = (0..self.set_len(set)).filter_map(|at| self.member(set, at));
                Value::set(members.map(|member| self.owned(member, left)).collect::<Option<Vec<_>>>()?)
            }
            Val::Record(record) => {
                let fields = (0..self.record_len(record)).filter_map(|at| self.field_at(record, at));
                let fields = fields.map(|(name, value)| Some((Box::from(name), self.owned(value, left)?)));
                Value::Record(fields.collect::<Option<Record>>()?)
            }
            Val::Decimal(value) => Value::Decimal(value),
            Val::Datetime(value) => Value::Datetime(value),
            Val::Duration(value) => Value::Duration(value),
            Val::Ip(value) => Value::Ip(value),
        })
    }

    fn owned_name(&self, entity: Ent<'a>) -> EntityUid {
        let (ty, id) = self.name(entity);
        EntityUid::new(ty, id)
    }
}
