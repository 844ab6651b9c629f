//! What is fetched about an issuer's tokens, by the configuration.

use crate::fetch::Source;
use crate::time::Span;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// What an issuer publishes about its tokens.
#[derive(Clone, Debug)]
pub struct RevocationSettings {
    /// Its status lists, by their places among all documents.
    pub lists: Vec<usize>,
    /// Its feed, likewise.
    pub feed: Option<usize>,
    /// Whether every signed token must have a status.
    pub status_required: bool,
}

/// A document that is fetched.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The issuer's place in the settings.
    pub issuer: usize,
    /// What it is.
    pub kind: Kind,
    /// Its address, by which tokens refer to it and which it names itself.
    pub uri: Box<str>,
    /// Where it is fetched from.
    pub source: Source,
    /// The most entries of a feed; the most bytes of a list once inflated.
    pub max_entries: usize,
    /// How long after its `iat` it is relied on, where that is bounded.
    pub max_age: Option<Span>,
}

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Token Status List.
    StatusList,
    /// A revocation feed.
    Feed,
}

impl Kind {
    /// What it is called in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StatusList => "status list",
            Self::Feed => "revocation feed",
        }
    }

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::StatusList => "application/statuslist+jwt",
            Self::Feed => "application/revocations+jwt",
        }
    }
}
