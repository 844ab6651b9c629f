//! Requests written down without their credentials, and what is needed to send them again.

mod compare;
pub(crate) mod format;
mod mint;
mod read;
mod write;

pub(crate) use compare::{Difference, Kind, difference, outcome};
pub(crate) use mint::Mint;
pub(crate) use read::{Entry, Origin, Read, read};
pub(crate) use write::Writer;
