//! Evaluation with Cedar's semantics: default deny, `forbid` over `permit`, a policy that errors is skipped
//! and reported.
//!
//! Only policies that the index leads to are looked at. Steps and depth are bounded, and nothing
//! is allocated unless lists outgrow their place.

mod compare;
pub mod coverage;
mod expr;
mod hierarchy;
mod memo;
mod outcome;
mod seen;
#[cfg(test)]
pub(crate) mod tests;
mod tree;
mod val;

use core::cell::Cell;

pub(crate) use compare::constants_in_order;
use hierarchy::Ancestry;
use memo::Memo;
pub use outcome::{Decision, ErrorKind, ErrorList, Outcome, PolicyError, PolicyList, Ruling};
pub(crate) use seen::seen;
pub use seen::{Seen, SeenValue};
pub(crate) use val::{Ent, RecordRef, SetRef, Val};

use super::{
    image::{
        Image,
        lookup::type_name,
        tables::{ActionScope, Effect, NodeId, PolicyIndex, PolicyRow, Scope, TypeId, UidId},
    },
    small::Inline,
    value::Request,
};

/// How many expressions and comparisons one request may take; far beyond what any real policy set needs.
pub const MAX_STEPS: usize = 4_000_000;

/// Answers `request` by the policies of `image`.
#[must_use]
pub fn evaluate(image: &Image, request: &Request<'_>) -> Outcome {
    let mut tally = Tally::new();
    Evaluation::new(image, request).walk(0, &mut tally);
    tally.finish()
}

/// An expression that could not be evaluated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) kind: ErrorKind,
    pub(crate) node: NodeId,
}

/// How far a request got with a policy.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Match {
    Satisfied,
    /// The scope is about another principal.
    OtherPrincipal,
    /// The scope is about another action.
    OtherAction,
    /// The scope is about another resource.
    OtherResource,
    /// The condition at this place among the clauses is false.
    ClauseFalse(usize),
    /// The condition at this place among the clauses can't be evaluated.
    ClauseFailed(usize, Fault),
}

/// A principal or resource as policies ask for it.
struct Party<'a> {
    entity: Ent<'a>,
    ancestry: Ancestry,
}

/// One request being answered.
pub(crate) struct Evaluation<'a> {
    pub(crate) image: &'a Image,
    request: &'a Request<'a>,
    /// The places of the request's entities in the image.
    brought: Inline<UidId, 32>,
    principal: Party<'a>,
    action: Party<'a>,
    resource: Party<'a>,
    /// Sets and records that the policy at hand has built.
    scratch: Inline<Val<'a>, 16>,
    memo: Memo<'a>,
    steps: Cell<usize>,
}

impl<'a> Evaluation<'a> {
    #[inline]
    pub(crate) fn new(image: &'a Image, request: &'a Request<'a>) -> Self {
        let nobody = || Party { entity: Ent::Foreign(request.principal), ancestry: Ancestry::new(0) };
        let mut evaluation = Self {
            image,
            request,
            brought: Inline::new(0),
            principal: nobody(),
            action: nobody(),
            resource: nobody(),
            scratch: Inline::new(Val::Bool(false)),
            memo: Memo::new(),
            steps: Cell::new(MAX_STEPS),
        };
        evaluation.resolve_brought();
        evaluation.principal = evaluation.party(request.principal);
        evaluation.action = evaluation.party(request.action);
        evaluation.resource = evaluation.party(request.resource);
        evaluation
    }

