//! What issuers say of tokens after they were issued: Token Status Lists (draft-ietf-oauth-status-list-21) and revocation feeds, which are
//! Countersign's own (`docs/revocation-feed.md`).
//!
//! Both are signed documents that are fetched now and then and held compactly ([`Document`]); a token is then looked up without asking
//! anybody. Nothing in here fetches, or knows the time: the caller says what it expects of a document ([`Origin`]), with whose keys it is
//! verified ([`Keys`]), and when that is.

mod document;
mod entries;
mod feed;
mod inflate;
mod reference;
mod signed;
mod status_list;
mod table;
mod wanted;

#[cfg(test)]
mod testing;

pub(crate) use document::Fetched;
pub use document::{Document, DocumentHealth};
pub use feed::{By, Edition, Feed, FeedError, Identifiers};
pub use inflate::InflateError;
pub use reference::{Reference, ReferenceError};
pub use signed::{Keys, Origin, SignedError};
pub use status_list::{Status, StatusList, StatusListError};
pub use wanted::{Kind, RevocationSettings, Wanted};
