//! The verification pipeline of Countersign.
//!
//! `no_std` with `alloc`, no I/O, no clock and no randomness: time, entropy and answers from the network
//! come in as arguments and events, and what is to be done goes out as effects.
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::std_instead_of_core, clippy::alloc_instead_of_core, clippy::std_instead_of_alloc)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::todo,
        clippy::indexing_slicing,
        clippy::string_slice
    )
)]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

pub mod api_key;
pub mod attribute;
mod authority;
pub mod base64url;
pub mod cache;
pub mod call;
pub mod config;
pub mod crypto;
pub mod decision;
mod dpop;
pub mod exchange;
pub mod fetch;
pub mod gateway;
pub mod introspection;
mod jitter;
pub mod jose;
pub mod json;
mod keyed_hash;
pub mod keys;
pub mod metrics;
pub mod party;
pub mod path;
pub mod policy;
pub mod reason;
pub mod refusal;
pub mod request;
pub mod revocation;
pub mod route;
pub mod settings;
pub mod shared;
mod signed;
pub mod spiffe;
pub mod step_up;
pub mod time;
pub mod token;
pub mod upstream_token;
pub mod xfcc;
