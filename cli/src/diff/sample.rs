//! The plainest value of a type, for whom or what nobody has described.

use countersign_core::policy::schema::{Shape, Type};
use countersign_core::policy::{Datetime, Decimal, Duration, Entity, EntityUid, Image, IpNet, Record, Value};

/// Records of people's schemas are far shallower.
const DEEPEST: usize = 32;

/// An entity with the attributes that its type requires; nothing where it requires none, or there is no such value.
pub(super) fn entity(image: &Image, uid: &EntityUid) -> Option<Entity> {
    let record = record(image.schema().entity_type(uid.ty())?.shape(), 0)?;
    let mut entity = Entity::new(uid.clone());
    entity.attributes = record;
    Some(entity)
}

/// A record with what is required.
pub(super) fn record(shape: Shape<'_>, depth: usize) -> Option<Record> {
    if depth > DEEPEST {
        return None;
    }
    let required = shape.attributes().filter(|attribute| attribute.required());
    required.map(|attribute| Some((attribute.name().to_owned(), value(attribute.ty(), depth)?))).collect()
}

fn value(ty: Type<'_>, depth: usize) -> Option<Value> {
    Some(match ty {
        Type::Bool => Value::Bool(false),
        Type::Long => Value::Long(0),
        Type::String => Value::from(""),
        Type::Entity(ty) => Value::Entity(EntityUid::new(ty, "anyone")),
        Type::Set(_) => Value::set([]),
        Type::Record(shape) => Value::Record(record(shape, depth + 1)?),
        Type::Decimal => Value::Decimal(Decimal(0)),
        Type::Datetime => Value::Datetime(Datetime(0)),
        Type::Duration => Value::Duration(Duration(0)),
        Type::Ip => Value::Ip(IpNet::parse("192.0.2.1")?),
    })
}
