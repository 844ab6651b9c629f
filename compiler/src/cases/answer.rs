//! Answers: the official crate's, ours, and those that a case expects.

use std::collections::BTreeSet;

use cedar_policy::{AuthorizationError, Authorizer, Request, Response};
use countersign_core::policy::{Decision, Entity, Image, Outcome, evaluate, wire::OwnedRequest};

use super::Case;
use crate::convert;

/// What is decided, and by which policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Whether the request is allowed.
    pub allow: bool,
    /// Identifiers of the determining policies.
    pub reasons: BTreeSet<String>,
    /// Identifiers of the policies that could not be evaluated.
    pub errors: BTreeSet<String>,
}

impl Answer {
    /// An outcome of the evaluator, with the identifiers of `image`.
    #[must_use]
    pub fn ours(image: &Image, outcome: &Outcome) -> Self {
        Self::of_indices(
            image,
            outcome.decision() == Decision::Allow,
            outcome.determining().iter(),
            outcome.errors().iter().map(|error| error.policy),
        )
    }

    /// The same, from indices of policies.
    #[must_use]
    pub fn of_indices(
        image: &Image,
        allow: bool,
        reasons: impl IntoIterator<Item = u32>,
        errors: impl IntoIterator<Item = u32>,
    ) -> Self {
        let name =
            |index| image.policy(index).map_or_else(|| format!("#{index}"), |policy| policy.id().to_owned());
        Self {
            allow,
            reasons: reasons.into_iter().map(name).collect(),
            errors: errors.into_iter().map(name).collect(),
        }
    }

    /// `allow` or `deny`.
    #[must_use]
    pub fn decision(&self) -> &'static str {
        if self.allow { "allow" } else { "deny" }
    }
}

impl From<&Response> for Answer {
    fn from(response: &Response) -> Self {
        Self {
            allow: response.decision() == cedar_policy::Decision::Allow,
            reasons: response.diagnostics().reason().map(ToString::to_string).collect(),
            errors: response
                .diagnostics()
                .errors()
                .map(|AuthorizationError::PolicyEvaluationError(error)| error.policy_id().to_string())
                .collect(),
        }
    }
}

impl Case {
    /// What the official crate answers.
    #[must_use]
    pub fn official(&self, request: &Request) -> Answer {
        Answer::from(&Authorizer::new().is_authorized(request, &self.policies, &self.entities))
    }

    /// The case's entities as a request may bring them; `None` where one has an unknown value, which no JSON brings about.
    #[must_use]
    pub fn brought(&self) -> Option<Vec<Entity>> {
        self.entities.iter().map(|entity| convert::entity(entity.as_ref())).collect()
    }
}

/// A request as the evaluator takes it, bringing `entities` along; `None` where something in it is unknown.
#[must_use]
pub fn owned(request: &Request, entities: Vec<Entity>) -> Option<OwnedRequest> {
    Some(OwnedRequest {
        principal: convert::uid(request.principal()?.as_ref()),
        action: convert::uid(request.action()?.as_ref()),
        resource: convert::uid(request.resource()?.as_ref()),
        context: convert::context(request.context()?.as_ref())?,
        entities,
    })
}

/// What our evaluator answers.
#[must_use]
pub fn ours(image: &Image, request: &OwnedRequest) -> Answer {
    Answer::ours(image, &request.ask(|request| evaluate(image, request)))
}
