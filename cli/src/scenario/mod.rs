//! Scenario files: requests with credentials made on the spot, clusters that answer as scripted, and what must come of it.

mod check;
mod expand;
mod expect;
mod format;
mod keys;
mod opaque;
mod revocation;
mod run;
mod short;
#[cfg(test)]
mod tests;
mod token;
mod world;

pub(crate) use expand::{expand, replace, used_names};
pub(crate) use run::Plan;
