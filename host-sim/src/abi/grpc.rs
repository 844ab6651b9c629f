//! gRPC calls and streams. They belong to the root context, whichever context opens them.

use std::time::Duration;

use super::headers::pairs;
use super::{Guest, Result, slice};
use crate::grpc::{GrpcAction, GrpcCall, Service, is_call, is_stream, service};
use crate::status::Status;
use crate::vm::Vm;

/// Where the parts of a call stand in the guest's memory.
struct Parts {
    service: (u32, u32),
    name: (u32, u32),
    method: (u32, u32),
    metadata: (u32, u32),
    message: Option<(u32, u32)>,
}

#[expect(clippy::too_many_arguments, reason = "the ABI's own parameters")]
pub(super) fn grpc_call(
    guest: &mut Guest<'_>,
    service: u32,
    service_size: u32,
    name: u32,
    name_size: u32,
    method: u32,
    method_size: u32,
    metadata: u32,
    metadata_size: u32,
    message: u32,
    message_size: u32,
    timeout: u32,
    token_at: u32,
) -> Result {
    let parts = Parts {
        service: (service, service_size),
        name: (name, name_size),
        method: (method, method_size),
        metadata: (metadata, metadata_size),
        message: Some((message, message_size)),
    };
    open(guest, &parts, Duration::from_millis(timeout.into()), token_at)
}

#[expect(clippy::too_many_arguments, reason = "the ABI's own parameters")]
pub(super) fn grpc_stream(
    guest: &mut Guest<'_>,
    service: u32,
    service_size: u32,
    name: u32,
    name_size: u32,
    method: u32,
    method_size: u32,
    metadata: u32,
    metadata_size: u32,
    token_at: u32,
) -> Result {
    let parts = Parts {
        service: (service, service_size),
        name: (name, name_size),
        method: (method, method_size),
        metadata: (metadata, metadata_size),
        message: None,
    };
    open(guest, &parts, Duration::ZERO, token_at)
}

fn open(guest: &mut Guest<'_>, parts: &Parts, timeout: Duration, token_at: u32) -> Result {
    let (memory, vm) = guest.split();
    let part = |(at, size)| slice(memory, at, size);
    let (wanted, name) = (part(parts.service)?, part(parts.name)?);
    let (method, metadata) = (part(parts.method)?, part(parts.metadata)?);
    let message = parts.message.map(part).transpose()?;
    let is_known = |name: &[u8]| vm.plugin.clusters.iter().any(|cluster| cluster == name);
    let (cluster, is_there) = match service(wanted) {
        Some(Service::Cluster(cluster)) => {
            let is_there = is_known(&cluster);
            (cluster, is_there)
        }
        // Whether a target answers shows later, when it is connected to.
        Some(Service::Target(target)) => (target, true),
        Some(Service::None) => return Err(Status::BadArgument.into()),
        None if is_known(wanted) => (wanted.to_vec(), true),
        None => return Err(Status::ParseFailure.into()),
    };
    let limits = &vm.plugin.limits;
    let size = message.map_or(0, <[u8]>::len);
    if vm.in_flight + vm.grpc.links.len() >= limits.http_calls || size > limits.body_bytes {
        return Err(Status::InternalFailure.into());
    }
    let metadata = pairs(vm, metadata);
    for kept in [name, method, &cluster] {
        vm.keepable(kept)?;
    }
    vm.send(size + metadata.byte_size())?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let call = GrpcCall {
        worker: vm.worker,
        token: vm.grpc.take_token(message.is_none()),
        cluster,
        service: text(name),
        method: text(method),
        metadata,
        messages: message.map(<[u8]>::to_vec).into_iter().collect(),
        timeout,
        stream: message.is_none(),
        ended: message.is_some(),
        cancelled: false,
        at: vm.clock.now(),
    };
    let token = call.token;
    vm.grpc.links.entry(token).or_default();
    if !is_there {
        vm.grpc.actions.push(GrpcAction::Unavailable(token));
        return Err(Status::InternalFailure.into());
    }
    vm.grpc.actions.push(GrpcAction::Open(call));
    guest.write_u32(token_at, token)
}

pub(super) fn grpc_send(
    guest: &mut Guest<'_>,
    token: u32,
    message: u32,
    message_size: u32,
    end: u32,
) -> Result {
    let (memory, vm) = guest.split();
    let message = slice(memory, message, message_size)?;
    if !is_stream(token) {
        return Err(Status::BadArgument.into());
    }
    // What is sent on a stream that the service has ended goes nowhere, and Envoy does not look where: here it is not found.
    let link = vm.grpc.links.get_mut(&token).filter(|link| !link.remote_closed).ok_or(Status::NotFound)?;
    if message.len() > vm.plugin.limits.body_bytes || vm.grpc.actions.len() >= vm.plugin.limits.http_calls {
        return Err(Status::InternalFailure.into());
    }
    let goes_out = !link.local_closed;
    link.ended |= end != 0;
    vm.send(message.len())?;
    if goes_out {
        vm.grpc.actions.push(GrpcAction::Send { token, message: message.to_vec(), end: end != 0 });
    }
    Ok(())
}

pub(super) fn grpc_cancel(guest: &mut Guest<'_>, token: u32) -> Result {
    let vm = guest.vm();
    known(vm, token)?;
    vm.grpc.links.remove(&token);
    vm.grpc.actions.push(GrpcAction::Cancel(token));
    Ok(())
}

/// Ends the guest's side of a stream; of a call that is to cancel it.
pub(super) fn grpc_close(guest: &mut Guest<'_>, token: u32) -> Result {
    if is_call(token) {
        return grpc_cancel(guest, token);
    }
    let vm = guest.vm();
    known(vm, token)?;
    if let Some(link) = vm.grpc.links.get_mut(&token) {
        link.ended = true;
        if !std::mem::replace(&mut link.local_closed, true) {
            vm.grpc.actions.push(GrpcAction::End(token));
        }
        if link.remote_closed {
            vm.grpc.links.remove(&token);
        }
    }
    Ok(())
}

fn known(vm: &Vm, token: u32) -> Result {
    if !is_call(token) && !is_stream(token) {
        return Err(Status::BadArgument.into());
    }
    if vm.grpc.links.contains_key(&token) { Ok(()) } else { Err(Status::NotFound.into()) }
}
