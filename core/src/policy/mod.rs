//! Policies: images compiled from Cedar, and their evaluation.
//!
//! The compiler turns Cedar text, a schema and static entities into an [`Image`]. The gateway decodes it once,
//! builds the principal when a token is verified, and asks for each request:
//!
//! ```
//! use countersign_core::policy::{Decision, Entity, EntityUid, Image, Record, Request, Ruling, evaluate};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let bytes = countersign_core::policy::encode(&Default::default());
//! let image = Image::decode(&bytes)?;
//!
//! // Once for each verified token.
//! let mut alice = Entity::new(EntityUid::new("User", "alice"));
//! alice.attributes = Record::new().with("tenant", "acme").with("level", 3);
//! alice.parents.push(EntityUid::new("Role", "analyst"));
//!
//! // Once for each request.
//! let transfer = Entity::new(EntityUid::new("Transfer", "t-1"));
//! let context = Record::new().with("environment", "production");
//! let outcome = evaluate(&image, &Request {
//!     principal: &alice.uid,
//!     action: &EntityUid::new("Action", "ScoreTransfer"),
//!     resource: &transfer.uid,
//!     context: &context,
//!     entities: &[&alice, &transfer],
//! });
//!
//! assert_eq!(outcome.decision(), Decision::Deny);
//! assert_eq!(outcome.ruling(), Ruling::NotPermitted);
//! for policy in outcome.determining().iter().filter_map(|index| image.policy(index)) {
//!     println!("{}: {:?}", policy.id(), policy.annotation("reason"));
//! }
//! # Ok(())
//! # }
//! ```

pub mod evaluate;
pub mod explain;
pub mod extension;
pub mod image;
mod print;
pub mod schema;
mod small;
mod value;
pub mod wire;

pub use evaluate::{Decision, ErrorKind, Outcome, PolicyError, Ruling, Seen, SeenValue, evaluate};
pub use explain::explain;
pub use extension::{Datetime, Decimal, Duration, IpNet};
pub use image::{
    Image, ImageError, Policy, encode,
    tables::{Effect, PolicyIndex, Span},
};
pub use small::Inline;
pub use value::{Entity, EntityUid, Record, Request, Set, Value};