    fn party(&self, uid: &'a super::EntityUid) -> Party<'a> {
        let entity = self.resolve_party(uid);
        Party { entity, ancestry: self.ancestry(entity) }
    }

    pub(crate) fn allow_steps(&mut self, steps: usize) {
        self.steps.set(steps);
    }

    fn step(&self) -> Result<(), ErrorKind> {
        self.steps(1)
    }

    /// Takes as many steps at once.
    fn steps(&self, count: usize) -> Result<(), ErrorKind> {
        match self.steps.get().checked_sub(count) {
            Some(left) => {
                self.steps.set(left);
                Ok(())
            }
            None => Err(ErrorKind::Limit),
        }
    }

    /// Evaluates one policy.
    fn consider(&mut self, index: PolicyIndex, tally: &mut Tally) {
        let Some(row) = self.image.tables().policies.rows.get(index as usize) else {
            return;
        };
        match self.matches(row) {
            Match::Satisfied => tally.satisfied(index, row.effect),
            Match::ClauseFailed(_, fault) => tally.failed(index, row.effect, fault),
            Match::OtherPrincipal | Match::OtherAction | Match::OtherResource | Match::ClauseFalse(_) => {}
        }
    }

    /// Whether the request satisfies the policy, or what stands in the way first.
    pub(crate) fn matches(&mut self, row: &PolicyRow) -> Match {
        if !self.in_scope(row.principal, &self.principal) {
            return Match::OtherPrincipal;
        }
        if !self.action_in_scope(row.action) {
            return Match::OtherAction;
        }
        if !self.in_scope(row.resource, &self.resource) {
            return Match::OtherResource;
        }
        let image = self.image;
        self.scratch.truncate(0);
        for (at, clause) in row.clauses.of(&image.tables().policies.clauses).iter().enumerate() {
            match self.condition(clause.node) {
                Ok(true) => {}
                Ok(false) => return Match::ClauseFalse(at),
                Err(fault) => return Match::ClauseFailed(at, fault),
            }
        }
        Match::Satisfied
    }

    #[inline]
    fn action_in_scope(&self, scope: ActionScope) -> bool {
        match scope {
            ActionScope::Any => true,
            ActionScope::Eq(uid) => matches!(self.action.entity, Ent::Known(have) if have == uid),
            ActionScope::In(run) => {
                let wanted = run.of(&self.image.tables().policies.actions);
                wanted.iter().any(|uid| within(&self.action.ancestry, *uid))
            }
        }
    }

    /// Which of principal, action and resource the policy's scope is not about.
    pub(crate) fn scope_misses(&self, row: &PolicyRow) -> [bool; 3] {
        [
            !self.in_scope(row.principal, &self.principal),
            !self.action_in_scope(row.action),
            !self.in_scope(row.resource, &self.resource),
        ]
    }

    fn in_scope(&self, scope: Scope, party: &Party<'_>) -> bool {
        match scope {
            Scope::Any => true,
            Scope::Eq(uid) => matches!(party.entity, Ent::Known(have) if have == uid),
            Scope::In(uid) => within(&party.ancestry, uid),
            Scope::Is(ty) => self.is_of(party.entity, ty),
            Scope::IsIn(ty, uid) => within(&party.ancestry, uid) && self.is_of(party.entity, ty),
        }
    }

    /// Whether a resolved entity is of that type.
    fn is_of(&self, entity: Ent<'_>, ty: TypeId) -> bool {
        let tables = self.image.tables();
        match entity {
            Ent::Known(uid) => tables.uids.get(uid as usize).is_some_and(|uid| uid.ty == ty),
            Ent::Foreign(uid) | Ent::Named(uid) => uid.ty() == type_name(tables, ty),
        }
    }
}

fn within(ancestry: &Ancestry, uid: UidId) -> bool {
    ancestry.contains(&uid)
}

/// What was found so far. A policy may come up twice, under two answers.
struct Tally {
    permits: PolicyList,
    forbids: PolicyList,
    errors: ErrorList,
    forbid_errored: bool,
}

impl Tally {
    fn new() -> Self {
        let filler = PolicyError { policy: 0, kind: ErrorKind::Limit, node: 0 };
        Self {
            permits: PolicyList::new(0),
            forbids: PolicyList::new(0),
            errors: ErrorList::new(filler),
            forbid_errored: false,
        }
    }

    fn satisfied(&mut self, index: PolicyIndex, effect: Effect) {
        match effect {
            Effect::Permit => self.permits.push(index),
            Effect::Forbid => self.forbids.push(index),
        }
    }

    fn failed(&mut self, index: PolicyIndex, effect: Effect, fault: Fault) {
        self.forbid_errored |= effect == Effect::Forbid;
        self.errors.push(PolicyError { policy: index, kind: fault.kind, node: fault.node });
    }

    fn finish(mut self) -> Outcome {
        let decision = if self.forbids.is_empty() && !self.permits.is_empty() {
            Decision::Allow
        } else {
            Decision::Deny
        };
        let permit_satisfied = !self.permits.is_empty();
        let mut determining = if decision == Decision::Allow { self.permits } else { self.forbids };
        determining.sort_dedup_by_key(|index| *index);
        self.errors.sort_dedup_by_key(|error| error.policy);
        let forbid_errored = self.forbid_errored;
        Outcome { decision, determining, errors: self.errors, forbid_errored, permit_satisfied }
    }
}
