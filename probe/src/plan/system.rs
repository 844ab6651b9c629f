//! Questions about the host itself: log, time, status, contexts, WASI.

use crate::arg::Arg::*;
use crate::arg::Probe;
use crate::host::Call::*;

/// An address beyond any memory.
pub(super) const NOWHERE: u32 = 0xffff_fff0;

/// Log, status, time.
pub(super) const HOST: &[Probe] = &[
    Probe(proxy_log, &[Number(0), Bytes(b"said trace")]),
    Probe(proxy_log, &[Number(1), Bytes(b"said debug")]),
    Probe(proxy_log, &[Number(2), Bytes(b"said info")]),
    Probe(proxy_log, &[Number(3), Bytes(b"said warn")]),
    Probe(proxy_log, &[Number(4), Bytes(b"said error")]),
    Probe(proxy_log, &[Number(5), Bytes(b"said critical")]),
    Probe(proxy_log, &[Number(6), Bytes(b"said more")]),
    Probe(proxy_log, &[Number(u32::MAX), Bytes(b"said most")]),
    Probe(proxy_log, &[Number(2), Bytes(b"")]),
    Probe(proxy_log, &[Number(2), At(0, 0)]),
    Probe(proxy_log, &[Number(2), At(NOWHERE, 4)]),
    Probe(proxy_log, &[Number(2), At(NOWHERE, 0)]),
    Probe(proxy_log, &[Number(2), At(16, u32::MAX)]),
    Probe(proxy_log, &[Number(0), At(NOWHERE, 4)]),
    Probe(proxy_log, &[Number(6), At(NOWHERE, 4)]),
    Probe(proxy_get_log_level, &[OutNumber]),
    Probe(proxy_get_log_level, &[OutAt(0)]),
    Probe(proxy_get_log_level, &[OutAt(NOWHERE)]),
    Probe(proxy_get_status, &[OutNumber, OutBytes]),
    Probe(proxy_get_status, &[OutAt(NOWHERE), OutBytes]),
    Probe(proxy_get_status, &[OutNumber, OutAt(NOWHERE), OutNumber]),
    Probe(proxy_get_status, &[OutNumber, OutHidden("place"), OutAt(NOWHERE)]),
    Probe(proxy_get_current_time_nanoseconds, &[OutTime]),
    Probe(proxy_get_current_time_nanoseconds, &[OutAt(0)]),
    Probe(proxy_get_current_time_nanoseconds, &[OutAt(NOWHERE)]),
];

/// Contexts and streams, as far as nothing happens by it.
pub(super) const CONTEXTS: &[Probe] = &[
    Probe(proxy_set_effective_context, &[Number(9999)]),
    Probe(proxy_set_effective_context, &[Number(u32::MAX)]),
    Probe(proxy_continue_stream, &[Number(2)]),
    Probe(proxy_continue_stream, &[Number(3)]),
    Probe(proxy_continue_stream, &[Number(4)]),
    Probe(proxy_continue_stream, &[Number(u32::MAX)]),
    Probe(proxy_close_stream, &[Number(4)]),
    Probe(proxy_close_stream, &[Number(u32::MAX)]),
    Probe(proxy_done, &[]),
    Probe(
        proxy_send_local_response,
        &[Number(200), At(NOWHERE, 4), Bytes(b""), Pairs(&[]), Number(u32::MAX)],
    ),
    Probe(
        proxy_send_local_response,
        &[Number(200), Bytes(b""), At(NOWHERE, 4), Pairs(&[]), Number(u32::MAX)],
    ),
    Probe(
        proxy_send_local_response,
        &[Number(200), Bytes(b""), Bytes(b""), At(NOWHERE, 4), Number(u32::MAX)],
    ),
];

