//! Negative matches on attributes that may be absent: where the attribute is, `x != "bad"` keeps the bad out; where it isn't,
//! nothing does.

use std::collections::BTreeMap;

use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind};

use super::{
    Finding, Rule,
    logic::Leaf,
    subject::{Subject, World},
    typing::{declared, within},
};

pub(super) fn lint(subject: &Subject<'_>, world: &World<'_>, findings: &mut Vec<Finding>) {
    let leaves = subject.tree.leaves();
    // Attributes that may be absent, each with the first negative match on it.
    let mut negative: BTreeMap<String, &Expr> = BTreeMap::new();
    for leaf in leaves.iter().filter(|leaf| leaf.negated) {
        // `>` and `>=` are negations to the official crate; in a `forbid` they are what the author wants to match.
        if presence(leaf.expr).is_some() || subject.forbids() && ordering(leaf.expr) {
            continue;
        }
        for part in within(leaf.expr) {
            if let Some(path) = optional(subject, world, part) {
                negative.entry(path).or_insert(leaf.expr);
            }
        }
    }
    // `unless { x has a && !x.a }` lets through what has none, though it reads `a` without a negation.
    if !subject.forbids() {
        let spread = leaves.iter().filter(|leaf| leaf.negated && leaf.spread);
        for path in spread.filter_map(|leaf| presence(leaf.expr)).flatten() {
            let reader = leaves.iter().find(|leaf| {
                presence(leaf.expr).is_none() && within(leaf.expr).any(|part| part.to_string() == path)
            });
            if let Some(reader) = reader {
                negative.entry(path).or_insert(reader.expr);
            }
        }
    }
    for (path, place) in negative {
        let may = |leaf: Leaf<'_>| absent_may(leaf, &path);
        let passes = subject.tree.may(&may);
        let message = if subject.forbids() {
            // A forbid that holds where the attribute is absent errs on the safe side.
            if passes {
                continue;
            }
            format!("does not forbid where `{path}` is absent: it asks what the attribute is not")
        } else if passes {
            format!("permits where `{path}` is absent: it asks what the attribute is not")
        } else {
            continue;
        };
        findings.push(subject.finding(Rule::NegativeMatchOnOptional, Some(place), message));
    }
}

fn ordering(expr: &Expr) -> bool {
    matches!(expr.expr_kind(), ExprKind::BinaryApp { op: BinaryOp::Less | BinaryOp::LessEq, .. })
}

/// The path of an attribute or tag that may be absent, if `expr` reads one.
fn optional(subject: &Subject<'_>, world: &World<'_>, expr: &Expr) -> Option<String> {
    match expr.expr_kind() {
        ExprKind::GetAttr { expr: object, attr } => {
            let found = declared(subject, world, object, attr);
            found.iter().any(|(_, attribute)| !attribute.is_required()).then(|| expr.to_string())
        }
        ExprKind::BinaryApp { op: BinaryOp::GetTag, .. } => Some(expr.to_string()),
        _ => None,
    }
}

/// Whether a leaf may hold where what is at `path` is absent.
fn absent_may(leaf: Leaf<'_>, path: &str) -> bool {
    match presence(leaf.expr) {
        Some(paths) if paths.iter().any(|have| have == path) => leaf.negated,
        _ => !within(leaf.expr).any(|part| part.to_string() == path),
    }
}

/// What `has` or `hasTag` asks for: each path that must be there.
pub(super) fn presence(expr: &Expr) -> Option<Vec<String>> {
    match expr.expr_kind() {
        ExprKind::HasAttr { expr: object, attr } => {
            Some(vec![Expr::get_attr((**object).clone(), attr.clone()).to_string()])
        }
        ExprKind::ExtHasAttr { expr: object, attrs } => {
            let mut path = (**object).clone();
            let mut paths = Vec::new();
            for attr in attrs {
                path = Expr::get_attr(path, attr.clone());
                paths.push(path.to_string());
            }
            Some(paths)
        }
        ExprKind::BinaryApp { op: BinaryOp::HasTag, arg1, arg2 } => {
            Some(vec![Expr::get_tag((**arg1).clone(), (**arg2).clone()).to_string()])
        }
        _ => None,
    }
}
