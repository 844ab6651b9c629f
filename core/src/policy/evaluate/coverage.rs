//! Which conditions a request finds true and which false: what tests cover. Off the path of a request: it allocates.
//!
//! A condition is what stands between `&&`, `||`, `!` and `if` in a `when` or `unless` clause: each of them should be
//! seen both ways.

use alloc::{collections::BTreeSet, string::String, vec::Vec};

use super::{ErrorKind, Evaluation, Match};
use crate::policy::{
    image::{
        Image,
        tables::{Node, NodeId, PolicyIndex, PolicyRow, Unary},
    },
    print,
    value::Request,
};

/// A condition of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// In Cedar.
    pub text: String,
    /// Where its clause starts in the source, in bytes.
    pub offset: u32,
    /// The length of its clause in bytes; 0 where it isn't in the source.
    pub len: u32,
    node: NodeId,
}

/// How a request fared with one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Whether it is in the policy's scope.
    pub in_scope: bool,
    /// Whether the policy is satisfied.
    pub satisfied: bool,
    /// What each condition came to, in the order of [`conditions`]; nothing where it was not evaluated.
    pub conditions: Vec<Option<Result<bool, ErrorKind>>>,
}

/// The conditions of a policy, in the order of evaluation, each once; constants are none.
#[must_use]
pub fn conditions(image: &Image, policy: PolicyIndex) -> Vec<Condition> {
    let tables = image.tables();
    let mut found: Vec<Condition> = Vec::new();
    let mut seen = BTreeSet::new();
    let Some(row) = tables.policies.rows.get(policy as usize) else { return found };
    for clause in row.clauses.of(&tables.policies.clauses) {
        let mut pending = alloc::vec![clause.node];
        while let Some(node) = pending.pop() {
            if !seen.insert(node) {
                continue;
            }
            match operands(image, node) {
                Some(operands) => pending.extend(operands.into_iter().rev()),
                None if matches!(tables.nodes.rows.get(node as usize), Some(Node::Const(_)) | None) => {}
                None => found.push(Condition {
                    text: print::expression(tables, node),
                    offset: row.span.offset.saturating_add(clause.offset),
                    len: clause.len,
                    node,
                }),
            }
        }
    }
    found
}

/// What a request reaches of a policy whose conditions are `conditions`.
#[must_use]
pub fn reach(image: &Image, request: &Request<'_>, policy: PolicyIndex, conditions: &[Condition]) -> Reached {
    let mut reached = Reached { conditions: alloc::vec![None; conditions.len()], ..Reached::default() };
    let Some(row) = image.tables().policies.rows.get(policy as usize) else { return reached };
    let mut evaluation = Evaluation::new(image, request);
    match evaluation.matches(row) {
        Match::OtherPrincipal | Match::OtherAction | Match::OtherResource => return reached,
        Match::Satisfied => reached.satisfied = true,
        Match::ClauseFalse(_) | Match::ClauseFailed(..) => {}
    }
    reached.in_scope = true;
    walk(&mut evaluation, row, conditions, &mut reached);
    reached
}

fn walk(evaluation: &mut Evaluation<'_>, row: &PolicyRow, conditions: &[Condition], reached: &mut Reached) {
    let image = evaluation.image;
    for clause in row.clauses.of(&image.tables().policies.clauses) {
        if visit(evaluation, clause.node, conditions, reached) != Some(true) {
            return;
        }
    }
}

/// Evaluates as `matches` does, and notes every condition on the way; nothing where one fails.
fn visit(
    evaluation: &mut Evaluation<'_>,
    node: NodeId,
    conditions: &[Condition],
    reached: &mut Reached,
) -> Option<bool> {
    let image = evaluation.image;
    let Some(operands) = operands(image, node) else {
        let result = evaluation.condition(node).map_err(|fault| fault.kind);
        let at = conditions.iter().position(|condition| condition.node == node);
        if let Some(place) = at.and_then(|at| reached.conditions.get_mut(at)) {
            *place = Some(result);
        }
        return result.ok();
    };
    match (image.tables().nodes.rows.get(node as usize), &operands[..]) {
        (Some(Node::Unary(Unary::Not, _)), [operand]) => {
            visit(evaluation, *operand, conditions, reached).map(|value| !value)
        }
        (Some(Node::If(_)), [condition, then, otherwise]) => {
            let chosen = if visit(evaluation, *condition, conditions, reached)? { then } else { otherwise };
            visit(evaluation, *chosen, conditions, reached)
        }
        (Some(Node::Or(_)), operands) => {
            for operand in operands {
                if visit(evaluation, *operand, conditions, reached)? {
                    return Some(true);
                }
            }
            Some(false)
        }
        (_, operands) => {
            for operand in operands {
                if !visit(evaluation, *operand, conditions, reached)? {
                    return Some(false);
                }
            }
            Some(true)
        }
    }
}

/// The conditions that `node` joins, or nothing where it is one itself.
fn operands(image: &Image, node: NodeId) -> Option<Vec<NodeId>> {
    let nodes = &image.tables().nodes;
    match nodes.rows.get(node as usize)? {
        Node::And(run) | Node::Or(run) | Node::If(run) => Some(run.of(&nodes.operands).to_vec()),
        Node::Unary(Unary::Not, operand) => Some(alloc::vec![*operand]),
        _ => None,
    }
}
