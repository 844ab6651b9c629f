//! Expressions of constants, whose value is certain. What would be an error stays, to be one for each request.

use countersign_core::policy::{
    Value,
    image::tables::{Binary, Unary},
};

pub(super) fn unary(operator: Unary, operand: &Value) -> Option<Value> {
    match (operator, operand) {
        (Unary::Not, Value::Bool(value)) => Some(Value::Bool(!value)),
        (Unary::Neg, Value::Long(value)) => value.checked_neg().map(Value::Long),
        (Unary::IsEmpty, Value::Set(set)) => Some(Value::Bool(set.members().is_empty())),
        (Unary::Not | Unary::Neg | Unary::IsEmpty, _) => None,
    }
}

/// Nothing that depends on what is known of an entity.
pub(super) fn binary(operator: Binary, left: &Value, right: &Value) -> Option<Value> {
    let holds = match (operator, left, right) {
        (Binary::Eq, left, right) => left == right,
        (Binary::Less, Value::Long(a), Value::Long(b)) => a < b,
        (Binary::Less, Value::Datetime(a), Value::Datetime(b)) => a < b,
        (Binary::Less, Value::Duration(a), Value::Duration(b)) => a < b,
        (Binary::LessEq, Value::Long(a), Value::Long(b)) => a <= b,
        (Binary::LessEq, Value::Datetime(a), Value::Datetime(b)) => a <= b,
        (Binary::LessEq, Value::Duration(a), Value::Duration(b)) => a <= b,
        (Binary::Add, Value::Long(a), Value::Long(b)) => return a.checked_add(*b).map(Value::Long),
        (Binary::Sub, Value::Long(a), Value::Long(b)) => return a.checked_sub(*b).map(Value::Long),
        (Binary::Mul, Value::Long(a), Value::Long(b)) => return a.checked_mul(*b).map(Value::Long),
        (Binary::Contains, Value::Set(set), member) => set.members().contains(member),
        (Binary::ContainsAll, Value::Set(set), Value::Set(wanted)) => {
            wanted.members().iter().all(|member| set.members().contains(member))
        }
        (Binary::ContainsAny, Value::Set(set), Value::Set(wanted)) => {
            wanted.members().iter().any(|member| set.members().contains(member))
        }
        _ => return None,
    };
    Some(Value::Bool(holds))
}
