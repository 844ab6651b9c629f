//! The host, by small modules that try what a host must bear.

mod any_calls;
mod as_envoy;
mod bounds;
mod calls;
mod common;
mod fail_policy;
mod faults;
mod foreign;
mod grpc;
mod headers;
mod hostile;
mod http2;
mod lifecycle;
mod loading;
mod measure;
mod net;
mod page;
mod profiles;
mod serve;
mod serve_http2;
mod serve_reload;
mod serve_watch;
mod shared;
mod streams;
mod tcp;
mod versions;
