//! The module in the simulator.

mod body;
mod configure;
mod credentials;
mod faults;
mod keys;
mod opaque;
mod page;
mod party;
mod profile;
mod revocation;
mod serve;
mod signatures;
mod upstream;
