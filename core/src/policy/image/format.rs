//! The numbers of the image format; `docs/policy-image.md` describes the whole.

/// The first bytes of every image.
pub(crate) const MAGIC: [u8; 8] = *b"CSIMAGE\0";

/// The version this build writes, and the only one it reads.
pub const FORMAT_VERSION: u16 = 2;

/// The Cedar language version (major, minor) whose semantics this build has.
pub const LANGUAGE_VERSION: (u8, u8) = (4, 6);

/// Where the digest stands; it covers every other byte.
pub(crate) const DIGEST_AT: usize = 16;
/// Magic, version, language, total length, digest.
pub(crate) const HEADER: usize = DIGEST_AT + DIGEST;
/// Length of a SHA-256 digest.
pub(crate) const DIGEST: usize = 32;
/// Identifier, offset, length, of 32 bits each.
pub(crate) const SECTION_ENTRY: usize = 12;

/// The deepest nesting of expressions that is accepted: it bounds the evaluator's stack.
pub const MAX_EXPRESSION_DEPTH: u16 = 400;
/// The deepest nesting of constants and of types.
pub const MAX_VALUE_DEPTH: u16 = 400;

/// The parts of an image, in the order in which they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// Interned texts.
    Strings,
    /// Entity types, sorted by name.
    Types,
    /// Entities that policies or static entities name, sorted by type and identifier.
    Uids,
    /// Constants.
    Constants,
    /// Static entities: attributes, tags, ancestors.
    Entities,
    /// Patterns of `like`.
    Patterns,
    /// Expressions, operands before operators.
    Nodes,
    /// Policies.
    Policies,
    /// The tree that leads to the policies that can match.
    Index,
    /// Actions, entity types and attribute types.
    Schema,
    /// Names of the source files.
    Sources,
}

impl Section {
    /// Every section in order.
    pub(crate) const ALL: [Self; 11] = [
        Self::Strings,
        Self::Types,
        Self::Uids,
        Self::Constants,
        Self::Entities,
        Self::Patterns,
        Self::Nodes,
        Self::Policies,
        Self::Index,
        Self::Schema,
        Self::Sources,
    ];

    /// The identifier in the section table.
    pub(crate) fn id(self) -> u32 {
        self as u32 + 1
    }

    /// The name used in messages and by `inspect`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Strings => "strings",
            Self::Types => "types",
            Self::Uids => "uids",
            Self::Constants => "constants",
            Self::Entities => "entities",
            Self::Patterns => "patterns",
            Self::Nodes => "nodes",
            Self::Policies => "policies",
            Self::Index => "index",
            Self::Schema => "schema",
            Self::Sources => "sources",
        }
    }
}
