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

use super::{Ent, ErrorKind, Evaluation, SetRef, Val};
use crate::policy::{
    image::tables::{Binary, Node, NodeId, Var},
    print,
    schema::is_below,
    value::{EntityUid, Record, Value},
};

/// The most values that one condition tells.
const MOST: usize = 32;

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
    let masked =
        !told && (masks.iter().any(|mask| covers(mask, &expression)) || is_sensitive(evaluation, node));
    let value = match evaluation.value(node) {
        Err(fault) => SeenValue::Fault(fault.kind),
        Ok(_) if masked => SeenValue::Masked,
        Ok(value) => SeenValue::Value(evaluation.owned(value)),
    };
    Some(Seen { expression, value })
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
                // Tags have no declaration of their own: they are as sensitive as their entity type.
                names.clear();
                *object
            }
            Some(Node::Var(Var::Context)) => {
                return schema.tells_sensitive(&path("context", &names));
            }
            Some(_) | None => return false,
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
    /// A copy of a value that stands for itself.
    fn owned(&self, value: Val<'a>) -> Value {
        match value {
            Val::Bool(value) => Value::Bool(value),
            Val::Long(value) => Value::Long(value),
            Val::String(text) => Value::String(text.into()),
            Val::Entity(entity) => Value::Entity(self.owned_name(entity)),
            Val::Set(set) => Value::set(self.members(set)),
            Val::Record(record) => {
                let fields = (0..self.record_len(record)).filter_map(|at| self.field_at(record, at));
                Value::Record(
                    fields.map(|(name, value)| (Box::from(name), self.owned(value))).collect::<Record>(),
                )
            }
            Val::Decimal(value) => Value::Decimal(value),
            Val::Datetime(value) => Value::Datetime(value),
            Val::Duration(value) => Value::Duration(value),
            Val::Ip(value) => Value::Ip(value),
        }
    }

    fn owned_name(&self, entity: Ent<'a>) -> EntityUid {
        let (ty, id) = self.name(entity);
        EntityUid::new(ty, id)
    }

    fn members(&self, set: SetRef<'a>) -> Vec<Value> {
        (0..self.set_len(set))
            .filter_map(|at| self.member(set, at))
            .map(|member| self.owned(member))
            .collect()
    }
}
