//! The guest's side of a host call: its memory, and what is given to it there.

use wasmtime::{AsContextMut, Caller, Memory, StoreContextMut, ThrownException};

use super::{Abort, Result};
use crate::status::Status;
use crate::vm::{Scope, Vm};

/// The guest that is calling, with its memory.
pub(crate) struct Guest<'a> {
    caller: Caller<'a, Vm>,
    memory: Memory,
}

impl<'a> Guest<'a> {
    pub(crate) fn new(caller: Caller<'a, Vm>, memory: Memory) -> Self {
        Self { caller, memory }
    }

    pub(crate) fn store(&mut self) -> StoreContextMut<'_, Vm> {
        self.caller.as_context_mut()
    }

    pub(crate) fn vm(&mut self) -> &mut Vm {
        self.caller.data_mut()
    }

    /// Memory and data of the VM at once.
    pub(crate) fn split(&mut self) -> (&mut [u8], &mut Vm) {
        self.memory.data_and_store_mut(&mut self.caller)
    }

    /// Bytes of the guest's memory.
    pub(crate) fn bytes(&mut self, at: u32, len: u32) -> Result<&[u8]> {
        slice(self.memory.data(&self.caller), at, len)
    }

    pub(crate) fn write(&mut self, at: u32, bytes: &[u8]) -> Result {
        slice_mut(self.split().0, at, bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }

    pub(crate) fn write_u32(&mut self, at: u32, value: u32) -> Result {
        self.write(at, &value.to_le_bytes())
    }

    pub(crate) fn write_u64(&mut self, at: u32, value: u64) -> Result {
        self.write(at, &value.to_le_bytes())
    }

    /// Gives the guest what `fill` writes: allocates there, copies, and stores pointer and length.
    pub(crate) fn give(
        &mut self,
        pointer_at: u32,
        length_at: u32,
        fill: impl FnOnce(&mut Vm, &mut Vec<u8>) -> Result,
    ) -> Result {
        let mut scratch = std::mem::take(&mut self.vm().scratch);
        scratch.clear();
        let filled = fill(self.caller.data_mut(), &mut scratch);
        let given = filled.and_then(|()| self.give_bytes(&scratch, pointer_at, length_at));
        self.vm().scratch = scratch;
        given
    }

    pub(crate) fn give_bytes(&mut self, bytes: &[u8], pointer_at: u32, length_at: u32) -> Result {
        let len = u32::try_from(bytes.len()).map_err(|_| Status::InvalidMemoryAccess)?;
        let at = self.allocate(len)?;
        if len > 0 {
            self.write(at, bytes)?;
        }
        self.write_u32(pointer_at, at)?;
        self.write_u32(length_at, len)
    }

    /// Memory from the guest's own allocator; 0 for no bytes.
    pub(crate) fn allocate(&mut self, len: u32) -> Result<u32> {
        if len == 0 {
            return Ok(0);
        }
        match self.ask_allocator(len)? {
            0 => Err(Status::InvalidMemoryAccess.into()),
            at => Ok(at),
        }
    }

    /// What the guest's own allocator gives, for no bytes too.
    pub(crate) fn ask_allocator(&mut self, len: u32) -> Result<u32> {
        let vm = self.vm();
        let allocator = vm.allocator.clone().ok_or(Status::InvalidMemoryAccess)?;
        let scope = std::mem::replace(&mut vm.scope, Scope::Allocate);
        let at = allocator.call(&mut self.caller, len);
        self.vm().scope = scope;
        match at {
            Ok(at) => Ok(at),
            // An exception of the allocator is not for those to catch who called the host.
            Err(error) if error.is::<ThrownException>() => {
                self.caller.as_context_mut().take_pending_exception();
                Err(Abort::Trap(wasmtime::Error::msg("the allocator threw an exception")))
            }
            Err(error) => Err(Abort::Trap(error)),
        }
    }
}

pub(crate) fn slice(memory: &[u8], at: u32, len: u32) -> Result<&[u8]> {
    let from = at as usize;
    let bytes = from.checked_add(len as usize).and_then(|to| memory.get(from..to));
    bytes.ok_or(Abort::Status(Status::InvalidMemoryAccess))
}

pub(crate) fn slice_mut(memory: &mut [u8], at: u32, len: usize) -> Result<&mut [u8]> {
    let from = at as usize;
    let bytes = from.checked_add(len).and_then(|to| memory.get_mut(from..to));
    bytes.ok_or(Abort::Status(Status::InvalidMemoryAccess))
}
