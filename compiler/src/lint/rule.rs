//! The rules there are.

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Probably not what was meant.
    Warning,
}

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A policy is covered by another of the same effect.
    Covered,
    /// A `forbid` can fail, and then says nothing about what it should forbid.
    ForbidCanError,
    /// A negative match lets a request through where the attribute is absent.
    NegativeMatchOnOptional,
    /// A policy can never match.
    NeverMatches,
    /// `@allow` names no rule.
    UnknownAllow,
    /// A group that a policy asks for is not among those that the pack describes.
    UnknownEntity,
    /// A `permit` on something sensitive has no condition.
    UnconditionalPermit,
    /// A decision rests on what a client writes freely.
    UnverifiedInput,
    /// No policy reads an attribute.
    UnusedAttribute,
    /// A static entity that no policy names or leads to.
    UnusedEntity,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 10] = [
        Self::Covered,
        Self::ForbidCanError,
        Self::NegativeMatchOnOptional,
        Self::NeverMatches,
        Self::UnconditionalPermit,
        Self::UnknownAllow,
        Self::UnknownEntity,
        Self::UnusedAttribute,
        Self::UnusedEntity,
        Self::UnverifiedInput,
    ];

    /// Its name, as in `@allow("…")`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Covered => "covered",
            Self::ForbidCanError => "forbid-can-error",
            Self::NegativeMatchOnOptional => "negative-match-on-optional",
            Self::NeverMatches => "never-matches",
            Self::UnknownAllow => "unknown-allow",
            Self::UnknownEntity => "unknown-entity",
            Self::UnconditionalPermit => "unconditional-permit",
            Self::UnverifiedInput => "unverified-input",
            Self::UnusedAttribute => "unused-attribute",
            Self::UnusedEntity => "unused-entity",
        }
    }

    /// How grave its findings are.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::Covered
            | Self::ForbidCanError
            | Self::NegativeMatchOnOptional
            | Self::NeverMatches
            | Self::UnconditionalPermit
            | Self::UnknownAllow
            | Self::UnverifiedInput => Severity::Warning,
            Self::UnknownEntity | Self::UnusedAttribute | Self::UnusedEntity => Severity::Note,
        }
    }

    /// What to do about its findings.
    #[must_use]
    pub fn help(self) -> &'static str {
        match self {
            Self::Covered => "take it out, or make the other narrower",
            Self::ForbidCanError => {
                "ask with `has` first, bound the numbers, or turn it round: `forbid unless` what is known to be good"
            }
            Self::NegativeMatchOnOptional => {
                "say what must be there: ask with `has`, and match what is allowed"
            }
            Self::NeverMatches => "correct the scope or the conditions, or take the policy out",
            Self::UnknownAllow => "the rules are listed in docs/policies.md",
            Self::UnknownEntity => "correct the name, or describe the entity in `entities.json`",
            Self::UnconditionalPermit => "add a `when` clause that says under which circumstances",
            Self::UnverifiedInput => "take it from a claim, the path or the workload's certificate",
            Self::UnusedAttribute => "take it out of the schema, or write the policy that it is for",
            Self::UnusedEntity => "take it out, or write the policy that it is for",
        }
    }
}
