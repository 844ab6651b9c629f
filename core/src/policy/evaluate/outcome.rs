//! What an evaluation found.

use core::fmt;

use crate::policy::{
    image::tables::{NodeId, PolicyIndex},
    small::Inline,
};

/// Cedar's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// At least one `permit` is satisfied and no `forbid`.
    Allow,
    /// Anything else.
    Deny,
}

/// What the gateway makes of an outcome: Cedar's decision, except that a `forbid` that errors denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// A `forbid` is satisfied.
    Forbidden,
    /// No `forbid` is satisfied, but one could not be evaluated; Cedar itself would skip it.
    ForbidErrored,
    /// No `permit` is satisfied.
    NotPermitted,
    /// A `permit` is satisfied, and every `forbid` was evaluated and is not.
    Permitted,
}

/// Why a policy could not be evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The argument of an extension function can't be read, or its result can't be represented.
    Extension,
    /// The evaluation took too many steps.
    Limit,
    /// An attribute that isn't there.
    MissingAttribute,
    /// An attribute or tag of an entity that isn't known.
    MissingEntity,
    /// A tag that isn't there.
    MissingTag,
    /// An integer beyond 64 bits.
    Overflow,
    /// A value of another type than the operator takes.
    Type,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Extension => "an extension function failed on its argument",
            Self::Limit => "evaluation took too many steps",
            Self::MissingAttribute => "an attribute is missing",
            Self::MissingEntity => "an entity is not known",
            Self::MissingTag => "a tag is missing",
            Self::Overflow => "an integer overflowed",
            Self::Type => "a value has the wrong type",
        })
    }
}

/// A policy that could not be evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// Which policy.
    pub policy: PolicyIndex,
    /// Why.
    pub kind: ErrorKind,
    /// The expression at fault.
    pub node: NodeId,
}

/// Policy indices in ascending order.
pub type PolicyList = Inline<PolicyIndex, 8>;
/// Errors in ascending order of their policies.
pub type ErrorList = Inline<PolicyError, 4>;

/// What an evaluation found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub(super) decision: Decision,
    pub(super) determining: PolicyList,
    pub(super) errors: ErrorList,
    pub(super) forbid_errored: bool,
    pub(super) permit_satisfied: bool,
}

impl Outcome {
    /// Cedar's decision: default deny, `forbid` over `permit`, policies that error are skipped.
    #[must_use]
    pub fn decision(&self) -> Decision {
        self.decision
    }

    /// The gateway's stricter rule: what Cedar decides, but a `forbid` that errors denies.
    #[must_use]
    pub fn ruling(&self) -> Ruling {
        match self.decision {
            Decision::Deny if !self.determining.is_empty() => Ruling::Forbidden,
            Decision::Allow | Decision::Deny if self.forbid_errored => Ruling::ForbidErrored,
            Decision::Allow => Ruling::Permitted,
            Decision::Deny => Ruling::NotPermitted,
        }
    }

    /// Whether nothing but the satisfied `forbid`s is in the way: a `permit` is satisfied, and every `forbid` was evaluated.
    #[must_use]
    pub fn permitted_but_for_forbids(&self) -> bool {
        self.permit_satisfied && !self.forbid_errored
    }

    /// The policies that determined Cedar's decision: the satisfied `permit`s of an allow, the satisfied
    /// `forbid`s of a deny, none where nothing permits.
    #[must_use]
    pub fn determining(&self) -> &PolicyList {
        &self.determining
    }

    /// The policies that could not be evaluated.
    #[must_use]
    pub fn errors(&self) -> &ErrorList {
        &self.errors
    }
}
