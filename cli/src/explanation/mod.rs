//! How a decision came about: the question that the policies were asked, and what each had to say.

mod credentials;
mod mask;
mod near;
mod ruling;
mod show;
mod value;

pub(crate) use near::near;
pub(crate) use ruling::{RULINGS, ruling, ruling_words};
pub(crate) use show::{show, show_asked};

use crate::case::Case;
use crate::decider::Decider;
use crate::engine::{Decision, EngineError, Request, settle};
use crate::sources::Sources;
use countersign_compiler::Place;
use countersign_core::metrics::{Observer, Stage};
use countersign_core::policy::explain::Found;
use countersign_core::policy::{self, Effect, Entity, EntityUid, Image, Record, Seen, SeenValue, explain};
use countersign_core::reason::Reason;
use countersign_core::settings::Settings;
use credentials::{Credentials, StepUp};
use mask::Masks;
pub(crate) use mask::masked_context;
use serde_json::{Map, Value, json};
pub(crate) use value::record_json;
use value::{entity_json, value_json};

/// A decision, explained.
pub(crate) struct Explanation {
    /// The decision record.
    pub(crate) record: Map<String, Value>,
    /// What the caller brought to prove itself.
    pub(crate) credentials: Credentials,
    /// The login that it is sent to make, if that is all that it lacks.
    pub(crate) step_up: Option<StepUp>,
    /// What the policies were asked, if it came to that.
    pub(crate) question: Option<Asked>,
    /// Why the request was refused.
    pub(crate) reason: Option<Reason>,
}

/// A question to the policies, and what each had to say.
pub(crate) struct Asked {
    pub(crate) principal: Entity,
    pub(crate) action: String,
    pub(crate) resource: Entity,
    pub(crate) context: Record,
    pub(crate) findings: Vec<Finding>,
}

/// What one policy had to say.
pub(crate) struct Finding {
    pub(crate) policy: String,
    pub(crate) effect: Effect,
    pub(crate) source: String,
    pub(crate) note: Option<String>,
    /// What `@severity` says.
    pub(crate) severity: Option<String>,
    /// What `@step_up` says.
    pub(crate) step_up: Option<String>,
    /// With conditions as they are written, where that is known.
    pub(crate) result: Found,
    /// Where the condition stands that the result is about.
    pub(crate) place: Option<Place>,
    /// Whether it accounts for the decision.
    pub(crate) relevant: bool,
}

/// Hears what policies are asked.
pub(crate) struct Listener<'i> {
    image: &'i Image,
    sources: &'i Sources,
    /// The last question, if there was one.
    pub(crate) asked: Option<Asked>,
}

impl<'i> Listener<'i> {
    /// One that has heard nothing.
    pub(crate) fn new(image: &'i Image, sources: &'i Sources) -> Self {
        Self { image, sources, asked: None }
    }
}

impl Observer for Listener<'_> {
    fn stage_done(&mut self, _: Stage) {}

    fn asking(&mut self, request: &policy::Request<'_>) {
        self.asked = Some(Asked::of(self.image, self.sources, request));
    }
}

impl Explanation {
    /// Decides a case and listens.
    pub(crate) fn of(decider: &mut Decider, case: &Case) -> Result<Self, EngineError> {
        let settings = decider.settings();
        let mut engine = decider.native(case)?;
        let mut listener = Listener::new(&settings.image, decider.sources());
        let ticket = engine.request_observed(&case.request, &mut listener);
        let decision = settle(&mut engine, ticket)?;
        Ok(Self::told(&settings, decider.prefix(), &case.request, &decision, listener.asked))
    }

    /// A decision and what was heard on the way.
    pub(crate) fn told(
        settings: &Settings,
        prefix: &str,
        request: &Request,
        decision: &Decision,
        question: Option<Asked>,
    ) -> Self {
        let reason = decision.member("reason");
        let reason = Reason::ALL.iter().copied().find(|one| Some(one.code()) == reason);
        let step_up = (reason == Some(Reason::PolicyStepUp))
            .then(|| StepUp::of(settings, decision, question.as_ref()))
            .flatten();
        Self {
            record: decision.record(prefix),
            credentials: Credentials::of(request, settings, decision),
            step_up,
            question,
            reason,
        }
    }

