//! Calls to clusters over HTTP.

use std::time::Duration;

use super::headers::pairs;
use super::{Guest, Result, slice};
use crate::grpc::TOKEN_STEP;
use crate::outcome::HttpCall;
use crate::status::Status;

#[expect(clippy::too_many_arguments, reason = "the ABI's own parameters")]
pub(super) fn http_call(
    guest: &mut Guest<'_>,
    cluster: u32,
    cluster_size: u32,
    headers: u32,
    headers_size: u32,
    body: u32,
    body_size: u32,
    trailers: u32,
    trailers_size: u32,
    timeout: u32,
    token_at: u32,
) -> Result {
    for (at, size) in
        [(cluster, cluster_size), (body, body_size), (headers, headers_size), (trailers, trailers_size)]
    {
        guest.bytes(at, size)?;
    }
    // Written before anything is sent, so that a bad pointer is found.
    guest.write_u32(token_at, 0)?;
    let (memory, vm) = guest.split();
    let cluster = slice(memory, cluster, cluster_size)?;
    let body = slice(memory, body, body_size)?;
    let headers = slice(memory, headers, headers_size)?;
    let trailers = slice(memory, trailers, trailers_size)?;
    let timeout = i32::try_from(timeout).map_err(|_| Status::BadArgument)?;
    if !vm.plugin.clusters.iter().any(|c| c == cluster) {
        return Err(Status::BadArgument.into());
    }
    let mut headers = pairs(vm, headers);
    if [":method", ":path", ":authority"].iter().any(|name| headers.get(name).is_none()) {
        return Err(Status::BadArgument.into());
    }
    if vm.in_flight >= vm.plugin.limits.http_calls || body.len() > vm.plugin.limits.body_bytes {
        return Err(Status::InternalFailure.into());
    }
    if !body.is_empty() {
        headers.set(b"content-length", body.len().to_string().as_bytes());
    }
    let trailers = pairs(vm, trailers);
    vm.send(body.len() + headers.byte_size() + trailers.byte_size() + cluster.len())?;
    vm.next_token = vm.next_token.checked_add(TOKEN_STEP).unwrap_or(TOKEN_STEP);
    let token = vm.next_token;
    let call = HttpCall {
        worker: vm.worker,
        token,
        cluster: cluster.to_vec(),
        headers,
        body: body.to_vec(),
        trailers,
        timeout: Duration::from_millis(timeout.unsigned_abs().into()),
        at: vm.clock.now(),
    };
    vm.outgoing.push(call);
    vm.in_flight += 1;
    guest.write_u32(token_at, token)
}
