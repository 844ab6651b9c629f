//! Scenario files: requests with credentials made on the spot, clusters that answer as scripted, and what must come of it.
//!
//! A [`Plan`] is a file, read and checked, with every case that it stands for; a [`Runner`] has engines go through them.

mod batch;
mod calls;
mod certificates;
mod check;
mod diff;
mod expand;
mod expect;
mod explain;
mod faults;
mod fixtures;
mod format;
mod grpc;
mod keys;
mod matrix;
mod opaque;
mod place;
mod plan;
mod real;
mod request;
mod revocation;
mod run;
mod schema;
mod short;
mod single;
mod subject;
#[cfg(test)]
mod tests;
mod token;
mod walk;
mod wire;
mod world;

pub(crate) use batch::Batch;
pub(crate) use expand::{expand, replace, used_names};
pub(crate) use plan::Plan;
pub use real::Plugin;
pub(crate) use run::{Runner, quoted};
pub(crate) use schema::schema;
pub(crate) use single::{Single, Singles};
pub(crate) use subject::{is_meant, nothing};