    /// The explanation as data.
    pub(crate) fn data(&self) -> Value {
        json!({
            "record": self.record,
            "token": self.credentials.token_data(),
            "proof": self.credentials.proof_data(),
            "api_key": self.credentials.key_data(),
            "question": self.question.as_ref().map(Asked::data),
            "step_up": self.step_up.as_ref().map(StepUp::data),
            "help": self.reason.map(Reason::help),
        })
    }
}

impl Asked {
    /// Asks the policies of `image`, which stand in `sources`, and hears each of them.
    pub(crate) fn of(image: &Image, sources: &Sources, request: &policy::Request<'_>) -> Self {
        let explanation = explain(image, request);
        let relevant: Vec<_> = explanation.relevant().map(|finding| finding.index).collect();
        let entity = |uid: &EntityUid| {
            let found = request.entities.iter().find(|entity| entity.uid == *uid);
            found.map_or_else(|| Entity::new(uid.clone()), |entity| (*entity).clone())
        };
        let masks = Masks::new(image);
        Self {
            principal: masks.entity("principal", entity(request.principal)),
            action: request.action.to_string(),
            resource: masks.entity("resource", entity(request.resource)),
            context: masks.record("context", "context", request.context),
            findings: explanation
                .findings
                .iter()
                .map(|finding| Finding::of(finding, sources, relevant.binary_search(&finding.index).is_ok()))
                .collect(),
        }
    }

    /// It as data.
    pub(crate) fn data(&self) -> Value {
        let policies: Vec<Value> = self.findings.iter().map(Finding::data).collect();
        json!({
            "principal": entity_json(&self.principal),
            "action": self.action,
            "resource": entity_json(&self.resource),
            "context": record_json(&self.context),
            "policies": policies,
        })
    }
}

impl Finding {
    fn of(found: &explain::Finding<'_>, sources: &Sources, relevant: bool) -> Self {
        let policy = found.policy;
        let mut result = found.result.clone();
        let span = policy.span();
        // A scope stands at the policy's head, and an image alone has no other lines.
        let head = Place { line: span.line, column: span.column };
        let mut place = result.condition().filter(|condition| condition.len == 0).map(|_| head);
        if let Some(condition) = result.condition_mut()
            && let Some(written) = sources.written(policy, condition.offset, condition.len)
        {
            condition.text = written.text;
            place = Some(written.place);
        }
        Self {
            policy: policy.id().to_owned(),
            effect: policy.effect(),
            source: policy.source().to_owned(),
            note: policy.annotation("reason").map(str::to_owned),
            severity: policy.annotation("severity").map(str::to_owned),
            step_up: policy.annotation("step_up").map(str::to_owned),
            result,
            place,
            relevant,
        }
    }

    /// Whether it is about another principal, action or resource.
    fn elsewhere(&self) -> bool {
        matches!(self.result, Found::OtherPrincipal(_) | Found::OtherAction | Found::OtherResource(_))
    }

    fn data(&self) -> Value {
        let (result, error) = self.parts();
        let condition = self.result.condition();
        json!({
            "policy": self.policy,
            "effect": effect(self.effect),
            "source": self.source,
            "reason": self.note,
            "severity": self.severity,
            "step_up": self.step_up,
            "result": result,
            "condition": condition.map(|condition| condition.text.as_str()),
            "values": condition.map(|condition| condition.values.iter().map(seen_json).collect::<Vec<_>>()),
            "line": self.place.map(|place| place.line),
            "column": self.place.map(|place| place.column),
            "error": error,
            "relevant": self.relevant,
        })
    }

    /// The result's name, and what went wrong in the condition that it is about.
    fn parts(&self) -> (&'static str, Option<String>) {
        match &self.result {
            Found::Satisfied => ("satisfied", None),
            Found::OtherPrincipal(_) => ("other_principal", None),
            Found::OtherAction => ("other_action", None),
            Found::OtherResource(_) => ("other_resource", None),
            Found::ConditionFalse(_) => ("condition_false", None),
            Found::Failed(_, kind, text) => ("condition_failed", Some(format!("{kind}: {text}"))),
        }
    }
}

/// A part of a condition with what it saw: a value, `"masked": true`, or an error.
fn seen_json(seen: &Seen) -> Value {
    match &seen.value {
        SeenValue::Value(value) => json!({ "expression": seen.expression, "value": value_json(value) }),
        SeenValue::Masked => json!({ "expression": seen.expression, "masked": true }),
        SeenValue::Fault(kind) => json!({ "expression": seen.expression, "error": kind.to_string() }),
    }
}

/// An effect's name.
fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Permit => "permit",
        Effect::Forbid => "forbid",
    }
}
