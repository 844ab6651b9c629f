//! Envoy's `set_envoy_filter_state` and `declare_property`: state of a stream beyond the guest's own properties.

use std::net::{IpAddr, SocketAddr};

use crate::protobuf::{Value, fields, text};
use crate::status::Status;
use crate::vm::{ROOT, Vm};

/// An object of a stream's or connection's filter state.
pub(crate) struct Object {
    span: u64,
    pub(crate) value: String,
}

/// How a property behaves that guests set.
#[derive(Clone, Copy)]
pub(crate) struct Declared {
    /// Whether it can be set once alone.
    pub(crate) is_read_only: bool,
    /// Whether it is a string to expressions, and not bytes.
    pub(crate) is_text: bool,
}

/// The number of the type that is a string.
const TEXT: u64 = 1;

/// How long an object lives, by the numbers of Envoy's `LifeSpan`: 1 is a request.
const FILTER_CHAIN: u64 = 0;
const CONNECTION: u64 = 2;

/// Sets an object of Envoy's filter state: `{1 path, 2 value, 3 span}`. Only those that Envoy knows how to make are found.
pub(super) fn set_envoy_filter_state(vm: &mut Vm, arguments: &[u8]) -> Result<Option<Vec<u8>>, Status> {
    let ([mut path, mut value], mut span) = ([&[][..]; 2], 0);
    for field in fields(arguments).ok_or(Status::BadArgument)? {
        match (field.number, field.value) {
            (1, Value::Bytes(bytes)) => path = bytes,
            (2, Value::Bytes(bytes)) => value = bytes,
            (3, Value::Number(number)) => span = number,
            _ => {}
        }
    }
    let span = if span <= CONNECTION { span } else { FILTER_CHAIN };
    let [path, value] = [text(path), text(value)].map(|text| text.ok_or(Status::BadArgument));
    let (path, value) = (path?, value?);
    let is_good = OBJECTS.iter().find(|(name, _)| *name == path).ok_or(Status::NotFound)?.1;
    if !is_good(value) {
        return Err(Status::BadArgument);
    }
    let limit = vm.plugin.limits.header_bytes;
    let context = vm.context();
    let (state, span) = match (vm.streams.get_mut(&context), vm.connections.get_mut(&context)) {
        (Some(stream), _) => (&mut stream.filter_state, span),
        // Nothing of a connection lives shorter than it.
        (None, Some(connection)) => (&mut connection.filter_state, CONNECTION),
        (None, None) => return Err(Status::NotFound),
    };
    // There are few names, so that the size of one value bounds all.
    if value.len() > limit {
        return Err(Status::BadArgument);
    }
    // An object that lives for one span is not replaced by one of another, and nobody is told.
    if state.get(path).is_none_or(|object| object.span == span) {
        state.insert(path.to_owned(), Object { span, value: value.to_owned() });
    }
    Ok(None)
}

/// Declares how a property behaves that guests will set: `{1 name, 2 readonly, 3 type, 4 schema, 5 span}`. Types make no difference to
/// the bytes that are read back, and streams here have no connection to live on in.
pub(super) fn declare_property(vm: &mut Vm, arguments: &[u8]) -> Result<Option<Vec<u8>>, Status> {
    let [mut name, mut schema] = [&[][..]; 2];
    let mut behaviour = Declared { is_read_only: false, is_text: false };
    for field in fields(arguments).ok_or(Status::BadArgument)? {
        match (field.number, field.value) {
            (1, Value::Bytes(bytes)) => name = bytes,
            (2, Value::Number(number)) => behaviour.is_read_only = number != 0,
            (3, Value::Number(number)) => behaviour.is_text = number == TEXT,
            (4, Value::Bytes(bytes)) => schema = bytes,
            _ => {}
        }
    }
    if text(name).is_none() || text(schema).is_none() {
        return Err(Status::BadArgument);
    }
    vm.keepable(name)?;
    let (current, limit) = (vm.current, vm.plugin.limits.metrics);
    // Envoy goes by what the root context declared: streams and connections have declarations of their own, which nothing looks at.
    let declared = match (vm.streams.get_mut(&current), vm.connections.get_mut(&current)) {
        (Some(stream), _) => &mut stream.declared,
        (None, Some(connection)) => &mut connection.declared,
        (None, None) if current == ROOT => &mut vm.declared,
        (None, None) => return Ok(None),
    };
    if declared.contains_key(name) || declared.len() >= limit {
        return Err(Status::BadArgument);
    }
    declared.insert(name.to_vec(), behaviour);
    Ok(None)
}

/// The objects that Envoy can make from text, and the texts that it makes them from.
const OBJECTS: &[(&str, fn(&str) -> bool)] = &[
    ("envoy.filters.listener.original_dst.local_ip", is_address),
    ("envoy.filters.listener.original_dst.remote_ip", is_address),
    ("envoy.hashable_string", |_| true),
    ("envoy.network.application_protocols", |_| true),
    ("envoy.network.ip", |text| text.parse::<IpAddr>().is_ok()),
    ("envoy.network.transport_socket.original_dst_address", is_address),
    ("envoy.network.upstream_server_name", |_| true),
    ("envoy.network.upstream_subject_alt_names", |_| true),
    ("envoy.ratelimit.hits_addend", is_number),
    ("envoy.string", |_| true),
    ("envoy.tcp_proxy.cluster", |_| true),
    ("envoy.tcp_proxy.disable_tunneling", |_| true),
    ("envoy.tcp_proxy.per_connection_idle_timeout_ms", is_number),
    ("envoy.upstream.dynamic_host", |_| true),
    ("envoy.upstream.dynamic_port", |text| text.parse::<u32>().is_ok()),
];

fn is_address(text: &str) -> bool {
    text.parse::<SocketAddr>().is_ok()
}

fn is_number(text: &str) -> bool {
    text.parse::<u64>().is_ok()
}
