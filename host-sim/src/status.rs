//! Status codes of host calls, as in the proxy-wasm ABI.

/// What a host call returns to the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// The thing named does not exist.
    NotFound = 1,
    /// An argument is out of its range, or does not fit the phase.
    BadArgument = 2,
    /// A value could not be serialized.
    SerializationFailure = 3,
    /// A value could not be parsed.
    ParseFailure = 4,
    /// A pointer or length lies outside the guest's memory.
    InvalidMemoryAccess = 6,
    /// There is nothing to give.
    Empty = 7,
    /// The compare-and-swap number is not the current one.
    CasMismatch = 8,
    /// The host could not do it.
    InternalFailure = 10,
    /// The host does not have this function.
    Unimplemented = 12,
}

/// Status that `proxy_get_status` reports for a call whose connection broke.
pub(crate) const BROKEN_CONNECTION: u32 = 11;
