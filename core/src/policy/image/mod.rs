//! The policy image: a compiled policy set with its schema and static entities.
//!
//! Decoding checks every length, reference and order once. What is left for evaluation is table look-ups
//! that can't fail, and a bounded number of steps.

mod cover;
mod decode;
mod encode;
mod error;
mod format;
pub mod index;
mod layout;
pub(crate) mod lookup;
mod read;
pub mod select;
pub mod tables;
#[cfg(test)]
pub(crate) mod tests;
mod tree;
#[cfg(test)]
mod tree_tests;

use alloc::vec::Vec;
use core::fmt;

pub use encode::encode;
pub use error::{Defect, ImageError};
pub use format::{FORMAT_VERSION, LANGUAGE_VERSION, MAX_EXPRESSION_DEPTH, MAX_VALUE_DEPTH, Section};
pub use layout::{Layout, is_action};
use lookup::Lookup;
use tables::{Effect, PolicyIndex, PolicyRow, Run, Span, Tables};

use super::evaluate::constants_in_order;

/// A decoded policy image, ready for evaluation.
pub struct Image {
    tables: Tables,
    lookup: Lookup,
    digest: [u8; 32],
}

impl Image {
    /// Reads an image that the compiler wrote.
    ///
    /// # Errors
    ///
    /// Where the bytes are not an image, come from a newer version, are cut short or were altered.
    pub fn decode(bytes: &[u8]) -> Result<Self, ImageError> {
        let (tables, digest) = decode::decode(bytes)?;
        let Some(lookup) = Lookup::new(&tables) else {
            return Err(ImageError::Malformed { section: Section::Constants, defect: Defect::Order });
        };
        let image = Self { tables, lookup, digest };
        if !constants_in_order(&image) {
            return Err(ImageError::Malformed { section: Section::Constants, defect: Defect::Order });
        }
        Ok(image)
    }

    /// SHA-256 of the image: the name of this policy set in decisions and logs.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The digest of `bytes` if they claim to be an image, without decoding the rest.
    #[must_use]
    pub fn peek_digest(bytes: &[u8]) -> Option<[u8; 32]> {
        bytes.get(format::DIGEST_AT..format::HEADER)?.try_into().ok()
    }

    /// Its content.
    #[must_use]
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    pub(super) fn lookup(&self) -> &Lookup {
        &self.lookup
    }

    /// How many policies there are.
    #[must_use]
    pub fn policy_count(&self) -> usize {
        self.tables.policies.rows.len()
    }

    /// The policy at `index`, as found in an outcome.
    #[must_use]
    pub fn policy(&self, index: PolicyIndex) -> Option<Policy<'_>> {
        let row = self.tables.policies.rows.get(index as usize)?;
        Some(Policy { image: self, row })
    }

    /// All policies, in the order of the sources.
    pub fn policies(&self) -> impl Iterator<Item = Policy<'_>> {
        self.tables.policies.rows.iter().map(|row| Policy { image: self, row })
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({} policies, ", self.policy_count())?;
        for byte in self.digest.iter().take(4) {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("…)")
    }
}

/// One policy of an image.
#[derive(Clone, Copy)]
pub struct Policy<'i> {
    image: &'i Image,
    row: &'i PolicyRow,
}

impl<'i> Policy<'i> {
    /// Its identifier: the `@id` annotation, or `policyN`.
    #[must_use]
    pub fn id(&self) -> &'i str {
        self.image.tables.strings.get(self.row.id)
    }

    /// Whether it permits or forbids.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.row.effect
    }

    /// The text of annotation `name`; empty for an annotation without a value.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&'i str> {
        self.annotations().find(|(have, _)| *have == name).map(|(_, text)| text)
    }

    /// Names and texts of all annotations.
    pub fn annotations(&self) -> impl Iterator<Item = (&'i str, &'i str)> + use<'i> {
        let strings = &self.image.tables.strings;
        let run: Run = self.row.annotations;
        let annotations: &'i [(u32, u32)] = run.of(&self.image.tables.policies.annotations);
        annotations.iter().map(|(name, text)| (strings.get(*name), strings.get(*text)))
    }

    /// The file it stands in, as the compiler was told.
    #[must_use]
    pub fn source(&self) -> &'i str {
        let sources: &'i Vec<u32> = &self.image.tables.sources;
        sources.get(self.row.span.source as usize).map_or("", |name| self.image.tables.strings.get(*name))
    }

    /// Its place in that file.
    #[must_use]
    pub fn span(&self) -> Span {
        self.row.span
    }

    /// How many conditions it has beside its scope.
    #[must_use]
    pub fn conditions(&self) -> usize {
        self.row.clauses.len as usize
    }

    pub(crate) fn row(&self) -> &'i PolicyRow {
        self.row
    }
}
