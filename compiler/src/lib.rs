//! Compiles Cedar policies, schema and static entities to a policy image.
//!
//! Text is parsed, and strictly validated against the schema, by the official `cedar-policy` crate. What it
//! accepts is lowered to the tables of an image; a construct that can't be lowered is an error with its place
//! in the source, never a policy left out.
//!
//! ```
//! use countersign_compiler::{CompileOptions, Pack, Source, compile};
//!
//! let pack = Pack {
//!     policies: vec![Source::new("doc.cedar", r#"permit(principal, action == Action::"read", resource);"#)],
//!     schema: Some(Source::new(
//!         "doc.cedarschema",
//!         "entity User, Doc; action read appliesTo { principal: User, resource: Doc };",
//!     )),
//!     ..Pack::default()
//! };
//! let compiled = compile(&pack, &CompileOptions::default()).unwrap();
//! let image = countersign_core::policy::Image::decode(&compiled.image).unwrap();
//! assert_eq!(image.policy(0).unwrap().id(), "policy0");
//! ```

mod builder;
pub mod cases;
mod compile;
pub mod convert;
mod declarations;
mod error;
mod format;
mod index;
mod link;
pub mod lint;
mod lower;
mod marks;
mod names;
mod nesting;
mod pack;
mod source;
#[cfg(test)]
mod tests;

pub use compile::{CompileOptions, Compiled, compile, compile_set};
pub use error::{CompileError, CompileErrors, Warning};
pub use format::{format_policies, format_schema};
pub use names::nearest;
pub use pack::{LoadError, Pack, load_pack};
pub use source::{Place, Source};
