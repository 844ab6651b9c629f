//! What modules of the C++ SDK's compiler import beside WASI.

use wasmtime::Caller;

use super::check_plain;
use crate::vm::{Scope, Vm};

/// Hosts look memory up anew at each call, so that there is nothing to do.
pub(super) fn notify_memory_growth(mut caller: Caller<'_, Vm>, _memory: u32) -> wasmtime::Result<()> {
    check_plain(&mut caller, "emscripten_notify_memory_growth", Scope::Allocate)
}

/// Whether two threads are one.
pub(super) fn pthread_equal(mut caller: Caller<'_, Vm>, left: u32, right: u32) -> wasmtime::Result<u32> {
    check_plain(&mut caller, "pthread_equal", Scope::Full)?;
    Ok(u32::from(left == right))
}
