//! What host calls take of a callback's fuel, so that it is fuel that stops a guest which has the host do its work.

use super::{Guest, HostCall, trap};
use crate::error::FailureKind;

/// Fuel of any host call, about what entering the host takes.
const CALL: u64 = 256;
/// Fuel of a foreign function, such as an RSA signature, and how much more than copying a byte it does to one.
const FOREIGN: u64 = 100_000;
const FOREIGN_BYTE: u64 = 64;

/// Fuel of a unit of an expression's work.
const EXPRESSION: u64 = 64;

/// A number that a guest gives as a size.
pub(super) trait Size {
    fn size(self) -> u64;
}

impl Size for u32 {
    fn size(self) -> u64 {
        self.into()
    }
}

/// No size has one of these types.
macro_rules! no_size {
    ($($type:ty)+) => { $(impl Size for $type { fn size(self) -> u64 { 0 } })+ };
}

no_size!(i32 u64 i64);

/// Bytes that a parameter of this name tells of.
pub(super) fn told(name: &str, value: impl Size) -> u64 {
    if name.ends_with("size") || name.ends_with("len") { value.size() } else { 0 }
}

/// Takes the fuel of a host call that was made.
pub(super) fn charge(guest: &mut Guest<'_>, call: HostCall) -> wasmtime::Result<()> {
    let (once, each) = match call {
        HostCall::proxy_call_foreign_function => (FOREIGN, FOREIGN_BYTE),
        _ => (CALL, 1),
    };
    let expressions = std::mem::take(&mut guest.vm().expression_work).saturating_mul(EXPRESSION);
    let cost = guest.handled().saturating_mul(each).saturating_add(once).saturating_add(expressions);
    let left = guest.store().get_fuel()?;
    let taken = cost.min(left);
    guest.vm().host_fuel += taken;
    guest.store().set_fuel(left - taken)?;
    if taken < cost { Err(trap(FailureKind::Fuel, call.name())) } else { Ok(()) }
}
