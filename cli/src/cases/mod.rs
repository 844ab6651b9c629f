//! `eval --cases` and `explain --cases`: policies asked without a gateway, by cases that bring everything along.

mod eval;
mod explain;
mod judge;

pub(crate) use eval::eval;
pub(crate) use explain::{data, explain, show};

use serde_json::Value;

/// A case's `id`, or `null`.
fn id(case: &Value) -> Value {
    case.get("id").cloned().unwrap_or_default()
}
