//! From a bearer token to a proof that it was verified.

mod claim_path;
mod claims;
mod confirmation;
mod delegation;
mod principal;
mod profile;
mod types;
mod verify;

pub use claim_path::{ClaimPath, NotAnObject};
pub use confirmation::Confirmation;
pub use types::{ClaimSlot, Verified, VerifiedToken};
pub use verify::{Failure, Refusal, Verification, verify};
