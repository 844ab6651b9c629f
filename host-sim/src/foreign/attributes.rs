//! What expressions speak of: properties, with their types.

use crate::abi::{joined_pairs, look_up};
use crate::cel::{Attribute, Attributes, Map, Value};
use crate::header_map::{HeaderMap, serialize_pairs};
use crate::property::PropertyValue;
use crate::vm::Vm;

/// The properties of the context that a VM is called for.
pub(super) struct Properties<'a>(pub(super) &'a Vm);

/// Objects that any stream and connection has.
const OBJECTS: [&[u8]; 8] = [
    b"request",
    b"response",
    b"connection",
    b"upstream",
    b"source",
    b"destination",
    b"filter_state",
    METADATA,
];
/// A message, which is empty.
const METADATA: &[u8] = b"metadata";
/// Objects that are headers.
const HEADERS: [&[u8]; 3] = [b"request\0headers", b"response\0headers", b"response\0trailers"];

impl Attributes for Properties<'_> {
    fn find(&self, path: &[u8]) -> Option<Attribute> {
        let Self(vm) = self;
        if let Some(given) = given(vm, path) {
            return Some(Attribute::Value(typed(path, given)));
        }
        let is_there = vm.stream().is_some() || vm.connection().is_some();
        if is_there && (OBJECTS.contains(&path) || HEADERS.contains(&path)) || is_above(vm, path) {
            return Some(Attribute::Object);
        }
        if is_there && matches!(path, b"metadata\0filter_metadata" | b"metadata\0typed_filter_metadata") {
            return Some(Attribute::Value(Value::Map(Map::default())));
        }
        let mut bytes = Vec::new();
        look_up(vm, path, &mut bytes)?;
        Some(Attribute::Value(derived(vm, path, bytes)))
    }

    fn members(&self, path: &[u8]) -> Option<Map> {
        members(self.0, path).map(Map::of_texts)
    }
}

/// What stands for an object itself: the pairs of headers, an empty message; nothing where it can't be written.
pub(super) fn written(vm: &Vm, path: &[u8]) -> Option<Vec<u8>> {
    if path == METADATA {
        return Some(Vec::new());
    }
    let mut out = Vec::new();
    serialize_pairs(&members(vm, path)?, &mut out);
    Some(out)
}

/// The members of an object that can be listed, which headers are.
fn members(vm: &Vm, path: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let headers: Option<&HeaderMap> = match path {
        b"request\0headers" => vm.stream().and_then(|stream| stream.request.readable_headers()),
        b"response\0headers" => vm.stream().and_then(|stream| stream.response.readable_headers()),
        b"response\0trailers" => vm.stream().and_then(|stream| stream.response.readable_trailers()),
        _ => return None,
    };
    Some(joined_pairs(headers))
}

/// A property that a test has set.
fn given<'a>(vm: &'a Vm, path: &[u8]) -> Option<&'a PropertyValue> {
    let own = vm.stream().map(|stream| &stream.properties);
    let own = own.or(vm.connection().map(|connection| &connection.properties));
    let given = own.and_then(|own| own.get(path)).or_else(|| vm.plugin.properties.get(path))?;
    vm.plugin.profile.offers(path, true).then_some(given)
}

fn is_above(vm: &Vm, path: &[u8]) -> bool {
    let own = vm.stream().map(|stream| &stream.properties);
    let own = own.or(vm.connection().map(|connection| &connection.properties));
    own.is_some_and(|own| own.is_above(path)) || vm.plugin.properties.is_above(path)
}

fn typed(path: &[u8], given: &PropertyValue) -> Value {
    match given {
        PropertyValue::Bytes(bytes) => Value::String(bytes.as_slice().into()),
        PropertyValue::Bool(value) => Value::Bool(*value),
        PropertyValue::Int(number) => whole(path, *number),
        PropertyValue::Uint(number) => Value::Uint(*number),
        PropertyValue::Double(number) => Value::Double(*number),
        PropertyValue::Map(pairs) => Value::Map(Map::of_texts(pairs.iter().cloned())),
    }
}

fn whole(path: &[u8], number: i64) -> Value {
    match path {
        b"request\0time" => Value::Time(number),
        b"request\0duration" | b"response\0backend_latency" => Value::Duration(number),
        _ => Value::Int(number),
    }
}

/// The value of bytes that were derived from a stream or a connection.
fn derived(vm: &Vm, path: &[u8], bytes: Vec<u8>) -> Value {
    let eight = <[u8; 8]>::try_from(bytes.as_slice()).unwrap_or_default();
    match path {
        b"connection\0mtls" => Value::Bool(bytes == [1]),
        b"connection\0id" | b"connection_id" => Value::Uint(u64::from_le_bytes(eight)),
        b"request\0size"
        | b"request\0total_size"
        | b"request\0time"
        | b"request\0duration"
        | b"response\0code"
        | b"response\0grpc_status"
        | b"response\0flags"
        | b"response\0size"
        | b"response\0total_size"
        | b"response\0backend_latency"
        | b"source\0port"
        | b"destination\0port"
        | b"upstream\0port" => whole(path, i64::from_le_bytes(eight)),
        b"plugin_name" | b"plugin_root_id" | b"plugin_vm_id" => Value::String(bytes.into()),
        _ => {
            let first = path.split(|b| *b == 0).next().unwrap_or_default();
            let own = path
                .strip_prefix(b"filter_state\0wasm.")
                .or(Some(path).filter(|_| !OBJECTS.contains(&first)));
            // What guests set is bytes, unless they have said otherwise.
            match own {
                Some(own) if !vm.declared.get(own).is_some_and(|declared| declared.is_text) => {
                    Value::Bytes(bytes.into())
                }
                _ => Value::String(bytes.into()),
            }
        }
    }
}
