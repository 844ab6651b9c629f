//! The values around which policies change their minds: for `x < 10` these are 9, 10 and 11.

use super::nodes::{children, items};
use countersign_core::policy::image::tables::{
    Binary, Const, Function, Node, NodeId, Scope, Tables, Unary, Var,
};
use countersign_core::policy::schema::{Shape, Type};
use countersign_core::policy::{Datetime, Decimal, Duration, EntityUid, Image, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What an attribute belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Root {
    Principal,
    Resource,
    Context,
}

/// An attribute by its path; the principal or the resource itself where the path is empty.
pub(super) type Place = (Root, Vec<String>);

/// What policies compare.
#[derive(Clone, Default)]
pub(super) struct Edges {
    /// Values worth trying, by attribute; `None` is its absence.
    pub(super) values: BTreeMap<Place, BTreeSet<Option<Value>>>,
    /// Attributes that are compared with one another.
    pub(super) pairs: BTreeSet<(Place, Place)>,
    /// What the principal or the resource may have to be in.
    pub(super) groups: BTreeSet<(Root, EntityUid)>,
}

impl Edges {
    /// Of every policy of an image.
    pub(super) fn of_image(&mut self, image: &Image) {
        for policy in 0..image.policy_count() as u32 {
            self.of_scope(image, policy);
        }
        for node in 0..image.tables().nodes.rows.len() as u32 {
            self.of_node(image, node);
        }
    }

    /// Of one policy.
    pub(super) fn of_policy(&mut self, image: &Image, policy: u32) {
        self.of_scope(image, policy);
        let tables = image.tables();
        let Some(row) = tables.policies.rows.get(policy as usize) else { return };
        let mut pending: Vec<NodeId> =
            items(row.clauses, &tables.policies.clauses).iter().map(|clause| clause.node).collect();
        let mut seen = BTreeSet::new();
        while let Some(node) = pending.pop() {
            if seen.insert(node) {
                self.of_node(image, node);
                pending.extend(children(tables, node));
            }
        }
    }

    fn of_scope(&mut self, image: &Image, policy: u32) {
        let Some(row) = image.tables().policies.rows.get(policy as usize) else { return };
        for (root, scope) in [(Root::Principal, row.principal), (Root::Resource, row.resource)] {
            if let Scope::In(uid) | Scope::IsIn(_, uid) = scope {
                self.groups.extend(uid_of(image, uid).map(|uid| (root, uid)));
            }
        }
    }

    fn of_node(&mut self, image: &Image, node: NodeId) {
        let tables = image.tables();
        let Some(node) = tables.nodes.rows.get(node as usize) else { return };
        match *node {
            Node::Binary(operator, left, right) => self.compared(image, operator, left, right),
            Node::Call(
                Function::LessThan
                | Function::LessThanOrEqual
                | Function::GreaterThan
                | Function::GreaterThanOrEqual
                | Function::IsInRange,
                operands,
            ) => {
                if let [left, right] = *items(operands, &tables.nodes.operands) {
                    self.compared(image, Binary::LessEq, left, right);
                }
            }
            Node::Attr(..) => {
                // Which of them are truth values is the schema's to say.
                if let Some(place) = node_place(tables, node) {
                    self.add(place, [true, false].map(|value| Some(Value::Bool(value))));
                }
            }
            Node::Unary(Unary::IsEmpty, set) => {
                if let Some(place) = place(tables, set) {
                    self.add(place, [Some(Value::set([]))]);
                }
            }
            Node::Like(text, pattern) => {
                let pieces = tables.patterns.rows.get(pattern as usize);
                let pieces = pieces.map_or(&[][..], |run| items(*run, &tables.patterns.pieces));
                let like: String = pieces.iter().map(|piece| tables.strings.get(*piece)).collect();
                if let Some(place) = place(tables, text) {
                    self.add(place, [format!("not-{like}-"), like].map(|text| Some(Value::from(text))));
                }
            }
            Node::Has(object, name) => {
                if let Some((root, mut path)) = place(tables, object) {
                    path.push(tables.strings.get(name).to_owned());
                    self.add((root, path), [None]);
                }
            }
            Node::HasPath(object, names) => {
                let Some((root, mut path)) = place(tables, object) else { return };
                for name in items(names, &tables.nodes.names) {
                    path.push(tables.strings.get(*name).to_owned());
                    self.add((root, path.clone()), [None]);
                }
            }
            _ => {}
        }
    }

    fn compared(&mut self, image: &Image, operator: Binary, left: NodeId, right: NodeId) {
        let tables = image.tables();
        if let (Some(left), Some(right)) = (place(tables, left), place(tables, right)) {
            self.pairs.insert((left, right));
        }
        for (path, constant) in [(left, right), (right, left)] {
            let (Some(place), Some(value)) = (place(tables, path), constant_of(image, constant)) else {
                continue;
            };
            if place.1.is_empty() && operator == Binary::In {
                let members = match &value {
                    Value::Set(set) => set.members().to_vec(),
                    one => vec![one.clone()],
                };
                self.groups.extend(members.into_iter().filter_map(|member| match member {
                    Value::Entity(uid) => Some((place.0, uid)),
                    _ => None,
                }));
                continue;
            }
            self.add(place, around(operator, value));
        }
    }

    fn add(&mut self, place: Place, more: impl IntoIterator<Item = Option<Value>>) {
        self.values.entry(place).or_default().extend(more);
    }
}

fn uid_of(image: &Image, uid: u32) -> Option<EntityUid> {
    let tables = image.tables();
    let uid = tables.uids.get(uid as usize)?;
    let ty = tables.types.get(uid.ty as usize)?;
    Some(EntityUid::new(tables.strings.get(*ty), tables.strings.get(uid.id)))
}

/// The attribute that an expression reads; what `toTime()` and its like are called on counts as well.
fn place(tables: &Tables, node: NodeId) -> Option<Place> {
    node_place(tables, tables.nodes.rows.get(node as usize)?)
}

fn node_place(tables: &Tables, node: &Node) -> Option<Place> {
    match *node {
        Node::Var(Var::Principal) => Some((Root::Principal, Vec::new())),
        Node::Var(Var::Resource) => Some((Root::Resource, Vec::new())),
        Node::Var(Var::Context) => Some((Root::Context, Vec::new())),
        Node::Attr(object, name) => {
            let (root, mut path) = place(tables, object)?;
            path.push(tables.strings.get(name).to_owned());
            Some((root, path))
        }
        Node::Call(Function::ToTime, operands) => {
            place(tables, *tables.nodes.operands.get(operands.start as usize)?)
        }
        Node::Unary(Unary::Neg, operand) => place(tables, operand),
        _ => None,
    }
}

fn constant_of(image: &Image, node: NodeId) -> Option<Value> {
    let tables = image.tables();
    match tables.nodes.rows.get(node as usize)? {
        Node::Const(constant) => value_of(image, *constant, 0),
        _ => None,
    }
}

pub(super) fn value_of(image: &Image, constant: u32, depth: usize) -> Option<Value> {
    let tables = image.tables();
    let text = |sym: u32| tables.strings.get(sym);
    Some(match *tables.constants.rows.get(constant as usize)? {
        Const::Bool(value) => Value::Bool(value),
        Const::Long(number) => Value::Long(number),
        Const::String(sym) => Value::from(text(sym)),
        Const::Entity(uid) => Value::Entity(uid_of(image, uid)?),
        Const::Set(run) if depth < 4 => {
            let members = tables.constants.members.get(run.start as usize..(run.start + run.len) as usize)?;
            Value::set(members.iter().filter_map(|member| value_of(image, *member, depth + 1)))
        }
        Const::Decimal(value) => Value::Decimal(value),
        Const::Datetime(value) => Value::Datetime(value),
        Const::Duration(value) => Value::Duration(value),
        Const::Ip(value) => Value::Ip(value),
        Const::Set(_) | Const::Record(_) => return None,
    })
}

/// The values on both sides of a comparison's edge.
fn around(operator: Binary, value: Value) -> Vec<Option<Value>> {
    let values: Vec<Value> = match (operator, value) {
        (Binary::Contains | Binary::In, Value::Set(set)) => {
            let mut members = set.members().to_vec();
            members.extend(members.first().and_then(another));
            members
        }
        (Binary::Contains, value) => vec![Value::set([]), value],
        (_, Value::Set(set)) => vec![Value::set([]), Value::Set(set)],
        (_, value) => near(&value),
    };
    values.into_iter().map(Some).collect()
}

/// A value, and those next to it; where there is no order another one.
pub(super) fn near(value: &Value) -> Vec<Value> {
    let steps = |number: i64| [-1_i64, 0, 1].into_iter().filter_map(move |step| number.checked_add(step));
    match value {
        Value::Long(number) => steps(*number).map(Value::Long).collect(),
        Value::Datetime(time) => steps(time.0).map(|time| Value::Datetime(Datetime(time))).collect(),
        Value::Duration(length) => steps(length.0).map(|length| Value::Duration(Duration(length))).collect(),
        Value::Decimal(number) => steps(number.0).map(|number| Value::Decimal(Decimal(number))).collect(),
        value => another(value).into_iter().chain([value.clone()]).collect(),
    }
}

/// A value of the same type that is not this one.
fn another(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Bool(value) => Value::Bool(!value),
        Value::String(text) => Value::from(format!("not-{text}")),
        Value::Entity(uid) => Value::Entity(EntityUid::new(uid.ty(), format!("not-{}", uid.id()))),
        Value::Long(number) => Value::Long(number.checked_add(1)?),
        Value::Set(_) => Value::set([]),
        _ => return None,
    })
}

/// Keeps what fits the type that the schema declares: a time of day becomes a time, a constant of another type is left out.
pub(super) fn fitting(shape: Shape<'_>, path: &[String], value: Option<&Value>) -> Option<Option<Value>> {
    let (first, rest) = path.split_first()?;
    let attribute = shape.attribute(first)?;
    if !rest.is_empty() {
        return match attribute.ty() {
            Type::Record(inner) => fitting(inner, rest, value),
            _ => None,
        };
    }
    match (attribute.ty(), value) {
        (_, None) => (!attribute.required()).then_some(None),
        (Type::Datetime, Some(Value::Duration(length))) => Some(Some(Value::Datetime(Datetime(length.0)))),
        (Type::Set(element), Some(value)) if element.ty().check(value).is_ok() => {
            Some(Some(Value::set([value.clone()])))
        }
        (ty, Some(value)) => ty.check(value).is_ok().then(|| Some(value.clone())),
    }
}
