//! File handles: what a gateway may open at once.

/// Takes as many as the system allows this process. How many that are; more than anybody counts where it has no such limit.
#[cfg(unix)]
pub(crate) fn take_all() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let whole = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Where more cannot be had, what there is has to do.
    let taken = if setrlimit(Resource::Nofile, whole).is_ok() { limit.maximum } else { limit.current };
    taken.unwrap_or(u64::MAX)
}

/// The same where there are none.
#[cfg(not(unix))]
pub(crate) fn take_all() -> u64 {
    u64::MAX
}
