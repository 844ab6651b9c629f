//! Header maps: request, response, trailers, and those of a call's answer.

use super::{Guest, Result, slice};
use crate::header_map::HeaderMap;
use crate::module::AbiVersion;
use crate::status::Status;
use crate::vm::Vm;

/// The ABI's numbers for header maps.
const REQUEST_HEADERS: u32 = 0;
const REQUEST_TRAILERS: u32 = 1;
const RESPONSE_HEADERS: u32 = 2;
const RESPONSE_TRAILERS: u32 = 3;
const GRPC_INITIAL_METADATA: u32 = 4;
const GRPC_TRAILING_METADATA: u32 = 5;
const CALL_HEADERS: u32 = 6;
const CALL_TRAILERS: u32 = 7;

/// What there is of a message in a gateway's log that it never had.
static NOTHING: HeaderMap = HeaderMap::new();

/// A map to read, where it exists in this phase.
fn read(vm: &Vm, map: u32) -> Result<Option<&HeaderMap>> {
    let found = match map {
        REQUEST_HEADERS => vm.stream().and_then(|s| s.request.readable_headers()),
        REQUEST_TRAILERS => vm.stream().and_then(|s| s.request.readable_trailers()),
        RESPONSE_HEADERS => vm.stream().and_then(|s| s.response.readable_headers()),
        RESPONSE_TRAILERS => vm.stream().and_then(|s| s.response.readable_trailers()),
        GRPC_INITIAL_METADATA => vm.grpc.initial.as_ref(),
        GRPC_TRAILING_METADATA => vm.grpc.trailing.as_ref(),
        CALL_HEADERS => vm.answer.as_ref().map(|a| &a.headers),
        CALL_TRAILERS => vm.answer.as_ref().map(|a| &a.trailers),
        _ => return Err(Status::BadArgument.into()),
    };
    // While the stream is logged every map exists, if only without anything in it.
    let logging = vm.stream().is_some_and(|s| s.logging);
    Ok(found.or(logging.then_some(&NOTHING)))
}

/// The name that a map knows a header by: a request's host is its authority.
fn known_as(map: u32, key: &[u8]) -> &[u8] {
    if map == REQUEST_HEADERS && key.eq_ignore_ascii_case(b"host") { b":authority" } else { key }
}

/// A map to write, where it exists in this phase.
fn write(vm: &mut Vm, map: u32) -> Result<&mut HeaderMap> {
    let stream = vm.stream_mut();
    let found = match map {
        REQUEST_HEADERS => stream.and_then(|s| s.request.writable_headers()),
        REQUEST_TRAILERS => stream.and_then(|s| s.request.writable_trailers()),
        RESPONSE_HEADERS => stream.and_then(|s| s.response.writable_headers()),
        RESPONSE_TRAILERS => stream.and_then(|s| s.response.writable_trailers()),
        _ => None,
    };
    Ok(found.ok_or(Status::BadArgument)?)
}

fn known(map: u32) -> Result {
    if map > CALL_TRAILERS { Err(Status::BadArgument.into()) } else { Ok(()) }
}

pub(super) fn get_header_map_value(
    guest: &mut Guest<'_>,
    map: u32,
    key: u32,
    key_size: u32,
    data_at: u32,
    size_at: u32,
) -> Result {
    known(map)?;
    let (memory, vm) = guest.split();
    let key = slice(memory, key, key_size)?;
    let mut scratch = std::mem::take(&mut vm.scratch);
    scratch.clear();
    let found = match read(vm, map) {
        Ok(Some(headers)) => match headers.get(known_as(map, key)) {
            Some(value) => {
                scratch.extend_from_slice(value);
                Ok(())
            }
            // The first version could not tell a missing header from an empty one.
            None if vm.abi == AbiVersion::V0_1_0 => Ok(()),
            None => Err(Status::NotFound.into()),
        },
        Ok(None) => Err(Status::BadArgument.into()),
        Err(abort) => Err(abort),
    };
    let given = found.and_then(|()| guest.give_bytes(&scratch, data_at, size_at));
    guest.vm().scratch = scratch;
    given
}

pub(super) fn add_header_map_value(
    guest: &mut Guest<'_>,
    map: u32,
    key: u32,
    key_size: u32,
    value: u32,
    value_size: u32,
) -> Result {
    edit(guest, map, key, key_size, value, value_size, HeaderMap::add)
}

pub(super) fn replace_header_map_value(
    guest: &mut Guest<'_>,
    map: u32,
    key: u32,
    key_size: u32,
    value: u32,
    value_size: u32,
) -> Result {
    edit(guest, map, key, key_size, value, value_size, HeaderMap::set)
}

fn edit(
    guest: &mut Guest<'_>,
    map: u32,
    key: u32,
    key_size: u32,
    value: u32,
    value_size: u32,
    apply: fn(&mut HeaderMap, &[u8], &[u8]),
) -> Result {
    known(map)?;
    let (memory, vm) = guest.split();
    let key = slice(memory, key, key_size)?;
    let value = slice(memory, value, value_size)?;
    let (pairs, bytes) = (vm.plugin.limits.header_pairs, vm.plugin.limits.header_bytes);
    let headers = write(vm, map)?;
    if headers.len() >= pairs || headers.byte_size() + key.len() + value.len() > bytes {
        return Err(Status::BadArgument.into());
    }
    apply(headers, known_as(map, key), value);
    Ok(())
}

pub(super) fn remove_header_map_value(guest: &mut Guest<'_>, map: u32, key: u32, key_size: u32) -> Result {
    known(map)?;
    let (memory, vm) = guest.split();
    let key = slice(memory, key, key_size)?;
    write(vm, map)?.remove(known_as(map, key));
    Ok(())
}

pub(super) fn get_header_map_pairs(guest: &mut Guest<'_>, map: u32, data_at: u32, size_at: u32) -> Result {
    guest.give(data_at, size_at, |vm, out| {
        let limits = &vm.plugin.limits;
        if let Some(headers) = read(vm, map)?.filter(|h| !h.is_empty() && h.len() <= limits.header_pairs) {
            headers.serialize_into(out);
            if out.len() > limits.header_bytes {
                out.clear();
            }
        }
        Ok(())
    })
}

pub(super) fn set_header_map_pairs(guest: &mut Guest<'_>, map: u32, data: u32, size: u32) -> Result {
    known(map)?;
    let (memory, vm) = guest.split();
    let bytes = slice(memory, data, size)?;
    let pairs = pairs(vm, bytes);
    *write(vm, map)? = pairs;
    Ok(())
}

/// Pairs as a guest wrote them. Too many, too big or malformed ones read as none, as in Envoy.
pub(super) fn pairs(vm: &Vm, bytes: &[u8]) -> HeaderMap {
    let limits = &vm.plugin.limits;
    let count = bytes.first_chunk().map_or(0, |count| u32::from_le_bytes(*count) as usize);
    if bytes.len() > limits.header_bytes || count > limits.header_pairs {
        return HeaderMap::new();
    }
    HeaderMap::deserialize(bytes).unwrap_or_default()
}

pub(super) fn get_header_map_size(guest: &mut Guest<'_>, map: u32, size_at: u32) -> Result {
    known(map)?;
    let size = write(guest.vm(), map)?.byte_size();
    guest.write_u32(size_at, u32::try_from(size).unwrap_or(u32::MAX))
}