/// Every function of WASI, but `proc_exit`.
pub(super) const WASI: &[Probe] = &[
    Probe(fd_write, &[Number(1), Pieces(&[b"said ", b"out\n"]), OutNumber]),
    Probe(fd_write, &[Number(2), Pieces(&[b"said err"]), OutNumber]),
    Probe(fd_write, &[Number(1), Pieces(&[]), OutNumber]),
    Probe(fd_write, &[Number(1), Pieces(&[b"", b""]), OutNumber]),
    Probe(fd_write, &[Number(1), Pieces(&[b"said no newline"]), OutAt(NOWHERE)]),
    Probe(fd_write, &[Number(0), Pieces(&[b"said in"]), OutNumber]),
    Probe(fd_write, &[Number(3), Pieces(&[b"said three"]), OutNumber]),
    Probe(fd_write, &[Number(1), At(NOWHERE, 1), OutNumber]),
    Probe(fd_write, &[Number(1), At(NOWHERE, 0), OutNumber]),
    Probe(fd_write, &[Number(3), At(NOWHERE, 1), OutNumber]),
    Probe(fd_read, &[Number(0), Pieces(&[b"x"]), OutNumber]),
    Probe(fd_read, &[Number(9), At(NOWHERE, 1), OutAt(NOWHERE)]),
    Probe(fd_seek, &[Number(1), Long(0), Number(0), OutLong]),
    Probe(fd_seek, &[Number(9), Long(-1), Number(9), OutAt(NOWHERE)]),
    Probe(fd_close, &[Number(1)]),
    Probe(fd_close, &[Number(9)]),
    Probe(fd_fdstat_get, &[Number(0), OutArea(24)]),
    Probe(fd_fdstat_get, &[Number(1), OutArea(24)]),
    Probe(fd_fdstat_get, &[Number(2), OutArea(24)]),
    Probe(fd_fdstat_get, &[Number(3), OutArea(24)]),
    Probe(fd_fdstat_get, &[Number(1), OutAt(NOWHERE)]),
    Probe(fd_fdstat_set_flags, &[Number(1), Number(0)]),
    Probe(fd_fdstat_set_flags, &[Number(9), Number(99)]),
    Probe(fd_prestat_get, &[Number(3), OutArea(8)]),
    Probe(fd_prestat_get, &[Number(0), OutAt(NOWHERE)]),
    Probe(fd_prestat_dir_name, &[Number(3), At(0, 4)]),
    Probe(
        path_open,
        &[Number(3), Number(0), Bytes(b"/etc/passwd"), Number(0), Long(0), Long(0), Number(0), OutNumber],
    ),
    Probe(
        path_open,
        &[Number(3), Number(0), At(NOWHERE, 4), Number(0), Long(0), Long(0), Number(0), OutAt(NOWHERE)],
    ),
    Probe(path_filestat_get, &[Number(3), Number(0), Bytes(b"/etc/passwd"), OutArea(64)]),
    Probe(path_filestat_get, &[Number(3), Number(0), At(NOWHERE, 4), OutAt(NOWHERE)]),
    Probe(sched_yield, &[]),
    Probe(poll_oneoff, &[OutArea(48), OutArea(32), Number(1), OutNumber]),
    Probe(poll_oneoff, &[OutAt(NOWHERE), OutAt(NOWHERE), Number(0), OutAt(NOWHERE)]),
    Probe(environ_sizes_get, &[OutNumber, OutNumber]),
    Probe(environ_sizes_get, &[OutAt(NOWHERE), OutNumber]),
    Probe(environ_sizes_get, &[OutNumber, OutAt(NOWHERE)]),
    Probe(environ_get, &[OutScratch(64), OutArea(64)]),
    Probe(environ_get, &[OutAt(NOWHERE), OutArea(64)]),
    Probe(environ_get, &[OutScratch(64), OutAt(NOWHERE)]),
    Probe(args_sizes_get, &[OutNumber, OutNumber]),
    Probe(args_sizes_get, &[OutAt(NOWHERE), OutNumber]),
    Probe(args_get, &[OutArea(8), OutArea(8)]),
    Probe(args_get, &[OutAt(NOWHERE), OutAt(NOWHERE)]),
    Probe(clock_time_get, &[Number(0), Long(0), OutTime]),
    Probe(clock_time_get, &[Number(1), Long(0), OutScratch(8)]),
    Probe(clock_time_get, &[Number(2), Long(0), OutTime]),
    Probe(clock_time_get, &[Number(99), Long(0), OutTime]),
    Probe(clock_time_get, &[Number(0), Long(0), OutAt(NOWHERE)]),
    Probe(clock_time_get, &[Number(2), Long(0), OutAt(NOWHERE)]),
    Probe(random_get, &[OutScratch(16), Number(16)]),
    Probe(random_get, &[OutScratch(1), Number(0)]),
    Probe(random_get, &[OutScratch(65_536), Number(65_536)]),
    Probe(random_get, &[OutScratch(65_537), Number(65_537)]),
    Probe(random_get, &[OutAt(NOWHERE), Number(32)]),
    Probe(random_get, &[OutAt(NOWHERE), Number(0)]),
];
