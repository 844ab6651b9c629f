//! Envoy's `compress` and `uncompress`: zlib's format (RFC 1950), bytes in and bytes out.

use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};

use crate::status::Status;
use crate::vm::Vm;

/// zlib's default.
const LEVEL: u8 = 6;

/// Compresses the argument. The bytes may be others than zlib's, and mean the same.
pub(super) fn compress(vm: &mut Vm, bytes: &[u8]) -> Result<Option<Vec<u8>>, Status> {
    if bytes.len() > vm.plugin.limits.body_bytes {
        return Err(Status::SerializationFailure);
    }
    Ok(Some(compress_to_vec_zlib(bytes, LEVEL)))
}

/// The argument as it was before it was compressed. What would be bigger than a body may be is refused, where Envoy goes on until
/// its memory is used up.
pub(super) fn uncompress(vm: &mut Vm, bytes: &[u8]) -> Result<Option<Vec<u8>>, Status> {
    let limit = vm.plugin.limits.body_bytes;
    decompress_to_vec_zlib_with_limit(bytes, limit).map(Some).map_err(|error| match error.status {
        TINFLStatus::HasMoreOutput => Status::InternalFailure,
        _ => Status::SerializationFailure,
    })
}
