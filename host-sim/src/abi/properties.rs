//! Properties: those given to the stream or the host, and those derived from the stream as Envoy derives them.

use std::collections::HashMap;

use super::{Guest, Result, slice};
use crate::header_map::HeaderMap;
use crate::local_reply::grpc_status;
use crate::property::PropertyValue;
use crate::status::Status;
use crate::stream::{Stage, Stream};
use crate::tcp::Connection;
use crate::vm::Vm;

/// First parts of paths that guests cannot set.
const RESERVED: [&[u8]; 20] = [
    b"metadata",
    b"request",
    b"response",
    b"connection",
    b"upstream",
    b"node",
    b"source",
    b"destination",
    b"listener_direction",
    b"listener_metadata",
    b"cluster_name",
    b"cluster_metadata",
    b"route_name",
    b"route_metadata",
    b"plugin_name",
    b"upstream_host_metadata",
    b"plugin_root_id",
    b"plugin_vm_id",
    b"connection_id",
    b"filter_state",
];

pub(super) fn get_property(
    guest: &mut Guest<'_>,
    path: u32,
    path_size: u32,
    data_at: u32,
    size_at: u32,
) -> Result {
    let (memory, vm) = guest.split();
    let path = slice(memory, path, path_size)?;
    let path = path.strip_suffix(&[0]).unwrap_or(path);
    let mut value = std::mem::take(&mut vm.scratch);
    value.clear();
    let found = if path_size == 0 { None } else { look_up(vm, path, &mut value) };
    let context = vm.context();
    if let Some(connection) = vm.connections.get_mut(&context) {
        connection.handshake.asked(path);
    }
    let given = match found {
        // What has parts is no value, nor is what has no path.
        None if path_size == 0 || has_parts(vm, path) => Err(Status::SerializationFailure.into()),
        Some(()) => {
            vm.plugin.profile.reshape(path, &mut value);
            guest.give_bytes(&value, data_at, size_at)
        }
        None => Err(Status::NotFound.into()),
    };
    guest.vm().scratch = value;
    given
}

/// Whether a path leads to what only has parts, of a stream or a connection.
fn has_parts(vm: &Vm, path: &[u8]) -> bool {
    const WHOLE: [&[u8]; 7] =
        [b"request", b"response", b"connection", b"source", b"destination", b"upstream", b"filter_state"];
    let of_upstream = path == b"upstream_filter_state";
    match (vm.stream(), vm.connection()) {
        (Some(stream), _) if of_upstream => stream.response.began() && stream.local.is_none(),
        (None, Some(connection)) if of_upstream => connection.connected,
        (None, None) => false,
        _ => WHOLE.contains(&path),
    }
}

pub(super) fn set_property(
    guest: &mut Guest<'_>,
    path: u32,
    path_size: u32,
    value: u32,
    value_size: u32,
) -> Result {
    let (memory, vm) = guest.split();
    let path = slice(memory, path, path_size)?;
    let value = slice(memory, value, value_size)?;
    if !vm.plugin.profile.lets_set(path) {
        return Err(Status::NotFound.into());
    }
    let limit = vm.plugin.limits.header_bytes;
    let context = vm.context();
    let state = match (vm.streams.get_mut(&context), vm.connections.get_mut(&context)) {
        (Some(stream), _) => &mut stream.state,
        (None, Some(connection)) => &mut connection.state,
        (None, None) => return Err(Status::NotFound.into()),
    };
    if vm.declared.get(path).is_some_and(|declared| declared.is_read_only && state.contains_key(path)) {
        return Err(Status::BadArgument.into());
    }
    let held: usize = state.iter().map(|(k, v)| k.len() + v.len()).sum();
    if held + path.len() + value.len() > limit {
        return Err(Status::InternalFailure.into());
    }
    state.insert(path.to_vec(), value.to_vec());
    Ok(())
}

