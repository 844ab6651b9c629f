//! In what a decision differs from the one before.

use serde_json::{Map, Value, json};

/// How far a change reaches, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// What was refused is allowed.
    Opened,
    /// What was allowed is refused.
    Closed,
    /// It is refused for another reason.
    Reason,
    /// The same decision for another principal, on another route, or by other policies.
    Grounds,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Opened, Self::Closed, Self::Reason, Self::Grounds];

    /// In a word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Opened => "deny → allow",
            Self::Closed => "allow → deny",
            Self::Reason => "reason",
            Self::Grounds => "grounds",
        }
    }
}

/// A decision that changed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Difference {
    pub(crate) kind: Kind,
    /// Member by member: what it was, and what it is.
    pub(crate) members: Vec<(&'static str, Value, Value)>,
}

/// Members in which decisions are compared, but for the decision itself.
const GROUNDS: [&str; 5] = ["route", "principal", "action", "resource", "policies"];

/// The difference between two audit records. Nothing where they say the same.
pub(crate) fn difference(before: &Map<String, Value>, now: &Map<String, Value>) -> Option<Difference> {
    let of = |record: &Map<String, Value>, name: &str| {
        let mut value = record.get(name).cloned().unwrap_or_default();
        // Which policy was evaluated first is no difference.
        if let Value::Array(items) = &mut value {
            items.sort_by_key(ToString::to_string);
        }
        value
    };
    let names = ["decision", "layer", "reason"].into_iter().chain(GROUNDS);
    let members: Vec<_> = names
        .map(|name| (name, of(before, name), of(now, name)))
        .filter(|(_, before, now)| before != now)
        .collect();
    let first = members.first()?;
    let kind = match first.0 {
        "decision" if first.2 == "allow" => Kind::Opened,
        "decision" => Kind::Closed,
        "layer" | "reason" => Kind::Reason,
        _ => Kind::Grounds,
    };
    Some(Difference { kind, members })
}

/// The same of modules that leave no record: what became of the request.
pub(crate) fn outcome(outcome: &str, status: u16) -> Map<String, Value> {
    // What the upstream answered is none of the module's doing.
    let status = if outcome == "forwarded" { Value::Null } else { json!(status) };
    let decision = if outcome == "forwarded" { "allow" } else { "deny" };
    Map::from_iter([
        (String::from("decision"), json!(decision)),
        (String::from("layer"), json!(outcome)),
        (String::from("reason"), status),
    ])
}

impl Difference {
    /// As one line.
    pub(crate) fn text(&self) -> String {
        let short = |value: &Value| match value {
            Value::Null => String::from("–"),
            Value::String(text) => text.clone(),
            Value::Array(items) => {
                items.iter().map(|item| item.as_str().unwrap_or_default()).collect::<Vec<_>>().join("+")
            }
            other => other.to_string(),
        };
        let member = |(name, before, now): &(&str, Value, Value)| match *name {
            "decision" | "layer" | "reason" => format!("{} → {}", short(before), short(now)),
            name => format!("{name} {} → {}", short(before), short(now)),
        };
        let told = self.members.iter().filter(|(name, ..)| *name != "decision" && *name != "layer");
        let told: Vec<String> = told.map(member).collect();
        if told.is_empty() {
            self.members.iter().map(member).collect::<Vec<_>>().join(", ")
        } else {
            told.join(", ")
        }
    }

    /// As JSON.
    pub(crate) fn data(&self) -> Value {
        let members = self
            .members
            .iter()
            .map(|(name, before, now)| ((*name).to_owned(), json!({ "before": before, "now": now })));
        json!({ "change": self.kind.word(), "members": members.collect::<Map<_, _>>() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn the_gravest_difference_names_the_change() {
        let allow = record(json!({ "decision": "allow", "principal": "a", "policies": ["x", "y"] }));
        let deny = record(
            json!({ "decision": "deny", "layer": "policy", "reason": "policy.forbidden", "principal": "a" }),
        );
        let kind = |before, now| difference(before, now).map(|difference| difference.kind);
        assert_eq!(kind(&deny, &allow), Some(Kind::Opened));
        assert_eq!(kind(&allow, &deny), Some(Kind::Closed));
        let other = record(
            json!({ "decision": "deny", "layer": "token", "reason": "token.expired", "principal": "a" }),
        );
        assert_eq!(kind(&deny, &other), Some(Kind::Reason));
        assert_eq!(difference(&deny, &other).unwrap().text(), "policy.forbidden → token.expired");
        let turned = record(json!({ "decision": "allow", "principal": "a", "policies": ["y", "x"] }));
        assert_eq!(kind(&allow, &turned), None);
        let fewer = record(json!({ "decision": "allow", "principal": "a", "policies": ["y"] }));
        assert_eq!(difference(&allow, &fewer).unwrap().text(), "policies x+y → y");
    }
}
