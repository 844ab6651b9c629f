//! Buffers: bodies, configurations, the body of a call's answer.

use super::{Guest, Result, slice};
use crate::status::Status;
use crate::vm::Vm;

const REQUEST_BODY: u32 = 0;
const RESPONSE_BODY: u32 = 1;
const DOWNSTREAM_DATA: u32 = 2;
const UPSTREAM_DATA: u32 = 3;
const CALL_BODY: u32 = 4;
const GRPC_MESSAGE: u32 = 5;
const VM_CONFIGURATION: u32 = 6;
const PLUGIN_CONFIGURATION: u32 = 7;
const CALL_DATA: u32 = 8;

/// What there is of a body or a connection where there is none.
const NONE: &[u8] = &[];

/// A buffer to read, where it exists in this phase.
fn read(vm: &Vm, kind: u32) -> Result<&[u8]> {
    let found = match kind {
        REQUEST_BODY => vm.stream().and_then(|s| s.request.readable_body()).or(Some(NONE)),
        RESPONSE_BODY => vm.stream().and_then(|s| s.response.readable_body()).or(Some(NONE)),
        CALL_DATA => Some(NONE),
        // Where there are no data, Envoy has an empty buffer.
        DOWNSTREAM_DATA => Some(vm.connection().and_then(|c| c.downstream.readable()).unwrap_or_default()),
        UPSTREAM_DATA => Some(vm.connection().and_then(|c| c.upstream.readable()).unwrap_or_default()),
        CALL_BODY => vm.answer.as_ref().map(|a| a.body.as_slice()),
        GRPC_MESSAGE => vm.grpc.message.as_deref().or(Some(NONE)),
        VM_CONFIGURATION => Some(vm.plugin.vm_configuration.as_slice()),
        PLUGIN_CONFIGURATION => vm.configuring.then_some(vm.plugin.configuration.as_slice()),
        _ => return Err(Status::BadArgument.into()),
    };
    Ok(found.ok_or(Status::NotFound)?)
}

pub(super) fn get_buffer_bytes(
    guest: &mut Guest<'_>,
    kind: u32,
    start: u32,
    length: u32,
    data_at: u32,
    size_at: u32,
) -> Result {
    let size = read(guest.vm(), kind)?.len();
    // Beyond the end there is nothing.
    let start = (start as usize).min(size);
    let end = start.saturating_add(length as usize).min(size);
    guest.give(data_at, size_at, |vm, out| {
        out.extend_from_slice(read(vm, kind)?.get(start..end).unwrap_or_default());
        Ok(())
    })
}

pub(super) fn get_buffer_status(guest: &mut Guest<'_>, kind: u32, length_at: u32, flags_at: u32) -> Result {
    let size = read(guest.vm(), kind)?.len();
    guest.write_u32(length_at, u32::try_from(size).unwrap_or(u32::MAX))?;
    guest.write_u32(flags_at, 0)
}

/// A body is written at its front, in the place of as much of it as is told, or at its end; elsewhere is refused.
pub(super) fn set_buffer_bytes(
    guest: &mut Guest<'_>,
    kind: u32,
    start: u32,
    length: u32,
    data: u32,
    size: u32,
) -> Result {
    let (memory, vm) = guest.split();
    read(vm, kind)?;
    let data = slice(memory, data, size)?;
    let limit = vm.plugin.limits.body_bytes;
    let body = match kind {
        REQUEST_BODY => vm.stream_mut().and_then(|s| s.request.writable_body()),
        RESPONSE_BODY => vm.stream_mut().and_then(|s| s.response.writable_body()),
        DOWNSTREAM_DATA => vm.connection_mut().and_then(|c| c.downstream.writable()),
        UPSTREAM_DATA => vm.connection_mut().and_then(|c| c.upstream.writable()),
        GRPC_MESSAGE => vm.grpc.message.as_mut(),
        _ => None,
    };
    let body = body.ok_or(Status::BadArgument)?;
    let (start, length) = (start as usize, length as usize);
    if body.len() + data.len() > limit {
        return Err(Status::BadArgument.into());
    }
    if start == 0 {
        let replaced = length.min(body.len());
        body.splice(0..replaced, data.iter().copied());
    } else if start >= body.len() {
        body.extend_from_slice(data);
    } else {
        return Err(Status::BadArgument.into());
    }
    Ok(())
}

/// ABI 0.1.0: the plugin's configuration while it is configured, else the VM's.
pub(super) fn get_configuration(guest: &mut Guest<'_>, data_at: u32, size_at: u32) -> Result {
    guest.give(data_at, size_at, |vm, out| {
        let plugin = &vm.plugin;
        out.extend_from_slice(if vm.configuring { &plugin.configuration } else { &plugin.vm_configuration });
        Ok(())
    })
}