/// Writes the bytes that a guest reads at a path, or gives none.
pub(crate) fn look_up(vm: &Vm, path: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (stream, connection) = (vm.stream(), vm.connection());
    let own = stream.map(|s| &s.properties).or(connection.map(|c| &c.properties));
    let given = own.and_then(|own| own.get(path)).or_else(|| vm.plugin.properties.get(path));
    if !vm.plugin.profile.offers(path, given.is_some()) {
        return None;
    }
    if let Some(value) = given {
        match connection.and_then(|connection| connection.handshake.early(path)) {
            None => value.encode(out),
            Some(early) => early?.encode(out),
        }
        return Some(());
    }
    let id = stream.map(|s| s.id).or(connection.map(|c| c.id));
    let mut parts = path.splitn(3, |b| *b == 0);
    let (first, second, third) = (parts.next()?, parts.next(), parts.next());
    match (first, second) {
        (b"plugin_name", None) => out.extend_from_slice(vm.plugin.name.as_bytes()),
        (b"plugin_root_id", None) => out.extend_from_slice(vm.plugin.root_id.as_bytes()),
        (b"plugin_vm_id", None) => out.extend_from_slice(vm.plugin.vm_id.as_bytes()),
        (b"request" | b"response" | b"upstream", Some(part)) if connection.is_some() => {
            return of_connection(connection?, first, part, third, out);
        }
        (b"request", Some(part)) => return request(vm, stream?, part, third, out),
        (b"response", Some(part)) => return response(vm, stream?, part, third, out),
        (b"connection", Some(b"mtls")) if id.is_some() => PropertyValue::Bool(false).encode(out),
        (b"connection", Some(b"id")) | (b"connection_id", None) => {
            PropertyValue::Uint(id?.into()).encode(out)
        }
        // A connection in the clear names no server.
        (b"connection", Some(b"requested_server_name")) if id.is_some() => {}
        (b"metadata", None) if id.is_some() => {}
        (b"metadata", Some(b"filter_metadata")) if id.is_some() && third.is_none() => {
            PropertyValue::Map(Vec::new()).encode(out);
        }
        (b"upstream", Some(b"request_attempt_count")) if stream.is_some() => {
            let asked = stream.is_some_and(|stream| stream.request.headers_passed);
            PropertyValue::Uint(asked.into()).encode(out);
        }
        (b"upstream", Some(part)) => return upstream(stream?, part, out),
        (b"filter_state", Some(name)) => {
            if let Some(own) = name.strip_prefix(b"wasm.") {
                let state = stream.map(|s| &s.state).or(connection.map(|c| &c.state));
                out.extend_from_slice(state?.get(own)?);
            } else {
                let objects = stream.map(|s| &s.filter_state).or(connection.map(|c| &c.filter_state));
                let object = objects?.get(std::str::from_utf8(name).ok()?)?;
                out.extend_from_slice(object.value.as_bytes());
            }
        }
        (b"source", Some(b"address")) if id.is_some() => out.extend_from_slice(b"127.0.0.1:40000"),
        (b"source", Some(b"port")) if id.is_some() => PropertyValue::Int(40_000).encode(out),
        (b"destination", Some(b"address")) if id.is_some() => out.extend_from_slice(b"127.0.0.1:10000"),
        (b"destination", Some(b"port")) if id.is_some() => PropertyValue::Int(10_000).encode(out),
        _ if !RESERVED.contains(&first) && (second.is_none() || vm.plugin.profile.keeps_paths()) => {
            let state = stream.map(|s| &s.state).or(connection.map(|c| &c.state));
            out.extend_from_slice(state?.get(path)?);
        }
        _ => return None,
    }
    Some(())
}

fn request(vm: &Vm, stream: &Stream, part: &[u8], header: Option<&[u8]>, out: &mut Vec<u8>) -> Option<()> {
    let headers = stream.request.readable_headers();
    let text = |name: &str| headers.and_then(|h| h.get(name));
    match (part, header) {
        (b"headers", Some(name)) => joined(headers?, name, out)?,
        (b"headers", None) => all_joined(headers, out),
        (b"path", None) => out.extend_from_slice(text(":path")?),
        (b"url_path", None) => out.extend_from_slice(text(":path")?.split(|b| *b == b'?').next()?),
        (b"query", None) => {
            out.extend_from_slice(text(":path")?.splitn(2, |b| *b == b'?').nth(1).unwrap_or_default())
        }
        (b"host", None) => out.extend_from_slice(text(":authority")?),
        (b"scheme", None) => out.extend_from_slice(text(":scheme")?),
        (b"method", None) => out.extend_from_slice(text(":method")?),
        (b"referer", None) => out.extend_from_slice(text("referer")?),
        (b"useragent", None) => out.extend_from_slice(text("user-agent")?),
        (b"id", None) => out.extend_from_slice(text("x-request-id")?),
        (b"protocol", None) => out.extend_from_slice(b"HTTP/1.1"),
        (b"time", None) => PropertyValue::Int(stream.started.cast_signed()).encode(out),
        (b"duration", None) if stream.over => {
            PropertyValue::Int(vm.clock.now().saturating_sub(stream.started).cast_signed()).encode(out);
        }
        (b"size", None) => {
            let declared = text("content-length").and_then(|v| std::str::from_utf8(v).ok()?.parse().ok());
            PropertyValue::Int(declared.unwrap_or(stream.request.offered() as i64)).encode(out);
        }
        (b"total_size", None) => {
            let headers = headers.map_or(0, HeaderMap::byte_size);
            PropertyValue::Int((headers + stream.request.offered()) as i64).encode(out);
        }
        _ => return None,
    }
    Some(())
}

