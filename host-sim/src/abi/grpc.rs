//! gRPC calls. This host has no gRPC clusters: calls are refused as Envoy refuses a service it cannot parse.

use super::{Guest, Result};
use crate::status::Status;

/// What the two low bits of a token say it is of.
const KIND: u32 = 3;
const CALL: u32 = 1;
const STREAM: u32 = 2;

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
    _timeout: u32,
    _token_at: u32,
) -> Result {
    guest.bytes(message, message_size)?;
    grpc_stream(
        guest,
        service,
        service_size,
        name,
        name_size,
        method,
        method_size,
        metadata,
        metadata_size,
        0,
    )
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
    _token_at: u32,
) -> Result {
    for (at, size) in
        [(service, service_size), (name, name_size), (method, method_size), (metadata, metadata_size)]
    {
        guest.bytes(at, size)?;
    }
    Err(Status::ParseFailure.into())
}

pub(super) fn grpc_send(
    guest: &mut Guest<'_>,
    token: u32,
    message: u32,
    message_size: u32,
    _end: u32,
) -> Result {
    guest.bytes(message, message_size)?;
    // Calls take no further messages.
    Err(if token & KIND == STREAM { Status::NotFound } else { Status::BadArgument }.into())
}

pub(super) fn grpc_cancel(_: &mut Guest<'_>, token: u32) -> Result {
    Err(if matches!(token & KIND, CALL | STREAM) { Status::NotFound } else { Status::BadArgument }.into())
}
