//! Policies that another of the same effect makes superfluous.

use super::{
    Finding, Rule,
    never::known,
    subject::{Party, Subject, World, type_of},
};

/// How many pairs of policies are compared at most.
const MOST_PAIRS: usize = 4_000_000;

pub(super) fn lint(subjects: &[Subject<'_>], world: &World<'_>, findings: &mut Vec<Finding>) {
    let mut pairs = 0;
    for (at, inner) in subjects.iter().enumerate() {
        let mut facts = known(inner);
        if facts.add(&inner.tree, 0).is_err() {
            // It never matches, which is said already.
            continue;
        }
        let by = subjects.iter().enumerate().find(|(other, outer)| {
            pairs += 1;
            *other != at
                && pairs <= MOST_PAIRS
                && outer.forbids() == inner.forbids()
                && scopes(inner, outer, world)
                && outer.tree.conjuncts().iter().all(|part| facts.imply(part) || same(part, inner))
                && (at > *other || !mutual(inner, outer, world))
        });
        if let Some((_, outer)) = by {
            let what = if inner.forbids() { "forbids" } else { "permits" };
            let message = format!("is covered: `{}` {what} all of it already", outer.id);
            findings.push(inner.finding(Rule::Covered, None, message));
        }
    }
}

fn same(part: &super::logic::Tree<'_>, inner: &Subject<'_>) -> bool {
    let key = part.key();
    inner.tree.conjuncts().iter().any(|have| have.key() == key)
}

/// Whether two policies cover each other: then the first of them stays.
fn mutual(inner: &Subject<'_>, outer: &Subject<'_>, world: &World<'_>) -> bool {
    let mut facts = known(outer);
    facts.add(&outer.tree, 0).is_ok()
        && scopes(outer, inner, world)
        && inner.tree.conjuncts().iter().all(|part| facts.imply(part) || same(part, outer))
}

/// Whether the scope of one lies in the scope of another.
fn scopes(inner: &Subject<'_>, outer: &Subject<'_>, world: &World<'_>) -> bool {
    let actions =
        inner.actions.iter().all(|action| outer.actions.iter().any(|other| other.name() == action.name()));
    // Two policies without a schema's actions are about nothing that could be compared.
    actions
        && !inner.actions.is_empty()
        && party(&inner.principal, &outer.principal, world)
        && party(&inner.resource, &outer.resource, world)
}

fn party(inner: &Party, outer: &Party, world: &World<'_>) -> bool {
    let of_type = |ty: &str| match inner {
        Party::Eq(uid) => type_of(uid) == ty,
        Party::Is(have) | Party::IsIn(have, _) => have == ty,
        Party::Any | Party::In(_) => false,
    };
    let inside = |outer: &str| match inner {
        Party::Eq(uid) | Party::In(uid) | Party::IsIn(_, uid) => world.within(uid, outer),
        Party::Any | Party::Is(_) => false,
    };
    match outer {
        Party::Any => true,
        Party::Eq(uid) => matches!(inner, Party::Eq(have) if have == uid),
        Party::Is(ty) => of_type(ty),
        Party::In(uid) => inside(uid),
        Party::IsIn(ty, uid) => of_type(ty) && inside(uid),
    }
}
