//! The policy evaluator as a WebAssembly module: an image and requests in, decisions out. It imports nothing.
//!
//! A host asks [`countersign_policy_input`] for room, writes bytes there, and calls one of the functions that read them. What they
//! return says how it went; what there is to read stands at [`countersign_policy_output`] until the next call.
//! An answer is 32-bit little-endian numbers, as [`Session::evaluate`](session::Session::evaluate) describes them; a fault is a text.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]

pub mod session;

use std::cell::RefCell;

use session::Session;

/// Returned where something went wrong; the output says what.
pub const FAULT: u32 = u32::MAX;

thread_local! {
    // A module has one thread, and so one session.
    static SESSION: RefCell<Session> = const { RefCell::new(Session::new()) };
}

fn with<T>(act: impl FnOnce(&mut Session) -> T) -> T {
    SESSION.with_borrow_mut(act)
}

/// Room for `length` bytes of input, zeroed; null where that is more than a session takes.
#[unsafe(no_mangle)]
pub extern "C" fn countersign_policy_input(length: u32) -> *mut u8 {
    with(|session| session.input(length as usize).map_or(std::ptr::null_mut(), <[u8]>::as_mut_ptr))
}

/// Takes the input for the policy image, and forgets all requests. 0, or [`FAULT`].
#[unsafe(no_mangle)]
pub extern "C" fn countersign_policy_load() -> u32 {
    with(Session::load)
}

/// Takes the input for a request and keeps it. Its number, or [`FAULT`].
#[unsafe(no_mangle)]
pub extern "C" fn countersign_policy_request() -> u32 {
    with(Session::request)
}

/// Forgets all requests.
#[unsafe(no_mangle)]
pub extern "C" fn countersign_policy_forget() {
    with(Session::forget);
}

/// Answers the kept request `number`. 1 for allow, 0 for deny, or [`FAULT`].
#[unsafe(no_mangle)]
pub extern "C" fn countersign_policy_evaluate(number: u32) -> u32 {
    with(|session| session.evaluate(number))
}

/// Takes the input for a request and answers it, without keeping it. As [`countersign_policy_evaluate`].
#[unsafe(no_mangle)]
pub extern "C" fn countersign_policy_answer() -> u32 {
    with(Session::answer)
}

/// Answers the kept requests in turn, `times` in all, and returns how many were allowed, or [`FAULT`].
#[unsafe(no_mangle)]
pub extern "C" fn countersign_policy_repeat(times: u32) -> u32 {
    with(|session| session.repeat(times))
}

/// Where the output stands.
#[unsafe(no_mangle)]
pub extern "C" fn countersign_policy_output() -> *const u8 {
    with(|session| session.output().as_ptr())
}

/// How many bytes the output has.
#[unsafe(no_mangle)]
pub extern "C" fn countersign_policy_output_length() -> u32 {
    with(|session| u32::try_from(session.output().len()).unwrap_or(0))
}
