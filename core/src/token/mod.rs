//! From a bearer token to a proof that it was verified.

mod claim_path;
mod claims;
mod types;
mod verify;

pub use claim_path::{ClaimPath, NotAnObject};
pub use types::{ClaimSlot, Verified, VerifiedToken};
pub use verify::{Refusal, Verification, verify};
