//! Cases that bring everything along: policies, schema, entities and requests, in the form of Cedar's corpora.
//!
//! A case is a JSON object with these members, all but the policies optional:
//!
//! | member | holds |
//! | --- | --- |
//! | `id` | any text |
//! | `policy` | Cedar text, or a policy set in Cedar's JSON form; identifiers are `policy0` onwards |
//! | `policy_parts` | in its place: `{"static": [[id, text]], "templates": [[id, text]]}` |
//! | `links` | of templates: `[{"templateId", "newId", "values": {"?principal": entity}}]`, or as in a pack's `links.json` |
//! | `schema` | Cedar schema text, or its JSON form |
//! | `entities` | a list in Cedar's JSON form |
//! | `requests` | `[{principal, action, resource, context, decision, reason, errors}]` |
//!
//! `decision`, `reason` (or `reasons`) and `errors` of a request are what is expected of it; an object `oracle` may hold them
//! instead. Members that are nearly one of these are refused as misspelt; others are another tool's.
//! Entities are `{"type", "id"}`, the same under `__entity`, or text such as `User::"alice"`.

pub mod answer;
mod read;
#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use read::CaseError;

use cedar_policy::{Entities, PolicySet, Request, Schema};
use serde_json::Value;

use crate::{CompileErrors, Compiled, Source, compile_set};

/// Policies, schema and entities, as the official crate holds them.
#[derive(Clone, Debug)]
pub struct Case {
    /// The policies, with linked templates.
    pub policies: PolicySet,
    /// The schema, where there is one.
    pub schema: Option<Schema>,
    /// Its source.
    pub schema_source: Option<Source>,
    /// The entities, the schema's actions among them.
    pub entities: Entities,
    /// What was read otherwise than the case has it, in words.
    pub notes: Vec<String>,
}

/// A request of a case.
#[derive(Clone, Debug)]
pub struct CaseRequest {
    /// What is asked.
    pub request: Request,
    /// What should be answered, where the case says so.
    pub expected: Option<Answer>,
    /// What was read otherwise than the case has it, in words.
    pub notes: Vec<String>,
}

impl Case {
    /// Reads policies, schema and entities. Entities that don't fit the schema are read without it, with a note.
    ///
    /// # Errors
    ///
    /// Where a member is missing or the official crate refuses it.
    pub fn read(case: &Value) -> Result<Self, CaseError> {
        read::case(case)
    }

    /// Reads one of the case's requests. A context that doesn't fit the schema is read without it, with a note.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn request(&self, request: &Value) -> Result<CaseRequest, CaseError> {
        read::request(self, request)
    }

    /// The image with the case's entities in it. Policies are not validated: a case may be about what happens without.
    ///
    /// # Errors
    ///
    /// Where something can't be lowered.
    pub fn compile(&self) -> Result<Compiled, CompileErrors> {
        compile_set(&self.policies, self.schema.as_ref(), self.schema_source.as_ref(), &self.entities)
    }

    /// The image without the entities.
    ///
    /// # Errors
    ///
    /// As [`compile`](Self::compile).
    pub fn compile_without_entities(&self) -> Result<Compiled, CompileErrors> {
        compile_set(&self.policies, self.schema.as_ref(), self.schema_source.as_ref(), &Entities::empty())
    }
}

/// The requests in a case's JSON.
#[must_use]
pub fn requests(case: &Value) -> &[Value] {
    case.get("requests").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
