//! `forbid`s that can fail. Cedar skips a policy that fails; the gateway denies, which is safe and yet seldom what was meant.

use std::collections::BTreeSet;

use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, UnaryOp, Var};

use super::{
    Finding, Rule,
    logic::{Tree, constant},
    optional::presence,
    subject::{Subject, World},
    typing::{Owner, owners},
};

pub(super) fn lint(subject: &Subject<'_>, world: &World<'_>, findings: &mut Vec<Finding>) {
    if subject.forbids() {
        let mut search = Search { subject, world, said: BTreeSet::new(), findings };
        search.tree(&subject.tree, &mut BTreeSet::new());
    }
}

struct Search<'s, 'a> {
    subject: &'s Subject<'a>,
    world: &'s World<'a>,
    /// Places that were named already.
    said: BTreeSet<String>,
    findings: &'s mut Vec<Finding>,
}

impl Search<'_, '_> {
    /// Looks through a condition; `there` is what is known to be there at this point.
    fn tree(&mut self, tree: &Tree<'_>, there: &mut BTreeSet<String>) {
        match tree {
            Tree::All(parts) => parts.iter().for_each(|part| {
                self.tree(part, there);
                if let Tree::Leaf(leaf) = part
                    && !leaf.negated
                {
                    there.extend(known(leaf.expr));
                }
            }),
            Tree::Any(parts) => {
                // After `!(x has a) ||` it is there.
                let mut there = there.clone();
                for part in parts {
                    self.tree(part, &mut there.clone());
                    if let Tree::Leaf(leaf) = part
                        && leaf.negated
                    {
                        there.extend(known(leaf.expr));
                    }
                }
            }
            Tree::Leaf(leaf) => self.expr(leaf.expr, there),
        }
    }

    fn expr(&mut self, expr: &Expr, there: &BTreeSet<String>) {
        match expr.expr_kind() {
            ExprKind::BinaryApp { op: op @ (BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul), .. }
                if arithmetic(expr).is_none() =>
            {
                let name = match op {
                    BinaryOp::Add => "sum",
                    BinaryOp::Sub => "difference",
                    _ => "product",
                };
                self.say(expr, format!("can fail: the {name} `{expr}` may overflow"));
            }
            ExprKind::UnaryApp { op: UnaryOp::Neg, arg } if constant(arg).is_none() => {
                self.say(expr, format!("can fail: `{expr}` may overflow"));
            }
            ExprKind::ExtensionFunctionApp { fn_name, args } => {
                let name = fn_name.to_string();
                let constructor = ["decimal", "ip", "datetime", "duration"].contains(&name.as_str());
                if constructor && constant(expr).is_none() {
                    self.say(expr, format!("can fail: `{expr}` is made of what is not a valid constant"));
                } else if ["offset", "durationSince", "toDate"].contains(&name.as_str())
                    && constant(expr).is_none()
                    && args.iter().any(|argument| constant(argument).is_none())
                {
                    self.say(expr, format!("can fail: `{expr}` may overflow"));
                }
            }
            ExprKind::GetAttr { expr: object, .. }
                if self.may_be_unknown(object) && !there.contains(&object.to_string()) =>
            {
                self.say(expr, format!("can fail: nothing may be known of `{object}`, and so no `{expr}`"));
            }
            _ => {}
        }
        match expr.expr_kind() {
            // Inside of a leaf, `&&`, `||` and `if` stand within other operators only.
            ExprKind::And { left, right } => {
                self.expr(left, there);
                let mut there = there.clone();
                there.extend(known(left));
                self.expr(right, &there);
            }
            ExprKind::If { test_expr, then_expr, else_expr } => {
                self.expr(test_expr, there);
                let mut inner = there.clone();
                inner.extend(known(test_expr));
                self.expr(then_expr, &inner);
                self.expr(else_expr, there);
            }
            _ => children(expr).into_iter().for_each(|child| self.expr(child, there)),
        }
    }

    /// Whether `object` is an entity that a request may come without. The gateway brings the principal, and the resource unless
    /// the pack is where such resources are described.
    fn may_be_unknown(&self, object: &Expr) -> bool {
        let entities: Vec<String> = owners(self.subject, self.world, object)
            .into_iter()
            .filter_map(|owner| match owner {
                Owner::Entity(name) => Some(name),
                Owner::Record(_) => None,
            })
            .collect();
        match object.expr_kind() {
            ExprKind::Var(Var::Resource) => entities.iter().any(|name| self.world.describes(name)),
            ExprKind::Var(_) => false,
            _ => !entities.is_empty(),
        }
    }

    fn say(&mut self, place: &Expr, message: String) {
        if self.said.insert(place.to_string()) {
            self.findings.push(self.subject.finding(Rule::ForbidCanError, Some(place), message));
        }
    }
}

/// What is known once `expr` holds: tags by the text that reads them, and entities that have an attribute. Such an entity has
/// all that are required, and the validator sees to the others.
fn known(expr: &Expr) -> Vec<String> {
    match expr.expr_kind() {
        ExprKind::HasAttr { expr: object, .. } => vec![object.to_string()],
        ExprKind::ExtHasAttr { expr: object, .. } => {
            // All but the last of the path had an attribute themselves.
            let mut known = presence(expr).unwrap_or_default();
            known.pop();
            known.push(object.to_string());
            known
        }
        _ => presence(expr).unwrap_or_default(),
    }
}

/// The value of constant arithmetic, where it has one.
fn arithmetic(expr: &Expr) -> Option<i64> {
    use countersign_core::policy::Value;
    if let ExprKind::BinaryApp { op, arg1, arg2 } = expr.expr_kind() {
        let (left, right) = (arithmetic(arg1)?, arithmetic(arg2)?);
        return match op {
            BinaryOp::Add => left.checked_add(right),
            BinaryOp::Sub => left.checked_sub(right),
            BinaryOp::Mul => left.checked_mul(right),
            _ => None,
        };
    }
    match constant(expr)? {
        Value::Long(number) => Some(number),
        _ => None,
    }
}

fn children(expr: &Expr) -> Vec<&Expr> {
    match expr.expr_kind() {
        ExprKind::Lit(_) | ExprKind::Var(_) | ExprKind::Slot(_) | ExprKind::Unknown(_) => Vec::new(),
        ExprKind::If { test_expr, then_expr, else_expr } => vec![test_expr, then_expr, else_expr],
        ExprKind::And { left, right } | ExprKind::Or { left, right } => vec![left, right],
        ExprKind::UnaryApp { arg, .. } => vec![arg],
        ExprKind::BinaryApp { arg1, arg2, .. } => vec![arg1, arg2],
        ExprKind::ExtensionFunctionApp { args, .. } => args.iter().collect(),
        ExprKind::GetAttr { expr, .. }
        | ExprKind::HasAttr { expr, .. }
        | ExprKind::ExtHasAttr { expr, .. }
        | ExprKind::Like { expr, .. }
        | ExprKind::Is { expr, .. } => vec![expr],
        ExprKind::Set(members) => members.iter().collect(),
        ExprKind::Record(members) => members.values().collect(),
    }
}
