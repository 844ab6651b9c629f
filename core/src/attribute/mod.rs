//! From bytes, text and JSON to typed Cedar values: the schema says which type an attribute has, and a value that does
//! not have it is an error, never something close.

mod convert;
mod ty;

pub use convert::{from_config, from_json, from_text};
pub use ty::{AttributeType, Field};

/// A value does not have the attribute's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongType;

#[cfg(test)]
mod tests;
