//! What a host calls, by the names of the ABI. No order of calls and no context that was never made is a reason to trap: a
//! request of which nothing is known is refused, and everything else that makes no sense does nothing.

use crate::host::{self, Level};
use crate::vm::{Action, Vm};
use std::cell::RefCell;

thread_local! {
    static VM: RefCell<Vm> = const { RefCell::new(Vm::new()) };
}

/// Runs a callback; `otherwise` is what a host gets that calls while it is being called.
fn with<T>(otherwise: T, run: impl FnOnce(&mut Vm) -> T) -> T {
    let ran = VM.try_with(|vm| vm.try_borrow_mut().ok().map(|mut vm| run(&mut vm)));
    ran.ok().flatten().unwrap_or(otherwise)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    std::panic::set_hook(Box::new(|fault| {
        // The place alone: a fault's own words may quote what was being handled, tokens among it.
        let (file, line) = fault.location().map_or(("an unknown place", 0), |at| (at.file(), at.line()));
        host::log(
            Level::Critical,
            &format!("a fault of Countersign's at {file}:{line} ends this VM, please report it"),
        );
    }));
}

/// Memory for what the host hands over; [`host`] takes it back as a `Vec` of just this size.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    match std::alloc::Layout::array::<u8>(size) {
        Ok(layout) if size == 0 => layout.dangling_ptr().as_ptr(),
        // SAFETY: the layout is not of size 0.
        Ok(layout) => unsafe { std::alloc::alloc(layout) },
        Err(_) => std::ptr::null_mut(),
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, root: u32) {
    with((), |vm| vm.create(context, root));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_context: u32, _configuration_size: usize) -> u32 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(root: u32, _configuration_size: usize) -> u32 {
    u32::from(with(false, |vm| vm.configure(root)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(root: u32) {
    with((), |vm| vm.tick(root));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(
    root: u32,
    token: u32,
    _headers: usize,
    body_size: usize,
    _trailers: usize,
) {
    with((), |vm| vm.call_answered(root, token, body_size));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context: u32, _count: usize, _end: u32) -> u32 {
    with(Action::Pause, |vm| vm.request_headers(context)) as u32
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(context: u32, _size: usize, _end: u32) -> u32 {
    with(Action::Pause, |vm| vm.request_body(context)) as u32
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(context: u32, count: usize) -> u32 {
    with(Action::Pause, |vm| vm.request_trailers(context, count)) as u32
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context: u32) {
    with((), |vm| vm.delete(context));
}
