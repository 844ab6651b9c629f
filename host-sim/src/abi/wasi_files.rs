//! Files of WASI preview 1, of which gateways have none: what is written to descriptors 1 and 2 goes to the log, other
//! descriptors are not there, and neither are paths. Every answer is Envoy 1.40's.

use super::wasi::{EBADF, EEXIST, EINVAL, ENOENT, ENOSYS, ENOTSUP, fault};
use super::{Abort, Guest, Result};
use crate::log::LogLevel;

/// Vectors that one write may gather.
const VECTORS: u32 = 1024;

/// The level that standard output or standard error is logged at.
fn level(fd: u32) -> Result<LogLevel> {
    match fd {
        1 => Ok(LogLevel::Info),
        2 => Ok(LogLevel::Error),
        _ => Err(Abort::Errno(EBADF)),
    }
}

/// What is done to an output leaves it as it is.
fn output(fd: u32) -> Result {
    level(fd).map(drop)
}

pub(super) fn fd_write(
    guest: &mut Guest<'_>,
    fd: u32,
    vectors: u32,
    vectors_len: u32,
    written_at: u32,
) -> Result {
    let level = level(fd)?;
    if vectors_len > VECTORS {
        return Err(Abort::Errno(EINVAL));
    }
    // Where nothing is to be read, it does not matter from where.
    let list = match vectors_len {
        0 => Vec::new(),
        _ => fault(guest.bytes(vectors, vectors_len * 8))?.to_vec(),
    };
    let keep = guest.vm().plugin.limits.log_line_bytes;
    let (mut text, mut written) = (Vec::new(), 0_u32);
    for vector in list.chunks_exact(8) {
        let word =
            |at: usize| vector.get(at..at + 4).and_then(|w| w.try_into().ok()).map_or(0, u32::from_le_bytes);
        if word(4) == 0 {
            continue;
        }
        let bytes = fault(guest.bytes(word(0), word(4)))?;
        if text.len() < keep {
            text.extend_from_slice(bytes);
        }
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

/// As `fd_write`: an output has no places.
pub(super) fn fd_pwrite(
    guest: &mut Guest<'_>,
    fd: u32,
    vectors: u32,
    vectors_len: u32,
    _: i64,
    written_at: u32,
) -> Result {
    fd_write(guest, fd, vectors, vectors_len, written_at)
}

pub(super) fn fd_read(_: &mut Guest<'_>, _: u32, _: u32, _: u32, _: u32) -> Result {
    Err(Abort::Errno(ENOSYS))
}

pub(super) fn fd_pread(_: &mut Guest<'_>, _: u32, _: u32, _: u32, _: i64, _: u32) -> Result {
    Err(Abort::Errno(ENOSYS))
}

pub(super) fn fd_seek(_: &mut Guest<'_>, _: u32, _: i64, _: u32, _: u32) -> Result {
    Ok(())
}

pub(super) fn fd_tell(guest: &mut Guest<'_>, fd: u32, offset_at: u32) -> Result {
    output(fd)?;
    fault(guest.write_u64(offset_at, 0))
}

pub(super) fn fd_close(_: &mut Guest<'_>, _: u32) -> Result {
    Ok(())
}

pub(super) fn fd_advise(_: &mut Guest<'_>, _: u32, _: i64, _: i64, _: u32) -> Result {
    Ok(())
}

pub(super) fn fd_allocate(_: &mut Guest<'_>, fd: u32, _: i64, _: i64) -> Result {
    output(fd)
}

pub(super) fn fd_datasync(_: &mut Guest<'_>, fd: u32) -> Result {
    output(fd)
}

pub(super) fn fd_sync(_: &mut Guest<'_>, fd: u32) -> Result {
    output(fd)
}

/// 24 bytes, all zero but the right to write.
pub(super) fn fd_fdstat_get(guest: &mut Guest<'_>, fd: u32, stat_at: u32) -> Result {
    output(fd)?;
    let mut stat = [0_u8; 24];
    stat[8] = 64;
    // An address out of bounds passes.
    let _ = guest.write(stat_at, &stat);
    Ok(())
}

pub(super) fn fd_fdstat_set_flags(_: &mut Guest<'_>, _: u32, _: u32) -> Result {
    Err(Abort::Errno(ENOSYS))
}

pub(super) fn fd_fdstat_set_rights(_: &mut Guest<'_>, fd: u32, _: i64, _: i64) -> Result {
    output(fd)
}

pub(super) fn fd_filestat_get(_: &mut Guest<'_>, _: u32, _: u32) -> Result {
    Err(Abort::Errno(EBADF))
}

pub(super) fn fd_filestat_set_size(_: &mut Guest<'_>, fd: u32, _: i64) -> Result {
    output(fd)
}

pub(super) fn fd_filestat_set_times(_: &mut Guest<'_>, fd: u32, _: i64, _: i64, _: u32) -> Result {
    output(fd)
}

pub(super) fn fd_prestat_get(_: &mut Guest<'_>, _: u32, _: u32) -> Result {
    Err(Abort::Errno(EBADF))
}

pub(super) fn fd_prestat_dir_name(_: &mut Guest<'_>, _: u32, _: u32, _: u32) -> Result {
    Err(Abort::Errno(ENOSYS))
}

pub(super) fn fd_readdir(guest: &mut Guest<'_>, _: u32, _: u32, _: u32, _: i64, used_at: u32) -> Result {
    fault(guest.write_u32(used_at, 0))?;
    // As gateways have it, who mean ENOTDIR.
    Err(Abort::Errno(EEXIST))
}

pub(super) fn fd_renumber(_: &mut Guest<'_>, fd: u32, _: u32) -> Result {
    output(fd)?;
    Err(Abort::Errno(ENOTSUP))
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

pub(super) fn path_create_directory(_: &mut Guest<'_>, _: u32, _: u32, _: u32) -> Result {
    Err(Abort::Errno(ENOTSUP))
}

pub(super) fn path_filestat_get(_: &mut Guest<'_>, _: u32, _: u32, _: u32, _: u32, _: u32) -> Result {
    Err(Abort::Errno(ENOTSUP))
}

#[expect(clippy::too_many_arguments, reason = "the interface's own parameters")]
pub(super) fn path_filestat_set_times(
    _: &mut Guest<'_>,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    _: i64,
    _: i64,
    _: u32,
) -> Result {
    Err(Abort::Errno(ENOTSUP))
}

/// The interface has seven parameters. Gateways have six, and so refuse modules that import it as it should be.
pub(super) fn path_link(_: &mut Guest<'_>, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32) -> Result {
    Err(Abort::Errno(ENOTSUP))
}

pub(super) fn path_readlink(
    guest: &mut Guest<'_>,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    used_at: u32,
) -> Result {
    fault(guest.write_u32(used_at, 0))?;
    Err(Abort::Errno(ENOTSUP))
}

pub(super) fn path_remove_directory(_: &mut Guest<'_>, _: u32, _: u32, _: u32) -> Result {
    Err(Abort::Errno(ENOTSUP))
}

pub(super) fn path_rename(_: &mut Guest<'_>, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32) -> Result {
    Err(Abort::Errno(ENOTSUP))
}

/// The interface has five parameters, gateways have four; as with `path_link`.
pub(super) fn path_symlink(_: &mut Guest<'_>, _: u32, _: u32, _: u32, _: u32) -> Result {
    Err(Abort::Errno(ENOTSUP))
}

pub(super) fn path_unlink_file(_: &mut Guest<'_>, _: u32, _: u32, _: u32) -> Result {
    Err(Abort::Errno(ENOTSUP))
}
