//! WASI preview 1 as gateways provide it: output goes to the log, there are no files.

use wasmtime::Caller;

use super::{Abort, Guest, Result};
use crate::log::LogLevel;
use crate::vm::Vm;

const EBADF: u32 = 8;
const EFAULT: u32 = 21;
const EINVAL: u32 = 28;
const ENOENT: u32 = 44;
const ENOSYS: u32 = 52;
const ENOTSUP: u32 = 58;

/// Bytes that `random_get` gives at once.
const RANDOM_BYTES: u32 = 64 << 10;
/// Vectors that one `fd_write` may gather.
const VECTORS: u32 = 1024;

fn fault<T>(result: Result<T>) -> Result<T> {
    result.map_err(|abort| match abort {
        Abort::Status(_) => Abort::Errno(EFAULT),
        other => other,
    })
}

pub(super) fn fd_write(
    guest: &mut Guest<'_>,
    fd: u32,
    vectors: u32,
    vectors_len: u32,
    written_at: u32,
) -> Result {
    let level = match fd {
        1 => LogLevel::Info,
        2 => LogLevel::Error,
        _ => return Err(Abort::Errno(EBADF)),
    };
    if vectors_len > VECTORS {
        return Err(Abort::Errno(EINVAL));
    }
    let list = fault(guest.bytes(vectors, vectors_len * 8))?.to_vec();
    let keep = guest.vm().plugin.limits.log_line_bytes;
    let (mut text, mut written) = (Vec::new(), 0_u32);
    for vector in list.chunks_exact(8) {
        let word =
            |at: usize| vector.get(at..at + 4).and_then(|w| w.try_into().ok()).map_or(0, u32::from_le_bytes);
        let bytes = fault(guest.bytes(word(0), word(4)))?;
        let room = keep.saturating_sub(text.len());
        text.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        written = written.saturating_add(word(4));
    }
    if !text.is_empty() {
        let vm = guest.vm();
        if level >= vm.plugin.log_level {
            vm.log(level, text.strip_suffix(b"\n").unwrap_or(&text));
        }
    }
    fault(guest.write_u32(written_at, written))
}

pub(super) fn fd_read(_: &mut Guest<'_>, _: u32, _: u32, _: u32, _: u32) -> Result {
    Err(Abort::Errno(ENOSYS))
}

pub(super) fn fd_seek(_: &mut Guest<'_>, _: u32, _: i64, _: u32, _: u32) -> Result {
    Ok(())
}

pub(super) fn fd_close(_: &mut Guest<'_>, _: u32) -> Result {
    Ok(())
}

pub(super) fn fd_fdstat_get(guest: &mut Guest<'_>, fd: u32, stat_at: u32) -> Result {
    if fd != 1 && fd != 2 {
        return Err(Abort::Errno(EBADF));
    }
    // 24 bytes, all zero but the right to write.
    let mut stat = [0_u8; 24];
    stat[8] = 64;
    fault(guest.write(stat_at, &stat))
}

pub(super) fn fd_fdstat_set_flags(_: &mut Guest<'_>, _: u32, _: u32) -> Result {
    Err(Abort::Errno(ENOSYS))
}

pub(super) fn fd_prestat_get(_: &mut Guest<'_>, _: u32, _: u32) -> Result {
    Err(Abort::Errno(EBADF))
}

pub(super) fn fd_prestat_dir_name(_: &mut Guest<'_>, _: u32, _: u32, _: u32) -> Result {
    Err(Abort::Errno(ENOSYS))
}

#[expect(clippy::too_many_arguments, reason = "the interface's own parameters")]
pub(super) fn path_open(
    _: &mut Guest<'_>,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    _: i64,
    _: i64,
    _: u32,
    _: u32,
) -> Result {
    Err(Abort::Errno(ENOENT))
}

pub(super) fn path_filestat_get(_: &mut Guest<'_>, _: u32, _: u32, _: u32, _: u32, _: u32) -> Result {
    Err(Abort::Errno(ENOSYS))
}

pub(super) fn sched_yield(_: &mut Guest<'_>) -> Result {
    Ok(())
}

pub(super) fn poll_oneoff(_: &mut Guest<'_>, _: u32, _: u32, _: u32, _: u32) -> Result {
    Err(Abort::Errno(ENOSYS))
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

/// The wall clock and, for languages that insist on one, a monotonic clock that shows the same.
pub(super) fn clock_time_get(guest: &mut Guest<'_>, clock: u32, _: u64, time_at: u32) -> Result {
    if clock > 1 {
        return Err(Abort::Errno(ENOTSUP));
    }
    let now = guest.vm().clock.now();
    fault(guest.write_u64(time_at, now))
}

pub(super) fn random_get(guest: &mut Guest<'_>, at: u32, len: u32) -> Result {
    if len > RANDOM_BYTES {
        return Err(Abort::Errno(EINVAL));
    }
    let (memory, vm) = guest.split();
    let bytes = fault(super::slice_mut(memory, at, len as usize))?;
    if vm.rng.fill(bytes) { Ok(()) } else { Err(Abort::Errno(ENOSYS)) }
}

/// Gateways log it and go on; the guest expects not to come back, so the VM ends here.
pub(super) fn proc_exit(_: Caller<'_, Vm>, code: u32) -> wasmtime::Result<()> {
    Err(wasmtime::Error::msg(format!("`proc_exit` called with {code}")))
}
