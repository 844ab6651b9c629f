//! Strict, bounded JSON (RFC 8259).
//!
//! One document, in UTF-8, without byte order mark, without anything behind it. Member names are unique within
//! an object once unescaped, because two readers of a duplicate seldom agree on which one counts. Sizes, depth and the
//! number of values are bounded by [`Limits`], and the time is linear in the input but for a sort of the names of large
//! objects.

mod deserialize;
mod error;
mod number;
mod parse;
mod value;
mod writer;

#[cfg(test)]
mod tests;

pub use deserialize::{PathError, from_slice, from_value};
pub use error::{JsonError, JsonErrorKind};
pub use number::Number;
pub use parse::parse;
pub use value::{Member, Object, Value};
pub use writer::Writer;

/// How much a document may hold. Depth is clamped to [`Limits::DEEPEST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the document.
    pub max_bytes: usize,
    /// Arrays and objects within each other; a scalar has depth 0.
    pub max_depth: usize,
    /// Values of any kind, the outermost included.
    pub max_nodes: usize,
}

impl Limits {
    /// No limit goes deeper, as the parser recurses.
    pub const DEEPEST: usize = 128;

    /// For the header and the payload of a token, whose own size is bounded by configuration, at most to this.
    pub const TOKEN: Self = Self { max_bytes: 64 * 1024, max_depth: 16, max_nodes: 2_048 };

    /// For a key set or another document that an issuer serves.
    pub const DOCUMENT: Self = Self { max_bytes: 256 * 1024, max_depth: 16, max_nodes: 16_384 };

    /// For a configuration, which may carry key sets and policy images.
    pub const CONFIGURATION: Self = Self { max_bytes: 16 * 1024 * 1024, max_depth: 64, max_nodes: 1_000_000 };
}
