//! Envoy's `set_envoy_filter_state` and `declare_property`: state of a stream beyond the guest's own properties.

use std::net::{IpAddr, SocketAddr};

use crate::protobuf::fields;
use crate::status::Status;
use crate::vm::Vm;

/// Sets an object of Envoy's filter state: `{1 path, 2 value, 3 span}`. Only those that Envoy knows how to make are found.
pub(super) fn set_envoy_filter_state(vm: &mut Vm, arguments: &[u8]) -> Result<Vec<u8>, Status> {
    let [mut path, mut value] = [&[][..]; 2];
    for field in fields(arguments).ok_or(Status::BadArgument)? {
        match field.number {
            1 => path = field.bytes,
            2 => value = field.bytes,
            _ => {}
        }
    }
    let (path, value) = (text(path)?, text(value)?);
    let is_good = OBJECTS.iter().find(|(name, _)| *name == path).ok_or(Status::NotFound)?.1;
    if !is_good(value) {
        return Err(Status::BadArgument);
    }
    let limit = vm.plugin.limits.header_bytes;
    let context = vm.context();
    let state = match (vm.streams.get_mut(&context), vm.connections.get_mut(&context)) {
        (Some(stream), _) => &mut stream.filter_state,
        (None, Some(connection)) => &mut connection.filter_state,
        (None, None) => return Err(Status::NotFound),
    };
    // There are few names, so that the size of one value bounds all.
    if value.len() > limit {
        return Err(Status::BadArgument);
    }
    state.insert(path.to_owned(), value.to_owned());
    Ok(Vec::new())
}

/// Declares how a property behaves that guests will set: `{1 name, 2 readonly, 3 type, 4 schema, 5 span}`. Types make no difference to
/// the bytes that are read back, and streams here have no connection to live on in.
pub(super) fn declare_property(vm: &mut Vm, arguments: &[u8]) -> Result<Vec<u8>, Status> {
    let (mut name, mut read_only) = (&[][..], false);
    for field in fields(arguments).ok_or(Status::BadArgument)? {
        match field.number {
            1 => name = field.bytes,
            2 => read_only = field.varint != 0,
            _ => {}
        }
    }
    text(name)?;
    vm.keepable(name)?;
    let (context, most) = (vm.current, vm.plugin.limits.metrics);
    let declared = match (vm.streams.get_mut(&context), vm.connections.get_mut(&context)) {
        (Some(stream), _) => &mut stream.declared,
        (None, Some(connection)) => &mut connection.declared,
        // Envoy looks at what the root context declared, and at nothing else.
        (None, None) => &mut vm.declared,
    };
    if declared.contains_key(name) || declared.len() >= most {
        return Err(Status::BadArgument);
    }
    declared.insert(name.to_vec(), read_only);
    Ok(Vec::new())
}

/// Strings of protobuf are UTF-8, or the message is malformed.
fn text(bytes: &[u8]) -> Result<&str, Status> {
    std::str::from_utf8(bytes).map_err(|_| Status::BadArgument)
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
