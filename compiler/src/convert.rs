//! Values and entities of the official crate as those of the evaluator.

use cedar_policy_core::ast::{
    self, BorrowedRestrictedExpr, ExprKind, Literal, PartialValue, RestrictedExpr, ValueKind,
};
use countersign_core::policy::{Datetime, Decimal, Duration, Entity, EntityUid, IpNet, Record, Value};

/// An entity's name.
#[must_use]
pub fn uid(uid: &ast::EntityUID) -> EntityUid {
    let id: &str = uid.eid().as_ref();
    EntityUid::new(uid.entity_type().to_string(), id)
}

/// The entity that `text` names in Cedar's syntax: `Type::"id"`.
#[must_use]
pub fn parse_uid(text: &str) -> Option<EntityUid> {
    let parsed: cedar_policy::EntityUid = text.parse().ok()?;
    Some(uid(parsed.as_ref()))
}

/// A value; `None` where it holds something unknown, as partial evaluation has it.
#[must_use]
pub fn value(value: &ast::Value) -> Option<Value> {
    Some(match &value.value {
        ValueKind::Lit(literal) => self::literal(literal),
        ValueKind::Set(set) => {
            Value::set(set.authoritative.iter().map(self::value).collect::<Option<Vec<_>>>()?)
        }
        ValueKind::Record(record) => Value::Record(
            record
                .iter()
                .map(|(name, member)| Some((name.as_str(), self::value(member)?)))
                .collect::<Option<Record>>()?,
        ),
        ValueKind::ExtensionValue(extension) => {
            let call = RestrictedExpr::from(extension.as_ref().clone());
            self::extension(call.as_borrowed())?
        }
    })
}

/// A literal.
#[must_use]
pub fn literal(literal: &Literal) -> Value {
    match literal {
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Long(value) => Value::Long(*value),
        Literal::String(text) => Value::from(text.as_str()),
        Literal::EntityUID(name) => Value::Entity(uid(name)),
    }
}

/// A constructor of an extension type, as the official crate writes extension values.
fn extension(call: BorrowedRestrictedExpr<'_>) -> Option<Value> {
    match call.as_ref().expr_kind() {
        ExprKind::Lit(literal) => Some(self::literal(literal)),
        ExprKind::ExtensionFunctionApp { fn_name, args } => {
            let args = args
                .iter()
                .map(|argument| extension(BorrowedRestrictedExpr::new_unchecked(argument)))
                .collect::<Option<Vec<_>>>()?;
            constructed(&fn_name.to_string(), &args)
        }
        _ => None,
    }
}

/// The value of a constructor with constant arguments; `None` where it isn't one or fails.
#[must_use]
pub fn constructed(function: &str, arguments: &[Value]) -> Option<Value> {
    match (function, arguments) {
        ("decimal", [Value::String(text)]) => Decimal::parse(text).map(Value::Decimal),
        ("ip", [Value::String(text)]) => IpNet::parse(text).map(Value::Ip),
        ("datetime", [Value::String(text)]) => Datetime::parse(text).map(Value::Datetime),
        ("duration", [Value::String(text)]) => Duration::parse(text).map(Value::Duration),
        ("offset", [Value::Datetime(time), Value::Duration(length)]) => {
            time.offset(*length).map(Value::Datetime)
        }
        _ => None,
    }
}

/// The context of a request; `None` as for [`value`].
#[must_use]
pub fn context(context: &ast::Context) -> Option<Record> {
    match context {
        ast::Context::Value(members) => {
            members.iter().map(|(name, member)| Some((name.as_str(), value(member)?))).collect()
        }
        ast::Context::RestrictedResidual(_) => None,
    }
}

/// An entity with its attributes, tags and all its ancestors as parents; `None` as for [`value`].
#[must_use]
pub fn entity(entity: &ast::Entity) -> Option<Entity> {
    fn known<'a, N: AsRef<str> + 'a>(
        members: impl Iterator<Item = (&'a N, &'a PartialValue)>,
    ) -> Option<Record> {
        members
            .map(|(name, member)| match member {
                PartialValue::Value(member) => Some((name.as_ref(), value(member)?)),
                PartialValue::Residual(_) => None,
            })
            .collect()
    }
    let mut parents: Vec<EntityUid> = entity.ancestors().map(uid).collect();
    parents.sort();
    Some(Entity {
        uid: uid(entity.uid()),
        attributes: known(entity.attrs())?,
        parents,
        tags: known(entity.tags())?,
    })
}
