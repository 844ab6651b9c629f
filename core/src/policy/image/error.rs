//! Why an image is refused.

use core::fmt;

use super::format::{FORMAT_VERSION, LANGUAGE_VERSION, Section};

/// Why bytes are not a usable policy image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageError {
    /// A byte of the image is not what the compiler wrote.
    Altered,
    /// The checksum holds and the content is wrong: no compiler of ours wrote this.
    Malformed {
        /// The part at fault.
        section: Section,
        /// What is wrong with it.
        defect: Defect,
    },
    /// Written by a newer compiler.
    NewerFormat {
        /// The image's format version.
        found: u16,
    },
    /// Compiled for another version of the Cedar language.
    Language {
        /// The image's language version.
        found: (u8, u8),
    },
    /// The first bytes are not those of an image.
    NotAnImage,
    /// Written by an older compiler.
    OlderFormat {
        /// The image's format version.
        found: u16,
    },
    /// The image ends before its declared length.
    Truncated {
        /// Bytes that should be there.
        expected: u64,
        /// Bytes that are.
        found: u64,
    },
    /// Bytes follow the image.
    Trailing {
        /// Bytes that should be there.
        expected: u64,
        /// Bytes that are.
        found: u64,
    },
    /// The section table is not the one that this format has.
    SectionTable,
}

/// What is wrong with a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Nested deeper than is accepted.
    Depth,
    /// The index would hide a policy from a request that it may match.
    Index,
    /// A number is not in its shortest form, or too large.
    Number,
    /// Entries are out of order or repeated.
    Order,
    /// A reference leads out of its table, or forward.
    Reference,
    /// The section ends in the middle of an entry.
    Short,
    /// An unknown kind of entry.
    Tag,
    /// Text is not UTF-8.
    Text,
    /// Bytes follow the last entry.
    Trailing,
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Altered => f.write_str("the policy image was altered: its SHA-256 digest does not match"),
            Self::Malformed { section, defect } => {
                write!(f, "the policy image's section `{}` {defect}", section.name())
            }
            Self::NewerFormat { found } => write!(
                f,
                "the policy image has format version {found}, expected at most {FORMAT_VERSION}: \
                 use a newer Countersign or compile the policies again"
            ),
            Self::Language { found: (major, minor) } => write!(
                f,
                "the policy image is compiled for Cedar {major}.{minor}, expected at most {}.{}",
                LANGUAGE_VERSION.0, LANGUAGE_VERSION.1
            ),
            Self::NotAnImage => {
                f.write_str("not a policy image: expected the output of `countersign compile`")
            }
            Self::OlderFormat { found } => write!(
                f,
                "the policy image has format version {found}, expected {FORMAT_VERSION}: \
                 compile the policies again with this Countersign"
            ),
            Self::Truncated { expected, found } => {
                write!(f, "the policy image is cut short: {found} bytes, expected {expected}")
            }
            Self::Trailing { expected, found } => {
                write!(f, "bytes follow the policy image: {found} bytes, expected {expected}")
            }
            Self::SectionTable => f.write_str("the policy image's section table is malformed"),
        }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Depth => "is nested too deeply",
            Self::Index => "hides a policy from requests that it may match",
            Self::Number => "has a number that is too large or not in its shortest form",
            Self::Order => "has entries out of order",
            Self::Reference => "refers to an entry that is not there",
            Self::Short => "ends in the middle of an entry",
            Self::Tag => "has an unknown kind of entry",
            Self::Text => "has text that is not UTF-8",
            Self::Trailing => "has bytes after its last entry",
        })
    }
}

impl core::error::Error for ImageError {}
