//! The proxy-wasm shell around `countersign-core`: it reads what the host has, hands it to the core, and carries
//! out what the core asks for. Every decision is the core's.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

mod abi;
#[cfg(not(test))]
mod callbacks;
#[cfg(not(test))]
mod drive;
#[cfg(not(test))]
mod host;
mod pairs;
#[cfg(not(test))]
mod root;
#[cfg(not(test))]
mod shared;
#[cfg(not(test))]
mod signatures;
#[cfg(not(test))]
mod stream;
#[cfg(not(test))]
mod telemetry;
#[cfg(not(test))]
mod vm;
