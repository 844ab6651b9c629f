//! Envoy's `expr_create`, `expr_evaluate` and `expr_delete`: expressions of CEL over what properties are about.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::attributes::Properties;
use crate::cel::{Expression, Refused, Value, spend_bytes};
use crate::header_map::serialize_pairs;
use crate::status::Status;
use crate::vm::Vm;

/// What an expression takes at least of the bytes that a VM may keep.
const LEAST: usize = 64;

/// Expressions that a VM's root context keeps, by their tokens.
#[derive(Default)]
pub(crate) struct Expressions {
    next: u32,
    bytes: usize,
    kept: BTreeMap<u32, (Arc<Expression>, usize)>,
}

/// Reads an expression, and gives its token as four bytes.
pub(super) fn create(vm: &mut Vm, text: &[u8]) -> Result<Option<Vec<u8>>, Status> {
    let text = std::str::from_utf8(text).map_err(|_| Status::BadArgument)?;
    let size = text.len().max(LEAST);
    let expression = match Expression::read(text) {
        Ok(expression) => expression,
        Err(refused) => {
            // Envoy gives it a token before it looks for its functions.
            vm.expressions.next = vm.expressions.next.wrapping_add(u32::from(refused == Refused::Unknown));
            return Err(Status::BadArgument);
        }
    };
    if vm.expressions.bytes + size > vm.plugin.limits.expression_bytes {
        return Err(Status::InternalFailure);
    }
    let expressions = &mut vm.expressions;
    while expressions.kept.contains_key(&expressions.next) {
        expressions.next = expressions.next.wrapping_add(1);
    }
    let token = expressions.next;
    expressions.next = token.wrapping_add(1);
    expressions.bytes += size;
    expressions.kept.insert(token, (Arc::new(expression), size));
    Ok(Some(token.to_le_bytes().to_vec()))
}

/// The value of a token's expression, as a property's is given.
pub(super) fn evaluate(vm: &mut Vm, token: &[u8]) -> Result<Option<Vec<u8>>, Status> {
    let token = token_of(token)?;
    let (expression, _) = vm.expressions.kept.get(&token).ok_or(Status::NotFound)?;
    let expression = Arc::clone(expression);
    // It is about the context that was called, whichever the guest has set.
    let effective = std::mem::take(&mut vm.effective);
    let mut work = vm.plugin.limits.expression_work;
    let value = expression.evaluate(&Properties(vm), &mut work);
    let bytes = value.map_err(|_| Status::InternalFailure).and_then(|value| {
        let mut bytes = Vec::new();
        serialize(vm, &value, &mut work, &mut bytes)?;
        Ok(bytes)
    });
    vm.expression_work += vm.plugin.limits.expression_work.saturating_sub(work);
    vm.effective = effective;
    bytes.map(Some)
}

/// Takes an expression away, if there is one.
pub(super) fn delete(vm: &mut Vm, token: &[u8]) -> Result<Option<Vec<u8>>, Status> {
    let token = token_of(token)?;
    if let Some((_, size)) = vm.expressions.kept.remove(&token) {
        vm.expressions.bytes -= size;
    }
    Ok(None)
}

fn token_of(bytes: &[u8]) -> Result<u32, Status> {
    bytes.try_into().map(u32::from_le_bytes).map_err(|_| Status::BadArgument)
}

/// Writes a value as Envoy's `serializeValue` does: lists as pairs whose values are empty. It takes work, since what a value holds twice is
/// written twice.
fn serialize(vm: &Vm, value: &Value, work: &mut u64, out: &mut Vec<u8>) -> Result<(), Status> {
    let mut of = |value: &Value| {
        let mut bytes = Vec::new();
        serialize(vm, value, work, &mut bytes)?;
        spend_bytes(work, bytes.len()).map_err(|_| Status::InternalFailure)?;
        Ok(bytes)
    };
    match value {
        Value::Bool(value) => out.push(u8::from(*value)),
        Value::Int(number) | Value::Duration(number) | Value::Time(number) => {
            out.extend_from_slice(&number.to_le_bytes());
        }
        Value::Uint(number) => out.extend_from_slice(&number.to_le_bytes()),
        Value::Double(number) => out.extend_from_slice(&number.to_le_bytes()),
        Value::String(bytes) | Value::Bytes(bytes) => out.extend_from_slice(bytes),
        Value::List(list) => {
            let pairs = list.items().iter().map(|item| Ok((of(item)?, Vec::new())));
            serialize_pairs(&pairs.collect::<Result<Vec<_>, Status>>()?, out);
        }
        Value::Map(map) => {
            let pairs = map.pairs().map(|(key, value)| Ok((of(key)?, of(value)?)));
            serialize_pairs(&pairs.collect::<Result<Vec<_>, Status>>()?, out);
        }
        Value::Object(path) => {
            *out = super::attributes::written(vm, path).ok_or(Status::SerializationFailure)?;
            spend_bytes(work, out.len()).map_err(|_| Status::InternalFailure)?;
        }
        Value::Null | Value::Type(_) => return Err(Status::SerializationFailure),
    }
    Ok(())
}
