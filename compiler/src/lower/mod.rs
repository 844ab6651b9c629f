//! From the official crate's syntax trees to the tables of an image.

mod expr;
mod fold;
mod policy;
mod schema;

pub(crate) use policy::policy;
pub(crate) use schema::schema;
