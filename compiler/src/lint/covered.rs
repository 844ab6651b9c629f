//! Policies that another of the same effect makes superfluous.

use std::collections::BTreeMap;

use countersign_core::policy::Value;

use super::{
    Finding, Rule,
    logic::Facts,
    never::known,
    subject::{Party, Subject, World, type_of},
};

/// How many pairs of policies are compared at most.
const MOST_PAIRS: usize = 1_000_000;

pub(super) fn lint(subjects: &[Subject<'_>], world: &World<'_>, findings: &mut Vec<Finding>) {
    let candidates = Candidates::of(subjects);
    let mut pairs = 0;
    for (at, inner) in subjects.iter().enumerate() {
        let mut facts = known(inner);
        if facts.add(&inner.tree, 0).is_err() {
            // It never matches, which is said already.
            continue;
        }
        let by = candidates.that_may_cover(inner, &facts, world).into_iter().find(|other| {
            pairs += 1;
            let Some(outer) = subjects.get(*other).filter(|_| *other != at && pairs <= MOST_PAIRS) else {
                return false;
            };
            outer.forbids() == inner.forbids()
                && scopes(inner, outer, world)
                && outer.tree.conjuncts().iter().all(|part| facts.imply(part) || same(part, inner))
                && (at > *other || !mutual(inner, outer, world))
        });
        if let Some(outer) = by.and_then(|by| subjects.get(by)) {
            let what = if inner.forbids() { "forbids" } else { "permits" };
            let message = format!("is covered: `{}` {what} all of it already", outer.id);
            findings.push(inner.finding(Rule::Covered, None, message));
        }
        if pairs > MOST_PAIRS {
            let message =
                format!("from here on policies are not compared with each other: over {MOST_PAIRS} pairs");
            findings.push(inner.finding(Rule::Covered, None, message));
            return;
        }
    }
}

/// Policies by one thing that whatever they cover must have, so that few need to be compared.
#[derive(Default)]
struct Candidates {
    /// By an expression and its only value.
    valued: BTreeMap<(String, Value), Vec<usize>>,
    /// By the entity that the scope names for principal or resource.
    named: BTreeMap<String, Vec<usize>>,
    others: Vec<usize>,
}

impl Candidates {
    fn of(subjects: &[Subject<'_>]) -> Self {
        let mut candidates = Self::default();
        for (at, subject) in subjects.iter().enumerate() {
            let named = || named(&subject.principal).or(named(&subject.resource));
            let place = match subject.tree.conjuncts().iter().find_map(|part| part.demanded()) {
                Some(demand) => candidates.valued.entry(demand).or_default(),
                None => match named() {
                    Some(name) => candidates.named.entry(name.to_owned()).or_default(),
                    None => &mut candidates.others,
                },
            };
            place.push(at);
        }
        candidates
    }

    /// The places of those that may cover a policy, of which this is known, in their order.
    fn that_may_cover(&self, inner: &Subject<'_>, facts: &Facts, world: &World<'_>) -> Vec<usize> {
        let mut found = self.others.clone();
        for (text, value) in facts.limits() {
            found.extend(self.valued.get(&(text.to_owned(), value.clone())).into_iter().flatten());
        }
        for name in [named(&inner.principal), named(&inner.resource)].into_iter().flatten() {
            let names = world.ancestors(name).map(String::as_str).chain([name]);
            found.extend(names.filter_map(|name| self.named.get(name)).flatten());
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// The entity that a scope names.
fn named(party: &Party) -> Option<&str> {
    match party {
        Party::Eq(name) | Party::In(name) | Party::IsIn(_, name) => Some(name),
        Party::Any | Party::Is(_) => None,
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
