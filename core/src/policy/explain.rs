//! Why a request was decided as it was, policy by policy. Off the path of a request: it allocates.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::{
    evaluate::{Decision, ErrorKind, Evaluation, Match, Outcome, Ruling, Seen, SeenValue, evaluate, seen},
    image::{
        Image, Policy,
        tables::{Clause, Effect, PolicyIndex, Scope},
    },
    print,
    value::{Request, Value},
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
    /// It is about another principal; with what its scope asks for, where nothing else of the scope stands in the way: a near
    /// miss.
    OtherPrincipal(Option<Condition>),
    /// It is about another action.
    OtherAction,
    /// It is about another resource, likewise.
    OtherResource(Option<Condition>),
    /// A condition is false: a near miss.
    ConditionFalse(Condition),
    /// A condition could not be evaluated.
    Failed(Condition, ErrorKind, String),
}

impl Found {
    /// The condition, of the scope or of a clause, that alone stands in the way.
    #[must_use]
    pub fn condition(&self) -> Option<&Condition> {
        match self {
            Self::ConditionFalse(condition) | Self::Failed(condition, ..) => Some(condition),
            Self::OtherPrincipal(condition) | Self::OtherResource(condition) => condition.as_ref(),
            Self::Satisfied | Self::OtherAction => None,
        }
    }

    /// The same, to be written otherwise.
    pub fn condition_mut(&mut self) -> Option<&mut Condition> {
        match self {
            Self::ConditionFalse(condition) | Self::Failed(condition, ..) => Some(condition),
            Self::OtherPrincipal(condition) | Self::OtherResource(condition) => condition.as_mut(),
            Self::Satisfied | Self::OtherAction => None,
        }
    }
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
    /// What it saw: its parts that come from the request or from entities, with their values.
    pub values: Vec<Seen>,
}

/// Explains the answer to `request`.
#[must_use]
pub fn explain<'i>(image: &'i Image, request: &Request<'_>) -> Explanation<'i> {
    let outcome = evaluate(image, request);
    let masks = masks(image);
    let mut findings = Vec::with_capacity(image.policy_count());
    for (index, policy) in (0..).zip(image.policies()) {
        let mut evaluation = Evaluation::new(image, request);
        let matched = evaluation.matches(policy.row());
        let result = describe(&mut evaluation, policy, matched, &masks);
        findings.push(Finding { index, policy, result });
    }
    Explanation { outcome, findings }
}

fn describe(evaluation: &mut Evaluation<'_>, policy: Policy<'_>, matched: Match, masks: &[&str]) -> Found {
    let clauses = policy.row().clauses.of(&evaluation.image.tables().policies.clauses);
    let mut condition = |at: usize| match clauses.get(at) {
        Some(clause) => written(evaluation, policy, clause, masks),
        None => Condition { text: String::new(), offset: 0, len: 0, values: Vec::new() },
    };
    match matched {
        Match::Satisfied => Found::Satisfied,
        Match::OtherPrincipal => Found::OtherPrincipal(scope(evaluation, policy, masks)),
        Match::OtherAction => Found::OtherAction,
        Match::OtherResource => Found::OtherResource(scope(evaluation, policy, masks)),
        Match::ClauseFalse(at) => Found::ConditionFalse(condition(at)),
        Match::ClauseFailed(at, fault) => {
            let condition = condition(at);
            Found::Failed(condition, fault.kind, print::expression(evaluation.image.tables(), fault.node))
        }
    }
}

/// What the scope asks for, where one of principal and resource alone stands in the way.
fn scope(evaluation: &Evaluation<'_>, policy: Policy<'_>, masks: &[&str]) -> Option<Condition> {
    let [principal, _, resource] = policy.scope();
    let (name, text, scope) = match evaluation.scope_misses(policy.row()) {
        [true, false, false] => ("principal", principal, policy.row().principal),
        [false, false, true] => ("resource", resource, policy.row().resource),
        _ => return None,
    };
    let masked = masks.contains(&name);
    let seen = |expression: String, value| Seen {
        expression,
        value: if masked { SeenValue::Masked } else { SeenValue::Value(value) },
    };
    let (party, ancestors) = evaluation.told_party(name == "principal");
    let mut values = alloc::vec![seen(name.to_string(), party.into())];
    if matches!(scope, Scope::In(_) | Scope::IsIn(..)) {
        let ancestors = ancestors.into_iter().map(Value::from).collect::<Vec<_>>();
        values.push(seen(format!("{name} in"), Value::set(ancestors)));
    }
    Some(Condition { text, offset: policy.span().offset, len: 0, values })
}

fn written(
    evaluation: &mut Evaluation<'_>,
    policy: Policy<'_>,
    clause: &Clause,
    masks: &[&str],
) -> Condition {
    Condition {
        text: print::expression(evaluation.image.tables(), clause.node),
        offset: policy.span().offset.saturating_add(clause.offset),
        len: clause.len,
        values: seen(evaluation, clause.node, masks),
    }
}

/// What policies call sensitive: what one does, no policy tells.
fn masks(image: &Image) -> Vec<&str> {
    let lists = image.policies().filter_map(|policy| policy.annotation("sensitive"));
    lists.flat_map(|list| list.split(',').map(str::trim)).collect()
}

impl<'i> Explanation<'i> {
    /// The findings that account for the ruling: what forbids; else the `forbid`s that failed; else what
    /// permits; else the `permit`s that came near.
    pub fn relevant(&self) -> impl Iterator<Item = &Finding<'i>> {
        let ruling = self.outcome.ruling();
        self.findings.iter().filter(move |finding| {
            let effect = finding.policy.effect();
            match (ruling, &finding.result) {
                (Ruling::Forbidden, Found::Satisfied) => effect == Effect::Forbid,
                (Ruling::ForbidErrored, Found::Failed(..)) => effect == Effect::Forbid,
                (Ruling::Permitted, Found::Satisfied) => effect == Effect::Permit,
                (Ruling::NotPermitted, found) => effect == Effect::Permit && found.condition().is_some(),
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
