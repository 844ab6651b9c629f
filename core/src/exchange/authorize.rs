//! The fourth stage: the policies decide, and only here a permit is made.

use super::identify::{Identified, Principal};
use super::{Advice, Denial};
use crate::metrics::Observer;
use crate::policy::{Effect, Entity, ErrorKind, Image, Outcome, Request, Ruling, evaluate};
use crate::reason::Reason;
use crate::settings::{Question, RouteSettings, Settings};
use crate::step_up::Demand;
use crate::time::{Span, Timestamp};
use crate::token::Verified;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// Proof that a request may go upstream. Only [`authorize`] and [`Permit::public`] make one.
pub struct Permit {
    kind: Kind,
}

enum Kind {
    /// A policy permits it.
    Policy(Box<Identified>),
    /// The route asks for nothing.
    Public,
}

impl Permit {
    /// Asserts that a policy permits what was identified.
    fn assertion(identified: Identified) -> Self {
        Self { kind: Kind::Policy(Box::new(identified)) }
    }

    /// The permit of a public route: one whose configuration asks the policies nothing.
    pub(super) fn public(route: &RouteSettings) -> Option<Self> {
        route.question.is_none().then_some(Self { kind: Kind::Public })
    }

    /// Whether the route is public.
    pub fn is_public(&self) -> bool {
        matches!(self.kind, Kind::Public)
    }

    /// Who was permitted; nobody on a public route.
    pub(super) fn identified(&self) -> Option<&Identified> {
        match &self.kind {
            Kind::Policy(identified) => Some(identified),
            Kind::Public => None,
        }
    }
}

/// What an evaluation found, in words: for the audit line and the refusal.
#[derive(Default)]
pub(super) struct Findings {
    /// Whether they are wanted of an allowed request too; of a refused one they always are.
    wanted: bool,
    /// The determining policies.
    pub policies: Vec<String>,
    /// Policies that could not be evaluated, with why.
    pub errors: Vec<(String, String)>,
}

impl Findings {
    /// None yet; `wanted` says whether an allowed request's are read by anyone.
    pub(super) fn new(wanted: bool) -> Self {
        Self { wanted, ..Self::default() }
    }
}

/// Asks the policies; consumes the proof of who and what the question is about. Findings are written whatever the answer.
pub(super) fn authorize(
    identified: Identified,
    question: &Question,
    settings: &Settings,
    findings: &mut Findings,
    observer: &mut dyn Observer,
    now: Timestamp,
) -> Result<Permit, Denial> {
    let image = &settings.image;
    let principal = identified.principal.entity();
    // The schema does not let principals of this type ask: no policy was written for them.
    if !question.principal_types.iter().any(|ty| **ty == *principal.uid.ty()) {
        return Err(Reason::PolicyNotPermitted.into());
    }
    let behalf =
        identified.principal.verified().and_then(|verified| verified.token().on_behalf_of.as_deref());
    let with_subject: [&Entity; 3];
    let without: [&Entity; 2];
    let entities: &[&Entity] = match behalf {
        Some(subject) => {
            with_subject = [principal, &identified.resource, subject];
            &with_subject
        }
        None => {
            without = [principal, &identified.resource];
            &without
        }
    };
    let request = Request {
        principal: &principal.uid,
        action: &question.action,
        resource: &identified.resource.uid,
        context: &identified.context,
        entities,
    };
    observer.asking(&request);
    let outcome = evaluate(image, &request);
    let ruling = outcome.ruling();
    if findings.wanted || ruling != Ruling::Permitted {
        note(&outcome, image, findings);
    }
    let step_up = step_up(&outcome, ruling, &identified, question, settings, now);
    let reason = match ruling {
        Ruling::Permitted if step_up.is_none() => return Ok(Permit::assertion(identified)),
        Ruling::Permitted | Ruling::Forbidden if step_up.is_some() => Reason::PolicyStepUp,
        Ruling::Permitted | Ruling::Forbidden => Reason::PolicyForbidden,
        Ruling::ForbidErrored | Ruling::NotPermitted if ran_out(&outcome) => Reason::PolicyLimit,
        Ruling::ForbidErrored => Reason::PolicyForbidError,
        Ruling::NotPermitted => Reason::PolicyNotPermitted,
    };
    if findings.policies.is_empty() {
        note(&outcome, image, findings);
    }
    let advice = step_up.map_or(Advice::None, |demand| Advice::StepUp(demand.parameters()));
    Err(Denial { reason, policies: findings.policies.clone(), advice })
}

/// What stands between the user's login and what was decided: the route's demand on a request that policies permit, that of the
/// policies if each one that permits has one, or that of the policies that forbid if each has one. Nothing where the login
/// satisfies it or the request would be refused all the same: stepping up would not help.
fn step_up<'s>(
    outcome: &Outcome,
    ruling: Ruling,
    identified: &Identified,
    question: &'s Question,
    settings: &'s Settings,
    now: Timestamp,
) -> Option<&'s Demand> {
    let token = identified.principal.verified().map(Verified::token);
    let issuer = token.and_then(|token| settings.issuers.get(token.issuer));
    let clock_skew = issuer.map_or(Span::ZERO, |issuer| issuer.clock_skew);
    let unmet = |demand: &&Demand| !demand.satisfied(token, clock_skew, now);
    let of_route = question.step_up.as_ref().filter(unmet);
    if !outcome.permitted_but_for_forbids() {
        return None;
    }
    if ruling == Ruling::Permitted && of_route.is_some() {
        return of_route;
    }
    if settings.step_ups.is_empty() {
        return None;
    }
    let mut first = None;
    for policy in outcome.determining().iter() {
        let demand = settings.step_ups.get(&policy).filter(unmet)?;
        first.get_or_insert(demand);
    }
    first
}

/// Whether a policy took more steps than any may.
fn ran_out(outcome: &Outcome) -> bool {
    outcome.errors().iter().any(|error| error.kind == ErrorKind::Limit)
}

fn note(outcome: &Outcome, image: &Image, findings: &mut Findings) {
    let name = |index| String::from(image.policy(index).map(|policy| policy.id()).unwrap_or_default());
    findings.policies = match outcome.ruling() {
        // The gateway's own rule: Cedar would skip such a policy, and name those that permit.
        Ruling::ForbidErrored => {
            let forbids = |index| image.policy(index).is_some_and(|policy| policy.effect() == Effect::Forbid);
            let errors = outcome.errors().iter().filter(|error| forbids(error.policy));
            errors.map(|error| name(error.policy)).collect()
        }
        Ruling::Forbidden | Ruling::NotPermitted | Ruling::Permitted => {
            outcome.determining().iter().map(name).collect()
        }
    };
    findings.errors =
        outcome.errors().iter().map(|error| (name(error.policy), alloc::format!("{}", error.kind))).collect();
}

impl Principal {
    /// The proof of the token, where there is one.
    pub(super) fn verified(&self) -> Option<&Verified> {
        match self {
            Self::Token(verified) => Some(verified),
            Self::ApiKey(_) | Self::Workload(_) => None,
        }
    }
}
