//! WASI preview 1 as gateways provide it: arguments, environment, clocks, randomness, and what has no use in a proxy. Every answer
//! is Envoy 1.40's; what concerns files is in `wasi_files.rs`.

use wasmtime::Caller;

use super::{Abort, Guest, Result, check_plain, slice_mut};
use crate::status::Status;
use crate::vm::{Scope, Vm};

pub(super) const EBADF: u32 = 8;
pub(super) const EEXIST: u32 = 20;
const EFAULT: u32 = 21;
pub(super) const EINVAL: u32 = 28;
pub(super) const ENOENT: u32 = 44;
pub(super) const ENOSYS: u32 = 52;
pub(super) const ENOTSUP: u32 = 58;

/// Bytes that `random_get` gives at once.
const RANDOM_BYTES: u32 = 64 << 10;

/// WASI's word for an address that is out of bounds.
pub(super) fn fault<T>(result: Result<T>) -> Result<T> {
    result.map_err(|abort| match abort {
        Abort::Status(Status::InvalidMemoryAccess) => Abort::Errno(EFAULT),
        other => other,
    })
}

pub(super) fn environ_get(guest: &mut Guest<'_>, pointers_at: u32, text_at: u32) -> Result {
    let plugin = std::sync::Arc::clone(&guest.vm().plugin);
    let (mut pointer, mut text) = (pointers_at, text_at);
    for (name, value) in &plugin.environment {
        let entry = format!("{name}={value}\0");
        fault(guest.write_u32(pointer, text))?;
        fault(guest.write(text, entry.as_bytes()))?;
        pointer = pointer.checked_add(4).ok_or(Abort::Errno(EFAULT))?;
        text = text.checked_add(entry.len() as u32).ok_or(Abort::Errno(EFAULT))?;
    }
    Ok(())
}

pub(super) fn environ_sizes_get(guest: &mut Guest<'_>, count_at: u32, size_at: u32) -> Result {
    let environment = &guest.vm().plugin.environment;
    let count = environment.len() as u32;
    let size = environment.iter().map(|(name, value)| name.len() + value.len() + 2).sum::<usize>() as u32;
    fault(guest.write_u32(count_at, count))?;
    fault(guest.write_u32(size_at, size))
}

pub(super) fn args_get(_: &mut Guest<'_>, _: u32, _: u32) -> Result {
    Ok(())
}

pub(super) fn args_sizes_get(guest: &mut Guest<'_>, count_at: u32, size_at: u32) -> Result {
    fault(guest.write_u32(count_at, 0))?;
    fault(guest.write_u32(size_at, 0))
}

/// The wall clock and the monotonic one.
fn known(clock: u32) -> Result {
    if clock > 1 { Err(Abort::Errno(ENOTSUP)) } else { Ok(()) }
}

/// The wall clock and, for languages that insist on one, a monotonic clock that shows the same.
pub(super) fn clock_time_get(guest: &mut Guest<'_>, clock: u32, _: u64, time_at: u32) -> Result {
    known(clock)?;
    let now = guest.vm().clock.now();
    fault(guest.write_u64(time_at, now))
}

/// One nanosecond.
pub(super) fn clock_res_get(guest: &mut Guest<'_>, clock: u32, resolution_at: u32) -> Result {
    known(clock)?;
    fault(guest.write_u64(resolution_at, 1))
}

pub(super) fn random_get(guest: &mut Guest<'_>, at: u32, len: u32) -> Result {
    if len > RANDOM_BYTES {
        return Err(Abort::Errno(EINVAL));
    }
    if len == 0 {
        return Ok(());
    }
    let (memory, vm) = guest.split();
    let bytes = fault(slice_mut(memory, at, len as usize))?;
    if vm.rng.fill(bytes) { Ok(()) } else { Err(Abort::Errno(ENOSYS)) }
}

pub(super) fn sched_yield(_: &mut Guest<'_>) -> Result {
    Ok(())
}

/// Nothing is ever waited for: there are no events.
pub(super) fn poll_oneoff(guest: &mut Guest<'_>, _: u32, _: u32, _: u32, events_at: u32) -> Result {
    fault(guest.write_u32(events_at, 0))
}

pub(super) fn sock_accept(guest: &mut Guest<'_>, _: u32, _: u32, fd_at: u32) -> Result {
    fault(guest.write_u64(fd_at, 0))?;
    Err(Abort::Errno(ENOTSUP))
}

pub(super) fn sock_recv(
    guest: &mut Guest<'_>,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    read_at: u32,
    flags_at: u32,
) -> Result {
    fault(guest.write_u32(read_at, 0))?;
    fault(guest.write(flags_at, &[0; 2]))?;
    Err(Abort::Errno(ENOTSUP))
}

pub(super) fn sock_send(guest: &mut Guest<'_>, _: u32, _: u32, _: u32, _: u32, written_at: u32) -> Result {
    fault(guest.write_u32(written_at, 0))?;
    Err(Abort::Errno(ENOTSUP))
}

pub(super) fn sock_shutdown(_: &mut Guest<'_>, _: u32, _: u32) -> Result {
    Err(Abort::Errno(ENOTSUP))
}

/// Gateways go on as if nothing had been said; languages that expect not to come back trap then.
pub(super) fn proc_exit(mut caller: Caller<'_, Vm>, _code: u32) -> wasmtime::Result<()> {
    check_plain(&mut caller, "proc_exit", Scope::Full)
}
