//! The nearest misses in a few words, where there is no room for the whole story.

use super::value::text;
use super::{Asked, Finding};
use countersign_core::policy::explain::Found;
use countersign_core::policy::{Effect, Ruling, Seen, SeenValue};

/// How many near misses are told.
const MOST: usize = 3;
/// How many values are told of each.
const MOST_VALUES: usize = 6;

/// What was near to changing a ruling, `policy: condition (values)`: where nothing permits, the `permit`s; where something does, the
/// `forbid`s. Those of `wanted` come first, whatever the ruling.
pub(crate) fn near(asked: &Asked, ruling: Ruling, wanted: &[String]) -> Vec<String> {
    let effect = match ruling {
        Ruling::NotPermitted => Some(Effect::Permit),
        Ruling::Permitted => Some(Effect::Forbid),
        Ruling::Forbidden | Ruling::ForbidErrored => None,
    };
    // Nearest first: what was wanted, then conditions, then scopes.
    let rank = |finding: &&Finding| match finding {
        finding if wanted.contains(&finding.policy) => Some(0),
        finding if Some(finding.effect) == effect => Some(if finding.elsewhere() { 2 } else { 1 }),
        _ => None,
    };
    let missed = asked.findings.iter().filter(|finding| finding.result != Found::Satisfied);
    let mut found: Vec<(u8, String)> =
        missed.filter_map(|finding| Some((rank(&finding)?, finding.miss()?))).collect();
    found.sort_by_key(|(rank, _)| *rank);
    let more = found.len().saturating_sub(MOST);
    let mut near: Vec<String> = found.into_iter().take(MOST).map(|(_, miss)| miss).collect();
    if more > 0 {
        near.push(format!("and {more} more"));
    }
    near
}

impl Finding {
    /// The condition that stood in the way, with what it saw.
    fn miss(&self) -> Option<String> {
        let condition = self.result.condition()?;
        let failed = match &self.result {
            Found::Failed(_, kind, _) => format!(" could not be evaluated: {kind}"),
            _ => String::new(),
        };
        let mut values: Vec<String> = condition.values.iter().take(MOST_VALUES).map(told).collect();
        if condition.values.len() > MOST_VALUES {
            values.push("…".to_owned());
        }
        let values = if values.is_empty() { String::new() } else { format!(" ({})", values.join(", ")) };
        Some(format!("{}: {}{failed}{values}", self.policy, condition.text))
    }
}

/// A part of a condition with what it was.
pub(super) fn told(seen: &Seen) -> String {
    let name = &seen.expression;
    match (&seen.value, name.strip_suffix(" in")) {
        (SeenValue::Fault(kind), _) => format!("{name} has no value: {kind}"),
        (SeenValue::Masked, Some(party)) => format!("{party} is in (masked)"),
        (SeenValue::Masked, None) => format!("{name} was (masked)"),
        (SeenValue::Value(value), Some(party)) => match text(value).trim_matches(['[', ']']) {
            "" => format!("{party} is in nothing"),
            groups => format!("{party} is in {groups}"),
        },
        (SeenValue::Value(value), None) => format!("{name} was {}", text(value)),
    }
}
