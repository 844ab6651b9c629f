//! Documents of issuers that are fetched now and then: by one worker for all, ahead of time, and within a budget of staleness.
//!
//! A [`Schedule`] says when a document is fetched and how long it may be used, without I/O; a [`Keeper`] knows what to ask for, and
//! shares what came with the other workers. What a document means is for its [`Target`] to say.

mod board;
mod discovery;
mod freshness;
mod keeper;
mod location;
mod schedule;

pub use discovery::{Discovery, DiscoveryError};
pub use freshness::Freshness;
pub(crate) use keeper::{Keeper, News, Step};
pub use location::Location;
pub use schedule::{Missing, Schedule};

use crate::time::{Span, Timestamp};
use alloc::boxed::Box;
use alloc::string::String;

/// Where a document is, and how it is kept fresh. All of it is configuration (RFC 8725 §3.10).
#[derive(Clone, Debug)]
pub struct Source {
    /// The document to fetch, or where `discovery` is there, the one that says where it is.
    pub document: Location,
    /// OpenID discovery.
    pub discovery: Option<Discovery>,
    /// When to fetch.
    pub freshness: Freshness,
    /// The largest document that is taken, in bytes.
    pub max_bytes: usize,
    /// The source's name among what workers share: another for every document and way to it.
    pub name: Box<str>,
}

/// How a document came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brought {
    /// When it was asked for, whichever worker did: of what its source said later it says nothing.
    pub asked: Timestamp,
    /// How long its source takes to answer, or took lately.
    pub took: Span,
    /// How long its source says that it is fresh.
    pub said: Option<Span>,
}

/// Whom a document is fetched for.
pub(crate) trait Target {
    /// When it is fetched.
    fn schedule(&mut self) -> &mut Schedule;

    /// Takes a document that was brought. The error says what was expected.
    fn take(&mut self, document: &[u8], brought: Brought, now: Timestamp) -> Result<(), String>;
}
