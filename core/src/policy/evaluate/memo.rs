//! Values that several policies or rows of the index ask for, kept for the rest of the request.

use super::{
    Fault,
    val::{RecordRef, SetRef, Val},
};
use crate::policy::image::index::MAX_MEMO;

#[derive(Clone, Copy)]
enum Slot<'a> {
    Empty,
    Value(Val<'a>),
    Failed(Fault),
}

/// The values found so far, failures among them.
pub(super) struct Memo<'a>([Slot<'a>; MAX_MEMO]);

impl<'a> Memo<'a> {
    pub(super) fn new() -> Self {
        Self([Slot::Empty; MAX_MEMO])
    }

    pub(super) fn get(&self, place: usize) -> Option<Result<Val<'a>, Fault>> {
        match self.0.get(place)? {
            Slot::Empty => None,
            Slot::Value(value) => Some(Ok(*value)),
            Slot::Failed(fault) => Some(Err(*fault)),
        }
    }

    /// What is in the scratch space does not outlive the policy at hand, and is not kept.
    pub(super) fn keep(&mut self, place: usize, found: Result<Val<'a>, Fault>) {
        let slot = match found {
            Ok(Val::Set(SetRef::Scratch(_)) | Val::Record(RecordRef::Scratch(..))) => return,
            Ok(value) => Slot::Value(value),
            Err(fault) => Slot::Failed(fault),
        };
        if let Some(place) = self.0.get_mut(place) {
            *place = slot;
        }
    }
}
