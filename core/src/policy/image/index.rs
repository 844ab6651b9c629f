//! The decision tree that leads from a request to the policies that can match it.
//!
//! An inner row asks one thing of the request and leads on to the policies that the answer leaves, and to
//! those that don't ask it. Whoever is not reached would have said no, without an error.

use alloc::vec::Vec;

use super::tables::{NodeId, PolicyIndex, Run};

/// The deepest nesting of edges: it bounds the stack.
pub const MAX_INDEX_DEPTH: usize = 32;
/// How many expressions keep their value for the rest of the request.
pub const MAX_MEMO: usize = 16;
/// How many guards a row may have.
pub const MAX_GUARDS: usize = 8;

/// What is ordered and compared with `<`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scale {
    /// Integers.
    Long,
    /// `datetime`, in milliseconds.
    Datetime,
    /// `duration`, in milliseconds.
    Duration,
}

/// What a row asks about the value of an expression. An expression in error, or of a kind that the operator
/// does not take, leads along every edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Facet {
    /// Which boolean it is: 0 or 1.
    Truth,
    /// Which constant it is, no entity.
    Equal,
    /// Which entity it is.
    Same,
    /// Which entities it is or lies in.
    In,
    /// Of which type it is.
    Is,
    /// Which constants it contains.
    Member,
    /// Which entities it contains.
    MemberEntity,
    /// Which thresholds it does not exceed.
    AtMost(Scale),
    /// Which thresholds it reaches.
    AtLeast(Scale),
    /// The first threshold that it does not exceed.
    Band(Scale),
}

impl Facet {
    /// Each in the order of its number in the image.
    pub(crate) const ALL: [Self; 16] = [
        Self::Truth,
        Self::Equal,
        Self::Same,
        Self::In,
        Self::Is,
        Self::Member,
        Self::MemberEntity,
        Self::AtMost(Scale::Long),
        Self::AtMost(Scale::Datetime),
        Self::AtMost(Scale::Duration),
        Self::AtLeast(Scale::Long),
        Self::AtLeast(Scale::Datetime),
        Self::AtLeast(Scale::Duration),
        Self::Band(Scale::Long),
        Self::Band(Scale::Datetime),
        Self::Band(Scale::Duration),
    ];

    /// Whether keys are thresholds.
    #[must_use]
    pub fn is_range(self) -> bool {
        matches!(self, Self::AtMost(_) | Self::AtLeast(_) | Self::Band(_))
    }
}

/// What the value of an expression must be so that those who use it can't be in error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Demand {
    /// Anything but an error.
    Any,
    /// A boolean.
    Bool,
    /// An integer.
    Long,
    /// Text.
    String,
    /// An entity.
    Entity,
    /// A set.
    Set,
    /// Something with attributes.
    Object,
    /// A `decimal`.
    Decimal,
    /// A `datetime`.
    Datetime,
    /// A `duration`.
    Duration,
    /// An `ipaddr`.
    Ip,
    /// A boolean; and where it is false, no edge is taken.
    True,
}

impl Demand {
    /// Each in the order of its number in the image.
    pub(crate) const ALL: [Self; 12] = [
        Self::Any,
        Self::Bool,
        Self::Long,
        Self::String,
        Self::Entity,
        Self::Set,
        Self::Object,
        Self::Decimal,
        Self::Datetime,
        Self::Duration,
        Self::Ip,
        Self::True,
    ];
}

/// What must hold before a row's question may rule anything out; where it doesn't, every edge is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guard {
    /// What is demanded.
    pub demand: Demand,
    /// Of which expression.
    pub node: NodeId,
}

/// One answer, and where it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// An index into the table that the facet speaks of, or a threshold.
    pub key: i64,
    /// The row it leads to.
    pub child: u32,
}

/// A row of the tree. Children come after their parent, in the order of the edges, the rest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Branch {
    /// Policies to evaluate: a run of `policies`, sorted.
    Leaf(Run),
    /// A question.
    Inner {
        /// What is asked.
        facet: Facet,
        /// Of which expression.
        node: NodeId,
        /// A run of `guards`.
        guards: Run,
        /// A run of `edges`, sorted by key.
        edges: Run,
        /// Where the policies are that don't ask.
        rest: Option<u32>,
    },
}

/// The tree; its root is the first row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// Expressions that keep their value, ascending.
    pub memo: Vec<NodeId>,
    /// The rows.
    pub rows: Vec<Branch>,
    /// Guards of inner rows.
    pub guards: Vec<Guard>,
    /// Edges of inner rows.
    pub edges: Vec<Edge>,
    /// Policies of leaves.
    pub policies: Vec<PolicyIndex>,
}
