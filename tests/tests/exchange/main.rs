//! The pipeline in memory: requests, tokens, keys, holders, and the configuration that says so.

mod api_key;
mod binding;
mod caches;
mod degrade;
mod delegation;
mod forwarded;
mod hostile;
mod keys;
mod opaque;
mod parties;
mod request;
mod revocation;
mod settings;
mod token;
mod upstream;
mod workers;
