//! The host, by small modules that try what a host must bear.

mod any_calls;
mod as_envoy;
mod bounds;
mod calls;
mod common;
mod faults;
mod foreign;
mod grpc;
mod headers;
mod hostile;
mod lifecycle;
mod net;
mod page;
mod profiles;
mod serve;
mod shared;
mod streams;
mod tcp;
mod versions;
