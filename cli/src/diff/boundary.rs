//! The values around which policies change their minds: for `x < 10` these are 9, 10 and 11.

use countersign_core::policy::image::tables::{Binary, Const, Function, Node, NodeId, Tables, Unary, Var};
use countersign_core::policy::schema::{Shape, Type};
use countersign_core::policy::{Datetime, Duration, EntityUid, Image, Value};
use std::collections::{BTreeMap, BTreeSet};

/// How many values one attribute is given at most.
const MOST_VALUES: usize = 12;

/// What an attribute belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Root {
    Principal,
    Resource,
    Context,
}

/// An attribute by its path.
pub(super) type Place = (Root, Vec<String>);

/// Values worth trying, by attribute; `None` is its absence.
pub(super) type Values = BTreeMap<Place, BTreeSet<Option<Value>>>;

/// Collects the values that an image's conditions compare attributes with.
pub(super) fn collect(image: &Image, values: &mut Values) {
    let tables = image.tables();
    for node in &tables.nodes.rows {
        match *node {
            Node::Binary(operator, left, right) => {
                for (path, constant) in [(left, right), (right, left)] {
                    let (Some(place), Some(value)) = (place(tables, path), constant_of(image, constant))
                    else {
                        continue;
                    };
                    add(values, place, around(operator, value));
                }
            }
            Node::Has(object, name) => {
                if let Some((root, mut path)) = place(tables, object) {
                    path.push(tables.strings.get(name).to_owned());
                    add(values, (root, path), vec![None]);
                }
            }
            Node::HasPath(object, names) => {
                let Some((root, mut path)) = place(tables, object) else { continue };
                let (start, len) = (names.start as usize, names.len as usize);
                for name in tables.nodes.names.get(start..start + len).unwrap_or_default() {
                    path.push(tables.strings.get(*name).to_owned());
                    add(values, (root, path.clone()), vec![None]);
                }
            }
            _ => {}
        }
    }
}

fn add(values: &mut Values, place: Place, more: Vec<Option<Value>>) {
    let have = values.entry(place).or_default();
    for value in more {
        if have.len() < MOST_VALUES {
            have.insert(value);
        }
    }
}

/// The attribute that an expression reads; what `toTime()` and its like are called on counts as well.
fn place(tables: &Tables, node: NodeId) -> Option<Place> {
    match *tables.nodes.rows.get(node as usize)? {
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

fn value_of(image: &Image, constant: u32, depth: usize) -> Option<Value> {
    let tables = image.tables();
    let text = |sym: u32| tables.strings.get(sym);
    Some(match *tables.constants.rows.get(constant as usize)? {
        Const::Bool(value) => Value::Bool(value),
        Const::Long(number) => Value::Long(number),
        Const::String(sym) => Value::from(text(sym)),
        Const::Entity(uid) => {
            let uid = tables.uids.get(uid as usize)?;
            let ty = tables.types.get(uid.ty as usize)?;
            Value::Entity(EntityUid::new(text(*ty), text(uid.id)))
        }
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
    let steps = [-1_i64, 0, 1];
    let values: Vec<Value> = match (operator, value) {
        (Binary::In, Value::Entity(uid)) => vec![Value::Entity(uid)],
        (Binary::Contains, Value::Set(set)) => {
            let mut members = set.members().to_vec();
            members.extend(members.first().and_then(another));
            members
        }
        (_, Value::Long(number)) => {
            steps.iter().filter_map(|step| number.checked_add(*step)).map(Value::Long).collect()
        }
        (_, Value::Datetime(time)) => {
            let times = steps.iter().filter_map(|step| time.0.checked_add(*step));
            times.map(|time| Value::Datetime(Datetime(time))).collect()
        }
        (_, Value::Duration(length)) => {
            let lengths = steps.iter().filter_map(|step| length.0.checked_add(*step));
            lengths.map(|length| Value::Duration(Duration(length))).collect()
        }
        (_, value) => another(&value).into_iter().chain([value]).collect(),
    };
    values.into_iter().map(Some).collect()
}

/// A value of the same type that is not this one.
fn another(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Bool(value) => Value::Bool(!value),
        Value::String(text) => Value::from(format!("not-{text}")),
        Value::Entity(uid) => Value::Entity(EntityUid::new(uid.ty(), format!("not-{}", uid.id()))),
        Value::Long(number) => Value::Long(number.checked_add(1)?),
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
