//! What holds for every request that a policy is about.

use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, Literal, Var};

use super::{
    logic::{Tree, constant_truth},
    never::known,
    subject::{Party, Subject, World},
    typing::{declared, owners},
};

/// Whether the conditions of a policy hold for every request in its scope: no condition, or none that could fail to hold.
pub(super) fn always(subject: &Subject<'_>, world: &World<'_>) -> bool {
    let Some(condition) = subject.condition else { return true };
    let truth = |expr: &Expr| truth(subject, world, expr);
    match Tree::opposite(condition).settled(&truth) {
        Err(value) => !value,
        // What leads to a contradiction is never so.
        Ok(opposite) => known(subject).add(&opposite, 0).is_err(),
    }
}

/// Whether a leaf is certain, by itself or by the policy's scope and the schema.
fn truth(subject: &Subject<'_>, world: &World<'_>, expr: &Expr) -> Option<bool> {
    if let Some(value) = constant_truth(expr) {
        return Some(value);
    }
    let holds = match expr.expr_kind() {
        ExprKind::Is { expr, entity_type } => {
            let types = match expr.expr_kind() {
                ExprKind::Var(Var::Principal) => subject.principal_types(),
                ExprKind::Var(Var::Resource) => subject.resource_types(),
                _ => return None,
            };
            let ty = entity_type.to_string();
            !types.is_empty() && types.iter().all(|have| *have == ty)
        }
        ExprKind::HasAttr { expr: object, attr } => required(subject, world, object, attr),
        ExprKind::ExtHasAttr { expr: object, attrs } => {
            let mut object = (**object).clone();
            attrs.iter().all(|attr| {
                let there = required(subject, world, &object, attr);
                object = Expr::get_attr(object.clone(), attr.clone());
                there
            })
        }
        ExprKind::BinaryApp { op: BinaryOp::Eq, arg1, arg2 } => {
            let (ExprKind::Var(Var::Action), ExprKind::Lit(Literal::EntityUID(uid))) =
                (arg1.expr_kind(), arg2.expr_kind())
            else {
                return None;
            };
            let name = uid.to_string();
            subject.applicable().next().is_some()
                && subject.applicable().all(|have| have.name().to_string() == name)
        }
        ExprKind::BinaryApp { op: BinaryOp::In, arg1, arg2 } => {
            let ExprKind::Lit(Literal::EntityUID(outer)) = arg2.expr_kind() else { return None };
            let party = match arg1.expr_kind() {
                ExprKind::Var(Var::Principal) => &subject.principal,
                ExprKind::Var(Var::Resource) => &subject.resource,
                _ => return None,
            };
            match party {
                Party::Eq(inner) | Party::In(inner) | Party::IsIn(_, inner) => {
                    world.within(inner, &outer.to_string())
                }
                Party::Any | Party::Is(_) => false,
            }
        }
        _ => return None,
    };
    holds.then_some(true)
}

/// Whether everything that `object` may be must have an attribute.
fn required(subject: &Subject<'_>, world: &World<'_>, object: &Expr, attr: &str) -> bool {
    let found = declared(subject, world, object, attr);
    !found.is_empty()
        && found.len() == owners(subject, world, object).len()
        && found.iter().all(|(_, attribute)| attribute.is_required())
}
