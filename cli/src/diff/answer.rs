//! Two answers to one question.

use crate::explanation::{self, Asked, near};
use crate::literal::Question;
use crate::sources::Sources;
use countersign_core::policy::{Image, Ruling, evaluate};
use serde_json::{Value, json};

/// One side's answer.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// What the gateway makes of it.
    pub(crate) allow: bool,
    /// `permitted`, `forbidden`, `forbid_errored` or `not_permitted`.
    pub(crate) ruling: &'static str,
    /// The policies that determine it.
    pub(crate) reasons: Vec<String>,
    /// The policies that failed.
    pub(crate) errors: Vec<String>,
    /// Where nothing permits: the nearest misses, with the condition that was not so.
    pub(crate) near: Vec<String>,
}

impl Answer {
    fn of(image: &Image, question: &Question) -> Self {
        question.ask(|request| {
            let outcome = evaluate(image, request);
            let name = |index| image.policy(index).map_or("", |policy| policy.id()).to_owned();
            let mut reasons: Vec<String> = outcome.determining().iter().map(name).collect();
            let mut errors: Vec<String> = outcome.errors().iter().map(|error| name(error.policy)).collect();
            reasons.sort();
            errors.sort();
            let ruling = explanation::ruling(outcome.ruling());
            Self { allow: outcome.ruling() == Ruling::Permitted, ruling, reasons, errors, near: Vec::new() }
        })
    }

    /// Adds what was near: only for answers that are shown, as it looks at every policy.
    fn with_near(mut self, image: &Image, question: &Question) -> Self {
        if self.ruling != "not_permitted" {
            return self;
        }
        let asked = question.ask(|request| Asked::of(image, &Sources::default(), request));
        self.near = near(&asked, Ruling::NotPermitted, &[]);
        self
    }

    /// It in a few words.
    pub(crate) fn words(&self) -> String {
        let decision = if self.allow { "allow" } else { "deny" };
        let why = match self.ruling {
            "forbid_errored" => format!("a forbid failed: {}", self.errors.join(", ")),
            "not_permitted" if self.near.is_empty() => String::from("no policy permits"),
            "not_permitted" => format!("no policy permits; not so: {}", self.near.join("; ")),
            _ => self.reasons.join(", "),
        };
        format!("{decision} ({why})")
    }

    fn data(&self) -> Value {
        json!({
            "decision": if self.allow { "allow" } else { "deny" },
            "ruling": self.ruling,
            "reasons": self.reasons,
            "errors": self.errors,
            "near": self.near,
        })
    }
}

/// A decision that is another.
pub(crate) struct Change {
    /// What was asked; its context without what is sensitive.
    pub(crate) question: Question,
    /// Where the question comes from.
    pub(crate) origin: String,
    /// The answers.
    pub(crate) old: Answer,
    pub(crate) new: Answer,
}

/// What a question finds out.
pub(crate) enum Outcome {
    Same,
    /// The decision is the same, by other policies.
    Reasons,
    Changed(Box<Change>),
}

/// Asks both.
pub(crate) fn compare(old: &Image, new: &Image, question: &Question, origin: &str) -> Outcome {
    let (before, after) = (Answer::of(old, question), Answer::of(new, question));
    if before.allow == after.allow {
        return if before == after { Outcome::Same } else { Outcome::Reasons };
    }
    let mut told = question.clone();
    told.context = explanation::masked_context([old, new], &question.context);
    Outcome::Changed(Box::new(Change {
        question: told,
        origin: origin.to_owned(),
        old: before.with_near(old, question),
        new: after.with_near(new, question),
    }))
}

impl Change {
    /// What becomes of it.
    pub(crate) fn word(&self) -> &'static str {
        if self.new.allow { "now allowed" } else { "now denied" }
    }

    /// Who does what to what.
    pub(crate) fn title(&self) -> String {
        let Question { principal, action, resource, .. } = &self.question;
        format!("{principal} {action} {resource}")
    }

    /// The context and both answers, a line each.
    pub(crate) fn text(&self) -> String {
        let context = crate::explanation::record_json(&self.question.context);
        format!("  context {context}\n  old     {}\n  new     {}", self.old.words(), self.new.words())
    }

    /// It as data.
    pub(crate) fn data(&self) -> Value {
        let Question { principal, action, resource, context, .. } = &self.question;
        json!({
            "origin": self.origin,
            "principal": principal.to_string(),
            "action": action.to_string(),
            "resource": resource.to_string(),
            "context": crate::explanation::record_json(context),
            "old": self.old.data(),
            "new": self.new.data(),
        })
    }
}
