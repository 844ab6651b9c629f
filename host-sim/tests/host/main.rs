//! The host, by small modules that try what a host must bear.

mod calls;
mod common;
mod faults;
mod headers;
mod hostile;
mod lifecycle;
mod measure;
mod net;
mod serve;
mod shared;
mod streams;
