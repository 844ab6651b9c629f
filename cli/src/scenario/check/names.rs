//! The names that Countersign's decisions are told by.

use crate::scenario::format::Expect;
use countersign_core::reason::Reason;
use serde_json::Value;

/// Demands that a decision is expected by names that there are; an error comes with the field's name.
pub(super) fn check(value: &Value, expect: &Expect) -> Result<(), (String, String)> {
    let wrong = |name: &str, message: String| Err((name.to_owned(), message));
    if let Some(found) = expect.decision.as_deref().filter(|name| !matches!(*name, "allow" | "deny")) {
        return wrong("decision", format!("expected `allow` or `deny`, found `{found}`"));
    }
    if let Some(found) = &expect.reason
        && !Reason::ALL.iter().any(|reason| reason.code() == found)
    {
        let codes = "a reason code, as `countersign reference reasons` lists them";
        return match value {
            Value::String(_) => wrong("", format!("expected `allow`, `deny` or {codes}, found `{found}`")),
            _ => wrong("reason", format!("expected {codes}, found `{found}`")),
        };
    }
    if let Some(found) = &expect.layer
        && !Reason::ALL.iter().any(|reason| reason.layer().as_str() == found)
    {
        let mut layers: Vec<&str> = Reason::ALL.iter().map(|reason| reason.layer().as_str()).collect();
        layers.dedup();
        return wrong("layer", format!("expected one of `{}`, found `{found}`", layers.join("`, `")));
    }
    Ok(())
}
