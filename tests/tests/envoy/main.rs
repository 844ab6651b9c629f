//! Real Envoy with the real issuer.

mod api_key;
mod body;
mod bound;
mod chain;
mod endings;
mod example;
mod flow;
mod forwarded;
mod harness;
mod hops;
mod hostile;
mod keys;
mod metadata;
mod modules;
mod opaque;
mod probe;
mod reload;
mod requests;
mod revocation;
mod scenarios;
mod signatures;
mod svid;
mod wasi;
