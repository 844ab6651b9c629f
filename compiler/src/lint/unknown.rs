//! Groups that policies ask for, and that are not among those that the pack describes: mostly misspelt.

use std::collections::BTreeSet;

use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, Literal};

use super::{
    Finding, Rule,
    subject::{Party, Subject, World, type_of},
    typing::within,
};
use crate::names::distance;

pub(super) fn lint(subject: &Subject<'_>, world: &World<'_>, findings: &mut Vec<Finding>) {
    let mut said = BTreeSet::new();
    let mut look = |name: String, place: Option<&Expr>| {
        if let Some(nearest) = unknown(&name, world)
            && said.insert(name.clone())
        {
            let meant = nearest.map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"));
            let ty = type_of(&name);
            let message = format!("asks for `{name}`, which is none of the `{ty}`s in the entities{meant}");
            findings.push(subject.finding(Rule::UnknownEntity, place, message));
        }
    };
    for party in [&subject.principal, &subject.resource] {
        if let Party::In(name) | Party::IsIn(_, name) = party {
            look(name.clone(), None);
        }
    }
    for part in subject.condition.into_iter().flat_map(within) {
        let ExprKind::BinaryApp { op: BinaryOp::In, arg2, .. } = part.expr_kind() else { continue };
        for group in within(arg2) {
            if let ExprKind::Lit(Literal::EntityUID(uid)) = group.expr_kind() {
                look(uid.to_string(), Some(part));
            }
        }
    }
}

/// Whether the pack describes entities of this one's type, and not this one; with the name that is nearest to it.
fn unknown<'a>(name: &str, world: &'a World<'_>) -> Option<Option<&'a str>> {
    let mut known = world.known(type_of(name)).peekable();
    known.peek()?;
    let mut nearest: Option<(usize, &str)> = None;
    for one in known {
        if one == name {
            return None;
        }
        let steps = distance(name, one);
        // Beyond a third of its letters it is another word.
        let word = name.len().saturating_sub(type_of(name).len() + 4);
        if steps <= (word / 3).max(2) && nearest.is_none_or(|(least, _)| steps < least) {
            nearest = Some((steps, one));
        }
    }
    Some(nearest.map(|(_, one)| one))
}
