//! Why a request was decided as it was, policy by policy. Off the path of a request: it allocates.

use alloc::{string::String, vec::Vec};

use super::{
    evaluate::{Decision, ErrorKind, Evaluation, Match, Outcome, Ruling, evaluate},
    image::{
        Image, Policy,
        tables::{Clause, Effect, PolicyIndex, Span},
    },
    print,
    value::Request,
};

/// A decision with what every policy had to say.
pub struct Explanation<'i> {
    /// The decision itself.
    pub outcome: Outcome,
    /// One finding for each policy, in the order of the sources.
    pub findings: Vec<Finding<'i>>,
}

/// What one policy had to say.
#[derive(Clone)]
pub struct Finding<'i> {
    /// Its index.
    pub index: PolicyIndex,
    /// The policy.
    pub policy: Policy<'i>,
    /// How far the request got with it.
    pub result: Found,
}

/// How far a request got with a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It matches, and its conditions hold.
    Satisfied,
    /// It is about another principal.
    OtherPrincipal,
    /// It is about another action.
    OtherAction,
    /// It is about another resource.
    OtherResource,
    /// A condition is false: a near miss.
    ConditionFalse(Condition),
    /// A condition could not be evaluated.
    Failed(Condition, ErrorKind, String),
}

/// A condition of a policy, in Cedar and by its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The condition, written out again.
    pub text: String,
    /// Its place in the source; of length 0 where it has none.
    pub offset: u32,
    /// Its length in bytes.
    pub len: u32,
}

/// Explains the answer to `request`.
#[must_use]
pub fn explain<'i>(image: &'i Image, request: &Request<'_>) -> Explanation<'i> {
    let outcome = evaluate(image, request);
    let mut findings = Vec::with_capacity(image.policy_count());
    for (index, policy) in (0..).zip(image.policies()) {
        let mut evaluation = Evaluation::new(image, request);
        let result = describe(image, policy, evaluation.matches(policy.row()));
        findings.push(Finding { index, policy, result });
    }
    Explanation { outcome, findings }
}

fn describe(image: &Image, policy: Policy<'_>, matched: Match) -> Found {
    let clauses = policy.row().clauses.of(&image.tables().policies.clauses);
    let condition = |at: usize| match clauses.get(at) {
        Some(clause) => written(image, policy.span(), clause),
        None => Condition { text: String::new(), offset: 0, len: 0 },
    };
    match matched {
        Match::Satisfied => Found::Satisfied,
        Match::OtherPrincipal => Found::OtherPrincipal,
        Match::OtherAction => Found::OtherAction,
        Match::OtherResource => Found::OtherResource,
        Match::ClauseFalse(at) => Found::ConditionFalse(condition(at)),
        Match::ClauseFailed(at, fault) => {
            Found::Failed(condition(at), fault.kind, print::expression(image.tables(), fault.node))
        }
    }
}

fn written(image: &Image, span: Span, clause: &Clause) -> Condition {
    Condition {
        text: print::expression(image.tables(), clause.node),
        offset: span.offset.saturating_add(clause.offset),
        len: clause.len,
    }
}

impl<'i> Explanation<'i> {
    /// The findings that account for the ruling: what forbids; else the `forbid`s that failed; else what
    /// permits; else the `permit`s that came near, those that failed first.
    pub fn relevant(&self) -> impl Iterator<Item = &Finding<'i>> {
        let ruling = self.outcome.ruling();
        self.findings.iter().filter(move |finding| {
            let effect = finding.policy.effect();
            match (ruling, &finding.result) {
                (Ruling::Forbidden, Found::Satisfied) => effect == Effect::Forbid,
                (Ruling::ForbidErrored, Found::Failed(..)) => effect == Effect::Forbid,
                (Ruling::Permitted, Found::Satisfied) => effect == Effect::Permit,
                (Ruling::NotPermitted, Found::ConditionFalse(_) | Found::Failed(..)) => {
                    effect == Effect::Permit
                }
                _ => false,
            }
        })
    }

    /// Cedar's decision.
    #[must_use]
    pub fn decision(&self) -> Decision {
        self.outcome.decision()
    }
}
