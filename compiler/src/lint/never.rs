//! Policies that can never match.

use std::collections::HashSet;

use cedar_policy::{Schema, ValidationMode, ValidationWarning, Validator};

use super::{
    Finding, Rule,
    logic::Facts,
    subject::{Party, Subject, World},
};
use crate::{compile::Parsed, convert::parse_uid};

pub(super) fn lint(
    subject: &Subject<'_>,
    world: &World<'_>,
    impossible: &HashSet<String>,
    findings: &mut Vec<Finding>,
) {
    let mut facts = known(subject);
    if let Err(why) = facts.add(&subject.tree, 0) {
        let message = format!("can never match: {why}");
        findings.push(subject.finding(Rule::NeverMatches, subject.condition, message));
    } else if subject.actions.is_empty() {
        let message = String::from("can never match: its scope names no action that applies to anything");
        findings.push(subject.finding(Rule::NeverMatches, None, message));
    } else if impossible.contains(&subject.id) {
        let message = String::from("can never match: no request that the schema allows has these types");
        findings.push(subject.finding(Rule::NeverMatches, None, message));
    } else if let Some(name) = unknown_choice(subject, world) {
        let message = format!("can never match: the schema's enumeration has no `{name}`");
        findings.push(subject.finding(Rule::NeverMatches, None, message));
    }
}

/// What the scope says of the variables.
pub(super) fn known(subject: &Subject<'_>) -> Facts {
    let mut facts = Facts::default();
    for (name, party) in [("principal", &subject.principal), ("resource", &subject.resource)] {
        if let Party::Eq(uid) = party
            && let Some(uid) = parse_uid(uid)
        {
            facts.only(name, uid.into());
        }
    }
    facts
}

/// The policies that the official validator finds false for every request.
pub(super) fn impossible(parsed: &Parsed, schema: &Schema) -> HashSet<String> {
    let result = Validator::new(schema.clone()).validate(&parsed.set, ValidationMode::Strict);
    let warnings = result.validation_warnings().filter_map(|warning| match warning {
        ValidationWarning::ImpossiblePolicy(warning) => Some(warning.policy_id().to_string()),
        _ => None,
    });
    warnings.collect()
}

fn unknown_choice(subject: &Subject<'_>, world: &World<'_>) -> Option<String> {
    use cedar_policy_core::validator::ValidatorEntityTypeKind;
    [&subject.principal, &subject.resource].into_iter().find_map(|party| {
        let Party::Eq(name) = party else { return None };
        let uid = parse_uid(name)?;
        let declared = world.schema.entity_types().find(|ty| ty.name().to_string() == uid.ty())?;
        let ValidatorEntityTypeKind::Enum(choices) = &declared.kind else { return None };
        let known = choices.iter().any(|choice| {
            let choice: &str = choice.as_ref();
            choice == uid.id()
        });
        (!known).then(|| name.clone())
    })
}
