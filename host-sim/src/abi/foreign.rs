//! Functions that a gateway lends by name.

use std::sync::Arc;

use super::{Guest, Result, slice};
use crate::foreign::built_in;
use crate::status::Status;

pub(super) fn call_foreign_function(
    guest: &mut Guest<'_>,
    name: u32,
    name_size: u32,
    argument: u32,
    argument_size: u32,
    data_at: u32,
    size_at: u32,
) -> Result {
    let (memory, vm) = guest.split();
    let name = slice(memory, name, name_size)?;
    let argument = slice(memory, argument, argument_size)?;
    let plugin = Arc::clone(&vm.plugin);
    let result = match (plugin.foreign.get(name), built_in(plugin.profile, name)) {
        (Some(function), _) => {
            function(argument).map(|result| Some(result).filter(|bytes| !bytes.is_empty()))
        }
        (None, Some(function)) => function(vm, argument),
        (None, None) => return Err(Status::NotFound.into()),
    };
    // A function that fails still writes that there is no result.
    let (result, status) = match result {
        Ok(result) => (result, None),
        Err(status) => (None, Some(status)),
    };
    // Either place may be left out by a guest that does not want the result.
    let bytes = result.as_deref().unwrap_or_default();
    let at = match (data_at, &result) {
        (0, _) | (_, None) => 0,
        (_, Some(empty)) if empty.is_empty() => guest.ask_allocator(0)?,
        (_, Some(result)) => guest.allocate(u32::try_from(result.len()).unwrap_or(u32::MAX))?,
    };
    if data_at != 0 {
        if !bytes.is_empty() {
            guest.write(at, bytes)?;
        }
        guest.write_u32(data_at, at)?;
    }
    if size_at != 0 {
        guest.write_u32(size_at, bytes.len() as u32)?;
    }
    status.map_or(Ok(()), |status| Err(status.into()))
}
