//! Logging, status and time.

use super::{Guest, Result, slice};
use crate::log::LogLevel;
use crate::status::Status;

pub(super) fn log(guest: &mut Guest<'_>, level: u32, data: u32, size: u32) -> Result {
    let level = LogLevel::from_abi(level).ok_or(Status::BadArgument)?;
    let (memory, vm) = guest.split();
    let message = slice(memory, data, size)?;
    if level >= vm.plugin.log_level {
        vm.log(level, message);
    }
    Ok(())
}

pub(super) fn get_log_level(guest: &mut Guest<'_>, level_at: u32) -> Result {
    let level = guest.vm().plugin.log_level as u32;
    guest.write_u32(level_at, level)
}

pub(super) fn get_status(guest: &mut Guest<'_>, code_at: u32, data_at: u32, size_at: u32) -> Result {
    let (code, message) = guest.vm().status.clone();
    guest.write_u32(code_at, code)?;
    guest.give(data_at, size_at, |_, out| {
        out.extend_from_slice(message.as_bytes());
        Ok(())
    })
}

pub(super) fn get_current_time_nanoseconds(guest: &mut Guest<'_>, time_at: u32) -> Result {
    let now = guest.vm().clock.now();
    guest.write_u64(time_at, now)
}
