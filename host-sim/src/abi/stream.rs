//! What a guest asks of its stream or its root context. Effects come once the callback has returned.

use super::headers::pairs;
use super::{Guest, Result, slice};
use crate::outcome::LocalReply;
use crate::status::Status;

const REQUEST: u32 = 0;
const RESPONSE: u32 = 1;
const DOWNSTREAM: u32 = 2;
const UPSTREAM: u32 = 3;

pub(super) fn set_tick_period_milliseconds(guest: &mut Guest<'_>, period: u32) -> Result {
    let vm = guest.vm();
    vm.tick_period = (period > 0).then(|| u64::from(period) * 1_000_000);
    vm.tick_changed = true;
    Ok(())
}

pub(super) fn set_effective_context(guest: &mut Guest<'_>, context: u32) -> Result {
    let vm = guest.vm();
    if !vm.exists(context) {
        return Err(Status::BadArgument.into());
    }
    vm.effective = context;
    Ok(())
}

/// Only a root context whose `proxy_on_done` returned false is waited for.
pub(super) fn done(guest: &mut Guest<'_>) -> Result {
    let was_pending = std::mem::take(&mut guest.vm().root_pending);
    if was_pending { Ok(()) } else { Err(Status::NotFound.into()) }
}

pub(super) fn continue_stream(guest: &mut Guest<'_>, kind: u32) -> Result {
    let vm = guest.vm();
    match kind {
        REQUEST | RESPONSE => {}
        DOWNSTREAM => {
            if let Some(connection) = vm.connection_mut() {
                connection.actions.resume = true;
                vm.touch();
            }
            return Ok(());
        }
        UPSTREAM => return Err(Status::Unimplemented.into()),
        _ => return Err(Status::BadArgument.into()),
    }
    if let Some(stream) = vm.stream_mut() {
        match kind {
            REQUEST => stream.actions.continue_request = true,
            _ => stream.actions.continue_response = true,
        }
        // Envoy lets go of the request's parts at once, whichever way is continued, but for a body that it holds.
        stream.request.release();
        vm.touch();
    }
    Ok(())
}

pub(super) fn continue_request(guest: &mut Guest<'_>) -> Result {
    continue_stream(guest, REQUEST)
}

pub(super) fn continue_response(guest: &mut Guest<'_>) -> Result {
    continue_stream(guest, RESPONSE)
}

pub(super) fn clear_route_cache(_: &mut Guest<'_>) -> Result {
    Ok(())
}

pub(super) fn close_stream(guest: &mut Guest<'_>, kind: u32) -> Result {
    if kind > UPSTREAM {
        return Err(Status::BadArgument.into());
    }
    let vm = guest.vm();
    if let Some(stream) = vm.stream_mut().filter(|_| kind <= RESPONSE) {
        stream.actions.close = true;
        if !stream.response.began() {
            stream.details.get_or_insert_with(|| b"wasm_close_stream".to_vec());
        }
        vm.touch();
    }
    if let Some(connection) = vm.connection_mut().filter(|_| kind > RESPONSE) {
        connection.actions.close = true;
        vm.touch();
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the ABI's own parameters")]
pub(super) fn send_local_response(
    guest: &mut Guest<'_>,
    status: u32,
    details: u32,
    details_size: u32,
    body: u32,
    body_size: u32,
    headers: u32,
    headers_size: u32,
    grpc_status: i32,
) -> Result {
    let (memory, vm) = guest.split();
    let details = slice(memory, details, details_size)?;
    let body = slice(memory, body, body_size)?;
    let headers = slice(memory, headers, headers_size)?;
    let status = u16::try_from(status).map_err(|_| Status::BadArgument)?;
    if body.len() > vm.plugin.limits.body_bytes || details.len() > vm.plugin.limits.header_bytes {
        return Err(Status::InternalFailure.into());
    }
    let headers = pairs(vm, headers);
    if let Some(stream) = vm.stream_mut() {
        let reply =
            LocalReply { status, headers, body: body.to_vec(), details: details.to_vec(), grpc_status };
        // The first one is sent, and the last one's details are logged.
        let details = reply.details.clone();
        stream.actions.local_reply.get_or_insert(reply).details = details;
        vm.touch();
    }
    Ok(())
}
