//! `eval --cases` and `explain --cases`: policies asked without a gateway, by cases that bring everything along.

mod eval;
mod explain;
mod judge;

pub(crate) use eval::eval;
pub(crate) use explain::{data, explain, show};

use countersign_core::json::{self, JsonErrorKind, Limits};
use serde_json::Value;

/// Reads a line. Of a member that is there twice, two readers seldom take the same.
fn read(text: &str) -> Result<Value, String> {
    let case: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let limits = Limits { max_bytes: usize::MAX, max_depth: Limits::DEEPEST, max_nodes: usize::MAX };
    match json::parse(text.as_bytes(), &limits) {
        Err(error) if error.kind == JsonErrorKind::DuplicateMember => {
            Err(format!("expected each member of an object once: {error}"))
        }
        _ => Ok(case),
    }
}

/// A case's `id`, or `null`.
fn id(case: &Value) -> Value {
    case.get("id").cloned().unwrap_or_default()
}
