//! From a bearer token to a proof that it was verified.

mod assemble;
mod claim_path;
mod claims;
mod confirmation;
mod delegation;
mod introspected;
mod opaque;
mod principal;
mod profile;
mod signed_answer;
mod types;
mod verify;

pub use claim_path::{ClaimPath, NotAnObject};
pub(crate) use claims::Claims;
pub use confirmation::Confirmation;
pub use introspected::{LiveWord, MAX_ANSWER_BYTES, Unusable, confirmed, introspected};
pub(crate) use introspected::{by_old_word, by_word, introspected_value, parsed};
pub use opaque::{is_opaque, is_signed};
pub(crate) use signed_answer::open_answer;
pub use signed_answer::said_to;
pub use types::{ClaimSlot, Spoken, StatusEntry, Verified, VerifiedToken};
pub use verify::{Failure, Refusal, Verification, verify};
