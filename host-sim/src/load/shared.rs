//! Shared memories. One thread alone ever runs a VM, so that a memory that is shared with nobody else is a plain one: its flag is taken
//! out before the module is compiled, and all that holds of plain memories, limits among them, holds of it. What is left of sharing is
//! `memory.atomic.wait`, which traps: nobody could ever wake the worker that waits.

use wasmparser::{Parser, Payload};

/// The bit of a memory's flags that says that it is shared, and the one that says that it has a maximum.
const SHARED: u8 = 0b10;
const MAXIMUM: u8 = 0b01;

/// The module, in binary form, with the memories that it defines unshared. What is malformed is left to the compiler.
pub(crate) fn unshare(mut module: Vec<u8>) -> Vec<u8> {
    for at in places(&module) {
        if let Some(flags) = module.get_mut(at) {
            *flags &= !SHARED;
        }
    }
    module
}

/// Where the flags of its own memories are that are shared. One without a maximum is malformed, and stays so.
fn places(module: &[u8]) -> Vec<usize> {
    for payload in Parser::new(0).parse_all(module) {
        match payload {
            Ok(Payload::MemorySection(memories)) => {
                let offsets = memories.into_iter_with_offsets().map_while(Result::ok).map(|(at, _)| at);
                let shared = |at: &usize| {
                    module.get(*at).is_some_and(|flags| flags & (SHARED | MAXIMUM) == SHARED | MAXIMUM)
                };
                return offsets.filter(shared).collect();
            }
            // Memories come before code.
            Ok(Payload::CodeSectionStart { .. }) | Err(_) => break,
            Ok(_) => {}
        }
    }
    Vec::new()
}
