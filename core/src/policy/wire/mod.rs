//! Requests as bytes: how a host hands one to an evaluator that runs in another memory.
//!
//! A version in one byte; principal, action and resource; the context; a list of entities, each with its name,
//! attributes, tags and parents. Numbers, lists and values have the forms of the policy image (`docs/policy-image.md`), except
//! that texts stand where they are used. Members of records are in order and distinct.

mod read;
#[cfg(test)]
mod tests;
mod write;

use alloc::vec::Vec;

pub use read::WireError;

use super::value::{Entity, EntityUid, Record, Request};

/// The first byte of a request.
const VERSION: u8 = 1;
/// The most bytes that a request may take.
pub const MAX_REQUEST: usize = 4 * 1024 * 1024;
/// Requests with this many entities are asked without a list on the heap.
const FEW: usize = 16;

/// Kinds of values, as in the image's constants.
mod tag {
    pub(super) const FALSE: u8 = 0;
    pub(super) const TRUE: u8 = 1;
    pub(super) const LONG: u8 = 2;
    pub(super) const STRING: u8 = 3;
    pub(super) const ENTITY: u8 = 4;
    pub(super) const SET: u8 = 5;
    pub(super) const RECORD: u8 = 6;
    pub(super) const DECIMAL: u8 = 7;
    pub(super) const DATETIME: u8 = 8;
    pub(super) const DURATION: u8 = 9;
    pub(super) const IP_V4: u8 = 10;
    pub(super) const IP_V6: u8 = 11;
}

/// A request with everything it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedRequest {
    /// Who asks.
    pub principal: EntityUid,
    /// What is to be done.
    pub action: EntityUid,
    /// To what.
    pub resource: EntityUid,
    /// Everything else about the request.
    pub context: Record,
    /// The entities that it brings.
    pub entities: Vec<Entity>,
}

impl OwnedRequest {
    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    ///
    /// Where the bytes are longer than [`MAX_REQUEST`] or of another form.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        read::request(bytes)
    }

    /// The request as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        write::request(self)
    }

    /// Hands the request to `asked`, as the evaluator takes it.
    pub fn ask<T>(&self, asked: impl FnOnce(&Request<'_>) -> T) -> T {
        let request = |entities: &[&Entity]| {
            asked(&Request {
                principal: &self.principal,
                action: &self.action,
                resource: &self.resource,
                context: &self.context,
                entities,
            })
        };
        match self.entities.first() {
            None => request(&[]),
            Some(first) if self.entities.len() <= FEW => {
                let mut few = [first; FEW];
                few.iter_mut().zip(&self.entities).for_each(|(place, entity)| *place = entity);
                request(few.get(..self.entities.len()).unwrap_or(&few))
            }
            Some(_) => request(&self.entities.iter().collect::<Vec<_>>()),
        }
    }
}