fn response(vm: &Vm, stream: &Stream, part: &[u8], header: Option<&[u8]>, out: &mut Vec<u8>) -> Option<()> {
    let response = &stream.response;
    let headers = response.readable_headers();
    let trailers = response.readable_trailers();
    let sent = response.sent.as_ref().unwrap_or(&response.headers);
    let code = || {
        let status = response.began().then(|| sent.get(":status")).flatten()?;
        std::str::from_utf8(status).ok()?.parse::<u16>().ok()
    };
    match (part, header) {
        (b"headers", Some(name)) => joined(headers?, name, out)?,
        (b"trailers", Some(name)) => joined(trailers?, name, out)?,
        (b"headers", None) => all_joined(headers, out),
        (b"trailers", None) => all_joined(trailers, out),
        (b"code", None) => PropertyValue::Int(code()?.into()).encode(out),
        // What the status stands for, unless the response has a status of its own.
        (b"grpc_status", None) => {
            let own = sent.get("grpc-status").and_then(|v| std::str::from_utf8(v).ok()?.parse().ok());
            PropertyValue::Int(own.unwrap_or(grpc_status(code()?).into())).encode(out);
        }
        (b"flags", None) => PropertyValue::Int(0).encode(out),
        (b"size", None) => PropertyValue::Int(response.passed.len() as i64).encode(out),
        (b"total_size", None) => {
            let maps = headers.into_iter().chain(trailers).map(HeaderMap::byte_size).sum::<usize>();
            PropertyValue::Int((maps + response.passed.len()) as i64).encode(out);
        }
        (b"backend_latency", None) if stream.local.is_none() && response.stage == Stage::Done => {
            PropertyValue::Int(vm.clock.now().saturating_sub(stream.started).cast_signed()).encode(out);
        }
        (b"code_details", None) => match (&stream.details, &stream.local) {
            (Some(details), _) => out.extend_from_slice(details),
            (None, Some(local)) => out.extend_from_slice(&local.details),
            (None, None) if response.began() => out.extend_from_slice(b"via_upstream"),
            (None, None) => return None,
        },
        _ => return None,
    }
    Some(())
}

/// What a connection has of a request and a response: bytes, and no headers.
fn of_connection(
    connection: &Connection,
    whose: &[u8],
    part: &[u8],
    header: Option<&[u8]>,
    out: &mut Vec<u8>,
) -> Option<()> {
    let number = |number: usize| PropertyValue::Int(number as i64);
    match (whose, part, header) {
        (b"request", b"headers", None | Some(b"")) => PropertyValue::Map(Vec::new()).encode(out),
        (b"request", b"time", None) => PropertyValue::Int(connection.started.cast_signed()).encode(out),
        (b"request", b"size" | b"total_size", None) => number(connection.downstream.arrived).encode(out),
        (b"response", b"headers" | b"trailers", None) => PropertyValue::Map(Vec::new()).encode(out),
        (b"response", b"flags", None) => number(0).encode(out),
        (b"response", b"size" | b"total_size", None) => number(connection.upstream.passed.len()).encode(out),
        (b"upstream", b"transport_failure_reason", None) => {}
        (b"upstream", b"request_attempt_count", None) => {
            PropertyValue::Uint(connection.connected.into()).encode(out);
        }
        (b"upstream", b"locality", None) if connection.connected => {}
        (b"upstream", b"address", None) if connection.connected => out.extend_from_slice(b"127.0.0.1:20000"),
        (b"upstream", b"port", None) if connection.connected => number(20_000).encode(out),
        (b"upstream", b"local_address", None) if connection.connected => {
            out.extend_from_slice(b"127.0.0.1:30000");
        }
        _ => return None,
    }
    Some(())
}

/// The upstream: there once the request's headers have gone to it, its own end once it answers.
fn upstream(stream: &Stream, part: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if !stream.request.headers_passed || stream.local.is_some() && !stream.response.headers_passed {
        return None;
    }
    match part {
        b"address" => out.extend_from_slice(b"127.0.0.1:20000"),
        b"port" => PropertyValue::Int(20_000).encode(out),
        b"local_address" if stream.response.began() => out.extend_from_slice(b"127.0.0.1:30000"),
        b"transport_failure_reason" => {}
        b"locality" => {}
        b"cx_pool_ready_duration" if stream.response.began() => PropertyValue::Int(0).encode(out),
        _ => return None,
    }
    Some(())
}

/// Every name with all its values, as a map.
fn all_joined(headers: Option<&HeaderMap>, out: &mut Vec<u8>) {
    PropertyValue::Map(joined_pairs(headers)).encode(out);
}

/// Each name, and all its values with commas between them.
pub(crate) fn joined_pairs(headers: Option<&HeaderMap>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut map: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut places: HashMap<&[u8], usize> = HashMap::new();
    for (name, value) in headers.into_iter().flat_map(HeaderMap::iter) {
        match places.get(name).and_then(|at| map.get_mut(*at)) {
            Some((_, values)) => values.extend([b",", value].concat()),
            None => {
                places.insert(name, map.len());
                map.push((name.to_vec(), value.to_vec()));
            }
        }
    }
    map
}

/// All values of a name, with commas between them.
fn joined(headers: &HeaderMap, name: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut found = None;
    for value in headers.get_all(name) {
        if found.is_some() {
            out.push(b',');
        }
        out.extend_from_slice(value);
        found = Some(());
    }
    found
}
