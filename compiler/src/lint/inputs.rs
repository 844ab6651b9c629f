//! What the schema or the configuration says of inputs: which are sensitive, and which a client writes freely.

use std::collections::BTreeSet;

use cedar_policy_core::ast::ExprKind;

use super::{
    Finding, Rule,
    certain::always,
    subject::{Subject, World},
    typing::{declared, within},
};
pub(super) fn lint(subject: &Subject<'_>, world: &World<'_>, findings: &mut Vec<Finding>) {
    unconditional(subject, world, findings);
    unverified(subject, world, findings);
}

fn unconditional(subject: &Subject<'_>, world: &World<'_>, findings: &mut Vec<Finding>) {
    if subject.forbids() || !always(subject, world) {
        return;
    }
    let why = subject.resource_types().into_iter().find_map(|ty| {
        let told = world.options.sensitive.contains(&ty).then(|| format!("`{ty}` is sensitive"));
        told.or_else(|| world.marks.sensitive(&ty))
    });
    if let Some(why) = why {
        let message = match subject.condition {
            None => format!("permits without any condition, and {why}"),
            Some(_) => format!("permits without a condition that could be false, and {why}"),
        };
        findings.push(subject.finding(Rule::UnconditionalPermit, None, message));
    }
}

fn unverified(subject: &Subject<'_>, world: &World<'_>, findings: &mut Vec<Finding>) {
    let mut said = BTreeSet::new();
    for part in subject.condition.into_iter().flat_map(within) {
        let reads: Vec<(&cedar_policy_core::ast::Expr, &str)> = match part.expr_kind() {
            ExprKind::GetAttr { expr, attr } | ExprKind::HasAttr { expr, attr } => vec![(expr, attr)],
            ExprKind::ExtHasAttr { expr, attrs } => vec![(expr, attrs.first().as_str())],
            _ => continue,
        };
        for (object, attribute) in reads {
            for (owner, _) in declared(subject, world, object, attribute) {
                let path = owner.path(attribute);
                let known =
                    world.marks.unverified.contains(&path) || world.options.unverified.contains(&path);
                if known && said.insert(path.clone()) {
                    let message = format!("decides on `{path}`, which the client writes freely");
                    findings.push(subject.finding(Rule::UnverifiedInput, Some(part), message));
                }
            }
        }
    }
}
